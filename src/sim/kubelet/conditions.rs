//! The conditions of a Pod that its kubelet owns.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodCondition;

use super::{
    container::ContainerState,
    pod::{PodState, Stage},
    status::time,
};

/// Present while they hold and absent otherwise: these are never False.
pub(super) const RESIZE_CONDITIONS: [&str; 2] = ["PodResizePending", "PodResizeInProgress"];

/// All conditions that hold now. A transition time stays while the condition's status does.
pub(super) fn of(pod: &PodState, now: Timestamp) -> Vec<PodCondition> {
    let generation = Some(pod.view.generation);
    let mut conditions = Vec::new();
    if !matches!(pod.stage, Stage::Rejected(_) | Stage::Unadmitted) {
        let mut lasting = |kind, fault| conditions.push(lasting(pod, kind, fault, now));
        let created = matches!(pod.stage, Stage::Starting { .. });
        let has_init = pod.object.spec.as_ref().is_some_and(|spec| spec.init_containers.is_some());
        let up = matches!(pod.stage, Stage::Running);
        lasting("PodReadyToStartContainers", (!up).then_some(Fault::default()));
        lasting("Initialized", (created && has_init).then(|| Fault::unready("ContainersNotInitialized", pod)));
        lasting("Ready", unready(pod));
        lasting("ContainersReady", unready(pod));
        lasting("PodScheduled", None);
    }
    conditions.extend(pending(pod));
    conditions.extend(in_progress(pod, now));
    for condition in &mut conditions {
        condition.observed_generation = condition.observed_generation.or(generation);
    }
    conditions
}

/// Why a condition is False.
#[derive(Default)]
struct Fault {
    reason: Option<String>,
    message: Option<String>,
}

impl Fault {
    fn unready(reason: &str, pod: &PodState) -> Self {
        let names: Vec<_> = pod.containers.iter().filter(|c| !c.ready).map(|c| c.name.as_str()).collect();
        let message = format!("containers with unready status: [{}]", names.join(" "));
        Self { reason: Some(reason.to_owned()), message: Some(message) }
    }
}

fn unready(pod: &PodState) -> Option<Fault> {
    match pod.stage {
        Stage::Ended { well: true } => Some(Fault { reason: Some("PodCompleted".to_owned()), message: None }),
        Stage::Ended { .. } | Stage::Stopped { .. } => {
            Some(Fault { reason: Some("PodFailed".to_owned()), message: None })
        }
        _ if pod.containers.iter().all(|c: &ContainerState| c.ready) => None,
        _ => Some(Fault::unready("ContainersNotReady", pod)),
    }
}

/// A condition that is always there: True, or False for the given reason.
fn lasting(pod: &PodState, kind: &str, fault: Option<Fault>, now: Timestamp) -> PodCondition {
    let status = if fault.is_none() { "True" } else { "False" };
    let known = pod.written.as_ref().and_then(|status| status.conditions.as_ref());
    let known = known.or_else(|| pod.object.status.as_ref().and_then(|status| status.conditions.as_ref()));
    let old = known.into_iter().flatten().find(|condition| condition.type_ == kind && condition.status == status);
    let fault = fault.unwrap_or_default();
    PodCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: fault.reason,
        message: fault.message,
        last_transition_time: old.and_then(|old| old.last_transition_time.clone()).or_else(|| Some(time(now))),
        ..PodCondition::default()
    }
}

fn pending(pod: &PodState) -> Option<PodCondition> {
    let pending = pod.resize.pending.as_ref()?;
    Some(PodCondition {
        type_: RESIZE_CONDITIONS[0].to_owned(),
        status: "True".to_owned(),
        reason: Some(pending.reason.to_string()),
        message: Some(pending.message.clone()),
        last_probe_time: Some(time(pending.evaluated)),
        last_transition_time: Some(time(pending.since)),
        observed_generation: Some(pending.generation),
    })
}

fn in_progress(pod: &PodState, now: Timestamp) -> Option<PodCondition> {
    let progress = pod.resize.in_progress.as_ref()?;
    Some(PodCondition {
        type_: RESIZE_CONDITIONS[1].to_owned(),
        status: "True".to_owned(),
        reason: progress.error.is_some().then(|| "Error".to_owned()),
        message: progress.error.clone(),
        last_probe_time: Some(time(now)),
        last_transition_time: Some(time(progress.since)),
        observed_generation: Some(progress.generation),
    })
}

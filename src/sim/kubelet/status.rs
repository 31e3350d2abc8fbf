//! The Pod status that a kubelet writes, and the patch that carries it.
//!
//! Rules: k8s.io/kubernetes v1.37 `pkg/kubelet/kubelet_pods.go`, `pkg/kubelet/status/status_manager.go`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{
        Container, ContainerState as ApiState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
        ContainerStatus, HostIP, PodIP, PodStatus, ResourceRequirements,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::Time},
};
use serde_json::{Value, json};

use super::{
    conditions::{self, RESIZE_CONDITIONS},
    container::{ContainerState, Ended, Run},
    pod::{PodState, Stage},
};
use crate::resources::{ContainerResources, Resources};

/// What ids of containers and images begin with.
pub(super) const RUNTIME: &str = "sim://";

/// The status as it is now; times in `written` that still hold are kept.
pub(super) fn build(pod: &PodState, host_ip: &str, now: Timestamp) -> PodStatus {
    let rejected = match &pod.stage {
        Stage::Rejected(rejection) => Some(rejection),
        _ => None,
    };
    let mut status = PodStatus {
        phase: Some(phase(&pod.stage).to_owned()),
        reason: rejected.map(|rejection| rejection.reason.clone()),
        message: rejected.map(|rejection| rejection.message.clone()),
        observed_generation: Some(pod.view.generation),
        start_time: Some(time(pod.started)),
        qos_class: Some(pod.view.qos.to_string()),
        ..PodStatus::default()
    };
    if rejected.is_none() {
        status.host_ip = Some(host_ip.to_owned());
        status.host_ips = Some(vec![HostIP { ip: host_ip.to_owned() }]);
        if !matches!(pod.stage, Stage::Starting { .. }) {
            status.pod_ip = pod.ip.clone();
            status.pod_ips = pod.ip.clone().map(|ip| vec![PodIP { ip }]);
        }
        fill_containers(&mut status, pod);
    }
    status.conditions = Some(conditions::of(pod, now));
    status
}

fn phase(stage: &Stage) -> &'static str {
    match stage {
        Stage::Unadmitted | Stage::Starting { .. } => "Pending",
        Stage::Running => "Running",
        Stage::Ended { well: true } | Stage::Stopped { well: true } => "Succeeded",
        Stage::Rejected(_) | Stage::Ended { .. } | Stage::Stopped { .. } => "Failed",
    }
}

fn fill_containers(status: &mut PodStatus, pod: &PodState) {
    let Some(spec) = pod.object.spec.as_ref() else { return };
    let find = |name: &str| pod.containers.iter().find(|c| c.name == name);
    let apps = spec.containers.iter().filter_map(|c| Some(container_status(pod, c, find(&c.name)?)));
    status.container_statuses = Some(apps.collect());
    let init = spec.init_containers.iter().flatten().map(|c| match find(&c.name) {
        Some(sidecar) => container_status(pod, c, sidecar),
        None => init_status(pod, c),
    });
    let init: Vec<_> = init.collect();
    status.init_container_statuses = (!init.is_empty()).then_some(init);
    let active = pod.is_active();
    let allocated = pod.view.requests_with(|c| pod.allocated(&c.name).requests);
    status.allocated_resources = active.then(|| list(allocated)).filter(|list| !list.is_empty());
}

fn container_status(pod: &PodState, spec: &Container, state: &ContainerState) -> ContainerStatus {
    let running = state.up_since().is_some();
    let (now, last) = states(pod, state);
    ContainerStatus {
        name: spec.name.clone(),
        image: spec.image.clone().unwrap_or_default(),
        image_id: format!("{RUNTIME}{}", spec.image.as_deref().unwrap_or_default()),
        container_id: (state.runs > 0).then(|| container_id(pod, &spec.name, state.runs)),
        ready: state.ready,
        started: Some(running),
        restart_count: state.restarts,
        state: Some(now),
        last_state: last,
        allocated_resources: Some(requirements(spec, &state.allocated).requests.unwrap_or_default()),
        // Never absent: without it the API server takes the Node for one that cannot resize.
        resources: Some(requirements(spec, if running { &state.actuated } else { &state.allocated })),
        ..ContainerStatus::default()
    }
}

/// `state` and `lastState`.
fn states(pod: &PodState, state: &ContainerState) -> (ApiState, Option<ApiState>) {
    let waiting = |reason: &str, message| ApiState {
        waiting: Some(ContainerStateWaiting { reason: Some(reason.to_owned()), message }),
        ..ApiState::default()
    };
    let ended = state.last.map(|ended| terminated(pod, &state.name, &ended));
    match state.run {
        Run::Created => (waiting("ContainerCreating", None), None),
        Run::Up { since, .. } => {
            let running = Some(ContainerStateRunning { started_at: Some(time(since)) });
            (ApiState { running, ..ApiState::default() }, ended)
        }
        Run::Down { back_off: Some(wait), .. } => {
            let (name, uid) = (&pod.key.name, pod.uid());
            let place = format!("container={} pod={name}_{}({uid})", state.name, pod.key.namespace);
            let message = format!("back-off {} restarting failed {place}", go_duration(wait.as_secs()));
            (waiting("CrashLoopBackOff", Some(message)), ended)
        }
        Run::Down { back_off: None, .. } | Run::Over => {
            (ended.unwrap_or_else(|| waiting("ContainerCreating", None)), None)
        }
    }
}

fn terminated(pod: &PodState, container: &str, ended: &Ended) -> ApiState {
    let terminated = ContainerStateTerminated {
        container_id: Some(container_id(pod, container, ended.run)),
        exit_code: ended.exit.code,
        reason: Some(ended.exit.reason.to_owned()),
        started_at: Some(time(ended.started)),
        finished_at: Some(time(ended.finished)),
        ..ContainerStateTerminated::default()
    };
    ApiState { terminated: Some(terminated), ..ApiState::default() }
}

/// An ordinary init container: it has done its work by the time that the others start.
fn init_status(pod: &PodState, spec: &Container) -> ContainerStatus {
    let done = !matches!(pod.stage, Stage::Unadmitted | Stage::Starting { .. });
    let (started_at, finished_at) = (Some(time(pod.started)), Some(time(pod.started)));
    let ended = ContainerStateTerminated {
        exit_code: 0,
        reason: Some("Completed".to_owned()),
        started_at,
        finished_at,
        ..ContainerStateTerminated::default()
    };
    let waiting = ContainerStateWaiting { reason: Some("PodInitializing".to_owned()), message: None };
    ContainerStatus {
        name: spec.name.clone(),
        image: spec.image.clone().unwrap_or_default(),
        image_id: format!("{RUNTIME}{}", spec.image.as_deref().unwrap_or_default()),
        ready: done,
        started: Some(false),
        state: Some(ApiState {
            terminated: done.then_some(ended),
            waiting: (!done).then_some(waiting),
            ..ApiState::default()
        }),
        allocated_resources: spec.resources.as_ref().and_then(|resources| resources.requests.clone()),
        resources: Some(ResourceRequirements { claims: None, ..spec.resources.clone().unwrap_or_default() }),
        ..ContainerStatus::default()
    }
}

fn container_id(pod: &PodState, container: &str, run: u32) -> String {
    format!("{RUNTIME}{}", runtime_id(pod, container, run))
}

/// What the runtime calls a run of a container.
pub(super) fn runtime_id(pod: &PodState, container: &str, run: u32) -> String {
    format!("{}-{container}-{run}", pod.uid())
}

/// What the spec says, with CPU and memory as they are: other resources cannot be resized.
fn requirements(spec: &Container, amounts: &ContainerResources) -> ResourceRequirements {
    let given = spec.resources.as_ref();
    let merge = |given: Option<&BTreeMap<String, Quantity>>, amounts: Resources| {
        let mut merged = list(amounts);
        for (name, quantity) in given.into_iter().flatten() {
            if name != "cpu" && name != "memory" {
                merged.insert(name.clone(), quantity.clone());
            }
        }
        (!merged.is_empty()).then_some(merged)
    };
    ResourceRequirements {
        requests: merge(given.and_then(|g| g.requests.as_ref()), amounts.requests),
        limits: merge(given.and_then(|g| g.limits.as_ref()), amounts.limits),
        claims: None,
    }
}

fn list(amounts: Resources) -> BTreeMap<String, Quantity> {
    let cpu = amounts.cpu.map(|cpu| ("cpu".to_owned(), Quantity::from(cpu)));
    let memory = amounts.memory.map(|memory| ("memory".to_owned(), Quantity::from(memory)));
    cpu.into_iter().chain(memory).collect()
}

/// Times in objects are whole seconds.
pub(super) fn time(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

/// As Go prints durations of whole seconds.
fn go_duration(seconds: i64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

/// Whether a write is worth it: times and observed generations of conditions alone are not.
pub(super) fn differs(old: &PodStatus, new: &PodStatus) -> bool {
    let plain = |status: &PodStatus| {
        let mut status = status.clone();
        for condition in status.conditions.iter_mut().flatten() {
            condition.last_probe_time = None;
            condition.last_transition_time = None;
            condition.observed_generation = None;
        }
        status
    };
    plain(old) != plain(new)
}

/// A strategic merge patch that writes `status`. It names the Pod's uid, so that it cannot hit a successor of the same
/// name, and leaves alone the conditions that others own.
pub(super) fn patch(uid: &str, status: &PodStatus) -> Value {
    let mut value = json!({ "metadata": { "uid": uid }, "status": status });
    if let Some(list) = value["status"]["conditions"].as_array_mut() {
        // A condition is merged with what is there of its type: what it has no more must be taken away.
        for condition in list.iter_mut().filter_map(Value::as_object_mut) {
            for field in ["reason", "message"] {
                condition.entry(field).or_insert(Value::Null);
            }
        }
        let held: Vec<_> = status.conditions.iter().flatten().map(|condition| condition.type_.as_str()).collect();
        let gone = RESIZE_CONDITIONS.iter().filter(|kind| !held.contains(kind));
        list.extend(gone.map(|kind| json!({ "type": kind, "$patch": "delete" })));
    }
    value
}

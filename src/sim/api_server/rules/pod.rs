//! A Pod that is created, or changed through its main resource.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Pod, PodCondition, PodStatus},
    apimachinery::pkg::apis::meta::v1::{Status, Time},
};

use super::{
    Around,
    amount::refuse_unreadable,
    limit_range, pod_admission, pod_defaults, pod_parts, pod_spec, qos, quota,
    status::{self, Subject},
};

pub use super::pod_update::{admit_update, validate_update};

/// The Pod as it is stored first, or why it is not: 400 for an amount that cannot be read, 422 for faults in the Pod,
/// 403 from PriorityClasses, LimitRanges and ResourceQuotas. It comes with its defaults, its name and its uid.
pub fn prepare_create(mut pod: Pod, around: &Around<'_>, now: Timestamp) -> Result<Pod, Box<Status>> {
    refuse_unreadable_pod(&pod)?;
    limit_range::defaults(&mut pod, around.limit_ranges);
    pod_admission::priority(&mut pod, around.priority_classes)?;
    if let Some(spec) = &mut pod.spec {
        pod_admission::tolerations(spec);
    }
    pod.metadata.generation = Some(1);
    pod.metadata.creation_timestamp = Some(Time(now));
    pod.metadata.deletion_timestamp = None;
    pod.metadata.deletion_grace_period_seconds = None;
    pod.status = None;
    pod_defaults::pod_level(&mut pod);
    pod.status = Some(first_status(&pod, now));

    let mut faults = pod_spec::check(&pod, None);
    pod.spec.iter().for_each(|spec| pod_parts::check_tokens(spec, &mut faults));
    status::check(subject("Pod", &pod), &faults)?;
    check_limit_ranges(&pod, around)?;
    pod_admission::check_overhead(&pod)?;
    check_quotas(&pod, None, around)?;
    Ok(pod)
}

fn first_status(pod: &Pod, now: Timestamp) -> PodStatus {
    let gated = pod.spec.as_ref().and_then(|s| s.scheduling_gates.as_ref()).is_some_and(|gates| !gates.is_empty());
    let condition = PodCondition {
        type_: "PodScheduled".to_owned(),
        status: "False".to_owned(),
        reason: Some("SchedulingGated".to_owned()),
        message: Some("Scheduling is blocked due to non-empty scheduling gates".to_owned()),
        last_transition_time: Some(Time(now)),
        ..PodCondition::default()
    };
    PodStatus {
        phase: Some("Pending".to_owned()),
        qos_class: Some(qos::compute(pod).to_string()),
        conditions: gated.then(|| vec![condition]),
        ..PodStatus::default()
    }
}

/// 403 by the namespace's LimitRanges.
pub(super) fn check_limit_ranges(pod: &Pod, around: &Around<'_>) -> Result<(), Box<Status>> {
    limit_range::check(pod, around.limit_ranges).map_err(|why| status::forbidden(subject("pods", pod), &why, None))
}

/// 403 by the namespace's ResourceQuotas.
pub(super) fn check_quotas(pod: &Pod, old: Option<&Pod>, around: &Around<'_>) -> Result<(), Box<Status>> {
    quota::admit(pod, old, around.quotas, around.namespace_pods)
        .map_err(|why| status::forbidden(subject("pods", pod), &why, None))
}

/// The Pod as the subject of a refusal: `Pod` is at fault, `pods` are forbidden.
pub(super) fn subject<'a>(kind: &'a str, pod: &'a Pod) -> Subject<'a> {
    let names = [&pod.metadata.name, &pod.metadata.generate_name];
    let name = names.into_iter().flatten().find(|name| !name.is_empty());
    Subject { group: "", kind, name: name.map_or("Unknown", String::as_str) }
}

/// 400 if an amount in the spec is not a quantity.
pub(super) fn refuse_unreadable_pod(pod: &Pod) -> Result<(), Box<Status>> {
    let Some(spec) = &pod.spec else { return Ok(()) };
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let resources = containers.filter_map(|c| c.resources.as_ref()).chain(&spec.resources);
    let lists = resources.flat_map(|r| [&r.requests, &r.limits]).chain([&spec.overhead]);
    refuse_unreadable("Pod", lists.flatten().flat_map(|list| list.values()))
}

#[cfg(test)]
mod tests;

//! What the server fills into a Pod before anything else looks at it.
//!
//! Rules: k8s.io/kubernetes `pkg/apis/core/v1/defaults.go`, `pkg/api/pod/util.go` (pod-level resources) and
//! `plugin/pkg/admission/priority`. `resizePolicy` is not defaulted: an absent entry means `NotRequired`. Left out is
//! what a simulated Node has no use for: service account volumes and tolerations.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, Pod, PodSpec},
    apimachinery::pkg::api::resource::Quantity,
};

use super::{
    amount::{Amount, Amounts, read_all},
    totals::{self, Count},
};

/// Every default of a Pod but those that depend on other objects.
pub(super) fn fill_in(pod: &mut Pod) {
    let Some(spec) = &mut pod.spec else { return };
    let text = |field: &mut Option<String>, default: &str| {
        if field.as_deref().is_none_or(str::is_empty) {
            *field = Some(default.to_owned());
        }
    };
    text(&mut spec.restart_policy, "Always");
    text(&mut spec.dns_policy, "ClusterFirst");
    text(&mut spec.scheduler_name, "default-scheduler");
    spec.security_context.get_or_insert_default();
    spec.enable_service_links.get_or_insert(true);
    let grace = spec.termination_grace_period_seconds.get_or_insert(30);
    if *grace < 0 {
        *grace = 1;
    }
    for container in containers_mut(spec) {
        let image = container.image.as_deref().unwrap_or_default();
        let pull = if is_latest(image) { "Always" } else { "IfNotPresent" };
        text(&mut container.image_pull_policy, pull);
        text(&mut container.termination_message_path, "/dev/termination-log");
        text(&mut container.termination_message_policy, "File");
        container.ports.iter_mut().flatten().for_each(|port| text(&mut port.protocol, "TCP"));
    }
    requests_from_limits(spec);
}

/// The priority of a Pod without a priority class.
pub(super) fn priority(spec: &mut PodSpec) {
    spec.priority.get_or_insert(0);
    spec.preemption_policy.get_or_insert_with(|| "PreemptLowerPriority".to_owned());
}

/// A limit without a request is a request too. This happens on resize as well.
pub(super) fn requests_from_limits(spec: &mut PodSpec) {
    for resources in containers_mut(spec).filter_map(|container| container.resources.as_mut()) {
        if let Some(limits) = resources.limits.clone().filter(|limits| !limits.is_empty()) {
            let requests = resources.requests.get_or_insert_default();
            for (name, limit) in limits {
                requests.entry(name).or_insert(limit);
            }
        }
    }
}

/// Completes pod-level resources, where there are any, from those of the containers.
pub(super) fn pod_level(pod: &mut Pod) {
    let requested = totals::container_requests(pod, Count::Desired);
    let limited = totals::container_limits(pod, Count::Desired);
    let Some(spec) = &mut pod.spec else { return };
    let limited_everywhere = |name: &String| {
        let mut all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
        all.all(|c| c.resources.as_ref().and_then(|r| r.limits.as_ref()).is_some_and(|l| l.contains_key(name)))
    };
    let limited: Amounts = limited.into_iter().filter(|(name, _)| limited_everywhere(name)).collect();
    let Some(resources) = &mut spec.resources else { return };
    let mut requests = resources.requests.take().unwrap_or_default();
    let mut limits = resources.limits.take().unwrap_or_default();
    if !requests.is_empty() || !limits.is_empty() {
        let ours = |name: &String| matches!(name.as_str(), "cpu" | "memory");
        complete(&mut requests, requested.into_iter().filter(|(name, _)| ours(name)));
        for (name, limit) in limits.iter().filter(|(name, _)| totals::is_pod_level(name)) {
            requests.entry(name.clone()).or_insert_with(|| limit.clone());
        }
        let least = read_all(Some(&requests));
        let raised = limited.into_iter().filter_map(|(name, limit)| Some((limit.max(*least.get(&name)?), name)));
        complete(&mut limits, raised.map(|(limit, name)| (name, limit)).filter(|(name, _)| ours(name)));
    }
    resources.requests = Some(requests).filter(|list| !list.is_empty());
    resources.limits = Some(limits).filter(|list| !list.is_empty());
}

fn complete(list: &mut BTreeMap<String, Quantity>, amounts: impl Iterator<Item = (String, Amount)>) {
    for (name, amount) in amounts {
        list.entry(name).or_insert_with(|| amount.into());
    }
}

fn containers_mut(spec: &mut PodSpec) -> impl Iterator<Item = &mut Container> {
    spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten())
}

/// Whether an image name has the tag `latest`, which is also what no tag means.
fn is_latest(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    !name.contains('@') && name.rsplit_once(':').is_none_or(|(_, tag)| tag == "latest")
}

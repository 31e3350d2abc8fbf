//! A Pod that is resized: `pods/{name}/resize`.
//!
//! Rules: k8s.io/kubernetes `pkg/registry/core/pod/strategy.go` (what is kept of the request), `validation.go`
//! `ValidatePodResize` (422), and the admission plugins LimitRanger, NodeDeclaredFeatureValidator, PodResizeValidator
//! and ResourceQuota (403), in this order. So a 422 hides a 403.

use k8s_openapi::{
    api::core::v1::{Container, Node, Pod, PodSpec, ResourceRequirements},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Status, StatusCause},
};

use super::{
    Around,
    amount::read_all,
    limit_range,
    pod::{check_limit_ranges, check_quotas, refuse_unreadable_pod, subject},
    pod_defaults, resize_checks,
    status::{self},
    totals::{self, Count, is_sidecar},
};

/// The Pod after the resize, or why it is refused. Of `submitted` only resources and resize policies are looked at; the
/// generation is raised if they changed. A resize that changes nothing is not asked of the Node.
pub fn resize(old: &Pod, mut submitted: Pod, around: &Around<'_>) -> Result<Pod, Box<Status>> {
    refuse_unreadable_pod(&submitted)?;
    let being_deleted = old.metadata.deletion_timestamp.is_some();
    if !being_deleted {
        limit_range::defaults(&mut submitted, around.limit_ranges);
    }
    let mut new = keep_resources(old, submitted);
    let changed = !same_resources(old, &new);
    if changed {
        new.metadata.generation = Some(old.metadata.generation.unwrap_or(0) + 1);
    }
    status::check(subject("Pod", &new), &resize_checks::faults(old, &new))?;

    if !being_deleted {
        check_limit_ranges(&new, around)?;
    }
    if changed {
        check_node(old, &new, around)?;
    }
    check_quotas(&new, Some(old), around)?;
    Ok(if changed { new } else { Pod { metadata: new.metadata, ..old.clone() } })
}

/// Drops all that a resize cannot change. Where containers come or go nothing is dropped, so that this is refused.
fn keep_resources(old: &Pod, submitted: Pod) -> Pod {
    let (Some(old_spec), Some(spec)) = (&old.spec, &submitted.spec) else { return submitted };
    let count = |list: &Option<Vec<Container>>| list.as_ref().map_or(0, Vec::len);
    if old_spec.containers.len() != spec.containers.len()
        || count(&old_spec.init_containers) != count(&spec.init_containers)
    {
        return submitted;
    }
    let init_containers = spec.init_containers.as_deref().unwrap_or_default();
    let managed_fields = submitted.metadata.managed_fields.as_ref().or(old.metadata.managed_fields.as_ref());
    let mut new = Pod {
        metadata: ObjectMeta { managed_fields: managed_fields.cloned(), ..old.metadata.clone() },
        spec: Some(PodSpec {
            containers: keep_container_resources(&old_spec.containers, &spec.containers),
            init_containers: old_spec
                .init_containers
                .as_ref()
                .map(|old| keep_container_resources(old, init_containers)),
            // A client that does not know pod-level resources leaves them out, which does not remove them.
            resources: spec.resources.clone().or_else(|| old_spec.resources.clone()),
            ..old_spec.clone()
        }),
        status: old.status.clone(),
    };
    pod_defaults::pod_level(&mut new);
    new
}

fn keep_container_resources(old: &[Container], new: &[Container]) -> Vec<Container> {
    if old.iter().zip(new).any(|(old, new)| old.name != new.name) {
        return new.to_vec();
    }
    let keep = |(old, new): (&Container, &Container)| Container {
        resources: new.resources.clone(),
        resize_policy: new.resize_policy.clone(),
        ..old.clone()
    };
    old.iter().zip(new).map(keep).collect()
}

fn same_resources(old: &Pod, new: &Pod) -> bool {
    let (Some(old), Some(new)) = (&old.spec, &new.spec) else { return false };
    let init = |spec: &PodSpec| spec.init_containers.clone().unwrap_or_default();
    same_requirements(old.resources.as_ref(), new.resources.as_ref())
        && same_containers(&old.containers, &new.containers)
        && same_containers(&init(old), &init(new))
}

fn same_containers(old: &[Container], new: &[Container]) -> bool {
    let same = |(old, new): (&Container, &Container)| {
        old.name == new.name
            && same_requirements(old.resources.as_ref(), new.resources.as_ref())
            && old.resize_policy.iter().flatten().eq(new.resize_policy.iter().flatten())
    };
    old.len() == new.len() && old.iter().zip(new).all(same)
}

/// Whether two sets of resources are the same amounts, however they are written.
pub(super) fn same_requirements(old: Option<&ResourceRequirements>, new: Option<&ResourceRequirements>) -> bool {
    let none = ResourceRequirements::default();
    let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
    read_all(old.requests.as_ref()) == read_all(new.requests.as_ref())
        && read_all(old.limits.as_ref()) == read_all(new.limits.as_ref())
        && old.claims.iter().flatten().eq(new.claims.iter().flatten())
}

/// What the Node has to say, if the Pod is bound.
fn check_node(old: &Pod, new: &Pod, around: &Around<'_>) -> Result<(), Box<Status>> {
    let Some(spec) = &new.spec else { return Ok(()) };
    let Some(name) = spec.node_name.as_deref().filter(|name| !name.is_empty()) else { return Ok(()) };
    let refuse = |why: &str, cause: Option<&str>| {
        let cause = cause.map(|cause| StatusCause { reason: Some(cause.to_owned()), ..StatusCause::default() });
        Err(status::forbidden(subject("pods", new), why, cause))
    };
    let Some(node) = around.node else { return refuse(&format!("node {name:?} not found"), None) };

    let declared = node.status.as_ref().and_then(|s| s.declared_features.as_deref()).unwrap_or_default();
    let lacking: Vec<_> = needed_features(old, spec).into_iter().filter(|f| !declared.iter().any(|d| d == f)).collect();
    if !lacking.is_empty() {
        let lacking = lacking.join(", ");
        return refuse(
            &format!("pod update requires features {lacking} which are not available on node {name:?}"),
            None,
        );
    }
    if around.leaves_capacity_to_kubelets {
        return Ok(());
    }
    let os = node.metadata.labels.as_ref().and_then(|labels| labels.get("kubernetes.io/os"));
    if let Some(os) = os.filter(|os| *os != "linux") {
        let why = format!("pod resize is only supported on linux nodes, node {name:?} is {os:?}");
        return refuse(&why, Some("UnsupportedPlatform"));
    }
    match beyond_allocatable(new, node) {
        Some(why) => refuse(&why, Some("NodeCapacity")),
        None => Ok(()),
    }
}

/// Parts of resize that a Node may lack: it tells in `status.declaredFeatures` which it has.
fn needed_features(old: &Pod, new: &PodSpec) -> Vec<&'static str> {
    let Some(old) = &old.spec else { return Vec::new() };
    let init = |spec: &PodSpec| spec.init_containers.clone().unwrap_or_default();
    let init_changes = init(old)
        .iter()
        .zip(&init(new))
        .any(|(old, new)| !is_sidecar(old) && !same_requirements(old.resources.as_ref(), new.resources.as_ref()));
    let pod_level_changes = !same_requirements(old.resources.as_ref(), new.resources.as_ref());
    let needed = [
        (pod_level_changes, "InPlacePodLevelResourcesVerticalScaling"),
        (init_changes, "InPlacePodVerticalScalingInitContainers"),
    ];
    needed.into_iter().filter_map(|(needed, feature)| needed.then_some(feature)).collect()
}

/// The whole request is compared, also where the resize makes it smaller.
fn beyond_allocatable(pod: &Pod, node: &Node) -> Option<String> {
    let allocatable = read_all(node.status.as_ref().and_then(|s| s.allocatable.as_ref()));
    let requests = totals::requests(pod, Count::Desired);
    let of = |list: &super::Amounts, name: &str| list.get(name).copied().unwrap_or_default();
    let mut beyond = Vec::new();
    let (wanted, room) = (of(&requests, "cpu"), of(&allocatable, "cpu"));
    if wanted > room {
        beyond.push(format!("cpu, requested: {}, allocatable: {}", wanted.milli(), room.milli()));
    }
    let (wanted, room) = (of(&requests, "memory"), of(&allocatable, "memory"));
    if wanted > room {
        beyond.push(format!("memory, requested: {}, allocatable: {}", wanted.whole(), room.whole()));
    }
    (!beyond.is_empty()).then(|| format!("node didn't have enough allocatable resources: {}", beyond.join("; ")))
}

#[cfg(test)]
mod tests;

//! The faults of a resize: everything that a 422 lists.
//!
//! Rule: k8s.io/kubernetes `pkg/apis/core/validation/validation.go` `ValidatePodResize`.

use k8s_openapi::{
    api::core::v1::{Container, Pod, PodSpec, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity,
};
use std::collections::BTreeMap;

use super::{
    amount::{Amounts, read_all},
    pod_spec::{self, RESTART},
    qos,
    resize::same_requirements,
    status::Fault,
    totals::is_sidecar,
};

/// How the server prints the path of the object itself here.
const WHOLE: &str = "[]";
const ONLY_CPU_AND_MEMORY: &str = "only cpu and memory resources are mutable";

/// All faults of `new` as a resize of `old`; two kinds of Pods are refused for that alone.
pub(super) fn faults(old: &Pod, new: &Pod) -> Vec<Fault> {
    let (Some(old_spec), Some(new_spec)) = (&old.spec, &new.spec) else { return pod_spec::check(new, Some(old)) };
    if old.metadata.annotations.as_ref().is_some_and(|a| a.contains_key("kubernetes.io/config.mirror")) {
        return vec![Fault::forbidden(WHOLE, "static pods cannot be resized")];
    }
    if old_spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return vec![Fault::forbidden(WHOLE, "windows pods cannot be resized")];
    }
    let mut faults = pod_spec::check(new, Some(old));
    let class = qos::of(old);
    if class != qos::compute(new) {
        let detail = "Pod QOS Class may not change as a result of resizing";
        faults.push(Fault::invalid("spec", class.to_string(), detail));
    }
    if !node_supports_resize(old) {
        faults.push(Fault::forbidden("spec", "Pod running on node without support for resize"));
    }
    check_pod_level(old_spec, new_spec, &mut faults);
    let before = faults.len();
    check_names(old_spec, new_spec, &mut faults);
    if faults.len() == before {
        check_containers(old_spec, new_spec, &mut faults);
    }
    faults
}

/// A kubelet that can resize reports the resources of running containers.
fn node_supports_resize(pod: &Pod) -> bool {
    let mut statuses = pod.status.iter().filter_map(|s| s.container_statuses.as_ref()).flatten();
    let running = statuses.find(|s| s.state.as_ref().is_some_and(|state| state.running.is_some()));
    running.is_none_or(|s| s.resources.is_some())
}

fn check_pod_level(old: &PodSpec, new: &PodSpec, faults: &mut Vec<Fault>) {
    let none = ResourceRequirements::default();
    let is_set =
        |r: &&ResourceRequirements| read_all(r.requests.as_ref()).len() + read_all(r.limits.as_ref()).len() > 0;
    let (old, new) = (old.resources.as_ref().unwrap_or(&none), new.resources.as_ref().unwrap_or(&none));
    if ![old, new].iter().any(is_set) {
        return;
    }
    if removed(old.requests.as_ref(), new.requests.as_ref()) {
        faults.push(Fault::forbidden("spec.resources.requests", "pod-level resource requests cannot be removed"));
    }
    if removed(old.limits.as_ref(), new.limits.as_ref()) {
        faults.push(Fault::forbidden("spec.resources.limits", "pod-level resource limits cannot be removed"));
    }
    if !same_beyond_cpu_and_memory(Some(old), Some(new)) {
        faults.push(Fault::forbidden("spec", "only cpu and memory resources are mutable at pod-level"));
    }
}

fn init_containers(spec: &PodSpec) -> &[Container] {
    spec.init_containers.as_deref().unwrap_or_default()
}

fn check_names(old: &PodSpec, new: &PodSpec, faults: &mut Vec<Fault>) {
    for (list, old, new) in [
        ("containers", old.containers.as_slice(), new.containers.as_slice()),
        ("initContainers", init_containers(old), init_containers(new)),
    ] {
        if old.len() != new.len() {
            let detail = format!("{list} may not be added or removed on resize");
            faults.push(Fault::forbidden(format!("spec.{list}"), &detail));
            continue;
        }
        for (index, _) in old.iter().zip(new).enumerate().filter(|(_, (old, new))| old.name != new.name) {
            let detail = format!("{list} may not be renamed or reordered on resize");
            faults.push(Fault::forbidden(format!("spec.{list}[{index}].name"), &detail));
        }
    }
}

fn check_containers(old: &PodSpec, new: &PodSpec, faults: &mut Vec<Fault>) {
    let pairs = || old.containers.iter().zip(&new.containers).enumerate();
    let init_pairs = || init_containers(old).iter().zip(init_containers(new)).enumerate();
    for (index, (old, new)) in init_pairs() {
        check_nothing_removed(old, new, &format!("spec.initContainers[{index}]"), faults);
    }
    for (index, (old, new)) in pairs() {
        check_nothing_removed(old, new, &format!("spec.containers[{index}]"), faults);
    }
    for (_, (old, new)) in pairs() {
        if !only_cpu_and_memory_change(old, new) {
            faults.push(Fault::forbidden("spec", ONLY_CPU_AND_MEMORY));
        }
    }
    for (index, (old, new)) in init_pairs() {
        let field = format!("spec.initContainers[{index}]");
        let only_these = only_cpu_and_memory_change(old, new);
        if !only_these {
            let detail = "only cpu and memory resources for init or sidecar containers are mutable";
            faults.push(Fault::forbidden(&*field, detail));
        }
        let changed = !only_these || !same_requirements(old.resources.as_ref(), new.resources.as_ref());
        if changed && !is_sidecar(new) {
            let restarts = new.resize_policy.iter().flatten().filter(|policy| policy.restart_policy == RESTART);
            let detail = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized";
            faults.extend(restarts.map(|_| Fault::forbidden(&*field, detail)));
        }
    }
}

fn check_nothing_removed(old: &Container, new: &Container, path: &str, faults: &mut Vec<Fault>) {
    let none = ResourceRequirements::default();
    let (old, new) = (old.resources.as_ref().unwrap_or(&none), new.resources.as_ref().unwrap_or(&none));
    if removed(old.requests.as_ref(), new.requests.as_ref()) {
        faults.push(Fault::forbidden(format!("{path}.resources.requests"), "resource requests cannot be removed"));
    }
    if removed(old.limits.as_ref(), new.limits.as_ref()) {
        faults.push(Fault::forbidden(format!("{path}.resources.limits"), "resource limits cannot be removed"));
    }
}

fn removed(old: Option<&BTreeMap<String, Quantity>>, new: Option<&BTreeMap<String, Quantity>>) -> bool {
    old.into_iter().flatten().any(|(name, _)| new.is_none_or(|new| !new.contains_key(name)))
}

fn only_cpu_and_memory_change(old: &Container, new: &Container) -> bool {
    same_beyond_cpu_and_memory(old.resources.as_ref(), new.resources.as_ref())
        && old.resize_policy.iter().flatten().eq(new.resize_policy.iter().flatten())
}

fn same_beyond_cpu_and_memory(old: Option<&ResourceRequirements>, new: Option<&ResourceRequirements>) -> bool {
    let none = ResourceRequirements::default();
    let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
    others(old.requests.as_ref()) == others(new.requests.as_ref())
        && others(old.limits.as_ref()) == others(new.limits.as_ref())
        && old.claims.iter().flatten().eq(new.claims.iter().flatten())
}

fn others(list: Option<&BTreeMap<String, Quantity>>) -> Amounts {
    let mut amounts = read_all(list);
    amounts.retain(|name, _| !matches!(name.as_str(), "cpu" | "memory"));
    amounts
}

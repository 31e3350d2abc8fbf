//! What may be changed in a Pod through its main resource: very little.
//!
//! Rule: k8s.io/kubernetes `pkg/apis/core/validation/validation.go` `ValidatePodUpdate`.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, Pod, PodSpec, ResourceRequirements, Toleration},
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::Status},
};
use serde_json::Value;

use super::{
    amount::Amount,
    pod::{refuse_unreadable_pod, subject},
    pod_admission, pod_spec,
    status::{self, Fault},
};

const ALLOWED: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
                       `spec.tolerations` (only additions to existing tolerations),\
                       `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Whether `new` may replace `old` by a plain update: 422 if it changes more than images, deadline, tolerations and
/// scheduling gates. Resources are changed through [`resize`](super::resize::resize) alone.
pub fn validate_update(old: &Pod, new: &Pod) -> Result<(), Box<Status>> {
    refuse_unreadable_pod(new)?;
    let (old, new) = (comparable(old), comparable(new));
    status::check(subject("Pod", &new), &faults(&old, &new))
}

/// What an update gets that does not say: the priority that the Pod has, and the tolerations that all get.
pub fn admit_update(old: &Pod, new: &mut Pod) {
    let (Some(old), Some(new)) = (&old.spec, &mut new.spec) else { return };
    new.priority = new.priority.or(old.priority);
    if new.preemption_policy.is_none() {
        new.preemption_policy.clone_from(&old.preemption_policy);
    }
    if new.resources.is_none() {
        // A client that does not know the field drops it: the server keeps it.
        new.resources.clone_from(&old.resources);
    }
    pod_admission::tolerations(new);
}

fn faults(old: &Pod, new: &Pod) -> Vec<Fault> {
    let mut faults = pod_spec::check(new, Some(old));
    let (Some(old), Some(new)) = (&old.spec, &new.spec) else { return faults };
    let none = Vec::new();
    let init = |spec: &PodSpec| spec.init_containers.clone().unwrap_or_default();
    for (field, old, new) in [
        ("spec.containers", old.containers.len(), new.containers.len()),
        ("spec.initContainers", init(old).len(), init(new).len()),
    ] {
        if old != new {
            faults.push(Fault::forbidden(field, "pod updates may not add or remove containers"));
            return faults;
        }
    }
    faults.extend(deadline_fault(old.active_deadline_seconds, new.active_deadline_seconds));
    let tolerations = |spec: &'_ PodSpec| spec.tolerations.clone().unwrap_or_default();
    if !tolerations(old).iter().all(|kept| tolerations(new).iter().any(|new| same_toleration(kept, new))) {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        faults.push(Fault::forbidden("spec.tolerations", detail));
    }
    let gates = old.scheduling_gates.as_ref().unwrap_or(&none);
    for (index, gate) in new.scheduling_gates.iter().flatten().enumerate().filter(|(_, gate)| !gates.contains(gate)) {
        let detail = format!("only deletion is allowed, but found new scheduling gate '{}'", gate.name);
        faults.push(Fault::forbidden(format!("spec.schedulingGates[{index}].name"), &detail));
    }
    if old.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty()) {
        faults.extend(selector_fault(old, new));
    }
    let rest = with_allowed_changes_undone(old, new);
    if rest != *old {
        let detail = format!("pod updates may not change fields other than {ALLOWED}\n{}", differences(old, &rest));
        faults.push(Fault::forbidden("spec", &detail));
    }
    faults
}

fn deadline_fault(old: Option<i64>, new: Option<i64>) -> Option<Fault> {
    const FIELD: &str = "spec.activeDeadlineSeconds";
    match (old, new) {
        (Some(old), Some(new)) if new > old => {
            Some(Fault::invalid(FIELD, new, "must be less than or equal to previous value"))
        }
        (Some(_), None) => {
            Some(Fault::invalid(FIELD, Value::Null, "must not update from a positive integer to nil value"))
        }
        _ => None,
    }
}

/// A Pod that waits for a gate may be kept from more Nodes, but not be let on others.
fn selector_fault(old: &PodSpec, new: &PodSpec) -> Option<Fault> {
    let kept = |(key, value): (&String, &String)| new.node_selector.as_ref()?.get(key).filter(|new| *new == value);
    let all_kept = old.node_selector.iter().flatten().all(|label| kept(label).is_some());
    let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
    (!all_kept).then(|| Fault::invalid("spec.nodeSelector", &new.node_selector, detail))
}

fn same_toleration(old: &Toleration, new: &Toleration) -> bool {
    Toleration { toleration_seconds: new.toleration_seconds, ..old.clone() } == *new
}

fn with_allowed_changes_undone(old: &PodSpec, new: &PodSpec) -> PodSpec {
    let images = |new: &[Container], old: &[Container]| -> Vec<Container> {
        let pairs = new.iter().zip(old);
        pairs.map(|(new, old)| Container { image: old.image.clone(), ..new.clone() }).collect()
    };
    let mut rest = new.clone();
    rest.containers = images(&new.containers, &old.containers);
    if let (Some(new), Some(old)) = (&new.init_containers, &old.init_containers) {
        rest.init_containers = Some(images(new, old));
    }
    rest.active_deadline_seconds = old.active_deadline_seconds;
    rest.tolerations.clone_from(&old.tolerations);
    rest.scheduling_gates.clone_from(&old.scheduling_gates);
    if old.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty()) {
        rest.node_selector.clone_from(&old.node_selector);
    }
    rest
}

/// The changed places, a line each.
fn differences(old: &PodSpec, new: &PodSpec) -> String {
    let json = |spec: &PodSpec| serde_json::to_value(spec).unwrap_or_default();
    let (old, new) = (json(old), json(new));
    let changes = json_patch::diff(&old, &new).0;
    let shown = |at: Option<&Value>| at.map_or_else(|| "nothing".to_owned(), Value::to_string);
    let lines = changes.iter().map(|change| {
        let path = change.path().to_string();
        format!("  spec{}: {} -> {}", path.replace('/', "."), shown(old.pointer(&path)), shown(new.pointer(&path)))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The Pod with everything that may be written in several ways written in one.
fn comparable(pod: &Pod) -> Pod {
    let mut pod = pod.clone();
    let Some(spec) = &mut pod.spec else { return pod };
    let empty = |spec: &Option<Vec<Container>>| spec.as_ref().is_some_and(Vec::is_empty);
    if empty(&spec.init_containers) {
        spec.init_containers = None;
    }
    for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
        canonicalise(&mut container.resources);
        container.resize_policy = container.resize_policy.take().filter(|list| !list.is_empty());
    }
    canonicalise(&mut spec.resources);
    canonicalise_list(&mut spec.overhead);
    pod
}

fn canonicalise(resources: &mut Option<ResourceRequirements>) {
    if let Some(inner) = resources {
        canonicalise_list(&mut inner.requests);
        canonicalise_list(&mut inner.limits);
        inner.claims = inner.claims.take().filter(|claims| !claims.is_empty());
    }
    *resources = resources.take().filter(|inner| *inner != ResourceRequirements::default());
}

fn canonicalise_list(list: &mut Option<BTreeMap<String, Quantity>>) {
    for quantity in list.iter_mut().flat_map(|list| list.values_mut()) {
        if let Some(amount) = Amount::read(quantity) {
            *quantity = Quantity(format!("{}m", amount.milli()));
        }
    }
    *list = list.take().filter(|list| !list.is_empty());
}

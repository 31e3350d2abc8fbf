//! What admission makes of a new Pod: tolerations that everybody gets, and its priority.
//!
//! Rules: k8s.io/kubernetes `plugin/pkg/admission/defaulttolerationseconds`, `priority` and `runtimeclass`.

use k8s_openapi::{
    api::{
        core::v1::{Pod, PodSpec, Toleration},
        scheduling::v1::PriorityClass,
    },
    apimachinery::pkg::apis::meta::v1::Status,
};

use super::{pod::subject, status};

/// How long a Pod stays on a Node that is not ready or cannot be reached.
const STAYS_FOR_SECONDS: i64 = 300;

/// Fills in what every Pod gets. It happens on updates too.
pub(super) fn tolerations(spec: &mut PodSpec) {
    for taint in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let any = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
        let is = |text: &Option<String>, wanted: &str| any(text) || text.as_deref() == Some(wanted);
        let tolerated = |one: &Toleration| is(&one.key, taint) && is(&one.effect, "NoExecute");
        if !spec.tolerations.iter().flatten().any(tolerated) {
            spec.tolerations.get_or_insert_default().push(Toleration {
                key: Some(taint.to_owned()),
                operator: Some("Exists".to_owned()),
                effect: Some("NoExecute".to_owned()),
                toleration_seconds: Some(STAYS_FOR_SECONDS),
                ..Toleration::default()
            });
        }
    }
}

/// The priority of a new Pod by its class, or by that for Pods without one; 403 when it says another itself.
pub(super) fn priority(pod: &mut Pod, classes: &[PriorityClass]) -> Result<(), Box<Status>> {
    let refuse = |pod: &Pod, why: &str| Err(status::forbidden(subject("pods", pod), why, None));
    let Some(spec) = &pod.spec else { return Ok(()) };
    let name = spec.priority_class_name.clone().filter(|name| !name.is_empty());
    let named = |class: &&PriorityClass| class.metadata.name == name;
    let class = match &name {
        Some(name) => match classes.iter().find(named) {
            Some(class) => Some(class),
            None => return refuse(pod, &format!("no PriorityClass with name {name} was found")),
        },
        // Of several defaults the lowest holds.
        None => classes.iter().filter(|one| one.global_default == Some(true)).min_by_key(|one| one.value.unwrap_or(0)),
    };
    let value = class.and_then(|class| class.value).unwrap_or(0);
    let policy = class.and_then(|class| class.preemption_policy.as_deref()).unwrap_or("PreemptLowerPriority");
    let computed = "priority admission controller computed";
    if let Some(given) = spec.priority.filter(|given| *given != value) {
        return refuse(
            pod,
            &format!(
                "the integer value of priority ({given}) must not be provided in pod spec; {computed} {value} from the \
                 given PriorityClass name"
            ),
        );
    }
    if let Some(given) = spec.preemption_policy.as_deref().filter(|given| *given != policy) {
        return refuse(
            pod,
            &format!(
                "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; {computed} {policy} \
                 from the given PriorityClass name"
            ),
        );
    }
    let (class, policy) = (class.and_then(|class| class.metadata.name.clone()), policy.to_owned());
    let Some(spec) = &mut pod.spec else { return Ok(()) };
    spec.priority_class_name = class;
    spec.priority = Some(value);
    spec.preemption_policy = Some(policy);
    Ok(())
}

/// 403 for an overhead: it comes from a RuntimeClass, and none is served.
pub(super) fn check_overhead(pod: &Pod) -> Result<(), Box<Status>> {
    let spec = pod.spec.as_ref();
    let refuse = |why: &str| Err(status::forbidden(subject("pods", pod), &format!("pod rejected: {why}"), None));
    if let Some(class) = spec.and_then(|spec| spec.runtime_class_name.as_ref()) {
        return refuse(&format!("RuntimeClass {class:?} not found"));
    }
    match spec.and_then(|spec| spec.overhead.as_ref()) {
        Some(_) => refuse("Pod Overhead set without corresponding RuntimeClass defined Overhead"),
        None => Ok(()),
    }
}

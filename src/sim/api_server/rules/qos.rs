//! The QoS class of a Pod.
//!
//! Rule: k8s.io/kubernetes `pkg/apis/core/helper/qos`: pod-level resources alone where there are any, else all
//! containers, init containers included.

use k8s_openapi::api::core::v1::{Pod, ResourceRequirements};

use super::amount::{Amounts, read_all};
use crate::resources::QosClass;

/// The class that the spec asks for.
pub fn compute(pod: &Pod) -> QosClass {
    let Some(spec) = &pod.spec else { return QosClass::BestEffort };
    if let Some(resources) = spec.resources.as_ref().filter(|resources| is_set(resources)) {
        return class_of(Some(resources));
    }
    let all = spec.init_containers.iter().flatten().chain(&spec.containers);
    let mut classes = all.map(|container| class_of(container.resources.as_ref()));
    let first = classes.next().unwrap_or(QosClass::BestEffort);
    if classes.all(|class| class == first) { first } else { QosClass::Burstable }
}

/// The class that the Pod has: once given it does not change.
pub fn of(pod: &Pod) -> QosClass {
    let given = pod.status.as_ref().and_then(|s| s.qos_class.as_deref()).and_then(|class| class.parse().ok());
    given.unwrap_or_else(|| compute(pod))
}

/// Whether pod-level resources name a resource that counts.
pub(super) fn is_set(resources: &ResourceRequirements) -> bool {
    let mut names = [&resources.requests, &resources.limits].into_iter().flatten().flat_map(|list| list.keys());
    names.any(|name| super::totals::is_pod_level(name))
}

fn class_of(resources: Option<&ResourceRequirements>) -> QosClass {
    let requests = read_all(resources.and_then(|r| r.requests.as_ref()));
    let limits = read_all(resources.and_then(|r| r.limits.as_ref()));
    let amount = |list: &Amounts, name: &str| list.get(name).copied().unwrap_or_default();
    let shapes = ["cpu", "memory"].map(|name| (amount(&requests, name), amount(&limits, name)));
    if shapes.iter().any(|(request, limit)| request != limit) {
        return QosClass::Burstable;
    }
    match shapes.map(|(request, _)| request.is_zero()) {
        [true, true] => QosClass::BestEffort,
        [false, false] => QosClass::Guaranteed,
        _ => QosClass::Burstable,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn both(cpu: &str, memory: &str) -> Value {
        json!({ "requests": { "cpu": cpu, "memory": memory }, "limits": { "cpu": cpu, "memory": memory } })
    }

    #[rstest]
    #[case::nothing(json!([{}]), json!([]), json!(null), QosClass::BestEffort)]
    #[case::equal(json!([both("1", "1Gi")]), json!([]), json!(null), QosClass::Guaranteed)]
    #[case::equal_in_other_words(
        json!([{ "requests": { "cpu": "1", "memory": "1Gi" }, "limits": { "cpu": "1000m", "memory": "1024Mi" } }]),
        json!([]), json!(null), QosClass::Guaranteed)]
    #[case::only_cpu(
        json!([{ "requests": { "cpu": "1" }, "limits": { "cpu": "1" } }]),
        json!([]),
        json!(null),
        QosClass::Burstable,
    )]
    #[case::one_of_two(json!([both("1", "1Gi"), {}]), json!([]), json!(null), QosClass::Burstable)]
    #[case::init_container_without(json!([both("1", "1Gi")]), json!([{}]), json!(null), QosClass::Burstable)]
    #[case::other_resources_do_not_count(
        json!([{ "requests": { "ephemeral-storage": "1Gi" } }]),
        json!([]),
        json!(null),
        QosClass::BestEffort,
    )]
    #[case::pod_level_alone_counts(json!([{}]), json!([]), both("1", "1Gi"), QosClass::Guaranteed)]
    #[case::empty_pod_level_is_none(json!([both("1", "1Gi")]), json!([]), json!({}), QosClass::Guaranteed)]
    fn class_follows_the_spec(
        #[case] containers: Value,
        #[case] init: Value,
        #[case] pod_level: Value,
        #[case] class: QosClass,
    ) {
        let list = |resources: &Value| -> Vec<Value> {
            let named = resources.as_array().unwrap().iter().enumerate();
            named.map(|(i, r)| json!({ "name": format!("c{i}"), "resources": r })).collect()
        };
        let spec = json!({ "containers": list(&containers), "initContainers": list(&init), "resources": pod_level });
        let pod: Pod = serde_json::from_value(json!({ "spec": spec })).unwrap();
        assert_eq!(compute(&pod), class);
    }

    #[test]
    fn a_given_class_stays() {
        let pod = json!({ "spec": { "containers": [] }, "status": { "qosClass": "Burstable" } });
        assert_eq!(of(&serde_json::from_value(pod).unwrap()), QosClass::Burstable);
    }
}

//! What a 422 lists.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;

/// The causes of a 422 as `reason field: message`.
fn causes(refusal: Box<Status>) -> Vec<String> {
    assert_eq!((refusal.code, refusal.reason.as_deref()), (Some(422), Some("Invalid")));
    let details = refusal.details.unwrap();
    assert_eq!((details.kind.as_deref(), details.name.as_deref()), (Some("Pod"), Some("web-0")));
    let text = |part: Option<String>| part.unwrap();
    let causes = details.causes.unwrap().into_iter();
    causes.map(|c| format!("{} {}: {}", text(c.reason), text(c.field), text(c.message))).collect()
}

#[rstest]
#[case::static_pod(
    running(&[("/metadata/annotations", json!({ "kubernetes.io/config.mirror": "x" }))]), &[(CPU, json!("9"))],
    &["FieldValueForbidden []: Forbidden: static pods cannot be resized"])]
#[case::windows_pod(
    running(&[("/spec/os", json!({ "name": "windows" }))]), &[(CPU, json!("9"))],
    &["FieldValueForbidden []: Forbidden: windows pods cannot be resized"])]
#[case::guaranteed_becomes_burstable(
    guaranteed(), &[(CPU, json!("500m"))],
    &["FieldValueInvalid spec: Invalid value: \"Guaranteed\": Pod QOS Class may not change as a result of resizing"])]
#[case::burstable_becomes_guaranteed(
    running(&[("/spec/initContainers", Value::Null)]),
    &[(CPU, json!("1")), ("/spec/containers/0/resources/requests/memory", json!("512Mi"))],
    &["FieldValueInvalid spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing"],
)]
#[case::best_effort_gains_a_request(
    best_effort(), &[("/spec/containers/0/resources", json!({ "requests": { "memory": "1Mi" } }))],
    &["FieldValueInvalid spec: Invalid value: \"BestEffort\": Pod QOS Class may not change as a result of resizing"])]
#[case::node_without_support(
    running(&[("/status/containerStatuses/0/resources", Value::Null)]), &[(CPU, json!("600m"))],
    &["FieldValueForbidden spec: Forbidden: Pod running on node without support for resize"])]
#[case::container_added(
    running(&[]),
    &[("/spec/containers/-", json!({ "name": "more", "image": "i", "terminationMessagePolicy": "File" }))],
    &["FieldValueForbidden spec.containers: Forbidden: containers may not be added or removed on resize"],
)]
#[case::init_container_removed(
    running(&[]), &[("/spec/initContainers/1", Value::Null)],
    &["FieldValueForbidden spec.initContainers: Forbidden: initContainers may not be added or removed on resize"])]
#[case::container_renamed(
    running(&[]), &[("/spec/containers/0/name", json!("ppa"))],
    &["FieldValueForbidden spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize"])]
#[case::init_containers_renamed(
    running(&[]),
    &[("/spec/initContainers/0/name", json!("x")), ("/spec/initContainers/1/name", json!("y"))],
    &["FieldValueForbidden spec.initContainers[0].name: Forbidden: initContainers may not be renamed or reordered on \
     resize", "FieldValueForbidden spec.initContainers[1].name: Forbidden: initContainers may not be renamed or \
     reordered on resize"],
)]
#[case::request_removed(
    running(&[("/spec/containers/0/resources/limits", Value::Null)]), &[(CPU, Value::Null)],
    &["FieldValueForbidden spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"])]
#[case::limit_removed(
    running(&[]), &[("/spec/containers/0/resources/limits/cpu", Value::Null)],
    &["FieldValueForbidden spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed"])]
#[case::sidecar_request_removed(
    running(&[]), &[(SIDECAR_CPU, Value::Null)],
    &["FieldValueForbidden spec.initContainers[0].resources.requests: Forbidden: resource requests cannot be removed"])]
#[case::storage_changed(
    running(&[]), &[("/spec/containers/0/resources/requests/ephemeral-storage", json!("2Gi"))],
    &["FieldValueForbidden spec: Forbidden: only cpu and memory resources are mutable"])]
#[case::storage_added(
    running(&[]), &[("/spec/containers/0/resources/limits/ephemeral-storage", json!("2Gi"))],
    &["FieldValueForbidden spec: Forbidden: only cpu and memory resources are mutable"])]
#[case::extended_resource_added(
    running(&[]), &[("/spec/containers/0/resources/limits/example.dev~1gpu", json!("1"))],
    &["FieldValueForbidden spec: Forbidden: only cpu and memory resources are mutable"])]
#[case::resize_policy_changed(
    running(&[]),
    &[("/spec/containers/0/resizePolicy", restarting())],
    &["FieldValueForbidden spec: Forbidden: only cpu and memory resources are mutable"],
)]
#[case::resize_policy_left_out(
    running(&[(
        "/spec/containers/0/resizePolicy", restarting(),
    )]),
    &[("/spec/containers/0/resizePolicy", Value::Null)],
    &["FieldValueForbidden spec: Forbidden: only cpu and memory resources are mutable"],
)]
#[case::sidecar_storage_added(
    running(&[]),
    &[("/spec/initContainers/0/resources/requests/ephemeral-storage", json!("2Gi"))],
    &["FieldValueForbidden spec.initContainers[0]: Forbidden: only cpu and memory resources for init or sidecar \
     containers are mutable"],
)]
#[case::restarting_init_container_changed(
    running(&[(
        INIT_POLICY,
        restarting(),
    )]),
    &[(INIT_CPU, json!("200m"))],
    &["FieldValueForbidden spec.initContainers[1]: Forbidden: non-sidecar init containers with a resize policy of \
     RestartContainer cannot be resized"],
)]
#[case::request_above_limit(
    running(&[]),
    &[(CPU, json!("1500m"))],
    &["FieldValueInvalid spec.containers[0].resources.requests: Invalid value: \"1500m\": must be less than or equal \
     to cpu limit of 1"],
)]
#[case::negative_request(
    running(&[]),
    &[(CPU, json!("-1"))],
    &["FieldValueInvalid spec.containers[0].resources.requests[cpu]: Invalid value: \"-1\": must be greater than or \
     equal to 0"],
)]
#[case::pod_level_request_removed(
    running(&[("/spec/resources", json!({ "requests": { "cpu": "1", "example.dev/x": "1" } }))]),
    &[("/spec/resources", json!({ "requests": { "cpu": "1" } }))],
    &["FieldValueForbidden spec.resources.requests: Forbidden: pod-level resource requests cannot be removed",
      "FieldValueForbidden spec: Forbidden: only cpu and memory resources are mutable at pod-level"])]
#[case::pod_level_limit_removed(
    running(&[("/spec/resources", json!({ "requests": { "cpu": "1" }, "limits": { "cpu": "2", "memory": "2Gi" } }))]),
    &[("/spec/resources", json!({ "requests": { "cpu": "1" }, "limits": { "cpu": "2" } }))],
    &["FieldValueForbidden spec.resources.limits: Forbidden: pod-level resource limits cannot be removed"])]
#[case::pod_level_request_below_the_containers(
    running(&[("/spec/resources", json!({ "requests": { "cpu": "1", "memory": "1Gi" } }))]),
    &[(CPU, json!("960m"))],
    &["FieldValueInvalid spec.resources.requests[cpu]: Invalid value: \"1\": must be greater than or equal to \
     aggregate container requests of 1010m"],
)]
#[case::container_limit_above_the_pod_level(
    running(&[("/spec/resources", json!({ "requests": { "cpu": "1", "memory": "1Gi" }, "limits": { "cpu": "2" } }))]),
    &[("/spec/containers/0/resources/limits/cpu", json!("3"))],
    &["FieldValueInvalid spec.resources.containers[0][cpu].limits: Invalid value: \"3\": must be less than or equal \
     to pod limits of 2"],
)]
fn faults_are_422(#[case] old: Pod, #[case] edits: Edits<'_>, #[case] expected: &[&str]) {
    assert_eq!(causes(try_resize(&old, edits).unwrap_err()), expected);
}

#[test]
fn all_faults_are_listed_together_in_the_order_of_the_server() {
    let old = edit(&guaranteed(), &[("/status/containerStatuses/0/resources", Value::Null)]);
    let refusal = try_resize(
        &old,
        &[
            (CPU, json!("2")),
            ("/spec/containers/0/resources/limits/memory", Value::Null),
            ("/spec/containers/0/resources/limits/ephemeral-storage", json!("1Gi")),
        ],
    );
    let refusal = refusal.unwrap_err();
    assert!(
        refusal
            .message
            .as_deref()
            .unwrap()
            .starts_with("Pod \"web-0\" is invalid: [spec.containers[0].resources.requests: ")
    );
    assert_eq!(
        causes(refusal),
        [
            "FieldValueInvalid spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or \
             equal to cpu limit of 1",
            "FieldValueInvalid spec: Invalid value: \"Guaranteed\": Pod QOS Class may not change as a result of \
             resizing",
            "FieldValueForbidden spec: Forbidden: Pod running on node without support for resize",
            "FieldValueForbidden spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
            "FieldValueForbidden spec: Forbidden: only cpu and memory resources are mutable",
        ]
    );
}

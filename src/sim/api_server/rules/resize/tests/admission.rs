//! What a 403 says, and in which order.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;

const ABOVE_NODE: &str = "node didn't have enough allocatable resources: cpu, requested: 4050, allocatable: 4000";

#[rstest]
#[case::fits(
    json!({}),
    &[
        (REQUESTS, json!({ "cpu": "3950m", "ephemeral-storage": "1Gi", "memory": "8Gi" })),
        (LIMITS, json!({ "cpu": "9", "memory": "9Gi" })),
    ],
    None,
)]
#[case::cpu_beyond_allocatable(
    json!({}),
    &[(CPU, json!("4")), (LIMITS, json!({ "cpu": "9", "memory": "9Gi" }))],
    Some((ABOVE_NODE, Some("NodeCapacity"))),
)]
#[case::both_beyond_allocatable(
    json!({ "status": { "allocatable": { "cpu": "100m", "memory": "1Ki" } } }),
    &[(CPU, json!("200m"))],
    Some(("node didn't have enough allocatable resources: cpu, requested: 250, allocatable: 100; memory, requested: \
     268435456, allocatable: 1024", Some("NodeCapacity"))),
)]
#[case::windows_node(
    json!({ "metadata": { "labels": { "kubernetes.io/os": "windows" } } }),
    &[(CPU, json!("9")), (LIMITS, json!({ "cpu": "9", "memory": "9Gi" }))],
    Some(("pod resize is only supported on linux nodes, node \"n1\" is \"windows\"", Some("UnsupportedPlatform"))),
)]
#[case::unlabelled_node(json!({ "metadata": { "labels": null } }), &[(CPU, json!("900m"))], None)]
#[case::init_container_on_an_old_node(
    json!({}),
    &[(INIT_CPU, json!("200m"))],
    Some(("pod update requires features InPlacePodVerticalScalingInitContainers which are not available on node \
     \"n1\"", None)),
)]
#[case::init_container_on_a_new_node(
    json!({ "status": { "declaredFeatures": ["InPlacePodVerticalScalingInitContainers"] } }),
    &[(INIT_CPU, json!("200m"))],
    None,
)]
#[case::pod_level_on_an_old_node(
    json!({}),
    &[("/spec/resources", json!({ "requests": { "cpu": "1" } }))],
    Some(("pod update requires features InPlacePodLevelResourcesVerticalScaling which are not available on node \
     \"n1\"", None)),
)]
fn the_node_refuses_with_403(
    #[case] changes: Value,
    #[case] edits: Edits<'_>,
    #[case] refusal: Option<(&str, Option<&str>)>,
) {
    let old = running(&[]);
    let node = node(&changes);
    let outcome = resize(&old, edit(&old, edits), &Around { node: Some(&node), ..Around::default() });
    let Some((why, cause)) = refusal else {
        outcome.unwrap();
        return;
    };
    let status = outcome.unwrap_err();
    assert_eq!((status.code, status.reason.as_deref()), (Some(403), Some("Forbidden")));
    assert_eq!(status.message, Some(format!("pods \"web-0\" is forbidden: {why}")));
    let details = status.details.unwrap();
    assert_eq!((details.kind.as_deref(), details.name.as_deref()), (Some("pods"), Some("web-0")));
    let cause = cause.map(|cause| vec![StatusCause { reason: Some(cause.to_owned()), ..StatusCause::default() }]);
    assert_eq!(details.causes, cause);
}

#[test]
fn a_node_that_does_not_exist_refuses() {
    let old = running(&[]);
    let status = resize(&old, edit(&old, &[(CPU, json!("900m"))]), &Around::default()).unwrap_err();
    assert_eq!(status.message.as_deref(), Some("pods \"web-0\" is forbidden: node \"n1\" not found"));
    let unbound = running(&[("/spec/nodeName", Value::Null)]);
    assert!(resize(&unbound, edit(&unbound, &[(CPU, json!("900m"))]), &Around::default()).is_ok());
}

#[test]
fn a_shrink_that_stays_above_allocatable_is_refused_too() {
    let old = running(&[(CPU, json!("9")), (LIMITS, json!({ "cpu": "9", "memory": "512Mi" }))]);
    assert_eq!(try_resize(&old, &[(CPU, json!("5"))]).unwrap_err().code, Some(403));
    assert!(try_resize(&old, &[(CPU, json!("3"))]).is_ok());
}

fn limit_range(item: &Value) -> [k8s_openapi::api::core::v1::LimitRange; 1] {
    [serde_json::from_value(json!({ "metadata": { "name": "bounds" }, "spec": { "limits": [item] } })).unwrap()]
}

#[rstest]
#[case::max(
    json!({ "type": "Container", "max": { "cpu": "1" }, "default": {}, "defaultRequest": {} }),
    &[("/spec/containers/0/resources/limits/cpu", json!("2"))],
    "maximum cpu usage per Container is 1, but limit is 2",
)]
#[case::ratio(
    json!({ "type": "Pod", "maxLimitRequestRatio": { "memory": "2" } }),
    &[("/spec/containers/0/resources/requests/memory", json!("128Mi"))],
    "memory max limit to request ratio per Pod is 2, but provided ratio is 4.000000",
)]
#[case::untouched_container(json!({ "type": "Container", "min": { "memory": "300Mi" } }), &[(CPU, json!("900m"))],
    "minimum memory usage per Container is 300Mi, but request is 256Mi")]
fn limit_ranges_refuse_with_403(#[case] item: Value, #[case] edits: Edits<'_>, #[case] why: &str) {
    let ranges = limit_range(&item);
    let node = node(&json!({ "status": { "allocatable": { "cpu": "1m" } } }));
    let around = Around { node: Some(&node), limit_ranges: &ranges, ..Around::default() };
    let old = running(&[("/spec/initContainers", Value::Null)]);
    let status = resize(&old, edit(&old, edits), &around).unwrap_err();
    assert_eq!(status.code, Some(403));
    assert_eq!(status.message, Some(format!("pods \"web-0\" is forbidden: {why}")), "the node is asked later");
    let leaving = edit(&old, &[("/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"))]);
    let status = resize(&leaving, edit(&leaving, edits), &around).unwrap_err();
    assert!(status.message.unwrap().contains("node didn't have"), "a Pod on its way out is not bounded");
}

#[test]
fn a_limit_range_adds_limits_that_nobody_asked_for() {
    let ranges = limit_range(
        &json!({ "type": "Container", "default": { "memory": "1Gi" }, "defaultRequest": { "memory": "64Mi" } }),
    );
    let node = node(&json!({ "status": { "declaredFeatures": ["InPlacePodVerticalScalingInitContainers"] } }));
    let around = Around { node: Some(&node), limit_ranges: &ranges, ..Around::default() };
    let old = running(&[]);
    let new = resize(&old, edit(&old, &[(CPU, json!("900m"))]), &around).unwrap();
    let sidecar = new.spec.unwrap().init_containers.unwrap().remove(0).resources.unwrap();
    assert_eq!(sidecar.limits.unwrap()["memory"].0, "1Gi");
    assert!(new.metadata.annotations.is_none(), "the note is dropped");
    let best_effort = best_effort();
    let refusal = resize(&best_effort, best_effort.clone(), &around).unwrap_err();
    assert_eq!(refusal.code, Some(422), "the class would change");
}

#[test]
fn a_limit_range_that_adds_storage_makes_the_resize_invalid() {
    let ranges = limit_range(&json!({ "type": "Container", "default": { "ephemeral-storage": "1Gi" } }));
    let old = running(&[]);
    let around = Around { limit_ranges: &ranges, ..Around::default() };
    assert_eq!(resize(&old, edit(&old, &[(CPU, json!("900m"))]), &around).unwrap_err().code, Some(422));
}

#[test]
fn quotas_are_asked_last_and_only_for_growth() {
    let quota = json!({ "metadata": { "name": "team" }, "spec": { "hard": { "requests.cpu": "800m" } } });
    let quotas = [serde_json::from_value(quota).unwrap()];
    let old = running(&[]);
    let pods = [old.clone()];
    let node = node(&json!({}));
    let around = Around { node: Some(&node), quotas: &quotas, namespace_pods: &pods, ..Around::default() };
    let status = resize(&old, edit(&old, &[(CPU, json!("800m"))]), &around).unwrap_err();
    assert_eq!(
        status.message.as_deref(),
        Some(
            "pods \"web-0\" is forbidden: exceeded quota: team, requested: requests.cpu=300m, used: \
             requests.cpu=550m, limited: requests.cpu=800m"
        )
    );
    assert!(resize(&old, edit(&old, &[(CPU, json!("750m"))]), &around).is_ok());
    let small = node_too_small();
    let around = Around { node: Some(&small), ..around };
    let status = resize(&old, edit(&old, &[(CPU, json!("800m"))]), &around).unwrap_err();
    assert!(status.message.unwrap().contains("node didn't have"));
}

fn node_too_small() -> Node {
    node(&json!({ "status": { "allocatable": { "cpu": "1m" } } }))
}

#[test]
fn a_422_hides_a_403() {
    let old = guaranteed();
    let node = node_too_small();
    let around = Around { node: Some(&node), ..Around::default() };
    assert_eq!(resize(&old, edit(&old, &[(CPU, json!("500m"))]), &around).unwrap_err().code, Some(422));
}

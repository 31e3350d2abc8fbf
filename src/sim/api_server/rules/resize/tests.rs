use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::sim::api_server::rules::pod::prepare_create;

/// Places in a Pod and what is put there; null removes.
type Edits<'a> = &'a [(&'a str, Value)];

fn edit(pod: &Pod, edits: Edits<'_>) -> Pod {
    let mut json = serde_json::to_value(pod).unwrap();
    for (path, value) in edits {
        let (parent, key) = path.rsplit_once('/').unwrap();
        let key = &key.replace("~1", "/");
        match json.pointer_mut(parent).unwrap_or_else(|| panic!("{path} is not there")) {
            Value::Array(items) if *value == Value::Null => drop(items.remove(key.parse().unwrap())),
            Value::Array(items) if key == "-" => items.push(value.clone()),
            Value::Array(items) => items[key.parse::<usize>().unwrap()] = value.clone(),
            Value::Object(map) if *value == Value::Null => drop(map.remove(key)),
            parent => parent[key] = value.clone(),
        }
    }
    serde_json::from_value(json).unwrap()
}

const REQUESTS: &str = "/spec/containers/0/resources/requests";
const LIMITS: &str = "/spec/containers/0/resources/limits";
const CPU: &str = "/spec/containers/0/resources/requests/cpu";
const SIDECAR_CPU: &str = "/spec/initContainers/0/resources/requests/cpu";
const INIT_CPU: &str = "/spec/initContainers/1/resources/requests/cpu";

/// A Burstable Pod that runs on `n1`: `app` (500m, 256Mi, limits 1 and 512Mi), sidecar `mesh`, init container `init`.
fn running(edits: Edits<'_>) -> Pod {
    let pod = json!({
        "metadata": { "name": "web-0", "namespace": "shop", "uid": "u1", "labels": { "app": "web" } },
        "spec": {
            "initContainers": [
                { "name": "mesh", "image": "mesh:1", "restartPolicy": "Always", "resources": { "requests": { "cpu": "50m" } } },
                { "name": "init", "image": "init:1", "resources": { "requests": { "cpu": "100m" } } },
            ],
            "containers": [{
                "name": "app", "image": "app:1",
                "resources": {
                    "requests": { "cpu": "500m", "memory": "256Mi", "ephemeral-storage": "1Gi" },
                    "limits": { "cpu": "1", "memory": "512Mi" },
                },
            }],
        },
    });
    let pod = prepare_create(serde_json::from_value(pod).unwrap(), &Around::default(), jiff::Timestamp::UNIX_EPOCH);
    let status = json!([{
        "name": "app", "image": "app:1", "imageID": "", "ready": true, "restartCount": 0,
        "state": { "running": {} }, "allocatedResources": { "cpu": "500m", "memory": "256Mi" }, "resources": {},
    }]);
    let bound =
        [("/spec/nodeName", json!("n1")), ("/status/phase", json!("Running")), ("/status/containerStatuses", status)];
    edit(&edit(&pod.unwrap(), &bound), edits)
}

fn node(edits: &Value) -> Node {
    let mut node = json!({
        "metadata": { "name": "n1", "labels": { "kubernetes.io/os": "linux" } },
        "status": { "allocatable": { "cpu": "4", "memory": "8Gi" } },
    });
    json_patch::merge(&mut node, edits);
    serde_json::from_value(node).unwrap()
}

fn try_resize(old: &Pod, edits: Edits<'_>) -> Result<Pod, Box<Status>> {
    let node = node(&json!({}));
    resize(old, edit(old, edits), &Around { node: Some(&node), ..Around::default() })
}

/// The causes of a 422 as `reason field: message`.
fn causes(refusal: Box<Status>) -> Vec<String> {
    assert_eq!((refusal.code, refusal.reason.as_deref()), (Some(422), Some("Invalid")));
    let details = refusal.details.unwrap();
    assert_eq!((details.kind.as_deref(), details.name.as_deref()), (Some("Pod"), Some("web-0")));
    let text = |part: Option<String>| part.unwrap();
    let causes = details.causes.unwrap().into_iter();
    causes.map(|c| format!("{} {}: {}", text(c.reason), text(c.field), text(c.message))).collect()
}

const GUARANTEED: Edits<'_> = &[("/status/qosClass", Value::Null), ("/spec/initContainers", Value::Null)];

fn guaranteed() -> Pod {
    let both = json!({ "cpu": "1", "memory": "1Gi" });
    edit(&running(GUARANTEED), &[(REQUESTS, both.clone()), (LIMITS, both)])
}

fn best_effort() -> Pod {
    edit(&running(GUARANTEED), &[("/spec/containers/0/resources", Value::Null)])
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
    &[("/spec/containers/0/resizePolicy", json!([{ "resourceName": "cpu", "restartPolicy": "RestartContainer" }]))],
    &["FieldValueForbidden spec: Forbidden: only cpu and memory resources are mutable"],
)]
#[case::resize_policy_left_out(
    running(&[("/spec/containers/0/resizePolicy", json!([{ "resourceName": "cpu", "restartPolicy": "RestartContainer" }]))]),
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
    running(&[("/spec/initContainers/1/resizePolicy", json!([{ "resourceName": "cpu", "restartPolicy": "RestartContainer" }]))]),
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
            "FieldValueInvalid spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
            "FieldValueInvalid spec: Invalid value: \"Guaranteed\": Pod QOS Class may not change as a result of resizing",
            "FieldValueForbidden spec: Forbidden: Pod running on node without support for resize",
            "FieldValueForbidden spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
            "FieldValueForbidden spec: Forbidden: only cpu and memory resources are mutable",
        ]
    );
}

#[rstest]
#[case::grow(running(&[]), &[(CPU, json!("900m"))])]
#[case::shrink(running(&[]), &[("/spec/containers/0/resources/limits/memory", json!("300Mi"))])]
#[case::sidecar(running(&[]), &[(SIDECAR_CPU, json!("60m"))])]
#[case::request_added(
    running(&[("/spec/containers/0/resources/requests/memory", Value::Null), ("/spec/containers/0/resources/limits/memory", Value::Null)]),
    &[("/spec/containers/0/resources/requests/memory", json!("1Gi"))],
)]
#[case::limit_added(
    running(&[("/spec/containers/0/resources/limits", Value::Null)]),
    &[(LIMITS, json!({ "cpu": "2" }))],
)]
#[case::guaranteed_grows(guaranteed(), &[(CPU, json!("2")), ("/spec/containers/0/resources/limits/cpu", json!("2"))])]
#[case::no_container_runs_yet(running(&[("/status/containerStatuses", Value::Null)]), &[(CPU, json!("900m"))])]
#[case::terminating(
    running(&[("/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"))]),
    &[(CPU, json!("900m"))],
)]
fn a_legal_resize_is_stored_with_the_next_generation(#[case] old: Pod, #[case] edits: Edits<'_>) {
    let new = try_resize(&old, edits).unwrap();
    let mut expected = edit(&old, edits);
    expected.metadata.generation = Some(2);
    assert_eq!(new, expected);
}

#[test]
fn a_limit_alone_becomes_a_request_too() {
    let old = running(&[(LIMITS, Value::Null), (CPU, Value::Null)]);
    let new = try_resize(&old, &[(LIMITS, json!({ "cpu": "800m" }))]).unwrap();
    let resources = new.spec.unwrap().containers.remove(0).resources.unwrap();
    assert_eq!(resources.requests.unwrap()["cpu"].0, "800m");
}

#[test]
fn a_removed_request_whose_limit_stays_is_set_to_the_limit() {
    let new = try_resize(&running(&[]), &[(CPU, Value::Null)]).unwrap();
    let resources = new.spec.unwrap().containers.remove(0).resources.unwrap();
    assert_eq!(resources.requests.unwrap()["cpu"].0, "1");
}

#[test]
fn everything_but_resources_is_dropped_silently() {
    let old = running(&[]);
    let dropped: Edits<'_> = &[
        ("/spec/containers/0/image", json!("app:2")),
        ("/spec/nodeName", json!("n2")),
        ("/metadata/labels", json!({ "app": "evil" })),
        ("/metadata/annotations", json!({ "x": "y" })),
        ("/status/phase", json!("Failed")),
    ];
    let edits: Vec<_> = dropped.iter().cloned().chain([(CPU, json!("900m"))]).collect();
    let mut expected = edit(&old, &[(CPU, json!("900m"))]);
    expected.metadata.generation = Some(2);
    assert_eq!(try_resize(&old, &edits).unwrap(), expected);
    assert_eq!(try_resize(&old, dropped).unwrap(), old);
}

#[test]
fn the_same_amounts_in_other_words_change_nothing_and_ask_no_node() {
    let old = running(&[]);
    let same = edit(&old, &[(CPU, json!("0.5")), ("/spec/containers/0/resources/limits/cpu", json!("1000m"))]);
    assert_eq!(resize(&old, same, &Around::default()).unwrap(), old);
}

#[test]
fn spelling_is_kept_where_something_changes() {
    let new = try_resize(&running(&[]), &[(CPU, json!("0.75"))]).unwrap();
    assert_eq!(new.spec.unwrap().containers[0].resources.as_ref().unwrap().requests.as_ref().unwrap()["cpu"].0, "0.75");
}

#[test]
fn pod_level_resources_that_are_left_out_stay_and_are_completed() {
    let old = running(&[("/spec/resources", json!({ "requests": { "cpu": "1" } }))]);
    let node = node(&json!({ "status": { "declaredFeatures": ["InPlacePodLevelResourcesVerticalScaling"] } }));
    let around = Around { node: Some(&node), ..Around::default() };
    let new = resize(&old, edit(&old, &[("/spec/resources", Value::Null), (CPU, json!("900m"))]), &around).unwrap();
    let resources = serde_json::to_value(new.spec.unwrap().resources).unwrap();
    assert_eq!(resources, json!({ "requests": { "cpu": "1", "memory": "256Mi" } }));
}

#[test]
fn an_amount_that_cannot_be_read_is_a_bad_request() {
    let refusal = try_resize(&running(&[]), &[(CPU, json!("much"))]).unwrap_err();
    assert_eq!((refusal.code, refusal.reason.as_deref()), (Some(400), Some("BadRequest")));
}

const ABOVE_NODE: &str = "node didn't have enough allocatable resources: cpu, requested: 4050, allocatable: 4000";

#[rstest]
#[case::fits(
    json!({}),
    &[(REQUESTS, json!({ "cpu": "3950m", "ephemeral-storage": "1Gi", "memory": "8Gi" })), (LIMITS, json!({ "cpu": "9", "memory": "9Gi" }))],
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
            "pods \"web-0\" is forbidden: exceeded quota: team, requested: requests.cpu=300m, used: requests.cpu=550m, limited: requests.cpu=800m"
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

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::sim::api_server::rules::pod::prepare_create;

mod admission;
mod faults;

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
const INIT_POLICY: &str = "/spec/initContainers/1/resizePolicy";
const INIT_CPU: &str = "/spec/initContainers/1/resources/requests/cpu";

fn restarting() -> Value {
    json!([{ "resourceName": "cpu", "restartPolicy": "RestartContainer" }])
}

/// A Burstable Pod that runs on `n1`: `app` (500m, 256Mi, limits 1 and 512Mi), sidecar `mesh`, init container `init`.
fn running(edits: Edits<'_>) -> Pod {
    let mut pod = json!({
        "metadata": { "name": "web-0", "namespace": "shop", "uid": "u1", "labels": { "app": "web" } },
        "spec": {
            "initContainers": [
                {
                    "name": "mesh", "image": "mesh:1", "restartPolicy": "Always",
                    "resources": { "requests": { "cpu": "50m" } },
                },
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
    pod_defaults::fill_in(&mut pod);
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

/// The Pod as the server reads it, with its defaults.
fn submitted(old: &Pod, edits: Edits<'_>) -> Pod {
    let mut json = serde_json::to_value(edit(old, edits)).unwrap();
    pod_defaults::fill_in(&mut json);
    serde_json::from_value(json).unwrap()
}

fn try_resize(old: &Pod, edits: Edits<'_>) -> Result<Pod, Box<Status>> {
    let node = node(&json!({}));
    resize(old, submitted(old, edits), &Around { node: Some(&node), ..Around::default() })
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
#[case::grow(running(&[]), &[(CPU, json!("900m"))])]
#[case::shrink(running(&[]), &[("/spec/containers/0/resources/limits/memory", json!("300Mi"))])]
#[case::sidecar(running(&[]), &[(SIDECAR_CPU, json!("60m"))])]
#[case::request_added(
    running(&[
        ("/spec/containers/0/resources/requests/memory", Value::Null),
        ("/spec/containers/0/resources/limits/memory", Value::Null),
    ]),
    &[("/spec/containers/0/resources/requests/memory", json!("1Gi"))],
)]
#[case::limit_added(
    running(&[("/spec/containers/0/resources/limits", Value::Null)]),
    &[(LIMITS, json!({ "cpu": "2" }))],
)]
#[case::guaranteed_grows(guaranteed(), &[(CPU, json!("2")), ("/spec/containers/0/resources/limits/cpu", json!("2"))])]
#[case::beside_a_restarting_init_container(
    running(&[(INIT_POLICY, restarting())]),
    &[(CPU, json!("900m"))],
)]
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

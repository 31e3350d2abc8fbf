use rstest::rstest;
use serde_json::{Map, json};

use super::*;
use crate::sim::api_server::{patch::managers::Managers, registry::Registry};

fn now() -> Timestamp {
    "2026-01-01T01:00:00Z".parse().unwrap()
}

fn object(mut value: Value) -> Object {
    value["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
    Object::new(value, Managers::default(), 7)
}

/// The cells of one object, by column.
fn cells(table_name: &str, value: Value) -> Map<String, Value> {
    let registry = Registry::builtin();
    let resource = registry.of_table(table_name).unwrap();
    let table = table(resource, [&object(value)], &json!({}), (Include::Metadata, now()));
    let names = table["columnDefinitions"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|column| column["name"].as_str().unwrap().to_owned()).collect();
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(names.len(), cells.len(), "{table_name}: a cell for each column");
    names.into_iter().zip(cells.clone()).collect()
}

fn container(state: &Value, ready: bool) -> Value {
    json!({ "name": "a", "ready": ready, "restartCount": 0, "state": state })
}

fn running() -> Value {
    json!({ "running": { "startedAt": "2026-01-01T00:00:00Z" } })
}

fn pod(phase: &str, statuses: &[Value]) -> Value {
    let containers: Vec<Value> = statuses.iter().map(|_| json!({ "name": "a" })).collect();
    json!({
        "metadata": { "name": "p" },
        "spec": { "containers": containers },
        "status": { "phase": phase, "containerStatuses": statuses },
    })
}

#[rstest]
#[case::pending(pod("Pending", &[]), "0/0", "Pending")]
#[case::creating(pod("Pending", &[container(&json!({ "waiting": { "reason": "ContainerCreating" } }), false)]), "0/1",
    "ContainerCreating")]
#[case::running(pod("Running", &[container(&running(), true)]), "1/1", "Running")]
#[case::one_is_not_ready(pod("Running", &[container(&running(), true), container(&running(), false)]), "1/2", "Running")]
#[case::killed(pod("Running", &[container(&json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } }), false)]),
    "0/1", "OOMKilled")]
#[case::without_a_reason(pod("Running", &[container(&json!({ "terminated": { "exitCode": 3 } }), false)]), "0/1",
    "ExitCode:3")]
#[case::done(pod("Succeeded", &[container(&json!({ "terminated": { "exitCode": 0, "reason": "Completed" } }), false)]),
    "0/1", "Completed")]
#[case::one_of_two_is_done(pod("Running", &[
        container(&json!({ "terminated": { "exitCode": 0, "reason": "Completed" } }), false),
        container(&running(), true),
    ]), "1/2", "NotReady")]
fn a_pod_is_summed_up_by_what_its_containers_do(#[case] pod: Value, #[case] ready: &str, #[case] status: &str) {
    let cells = cells("pods", pod);
    assert_eq!((cells["Ready"].as_str(), cells["Status"].as_str()), (Some(ready), Some(status)));
}

#[test]
fn a_pod_that_waits_for_its_init_containers_says_how_far_it_is() {
    let mut pod = pod("Pending", &[container(&json!({ "waiting": { "reason": "PodInitializing" } }), false)]);
    pod["spec"]["initContainers"] = json!([{ "name": "one" }, { "name": "two" }]);
    pod["status"]["initContainerStatuses"] = json!([
        { "name": "one", "state": { "terminated": { "exitCode": 0 } } },
        { "name": "two", "state": { "running": {} } },
    ]);
    assert_eq!(cells("pods", pod)["Status"], "Init:1/2");
}

#[test]
fn a_sidecar_counts_among_the_containers() {
    let mut pod = pod("Running", &[container(&running(), true)]);
    pod["spec"]["initContainers"] = json!([{ "name": "proxy", "restartPolicy": "Always" }]);
    pod["status"]["initContainerStatuses"] = json!([
        { "name": "proxy", "ready": true, "started": true, "restartCount": 2, "state": running() },
    ]);
    let cells = cells("pods", pod);
    assert_eq!((cells["Ready"].as_str(), cells["Restarts"].as_str()), (Some("2/2"), Some("2")));
}

#[test]
fn restarts_are_told_with_the_last_one() {
    let mut status = container(&running(), true);
    status["restartCount"] = 4.into();
    status["lastState"] = json!({ "terminated": { "exitCode": 1, "finishedAt": "2026-01-01T00:55:00Z" } });
    assert_eq!(cells("pods", pod("Running", &[status]))["Restarts"], "4 (5m ago)");
}

#[test]
fn a_pod_that_is_being_deleted_is_terminating_until_it_has_ended() {
    let mut value = pod("Running", &[container(&running(), true)]);
    value["metadata"]["deletionTimestamp"] = "2026-01-01T00:59:00Z".into();
    assert_eq!(cells("pods", value.clone())["Status"], "Terminating");
    value["status"]["phase"] = "Succeeded".into();
    assert_eq!(cells("pods", value)["Status"], "Succeeded");
}

#[test]
fn a_node_that_is_cordoned_says_so_beside_its_condition() {
    let node = json!({
        "metadata": { "name": "n", "labels": { "node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge" } },
        "spec": { "unschedulable": true },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }], "nodeInfo": { "kubeletVersion": "v1.37.2" } },
    });
    let cells = cells("nodes", node);
    assert_eq!(cells["Status"], "Ready,SchedulingDisabled");
    assert_eq!((cells["Roles"].as_str(), cells["Version"].as_str()), (Some("edge,worker"), Some("v1.37.2")));
    assert_eq!((cells["Age"].as_str(), cells["OS-Image"].as_str()), (Some("60m"), Some("<unknown>")));
}

#[test]
fn workloads_show_what_is_ready_of_what_is_wished_for() {
    let deployment = json!({
        "metadata": { "name": "d" },
        "spec": {
            "replicas": 3,
            "selector": {
                "matchLabels": { "app": "d" },
                "matchExpressions": [
                    { "key": "tier", "operator": "In", "values": ["b", "a"] },
                    { "key": "x", "operator": "DoesNotExist" },
                ],
            },
            "template": { "spec": { "containers": [
                { "name": "a", "image": "i:1" },
                { "name": "b", "image": "j" },
            ] } },
        },
        "status": { "readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2 },
    });
    let cells = cells("deployments.apps", deployment);
    let expected = json!({
        "Name": "d", "Ready": "2/3", "Up-to-date": 3, "Available": 2, "Age": "60m",
        "Containers": "a,b", "Images": "i:1,j", "Selector": "app=d,tier in (a,b),!x",
    });
    assert_eq!(Value::from(cells), expected);
}

#[test]
fn an_event_is_as_old_as_it_was_seen_last() {
    let event = json!({
        "metadata": { "name": "e" },
        "involvedObject": { "kind": "Pod", "name": "web", "fieldPath": "spec.containers{a}" },
        "reason": "Because", "message": " words ", "type": "Normal", "count": 3,
        "source": { "component": "tailor", "host": "h" },
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:58:00Z",
    });
    let cells = cells("events", event);
    assert_eq!((cells["Last Seen"].as_str(), cells["First Seen"].as_str()), (Some("2m"), Some("60m")));
    assert_eq!((cells["Object"].as_str(), cells["Source"].as_str()), (Some("pod/web"), Some("tailor, h")));
    assert_eq!((cells["Message"].as_str(), cells["Count"].as_i64()), (Some("words"), Some(3)));
}

#[test]
fn every_built_in_kind_has_a_cell_for_each_column() {
    for resource in Registry::builtin().all() {
        cells(&resource.table, json!({ "metadata": { "name": "x" } }));
    }
}

#[rstest]
#[case(Include::Nothing, json!(null))]
#[case(Include::Metadata, json!("PartialObjectMetadata"))]
#[case(Include::Object, json!("ConfigMap"))]
fn a_row_brings_as_much_of_its_object_as_is_asked_for(#[case] include: Include, #[case] kind: Value) {
    let registry = Registry::builtin();
    let map = object(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x" }, "data": {} }));
    let table = table(registry.of_table("configmaps").unwrap(), [&map], &json!({}), (include, now()));
    assert_eq!(table["rows"][0]["object"]["kind"], kind);
    assert_eq!(table["kind"], "Table");
}

#[test]
fn only_the_first_event_of_a_watch_says_what_the_columns_are() {
    let registry = Registry::builtin();
    let resource = registry.of_table("configmaps").unwrap();
    let map = object(json!({ "metadata": { "name": "x" } }));
    let columns = |is_first| event(resource, &map, is_first, Include::Metadata, now())["columnDefinitions"].clone();
    assert!(columns(true).is_array());
    assert!(columns(false).is_null());
}

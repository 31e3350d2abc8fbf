use jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::resources::{Bytes, MilliCpu};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn id(kind: &str, name: &str) -> WorkloadId {
    let api_version = if kind == "CronJob" || kind == "Job" { "batch/v1" } else { "apps/v1" };
    WorkloadId::new("shop", api_version, kind, name)
}

fn workload(kind: &str, name: &str, owner: Option<WorkloadId>) -> Workload {
    Workload {
        id: id(kind, name),
        api_version: "apps/v1".to_owned(),
        labels: BTreeMap::new(),
        owner,
        replicas: Some(1),
        template: BTreeMap::new(),
    }
}

fn pod(name: &str, uid: &str, owner: (&str, &str), cpu: &str) -> PodRecord {
    let (kind, owner_name) = owner;
    let api_version = if kind == "Job" { "batch/v1" } else { "apps/v1" };
    let owner = json!({ "apiVersion": api_version, "kind": kind, "name": owner_name, "uid": "o", "controller": true });
    let pod = json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": uid, "generation": 1, "resourceVersion": "1",
            "labels": { "app": "web" }, "ownerReferences": [owner],
        },
        "spec": { "nodeName": "n1", "containers": [{ "name": "app", "resources": { "requests": { "cpu": cpu } } }] },
        "status": { "phase": "Running" },
    });
    PodRecord::read(&serde_json::from_value(pod).unwrap()).unwrap()
}

fn names(pods: &[Arc<PodRecord>]) -> Vec<&str> {
    pods.iter().map(|pod| pod.view.name.as_str()).collect()
}

#[test]
fn pods_of_every_replica_set_belong_to_the_deployment() {
    let mut world = World::default();
    let deployment = id("Deployment", "web");
    world.apply_workload(workload("Deployment", "web", None));
    world.apply_workload(workload("ReplicaSet", "web-1", Some(deployment.clone())));
    world.apply_workload(workload("ReplicaSet", "web-2", Some(deployment.clone())));
    world.apply_pod(pod("web-2-a", "u2", ("ReplicaSet", "web-2"), "1"), NOW);
    let touched = world.apply_pod(pod("web-1-a", "u1", ("ReplicaSet", "web-1"), "1"), NOW);
    assert_eq!(touched, [Touch::Workload(deployment.clone())]);
    assert_eq!(names(&world.pods_of(&deployment)), ["web-1-a", "web-2-a"]);
    assert_eq!(world.root_of(&id("ReplicaSet", "web-1")), Some(deployment));
}

#[test]
fn a_pod_whose_owner_is_not_seen_yet_belongs_to_nothing_until_it_is() {
    let mut world = World::default();
    assert_eq!(world.apply_pod(pod("nightly-a", "u1", ("Job", "nightly-1"), "1"), NOW), []);
    let touched = world.apply_workload(workload("Job", "nightly-1", Some(id("CronJob", "nightly"))));
    assert_eq!(touched, [Touch::Workload(id("CronJob", "nightly"))]);
    assert_eq!(names(&world.pods_of(&id("CronJob", "nightly"))), ["nightly-a"]);
}

#[test]
fn a_deployment_that_an_operator_owns_is_a_workload_of_its_own() {
    let mut world = World::default();
    let operator = WorkloadId::new("shop", "example.com/v1", "Shop", "main");
    world.apply_workload(workload("Deployment", "web", Some(operator)));
    assert_eq!(world.root_of(&id("Deployment", "web")), Some(id("Deployment", "web")));
}

#[test]
fn a_scaled_workload_has_the_pods_that_its_selector_says() {
    let mut world = World::default();
    let rollout = WorkloadId::new("shop", "example.com/v1", "Fleet", "web");
    world.apply_workload(workload("StatefulSet", "inner", None));
    world.apply_pod(pod("inner-0", "u1", ("StatefulSet", "inner"), "1"), NOW);
    let selector: Selector = [("app", "web")].into_iter().collect();
    world.set_scaled(rollout.clone(), Some(Scaled { replicas: 1, selector }));
    assert_eq!(names(&world.pods_of(&rollout)), ["inner-0"]);
    assert!(world.pods_of(&id("StatefulSet", "inner")).is_empty());
}

#[test]
fn room_on_a_node_touches_it_and_an_unchanged_pod_touches_nothing() {
    let mut world = World::default();
    world.apply_workload(workload("StatefulSet", "db", None));
    let owner = ("StatefulSet", "db");
    world.apply_pod(pod("db-0", "u1", owner, "2"), NOW);
    assert_eq!(world.apply_pod(pod("db-0", "u1", owner, "2"), NOW), []);
    assert!(!world.apply_pod(pod("db-0", "u1", owner, "3"), NOW).contains(&Touch::Node("n1".to_owned())));
    assert!(world.apply_pod(pod("db-0", "u1", owner, "1"), NOW).contains(&Touch::Node("n1".to_owned())));
    assert!(world.remove_pod(&("shop".to_owned(), "db-0".to_owned())).contains(&Touch::Node("n1".to_owned())));
    assert_eq!(world.pods_on("n1").count(), 0);
}

#[test]
fn a_restart_a_kill_and_a_condition_of_a_resize_touch_the_workload_at_once() {
    let mut world = World::default();
    world.apply_workload(workload("StatefulSet", "db", None));
    let calm = pod("db-0", "u1", ("StatefulSet", "db"), "2");
    world.apply_pod(calm.clone(), NOW);
    let changes: [fn(&mut PodRecord); 3] = [
        |pod| pod.view.containers[0].restarts = 1,
        |pod| pod.view.containers[0].last_oom = Some(NOW),
        |pod| {
            let condition = json!({ "type": "PodResizePending", "status": "True", "reason": "Deferred" });
            let status = json!({ "phase": "Running", "conditions": [condition] });
            let spec = json!({ "containers": [] });
            let pending = json!({ "metadata": { "name": "db-0" }, "spec": spec, "status": status });
            pod.view.resize = PodRecord::read(&serde_json::from_value(pending).unwrap()).unwrap().view.resize;
        },
    ];
    for change in changes {
        let mut changed = calm.clone();
        change(&mut changed);
        assert!(world.apply_pod(changed, NOW).contains(&Touch::Workload(id("StatefulSet", "db"))));
        world.apply_pod(calm.clone(), NOW);
    }
}

#[test]
fn an_own_write_is_not_undone_by_a_late_watch_event() {
    let mut world = World::default();
    let owner = ("StatefulSet", "db");
    world.apply_pod(pod("db-0", "u1", owner, "1"), NOW);
    let mut written = pod("db-0", "u1", owner, "3");
    written.view.generation = 2;
    world.wrote_pod(written.clone(), NOW);
    world.apply_pod(pod("db-0", "u1", owner, "1"), NOW + SignedDuration::from_secs(60));
    assert_eq!(world.pod("shop", "db-0").unwrap().view, written.view);
    // A Pod of the same name that replaced it is another Pod.
    world.apply_pod(pod("db-0", "u9", owner, "1"), NOW + SignedDuration::from_secs(61));
    assert_eq!(world.pod("shop", "db-0").unwrap().view.uid, "u9");
}

#[test]
fn several_limit_ranges_hold_together() {
    let mut world = World::default();
    let range = |min, max, ratio| ContainerLimits {
        min: Resources { cpu: Some(MilliCpu(min)), memory: None },
        max: Resources { cpu: Some(MilliCpu(max)), memory: Some(Bytes::mib(max)) },
        max_cpu_ratio: Some(ratio),
        max_memory_ratio: None,
    };
    world.limits.insert(("shop".to_owned(), "a".to_owned()), range(100, 900, 4.0));
    world.limits.insert(("shop".to_owned(), "b".to_owned()), range(50, 500, 2.0));
    world.limits.insert(("other".to_owned(), "c".to_owned()), range(1, 2, 1.0));
    assert_eq!(world.limits_in("shop"), Some(range(100, 500, 2.0)));
    assert_eq!(world.limits_in("none"), None);
}

#[test]
fn an_answer_that_the_watch_has_overtaken_changes_nothing() {
    let web = ("ReplicaSet", "web-1");
    let version = |resource_version: &str, generation, cpu| {
        let mut record = pod("web-0", "u1", web, cpu);
        (record.resource_version, record.view.generation) = (resource_version.to_owned(), generation);
        record
    };
    let shown = |world: &World| world.pod("shop", "web-0").map(|pod| pod.resource_version.clone());
    let mut world = World::default();
    world.apply_pod(version("7", 1, "1"), NOW);
    world.wrote_pod(version("8", 2, "2"), NOW);
    assert_eq!(shown(&world).as_deref(), Some("8"));
    world.apply_pod(version("10", 3, "3"), NOW);
    world.wrote_pod(version("9", 3, "3"), NOW);
    assert_eq!(shown(&world).as_deref(), Some("10"));
    world.remove_pod(&("shop".to_owned(), "web-0".to_owned()));
    world.wrote_pod(version("11", 4, "4"), NOW);
    assert_eq!(shown(&world), None, "it is gone");
}

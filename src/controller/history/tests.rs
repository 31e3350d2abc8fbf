use rstest::rstest;
use serde_json::json;

use super::*;
use crate::{
    controller::world::Workload,
    resources::{ContainerResources, NanoCpu},
};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn after(minutes: i64) -> Timestamp {
    NOW + SignedDuration::from_mins(minutes)
}

fn web() -> WorkloadId {
    WorkloadId::new("shop", "apps/v1", "Deployment", "web")
}

/// A Deployment with one Pod that was created at `created`.
fn world(created: Timestamp) -> World {
    let mut world = World::default();
    world.apply_workload(Workload {
        id: web(),
        api_version: "apps/v1".to_owned(),
        labels: BTreeMap::new(),
        owner: None,
        replicas: Some(1),
        template: BTreeMap::from([("app".to_owned(), ContainerResources::default())]),
    });
    let owner = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "o", "controller": true });
    let pod = json!({
        "metadata": {
            "name": "web-6c5d4f7b8-live2", "namespace": "shop", "uid": "u1", "creationTimestamp": created,
            "ownerReferences": [owner],
        },
        "spec": { "containers": [{ "name": "app" }] },
    });
    world.apply_pod(PodRecord::read(&serde_json::from_value(pod).unwrap()).unwrap(), NOW);
    world
}

fn sample(pod: &str, container: &str, minute: i64, cores: f64) -> Sample {
    Sample {
        namespace: "shop".to_owned(),
        pod: pod.to_owned(),
        container: container.to_owned(),
        at: after(minute),
        cpu: Some(NanoCpu::from_cores(cores)),
        memory: Some(Bytes::mib(32)),
        throttled: None,
        cpu_pressure: None,
        memory_pressure: None,
        oom_events: None,
    }
}

const GONE: &str = "web-7d9f8c6b5-x2x4z";
const LIVE: &str = "web-6c5d4f7b8-live2";

fn restored(minutes: std::ops::Range<i64>) -> Containers {
    let mut model = ContainerModel::new();
    minutes.for_each(|minute| model.observe(&sample(GONE, "app", minute, 0.1)));
    BTreeMap::from([(web(), BTreeMap::from([("app".to_owned(), model)]))])
}

#[test]
fn pods_that_are_gone_teach_their_workload_and_what_is_not_known_is_dropped() {
    let mut past = Past::new(Containers::new());
    let samples = [
        sample(GONE, "app", 1, 0.1),
        sample(LIVE, "app", 61, 0.1),
        sample(GONE, "old-sidecar", 1, 0.1),
        sample("other-7d9f8c6b5-x2x4z", "app", 1, 0.1),
    ];
    past.learn(&world(after(60)), samples.to_vec());
    assert_eq!(past.models.keys().collect::<Vec<_>>(), [&web()]);
    let mut expected = ContainerModel::new();
    samples[..2].iter().for_each(|sample| expected.observe(sample));
    assert_eq!(past.models[&web()], BTreeMap::from([("app".to_owned(), expected)]));
}

#[test]
fn a_sample_is_learnt_once_whatever_the_order_and_however_often_it_comes() {
    let cores = |minute: i64| if minute % 5 == 0 { 0.2 } else { 0.1 };
    let all: Vec<_> = (0..60).map(|minute| sample(GONE, "app", minute, cores(minute))).collect();
    let mut once = Past::new(restored(-60..30));
    once.learn(&world(after(60)), all.clone());
    let mut twice = Past::new(restored(-60..30));
    let mut reversed = all.clone();
    reversed.reverse();
    twice.learn(&world(after(60)), reversed);
    twice.learn(&world(after(60)), all[50..].to_vec());
    assert_eq!(once.models, twice.models);
    let newest = once.models[&web()]["app"].newest_sample();
    assert_eq!(newest, Some(after(59)));
    let mut straight = restored(-60..30);
    let model = straight.get_mut(&web()).unwrap().get_mut("app").unwrap();
    all[30..].iter().for_each(|sample| model.observe(sample));
    assert_eq!(once.models, straight, "what the checkpoint knows is not learnt again");
}

#[test]
fn what_came_meanwhile_is_learnt_last() {
    let mut past = Past::new(Containers::new());
    past.learn(&world(after(0)), (0..60).map(|minute| sample(LIVE, "app", minute, 0.1)).collect());
    let mut tail = Tail::default();
    (30..62).for_each(|minute| tail.learnt(&web(), &sample(LIVE, "app", minute, 0.1)));
    tail.killed(&web(), "app", after(61), Bytes::mib(64));
    assert!(tail.samples.len() <= 11, "the last ten minutes");
    tail.teach(&mut past.models);
    let mut expected = ContainerModel::new();
    (0..62).for_each(|minute| expected.observe(&sample(LIVE, "app", minute, 0.1)));
    expected.observe_oom(after(61), Bytes::mib(64));
    assert_eq!(past.models[&web()]["app"], expected);
}

#[rstest]
#[case::nothing_is_known(Containers::new(), -30, -72 * 60)]
#[case::the_checkpoint_goes_on_from_its_end(restored(-60..-9), -30, -10)]
#[case::a_checkpoint_from_long_ago(restored(-9_000..-8_999), -30, -72 * 60)]
#[case::a_workload_that_is_new(BTreeMap::from([(WorkloadId::new("shop", "apps/v1", "Deployment", "b"), BTreeMap::new())]), -30, -30)]
fn history_begins_where_knowledge_ends(#[case] models: Containers, #[case] created: i64, #[case] begins: i64) {
    let past = Past::new(models);
    assert_eq!(past.begins(&world(after(created)), NOW, SignedDuration::from_hours(72)), after(begins));
}

#[rstest]
#[case::a_small_cluster(10, 60, 6 * 60)]
#[case::a_large_one(2_000, 60, 100)]
#[case::a_large_one_that_is_looked_at_often(2_000, 15, 25)]
#[case::a_huge_one(1_000_000, 60, 5)]
#[case::an_empty_one(0, 60, 6 * 60)]
fn answers_are_of_a_bounded_size(#[case] containers: usize, #[case] interval: u64, #[case] minutes: i64) {
    assert_eq!(chunk(containers, Duration::from_secs(interval)), SignedDuration::from_mins(minutes));
}

#[test]
fn the_start_of_a_pod_that_is_gone_is_not_learnt_where_the_policy_says_so() {
    let mut world = world(after(0));
    let policy = json!({
        "apiVersion": "autoscaling.tailor.dev/v1alpha1",
        "kind": "VerticalResizePolicy",
        "metadata": { "name": "fit", "namespace": "shop" },
        "spec": { "selector": {}, "startup": { "cpu": { "factor": 2 }, "timeout": "5m" } },
    });
    let policy = policies::Policy::read(serde_json::from_value(policy).unwrap());
    world.policies.insert(policy.key(), Arc::new(policy));
    let mut past = Past::new(Containers::new());
    let cores = |minute: i64| if minute < 5 { 3.0 } else { 0.1 };
    past.learn(&world, (-600..-500).map(|minute| sample(GONE, "app", minute, cores(minute + 600))).collect());
    let model = &past.models[&web()]["app"];
    assert!(model.cpu().burst(24).unwrap() < 0.2 && model.memory_peak().is_some());
}

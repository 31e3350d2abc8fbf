use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::{
    api::TargetRef,
    controller::{owners::WorkloadId, policies::Policy, world::PodRecord},
    plan::{NewPods, PodHistory, Wish},
    resources::{Bytes, MilliCpu, NodeView},
};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// A Pod on a Node, with what it has and what it should have, in thousandths of a core.
fn pod(name: &str, node: &str, has: u64, wants: u64) -> PodSeen {
    let resources = json!({ "requests": { "cpu": format!("{has}m"), "memory": "64Mi" } });
    let status = json!({
        "name": "app", "image": "", "imageID": "", "ready": true, "restartCount": 0,
        "state": { "running": {} },
        "resources": resources, "allocatedResources": resources["requests"],
    });
    let pod = json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": name, "generation": 1,
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "s", "uid": "o", "controller": true }],
        },
        "spec": { "nodeName": node, "containers": [{ "name": "app", "resources": resources }] },
        "status": {
            "phase": "Running", "observedGeneration": 1, "qosClass": "Burstable", "containerStatuses": [status],
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    });
    let record = PodRecord::read(&serde_json::from_value(pod).unwrap()).unwrap();
    let size = |milli| Resources::new(MilliCpu(milli), Bytes::mib(64));
    let wish = Wish {
        container: "app".to_owned(),
        size: ContainerResources { requests: size(wants), limits: Resources::default() },
        lower: size(wants),
        upper: size(wants),
        peak: None,
        urgent: false,
    };
    let wishes = vec![wish];
    let mut history = PodHistory::default();
    // Long enough ago that what is too large may be lowered now.
    history.observe(&record.view, &wishes, NOW - SignedDuration::from_hours(1));
    PodSeen {
        record: Arc::new(record),
        elsewhere: vec![Resources::new(MilliCpu(64_000), Bytes::mib(65_536))],
        wishes,
        history,
        hold: None,
        evicted: false,
    }
}

fn observed(pods: Vec<PodSeen>, node_milli: u64, more: &Value) -> Observed {
    let mut spec = json!({ "selector": {} });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let policy = json!({
        "apiVersion": "autoscaling.tailor.dev/v1alpha1",
        "kind": "VerticalResizePolicy",
        "metadata": { "name": "fit", "namespace": "shop", "generation": 1 },
        "spec": spec,
    });
    let mut nodes: BTreeMap<String, NodeUse> = BTreeMap::new();
    for pod in &pods {
        let name = pod.record.view.node.clone().unwrap();
        let node = NodeView {
            name: name.clone(),
            allocatable: Resources::new(MilliCpu(node_milli), Bytes::mib(4_096)),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            ready: true,
            kubelet_version: "v1.37.2".to_owned(),
        };
        let node = nodes.entry(name).or_insert_with(|| NodeUse { node, footprints: BTreeMap::new() });
        node.footprints.insert(pod.record.view.uid.clone(), pod.record.footprint);
    }
    let count = u32::try_from(pods.len()).unwrap();
    let view = WorkloadView {
        desired_replicas: i32::try_from(count).unwrap(),
        live: count,
        unavailable: 0,
        recreates: true,
        evictions_blocked: None,
    };
    let id = WorkloadId::new("shop", "apps/v1", "StatefulSet", "s");
    let target = TargetRef { api_version: "apps/v1".to_owned(), kind: id.kind.clone(), name: id.name.clone() };
    Observed {
        policy: Arc::new(Policy::read(serde_json::from_value(policy).unwrap())),
        workloads: vec![Covered { id, target, view, fits: BTreeMap::new(), pods }],
        owned_by_others: Vec::new(),
        nodes,
        cluster: ClusterView { resize_served: true, new_pods: NewPods::Sized, eviction_tokens: 9 },
        usage_problem: None,
        usage_fallback: None,
        next_disruption: None,
    }
}

/// Pod, step and reason, in order.
fn steps(observed: &Observed) -> Vec<(&str, &'static str, Why)> {
    let decided = decide(observed, NOW).decisions;
    let step = |step: &Step| match step {
        Step::Keep => "keep",
        Step::Resize(_) => "resize",
        Step::Wait { .. } => "wait",
        Step::Evict => "evict",
    };
    let steps = decided.iter().map(|decision| {
        let name = observed.workloads[decision.workload].pods[decision.pod].record.view.name.as_str();
        (name, step(&decision.plan.step), decision.plan.why)
    });
    steps.collect()
}

#[test]
fn downs_go_before_ups_on_each_node_and_nodes_and_pods_by_name() {
    let pods = vec![
        pod("d", "n1", 500, 100),
        pod("c", "n2", 500, 100),
        pod("b", "n1", 100, 500),
        pod("a", "n2", 100, 500),
        pod("e", "n1", 500, 100),
    ];
    let observed = observed(pods, 4_000, &json!({}));
    let order: Vec<_> = steps(&observed).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(order, ["d", "e", "b", "c", "a"]);
    assert!(steps(&observed).iter().all(|(_, step, _)| *step == "resize"));
}

#[test]
fn growth_that_was_decided_takes_room_from_the_next_one() {
    let pods = || vec![pod("b", "n1", 500, 900), pod("a", "n1", 500, 900)];
    let sent = [("a", "resize", Why::Undersized), ("b", "wait", Why::NoRoomOnNode)];
    assert_eq!(steps(&observed(pods(), 1_799, &json!({}))), sent);
    let enough = [("a", "resize", Why::Undersized), ("b", "resize", Why::Undersized)];
    assert_eq!(steps(&observed(pods(), 1_800, &json!({}))), enough);
}

#[test]
fn room_that_a_decrease_will_free_is_not_there_yet() {
    let pods = vec![pod("a", "n1", 900, 100), pod("b", "n1", 500, 900)];
    let decided = [("a", "resize", Why::Oversized), ("b", "wait", Why::NoRoomOnNode)];
    assert_eq!(steps(&observed(pods, 1_500, &json!({}))), decided);
}

#[test]
fn no_more_is_evicted_in_one_pass_than_may_be_away() {
    let recreate = json!({ "strategy": "Recreate", "update": { "maxUnavailable": 2 } });
    let pods = (0..4).map(|number| pod(&format!("p{number}"), "n1", 500, 900)).collect();
    let evicted = |observed: &Observed| steps(observed).iter().filter(|(_, step, _)| *step == "evict").count();
    let mut observed = observed(pods, 8_000, &recreate);
    assert_eq!(evicted(&observed), 2);
    observed.cluster.eviction_tokens = 1;
    assert_eq!(evicted(&observed), 1);
}

#[test]
fn a_pod_whose_eviction_was_sent_is_left_alone() {
    let mut pods = vec![pod("a", "n1", 500, 900)];
    pods[0].evicted = true;
    let observed = observed(pods, 8_000, &json!({ "strategy": "Recreate" }));
    let decided = decide(&observed, NOW);
    assert_eq!(steps(&observed), [("a", "keep", Why::PodTerminating)]);
    assert_eq!(decided.decisions[0].state, PodState::Evicted);
}

#[test]
fn a_refused_write_is_held_until_its_time_or_a_change() {
    let until = NOW + SignedDuration::from_mins(30);
    let held = |action, generations| {
        let mut pods = vec![pod("a", "n1", 100, 500)];
        pods[0].hold = Some(Hold { action, until, generations, state: PodState::Error });
        observed(pods, 8_000, &json!({}))
    };
    let observed = held(Action::Resize, (1, 1));
    let decided = decide(&observed, NOW);
    assert_eq!(decided.look_again, Some(until));
    assert_eq!(decided.decisions[0].state, PodState::Error);
    assert_eq!(steps(&observed)[0].1, "wait");
    assert!(matches!(decide(&observed, until).decisions[0].plan.step, Step::Resize(_)));
    for changed in [held(Action::Resize, (0, 1)), held(Action::Resize, (1, 0)), held(Action::Evict, (1, 1))] {
        assert_eq!(steps(&changed)[0].1, "resize");
    }
}

#[test]
fn the_next_look_is_the_earliest_that_anything_waits_for() {
    let recreate = json!({ "strategy": "Recreate" });
    let mut observed = observed(vec![pod("a", "n1", 500, 900)], 8_000, &recreate);
    observed.cluster.eviction_tokens = 0;
    observed.next_disruption = Some(NOW + SignedDuration::from_mins(7));
    assert_eq!(steps(&observed), [("a", "wait", Why::EvictionBudgetSpent)]);
    assert_eq!(decide(&observed, NOW).look_again, observed.next_disruption);
}

use std::{collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::{
    api::{Clamp, ClampReason, ContainerPolicy, TargetRef},
    controller::{apply::AppliedPod, observe::PodSeen, owners::WorkloadId, policies::Policy, world::PodRecord},
    plan::{ClusterView, NewPods, PodHistory, Why, WorkloadView},
    recommend::Recommendation,
    resources::{Bytes, ContainerResources, MilliCpu, ResourceKind},
};

pub const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn later() -> Timestamp {
    NOW + SignedDuration::from_hours(1)
}

fn fit(milli: u64) -> Fit {
    let size = |milli| Resources::new(MilliCpu(milli), Bytes::mib(milli));
    Fit {
        policy: ContainerPolicy::unnamed(),
        template: ContainerResources::default(),
        recommendation: Recommendation {
            lower: size(milli / 2),
            target: size(milli),
            upper: size(milli * 2),
            clamps: Vec::new(),
        },
        peak: None,
        is_known: true,
    }
}

fn pod(name: &str) -> PodSeen {
    let pod = json!({
        "metadata": { "name": name, "namespace": "shop", "uid": name },
        "spec": { "containers": [{ "name": "app", "resources": { "requests": { "cpu": "100m", "memory": "64Mi" } } }] },
        "status": { "phase": "Running" },
    });
    PodSeen {
        elsewhere: Vec::new(),
        record: Arc::new(PodRecord::read(&serde_json::from_value(pod).unwrap()).unwrap()),
        wishes: Vec::new(),
        history: PodHistory::default(),
        hold: None,
        evicted: false,
    }
}

pub fn workload(name: &str, milli: u64, pods: usize) -> Covered {
    Covered {
        id: WorkloadId::new("shop", "apps/v1", "Deployment", name),
        target: TargetRef { api_version: "apps/v1".to_owned(), kind: "Deployment".to_owned(), name: name.to_owned() },
        view: WorkloadView { desired_replicas: 1, live: 1, unavailable: 0, recreates: true, evictions_blocked: None },
        fits: BTreeMap::from([("app".to_owned(), fit(milli))]),
        pods: (0..pods).map(|pod_number| pod(&format!("{name}-{pod_number}"))).collect(),
    }
}

pub fn observed(workloads: Vec<Covered>) -> Observed {
    let policy = json!({
        "apiVersion": "autoscaling.tailor.dev/v1alpha1",
        "kind": "VerticalResizePolicy",
        "metadata": { "name": "fit", "namespace": "shop", "generation": 2 },
        "spec": { "selector": {} },
    });
    Observed {
        policy: Arc::new(Policy::read(serde_json::from_value(policy).unwrap())),
        workloads,
        owned_by_others: Vec::new(),
        nodes: BTreeMap::new(),
        cluster: ClusterView { resize_served: true, new_pods: NewPods::Sized, eviction_tokens: 0 },
        usage_problem: None,
        usage_fallback: None,
        next_disruption: None,
    }
}

fn published(observed: &Observed, old: &VerticalResizePolicyStatus, at: Timestamp) -> VerticalResizePolicyStatus {
    with_state(observed, old, PodState::Fitted, at)
}

fn with_state(
    observed: &Observed,
    old: &VerticalResizePolicyStatus,
    state: PodState,
    at: Timestamp,
) -> VerticalResizePolicyStatus {
    let pods = observed.workloads.iter().enumerate();
    let pods = pods.flat_map(|(workload, covered)| (0..covered.pods.len()).map(move |pod| (workload, pod)));
    let pods = pods.map(|(workload, pod)| AppliedPod { workload, pod, state, why: Why::Fits }).collect();
    let applied = Applied { observed, pods, last_action: None, look_again: None, held_by_admission: None };
    status(&applied, old, (None, counts(&applied)), (Verdict::Fitting, "well"), at)
}

#[rstest]
#[case::nothing_moved(1_000, true)]
#[case::within_the_least_change(1_100, true)]
#[case::beyond_it(1_101, false)]
#[case::far_below(899, false)]
fn a_recommendation_stays_as_published_until_it_has_moved_enough(#[case] milli: u64, #[case] same: bool) {
    let first = published(&observed(vec![workload("web", 1_000, 1)]), &VerticalResizePolicyStatus::default(), NOW);
    let second = published(&observed(vec![workload("web", milli, 1)]), &first, later());
    assert_eq!(second == first, same);
    assert_eq!(second.workloads[0].containers[0].target.cpu, Some(MilliCpu(if same { 1_000 } else { milli })));
}

#[test]
fn small_steps_in_one_direction_are_published_once_they_add_up() {
    let mut status = VerticalResizePolicyStatus::default();
    let mut writes = 0;
    for milli in 1_000..1_300 {
        let next = published(&observed(vec![workload("web", milli, 1)]), &status, NOW);
        writes += usize::from(next != status);
        status = next;
    }
    assert_eq!(writes, 3);
}

#[test]
fn bounds_that_move_around_a_target_that_stays_say_nothing_new() {
    let first = published(&observed(vec![workload("web", 1_000, 1)]), &VerticalResizePolicyStatus::default(), NOW);
    let mut moved = workload("web", 1_000, 1);
    let fit = moved.fits.get_mut("app").unwrap();
    fit.recommendation.lower = Resources::new(MilliCpu(900), Bytes::mib(900));
    fit.recommendation.upper = Resources::default();
    assert_eq!(published(&observed(vec![moved]), &first, later()), first);
}

#[test]
fn a_new_clamp_a_new_size_and_a_new_count_are_published() {
    let first = published(&observed(vec![workload("web", 1_000, 1)]), &VerticalResizePolicyStatus::default(), NOW);
    let mut clamped = workload("web", 1_000, 1);
    let clamp = Clamp { resource: ResourceKind::Cpu, reason: ClampReason::PolicyMax };
    clamped.fits.get_mut("app").unwrap().recommendation.clamps.push(clamp);
    assert_ne!(published(&observed(vec![clamped]), &first, NOW), first);
    assert_ne!(published(&observed(vec![workload("web", 1_000, 2)]), &first, NOW), first);
    let progress = with_state(&observed(vec![workload("web", 1_000, 1)]), &first, PodState::InProgress, later());
    assert_eq!((progress.pods.fitted, progress.pods.in_progress), (0, 1));
    assert_eq!(progress.conditions.len(), 2);
    assert_eq!(progress.workloads[0].containers, first.workloads[0].containers);
}

#[test]
fn a_status_is_bounded_whatever_is_covered() {
    let name = |number: usize| format!("{}-{number:04}", "w".repeat(200));
    let workloads = (0..500).map(|number| workload(&name(number), 1_000, 10)).collect();
    let status = published(&observed(workloads), &VerticalResizePolicyStatus::default(), NOW);
    let bytes = serde_json::to_vec(&status).unwrap().len();
    assert!(bytes <= 64 * 1024 && bytes > 60 * 1024, "{bytes}");
    assert_eq!(status.workloads.len() + usize::try_from(status.workloads_omitted).unwrap(), 500);
    assert_eq!((status.pods.total, status.pods.fitted), (5_000, 5_000));
    assert_eq!(status.workloads[0].workload.name, name(0));
}

#[test]
fn a_status_that_was_cut_stays_the_same_while_nothing_changes() {
    let workloads = || (0..500).map(|number| workload(&format!("{}-{number:04}", "w".repeat(200)), 1_000, 1)).collect();
    let first = published(&observed(workloads()), &VerticalResizePolicyStatus::default(), NOW);
    assert_eq!(published(&observed(workloads()), &first, later()), first);
}

#[test]
fn the_smallest_request_in_force_is_the_current_one() {
    let mut covered = workload("web", 1_000, 2);
    let mut larger = (*covered.pods[1].record).clone();
    larger.view.containers[0].desired.requests = Resources::new(MilliCpu(900), Bytes::mib(1));
    covered.pods[1].record = Arc::new(larger);
    let status = published(&observed(vec![covered]), &VerticalResizePolicyStatus::default(), NOW);
    assert_eq!(status.workloads[0].containers[0].current, Resources::new(MilliCpu(100), Bytes::mib(1)));
}

use std::collections::BTreeSet;

use rstest::rstest;
use strum::IntoEnumIterator;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Keep,
    Resize,
    Wait,
    Evict,
}

impl From<&Step> for Does {
    fn from(step: &Step) -> Self {
        match step {
            Step::Keep => Self::Keep,
            Step::Resize(_) => Self::Resize,
            Step::Wait { .. } => Self::Wait,
            Step::Evict => Self::Evict,
        }
    }
}

type Case = (Why, Does, fn(&mut Scene));

const LEFT_ALONE: &[Case] = &[
    (Why::Fits, Does::Keep, |_| {}),
    (Why::Fits, Does::Keep, |s| s.wish(540, 552)),
    (Why::StrategyOff, Does::Keep, |s| {
        s.wish(1_000, 512);
        s.spec.strategy = Strategy::Off;
    }),
    (Why::StrategyInitial, Does::Keep, |s| {
        s.wish(1_000, 512);
        s.spec.strategy = Strategy::Initial;
    }),
    (Why::PodTerminating, Does::Keep, |s| {
        s.wish(1_000, 512);
        s.pod.terminating = true;
    }),
    (Why::PodFinished, Does::Keep, |s| {
        s.wish(1_000, 512);
        s.pod.phase = PodPhase::Succeeded;
    }),
    (Why::PodNotScheduled, Does::Keep, |s| {
        s.wish(1_000, 512);
        (s.pod.node, s.pod.phase) = (None, PodPhase::Pending);
    }),
    (Why::PodNotRunning, Does::Keep, |s| {
        s.wish(1_000, 512);
        s.pod.phase = PodPhase::Pending;
    }),
    (Why::StaticPod, Does::Keep, |s| {
        s.wish(1_000, 512);
        s.pod.mirror = true;
    }),
    (Why::WindowsPod, Does::Keep, |s| {
        s.wish(1_000, 512);
        s.pod.windows = true;
    }),
    (Why::PodLevelResources, Does::Keep, |s| {
        s.wish(1_000, 512);
        s.pod.pod_level = true;
    }),
    (Why::BestEffort, Does::Keep, |s| {
        s.wish(1_000, 512);
        s.pod.containers[0].desired = ContainerResources::default();
        s.pod.qos = QosClass::BestEffort;
    }),
    (Why::ResizeUnsupported, Does::Keep, |s| {
        s.wish(1_000, 512);
        s.pod.containers[0].actual = None;
    }),
    (Why::ResizeUnsupported, Does::Keep, |s| {
        s.wish(1_000, 512);
        s.cluster.resize_served = false;
    }),
    (Why::ResizeUnsupported, Does::Keep, |s| {
        s.wish(1_000, 512);
        s.room.as_mut().expect("a Node").node.kubelet_version = "v1.32.9".to_owned();
    }),
    (Why::NoSamples, Does::Keep, |s| s.wishes.clear()),
    (Why::QosWouldChange, Does::Keep, |s| {
        s.wish(1_000, 1_024);
        s.wishes[0].size.limits = s.wishes[0].size.requests;
    }),
];

const BY_USE: &[Case] = &[
    (Why::Undersized, Does::Resize, |s| s.wish(1_000, 512)),
    (Why::Shortage, Does::Resize, |s| {
        s.wish(1_000, 512);
        s.wishes[0].urgent = true;
    }),
    (Why::Shortage, Does::Resize, |s| {
        // No room: the kubelet defers it, which reserves the room.
        s.wish(1_000, 512);
        s.wishes[0].urgent = true;
        s.room.as_mut().unwrap().free = amounts(600, 8_192);
    }),
    (Why::NoRoomOnNode, Does::Wait, |s| {
        s.wish(1_000, 512);
        s.room.as_mut().unwrap().free = amounts(999, 8_192);
    }),
    (Why::NodeUnknown, Does::Wait, |s| {
        s.wish(1_000, 512);
        s.room = None;
    }),
    (Why::ScaleDownStabilizing, Does::Wait, |s| {
        s.wish(200, 512);
        s.since(14);
    }),
    (Why::Oversized, Does::Resize, |s| {
        s.wish(200, 512);
        s.since(15);
    }),
    (Why::TooFewFreshSamples, Does::Keep, |s| {
        s.wish(200, 512);
        s.wishes[0].upper = Resources::default();
        s.since(60);
    }),
    (Why::MemoryInUse, Does::Keep, |s| {
        s.wish(500, 256);
        s.wishes[0].peak = Some(Bytes::mib(500));
        s.since(60);
    }),
    (Why::StartupBoost, Does::Resize, |s| {
        s.boosted();
        s.wish(1_500, 512);
        (s.pod.created, s.pod.ready, s.pod.ready_since) = (Some(ago(1)), false, None);
    }),
    (Why::StartupBoostEnded, Does::Resize, |s| {
        s.boosted();
        s.wish(200, 512);
        (s.pod.created, s.pod.ready_since) = (Some(ago(5)), Some(ago(1)));
    }),
];

const ON_ITS_WAY: &[Case] = &[
    (Why::ResizeNotSeen, Does::Wait, |s| {
        s.wish(1_000, 512);
        s.pod.generation = 2;
    }),
    (Why::ResizeNotSeen, Does::Wait, |s| {
        // Both conditions are of an older generation.
        s.deferred(1_000, 512);
        s.failing("broken");
        s.pod.generation += 1;
    }),
    (Why::ResizeInProgress, Does::Wait, |s| {
        s.wish(1_000, 512);
        s.pod.resize.in_progress = Some(None);
    }),
    (Why::Undersized, Does::Resize, |s| {
        s.wish(1_000, 512);
        s.pod.resize.in_progress = Some(None);
        s.since(2);
    }),
    (Why::Shortage, Does::Resize, |s| {
        s.wish(1_000, 512);
        s.wishes[0].urgent = true;
        s.pod.resize.in_progress = Some(None);
    }),
    (Why::ResizeError, Does::Wait, |s| {
        s.wish(1_000, 512);
        s.desire(1_000, 512);
        s.failing("failed to notify runtime");
        s.since(2);
    }),
    (Why::WishTakenBack, Does::Resize, |s| {
        s.wish(1_000, 512);
        s.desire(1_000, 512);
        s.failing("failed to notify runtime");
        s.since(3);
    }),
    (Why::ResizeFailedBefore, Does::Wait, |s| {
        s.wish(1_000, 512);
        s.desire(1_000, 512);
        s.failing("failed to notify runtime");
        s.since(3);
        s.desire(500, 512);
        s.pod.resize.in_progress = None;
    }),
    (Why::Undersized, Does::Resize, |s| {
        // A new target always passes.
        s.wish(1_000, 512);
        s.desire(1_000, 512);
        s.failing("failed to notify runtime");
        s.since(1);
        s.wish(1_500, 512);
    }),
    (Why::MemoryDecreaseRefused, Does::Resize, |s| {
        s.wish(500, 256);
        s.desire(500, 256);
        s.failing("cannot decrease memory limits: container \"app\" memory limit (1) below current usage (2)");
    }),
    (Why::ResizeDeferred, Does::Wait, |s| {
        s.deferred(1_000, 512);
        s.since(9);
    }),
    (Why::DeferredTooLong, Does::Wait, |s| {
        s.deferred(1_000, 512);
        s.since(10);
    }),
    (Why::DeferredTooLong, Does::Evict, |s| {
        s.deferred(1_000, 512);
        s.spec.update.on_deferred_timeout = AfterDeferral::Recreate;
        s.since(10);
    }),
    (Why::DeferredByNode, Does::Wait, |s| {
        s.deferred(1_000, 512);
        s.pending(PendingReason::Deferred, "The node had condition: [DiskPressure].");
        s.spec.update.on_deferred_timeout = AfterDeferral::Recreate;
        s.since(60);
    }),
    (Why::PendingWishShrunk, Does::Resize, |s| {
        s.deferred(1_000, 512);
        s.wish(700, 512);
    }),
    (Why::Shortage, Does::Resize, |s| {
        // Memory is short: the deferred CPU may not hold it up.
        s.deferred(1_000, 512);
        s.wish(1_000, 1_024);
        s.wishes[0].urgent = true;
        s.room.as_mut().unwrap().free = amounts(600, 8_192);
    }),
    (Why::ResizeInfeasible, Does::Evict, |s| {
        s.deferred(1_000, 512);
        s.pending(PendingReason::Infeasible, "static");
    }),
    (Why::WishTakenBack, Does::Resize, |s| {
        s.deferred(1_000, 512);
        s.pending(PendingReason::Infeasible, "static");
        s.spec.strategy = Strategy::InPlace;
    }),
    (Why::ResizeInfeasible, Does::Wait, |s| {
        // Taken back, and not sent again.
        s.deferred(1_000, 512);
        s.pending(PendingReason::Infeasible, "static");
        s.since(1);
        s.desire(500, 512);
        s.pod.resize.pending = None;
        s.spec.strategy = Strategy::InPlace;
    }),
];

const TOO_LARGE: &[Case] = &[
    (Why::NodeTooSmall, Does::Evict, |s| s.wish(5_000, 512)),
    (Why::ResizeInfeasible, Does::Evict, |s| {
        // From 1.36 on a kubelet says Deferred to what its Node can never hold.
        s.deferred(5_000, 512);
    }),
    (Why::FitsNodeOnly, Does::Resize, |s| {
        s.wish(5_000, 512);
        s.spec.strategy = Strategy::InPlace;
    }),
    (Why::FitsNodeOnly, Does::Resize, |s| {
        s.wish(5_000, 512);
        s.spec.update.on_infeasible = OnInfeasible::FitNode;
    }),
    (Why::NodeTooSmall, Does::Wait, |s| {
        s.wish(5_000, 512);
        s.spec.update.on_infeasible = OnInfeasible::FitNode;
        s.room.as_mut().unwrap().free = amounts(500, 8_192);
    }),
    (Why::FitsNodeOnly, Does::Resize, |s| {
        s.wish(5_000, 512);
        s.workload.recreates = false;
    }),
    (Why::NothingRecreatesPod, Does::Wait, |s| {
        s.wish(5_000, 512);
        s.pod.owned = false;
        s.room.as_mut().unwrap().free = amounts(500, 8_192);
    }),
    (Why::NoNodeLargeEnough, Does::Wait, |s| {
        s.wish(5_000, 512);
        s.elsewhere = vec![amounts(4_999, 65_536), amounts(16_000, 511)];
        s.room.as_mut().unwrap().free = amounts(500, 8_192);
    }),
    (Why::MinReplicas, Does::Wait, |s| {
        s.wish(5_000, 512);
        s.spec.update.min_replicas = 5;
        s.room.as_mut().unwrap().free = amounts(500, 8_192);
    }),
    (Why::MaxUnavailable, Does::Wait, |s| {
        s.wish(5_000, 512);
        s.workload.unavailable = 1;
    }),
    (Why::NodeTooSmall, Does::Evict, |s| {
        // The one that is away is this one.
        s.wish(5_000, 512);
        s.workload.unavailable = 1;
        s.pod.ready = false;
    }),
    (Why::EvictionBudgetSpent, Does::Wait, |s| {
        s.wish(5_000, 512);
        s.cluster.eviction_tokens = 0;
    }),
    (Why::ReplacementUnsized, Does::Wait, |s| {
        s.wish(5_000, 512);
        s.workload.evictions_blocked = Some(Why::ReplacementUnsized);
    }),
    (Why::AdmissionUnavailable, Does::Wait, |s| {
        s.wish(5_000, 512);
        s.cluster.new_pods = NewPods::UnsizedNow;
    }),
    (Why::AdmissionOff, Does::Wait, |s| {
        s.wish(1_000, 512);
        s.spec.strategy = Strategy::Recreate;
        s.cluster.new_pods = NewPods::Unsized;
    }),
    (Why::FitsNodeOnly, Does::Resize, |s| {
        // What is never sized anew makes do with its Node.
        s.wish(5_000, 512);
        s.cluster.new_pods = NewPods::Unsized;
    }),
    (Why::FitsNodeOnly, Does::Resize, |s| {
        // Nothing is evicted for the sake of its start-up boost.
        s.boosted();
        s.wish(5_000, 512);
        s.pod.created = Some(ago(1));
        (s.pod.ready, s.pod.ready_since) = (false, None);
    }),
    (Why::RecreateToFit, Does::Evict, |s| {
        s.wish(1_000, 512);
        s.spec.strategy = Strategy::Recreate;
    }),
    (Why::Fits, Does::Keep, |s| {
        s.wish(560, 512);
        s.spec.strategy = Strategy::Recreate;
    }),
    (Why::EvictionBudgetSpent, Does::Wait, |s| {
        s.wish(1_000, 512);
        s.spec.strategy = Strategy::Recreate;
        s.cluster.eviction_tokens = 0;
    }),
    (Why::MaxUnavailable, Does::Wait, |s| {
        // A restart is a disruption.
        s.wish(500, 1_024);
        s.pod.containers[0].resize_policy.memory_restarts = true;
        s.workload.unavailable = 1;
    }),
];

fn cases() -> impl Iterator<Item = &'static Case> {
    [LEFT_ALONE, BY_USE, ON_ITS_WAY, TOO_LARGE].into_iter().flatten()
}

#[rstest]
#[case::left_alone(LEFT_ALONE)]
#[case::by_use(BY_USE)]
#[case::on_its_way(ON_ITS_WAY)]
#[case::too_large(TOO_LARGE)]
fn each_situation_has_its_step_and_reason(#[case] table: &[Case]) {
    for (row, (why, does, arrange)) in table.iter().enumerate() {
        let mut scene = Scene::new();
        arrange(&mut scene);
        let plan = scene.plan();
        assert_eq!((plan.why, Does::from(&plan.step)), (*why, *does), "row {row}: {plan:?}");
    }
}

#[test]
fn each_reason_has_a_situation() {
    let covered: BTreeSet<Why> = cases().map(|(why, ..)| *why).collect();
    let missing: Vec<Why> = Why::iter().filter(|why| !covered.contains(why)).collect();
    assert_eq!(missing, []);
}

#[test]
fn each_reason_is_described_in_its_own_sentence() {
    let sentences: BTreeSet<_> = Why::iter().map(Why::describe).collect();
    assert_eq!(sentences.len(), Why::iter().count());
    assert!(sentences.iter().all(|sentence| sentence.ends_with('.')));
}

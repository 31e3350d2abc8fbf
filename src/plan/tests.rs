use std::collections::BTreeSet;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::prelude::*;
use rstest::rstest;
use strum::IntoEnumIterator;

use super::*;
use crate::{
    api::{AfterDeferral, OnInfeasible, StartupCpu, StartupPolicy, Strategy},
    resources::{ContainerView, MilliCpu, PendingReason, ResizePolicy},
};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn ago(minutes: i64) -> Timestamp {
    NOW - SignedDuration::from_mins(minutes)
}

fn amounts(milli: u64, mib: u64) -> Resources {
    Resources::new(MilliCpu(milli), Bytes::mib(mib))
}

/// Limits are twice the requests.
fn sized(milli: u64, mib: u64) -> ContainerResources {
    ContainerResources { requests: amounts(milli, mib), limits: amounts(2 * milli, 2 * mib) }
}

/// A Pod of one container that has 500m and 512 MiB, on a Node of 4 cores and 8 GiB that is otherwise empty.
#[derive(Clone, Debug)]
struct Scene {
    pod: PodView,
    room: Option<NodeRoom>,
    wishes: Vec<Wish>,
    spec: VerticalResizePolicySpec,
    history: PodHistory,
    workload: WorkloadView,
    cluster: ClusterView,
}

impl Scene {
    fn new() -> Self {
        let container = ContainerView {
            name: "app".into(),
            kind: ContainerKind::App,
            desired: sized(500, 512),
            allocated: Some(amounts(500, 512)),
            actual: Some(sized(500, 512)),
            resize_policy: ResizePolicy::default(),
            running: true,
            restarts: 0,
            last_oom: None,
        };
        let pod = PodView {
            namespace: "shop".into(),
            name: "web-0".into(),
            uid: "u1".into(),
            node: Some("n1".into()),
            phase: PodPhase::Running,
            terminating: false,
            ready: true,
            ready_since: Some(ago(600)),
            created: Some(ago(601)),
            generation: 1,
            observed_generation: Some(1),
            qos: QosClass::Burstable,
            mirror: false,
            windows: false,
            pod_level: false,
            owned: true,
            containers: vec![container],
            init: vec![],
            overhead: Resources::default(),
            resize: crate::resources::ResizeStatus::default(),
        };
        let node = NodeView {
            name: "n1".into(),
            allocatable: amounts(4_000, 8_192),
            schedulable: true,
            kubelet_version: "v1.37.2".into(),
        };
        let mut scene = Self {
            pod,
            room: Some(NodeRoom { node, free: amounts(4_000, 8_192) }),
            wishes: vec![],
            spec: VerticalResizePolicySpec::default(),
            history: PodHistory::default(),
            workload: WorkloadView {
                desired_replicas: 4,
                live: 4,
                unavailable: 0,
                recreates: true,
                evictions_blocked: None,
            },
            cluster: ClusterView { resize_served: true, largest_node: amounts(16_000, 65_536), eviction_tokens: 1 },
        };
        scene.wish(500, 512);
        scene
    }

    /// The Pod should have this, give or take a fifth.
    fn wish(&mut self, milli: u64, mib: u64) {
        self.wishes = vec![Wish {
            container: "app".into(),
            size: sized(milli, mib),
            lower: amounts(milli * 4 / 5, mib * 4 / 5),
            upper: amounts(milli * 6 / 5, mib * 6 / 5),
            peak: None,
            urgent: false,
        }];
    }

    /// The spec asks for this; what is in force stays.
    fn desire(&mut self, milli: u64, mib: u64) {
        self.pod.containers[0].desired = sized(milli, mib);
        self.pod.generation += 1;
        self.pod.observed_generation = Some(self.pod.generation);
    }

    fn pending(&mut self, reason: PendingReason, message: &str) {
        self.pod.resize.pending = Some((reason, message.into()));
    }

    /// The kubelet has deferred what should be.
    fn deferred(&mut self, milli: u64, mib: u64) {
        self.wish(milli, mib);
        self.desire(milli, mib);
        self.pending(PendingReason::Deferred, "Node didn't have enough resource: cpu");
    }

    fn failing(&mut self, message: &str) {
        self.pod.resize.in_progress = Some(Some(message.into()));
    }

    /// It has looked like this for so many minutes.
    fn since(&mut self, minutes: i64) {
        self.history.observe(&self.pod, &self.wishes, ago(minutes));
    }

    fn boosted(&mut self) {
        self.spec.startup = Some(StartupPolicy {
            cpu: StartupCpu { factor: Some(3), value: None },
            duration: Period::seconds(30),
            timeout: Period::minutes(10),
        });
    }

    fn look(&mut self, now: Timestamp) -> Plan {
        self.history.observe(&self.pod, &self.wishes, now);
        plan(
            &Situation {
                pod: &self.pod,
                room: self.room.as_ref(),
                wishes: &self.wishes,
                spec: &self.spec,
                history: &self.history,
                workload: &self.workload,
                cluster: &self.cluster,
            },
            now,
        )
    }

    fn plan(&mut self) -> Plan {
        self.look(NOW)
    }

    /// Does what a resize says, as a kubelet with room would.
    fn apply(&mut self, changes: &[ContainerChange]) {
        for container in &mut self.pod.containers {
            container.desired = changes::after(container, changes);
            container.allocated = Some(container.desired.requests);
            container.actual = Some(container.desired);
        }
        self.pod.generation += 1;
        self.pod.observed_generation = Some(self.pod.generation);
        self.pod.resize = crate::resources::ResizeStatus::default();
        self.history.sent(changes, self.pod.generation, NOW);
    }
}

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
        s.cluster.largest_node = amounts(4_999, 65_536);
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

fn changed(plan: &Plan) -> &[ContainerChange] {
    match &plan.step {
        Step::Resize(changes) => changes,
        other => panic!("not a resize: {other:?}"),
    }
}

#[test]
fn a_resize_names_only_what_changes() {
    let mut scene = Scene::new();
    scene.wish(1_000, 540);
    let plan = scene.plan();
    let cpu = |milli| Resources { cpu: Some(MilliCpu(milli)), memory: None };
    let only_cpu = |milli| ContainerResources { requests: cpu(milli), limits: cpu(2 * milli) };
    assert_eq!(changed(&plan)[0].from, only_cpu(500));
    assert_eq!(changed(&plan)[0].to, only_cpu(1_000));
}

#[test]
fn what_fits_now_goes_first() {
    let mut scene = Scene::new();
    scene.wish(1_000, 1_024);
    scene.room.as_mut().unwrap().free = amounts(600, 8_192);
    let plan = scene.plan();
    assert_eq!(changed(&plan)[0].to.requests, Resources { cpu: None, memory: Some(Bytes::mib(1_024)) });
}

#[test]
fn a_shortage_of_memory_does_not_wait_for_deferred_cpu() {
    let mut scene = Scene::new();
    scene.deferred(1_000, 512);
    scene.wish(1_000, 1_024);
    scene.wishes[0].urgent = true;
    scene.room.as_mut().unwrap().free = amounts(600, 8_192);
    assert_eq!(changed(&scene.plan())[0].to.requests, amounts(500, 1_024), "the CPU is taken back");
}

#[test]
fn the_largest_size_that_fits_is_shared_by_what_each_container_wants() {
    let mut scene = Scene::new();
    let mut second = scene.pod.containers[0].clone();
    second.name = "mesh".into();
    scene.pod.containers.push(second);
    scene.wish(4_500, 512);
    let mut wish = scene.wishes[0].clone();
    (wish.container, wish.size) = ("mesh".into(), sized(2_500, 512));
    scene.wishes.push(wish);
    scene.spec.strategy = Strategy::InPlace;
    let plan = scene.plan();
    let cpu: Vec<_> = changed(&plan).iter().map(|change| change.to.requests.cpu.unwrap().0).collect();
    assert_eq!(cpu, [2_500, 1_500], "3,000m of room for wishes of 4,000m and 2,000m more");
}

#[test]
fn a_shrunk_wish_does_not_fall_below_what_is_in_force() {
    let mut scene = Scene::new();
    scene.deferred(1_000, 512);
    scene.wish(100, 512);
    assert_eq!(changed(&scene.plan())[0].to.requests.cpu, Some(MilliCpu(500)));
}

#[test]
fn memory_is_not_lowered_again_soon_after_the_kubelet_could_not() {
    let mut scene = Scene::new();
    scene.wish(500, 256);
    scene.desire(500, 256);
    scene.failing("cannot decrease memory limits");
    let back = scene.plan();
    scene.apply(changed(&back).to_vec().as_slice());
    assert_eq!(scene.pod.containers[0].desired, sized(500, 512));
    scene.look(NOW);
    let later = |minutes| NOW + SignedDuration::from_mins(minutes);
    assert_eq!(scene.look(later(59)).why, Why::MemoryInUse);
    assert_eq!(scene.look(later(60)).why, Why::Oversized);
}

#[test]
fn one_look_that_fits_starts_the_stabilisation_anew() {
    let mut scene = Scene::new();
    scene.wish(200, 512);
    scene.since(20);
    scene.wish(500, 512);
    scene.since(10);
    scene.wish(200, 512);
    let until = NOW + SignedDuration::from_mins(15);
    assert_eq!(scene.plan().step, Step::Wait { until: Some(until) });
}

#[test]
fn a_pod_of_the_same_name_inherits_no_clock() {
    let mut scene = Scene::new();
    scene.spec.update.on_deferred_timeout = AfterDeferral::Recreate;
    scene.deferred(1_000, 512);
    scene.since(60);
    scene.pod.uid = "u2".into();
    assert_eq!(scene.plan().why, Why::ResizeDeferred);
}

#[test]
fn a_changed_wish_starts_the_deferred_clock_anew() {
    let mut scene = Scene::new();
    scene.deferred(1_000, 512);
    scene.since(60);
    scene.deferred(1_200, 512);
    assert_eq!(scene.plan().why, Why::ResizeDeferred);
}

#[test]
fn own_writes_count_before_they_are_seen() {
    let mut scene = Scene::new();
    scene.wish(1_000, 512);
    let plan = scene.plan();
    scene.history.sent(changed(&plan), 2, NOW);
    assert_eq!(scene.plan().why, Why::ResizeNotSeen);
}

#[test]
fn a_size_that_the_api_server_refused_is_not_sent_again() {
    let mut scene = Scene::new();
    scene.wish(1_000, 512);
    scene.spec.strategy = Strategy::InPlace;
    let plan = scene.plan();
    scene.history.refused(&scene.pod, changed(&plan), NOW);
    assert_eq!(scene.plan().why, Why::ResizeInfeasible);
    scene.wish(900, 512);
    assert_eq!(scene.plan().why, Why::Undersized, "a smaller one may pass");
    scene.wish(1_000, 512);
    scene.pod.node = Some("n2".into());
    assert_eq!(scene.plan().why, Why::Undersized, "another Node may grant it");
}

#[rstest]
#[case::same_shares(1, 2, Why::Fits)]
#[case::other_shares(2, 3, Why::Undersized)]
fn cpu_is_compared_as_the_kubelet_does(#[case] from: u64, #[case] to: u64, #[case] why: Why) {
    let mut scene = Scene::new();
    scene.pod.containers[0].desired = sized(from, 512);
    scene.wish(to, 512);
    assert_eq!(scene.plan().why, why);
}

#[rstest]
#[case::fits(|_: &mut Scene| {}, PodState::Fitted)]
#[case::resized(|s: &mut Scene| s.wish(1_000, 512), PodState::InProgress)]
#[case::deferred(|s: &mut Scene| s.deferred(1_000, 512), PodState::Deferred)]
#[case::evicted(|s: &mut Scene| s.wish(5_000, 512), PodState::Evicted)]
#[case::too_large(|s: &mut Scene| { s.wish(5_000, 512); s.pod.owned = false; s.room.as_mut().unwrap().free = amounts(500, 512); }, PodState::Other)]
#[case::failing(|s: &mut Scene| { s.desire(1_000, 512); s.wish(1_000, 512); s.failing("broken"); }, PodState::Error)]
#[case::off(|s: &mut Scene| s.spec.strategy = Strategy::Off, PodState::Other)]
fn pods_are_counted_by_state(#[case] arrange: fn(&mut Scene), #[case] expected: PodState) {
    let mut scene = Scene::new();
    arrange(&mut scene);
    let plan = scene.plan();
    assert_eq!(state(&scene.pod, &plan), expected);
}

#[rstest]
#[case::a_share_is_rounded_down("25%", 7, 1)]
#[case::but_one_at_least("25%", 2, 1)]
#[case::none("0%", 9, 0)]
#[case::all("100%", 9, 9)]
fn max_unavailable_may_be_a_share(#[case] share: &str, #[case] replicas: i32, #[case] allowed: u32) {
    let away = |unavailable| {
        let mut scene = Scene::new();
        scene.wish(5_000, 512);
        scene.spec.update.max_unavailable = IntOrString::String(share.into());
        scene.workload = WorkloadView { desired_replicas: replicas, unavailable, ..scene.workload };
        scene.plan().step == Step::Evict
    };
    assert!(!away(allowed));
    assert!(allowed == 0 || away(allowed - 1));
}

prop_compose! {
    fn any_scene()(
        strategy in prop::sample::select(Strategy::iter().collect::<Vec<_>>()),
        wanted in (1_u64..9_000, 16_u64..20_000),
        has in (1_u64..6_000, 16_u64..9_000),
        desired in prop::option::of((1_u64..6_000, 16_u64..9_000)),
        free in (0_u64..4_000, 0_u64..8_192),
        condition in 0..6,
        flags in any::<[bool; 6]>(),
        tokens in 0_u32..2,
        minutes in 0_i64..30,
    ) -> Scene {
        let [urgent, fit_node, recreate, terminating, restarts, starting] = flags;
        let mut scene = Scene::new();
        scene.spec.strategy = strategy;
        scene.spec.update.on_infeasible = if fit_node { OnInfeasible::FitNode } else { OnInfeasible::Recreate };
        scene.spec.update.on_deferred_timeout = if recreate { AfterDeferral::Recreate } else { AfterDeferral::Wait };
        scene.pod.containers[0].desired = sized(has.0, has.1);
        scene.pod.containers[0].allocated = Some(amounts(has.0, has.1));
        scene.pod.containers[0].actual = Some(sized(has.0, has.1));
        if let Some((milli, mib)) = desired {
            scene.desire(milli, mib);
        }
        scene.wish(wanted.0, wanted.1);
        scene.wishes[0].urgent = urgent;
        scene.room.as_mut().unwrap().free = amounts(free.0, free.1);
        scene.pod.terminating = terminating;
        scene.pod.containers[0].resize_policy.memory_restarts = restarts;
        if starting {
            scene.boosted();
            scene.pod.created = Some(ago(minutes));
        }
        scene.cluster.eviction_tokens = tokens;
        match condition {
            0 => scene.pending(PendingReason::Deferred, "Node didn't have enough resource"),
            1 => scene.pending(PendingReason::Infeasible, "swap"),
            2 => scene.failing("broken"),
            3 => scene.failing("cannot decrease memory limits"),
            4 => scene.pod.resize.in_progress = Some(None),
            _ => {}
        }
        scene.since(minutes);
        scene
    }
}

proptest! {
    #[test]
    fn only_strategies_that_recreate_evict(mut scene in any_scene()) {
        let evicts = scene.plan().step == Step::Evict;
        prop_assert!(!evicts || matches!(scene.spec.strategy, Strategy::InPlaceOrRecreate | Strategy::Recreate));
        prop_assert!(!evicts || scene.cluster.eviction_tokens > 0);
    }

    #[test]
    fn off_and_initial_never_act(mut scene in any_scene(), off: bool) {
        scene.spec.strategy = if off { Strategy::Off } else { Strategy::Initial };
        prop_assert_eq!(scene.plan().step, Step::Keep);
    }

    #[test]
    fn a_terminating_pod_is_left_alone(mut scene in any_scene()) {
        scene.pod.terminating = true;
        prop_assert_eq!(scene.plan(), keep(Why::PodTerminating));
    }

    #[test]
    fn a_resize_keeps_the_qos_class_and_every_key(mut scene in any_scene()) {
        if let Step::Resize(changes) = scene.plan().step {
            prop_assert!(!changes.is_empty());
            let qos = scene.pod.qos_with(|container| changes::after(container, &changes));
            prop_assert_eq!(qos, scene.pod.qos);
            prop_assert!(changes.iter().all(|change| change.from != change.to));
        }
    }

    #[test]
    fn growth_that_is_not_urgent_never_exceeds_the_room(mut scene in any_scene()) {
        scene.wishes[0].urgent = false;
        scene.pod.resize = crate::resources::ResizeStatus::default();
        let free = scene.room.as_ref().unwrap().free;
        if let Step::Resize(changes) = scene.plan().step {
            let requests = scene.pod.requests_with(|container| changes::after(container, &changes).requests);
            let before = scene.pod.containers[0].desired.requests;
            prop_assert!(requests.cpu <= free.cpu.max(before.cpu) && requests.memory <= free.memory.max(before.memory));
        }
    }

    #[test]
    fn nothing_larger_than_the_node_is_asked_for(mut scene in any_scene()) {
        let allocatable = scene.room.as_ref().unwrap().node.allocatable;
        if let Step::Resize(changes) = scene.plan().step {
            let grown = |to: Option<u64>, from: Option<u64>, room: Option<u64>| to <= room || to <= from;
            let requests = scene.pod.requests_with(|container| changes::after(container, &changes).requests);
            let container = &scene.pod.containers[0];
            let before = container.desired.requests.max(container.allocated.unwrap());
            let cpu = |r: Resources| r.cpu.map(|cpu| cpu.0);
            let memory = |r: Resources| r.memory.map(|memory| memory.0);
            prop_assert!(grown(cpu(requests), cpu(before), cpu(allocatable)));
            prop_assert!(grown(memory(requests), memory(before), memory(allocatable)));
        }
    }

    /// plan(apply(plan(x))) = Keep, with room and after stabilisation.
    #[test]
    fn an_applied_plan_leaves_nothing_to_do(
        wanted in (1_u64..4_000, 16_u64..8_192),
        has in (1_u64..6_000, 16_u64..9_000),
        urgent: bool,
    ) {
        let mut scene = Scene::new();
        scene.pod.containers[0].desired = sized(has.0, has.1);
        scene.wish(wanted.0, wanted.1);
        scene.wishes[0].urgent = urgent;
        scene.since(60);
        let first = scene.plan();
        if let Step::Resize(changes) = &first.step {
            scene.apply(changes);
            prop_assert_eq!(scene.plan(), keep(Why::Fits), "after {:?}", first);
        } else {
            prop_assert_eq!(first, keep(Why::Fits));
        }
    }

    #[test]
    fn no_noise_around_the_target_makes_it_write(noise in prop::collection::vec(460_u64..=540, 1..60)) {
        let mut scene = Scene::new();
        for (minute, milli) in (0..).zip(noise) {
            scene.wish(milli, 512);
            let plan = scene.look(NOW + SignedDuration::from_mins(minute));
            prop_assert!(!matches!(plan.step, Step::Resize(_)), "{plan:?}");
        }
    }
}

mod properties;
mod table;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rstest::rstest;

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
    elsewhere: Vec<Resources>,
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
            placement: crate::resources::Placement::default(),
            overhead: Resources::default(),
            resize: crate::resources::ResizeStatus::default(),
        };
        let node = NodeView {
            name: "n1".into(),
            allocatable: amounts(4_000, 8_192),
            labels: std::collections::BTreeMap::new(),
            taints: vec![],
            ready: true,
            kubelet_version: "v1.37.2".into(),
        };
        let mut scene = Self {
            pod,
            room: Some(NodeRoom { node, free: amounts(4_000, 8_192) }),
            elsewhere: vec![amounts(16_000, 65_536)],
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
            cluster: ClusterView { resize_served: true, new_pods: NewPods::Sized, eviction_tokens: 1 },
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
                elsewhere: &self.elsewhere,
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

#[rstest]
#[case::a_little_more(1_050, false)]
#[case::worth_a_write(1_100, true)]
fn what_is_waited_for_is_asked_for_anew_only_if_that_is_worth_a_write(#[case] milli: u64, #[case] asked: bool) {
    let mut scene = Scene::new();
    scene.deferred(1_000, 512);
    scene.wish(milli, 512);
    scene.wishes[0].urgent = true;
    assert_eq!(matches!(scene.plan().step, Step::Resize(_)), asked);
}

/// Nothing is known, and the size is that of the template, boosted or not.
fn unknown(scene: &mut Scene, milli: u64) {
    scene.boosted();
    scene.wish(milli, 512);
    (scene.wishes[0].lower, scene.wishes[0].upper) = (Resources::default(), Resources::default());
}

#[rstest]
#[case::ready(Some(1), 5, Why::StartupBoostEnded)]
#[case::never_ready(None, 10, Why::StartupBoostEnded)]
#[case::still_starting(None, 9, Why::NoSamples)]
#[case::long_ago(Some(600), 601, Why::TooFewFreshSamples)]
fn a_boost_is_taken_back_at_once_whatever_is_known(#[case] ready: Option<i64>, #[case] created: i64, #[case] why: Why) {
    let mut scene = Scene::new();
    unknown(&mut scene, if why == Why::NoSamples { 500 } else { 200 });
    scene.wishes[0].lower = if why == Why::TooFewFreshSamples { amounts(100, 512) } else { Resources::default() };
    (scene.pod.created, scene.pod.ready_since, scene.pod.ready) = (Some(ago(created)), ready.map(ago), ready.is_some());
    assert_eq!(scene.plan().why, why);
}

#[test]
fn what_is_lowered_after_the_boost_is_an_ordinary_shrink() {
    let mut scene = Scene::new();
    unknown(&mut scene, 300);
    (scene.pod.created, scene.pod.ready_since) = (Some(ago(5)), Some(ago(1)));
    let end = scene.plan();
    scene.apply(changed(&end).to_vec().as_slice());
    scene.wish(100, 512);
    assert_eq!(scene.plan().why, Why::ScaleDownStabilizing);
}

#[test]
fn a_pod_that_starts_is_boosted_though_nothing_is_known_of_its_use() {
    let mut scene = Scene::new();
    unknown(&mut scene, 1_500);
    (scene.pod.created, scene.pod.ready_since, scene.pod.ready) = (Some(ago(1)), None, false);
    assert_eq!(scene.plan().why, Why::StartupBoost);
}

#[test]
fn a_pod_that_starts_is_looked_at_again_when_its_start_ends() {
    let mut scene = Scene::new();
    scene.boosted();
    (scene.pod.created, scene.pod.ready_since) = (Some(ago(1)), Some(NOW));
    let end = NOW + SignedDuration::from_secs(30);
    assert_eq!(scene.plan(), Plan { step: Step::Wait { until: Some(end) }, why: Why::Fits });
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
fn while_an_eviction_for_cpu_waits_memory_grows_in_place() {
    let mut scene = Scene::new();
    scene.wish(5_000, 1_024);
    scene.cluster.eviction_tokens = 0;
    let plan = scene.plan();
    assert_eq!(changed(&plan)[0].to.requests, Resources { cpu: None, memory: Some(Bytes::mib(1_024)) });
}

#[test]
fn a_failing_resize_is_taken_back_even_if_the_new_target_has_no_room() {
    let mut scene = Scene::new();
    scene.wish(1_000, 512);
    scene.desire(1_000, 512);
    scene.failing("broken");
    scene.since(3);
    scene.wish(3_000, 512);
    scene.room.as_mut().unwrap().free = amounts(1_000, 8_192);
    assert_eq!(scene.plan().why, Why::WishTakenBack);
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

#[test]
fn a_pod_whose_node_is_unseen_grows_as_the_kubelet_lets_it_and_is_not_evicted() {
    let mut scene = Scene::new();
    scene.room = Some(NodeRoom { node: NodeView::unseen("n1"), free: Resources::default() });
    scene.wish(50_000, 512);
    assert_eq!(scene.plan().why, Why::Undersized);
    scene.deferred(50_000, 512);
    scene.pending(PendingReason::Infeasible, "");
    assert_eq!(scene.plan().why, Why::WishTakenBack);
    scene.wish(500, 512);
    scene.spec.strategy = Strategy::Recreate;
    scene.desire(500, 512);
    scene.wish(1_000, 512);
    let plan = scene.plan();
    assert_eq!((plan.step, plan.why), (Step::Wait { until: None }, Why::NodeUnknown));
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

use proptest::prelude::*;
use strum::IntoEnumIterator;

use super::*;
use crate::api::Strategy;

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

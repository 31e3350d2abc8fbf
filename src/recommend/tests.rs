use jiff::SignedDuration;
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::{
    api::{ContainerMode, ControlledValues, ControlledValuesPerResource},
    resources::{NanoCpu, QosClass, amount::MIB},
    usage::Sample,
};

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn after(minutes: i64) -> Timestamp {
    START + SignedDuration::from_mins(minutes)
}

/// A model fed once a minute with (cores, MiB).
fn model(samples: &[(f64, u64)]) -> ContainerModel {
    let mut model = ContainerModel::new();
    for (minute, (cores, mib)) in (0..).zip(samples) {
        model.observe(&Sample {
            namespace: "shop".into(),
            pod: "web-0".into(),
            container: "app".into(),
            at: after(minute),
            cpu: Some(NanoCpu::from_cores(*cores)),
            memory: Some(Bytes::mib(*mib)),
            ..Sample::default()
        });
    }
    model
}

fn resources(requests: (u64, u64), limits: Option<(u64, u64)>) -> ContainerResources {
    let both = |(milli, mib)| Resources::new(MilliCpu(milli), Bytes::mib(mib));
    ContainerResources { requests: both(requests), limits: limits.map(both).unwrap_or_default() }
}

fn frame<'a>(policy: &'a ContainerPolicy, template: &'a ContainerResources) -> Frame<'a> {
    Frame { policy, objective: Objective::Balanced, template, limits: None }
}

fn requests_only() -> ContainerPolicy {
    let only = ControlledValues::RequestsOnly;
    let controlled_values = ControlledValuesPerResource { cpu: only, memory: only };
    ContainerPolicy { controlled_values, ..ContainerPolicy::unnamed() }
}

/// What is recommended after an hour of 200m and 300 MiB.
fn steadily(policy: &ContainerPolicy, template: &ContainerResources) -> Recommendation {
    recommend(&model(&[(0.2, 300); 60]), &frame(policy, template), after(60))
}

#[test]
fn steady_use_gets_a_tight_fit() {
    let advice = steadily(&ContainerPolicy::unnamed(), &resources((1000, 1024), None));
    assert_eq!(advice.target, Resources::new(MilliCpu(221), Bytes::mib(394)), "a tenth more, and 64 MiB");
    assert_eq!(advice.lower, Resources::new(MilliCpu(201), Bytes::mib(300)), "what was used");
    assert_eq!(advice.clamps, []);
}

#[test]
fn a_burst_raises_at_once_and_is_forgotten_slowly() {
    let (policy, template) = (ContainerPolicy::unnamed(), resources((1000, 1024), None));
    let mut use_ = vec![(0.2, 300); 120];
    use_.push((2.0, 300));
    let cpu = |samples: &[(f64, u64)], minutes| {
        recommend(&model(samples), &frame(&policy, &template), after(minutes)).target.cpu.unwrap().0
    };
    assert!(cpu(&use_, 121) >= 2_000);
    use_.extend([(0.2, 300); 10]);
    assert!(cpu(&use_, 131) >= 2_000, "within the last two slots of five minutes");
    use_.extend([(0.2, 300); 10]);
    assert!(cpu(&use_, 141) < 300);
}

#[test]
fn a_quiet_hour_does_not_pay_for_the_busy_ones_before() {
    let (policy, template) = (ContainerPolicy::unnamed(), resources((1000, 1024), None));
    let mut use_ = vec![(2.0, 300); 600];
    use_.extend([(0.2, 300); 70]);
    let target = recommend(&model(&use_), &frame(&policy, &template), after(670)).target;
    assert_eq!(target.cpu, Some(MilliCpu(221)), "though nine tenths of the time it used ten times as much");
}

#[test]
fn without_fresh_samples_nothing_has_an_upper_bound() {
    let (policy, template) = (ContainerPolicy::unnamed(), resources((1000, 1024), None));
    let known = model(&[(0.2, 300); 60]);
    let at = |minutes| recommend(&known, &frame(&policy, &template), after(minutes));
    assert!(at(60).upper.cpu.is_some() && at(60).upper.memory.is_some());
    assert_eq!(at(70).upper, Resources::default());
    assert_eq!(at(70).target, at(60).target, "a raise stays a raise");
}

#[test]
fn memory_that_is_no_longer_measured_is_not_lowered_while_cpu_is() {
    let (policy, template) = (ContainerPolicy::unnamed(), resources((1000, 1024), None));
    let mut known = model(&[(0.2, 300); 60]);
    for minute in 60..90 {
        known.observe(&Sample {
            namespace: "shop".into(),
            pod: "web-0".into(),
            container: "app".into(),
            at: after(minute),
            cpu: Some(NanoCpu::from_cores(0.2)),
            memory: None,
            ..Sample::default()
        });
    }
    let upper = recommend(&known, &frame(&policy, &template), after(90)).upper;
    assert!(upper.cpu.is_some() && upper.memory.is_none());
}

#[test]
fn an_oom_kill_alone_is_reason_to_raise_memory() {
    let mut known = ContainerModel::new();
    known.observe_oom(START, Bytes::mib(1000));
    let (policy, template) = (ContainerPolicy::unnamed(), resources((1000, 1000), Some((1000, 1000))));
    let advice = recommend(&known, &frame(&policy, &template), after(0));
    assert_eq!((advice.target.cpu, advice.target.memory), (None, Some(Bytes::mib(1200))));
    assert_eq!(advice.upper.memory, None);
}

#[rstest]
#[case::lowered_by_us(394, 1_024, 1_024)]
#[case::its_owner_gave_no_more(1_024, 1_024, 1_229)]
#[case::raised_by_us(2_000, 1_024, 2_400)]
fn a_container_that_was_killed_with_less_gets_what_its_owner_gave_it(
    #[case] killed_at: u64,
    #[case] owners: u64,
    #[case] target: u64,
) {
    let mut known = model(&[(0.2, 300); 60]);
    known.observe_oom(after(60), Bytes::mib(killed_at));
    let (policy, template) = (ContainerPolicy::unnamed(), resources((500, owners), Some((500, owners))));
    let memory = |known: &ContainerModel, now| recommend(known, &frame(&policy, &template), now).target.memory;
    assert_eq!(memory(&known, after(60)), Some(Bytes::mib(target)));
    let most = ContainerPolicy { max: Some(Resources::new(MilliCpu(4_000), Bytes::mib(600))), ..policy.clone() };
    assert_eq!(
        recommend(&known, &frame(&most, &template), after(60)).target.memory,
        Some(Bytes::mib(600)),
        "never above max"
    );
}

#[test]
fn cpu_that_is_measured_as_nothing_shrinks_to_the_smallest_size() {
    let (policy, template) = (ContainerPolicy::unnamed(), resources((1000, 1024), None));
    let mut use_ = vec![(0.2, 300); 60];
    use_.extend([(0.0, 300); 180]);
    let advice = recommend(&model(&use_), &frame(&policy, &template), after(240));
    assert_eq!(advice.target.cpu, Some(MilliCpu(bounds::LEAST_CPU_REQUEST)));
    assert!(advice.upper.cpu.is_some(), "it may be lowered");
}

#[rstest]
#[case::policy_min(ContainerPolicy { min: Some(Resources::new(MilliCpu(500), Bytes(0))), ..ContainerPolicy::unnamed() },
    None, MilliCpu(500), ClampReason::PolicyMin)]
#[case::policy_max(ContainerPolicy { max: Some(Resources::new(MilliCpu(50), Bytes(u64::MAX))), ..ContainerPolicy::unnamed() },
    None, MilliCpu(50), ClampReason::PolicyMax)]
#[case::own_limit(requests_only(), Some((100, 1024)), MilliCpu(99), ClampReason::OwnLimit)]
fn a_bound_that_moves_the_target_is_named(
    #[case] policy: ContainerPolicy,
    #[case] limits: Option<(u64, u64)>,
    #[case] target: MilliCpu,
    #[case] reason: ClampReason,
) {
    let advice = steadily(&policy, &resources((50, 512), limits));
    assert_eq!(advice.target.cpu, Some(target));
    assert_eq!(advice.clamps, [Clamp { resource: ResourceKind::Cpu, reason }]);
}

#[test]
fn the_namespace_limit_range_wins_over_the_policy() {
    let policy =
        ContainerPolicy { max: Some(Resources::new(MilliCpu(50), Bytes::mib(50))), ..ContainerPolicy::unnamed() };
    let limits = ContainerLimits { min: Resources::new(MilliCpu(100), Bytes::mib(100)), ..ContainerLimits::default() };
    let template = resources((200, 200), None);
    let frame = Frame { limits: Some(&limits), ..frame(&policy, &template) };
    let advice = recommend(&model(&[(0.2, 300); 60]), &frame, after(60));
    assert_eq!(advice.target, Resources::new(MilliCpu(100), Bytes::mib(100)));
    let named: Vec<_> = advice.clamps.iter().map(|clamp| clamp.reason).collect();
    let both = [ClampReason::PolicyMax, ClampReason::LimitRange];
    assert_eq!(named, [both, both].concat());
}

#[test]
fn almost_nothing_is_raised_to_the_smallest_size() {
    let advice = recommend(
        &model(&[(0.0001, 1); 60]),
        &Frame { objective: Objective::Economy, ..frame(&ContainerPolicy::unnamed(), &resources((100, 100), None)) },
        after(60),
    );
    assert_eq!(advice.target.cpu, Some(MilliCpu(bounds::LEAST_CPU_REQUEST)));
    assert_eq!(advice.clamps, [Clamp { resource: ResourceKind::Cpu, reason: ClampReason::MinimumSize }]);
}

#[rstest]
#[case::mode_off(ContainerPolicy { mode: ContainerMode::Off, ..ContainerPolicy::unnamed() }, resources((1, 1), None), ClampReason::NotControlled)]
#[case::asks_for_nothing(ContainerPolicy::unnamed(), ContainerResources::default(), ClampReason::NotControlled)]
#[case::requests_only_of_a_guaranteed_container(requests_only(), resources((500, 512), Some((500, 512))), ClampReason::QosClass)]
fn what_may_not_change_has_no_target(
    #[case] policy: ContainerPolicy,
    #[case] template: ContainerResources,
    #[case] reason: ClampReason,
) {
    let advice = steadily(&policy, &template);
    assert_eq!(advice.target, Resources::default());
    assert!(advice.clamps.iter().all(|clamp| clamp.reason == reason) && advice.clamps.len() == 2);
}

#[test]
fn without_samples_there_is_no_target() {
    let (policy, template) = (ContainerPolicy::unnamed(), resources((500, 512), None));
    let advice = recommend(&ContainerModel::new(), &frame(&policy, &template), START);
    assert_eq!(advice.target, Resources::default());
    assert!(advice.clamps.iter().all(|clamp| clamp.reason == ClampReason::NoSamples));
}

#[rstest]
#[case::no_limits(None, None, None)]
#[case::in_proportion(Some((400, 200)), Some((400, 200)), Some((800, 400)))]
#[case::by_the_template_not_the_pod(Some((400, 200)), Some((900, 900)), Some((800, 400)))]
#[case::equal_stays_equal(Some((200, 100)), Some((200, 100)), Some((400, 200)))]
#[case::a_limit_that_the_template_lacks_stays(None, Some((900, 900)), Some((900, 900)))]
#[case::but_stays_above_the_request(None, Some((300, 150)), Some((401, 201)))]
fn limits_follow_requests(
    #[case] template: Option<(u64, u64)>,
    #[case] now: Option<(u64, u64)>,
    #[case] then: Option<(u64, u64)>,
) {
    let (policy, template) = (ContainerPolicy::unnamed(), resources((200, 100), template));
    let target = Resources::new(MilliCpu(400), Bytes::mib(200));
    let sized = size(target, &frame(&policy, &template), &resources((200, 100), now));
    assert_eq!(sized, resources((400, 200), then));
}

#[test]
fn a_limit_range_ratio_caps_the_limit() {
    let (policy, template) = (ContainerPolicy::unnamed(), resources((100, 100), Some((1000, 1000))));
    let limits =
        ContainerLimits { max_cpu_ratio: Some(2.0), max_memory_ratio: Some(4.0), ..ContainerLimits::default() };
    let frame = Frame { limits: Some(&limits), ..frame(&policy, &template) };
    let sized = size(Resources::new(MilliCpu(200), Bytes::mib(200)), &frame, &template);
    assert_eq!(sized.limits, Resources::new(MilliCpu(400), Bytes::mib(800)));
}

prop_compose! {
    fn any_resources()(
        request in prop::option::of(0_u64..3_000),
        limit in prop::option::of(1_u64..4_000),
        mib in prop::option::of(0_u64..3_000),
        mib_limit in prop::option::of(1_u64..4_000),
        equal: bool,
    ) -> ContainerResources {
        // What an API server lets pass: no request above its limit, and a limit's request defaulted to it.
        let legal = |request: Option<u64>, limit: Option<u64>| match limit {
            Some(limit) if equal => Some(limit),
            Some(limit) => Some(request.unwrap_or(limit).min(limit)),
            None => request,
        };
        let amounts = |cpu: Option<u64>, mib: Option<u64>| Resources { cpu: cpu.map(MilliCpu), memory: mib.map(Bytes::mib) };
        ContainerResources { requests: amounts(legal(request, limit), legal(mib, mib_limit)), limits: amounts(limit, mib_limit) }
    }
}

prop_compose! {
    fn any_policy()(
        min in prop::option::of((0_u64..500, 0_u64..500)),
        more in prop::option::of((0_u64..2_000, 0_u64..2_000)),
        cpu_only: bool,
        memory_only: bool,
    ) -> ContainerPolicy {
        let values = |only| if only { ControlledValues::RequestsOnly } else { ControlledValues::RequestsAndLimits };
        let amounts = |(milli, mib)| Resources::new(MilliCpu(milli), Bytes::mib(mib));
        let (min_milli, min_mib) = min.unwrap_or_default();
        ContainerPolicy {
            min: min.map(amounts),
            max: more.map(|(milli, mib)| amounts((min_milli + milli, min_mib + mib))),
            controlled_values: ControlledValuesPerResource { cpu: values(cpu_only), memory: values(memory_only) },
            ..ContainerPolicy::unnamed()
        }
    }
}

prop_compose! {
    fn any_limits()(min in (0_u64..200, 0_u64..200), more in (0_u64..3_000, 0_u64..3_000)) -> ContainerLimits {
        let amounts = |milli, mib| Resources::new(MilliCpu(milli), Bytes::mib(mib));
        let max = amounts(min.0 + more.0, min.1 + more.1);
        ContainerLimits { min: amounts(min.0, min.1), max, ..ContainerLimits::default() }
    }
}

fn any_objective() -> impl Strategy<Value = Objective> {
    prop::sample::select(vec![Objective::Economy, Objective::Balanced, Objective::Safe])
}

fn any_use() -> impl Strategy<Value = Vec<(f64, u64)>> {
    prop::collection::vec((0.0_f64..4.0, 0_u64..3_000), 0..90)
}

fn in_order(one: Option<u64>, other: Option<u64>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one <= other)
}

proptest! {
    #[test]
    fn lower_target_and_upper_are_in_order_and_in_bounds(
        samples in any_use(),
        policy in any_policy(),
        template in any_resources(),
        limits in prop::option::of(any_limits()),
        objective in any_objective(),
        oom in prop::option::of(0_u64..4_000),
        late in 0_i64..12,
    ) {
        let mut known = model(&samples);
        if let Some(mib) = oom {
            known.observe_oom(START, Bytes::mib(mib));
        }
        let frame = Frame { policy: &policy, objective, template: &template, limits: limits.as_ref() };
        let now = after(i64::try_from(samples.len()).unwrap() + late);
        let advice = recommend(&known, &frame, now);
        for resource in [ResourceKind::Cpu, ResourceKind::Memory] {
            let amount = |resources| bounds::pick(resources, resource);
            let target = amount(advice.target);
            prop_assert!(in_order(amount(advice.lower), target) && in_order(target, amount(advice.upper)), "{advice:?}");
            prop_assert_eq!(target.is_some(), amount(advice.lower).is_some());
            let most = amount(advice.upper).or(target);
            match &limits {
                Some(limits) => prop_assert!(in_order(most, amount(limits.max)), "{advice:?}"),
                None => prop_assert!(in_order(most, policy.max.and_then(amount)), "{advice:?}"),
            }
            if limits.is_none() && !advice.clamps.iter().any(|clamp| clamp.reason == ClampReason::OwnLimit) {
                prop_assert!(in_order(policy.min.and_then(amount), target), "{advice:?}");
            }
        }
    }

    #[test]
    fn more_use_never_gets_less(
        samples in prop::collection::vec((0.001_f64..4.0, 1_u64..3_000, 1.0_f64..2.0, 0_u64..500), 1..90),
        policy in any_policy(),
        template in any_resources(),
        objective in any_objective(),
    ) {
        let low: Vec<_> = samples.iter().map(|(cores, mib, ..)| (*cores, *mib)).collect();
        let high: Vec<_> = samples.iter().map(|(cores, mib, times, more)| (cores * times, mib + more)).collect();
        let frame = Frame { policy: &policy, objective, template: &template, limits: None };
        let target = |samples: &[(f64, u64)]| recommend(&model(samples), &frame, after(90)).target;
        let (low, high) = (target(&low), target(&high));
        prop_assert!(low.cpu <= high.cpu && low.memory <= high.memory, "{low} > {high}");
    }

    #[test]
    fn sizes_keep_the_qos_class_and_every_key(
        milli in 1_u64..5_000,
        mib in 1_u64..5_000,
        policy in any_policy(),
        template in any_resources(),
        current in any_resources(),
        other in any_resources(),
        limits in prop::option::of(any_limits()),
    ) {
        let class = QosClass::of([&current, &other]);
        let frame = Frame { policy: &policy, objective: Objective::Balanced, template: &template, limits: limits.as_ref() };
        let sized = size(Resources::new(MilliCpu(milli), Bytes::mib(mib)), &frame, &current);
        prop_assert_eq!(QosClass::of([&sized, &other]), class, "{:?}", sized);
        for resource in [ResourceKind::Cpu, ResourceKind::Memory] {
            let (now, then) = (sizing::Pair::of(&current, resource), sizing::Pair::of(&sized, resource));
            prop_assert_eq!(now.request.is_some(), then.request.is_some());
            prop_assert_eq!(now.limit.is_some(), then.limit.is_some());
            prop_assert!(in_order(then.request, then.limit), "{sized:?}");
        }
    }

    #[test]
    fn sizing_twice_is_sizing_once(
        milli in 5_u64..5_000,
        mib in 16_u64..5_000,
        policy in any_policy(),
        template in any_resources(),
        current in any_resources(),
    ) {
        let target = Resources::new(MilliCpu(milli), Bytes(mib * MIB));
        let frame = frame(&policy, &template);
        let once = size(target, &frame, &current);
        prop_assert_eq!(size(target, &frame, &once), once);
    }

    #[test]
    fn templates_of_any_size_are_answered_without_a_panic(
        amounts in prop::array::uniform8(prop::option::of(any::<u64>())),
        milli: u64,
        bytes: u64,
        ratio: f64,
    ) {
        let [a, b, c, d, e, f, g, h] = amounts;
        let resources = |a: Option<u64>, b: Option<u64>| Resources { cpu: a.map(MilliCpu), memory: b.map(Bytes) };
        let template = ContainerResources { requests: resources(a, b), limits: resources(c, d) };
        let current = ContainerResources { requests: resources(e, f), limits: resources(g, h) };
        let limits = ContainerLimits { max_cpu_ratio: Some(ratio), max_memory_ratio: Some(ratio), ..ContainerLimits::default() };
        let policy = ContainerPolicy::unnamed();
        let frame = Frame { limits: Some(&limits), ..frame(&policy, &template) };
        let _ = size(Resources::new(MilliCpu(milli), Bytes(bytes)), &frame, &current);
    }
}

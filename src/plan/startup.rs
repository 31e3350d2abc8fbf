//! Extra CPU while a Pod starts. Admission and the planner's wishes both use [`boost`], so that they agree.

use jiff::{SignedDuration, Timestamp};

use super::{Plan, Situation, Step, later};
use crate::{
    api::StartupPolicy,
    recommend::ContainerLimits,
    resources::{ContainerResources, MilliCpu, PodView},
};

/// Whether the Pod is still starting: until it is Ready and `duration` has passed, or `timeout` after its creation.
pub fn is_active(policy: &StartupPolicy, pod: &PodView, now: Timestamp) -> bool {
    now < end(policy, pod)
}

/// How long after its creation a Pod can be starting at the longest.
pub fn longest(policy: &StartupPolicy) -> SignedDuration {
    policy.timeout.signed().saturating_add(policy.duration.signed())
}

/// Whether CPU that the Pod has too much of must be its boost: its start ended lately, and nothing was taken back since.
pub(super) fn is_boost_left(situation: &Situation<'_>, now: Timestamp) -> bool {
    let Situation { spec, pod, history, .. } = situation;
    spec.startup.as_ref().is_some_and(|policy| {
        let end = end(policy, pod);
        end <= now && now < later(end, spec.update.scale_down_stabilization) && !history.cpu_lowered_since(end)
    })
}

/// `plan`, which is looked at again when the start is over: time alone ends a boost.
pub(super) fn woken(plan: Plan, situation: &Situation<'_>, now: Timestamp) -> Plan {
    let end = situation.spec.startup.as_ref().map(|policy| end(policy, situation.pod)).filter(|end| now < *end);
    let until = match (&plan.step, end) {
        (Step::Keep | Step::Wait { until: None }, Some(end)) => end,
        (Step::Wait { until: Some(until) }, Some(end)) => end.min(*until),
        _ => return plan,
    };
    Plan { step: Step::Wait { until: Some(until) }, ..plan }
}

/// When the start is over. A Pod that gets Ready (again) after `timeout` is not starting.
fn end(policy: &StartupPolicy, pod: &PodView) -> Timestamp {
    let Some(created) = pod.created else { return Timestamp::MIN };
    let timeout = later(created, policy.timeout);
    match pod.ready_since {
        Some(ready) if pod.ready && ready <= timeout => later(ready, policy.duration),
        _ => timeout,
    }
}

/// `size` with the CPU of a starting container, inside `limits`; the limit keeps the proportion of the `template`, since
/// that of a rounded size drifts.
pub fn boost(
    size: ContainerResources,
    template: &ContainerResources,
    policy: &StartupPolicy,
    limits: Option<&ContainerLimits>,
) -> ContainerResources {
    let Some(request) = size.requests.cpu.filter(|cpu| cpu.0 > 0) else { return size };
    let factor = policy.cpu.factor.map_or(0, |factor| request.0.saturating_mul(u64::from(factor)));
    let value = policy.cpu.value.map_or(0, |value| value.0);
    let most = limits.and_then(|limits| limits.max.cpu).map_or(u64::MAX, |max| max.0);
    let (of_request, of_limit) = proportion(&size, template);
    let in_proportion = |boosted: u64| {
        of_limit.map(|limit| {
            let exact = u128::from(limit) * u128::from(boosted) / u128::from(of_request);
            // A request below its limit stays below it, whatever rounding does.
            u64::try_from(exact).unwrap_or(u64::MAX).max(boosted.saturating_add(u64::from(limit > of_request)))
        })
    };
    let mut boosted = request.0.max(factor).max(value);
    if let Some(limit) = in_proportion(boosted).filter(|limit| *limit > most) {
        // Scaled back as a whole: a request below its limit stays below it.
        let exact = u128::from(boosted) * u128::from(most) / u128::from(limit);
        boosted = u64::try_from(exact).unwrap_or(u64::MAX);
        while in_proportion(boosted).is_some_and(|limit| limit > most) && boosted > request.0 {
            boosted -= 1;
        }
    }
    let boosted = boosted.min(most);
    if boosted <= request.0 {
        return size;
    }
    let mut size = size;
    size.limits.cpu = in_proportion(boosted).map(MilliCpu);
    size.requests.cpu = Some(MilliCpu(boosted));
    size
}

/// CPU request and limit whose proportion a boost keeps: the template's, or those of a Pod whose limit is not from there.
fn proportion(size: &ContainerResources, template: &ContainerResources) -> (u64, Option<u64>) {
    let pair = |of: &ContainerResources| {
        let limit = of.limits.cpu.map(|cpu| cpu.0);
        Some((of.requests.cpu.map(|cpu| cpu.0).or(limit).filter(|request| *request > 0)?, limit))
    };
    let own = pair(size).unwrap_or((1, None));
    match pair(template) {
        // Which of the two are equal decides the QoS class, and stays.
        Some((request, Some(limit))) if own.1.is_some_and(|own_limit| (own_limit == own.0) == (limit == request)) => {
            (request, Some(limit))
        }
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::{
        api::{Period, StartupCpu},
        resources::{Bytes, Resources},
    };

    const CREATED: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn policy(factor: Option<u8>, value: Option<u64>) -> StartupPolicy {
        StartupPolicy {
            cpu: StartupCpu { factor, value: value.map(MilliCpu) },
            duration: Period::seconds(30),
            timeout: Period::minutes(10),
        }
    }

    fn pod(ready_after: Option<u64>) -> PodView {
        let pod = serde_json::from_value(serde_json::json!({ "metadata": {}, "spec": { "containers": [] } })).unwrap();
        let ready_since = ready_after.map(|seconds| later(CREATED, Period::seconds(seconds)));
        PodView {
            created: Some(CREATED),
            ready: ready_after.is_some(),
            ready_since,
            ..PodView::try_from(&pod).unwrap()
        }
    }

    #[rstest]
    #[case::until_ready_and_a_while(Some(100), 129, true)]
    #[case::then_it_ends(Some(100), 130, false)]
    #[case::a_pod_that_never_gets_ready(None, 599, true)]
    #[case::ends_at_the_timeout(None, 600, false)]
    #[case::ready_on_the_timeout(Some(600), 629, true)]
    #[case::ready_again_much_later(Some(7_200), 7_201, false)]
    fn a_start_ends(#[case] ready_after: Option<u64>, #[case] seconds: u64, #[case] active: bool) {
        let now = later(CREATED, Period::seconds(seconds));
        assert_eq!(is_active(&policy(Some(2), None), &pod(ready_after), now), active);
    }

    fn cpu(request: u64, limit: Option<u64>) -> ContainerResources {
        let only = |milli: Option<u64>| Resources { cpu: milli.map(MilliCpu), memory: Some(Bytes::mib(64)) };
        ContainerResources { requests: only(Some(request)), limits: only(limit) }
    }

    #[rstest]
    #[case::by_factor(policy(Some(3), None), Some(400), cpu(600, Some(1_200)))]
    #[case::to_a_value(policy(None, Some(500)), Some(400), cpu(500, Some(1_000)))]
    #[case::not_below_the_fit(policy(None, Some(100)), Some(400), cpu(200, Some(400)))]
    #[case::equal_stays_equal(policy(Some(3), None), Some(200), cpu(600, Some(600)))]
    #[case::no_limit(policy(Some(3), None), None, cpu(600, None))]
    fn boosted_limits_keep_their_proportion(
        #[case] policy: StartupPolicy,
        #[case] limit: Option<u64>,
        #[case] boosted: ContainerResources,
    ) {
        assert_eq!(boost(cpu(200, limit), &cpu(200, limit), &policy, None), boosted);
    }

    #[test]
    fn a_boosted_limit_has_the_templates_proportion_exactly() {
        // The fitted limit is rounded up.
        let boosted = boost(cpu(321, Some(650)), &cpu(300, Some(600)), &policy(Some(5), None), None);
        assert_eq!(boosted, cpu(1_605, Some(3_210)));
        let boosted = boost(cpu(10, Some(11)), &cpu(1_000, Some(1_001)), &policy(Some(2), None), None);
        assert_eq!(boosted, cpu(20, Some(21)), "unequal stays unequal");
    }

    #[test]
    fn what_requests_no_cpu_is_not_boosted() {
        let size = ContainerResources { requests: Resources::default(), ..cpu(1, None) };
        assert_eq!(boost(size, &size, &policy(Some(3), None), None), size);
    }

    proptest! {
        #[test]
        fn a_boost_stays_in_the_limit_range_and_keeps_equality(
            request in 1_u64..4_000,
            more in prop::option::of(0_u64..4_000),
            factor in 2_u8..100,
            max in 1_u64..8_000,
        ) {
            let size = cpu(request, more.map(|more| request + more));
            let limits = ContainerLimits { max: Resources { cpu: Some(MilliCpu(max)), memory: None }, ..Default::default() };
            let boosted = boost(size, &size, &policy(Some(factor), None), Some(&limits));
            let (old, new) = (sizes(&size), sizes(&boosted));
            prop_assert!(new.0 >= old.0 && new.0 <= max.max(old.0) && new.1 <= max.max(old.1));
            prop_assert!(more.is_none() || (new.0 == new.1) == (old.0 == old.1), "{boosted:?}");
        }
    }

    fn sizes(size: &ContainerResources) -> (u64, u64) {
        (size.requests.cpu.unwrap().0, size.limits.cpu.map_or(0, |cpu| cpu.0))
    }
}

//! Extra CPU while a Pod starts. Admission and the planner's wishes both use [`boost`], so that they agree.

use jiff::Timestamp;

use super::later;
use crate::{
    api::{StartupPolicy, VerticalResizePolicySpec},
    recommend::ContainerLimits,
    resources::{ContainerResources, MilliCpu, PodView},
};

/// Whether the Pod is still starting: until it is Ready and `duration` has passed, or `timeout` after its creation.
pub fn is_active(policy: &StartupPolicy, pod: &PodView, now: Timestamp) -> bool {
    now < end(policy, pod)
}

/// Whether the Pod's start ended so lately that CPU it has too much of must be the boost: no need to watch it first.
pub(super) fn ended_lately(spec: &VerticalResizePolicySpec, pod: &PodView, now: Timestamp) -> bool {
    spec.startup.as_ref().is_some_and(|policy| {
        let end = end(policy, pod);
        end <= now && now < later(end, spec.update.scale_down_stabilization)
    })
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

/// `size` with the CPU of a starting container, inside `limits`; the limit keeps its proportion.
pub fn boost(size: ContainerResources, policy: &StartupPolicy, limits: Option<&ContainerLimits>) -> ContainerResources {
    let Some(request) = size.requests.cpu.filter(|cpu| cpu.0 > 0) else { return size };
    let factor = policy.cpu.factor.map_or(0, |factor| request.0.saturating_mul(u64::from(factor)));
    let value = policy.cpu.value.map_or(0, |value| value.0);
    let most = limits.and_then(|limits| limits.max.cpu).map_or(u64::MAX, |max| max.0);
    let in_proportion = |boosted: u64| {
        size.limits.cpu.map(|limit| {
            let exact = u128::from(limit.0) * u128::from(boosted) / u128::from(request.0);
            u64::try_from(exact).unwrap_or(u64::MAX)
        })
    };
    let mut boosted = request.0.max(factor).max(value);
    if let Some(limit) = in_proportion(boosted).filter(|limit| *limit > most) {
        // Scaled back as a whole: a request below its limit stays below it.
        let exact = u128::from(boosted) * u128::from(most) / u128::from(limit);
        boosted = u64::try_from(exact).unwrap_or(u64::MAX);
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

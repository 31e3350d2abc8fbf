//! Requests and limits of one container for a requests target.
//!
//! Limits keep the proportion of the workload's *template*, not of the Pod, since a proportion taken from a rounded size
//! drifts. What is absent stays absent. A request equal to its limit stays equal and an unequal one unequal, resource by
//! resource, which is enough to keep the Pod's QoS class whatever its other containers are.

use super::{
    Frame,
    bounds::{LEAST_CPU_LIMIT, controlled, pick},
    cpu::COARSE_FROM,
    round_up, whole,
};
use crate::{
    api::ControlledValues,
    resources::{Bytes, ContainerResources, MilliCpu, ResourceKind, Resources, amount::MIB},
};

/// Requests and limits for a requests target: limits in the template's proportion, what is absent stays absent, and
/// requests equal to limits (unequal) stay so, so that the QoS class cannot change.
pub fn size(target: Resources, frame: &Frame<'_>, current: &ContainerResources) -> ContainerResources {
    let fitted = |resource| {
        let pair = Pair::of(current, resource);
        match pick(target, resource) {
            Some(target) if frame.policy.fits(resource) => pair.fitted(target, frame, current, resource),
            _ => pair,
        }
    };
    let (cpu, memory) = (fitted(ResourceKind::Cpu), fitted(ResourceKind::Memory));
    let amounts =
        |cpu: Option<u64>, memory: Option<u64>| Resources { cpu: cpu.map(MilliCpu), memory: memory.map(Bytes) };
    ContainerResources { requests: amounts(cpu.request, memory.request), limits: amounts(cpu.limit, memory.limit) }
}

/// Request and limit of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) request: Option<u64>,
    pub(crate) limit: Option<u64>,
}

impl Pair {
    pub(crate) fn of(resources: &ContainerResources, resource: ResourceKind) -> Self {
        Self { request: pick(resources.requests, resource), limit: pick(resources.limits, resource) }
    }

    /// The amount that says how large it is: the request, or the limit where there is none.
    pub(crate) fn leading(self) -> Option<u64> {
        self.request.or(self.limit)
    }

    /// Neither a request nor a limit.
    pub(super) fn asks_for_nothing(self) -> bool {
        self.request.unwrap_or(0) == 0 && self.limit.is_none()
    }

    /// Whether request and limit are the same; the API server fills an absent request in from the limit.
    pub(super) fn is_equal(self) -> bool {
        self.limit.is_some_and(|limit| self.request.is_none_or(|request| request == limit))
    }

    /// Whether both resources have equal requests and limits: the container is fit for QoS class Guaranteed.
    pub(super) fn both_equal(resources: &ContainerResources) -> bool {
        [ResourceKind::Cpu, ResourceKind::Memory].into_iter().all(|resource| Self::of(resources, resource).is_equal())
    }

    /// The most that may be requested under `limit`, if an unequal request is to stay unequal.
    pub(super) fn most_request_under(self, limit: u64, resource: ResourceKind) -> u64 {
        if self.is_equal() { limit } else { limit.saturating_sub(least_gap(resource)).max(1) }
    }

    fn fitted(self, target: u64, frame: &Frame<'_>, current: &ContainerResources, resource: ResourceKind) -> Self {
        let moves = controlled(frame, resource) == ControlledValues::RequestsAndLimits;
        match (self.request, self.limit) {
            (None | Some(0), None) => self,
            (Some(_), None) => Self { request: Some(target), limit: None },
            (Some(0), Some(limit)) => {
                Self { request: Some(0), limit: Some(if moves { limit.max(target) } else { limit }) }
            }
            (request, Some(_)) if self.is_equal() && moves => {
                let both = if resource == ResourceKind::Cpu { target.max(LEAST_CPU_LIMIT) } else { target };
                Self { request: request.map(|_| both), limit: Some(both) }
            }
            (_, Some(_)) if self.is_equal() && Self::both_equal(current) => self,
            (request, Some(limit)) => {
                let limit = if moves { limit_for(target, limit, frame, resource) } else { limit };
                let most = self.most_request_under(limit, resource);
                Self { request: request.map(|_| target.min(most)), limit: Some(limit) }
            }
        }
    }
}

/// The limit that goes with a request of `target`: in the template's proportion if it has one, or else as it is, but
/// always above the request, and inside the LimitRange.
fn limit_for(target: u64, current_limit: u64, frame: &Frame<'_>, resource: ResourceKind) -> u64 {
    let template = Pair::of(frame.template, resource);
    let proportional = match (template.request, template.limit) {
        (Some(request), Some(limit)) if request > 0 && limit > request => {
            let exact = u128::from(target) * u128::from(limit);
            u64::try_from(exact.div_ceil(u128::from(request))).unwrap_or(u64::MAX)
        }
        _ => current_limit,
    };
    let above = proportional.max(target.saturating_add(least_gap(resource)));
    let limit = match resource {
        ResourceKind::Cpu => round_up(above, if above >= COARSE_FROM { 10 } else { 1 }).max(LEAST_CPU_LIMIT),
        ResourceKind::Memory => round_up(above, MIB),
    };
    let Some(limits) = frame.limits else { return limit };
    let ratio = match resource {
        ResourceKind::Cpu => limits.max_cpu_ratio,
        ResourceKind::Memory => limits.max_memory_ratio,
    };
    let by_ratio = ratio.map_or(u64::MAX, |ratio| most_by_ratio(target, ratio));
    let (least, most) = (pick(limits.min, resource).unwrap_or(0), pick(limits.max, resource).unwrap_or(u64::MAX));
    limit.min(by_ratio).max(least).min(most)
}

/// The largest limit that is at most `ratio` times the request; a ratio that is not a number bounds nothing.
#[expect(clippy::cast_precision_loss, reason = "2^53 bytes are eight pebibytes")]
fn most_by_ratio(request: u64, ratio: f64) -> u64 {
    if ratio.is_nan() { u64::MAX } else { whole((request as f64 * ratio.max(1.0)).floor()) }
}

/// How far below its limit an unequal request stays.
fn least_gap(resource: ResourceKind) -> u64 {
    match resource {
        ResourceKind::Cpu => 1,
        ResourceKind::Memory => MIB,
    }
}

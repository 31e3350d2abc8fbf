//! The bounds of a recommendation, and which of them moved it.
//!
//! Each bound moves lower, target and upper by one and the same rule that never turns two amounts over, so
//! `lower <= target <= upper` holds after all of them, whatever they say. A later bound wins over an earlier one: what the
//! API server would refuse comes last.

use super::{Band, Frame, sizing::Pair};
use crate::{
    api::{ClampReason, ControlledValues},
    resources::{ResourceKind, Resources, amount::MIB},
};

/// The least CPU that is ever requested: the kubelet tells nothing below it apart (`MinShares`). A higher floor would be
/// many times what an idle sidecar uses, and buy nothing; `min` is there for those who want one.
pub const LEAST_CPU_REQUEST: u64 = 2;

/// The least CPU limit: the kubelet's quota has no smaller one (`MinMilliCPULimit`).
pub const LEAST_CPU_LIMIT: u64 = 10;

/// The least memory that is ever requested: what a container's own start takes.
pub const LEAST_MEMORY: u64 = 16 * MIB;

/// What an amount must be at least and at most, in the order in which it is moved.
#[derive(Debug)]
pub(super) struct Bounds(Vec<(ClampReason, u64, u64)>);

impl Bounds {
    /// Those of one resource of one container.
    pub(super) fn of(frame: &Frame<'_>, resource: ResourceKind) -> Self {
        let amount = |resources: Resources| pick(resources, resource);
        let min = frame.policy.min.and_then(amount).unwrap_or(0);
        let max = frame.policy.max.and_then(amount).unwrap_or(u64::MAX);
        let mut bounds = vec![
            (ClampReason::MinimumSize, least_request(frame, resource), u64::MAX),
            (ClampReason::PolicyMin, min, u64::MAX),
            (ClampReason::PolicyMax, 0, max),
        ];
        if let Some(limits) = frame.limits {
            let (least, most) = (amount(limits.min).unwrap_or(0), amount(limits.max).unwrap_or(u64::MAX));
            bounds.push((ClampReason::LimitRange, least, most));
        }
        let template = Pair::of(frame.template, resource);
        if controlled(frame, resource) == ControlledValues::RequestsOnly
            && let Some(limit) = template.limit
        {
            bounds.push((ClampReason::OwnLimit, 0, template.most_request_under(limit, resource)));
        }
        Self(bounds)
    }

    /// The band inside all bounds, and the reasons that moved its target.
    pub(super) fn apply(&self, band: Band) -> (Band, Vec<ClampReason>) {
        let mut reasons = Vec::new();
        let mut band = band;
        for &(reason, least, most) in &self.0 {
            let clamp = |amount: u64| amount.max(least).min(most);
            if clamp(band.target) != band.target {
                reasons.push(reason);
            }
            band = Band { lower: clamp(band.lower), target: clamp(band.target), upper: band.upper.map(clamp) };
        }
        (band, reasons)
    }
}

/// Why a resource of a container is not fitted at all, if so.
pub(super) fn left_alone(frame: &Frame<'_>, resource: ResourceKind) -> Option<ClampReason> {
    let template = Pair::of(frame.template, resource);
    let requests_only = controlled(frame, resource) == ControlledValues::RequestsOnly;
    if !frame.policy.fits(resource) || template.asks_for_nothing() {
        Some(ClampReason::NotControlled)
    } else if requests_only && Pair::both_equal(frame.template) {
        Some(ClampReason::QosClass)
    } else {
        None
    }
}

/// Whether the limit of a resource moves with its request.
pub(super) fn controlled(frame: &Frame<'_>, resource: ResourceKind) -> ControlledValues {
    match resource {
        ResourceKind::Cpu => frame.policy.controlled_values.cpu,
        ResourceKind::Memory => frame.policy.controlled_values.memory,
    }
}

/// The amount of one resource.
pub(super) fn pick(resources: Resources, resource: ResourceKind) -> Option<u64> {
    match resource {
        ResourceKind::Cpu => resources.cpu.map(|cpu| cpu.0),
        ResourceKind::Memory => resources.memory.map(|memory| memory.0),
    }
}

fn least_request(frame: &Frame<'_>, resource: ResourceKind) -> u64 {
    match resource {
        ResourceKind::Cpu if Pair::of(frame.template, resource).is_equal() => LEAST_CPU_LIMIT,
        ResourceKind::Cpu => LEAST_CPU_REQUEST,
        ResourceKind::Memory => LEAST_MEMORY,
    }
}

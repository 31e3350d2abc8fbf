//! What a container should get: requests from its model ([`recommend`]), requests and limits of one Pod ([`size`]).
//!
//! [`cpu`] and [`memory`] turn what is known of use into amounts, [`bounds`] moves those inside every bound and says
//! which, [`sizing`] sets limits. A resize in place is almost free, so the fit is tight: up fast, down slowly.

pub mod bounds;
pub mod cpu;
pub mod memory;
pub mod sizing;

use jiff::{SignedDuration, Timestamp};

pub use self::sizing::size;
use crate::{
    api::{Clamp, ClampReason, ContainerPolicy, Objective},
    model::ContainerModel,
    resources::{Bytes, ContainerResources, MilliCpu, ResourceKind, Resources},
};

/// Samples older than this say nothing about now. Ten passes at one sample a minute.
pub const STALE_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// What bounds a container's recommendation.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The user's wishes for this container.
    pub policy: &'a ContainerPolicy,
    /// What a shortage costs against a reservation.
    pub objective: Objective,
    /// The container's resources in the workload's Pod template: limits keep its proportions.
    pub template: &'a ContainerResources,
    /// The namespace's LimitRange for containers, if there is one.
    pub limits: Option<&'a ContainerLimits>,
}

/// What the LimitRanges of a namespace (entries of type `Container`) allow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ContainerLimits {
    /// The least request, and the least limit.
    pub min: Resources,
    /// The most request, and the most limit.
    pub max: Resources,
    /// How many times the CPU request the CPU limit may be.
    pub max_cpu_ratio: Option<f64>,
    /// How many times the memory request the memory limit may be.
    pub max_memory_ratio: Option<f64>,
}

/// What a container should request: `lower <= target <= upper`, resource by resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recommendation {
    /// Requests below this are likely to hurt.
    pub lower: Resources,
    /// What to request; absent where the resource is not controlled or nothing is known.
    pub target: Resources,
    /// Requests above this are likely to be waste. Absent while fresh samples are too few: then nothing is lowered.
    pub upper: Resources,
    /// Where `target` is not what usage alone would give.
    pub clamps: Vec<Clamp>,
}

/// The three amounts for one resource: in thousandths of a core, or in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Band {
    lower: u64,
    target: u64,
    /// Absent while fresh samples are too few.
    upper: Option<u64>,
}

/// What a container should request, from what its model knows.
pub fn recommend(model: &ContainerModel, frame: &Frame<'_>, now: Timestamp) -> Recommendation {
    let mut clamps = Vec::new();
    let mut bounded = |resource, band: Option<Band>| {
        let note = |reason| Clamp { resource, reason };
        if let Some(reason) = bounds::left_alone(frame, resource) {
            clamps.push(note(reason));
            return None;
        }
        let Some(band) = band else {
            clamps.push(note(ClampReason::NoSamples));
            return None;
        };
        let (band, reasons) = bounds::Bounds::of(frame, resource).apply(band);
        clamps.extend(reasons.into_iter().map(note));
        Some(band)
    };
    let cpu = bounded(ResourceKind::Cpu, cpu::band(model.cpu(), frame.objective, now));
    let memory = bounded(ResourceKind::Memory, memory::band(model.memory(), frame, now));
    let resources = |pick: fn(Band) -> Option<u64>| Resources {
        cpu: cpu.and_then(pick).map(MilliCpu),
        memory: memory.and_then(pick).map(Bytes),
    };
    Recommendation {
        lower: resources(|band| Some(band.lower)),
        target: resources(|band| Some(band.target)),
        upper: resources(|band| band.upper),
        clamps,
    }
}

/// Whether a resource may be lowered: its samples are fresh and cover enough time.
fn may_lower(newest: Option<Timestamp>, covered_seconds: f64, needed_seconds: f64, now: Timestamp) -> bool {
    let fresh = newest.is_some_and(|newest| now.duration_since(newest) <= STALE_AFTER);
    fresh && covered_seconds >= needed_seconds
}

/// `value` rounded up to a whole number of `step`s.
fn round_up(value: u64, step: u64) -> u64 {
    value.checked_next_multiple_of(step).unwrap_or(value)
}

/// A share of an amount, saturating.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to int casts saturate")]
fn whole(amount: f64) -> u64 {
    amount.ceil() as u64
}

#[cfg(test)]
mod tests;

//! How much memory to request.
//!
//! Shortage of memory kills, so the target stands on peaks, not quantiles: the highest use of the last hours with
//! headroom in proportion, an additive headroom (it covers more first-of-a-kind jumps than a floor does, at less
//! slack), a share of the day's peak, and what an OOM kill calls for: at least what the container's owner gave it, if it
//! was killed with less.

use jiff::Timestamp;

use super::{Band, Frame, may_lower, round_up, sizing::Pair, whole};
use crate::{
    api::Objective,
    model::MemoryModel,
    resources::{Bytes, ResourceKind, amount::MIB},
};

/// Memory is lowered only when samples cover so much: a runtime that fills its heap looks small at first.
const LOWER_AFTER_SECONDS: f64 = 1800.0;

/// How a target is made.
struct Appetite {
    /// Hours that the recent peak is taken over.
    hours: usize,
    factor: f64,
    extra: Bytes,
    /// What share of the highest peak of the day is kept.
    day_factor: f64,
}

fn appetite(objective: Objective) -> Appetite {
    match objective {
        Objective::Economy => Appetite { hours: 1, factor: 1.1, extra: Bytes::mib(32), day_factor: 0.8 },
        Objective::Balanced => Appetite { hours: 2, factor: 1.1, extra: Bytes::mib(64), day_factor: 0.9 },
        Objective::Safe => Appetite { hours: 24, factor: 1.15, extra: Bytes::mib(128), day_factor: 1.0 },
    }
}

/// Lower, target and upper in bytes; `None` if nothing is known.
pub(super) fn band(model: &MemoryModel, frame: &Frame<'_>, now: Timestamp) -> Option<Band> {
    let appetite = appetite(frame.objective);
    let oom = model.oom_floor().map_or(0, |floor| floor.0).max(restored(model, frame));
    let peak = model.peak(appetite.hours).map_or(0, |peak| peak.0);
    let day = model.peak(usize::MAX).map_or(0, |peak| peak.0);
    if oom == 0 && peak == 0 {
        return None;
    }
    let headroom = if peak == 0 { 0 } else { scaled(peak, appetite.factor).saturating_add(appetite.extra.0) };
    let target = round_up(headroom.max(scaled(day, appetite.day_factor)).max(oom), MIB);
    let lower = round_up(peak.max(oom), MIB).min(target);
    let sure = may_lower(model.newest(), model.covered_seconds(), LOWER_AFTER_SECONDS, now);
    let upper = sure.then(|| round_up(target.saturating_add(target / 4).saturating_add(UPPER_EXTRA.0), MIB));
    Some(Band { lower, target, upper })
}

/// The request that the owner chose, if a kill has shown that less is too little.
fn restored(model: &MemoryModel, frame: &Frame<'_>) -> u64 {
    let template = Pair::of(frame.template, ResourceKind::Memory);
    let below = |limit: u64| model.was_killed_below(Bytes(limit));
    if template.limit.is_some_and(below) { template.leading().unwrap_or(0) } else { 0 }
}

/// What the smallest containers may have too much before it counts as waste.
const UPPER_EXTRA: Bytes = Bytes::mib(64);

#[expect(clippy::cast_precision_loss, reason = "2^53 bytes are eight pebibytes")]
fn scaled(bytes: u64, factor: f64) -> u64 {
    whole(bytes as f64 * factor)
}

//! How much CPU to request.
//!
//! Three numbers make it, each in cores: a long quantile of use; a *floor* from the bursts of the last minutes, so that
//! the target rises within one sample; and a *cap* from the bursts of the last hour or two, so that a quiet night does
//! not pay for the day. On real traces the cap saves a third of the slack of a service with a daily wave.

use jiff::Timestamp;

use super::{Band, may_lower, round_up, whole};
use crate::{api::Objective, model::CpuModel};

/// Below this, steps of a thousandth of a core; above, of ten: two per cent at most.
pub(super) const COARSE_FROM: u64 = 500;

/// CPU is lowered only when samples cover so much: long enough to tell a start from the rest.
const LOWER_AFTER_SECONDS: f64 = 600.0;

/// How a target is made; slots are of five minutes.
struct Appetite {
    quantile: f64,
    floor_slots: usize,
    floor_factor: f64,
    cap_slots: usize,
    cap_factor: f64,
}

fn appetite(objective: Objective) -> Appetite {
    match objective {
        Objective::Economy => {
            Appetite { quantile: 0.90, floor_slots: 2, floor_factor: 1.05, cap_slots: 12, cap_factor: 1.05 }
        }
        Objective::Balanced => {
            Appetite { quantile: 0.95, floor_slots: 3, floor_factor: 1.1, cap_slots: 12, cap_factor: 1.1 }
        }
        Objective::Safe => {
            Appetite { quantile: 0.98, floor_slots: 6, floor_factor: 1.2, cap_slots: 24, cap_factor: 1.3 }
        }
    }
}

/// Lower, target and upper in thousandths of a core; `None` if nothing is known.
pub(super) fn band(model: &CpuModel, objective: Objective, now: Timestamp) -> Option<Band> {
    let appetite = appetite(objective);
    let usual = model.quantile(appetite.quantile)?;
    let burst = |slots, factor| model.burst(slots).map(|cores| cores * factor);
    let floor = burst(appetite.floor_slots, appetite.floor_factor).unwrap_or(0.0);
    let cap = burst(appetite.cap_slots, appetite.cap_factor).unwrap_or(f64::MAX);
    let target = in_steps(usual.min(cap).max(floor));
    let lower = in_steps(burst(appetite.floor_slots, 1.0).unwrap_or(0.0)).min(target);
    let sure = may_lower(model.newest(), model.covered_seconds(), LOWER_AFTER_SECONDS, now);
    let upper = sure.then(|| target.saturating_add(target / 2).saturating_add(UPPER_EXTRA));
    Some(Band { lower, target, upper })
}

/// What the smallest containers may have too much before it counts as waste.
const UPPER_EXTRA: u64 = 10;

fn in_steps(cores: f64) -> u64 {
    let milli = whole(cores * 1000.0);
    round_up(milli, if milli >= COARSE_FROM { 10 } else { 1 })
}

//! What is known of a container's CPU use.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    covered::{Covered, LONGEST_STEP},
    histogram::Histogram,
    peaks::Peaks,
    replicas::Replicas,
};
use crate::{resources::NanoCpu, usage::Sample};

/// Recent bursts are kept by slots of five minutes.
pub const BURST_SLOT_SECONDS: f64 = 300.0;

/// So many slots of bursts are kept: two hours.
pub const BURST_SLOTS: usize = 24;

/// A container that was throttled in every period, or whose work never got CPU at once, wanted more than it got; nobody
/// knows how much. It counts as having wanted twice as much, so that a few samples lead out of any shortage.
const FULLY_HELD_BACK_EXTRA: f64 = 1.0;

/// A zero is what a reset counter or a lost row looks like. Nothing but zeros for this long, without a hole and with
/// memory in every sample, is a container that was measured and is idle: from then on zeros are learnt as they are.
const IDLE_AFTER_SECONDS: f64 = 3600.0;

/// What an idle container is taken to use: below the first bucket's end, and above nothing.
const IDLE_CORES: f64 = 1e-6;

/// What is known of a container's CPU use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuModel {
    covered: Covered,
    /// The zeros since the last sample that was none.
    idle: Covered,
    replicas: Replicas,
    usage: Histogram,
    bursts: Peaks<f32>,
}

impl CpuModel {
    /// Learns the CPU of a sample.
    pub fn observe(&mut self, sample: &Sample) {
        match sample.cpu {
            None => {}
            Some(NanoCpu(0)) => {
                let measured = sample.memory.is_some_and(|memory| memory.0 > 0);
                if measured && self.is_idle_at(sample.at) {
                    self.observe_use(sample, IDLE_CORES);
                }
            }
            Some(used) => {
                self.idle = Covered::default();
                self.observe_use(sample, used.cores());
            }
        }
    }

    /// Goes on to a zero at `at`; whether there have been nothing but zeros for long enough.
    fn is_idle_at(&mut self, at: Timestamp) -> bool {
        if self.idle.newest().is_some_and(|newest| at.duration_since(newest) > LONGEST_STEP) {
            self.idle = Covered::default();
        }
        self.idle.advance(at) && self.idle.seconds() >= IDLE_AFTER_SECONDS
    }

    fn observe_use(&mut self, sample: &Sample, used: f64) {
        if !self.covered.advance(sample.at) {
            return;
        }
        // Pressure is caused by throttling too, so that both may tell of one shortage.
        let shares = [sample.throttled, sample.cpu_pressure].into_iter().flatten().filter(|share| share.is_finite());
        let held_back = shares.fold(0.0, f64::max).clamp(0.0, 1.0);
        let wanted = used * (1.0 + FULLY_HELD_BACK_EXTRA * held_back);
        self.bursts.note(to_f32(wanted), self.covered.slot(BURST_SLOT_SECONDS), BURST_SLOTS);
        if let Some(seconds) = self.replicas.note(&sample.pod, sample.at) {
            self.usage.add(wanted, f64::from(seconds) / 60.0, self.covered.seconds());
        }
    }

    /// When the newest sample that taught something was taken.
    pub fn newest(&self) -> Option<Timestamp> {
        self.covered.newest()
    }

    /// How many seconds the samples cover.
    pub fn covered_seconds(&self) -> f64 {
        self.covered.seconds()
    }

    /// The use in cores that a share `quantile` of the time stays at or below, newer time counting more.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        self.usage.quantile(quantile)
    }

    /// The highest use in cores over the newest `slots` slots of [`BURST_SLOT_SECONDS`], the one that has just begun
    /// included.
    pub fn burst(&self, slots: usize) -> Option<f64> {
        self.bursts.highest(slots).map(f64::from)
    }

    /// Whether samples up to `latest` can have made it so.
    pub(super) fn is_sound(&self, latest: Timestamp) -> bool {
        let slot = self.covered.slot(BURST_SLOT_SECONDS);
        self.covered.is_sound(latest)
            && self.idle.is_sound(latest)
            && self.replicas.is_sound(latest)
            && self.usage.is_sound(self.covered.seconds())
            && self.bursts.is_sound(slot, BURST_SLOTS, |cores| cores.is_finite() && *cores > 0.0)
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.replicas.heap_bytes() + self.usage.heap_bytes() + self.bursts.heap_bytes()
    }
}

/// Rounded up: a peak may not shrink by being stored.
#[expect(clippy::cast_possible_truncation, reason = "seven digits are plenty for a peak")]
fn to_f32(cores: f64) -> f32 {
    (cores as f32).next_up()
}

//! What is known of a container's CPU use.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{covered::Covered, histogram::Histogram, peaks::Peaks, replicas::Replicas};
use crate::{resources::NanoCpu, usage::Sample};

/// Recent bursts are kept by slots of five minutes.
pub const BURST_SLOT_SECONDS: f64 = 300.0;

/// So many slots of bursts are kept: two hours.
pub const BURST_SLOTS: usize = 24;

/// A container that was throttled in every period wanted more than it got; nobody knows how much. It counts as having
/// wanted twice as much, so that a few samples lead out of any shortage.
const FULLY_THROTTLED_EXTRA: f64 = 1.0;

/// Zero is what a lost row looks like. Only a container of which nothing but zeros was ever seen, for this long and
/// while its memory was seen, is idle.
const IDLE_AFTER_SECONDS: f64 = 3600.0;

/// What is known of a container's CPU use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuModel {
    covered: Covered,
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
                if measured {
                    self.idle.advance(sample.at);
                }
            }
            Some(used) => self.observe_use(sample, used),
        }
    }

    fn observe_use(&mut self, sample: &Sample, used: NanoCpu) {
        if !self.covered.advance(sample.at) {
            return;
        }
        let throttled = sample.throttled.filter(|share| share.is_finite()).unwrap_or(0.0).clamp(0.0, 1.0);
        let wanted = used.cores() * (1.0 + FULLY_THROTTLED_EXTRA * throttled);
        self.bursts.note(to_f32(wanted), self.covered.slot(BURST_SLOT_SECONDS), BURST_SLOTS);
        if let Some(seconds) = self.replicas.note(&sample.pod, sample.at) {
            self.usage.add(wanted, f64::from(seconds) / 60.0, self.covered.seconds());
        }
    }

    /// When the newest sample that taught something was taken.
    pub fn newest(&self) -> Option<Timestamp> {
        if self.usage.is_empty() { self.idle.newest() } else { self.covered.newest() }
    }

    /// How many seconds the samples cover.
    pub fn covered_seconds(&self) -> f64 {
        self.covered.seconds().max(self.idle.seconds())
    }

    /// The use in cores that a share `quantile` of the time stays at or below, newer time counting more.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let idle = || (self.idle.seconds() >= IDLE_AFTER_SECONDS).then_some(0.0);
        self.usage.quantile(quantile).or_else(idle)
    }

    /// The highest use in cores over the newest `slots` slots of [`BURST_SLOT_SECONDS`], the one that has just begun
    /// included.
    pub fn burst(&self, slots: usize) -> Option<f64> {
        self.bursts.highest(slots).map(f64::from)
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

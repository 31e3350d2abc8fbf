//! What is known of a container's memory use.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{covered::Covered, peaks::Peaks};
use crate::{resources::Bytes, usage::Sample};

/// Peaks are kept by slots of an hour.
pub const PEAK_SLOT_SECONDS: f64 = 3600.0;

/// So many of them: a day, so that what happens once a day is remembered.
pub const PEAK_SLOTS: usize = 24;

/// An OOM kill raises by this share of the size in force, but by at least [`OOM_RAISE_LEAST`].
const OOM_RAISE_PERCENT: u64 = 20;

/// An OOM kill raises by at least this: a small container needs more than a fifth.
const OOM_RAISE_LEAST: Bytes = Bytes::mib(100);

/// A kill so soon after the last one shows that the raise was far too small: the next one doubles.
const OOM_FOLLOWS: SignedDuration = SignedDuration::from_mins(10);

/// For so long after a kill the size that the owner chose counts as needed: then a day of peaks says better.
const OOM_RESTORES: SignedDuration = SignedDuration::from_hours(24);

/// How long an OOM kill is remembered: a week, for a job that runs at the week's end.
const OOM_REMEMBERED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is known of a container's memory use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemoryModel {
    covered: Covered,
    peaks: Peaks<Kib>,
    oom: Option<Oom>,
}

/// Memory in KiB, rounded up: four bytes up to 4 TiB.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
struct Kib(u32);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Oom {
    #[serde(with = "jiff::fmt::serde::timestamp::nanosecond::required")]
    at: Timestamp,
    /// What it should get instead.
    raised_to: u64,
    /// What was in force.
    killed_at: u64,
}

impl MemoryModel {
    /// Learns the memory of a sample. Zero is what a lost row looks like: no running container uses none.
    pub fn observe(&mut self, sample: &Sample) {
        let Some(used) = sample.memory.filter(|memory| memory.0 > 0) else { return };
        if !self.covered.advance(sample.at) {
            return;
        }
        let used = Kib(u32::try_from(used.0.div_ceil(1 << 10)).unwrap_or(u32::MAX));
        self.peaks.note(used, self.covered.slot(PEAK_SLOT_SECONDS), PEAK_SLOTS);
    }

    /// Learns an OOM kill under `memory`. A kill that was learnt already teaches nothing, and the next one, under the
    /// larger size that this one led to, raises again.
    pub fn observe_oom(&mut self, at: Timestamp, memory: Bytes) {
        let known = self.oom.filter(|oom| oom.at.duration_since(at) < OOM_REMEMBERED);
        if known.is_some_and(|oom| at <= oom.at) {
            return;
        }
        let follows = known.is_some_and(|oom| at.duration_since(oom.at) <= OOM_FOLLOWS);
        let percent = if follows { 100 } else { OOM_RAISE_PERCENT };
        let raise = Bytes(memory.0 / 100 * percent).max(OOM_RAISE_LEAST);
        let raised_to = memory.0.saturating_add(raise.0).max(self.oom_floor().map_or(0, |floor| floor.0));
        self.oom = Some(Oom { at, raised_to, killed_at: memory.0 });
    }

    /// Whether a container that was given less than `owners` (the limit that its owner chose) was lately killed for it:
    /// what the owner knew of its peaks counts again until enough is known.
    pub fn was_killed_below(&self, owners: Bytes) -> bool {
        let newest = self.covered.newest();
        self.oom.is_some_and(|oom| {
            oom.killed_at < owners.0 && newest.is_none_or(|now| now.duration_since(oom.at) < OOM_RESTORES)
        })
    }

    /// When the newest sample was taken.
    pub fn newest(&self) -> Option<Timestamp> {
        self.covered.newest()
    }

    /// How many seconds the samples cover.
    pub fn covered_seconds(&self) -> f64 {
        self.covered.seconds()
    }

    /// The highest use over the newest `slots` slots of an hour.
    pub fn peak(&self, slots: usize) -> Option<Bytes> {
        self.peaks.highest(slots).map(Kib::bytes)
    }

    /// What the last OOM kill calls for, as long as it is remembered.
    pub fn oom_floor(&self) -> Option<Bytes> {
        let newest = self.covered.newest();
        let remembered = |oom: &Oom| newest.is_none_or(|now| now.duration_since(oom.at) < OOM_REMEMBERED);
        self.oom.filter(remembered).map(|oom| Bytes(oom.raised_to))
    }

    /// Whether samples and kills up to `latest` can have made it so.
    pub(super) fn is_sound(&self, latest: Timestamp) -> bool {
        let slot = self.covered.slot(PEAK_SLOT_SECONDS);
        self.covered.is_sound(latest)
            && self.peaks.is_sound(slot, PEAK_SLOTS, |peak| peak.0 > 0)
            && self.oom.is_none_or(|oom| oom.at <= latest && oom.raised_to >= oom.killed_at)
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.peaks.heap_bytes()
    }
}

impl Kib {
    fn bytes(self) -> Bytes {
        Bytes(u64::from(self.0) << 10)
    }
}

//! The highest values of the last slots of time.

use serde::{Deserialize, Serialize};

/// A ring of peaks, one for each slot of time in which there was a sample, newest last. Slots without samples do not
/// count, so a hole pushes nothing out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Peaks<T> {
    newest_slot: u64,
    peaks: Vec<T>,
}

impl<T: Copy + PartialOrd> Peaks<T> {
    /// Notes `value` in slot number `slot`, keeping the last `slots` of them. Slot numbers never run back.
    pub fn note(&mut self, value: T, slot: u64, slots: usize) {
        match self.peaks.last_mut() {
            Some(newest) if slot <= self.newest_slot => {
                if value > *newest {
                    *newest = value;
                }
                return;
            }
            _ => {}
        }
        if self.peaks.len() >= slots.max(1) {
            self.peaks.remove(0);
        }
        self.peaks.reserve_exact(1);
        self.peaks.push(value);
        self.newest_slot = slot;
    }

    /// The highest of the newest `slots` slots.
    pub fn highest(&self, slots: usize) -> Option<T> {
        let recent = self.peaks.iter().rev().take(slots).copied();
        recent.reduce(|highest, peak| if peak > highest { peak } else { highest })
    }

    /// Whether they can have been noted up to slot number `slot`, each a value that `is_value`.
    pub(super) fn is_sound(&self, slot: u64, slots: usize, is_value: impl Fn(&T) -> bool) -> bool {
        self.peaks.len() <= slots && self.newest_slot <= slot && self.peaks.iter().all(is_value)
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.peaks.capacity() * size_of::<T>()
    }
}

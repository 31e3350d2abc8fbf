//! What one container has used up: sums that only grow, as cgroups keep them.

use super::Reading;

/// Sums for one container of one Pod.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    /// Core-seconds since the container was started last.
    pub cpu: f64,
    /// Core-seconds of all its runs before.
    pub cpu_before: f64,
    /// Seconds of its last run in which it had a CPU limit.
    pub limited: f64,
    /// Seconds of its last run in which that limit held it back.
    pub throttled: f64,
}

impl Counters {
    /// `reading` held for so long.
    pub(super) fn add(&mut self, reading: &Reading, seconds: f64) {
        if !reading.running {
            return;
        }
        self.cpu += reading.cpu.cores() * seconds;
        self.limited += if reading.limits.cpu.is_some() { seconds } else { 0.0 };
        self.throttled += if reading.throttled.0 > 0 { seconds } else { 0.0 };
    }

    /// The container is started again.
    pub(super) fn restart(&mut self) {
        *self = Self { cpu_before: self.cpu_before + self.cpu, ..Self::default() };
    }

    /// Core-seconds of all its runs.
    pub fn cpu_of_all_runs(&self) -> f64 {
        self.cpu_before + self.cpu
    }
}

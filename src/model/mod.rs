//! What has been learnt of one container of one workload: how its CPU use is spread, how high its memory went.
//!
//! All replicas feed one [`ContainerModel`]. It is a function of the samples alone: it knows no clock, and its time
//! passes only as far as samples cover it ([`covered`]), so lost samples and holes forget nothing and lower nothing.

pub mod checkpoint;
pub mod covered;
pub mod cpu;
pub mod histogram;
pub mod memory;
pub mod peaks;
pub mod replicas;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::{cpu::CpuModel, memory::MemoryModel};
use crate::{resources::Bytes, usage::Sample};

/// The hour that has just begun, and the one before.
const RECENT_HOURS: usize = 2;

/// What has been learnt of one container: below 1 KiB, whatever it saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerModel {
    cpu: CpuModel,
    memory: MemoryModel,
}

impl ContainerModel {
    /// Knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns from one sample. One that is not newer than the last of its Pod, or far older than the newest of all,
    /// teaches nothing; neither does what it leaves out.
    pub fn observe(&mut self, sample: &Sample) {
        self.cpu.observe(sample);
        self.memory.observe(sample);
    }

    /// Learns that a container was OOM-killed at `at` while `memory` (its limit, or its use) was in force.
    pub fn observe_oom(&mut self, at: Timestamp, memory: Bytes) {
        self.memory.observe_oom(at, memory);
    }

    /// When the newest sample of any resource was taken.
    pub fn newest_sample(&self) -> Option<Timestamp> {
        self.cpu.newest().max(self.memory.newest())
    }

    /// Whether nothing has been learnt.
    pub fn is_empty(&self) -> bool {
        self.newest_sample().is_none() && self.memory.oom_floor().is_none()
    }

    /// The highest memory use of the last hour or two: no memory limit may be lowered below it.
    pub fn memory_peak(&self) -> Option<Bytes> {
        self.memory.peak(RECENT_HOURS)
    }

    /// Whether samples up to `latest` can have made it so, and taught anything.
    fn is_sound(&self, latest: Timestamp) -> bool {
        !self.is_empty() && self.cpu.is_sound(latest) && self.memory.is_sound(latest)
    }

    /// What is known of CPU.
    pub fn cpu(&self) -> &CpuModel {
        &self.cpu
    }

    /// What is known of memory.
    pub fn memory(&self) -> &MemoryModel {
        &self.memory
    }

    /// Bytes that the model takes, heap included.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.cpu.heap_bytes() + self.memory.heap_bytes()
    }
}

#[cfg(test)]
mod tests;

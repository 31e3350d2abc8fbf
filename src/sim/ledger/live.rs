//! What is used now, as a metrics source sees it.

use super::{AccountKey, Reading};
use crate::resources::{Bytes, NanoCpu};

/// What one container used in the window that ends now.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerUsage {
    /// The Pod's namespace.
    pub namespace: String,
    /// The Pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// How much of the window it ran.
    pub running_seconds: f64,
    /// Average CPU while it ran; `None` if it has not run in the window yet.
    pub cpu: Option<NanoCpu>,
    /// Memory now.
    pub memory: Bytes,
    /// The most memory in the window.
    pub memory_peak: Bytes,
    /// Share of the time that it ran in which its CPU limit held it back; `None` as for `cpu`.
    pub throttled: Option<f64>,
}

/// Sums since the window began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    running: f64,
    core_seconds: f64,
    throttled_seconds: f64,
    peak: Bytes,
}

impl Window {
    /// A window that begins while this much memory is held.
    pub(super) fn new(memory: Bytes) -> Self {
        Self { running: 0.0, core_seconds: 0.0, throttled_seconds: 0.0, peak: memory }
    }

    /// This much memory is held from now on.
    pub(super) fn hold(&mut self, memory: Bytes) {
        self.peak = self.peak.max(memory);
    }

    pub(super) fn add(&mut self, reading: &Reading, seconds: f64) {
        if reading.running {
            self.running += seconds;
            self.core_seconds += reading.cpu.cores() * seconds;
            self.throttled_seconds += if reading.throttled.0 > 0 { seconds } else { 0.0 };
        }
    }

    pub(super) fn usage(&self, key: &AccountKey, pod: &str, reading: &Reading) -> ContainerUsage {
        let ran = self.running > 0.0;
        ContainerUsage {
            namespace: key.namespace.clone(),
            pod: pod.to_owned(),
            container: key.container.clone(),
            running_seconds: self.running,
            cpu: ran.then(|| NanoCpu::from_cores(self.core_seconds / self.running)),
            memory: reading.memory,
            memory_peak: self.peak,
            throttled: ran.then(|| self.throttled_seconds / self.running),
        }
    }
}

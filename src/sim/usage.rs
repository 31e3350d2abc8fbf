//! The metrics source of the embedded cluster: what the kubelets see, as a metrics pipeline would show it.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::ledger::Ledger;
use crate::{
    clock::Clock,
    usage::{Error, Sample, UsageSource},
};

/// Reads the kubelets' ledger. Each reading is about the time since the one before it.
#[derive(Debug)]
pub struct KubeletSource {
    ledger: Ledger,
    clock: Clock,
    given: AtomicU64,
    asked: AtomicU64,
}

impl KubeletSource {
    /// A source over what the kubelets write down.
    pub fn new(ledger: Ledger, clock: Clock) -> Self {
        Self { ledger, clock, given: AtomicU64::new(0), asked: AtomicU64::new(0) }
    }

    /// How many samples have been given.
    pub fn given(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }

    /// How often it was asked for samples.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl UsageSource for KubeletSource {
    async fn samples(&self) -> Result<Vec<Sample>, Error> {
        let at = self.clock.now();
        self.asked.fetch_add(1, Ordering::Relaxed);
        let samples: Vec<_> = self
            .ledger
            .take_usage(at)
            .into_iter()
            .map(|usage| Sample {
                namespace: usage.namespace,
                pod: usage.pod,
                container: usage.container,
                at,
                cpu: usage.cpu,
                memory: Some(usage.memory_peak),
                throttled: usage.throttled,
                ..Sample::default()
            })
            .collect();
        self.given.fetch_add(samples.len() as u64, Ordering::Relaxed);
        Ok(samples)
    }
}

//! Sums over time for one container of a workload.

use jiff::Timestamp;

use super::{Happening, Reading, book::seconds, percentile::Percentile, series::Series};
use crate::resources::{Bytes, NanoCpu, Resources};

/// Sums over time and over Pods. CPU in core-seconds, memory in byte-seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Integrals {
    /// Time that Pods of the workload were on a Node.
    pub pod_seconds: f64,
    /// Of it, the time that the container ran.
    pub running_seconds: f64,
    /// CPU that was used.
    pub cpu_used: f64,
    /// CPU that was requested.
    pub cpu_requested: f64,
    /// CPU that was requested and not used.
    pub cpu_slack: f64,
    /// CPU that the template would have requested.
    pub cpu_requested_before: f64,
    /// CPU that the template would have requested and that was not used.
    pub cpu_slack_before: f64,
    /// CPU that was wanted and not given.
    pub cpu_throttled: f64,
    /// Memory that was used.
    pub memory_used: f64,
    /// Memory that was requested.
    pub memory_requested: f64,
    /// Memory that was requested and not used.
    pub memory_slack: f64,
    /// Memory that the template would have requested.
    pub memory_requested_before: f64,
    /// Memory that the template would have requested and that was not used.
    pub memory_slack_before: f64,
    /// Kills for memory.
    pub oom_kills: u64,
    /// Restarts of containers, whatever the reason.
    pub restarts: u64,
    /// Resizes that were carried out.
    pub resizes: u64,
}

/// What came of one container of a workload.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct AccountReport {
    /// Requests without Tailor.
    pub original: Resources,
    /// Sums from the start of scoring on.
    pub scored: Integrals,
    /// Sums over the whole run.
    pub total: Integrals,
    /// The CPU, in billionths of a core, that a Pod stayed at or below for 95 % of the scored time.
    pub cpu_p95: u64,
    /// The memory that a Pod stayed at or below for 95 % of the scored time.
    pub memory_p95: Bytes,
    /// Usage, requests and limits over the whole run.
    pub series: Series,
}

#[derive(Debug)]
pub(super) struct Account {
    scoring_starts: Timestamp,
    original: Resources,
    scored: Integrals,
    total: Integrals,
    cpu: Percentile,
    memory: Percentile,
    pub(super) series: Series,
}

impl Account {
    pub(super) fn new(scoring_starts: Timestamp, original: Resources, at: Timestamp) -> Self {
        Self {
            scoring_starts,
            original,
            scored: Integrals::default(),
            total: Integrals::default(),
            cpu: Percentile::default(),
            memory: Percentile::default(),
            series: Series::new(at),
        }
    }

    pub(super) fn set_original(&mut self, requests: Resources) {
        self.original = requests;
    }

    /// `reading` held from `from` to `to`.
    pub(super) fn add(&mut self, reading: &Reading, from: Timestamp, to: Timestamp) {
        self.total.add(reading, self.original, seconds(from, to));
        let scored_from = from.max(self.scoring_starts);
        if to > scored_from {
            let scored = seconds(scored_from, to);
            self.scored.add(reading, self.original, scored);
            if reading.running {
                self.cpu.add(reading.cpu.0, scored);
                self.memory.add(reading.memory.0, scored);
            }
        }
    }

    pub(super) fn count(&mut self, happening: Happening, at: Timestamp) {
        self.total.count(happening);
        if at >= self.scoring_starts {
            self.scored.count(happening);
        }
    }

    pub(super) fn report(&self) -> AccountReport {
        AccountReport {
            original: self.original,
            scored: self.scored,
            total: self.total,
            cpu_p95: self.cpu.at(0.95),
            memory_p95: Bytes(self.memory.at(0.95)),
            series: self.series.clone(),
        }
    }
}

impl Integrals {
    fn add(&mut self, reading: &Reading, original: Resources, seconds: f64) {
        let used = reading.cpu.cores();
        let requested = cores(reading.requests);
        let before = cores(original);
        self.pod_seconds += seconds;
        self.running_seconds += if reading.running { seconds } else { 0.0 };
        self.cpu_used += used * seconds;
        self.cpu_requested += requested * seconds;
        self.cpu_slack += (requested - used).max(0.0) * seconds;
        self.cpu_requested_before += before * seconds;
        self.cpu_slack_before += (before - used).max(0.0) * seconds;
        self.cpu_throttled += reading.throttled.cores() * seconds;
        let used = number(reading.memory);
        let requested = number(reading.requests.memory.unwrap_or_default());
        let before = number(original.memory.unwrap_or_default());
        self.memory_used += used * seconds;
        self.memory_requested += requested * seconds;
        self.memory_slack += (requested - used).max(0.0) * seconds;
        self.memory_requested_before += before * seconds;
        self.memory_slack_before += (before - used).max(0.0) * seconds;
    }

    fn count(&mut self, happening: Happening) {
        match happening {
            Happening::OomKill => self.oom_kills += 1,
            Happening::Restart => self.restarts += 1,
            Happening::Resize => self.resizes += 1,
        }
    }
}

fn cores(resources: Resources) -> f64 {
    resources.cpu.map_or(NanoCpu(0), |cpu| cpu.nano()).cores()
}

#[expect(clippy::cast_precision_loss, reason = "2^53 bytes are eight pebibytes")]
fn number(bytes: Bytes) -> f64 {
    bytes.0 as f64
}

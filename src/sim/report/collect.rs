//! Makes a [`Report`] of what the kubelets and the controller have written down.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    ActionReport, ContainerReport, PolicyReport, Report, Slack, WorkloadReport,
    chart::{Chart, Grid},
    waits, workload_path,
};
use crate::{
    controller::{Action, JournalEntry},
    plan::Why,
    resources::{Bytes, MilliCpu, NanoCpu, Resources},
    sim::{
        ledger::{AccountKey, AccountReport, Integrals},
        witness::Grant,
        workloads::WorkloadKey,
    },
};

/// Everything that a report is made of.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the run was a function of, beside the scenario.
    pub seed: u64,
    /// The scenario's name.
    pub scenario: String,
    /// The simulated time of the start.
    pub start: Timestamp,
    /// How long was simulated.
    pub simulated: Duration,
    /// How long that took.
    pub wall: Duration,
    /// Pods at the end.
    pub pods: u64,
    /// Samples that the controller was given.
    pub samples: u64,
    /// Tailor's writes.
    pub api_writes: u64,
    /// How often the controller asked for an eviction, also those that were refused.
    pub evictions_asked: u64,
    /// What the kubelets saw, sorted by key.
    pub accounts: Vec<(AccountKey, AccountReport)>,
    /// What the controller did, in order of time.
    pub journal: Vec<JournalEntry>,
    /// Deferred resizes that were carried out, in order of time.
    pub grants: Vec<Grant>,
    /// Workloads with Pods that do not run.
    pub missing: BTreeMap<WorkloadKey, Missing>,
    /// Policies that are not as they should be.
    pub policies: Vec<PolicyReport>,
    /// From when on the run is scored.
    pub scored_after: Duration,
}

/// Pods of a workload that do not run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Without a Node at the end.
    pub pending: u64,
    /// Creations that the API server refused.
    pub refused: u64,
    /// What was said of these last.
    pub message: String,
}

impl Outcome {
    /// The report.
    pub fn report(mut self) -> Report {
        self.journal = waits::with_grants(self.journal, &self.grants);
        let count = |action| self.journal.iter().filter(|entry| entry.action == action).count() as u64;
        let scored: Vec<&Integrals> = self.accounts.iter().map(|(_, account)| &account.scored).collect();
        let total = |pick: fn(&Integrals) -> u64| self.accounts.iter().map(|(_, account)| pick(&account.total)).sum();
        let slack = Slack::of(&scored);
        let (workloads, charts) = self.workloads();
        Report {
            seed: self.seed,
            simulated_seconds: self.simulated.as_secs(),
            wall_seconds: self.wall.as_secs_f64(),
            pods: self.pods,
            samples: self.samples,
            resizes_applied: count(Action::Resize),
            resizes_deferred: waits::count(&self.journal),
            resizes_infeasible: self.infeasible(),
            resizes_failed: count(Action::Error),
            evictions: count(Action::Evict),
            container_restarts: total(|sums| sums.restarts),
            oom_kills: total(|sums| sums.oom_kills),
            throttled_core_seconds: rounded(self.accounts.iter().map(|(_, account)| account.total.cpu_throttled).sum()),
            slack,
            api_writes: self.api_writes,
            workloads,
            policies: self.policies,
            scored: self.simulated > self.scored_after,
            actions: self.journal.into_iter().map(ActionReport::from).collect(),
            scenario: self.scenario,
            start: self.start,
            charts,
        }
    }

    /// Pods whose Node could never grant a resize, whether the kubelet or the API server says so or the Node's size alone.
    fn infeasible(&self) -> u64 {
        let never = |entry: &&JournalEntry| {
            entry.action == Action::Infeasible || matches!(entry.reason, Why::NodeTooSmall | Why::ResizeInfeasible)
        };
        let pods: BTreeSet<_> = self.journal.iter().filter(never).map(|entry| (&entry.namespace, &entry.pod)).collect();
        pods.len() as u64
    }

    /// Every workload with its containers, and the charts of these.
    fn workloads(&self) -> (Vec<WorkloadReport>, Vec<Chart>) {
        let mut workloads = self.empty_workloads();
        let grid = Grid::new(self.start, self.simulated.as_secs());
        let mut charts = Vec::new();
        for (key, account) in &self.accounts {
            let own = workload_key(key);
            let Some(index) = workloads.iter().position(|workload| workload.key() == own) else { continue };
            let workload = &mut workloads[index];
            workload.oom_kills += account.total.oom_kills;
            workload.restarts += account.total.restarts;
            workload.throttled_core_seconds += rounded(account.total.cpu_throttled);
            workload.containers.push(ContainerReport::of(&key.container, account));
            let before = account.original;
            let before = (before.cpu.unwrap_or_default().0, before.memory.unwrap_or_default().0);
            charts.push(Chart::draw(&grid, &account.series, index, &key.container, before));
        }
        (workloads, charts)
    }

    /// Those that had Pods, and those that should have had some, sorted; as yet without containers.
    fn empty_workloads(&self) -> Vec<WorkloadReport> {
        let counts = self.counts();
        let seen = self.accounts.iter().map(|(key, _)| workload_key(key));
        let keys: BTreeSet<WorkloadKey> = seen.chain(self.missing.keys().cloned()).collect();
        let workloads = keys.into_iter().map(|key| {
            let missing = self.missing.get(&key).cloned().unwrap_or_default();
            let (namespace, kind, name) = key;
            let path = workload_path(&namespace, &kind, &name);
            let (resizes, evictions) = counts.get(&path).copied().unwrap_or_default();
            WorkloadReport {
                namespace,
                kind,
                name,
                resizes,
                evictions,
                oom_kills: 0,
                restarts: 0,
                throttled_core_seconds: 0.0,
                pods_pending: missing.pending,
                pods_refused: missing.refused,
                pods_message: Some(missing.message).filter(|message| !message.is_empty()),
                containers: Vec::new(),
            }
        });
        workloads.collect()
    }

    /// Resizes and evictions by workload.
    fn counts(&self) -> BTreeMap<String, (u64, u64)> {
        let mut counts = BTreeMap::<_, (u64, u64)>::new();
        for entry in &self.journal {
            let (resizes, evictions) = counts.entry(path_of(entry)).or_default();
            match entry.action {
                Action::Resize => *resizes += 1,
                Action::Evict => *evictions += 1,
                Action::Defer | Action::Grant | Action::Infeasible | Action::Error | Action::EvictRefused => {}
            }
        }
        counts
    }
}

fn path_of(entry: &JournalEntry) -> String {
    workload_path(&entry.namespace, &entry.workload.kind, &entry.workload.name)
}

fn workload_key(key: &AccountKey) -> WorkloadKey {
    (key.namespace.clone(), key.kind.clone(), key.workload.clone())
}

impl ContainerReport {
    fn of(name: &str, account: &AccountReport) -> Self {
        let ran = account.scored.running_seconds > 0.0;
        Self {
            name: name.to_owned(),
            requests_before: account.original,
            requests_after: last_requests(account),
            cpu_p95_cores: ran.then(|| rounded(NanoCpu(account.cpu_p95).cores())),
            memory_p95_bytes: ran.then_some(account.memory_p95.0),
            slack: Slack::of(&[&account.scored]),
        }
    }
}

/// What each Pod requested when there were Pods last.
fn last_requests(account: &AccountReport) -> Resources {
    let Some(last) = account.series.points.iter().rev().find(|point| point.pods > 0) else {
        return Resources::default();
    };
    let each = |sum: u64| sum / u64::from(last.pods);
    Resources {
        cpu: account.original.cpu.map(|_| MilliCpu(each(last.cpu_request))),
        memory: account.original.memory.map(|_| Bytes(each(last.memory_request))),
    }
}

impl Slack {
    fn of(sums: &[&Integrals]) -> Self {
        let total = |pick: fn(&Integrals) -> f64| sums.iter().map(|sum| pick(sum)).sum::<f64>();
        // What never ran used nothing, but saved nothing either.
        let ran = total(|s| s.running_seconds) > 0.0;
        let share = |slack: f64, requested: f64| (ran && requested > 0.0).then(|| rounded(slack / requested));
        Self {
            cpu_slack_before: share(total(|s| s.cpu_slack_before), total(|s| s.cpu_requested_before)),
            cpu_slack_after: share(total(|s| s.cpu_slack), total(|s| s.cpu_requested)),
            memory_slack_before: share(total(|s| s.memory_slack_before), total(|s| s.memory_requested_before)),
            memory_slack_after: share(total(|s| s.memory_slack), total(|s| s.memory_requested)),
        }
    }
}

impl From<JournalEntry> for ActionReport {
    fn from(entry: JournalEntry) -> Self {
        let sizes = |size: fn(&crate::plan::ContainerChange) -> crate::resources::ContainerResources| {
            entry.changes.iter().map(|change| (change.container.clone(), size(change))).collect()
        };
        Self {
            time: entry.at,
            workload: path_of(&entry),
            from: sizes(|change| change.from),
            to: sizes(|change| change.to),
            pod: entry.pod,
            action: entry.action,
            reason: entry.reason,
            message: entry.message,
        }
    }
}

/// To six decimals: what is beyond is noise, and in the way of readers. Never a negative zero, which an empty sum is.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6 + 0.0
}

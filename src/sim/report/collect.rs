//! Makes a [`Report`] of what the kubelets and the controller have written down.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    ActionReport, ContainerReport, Report, Slack, WorkloadReport,
    chart::{Chart, Grid},
    workload_path,
};
use crate::{
    controller::{Action, JournalEntry},
    plan::Why,
    resources::{Bytes, MilliCpu, NanoCpu, Resources},
    sim::ledger::{AccountKey, AccountReport, Integrals},
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
    /// What the kubelets saw, sorted by key.
    pub accounts: Vec<(AccountKey, AccountReport)>,
    /// What the controller did, in order of time.
    pub journal: Vec<JournalEntry>,
}

impl Outcome {
    /// The report.
    pub fn report(self) -> Report {
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
            resizes_deferred: count(Action::Defer),
            resizes_infeasible: self.infeasible(),
            resizes_failed: count(Action::Error),
            evictions: count(Action::Evict),
            container_restarts: total(|sums| sums.restarts),
            oom_kills: total(|sums| sums.oom_kills),
            throttled_core_seconds: rounded(self.accounts.iter().map(|(_, account)| account.total.cpu_throttled).sum()),
            cpu_slack_before: slack.cpu_slack_before.unwrap_or(0.0),
            cpu_slack_after: slack.cpu_slack_after.unwrap_or(0.0),
            memory_slack_before: slack.memory_slack_before.unwrap_or(0.0),
            memory_slack_after: slack.memory_slack_after.unwrap_or(0.0),
            api_writes: self.api_writes,
            workloads,
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

    fn workloads(&self) -> (Vec<WorkloadReport>, Vec<Chart>) {
        let grid = Grid::new(self.start, self.simulated.as_secs());
        let mut workloads = Vec::<WorkloadReport>::new();
        let mut charts = Vec::new();
        let counts = self.counts();
        for (key, account) in &self.accounts {
            let path = workload_path(&key.namespace, &key.kind, &key.workload);
            if workloads.last().is_none_or(|last| last.path() != path) {
                let (resizes, evictions) = counts.get(&path).copied().unwrap_or_default();
                workloads.push(empty_workload(key, resizes, evictions));
            }
            let Some(index) = workloads.len().checked_sub(1) else { continue };
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

    /// Resizes and evictions by workload.
    fn counts(&self) -> BTreeMap<String, (u64, u64)> {
        let mut counts = BTreeMap::<_, (u64, u64)>::new();
        for entry in &self.journal {
            let (resizes, evictions) = counts.entry(path_of(entry)).or_default();
            match entry.action {
                Action::Resize => *resizes += 1,
                Action::Evict => *evictions += 1,
                Action::Defer | Action::Infeasible | Action::Error | Action::EvictRefused => {}
            }
        }
        counts
    }
}

fn path_of(entry: &JournalEntry) -> String {
    workload_path(&entry.namespace, &entry.workload.kind, &entry.workload.name)
}

fn empty_workload(key: &AccountKey, resizes: u64, evictions: u64) -> WorkloadReport {
    WorkloadReport {
        namespace: key.namespace.clone(),
        kind: key.kind.clone(),
        name: key.workload.clone(),
        resizes,
        evictions,
        oom_kills: 0,
        restarts: 0,
        throttled_core_seconds: 0.0,
        containers: Vec::new(),
    }
}

impl ContainerReport {
    fn of(name: &str, account: &AccountReport) -> Self {
        Self {
            name: name.to_owned(),
            requests_before: account.original,
            requests_after: last_requests(account),
            cpu_p95_cores: rounded(NanoCpu(account.cpu_p95).cores()),
            memory_p95_bytes: account.memory_p95.0,
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
        let share = |slack: f64, requested: f64| (requested > 0.0).then(|| rounded(slack / requested));
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

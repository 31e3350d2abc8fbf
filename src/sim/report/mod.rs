//! What came of a run: for people as a table or a page, for programs as JSON.
//!
//! [`Report`] is the JSON, field by field; [`collect`] makes it, [`table`] and [`html`] draw it. Requests "before" are
//! those of the workload's manifest, "after" those at the end of the run. Slack is the share of what was requested that
//! was not used: the integral of max(request - usage, 0) over that of request, from the end of the first hour on.

pub mod chart;
pub mod collect;
pub mod html;
pub mod table;
mod waits;
mod words;

#[cfg(test)]
mod fixture;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    controller::Action,
    plan::Why,
    resources::{ContainerResources, Resources},
    sim::workloads::WorkloadKey,
};
use chart::Chart;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What the run was a function of, beside the scenario.
    pub seed: u64,
    /// Simulated time, in seconds.
    pub simulated_seconds: u64,
    /// Real time that it took, in seconds: the one value that differs between two runs with one seed.
    pub wall_seconds: f64,
    /// Pods at the end.
    pub pods: u64,
    /// Samples of containers that the controller was given.
    pub samples: u64,
    /// Resizes that the API server accepted.
    pub resizes_applied: u64,
    /// Times that a Pod's resize had to wait for room on its Node: asked for again and again, it is one wait.
    pub resizes_deferred: u64,
    /// Pods with a resize that their Node could never grant.
    pub resizes_infeasible: u64,
    /// Times that a resize was refused, or failed on its Node.
    pub resizes_failed: u64,
    /// Pods that Tailor evicted.
    pub evictions: u64,
    /// Containers that were started again in their Pod, whatever the reason.
    pub container_restarts: u64,
    /// Containers that were killed for their memory.
    pub oom_kills: u64,
    /// CPU that was wanted and withheld by limits, in core-seconds.
    pub throttled_core_seconds: f64,
    /// Requested and not used, over all workloads.
    #[serde(flatten)]
    pub slack: Slack,
    /// Requests of Tailor that changed something in the cluster: Pods, status, Events.
    pub api_writes: u64,
    /// Every workload that had a Pod, or should have had one, by namespace, kind and name.
    pub workloads: Vec<WorkloadReport>,
    /// The policies that were not `Ready` at the end, by namespace and name.
    pub policies: Vec<PolicyReport>,
    /// What Tailor did or had to put up with, in order of time.
    pub actions: Vec<ActionReport>,
    /// Whether the run went on after the first hour, from which on it is scored.
    #[serde(skip)]
    pub scored: bool,
    /// The scenario's name.
    #[serde(skip)]
    pub scenario: String,
    /// The simulated time of the start.
    #[serde(skip)]
    pub start: Timestamp,
    /// What the page draws.
    #[serde(skip)]
    pub charts: Vec<Chart>,
}

/// What came of one workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkloadReport {
    /// Its namespace.
    pub namespace: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Resizes that the API server accepted.
    pub resizes: u64,
    /// Pods that Tailor evicted.
    pub evictions: u64,
    /// Containers that were killed for their memory.
    pub oom_kills: u64,
    /// Containers that were started again in their Pod.
    pub restarts: u64,
    /// CPU that was wanted and withheld by limits, in core-seconds.
    pub throttled_core_seconds: f64,
    /// Pods that had no Node at the end, for none had room for them.
    pub pods_pending: u64,
    /// Times that the API server refused to create a Pod of it.
    pub pods_refused: u64,
    /// What the scheduler or the API server said of these last.
    pub pods_message: Option<String>,
    /// Its containers, by name; none if it never had a Pod on a Node.
    pub containers: Vec<ContainerReport>,
}

/// What came of one container of a workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContainerReport {
    /// Its name.
    pub name: String,
    /// Requests of the manifest.
    pub requests_before: Resources,
    /// Requests of a Pod at the end, or when the last one went.
    pub requests_after: Resources,
    /// The CPU, in cores, that a Pod used at most for 95 % of the scored time; `null` if none ran in it.
    pub cpu_p95_cores: Option<f64>,
    /// The memory, in bytes, that a Pod used at most for 95 % of the scored time; `null` if none ran in it.
    pub memory_p95_bytes: Option<u64>,
    /// Requested and not used.
    #[serde(flatten)]
    pub slack: Slack,
}

/// Requested and not used, as shares from 0 to 1; `null` where nothing is requested, ran, or is scored yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Slack {
    /// Of the CPU requests of the manifest.
    pub cpu_slack_before: Option<f64>,
    /// Of the CPU requests in force.
    pub cpu_slack_after: Option<f64>,
    /// Of the memory requests of the manifest.
    pub memory_slack_before: Option<f64>,
    /// Of the memory requests in force.
    pub memory_slack_after: Option<f64>,
}

/// A policy that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PolicyReport {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Those of its conditions that tell of trouble.
    pub conditions: Vec<ConditionReport>,
}

/// A condition of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ConditionReport {
    /// `Ready` or `Stalled`.
    pub r#type: String,
    /// `True` or `False`.
    pub status: String,
    /// One word.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// Something that Tailor did, or had to put up with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActionReport {
    /// When, in simulated time.
    pub time: Timestamp,
    /// `namespace/kind/name`.
    pub workload: String,
    /// The Pod.
    pub pod: String,
    /// What was done.
    pub action: Action,
    /// Why.
    pub reason: Why,
    /// What changed, as it was, by container. Empty if nothing changed.
    pub from: BTreeMap<String, ContainerResources>,
    /// What changed, as it should be, by container.
    pub to: BTreeMap<String, ContainerResources>,
    /// Why, for people.
    #[serde(skip)]
    pub message: String,
}

impl Report {
    /// The report as JSON, with a newline at its end.
    ///
    /// # Errors
    /// None that is known of: every number in it is finite.
    pub fn json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

impl WorkloadReport {
    /// `namespace/kind/name`, as actions name it.
    pub fn path(&self) -> String {
        workload_path(&self.namespace, &self.kind, &self.name)
    }

    fn key(&self) -> WorkloadKey {
        (self.namespace.clone(), self.kind.clone(), self.name.clone())
    }
}

fn workload_path(namespace: &str, kind: &str, name: &str) -> String {
    format!("{namespace}/{kind}/{name}")
}

#[cfg(test)]
mod tests;

//! The `Scenario` document as users write it. Every struct refuses fields that it does not know.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    api::Period,
    resources::{Bytes, MilliCpu},
};

/// What `apiVersion` says.
pub const API_VERSION: &str = "sim.tailor.dev/v1alpha1";
/// What `kind` says.
pub const KIND: &str = "Scenario";

/// The document that ties the workloads of a scenario to what they use.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScenarioDocument {
    /// [`API_VERSION`].
    pub api_version: String,
    /// [`KIND`].
    pub kind: String,
    /// Its name.
    #[serde(default)]
    pub metadata: Metadata,
    /// What happens.
    pub spec: ScenarioSpec,
}

/// What a scenario is called.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Shown at the head of a report.
    #[serde(default)]
    pub name: String,
}

/// What happens in a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScenarioSpec {
    /// The simulated time of the start.
    #[serde(default = "start")]
    pub start: Timestamp,
    /// How long to run; `--duration` goes before it.
    #[serde(default = "duration")]
    pub duration: Period,
    /// How often usage is read.
    #[serde(default = "sample_interval")]
    pub sample_interval: Period,
    /// How many times as fast as real time it goes on a real cluster, for the controller and the kubelets alike. The
    /// control plane's own programs know nothing of it: what they need a second for takes so many seconds.
    #[serde(default = "one")]
    pub time_scale: f64,
    /// What the containers use.
    #[serde(default)]
    pub loads: Vec<LoadSpec>,
    /// What a container without a load uses; nothing, if this is left out. A Pod may say otherwise for itself, and change
    /// it while it runs, with the annotations `sim.tailor.dev/cpu` and `sim.tailor.dev/memory`.
    #[serde(default)]
    pub default_load: Option<Amounts>,
    /// What a user does while it runs, in any order.
    #[serde(default)]
    pub events: Vec<EventSpec>,
    /// How the kubelets behave.
    #[serde(default)]
    pub kubelets: KubeletsSpec,
    /// What goes wrong on Nodes.
    #[serde(default)]
    pub faults: Vec<FaultSpec>,
}

/// What one container of a workload uses, in each of its Pods: exactly one of `trace`, `constant` and `steps`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadSpec {
    /// The workload's namespace.
    #[serde(default = "default_namespace")]
    pub namespace: String,
    /// The workload.
    pub workload: WorkloadRef,
    /// The container. May be left out if the workload has only one.
    #[serde(default)]
    pub container: Option<String>,
    /// Use what was recorded, from the first row on, again and again.
    #[serde(default)]
    pub trace: Option<TraceRef>,
    /// Use the same all the time.
    #[serde(default)]
    pub constant: Option<Amounts>,
    /// Use something else from each of these times on. The first is at 0s.
    #[serde(default)]
    pub steps: Option<Vec<StepSpec>>,
    /// Multiplies the CPU of the trace.
    #[serde(default = "one")]
    pub cpu_scale: f64,
    /// Multiplies the memory of the trace.
    #[serde(default = "one")]
    pub memory_scale: f64,
    /// Memory for a trace that has none. Where only some rows have none, the row before them holds.
    #[serde(default)]
    pub memory: Option<Bytes>,
    /// Extra CPU after each start of the container.
    #[serde(default)]
    pub startup: Option<StartupSpec>,
}

/// A workload that has a load.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadRef {
    /// Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob or Pod.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A series of a trace.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceRef {
    /// A trace that comes with Tailor.
    #[serde(default)]
    pub bundled: Option<String>,
    /// A file, from the folder of the scenario.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Which series of it.
    pub series: String,
}

/// What a container uses.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amounts {
    /// CPU, as a quantity.
    pub cpu: MilliCpu,
    /// Memory, as a quantity.
    pub memory: Bytes,
}

/// What a container uses from a time on.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepSpec {
    /// From when on, counted from the scenario's start.
    pub at: Period,
    /// CPU, as a quantity.
    pub cpu: MilliCpu,
    /// Memory, as a quantity.
    pub memory: Bytes,
}

/// Extra CPU after each start of the container, as a JVM wants it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartupSpec {
    /// How much more.
    pub cpu: MilliCpu,
    /// For how long.
    pub duration: Period,
}

/// Something that a user does: exactly one of `apply` and `delete`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSpec {
    /// When, counted from the scenario's start.
    pub at: Period,
    /// Creates the object, or replaces it.
    #[serde(default)]
    pub apply: Option<Value>,
    /// Deletes the object.
    #[serde(default)]
    pub delete: Option<ObjectRef>,
}

/// An object to delete.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectRef {
    /// Group and version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    #[serde(default = "default_namespace")]
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// How the kubelets behave.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubeletsSpec {
    /// Their version: what cannot be resized in place differs.
    #[serde(default)]
    pub version: KubeletVersion,
    /// Nodes whose CPU manager policy is `static`.
    #[serde(default)]
    pub static_cpu_nodes: Vec<String>,
    /// Nodes whose memory manager policy is `Static`.
    #[serde(default)]
    pub static_memory_nodes: Vec<String>,
}

/// A version whose kubelets differ from others in what they do with a resize.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum KubeletVersion {
    /// A Pod that is larger than its Node is Infeasible. The API server, as old, does not mind.
    #[serde(rename = "1.35")]
    V1_35,
    /// The API server refuses it first.
    #[default]
    #[serde(rename = "1.37")]
    V1_37,
}

/// Something that goes wrong on Nodes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum FaultSpec {
    /// The first attempts to carry out a resize fail, for each Pod of the workload.
    ActuationFails {
        /// The workload's namespace.
        #[serde(default = "default_namespace")]
        namespace: String,
        /// The workload's name.
        workload: String,
        /// How many attempts fail.
        attempts: u32,
        /// What the container runtime says.
        #[serde(default = "runtime_error")]
        message: String,
    },
    /// A resize of the workload's Pods is granted, and never carried out.
    ResizeNeverFinishes {
        /// The workload's namespace.
        #[serde(default = "default_namespace")]
        namespace: String,
        /// The workload's name.
        workload: String,
    },
    /// The Node is under pressure and defers every resize.
    NodePressure {
        /// The Node's name.
        node: String,
        /// `DiskPressure`, `PIDPressure` or `MemoryPressure`.
        #[serde(default = "disk_pressure")]
        condition: String,
        /// When it starts, counted from the scenario's start.
        from: Period,
        /// When it ends, counted from the scenario's start.
        until: Period,
    },
    /// The kubelet of the Node restarts.
    KubeletRestarts {
        /// The Node's name.
        node: String,
        /// When, counted from the scenario's start.
        at: Period,
    },
}

/// Midnight of a Monday.
fn start() -> Timestamp {
    Timestamp::constant(1_767_571_200, 0)
}

fn duration() -> Period {
    Period::minutes(24 * 60)
}

/// What metrics-server and most Prometheus installations do.
fn sample_interval() -> Period {
    Period::minutes(1)
}

pub(super) fn default_namespace() -> String {
    "default".to_owned()
}

fn one() -> f64 {
    1.0
}

fn runtime_error() -> String {
    "the container runtime refused the update".to_owned()
}

fn disk_pressure() -> String {
    "DiskPressure".to_owned()
}

//! How the kubelets behave: version, policies of single Nodes, and faults that a scenario asks for.

use std::collections::BTreeSet;

use jiff::Timestamp;

/// What differs between kubelet versions and matters for a resize.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KubeletProfile {
    /// Up to 1.35: a Pod larger than its Node is Infeasible.
    V1_35,
    /// From 1.36 on: the API server refuses such a resize, and what slips through is Deferred.
    #[default]
    V1_37,
}

impl KubeletProfile {
    /// What `status.nodeInfo.kubeletVersion` says.
    pub fn version(self) -> &'static str {
        match self {
            Self::V1_35 => "v1.35.4",
            Self::V1_37 => "v1.37.2",
        }
    }
}

/// The Pods that a fault strikes: all of one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The workload's namespace.
    pub namespace: String,
    /// The workload's name.
    pub workload: String,
}

/// Something that goes wrong because a scenario says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The first attempts to carry out a resize fail with this message, per Pod.
    ActuationFails {
        /// Whose.
        target: Target,
        /// How many attempts fail.
        attempts: u32,
        /// What the runtime says.
        message: String,
    },
    /// A resize is allocated and then never carried out.
    ResizeNeverFinishes {
        /// Whose.
        target: Target,
    },
    /// The Node is under pressure: every resize on it is Deferred, even a shrink.
    NodePressure {
        /// Which Node.
        node: String,
        /// The condition: `DiskPressure`, `PIDPressure` or `MemoryPressure`, which passes all but BestEffort Pods.
        condition: String,
        /// When it starts.
        from: Timestamp,
        /// When it ends.
        until: Timestamp,
    },
    /// The kubelet of a Node restarts: checkpoints stay, conditions get new times, the queue is filled again.
    KubeletRestarts {
        /// Which Node.
        node: String,
        /// When.
        at: Timestamp,
    },
}

/// How the kubelets of a cluster behave.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The kubelets' version.
    pub profile: KubeletProfile,
    /// Nodes whose CPU manager pins the cores of Guaranteed Pods, which can then not be resized.
    pub static_cpu_nodes: BTreeSet<String>,
    /// Nodes whose memory manager is static, with the same consequence for memory.
    pub static_memory_nodes: BTreeSet<String>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

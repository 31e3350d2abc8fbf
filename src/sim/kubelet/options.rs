//! How the kubelets behave: version, policies of single Nodes, and faults that a scenario asks for.

use std::{collections::BTreeSet, ops::RangeInclusive};

use jiff::{SignedDuration, Timestamp};

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

    /// What `status.declaredFeatures` says: those of its features, on by default, that the API server asks for.
    pub fn declared_features(self) -> &'static [&'static str] {
        match self {
            Self::V1_35 => &[],
            Self::V1_37 => &[
                "ExtendWebSocketsToKubelet",
                "InPlacePodLevelResourcesVerticalScaling",
                "InPlacePodVerticalScalingInitContainers",
                "RestartAllContainersOnContainerExits",
            ],
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

/// How long what a kubelet and its runtime do takes; chance picks from a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latencies {
    /// Milliseconds from admission to running containers: sandbox, network, image.
    pub start: RangeInclusive<i64>,
    /// From a container's start until it is ready, where its Pod does not say.
    pub readiness: SignedDuration,
    /// Milliseconds from a crash that needs no back-off to the new container: one relist of the runtime.
    pub restart: RangeInclusive<i64>,
    /// Milliseconds from SIGTERM to the end. Real grace periods would only stretch a run.
    pub stop: RangeInclusive<i64>,
    /// Milliseconds from allocation to the end of the runtime's calls: the sync, the calls, the relist that notices.
    pub actuate: RangeInclusive<i64>,
    /// How long a container that is restarted for its resize takes to stop and start.
    pub resize_restart: SignedDuration,
    /// How long a new container needs to fill more memory than its limit.
    pub fill_memory: SignedDuration,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            start: 1_000..=3_000,
            readiness: SignedDuration::from_secs(5),
            restart: 800..=1_600,
            stop: 1_000..=2_000,
            actuate: 1_000..=2_000,
            resize_restart: SignedDuration::from_secs(1),
            fill_memory: SignedDuration::from_secs(2),
        }
    }
}

impl Latencies {
    /// A tenth of a second, for those who wait on the wall clock.
    pub fn brisk() -> Self {
        let moment = SignedDuration::from_millis(100);
        let millis = 50..=150;
        Self {
            start: millis.clone(),
            readiness: moment,
            restart: millis.clone(),
            stop: millis.clone(),
            actuate: millis,
            resize_restart: moment,
            fill_memory: moment,
        }
    }
}

/// How the kubelets of a cluster behave.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The kubelets' version.
    pub profile: KubeletProfile,
    /// How long what they do takes.
    pub latencies: Latencies,
    /// Nodes whose CPU manager pins the cores of Guaranteed Pods, which can then not be resized.
    pub static_cpu_nodes: BTreeSet<String>,
    /// Nodes whose memory manager is static, with the same consequence for memory.
    pub static_memory_nodes: BTreeSet<String>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

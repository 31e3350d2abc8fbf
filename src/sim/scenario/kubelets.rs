//! What a scenario says of its kubelets, in their own terms.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    Scenario,
    format::{FaultSpec, KubeletVersion},
};
use crate::{
    api::Period,
    sim::kubelet::{Fault, KubeletProfile, Latencies, Options, Target},
};

impl Scenario {
    /// How the kubelets behave.
    pub fn kubelet_options(&self) -> Options {
        Options {
            latencies: Latencies::default(),
            profile: match self.kubelets.version {
                KubeletVersion::V1_35 => KubeletProfile::V1_35,
                KubeletVersion::V1_37 => KubeletProfile::V1_37,
            },
            static_cpu_nodes: self.kubelets.static_cpu_nodes.iter().cloned().collect(),
            static_memory_nodes: self.kubelets.static_memory_nodes.iter().cloned().collect(),
            faults: self.faults.iter().map(|fault| self.fault(fault)).collect(),
        }
    }

    /// Whether the API server is as old as the kubelets, and so does not hold a resize against the Node's capacity.
    pub fn leaves_capacity_to_kubelets(&self) -> bool {
        self.kubelets.version == KubeletVersion::V1_35
    }

    fn fault(&self, fault: &FaultSpec) -> Fault {
        match fault.clone() {
            FaultSpec::ActuationFails { namespace, workload, attempts, message } => {
                Fault::ActuationFails { target: Target { namespace, workload }, attempts, message }
            }
            FaultSpec::ResizeNeverFinishes { namespace, workload } => {
                Fault::ResizeNeverFinishes { target: Target { namespace, workload } }
            }
            FaultSpec::NodePressure { node, condition, from, until } => {
                Fault::NodePressure { node, condition, from: self.at(from), until: self.at(until) }
            }
            FaultSpec::KubeletRestarts { node, at } => Fault::KubeletRestarts { node, at: self.at(at) },
        }
    }

    fn at(&self, period: Period) -> Timestamp {
        let since: Duration = period.length();
        let since = SignedDuration::try_from(since).unwrap_or(SignedDuration::MAX);
        self.start.saturating_add(since).unwrap_or(Timestamp::MAX)
    }
}

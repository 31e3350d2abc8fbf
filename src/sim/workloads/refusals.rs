//! Pods that a workload should have had and that the API server refused to create.
//!
//! Real controllers tell it in Events and conditions; here it is kept for the report.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::api::core::v1::Pod;

use crate::sim::kubelet::Workload;

/// Namespace, kind and name of a workload.
pub type WorkloadKey = (String, String, String);

/// What was refused of one workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// How many creations, each try counted.
    pub times: u64,
    /// What the API server said last.
    pub message: String,
}

/// All refusals; a clone writes into the same list.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Mutex<BTreeMap<WorkloadKey, Refusal>>>);

impl Refusals {
    /// What was refused so far.
    pub fn all(&self) -> BTreeMap<WorkloadKey, Refusal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note(&self, pod: &Pod, error: &kube::Error) {
        let kube::Error::Api(status) = error else { return };
        let Workload { kind, name } = Workload::of(pod);
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let refusal = all.entry((namespace, kind, name)).or_default();
        refusal.times += 1;
        refusal.message.clone_from(&status.message);
    }
}

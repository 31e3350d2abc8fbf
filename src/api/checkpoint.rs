//! What Tailor has learnt of a workload, as it outlives the process.

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::transform::RecursiveTransform;
use serde::{Deserialize, Serialize};

/// So many containers of a workload are kept at most, the first by name.
pub const MOST_CONTAINERS: usize = 128;

/// What Tailor has learnt of one workload.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[expect(clippy::duplicated_attributes, reason = "each printer column repeats `type_`")]
#[kube(
    group = "autoscaling.tailor.dev",
    version = "v1alpha1",
    kind = "VerticalResizeCheckpoint",
    plural = "verticalresizecheckpoints",
    shortname = "vrc",
    namespaced,
    derive = "PartialEq",
    doc = "What Tailor has learnt of a workload, kept over a restart. Written by Tailor alone; it may be deleted."
)]
#[kube(printcolumn(name = "Kind", type_ = "string", json_path = ".spec.workload.kind"))]
#[kube(printcolumn(name = "Workload", type_ = "string", json_path = ".spec.workload.name"))]
#[kube(printcolumn(
    name = "Newest sample",
    type_ = "date",
    json_path = ".spec.newestSample",
    description = "How old the newest sample is that is in it"
))]
#[kube(printcolumn(name = "Version", type_ = "integer", json_path = ".spec.version", priority = 1))]
#[kube(printcolumn(name = "Not before", type_ = "string", json_path = ".spec.notBefore", priority = 1))]
#[kube(printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"))]
#[serde(rename_all = "camelCase")]
#[schemars(transform = RecursiveTransform(super::drop_unsigned_formats))]
pub struct VerticalResizeCheckpointSpec {
    /// The workload, in the namespace of the checkpoint.
    pub workload: CheckpointedWorkload,
    /// What `model` means. A version that Tailor does not know is left alone.
    #[schemars(range(min = 1))]
    pub version: u32,
    /// When the newest sample was taken that is in it.
    pub newest_sample: Timestamp,
    /// The workload's next checkpoint is not written before this.
    pub not_before: Timestamp,
    /// What is known of each container.
    #[schemars(length(max = 128))]
    pub containers: Vec<CheckpointedContainer>,
}

/// A workload. The API version is left out: it names a spelling, not an object.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct CheckpointedWorkload {
    /// Its API group, empty for the core group.
    #[schemars(length(max = 253))]
    pub group: String,
    /// Its kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What is known of one container.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct CheckpointedContainer {
    /// Its name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Its use of CPU and memory, and its OOM kill, as text.
    #[schemars(length(min = 1, max = 2_048))]
    pub model: String,
}

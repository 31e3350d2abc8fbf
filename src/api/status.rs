//! What Tailor answers: conditions, recommendations, counts. Bounded however many Pods one policy covers.

use derive_more::{Add, Sum};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::{JsonSchema, transform::RecursiveTransform};
use serde::{Deserialize, Serialize};

use super::TargetRef;
use crate::resources::{ResourceKind, Resources};

/// What Tailor knows, wants and last did.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = RecursiveTransform(super::drop_unsigned_formats))]
pub struct VerticalResizePolicyStatus {
    /// The `metadata.generation` that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` always; `Reconciling` and `Stalled` only while they hold (kstatus).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Pods by the state of their resize, over all workloads.
    #[serde(default)]
    pub pods: PodCounts,
    /// Each covered workload, by kind and name; cut off when there are too many for one object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<WorkloadStatus>,
    /// How many covered workloads are not listed in `workloads`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub workloads_omitted: u32,
    /// The last resize or eviction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_action: Option<LastAction>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Pods by the state of their resize.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Add, Sum, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodCounts {
    /// All live Pods.
    pub total: u32,
    /// Run at the size that Tailor wants.
    pub fitted: u32,
    /// A resize is being actuated by the kubelet.
    pub in_progress: u32,
    /// A resize waits for room on the Node.
    pub deferred: u32,
    /// The Node can never grant the size.
    pub infeasible: u32,
    /// The kubelet reports an error with a resize.
    pub error: u32,
    /// Evicted, and not yet replaced by a Ready Pod.
    pub evicted: u32,
    /// Another size is wanted, or none known yet, and it is not time: waits for samples, a period or a budget, or must
    /// be left alone.
    pub waiting: u32,
}

/// One covered workload.
#[derive(KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadStatus {
    /// Which workload.
    #[serde(flatten)]
    pub workload: TargetRef,
    /// Its Pods by the state of their resize.
    #[serde(default)]
    pub pods: PodCounts,
    /// Its containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<ContainerStatusEntry>,
}

/// What one container of a workload should get, and has.
#[derive(KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatusEntry {
    /// The container's name.
    pub name: String,
    /// Requests below this are likely to hurt.
    #[serde(default)]
    pub lower: Resources,
    /// The requests that Tailor wants.
    #[serde(default)]
    pub target: Resources,
    /// Requests above this are likely to be waste.
    #[serde(default)]
    pub upper: Resources,
    /// The smallest requests in force among the workload's Pods.
    #[serde(default)]
    pub current: Resources,
    /// Where `target` is not what usage alone would give, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clamps: Vec<Clamp>,
}

/// One limit that moved a target.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub struct Clamp {
    /// The resource.
    pub resource: ResourceKind,
    /// What moved it.
    pub reason: ClampReason,
}

/// What moved a target away from what usage alone would give.
#[derive(
    JsonSchema,
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Deserialize,
    Serialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::EnumIter,
)]
pub enum ClampReason {
    /// Raised to the policy's `min`.
    PolicyMin,
    /// Lowered to the policy's `max`.
    PolicyMax,
    /// Raised to the smallest size that Tailor ever asks for.
    MinimumSize,
    /// Lowered to the limit, which this policy leaves alone.
    OwnLimit,
    /// Moved into the namespace's LimitRange.
    LimitRange,
    /// Kept as it is, for the policy does not control this resource or the container does not ask for it.
    NotControlled,
    /// Kept as it is, for there are no samples yet.
    NoSamples,
    /// Changed so that the Pod's QoS class stays what it is.
    QosClass,
}

/// The last resize or eviction.
#[derive(KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastAction {
    /// `Resize` or `Evict`.
    pub action: String,
    /// The Pod it was done to.
    pub pod: String,
    /// Why.
    pub reason: String,
    /// When.
    pub time: Timestamp,
}

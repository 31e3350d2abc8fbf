//! What users write.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, transform::RecursiveTransform};
use serde::{Deserialize, Serialize};

use super::{ContainerPolicy, StartupPolicy, UpdatePolicy, VerticalResizePolicyStatus};

/// Fits the requests and limits of a workload's containers to what they use.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[expect(clippy::duplicated_attributes, reason = "each printer column repeats `type_`")]
#[kube(
    group = "autoscaling.tailor.dev",
    version = "v1alpha1",
    kind = "VerticalResizePolicy",
    plural = "verticalresizepolicies",
    shortname = "vrp",
    namespaced,
    status = "VerticalResizePolicyStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "Fits the CPU and memory of a workload's running Pods to what they use, in place."
)]
#[kube(printcolumn(name = "Strategy", type_ = "string", json_path = ".spec.strategy"))]
#[kube(printcolumn(name = "Target", type_ = "string", json_path = ".spec.targetRef.name"))]
#[kube(printcolumn(
    name = "CPU",
    type_ = "string",
    json_path = ".status.workloads[0].containers[0].target.cpu",
    description = "CPU request that Tailor wants for the first container of the first workload"
))]
#[kube(printcolumn(
    name = "Memory",
    type_ = "string",
    json_path = ".status.workloads[0].containers[0].target.memory",
    description = "Memory request that Tailor wants for the first container of the first workload"
))]
#[kube(printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"))]
#[kube(printcolumn(name = "Objective", type_ = "string", json_path = ".spec.objective", priority = 1))]
#[kube(printcolumn(name = "Pods", type_ = "integer", json_path = ".status.pods.total", priority = 1))]
#[kube(printcolumn(name = "Fitted", type_ = "integer", json_path = ".status.pods.fitted", priority = 1))]
#[kube(printcolumn(name = "Deferred", type_ = "integer", json_path = ".status.pods.deferred", priority = 1))]
#[kube(printcolumn(name = "Infeasible", type_ = "integer", json_path = ".status.pods.infeasible", priority = 1))]
#[kube(printcolumn(
    name = "Reason",
    type_ = "string",
    json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
    priority = 1
))]
#[kube(printcolumn(name = "Last action", type_ = "date", json_path = ".status.lastAction.time", priority = 1))]
#[kube(printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"))]
#[x_kube(validation = Rule::new("has(self.targetRef) != has(self.selector)").message("set exactly one of targetRef and selector"))]
#[x_kube(validation = Rule::new("self.containers.all(a, self.containers.exists_one(b, a.name == b.name))").message("each container may be named once"))]
#[serde(rename_all = "camelCase")]
#[schemars(transform = RecursiveTransform(super::drop_unsigned_formats))]
pub struct VerticalResizePolicySpec {
    /// The one workload to fit, in the policy's namespace. Either this or `selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_ref: Option<TargetRef>,
    /// Labels of the workloads to fit, in the policy's namespace: Deployments, StatefulSets, DaemonSets, ReplicaSets,
    /// Jobs and CronJobs that no other workload owns. Either this or `targetRef`. An empty selector selects all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// How a recommendation reaches the Pods.
    #[serde(default)]
    pub strategy: Strategy,
    /// What a shortage costs against a reservation.
    #[serde(default)]
    pub objective: Objective,
    /// What may be done with which container. A container that no entry names is fitted by the defaults.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub containers: Vec<ContainerPolicy>,
    /// When and how Pods are changed.
    #[serde(default)]
    pub update: UpdatePolicy,
    /// Extra CPU while a container starts; taken back in place once it is Ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup: Option<StartupPolicy>,
}

/// A workload in the policy's namespace.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetRef {
    /// Group and version, such as `apps/v1`.
    #[schemars(length(min = 1, max = 253))]
    pub api_version: String,
    /// Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob, or any kind with a scale subresource.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// How a recommendation reaches the Pods.
#[derive(
    JsonSchema,
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Deserialize,
    Serialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::EnumIter,
)]
pub enum Strategy {
    /// Recommend only.
    Off,
    /// Size new Pods; leave running ones alone.
    Initial,
    /// Resize running Pods in place; never evict one.
    InPlace,
    /// Resize in place; evict a Pod only when its Node can never grant the size.
    #[default]
    InPlaceOrRecreate,
    /// Evict Pods so that they come back at the new size; never resize in place.
    Recreate,
}

/// What a second of shortage costs against a reserved one.
#[derive(
    JsonSchema,
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Deserialize,
    Serialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::EnumIter,
)]
pub enum Objective {
    /// The tightest fit; brief shortages are cheap.
    Economy,
    /// A tight fit with room for the ordinary peak.
    #[default]
    Balanced,
    /// Room for peaks out of the ordinary.
    Safe,
}

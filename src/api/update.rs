//! When and how Pods are changed.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Period;

/// When and how Pods are changed.
#[derive(KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[x_kube(validation = Rule::new("string(self.maxUnavailable).matches('^([0-9]+|(100|[1-9]?[0-9])%)$')").message("maxUnavailable must be a number of Pods or a percentage such as 25%"))]
#[serde(rename_all = "camelCase")]
pub struct UpdatePolicy {
    /// A change smaller than this share of the present request is not worth a write. Per cent.
    #[serde(default = "min_change_percent")]
    #[schemars(range(min = 0, max = 100))]
    pub min_change_percent: u8,
    /// How long a request must have been too large, without a break, before it is lowered.
    #[serde(default = "scale_down_stabilization")]
    pub scale_down_stabilization: Period,
    /// How long a resize may be Deferred (no room on the Node now) before `onDeferredTimeout` is done.
    #[serde(default = "deferred_timeout")]
    pub deferred_timeout: Period,
    /// What follows a Deferred resize that has waited for `deferredTimeout`. Only `InPlaceOrRecreate` recreates.
    #[serde(default)]
    pub on_deferred_timeout: AfterDeferral,
    /// What follows a resize that the Pod's Node can never grant. Only `InPlaceOrRecreate` recreates.
    #[serde(default)]
    pub on_infeasible: OnInfeasible,
    /// A workload with fewer live Pods than this is never evicted from.
    #[serde(default = "min_replicas")]
    #[schemars(range(min = 1))]
    pub min_replicas: i32,
    /// How many of a workload's Pods may be away at once because of Tailor: a number, or a share of its Pods (rounded
    /// down, but at least one). PodDisruptionBudgets hold as well.
    #[serde(default = "max_unavailable")]
    #[schemars(extend("nullable" = false))]
    pub max_unavailable: IntOrString,
}

impl Default for UpdatePolicy {
    fn default() -> Self {
        Self {
            min_change_percent: min_change_percent(),
            scale_down_stabilization: scale_down_stabilization(),
            deferred_timeout: deferred_timeout(),
            on_deferred_timeout: AfterDeferral::default(),
            on_infeasible: OnInfeasible::default(),
            min_replicas: min_replicas(),
            max_unavailable: max_unavailable(),
        }
    }
}

/// Below ten per cent a change saves less than it costs to watch.
fn min_change_percent() -> u8 {
    10
}

/// Longer than the gap between two bursts of most services, short enough to follow a working day.
fn scale_down_stabilization() -> Period {
    Period::minutes(15)
}

/// Longer than a rollout or a Node's start, so that waiting has had a fair chance.
fn deferred_timeout() -> Period {
    Period::minutes(10)
}

/// Eviction is the last resort already, and budgets guard it; a single replica may want to move too.
fn min_replicas() -> i32 {
    1
}

fn max_unavailable() -> IntOrString {
    IntOrString::String("25%".to_owned())
}

/// What follows a Deferred resize that has waited too long.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, strum::Display)]
pub enum AfterDeferral {
    /// Wait on.
    #[default]
    Wait,
    /// Evict the Pod, so that it finds a Node with room.
    Recreate,
}

/// What follows a resize that the Pod's Node can never grant.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, strum::Display)]
pub enum OnInfeasible {
    /// Evict the Pod, so that it finds a larger Node.
    #[default]
    Recreate,
    /// Ask for the largest size that the Node can hold.
    FitNode,
}

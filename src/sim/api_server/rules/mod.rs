//! What the API server answers, as pure functions: no store, no clock, no requests.
//!
//! Everything here follows Kubernetes v1.37.2 with its default feature gates; each file names the source of its rules.
//! A refusal is a [`Status`] in the server's own shape, since clients read its code, reason and causes. Start at
//! [`resize`] for Pods and at [`schema`] for custom resources.
//!
//! [`Status`]: k8s_openapi::apimachinery::pkg::apis::meta::v1::Status

mod amount;
pub mod eviction;
pub mod limit_range;
pub mod pod;
mod pod_admission;
pub(in crate::sim::api_server) mod pod_defaults;
mod pod_parts;
mod pod_spec;
pub mod pod_status;
mod pod_update;
pub mod qos;
pub mod quota;
pub mod resize;
mod resize_checks;
pub mod schema;
pub mod status;
pub mod template;
pub mod totals;

use k8s_openapi::api::{
    core::v1::{LimitRange, Node, Pod, ResourceQuota},
    scheduling::v1::PriorityClass,
};

pub use amount::{Amount, Amounts};

/// What the server looks at beside the Pod itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'a> {
    /// The Node that the Pod is bound to, if it is bound and the Node exists.
    pub node: Option<&'a Node>,
    /// Whether the Node's capacity is the kubelet's affair.
    pub leaves_capacity_to_kubelets: bool,
    /// The LimitRanges of the Pod's namespace, by name.
    pub limit_ranges: &'a [LimitRange],
    /// The ResourceQuotas of the Pod's namespace, by name.
    pub quotas: &'a [ResourceQuota],
    /// All PriorityClasses.
    pub priority_classes: &'a [PriorityClass],
    /// All Pods of the namespace as they are stored, so with the old form of a Pod that is being changed.
    pub namespace_pods: &'a [Pod],
}

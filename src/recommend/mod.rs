//! What a container should get: requests from its model ([`recommend`]), requests and limits of one Pod ([`size`]).

use jiff::Timestamp;

use crate::{
    api::{Clamp, ContainerPolicy, Objective},
    model::ContainerModel,
    resources::{ContainerResources, Resources},
};

/// What bounds a container's recommendation.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The user's wishes for this container.
    pub policy: &'a ContainerPolicy,
    /// What a shortage costs against a reservation.
    pub objective: Objective,
    /// The container's resources in the workload's Pod template: limits keep its proportions.
    pub template: &'a ContainerResources,
    /// The namespace's LimitRange for containers, if there is one.
    pub limits: Option<&'a ContainerLimits>,
}

/// What the LimitRanges of a namespace (entries of type `Container`) allow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ContainerLimits {
    /// The least request, and the least limit.
    pub min: Resources,
    /// The most request, and the most limit.
    pub max: Resources,
    /// How many times the CPU request the CPU limit may be.
    pub max_cpu_ratio: Option<f64>,
    /// How many times the memory request the memory limit may be.
    pub max_memory_ratio: Option<f64>,
}

/// What a container should request: `lower <= target <= upper`, resource by resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recommendation {
    /// Requests below this are likely to hurt.
    pub lower: Resources,
    /// What to request; absent where the resource is not controlled or nothing is known.
    pub target: Resources,
    /// Requests above this are likely to be waste. Absent while the samples are stale: then nothing is lowered.
    pub upper: Resources,
    /// Where `target` is not what usage alone would give.
    pub clamps: Vec<Clamp>,
}

/// What a container should request, from what its model knows.
pub fn recommend(_model: &ContainerModel, _frame: &Frame<'_>, _now: Timestamp) -> Recommendation {
    Recommendation::default()
}

/// Requests and limits for a requests target: limits in the template's proportion, what is absent stays absent, and
/// requests equal to limits (unequal) stay so, so that the QoS class cannot change.
pub fn size(_target: Resources, _frame: &Frame<'_>, current: &ContainerResources) -> ContainerResources {
    *current
}

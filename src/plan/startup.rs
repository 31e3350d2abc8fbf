//! Extra CPU while a Pod starts. Admission and the planner's wishes both use [`boost`], so that they agree.

use jiff::Timestamp;

use crate::{
    api::StartupPolicy,
    recommend::ContainerLimits,
    resources::{ContainerResources, PodView},
};

/// Whether the Pod is still starting: until it is Ready and `duration` has passed, or `timeout` after its creation.
pub fn is_active(_policy: &StartupPolicy, _pod: &PodView, _now: Timestamp) -> bool {
    false
}

/// `size` with the CPU of a starting container, inside `limits`; the limit keeps its proportion.
pub fn boost(
    size: ContainerResources,
    _policy: &StartupPolicy,
    _limits: Option<&ContainerLimits>,
) -> ContainerResources {
    size
}

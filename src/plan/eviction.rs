//! Whether the Pod may be disrupted, and if not, what is against it.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Situation, Why};
use crate::resources::Resources;

/// Whether the Pod may be evicted so that a replacement of `wanted` size comes back.
pub(super) fn allowed(situation: &Situation<'_>, wanted: Resources) -> Result<(), Why> {
    let workload = situation.workload;
    let min_replicas = u32::try_from(situation.spec.update.min_replicas).unwrap_or(0);
    if !(workload.recreates && situation.pod.owned) {
        Err(Why::NothingRecreatesPod)
    } else if situation.room.is_some_and(|room| room.node.is_unseen()) {
        Err(Why::NodeUnknown)
    } else if !has_place(situation, wanted) {
        Err(Why::NoNodeLargeEnough)
    } else if workload.live < min_replicas {
        Err(Why::MinReplicas)
    } else if let Some(why) = situation.cluster.new_pods.barrier().or(workload.evictions_blocked) {
        Err(why)
    } else {
        disruption_allowed(situation)
    }
}

/// Whether the replacement can be placed: on another Node, or where the Pod is now.
fn has_place(situation: &Situation<'_>, wanted: Resources) -> bool {
    let here = situation.room.filter(|room| situation.pod.placement.admits(&room.node)).map(|room| room.free);
    situation.elsewhere.iter().copied().chain(here).any(|free| wanted.fits_in(free))
}

/// Whether one more Pod of the workload may be away, now.
pub(super) fn disruption_allowed(situation: &Situation<'_>) -> Result<(), Why> {
    let workload = situation.workload;
    // A Pod that is away already is not one more.
    let others = workload.unavailable.saturating_sub(u32::from(!situation.pod.ready));
    if others >= max_unavailable(&situation.spec.update.max_unavailable, workload.desired_replicas) {
        Err(Why::MaxUnavailable)
    } else if situation.cluster.eviction_tokens == 0 {
        Err(Why::EvictionBudgetSpent)
    } else {
        Ok(())
    }
}

/// Whether no waiting will ever allow it, as far as can be told.
pub(super) fn is_lasting(barrier: Why) -> bool {
    matches!(
        barrier,
        Why::NothingRecreatesPod | Why::NodeUnknown | Why::NoNodeLargeEnough | Why::MinReplicas | Why::AdmissionOff
    )
}

/// A number of Pods; a share is rounded down, but one Pod at least unless it is 0%.
fn max_unavailable(most: &IntOrString, replicas: i32) -> u32 {
    let replicas = u64::try_from(replicas).unwrap_or(0);
    match most {
        IntOrString::Int(number) => u32::try_from(*number).unwrap_or(0),
        IntOrString::String(share) => match share.trim_end_matches('%').parse::<u64>() {
            Ok(percent) if percent > 0 => {
                u32::try_from(replicas.saturating_mul(percent) / 100).unwrap_or(u32::MAX).max(1)
            }
            _ => 0,
        },
    }
}

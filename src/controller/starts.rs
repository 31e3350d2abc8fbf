//! Which samples are about the start of a Pod.

use jiff::{SignedDuration, Timestamp};

use super::{owners::WorkloadId, policies, world::World};
use crate::{plan::startup, resources::PodView};

/// A sample of CPU is an average over at most so much time before it, as metrics pipelines are set up.
const SAMPLE_SPEAKS_OF: SignedDuration = SignedDuration::from_mins(1);

/// How long Pods may be starting: whether one is need only be asked of those that are younger.
pub struct Starts(SignedDuration);

impl Starts {
    /// By the policies that there are.
    pub fn of(world: &World) -> Self {
        let starts = world.policies.values().filter_map(|policy| policy.object.spec.startup.as_ref());
        Self(starts.map(startup::longest).max().unwrap_or(SignedDuration::ZERO))
    }

    /// The longest start that any policy speaks of; zero if none does.
    pub fn longest(&self) -> SignedDuration {
        self.0
    }

    /// Whether the Pod was starting in the time that a sample speaks of, and its policy says that this is out of the
    /// ordinary: the CPU of a start says nothing about that of the other Pods, nor of this one later.
    pub fn speaks_of_start(&self, world: &World, workload: &WorkloadId, pod: &PodView, at: Timestamp) -> bool {
        let earliest = at.saturating_sub(SAMPLE_SPEAKS_OF).unwrap_or(Timestamp::MIN);
        let is_young = pod.created.is_some_and(|created| earliest.duration_since(created) < self.0);
        is_young
            && policies::owner_of(workload, world)
                .and_then(|policy| policy.object.spec.startup.as_ref())
                .is_some_and(|policy| startup::is_active(policy, pod, earliest))
    }
}

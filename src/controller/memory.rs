//! What was done and met, as far as the cluster itself does not tell.
//!
//! Pods are remembered by UID. Everything here may be lost by a restart: a wait starts anew then, and the disruption
//! budget is empty.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kube::discovery::ApiResource;

use super::{
    journal::Action,
    owners::WorkloadId,
    world::{Key, PodRecord},
};
use crate::{
    api::{LastAction, VerticalResizePolicyStatus},
    plan::{Budget, PodHistory, PodState, Why},
    resources::Resources,
};

/// In any window of this length no more than one Pod, or [`DISRUPTED_PERCENT`] of the covered ones, is disrupted.
const DISRUPTION_WINDOW: SignedDuration = SignedDuration::from_mins(10);
const DISRUPTED_PERCENT: u32 = 2;

/// After this a workload whose replacement came without its size is tried again.
const UNSIZED_REMEMBERED: SignedDuration = SignedDuration::from_hours(6);

/// All that is remembered.
#[derive(Debug)]
pub struct Memory {
    /// By Pod UID.
    pub pods: BTreeMap<String, PodMemory>,
    /// By policy.
    pub policies: BTreeMap<Key, PolicyMemory>,
    /// Whether `pods/resize` is served, and since when that is known.
    pub resize_served: Option<(bool, Timestamp)>,
    /// Kinds that are not watched, as discovered, by API version and kind.
    pub kinds: BTreeMap<(String, String), ApiResource>,
    /// When the scale of a workload of such a kind was read last.
    pub scales_read: BTreeMap<WorkloadId, Timestamp>,
    /// The last eviction from each workload.
    evictions: BTreeMap<WorkloadId, Eviction>,
    budget: Budget,
    /// How many disruptions a window allows, as the budget was made.
    per_window: u32,
}

/// What is remembered of one Pod.
#[derive(Clone, Debug, Default)]
pub struct PodMemory {
    /// The planner's own clocks.
    pub history: PodHistory,
    /// What was told of it since it was last well, so that it is told once.
    pub told: BTreeSet<(Action, Option<Why>)>,
    /// Evictions refused in a row.
    pub evictions_refused: u32,
    /// Resizes in a row before which the Pod had changed.
    pub conflicts: u32,
    /// What the API server refused, and is not asked again for a while.
    pub hold: Option<Hold>,
}

/// A write that is not tried again until something changes or time has passed.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// `Resize` or `Evict`.
    pub action: Action,
    /// Until when.
    pub until: Timestamp,
    /// The Pod's generation and the policy's: a change of either ends it.
    pub generations: (i64, i64),
    /// What the Pod counts as meanwhile.
    pub state: PodState,
}

impl Hold {
    /// Whether it still holds.
    pub fn is_on(&self, action: Action, generations: (i64, i64), now: Timestamp) -> bool {
        self.action == action && self.generations == generations && now < self.until
    }
}

/// What is remembered of one policy.
#[derive(Clone, Debug, Default)]
pub struct PolicyMemory {
    /// The policy's UID.
    pub uid: String,
    /// The status that was last written.
    pub published: Option<VerticalResizePolicyStatus>,
    /// The last resize or eviction, if it was this process'.
    pub last_action: Option<LastAction>,
    /// Passes that failed in a row.
    pub failures: u32,
}

#[derive(Clone, Debug)]
struct Eviction {
    at: Timestamp,
    /// The least that a sized replacement requests, by container.
    wanted: BTreeMap<String, Resources>,
    /// The Pods that came since, by UID: each is judged when it is first seen, for it may be resized later.
    judged: BTreeSet<String>,
    unsized_replacement: bool,
}

impl Memory {
    /// Remembers nothing.
    pub fn new(now: Timestamp) -> Self {
        Self {
            pods: BTreeMap::new(),
            policies: BTreeMap::new(),
            resize_served: None,
            kinds: BTreeMap::new(),
            scales_read: BTreeMap::new(),
            evictions: BTreeMap::new(),
            budget: Budget::new(DISRUPTION_WINDOW, 1, now),
            per_window: 1,
        }
    }

    /// What is remembered of the policy; that of an older one under the same name is dropped.
    pub fn policy(&mut self, key: &Key, uid: &str) -> &mut PolicyMemory {
        let memory = self.policies.entry(key.clone()).or_default();
        if memory.uid != uid {
            *memory = PolicyMemory { uid: uid.to_owned(), ..PolicyMemory::default() };
        }
        memory
    }

    /// How many disruptions are allowed now, with so many Pods covered.
    pub fn disruptions_allowed(&mut self, covered: usize, now: Timestamp) -> u32 {
        // In powers of two, so that a Pod more or less does not start the budget anew (and empty).
        let share = u32::try_from(covered).unwrap_or(u32::MAX) / 100 * DISRUPTED_PERCENT;
        let per_window = 1_u32 << share.max(1).ilog2();
        if per_window != self.per_window {
            let every = DISRUPTION_WINDOW.as_secs() / i64::from(per_window);
            self.budget = Budget::new(SignedDuration::from_secs(every), 1, now);
            self.per_window = per_window;
        }
        self.budget.available(now)
    }

    /// When the next disruption is allowed, if none is now.
    pub fn next_disruption(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.budget.next_token(now)
    }

    /// A Pod was disrupted: evicted, or a container restarted to change its size.
    pub fn disrupted(&mut self, now: Timestamp) {
        self.budget.take(now);
    }

    /// A Pod of the workload was evicted, which is a disruption; a replacement with its size requests at least `wanted`.
    pub fn evicted(&mut self, workload: &WorkloadId, wanted: BTreeMap<String, Resources>, now: Timestamp) {
        self.disrupted(now);
        self.evictions.insert(
            workload.clone(),
            Eviction { at: now, wanted, judged: BTreeSet::new(), unsized_replacement: false },
        );
    }

    /// Looks whether Pods that came after the last eviction have their size. While they have not, an eviction gains
    /// nothing, and none follows.
    pub fn replacements_are_unsized<'a>(
        &mut self,
        workload: &WorkloadId,
        pods: impl IntoIterator<Item = &'a PodRecord>,
        now: Timestamp,
    ) -> bool {
        let Some(eviction) = self.evictions.get_mut(workload) else { return false };
        if now.duration_since(eviction.at) > UNSIZED_REMEMBERED {
            self.evictions.remove(workload);
            return false;
        }
        // Creation times are whole seconds.
        let evicted_at = eviction.at.as_second();
        let newer = |pod: &&PodRecord| pod.view.created.is_some_and(|created| created.as_second() > evicted_at);
        for pod in pods.into_iter().filter(newer) {
            if !eviction.judged.insert(pod.view.uid.clone()) {
                continue;
            }
            let is_sized = pod.view.containers.iter().all(|container| {
                eviction.wanted.get(&container.name).is_none_or(|wanted| wanted.fits_in(container.desired.requests))
            });
            eviction.unsized_replacement |= !is_sized;
        }
        eviction.unsized_replacement
    }

    /// Drops what is remembered of Pods and policies that are not there any more.
    pub fn keep_only(&mut self, pods: &BTreeSet<String>, policies: &BTreeSet<Key>) {
        self.pods.retain(|uid, _| pods.contains(uid));
        self.policies.retain(|key, _| policies.contains(key));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resources::MilliCpu;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn after(minutes: i64) -> Timestamp {
        NOW + SignedDuration::from_mins(minutes)
    }

    #[test]
    fn disruptions_are_bounded_over_time_from_the_start() {
        let mut memory = Memory::new(NOW);
        assert_eq!(memory.disruptions_allowed(10, NOW), 0);
        assert_eq!(memory.next_disruption(NOW), Some(after(10)));
        assert_eq!(memory.disruptions_allowed(10, after(10)), 1);
        memory.disrupted(after(10));
        assert_eq!(memory.disruptions_allowed(10, after(19)), 0);
    }

    #[test]
    fn a_large_cluster_allows_two_per_cent_a_window_and_growing_a_little_does_not_start_anew() {
        let mut memory = Memory::new(NOW);
        let mut disrupted = 0;
        for minute in 0..10 {
            let covered = 1_000 + usize::try_from(minute).unwrap();
            while memory.disruptions_allowed(covered, after(minute)) > 0 {
                memory.disrupted(after(minute));
                disrupted += 1;
            }
        }
        assert!((8..=20).contains(&disrupted), "{disrupted}");
    }

    fn pod(uid: &str, created: i64, cpu: &str) -> PodRecord {
        let pod = json!({
            "metadata": { "name": "p", "namespace": "shop", "uid": uid, "generation": 1 },
            "spec": { "containers": [{ "name": "app", "resources": { "requests": { "cpu": cpu } } }] },
        });
        let mut pod = PodRecord::read(&serde_json::from_value(pod).unwrap()).unwrap();
        pod.view.created = Some(after(created));
        pod
    }

    #[test]
    fn a_replacement_without_its_size_stops_further_evictions_for_a_while() {
        let workload = WorkloadId::new("shop", "apps/v1", "Deployment", "web");
        let wanted = BTreeMap::from([("app".to_owned(), Resources { cpu: Some(MilliCpu(900)), memory: None })]);
        let mut memory = Memory::new(NOW);
        memory.evicted(&workload, wanted, NOW);
        let mut unsized_with =
            |pods: &[PodRecord], minutes| memory.replacements_are_unsized(&workload, pods, after(minutes));
        assert!(!unsized_with(&[pod("old", -5, "100m")], 1), "an older Pod says nothing");
        assert!(!unsized_with(&[pod("a", 1, "1")], 1));
        assert!(!unsized_with(&[pod("a", 1, "100m")], 20), "it came with its size, and was resized later");
        assert!(unsized_with(&[pod("b", 21, "100m")], 21));
        assert!(unsized_with(&[], 60));
        assert!(!unsized_with(&[pod("c", 22, "100m")], 361));
    }

    #[test]
    fn a_policy_of_the_same_name_starts_with_no_memory_of_the_old_one() {
        let mut memory = Memory::new(NOW);
        let key = ("shop".to_owned(), "web".to_owned());
        memory.policy(&key, "u1").failures = 3;
        assert_eq!(memory.policy(&key, "u1").failures, 3);
        assert_eq!(memory.policy(&key, "u2").failures, 0);
    }
}

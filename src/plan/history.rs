//! Own clocks for one Pod, by its UID: condition times reset when a kubelet restarts, and names are reused.

use jiff::{SignedDuration, Timestamp};

use super::{
    ContainerChange, Wish,
    changes::{after, is_same, step},
    resize_state::{ResizeState, is_memory_decrease},
};
use crate::resources::{ContainerResources, PodView, ResourceKind, Resources};

/// How long the kubelet may try again (every 10 to 15 seconds) before a failing resize is taken back.
pub(super) const ERROR_PATIENCE: SignedDuration = SignedDuration::from_mins(3);

/// How long a size that failed is not tried again.
const FAILED_REMEMBERED: SignedDuration = SignedDuration::from_mins(30);

/// How long memory is not lowered again after the kubelet could not.
const MEMORY_DECREASE_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// What has been seen of and done to one Pod. Keep it by UID and drop it with the Pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodHistory {
    uid: String,
    sent_generation: i64,
    deferred: Option<Seen>,
    error: Option<Seen>,
    failed: Option<Seen>,
    in_progress: Option<Seen>,
    refused: Option<Refused>,
    too_large: Vec<(String, ResourceKind, Timestamp)>,
    memory_decrease_refused: Vec<(String, Timestamp)>,
    /// When a CPU request was lowered last.
    cpu_lowered: Option<Timestamp>,
}

/// When a state was first (or last) seen with these desired resources.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    desired: Vec<ContainerResources>,
    at: Timestamp,
}

/// What a Node can never grant.
#[derive(Clone, Debug, PartialEq)]
struct Refused {
    node: Option<String>,
    /// Of the resources that had grown: the Pod's request in all.
    grown: Resources,
}

impl PodHistory {
    /// Notes what the Pod shows now; call it on every look, before [`plan`](super::plan()).
    pub fn observe(&mut self, pod: &PodView, wishes: &[Wish], now: Timestamp) {
        if self.uid != pod.uid {
            *self = Self { uid: pod.uid.clone(), ..Self::default() };
        }
        let state = ResizeState::of(pod);
        let desired: Vec<_> = pod.containers.iter().map(|container| container.desired).collect();
        let first_seen = |known: &Option<Seen>, holds: bool| {
            let same = known.clone().filter(|seen| seen.desired == desired);
            holds.then(|| same.unwrap_or(Seen { desired: desired.clone(), at: now }))
        };
        self.deferred = first_seen(&self.deferred, matches!(state, ResizeState::Deferred(_)));
        self.error = first_seen(&self.error, matches!(state, ResizeState::Error(_)));
        self.in_progress = first_seen(&self.in_progress, state == ResizeState::InProgress);
        match state {
            ResizeState::Error(message) if is_memory_decrease(message) => self.note_memory_decrease(pod, now),
            ResizeState::Error(_) => self.failed = Some(Seen { desired, at: now }),
            ResizeState::Infeasible => self.note_refused(pod, &[]),
            _ => {}
        }
        self.note_too_large(pod, wishes, now);
    }

    /// Notes that `changes` were sent and accepted, as the Pod's `generation`: a wait for the kubelet starts anew.
    pub fn sent(&mut self, changes: &[ContainerChange], generation: i64, now: Timestamp) {
        if changes.iter().any(|change| change.to.requests.cpu < change.from.requests.cpu) {
            self.cpu_lowered = Some(now);
        }
        self.sent_generation = generation;
        let changed = |name: &str| changes.iter().any(|change| change.container == name);
        self.too_large.retain(|(container, ..)| !changed(container));
        self.in_progress = None;
    }

    /// Notes that the API server refused `changes` for good on the Pod's Node (403 NodeCapacity or platform).
    pub fn refused(&mut self, pod: &PodView, changes: &[ContainerChange], _now: Timestamp) {
        self.note_refused(pod, changes);
    }

    /// Whether the last resize sent is newer than the Pod as it is seen: own writes count at once.
    pub(super) fn is_ahead_of(&self, pod: &PodView) -> bool {
        self.uid == pod.uid && pod.generation < self.sent_generation
    }

    pub(super) fn deferred_since(&self) -> Option<Timestamp> {
        self.deferred.as_ref().map(|seen| seen.at)
    }

    pub(super) fn error_since(&self) -> Option<Timestamp> {
        self.error.as_ref().map(|seen| seen.at)
    }

    pub(super) fn in_progress_since(&self) -> Option<Timestamp> {
        self.in_progress.as_ref().map(|seen| seen.at)
    }

    pub(super) fn too_large_since(&self, container: &str, resource: ResourceKind) -> Option<Timestamp> {
        let known = self.too_large.iter().find(|(name, kind, _)| name == container && *kind == resource);
        known.map(|(_, _, since)| *since)
    }

    pub(super) fn memory_decrease_refused(&self, container: &str, now: Timestamp) -> bool {
        let mut refused = self.memory_decrease_refused.iter();
        refused.any(|(name, at)| name == container && now.duration_since(*at) < MEMORY_DECREASE_PAUSE)
    }

    /// Whether a CPU request was lowered at `start` or later.
    pub(super) fn cpu_lowered_since(&self, start: Timestamp) -> bool {
        self.cpu_lowered.is_some_and(|at| at >= start)
    }

    /// Until when `changes` are not tried, since about the same size failed.
    pub(super) fn failed_until(&self, pod: &PodView, changes: &[ContainerChange], now: Timestamp) -> Option<Timestamp> {
        let failed = self.failed.as_ref()?;
        let until = failed.at.saturating_add(FAILED_REMEMBERED).unwrap_or(Timestamp::MAX);
        let wanted = pod.containers.iter().map(|container| after(container, changes));
        let alike = wanted.zip(&failed.desired).all(|(wanted, failed)| is_alike(&wanted, failed));
        (now < until && alike).then_some(until)
    }

    /// Whether the Pod's Node can never grant `changes`: they ask for as much as what it refused.
    pub(super) fn is_refused(&self, pod: &PodView, changes: &[ContainerChange]) -> bool {
        let Some(refused) = self.refused.as_ref().filter(|refused| refused.node == pod.node) else { return false };
        let total = pod.requests_with(|container| after(container, changes).requests);
        let cpu = refused.grown.cpu.is_some() && total.cpu >= refused.grown.cpu;
        let memory = refused.grown.memory.is_some() && total.memory >= refused.grown.memory;
        cpu || memory
    }

    fn note_refused(&mut self, pod: &PodView, changes: &[ContainerChange]) {
        let wanted = pod.requests_with(|container| after(container, changes).requests);
        let granted = pod.requests_with(|container| container.allocated.unwrap_or(container.desired.requests));
        let grown = Resources {
            cpu: wanted.cpu.filter(|_| wanted.cpu > granted.cpu),
            memory: wanted.memory.filter(|_| wanted.memory > granted.memory),
        };
        self.refused = Some(Refused { node: pod.node.clone(), grown });
    }

    fn note_memory_decrease(&mut self, pod: &PodView, now: Timestamp) {
        let falls = |name: &str| {
            let container = pod.container(name);
            container.is_some_and(|c| c.actual.is_none_or(|actual| c.desired.limits.memory < actual.limits.memory))
        };
        self.memory_decrease_refused.retain(|(name, _)| !falls(name));
        let fallen = pod.containers.iter().filter(|container| falls(&container.name));
        self.memory_decrease_refused.extend(fallen.map(|container| (container.name.clone(), now)));
    }

    fn note_too_large(&mut self, pod: &PodView, wishes: &[Wish], now: Timestamp) {
        let mut too_large = Vec::new();
        for wish in wishes {
            let Some(container) = pod.container(&wish.container) else { continue };
            for resource in [ResourceKind::Cpu, ResourceKind::Memory] {
                let step = step(container, wish, resource);
                if !is_same(&step) && !step.is_up() {
                    let since = self.too_large_since(&wish.container, resource).unwrap_or(now);
                    too_large.push((wish.container.clone(), resource, since));
                }
            }
        }
        self.too_large = too_large;
    }
}

/// Whether no amount differs by more than a tenth.
fn is_alike(one: &ContainerResources, other: &ContainerResources) -> bool {
    let near = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (Some(one), Some(other)) => one.abs_diff(other) <= one.max(other) / 10,
        (one, other) => one == other,
    };
    let both_near = |one: Resources, other: Resources| {
        near(one.cpu.map(|cpu| cpu.0), other.cpu.map(|cpu| cpu.0))
            && near(one.memory.map(|memory| memory.0), other.memory.map(|memory| memory.0))
    };
    both_near(one.requests, other.requests) && both_near(one.limits, other.limits)
}

//! A Pod's resize: pending, allocated, carried out.
//!
//! Rules: KEP-1287; k8s.io/kubernetes v1.37 `pkg/kubelet/status` (conditions) and `pkg/kubelet/kuberuntime` (actuation).

use std::ops::RangeInclusive;

use jiff::Timestamp;

use super::{
    actuation::{Change, check_memory},
    allocation::{Ask, Verdict},
    container::{Exit, Run},
    options::{Fault, Target},
    pod::{PodState, World},
};
use crate::{
    resources::{ContainerView, PendingReason},
    sim::ledger::Happening,
};

/// From a failed attempt to the next (`backOffPeriod`, jittered).
const RETRY_MILLIS: RangeInclusive<i64> = 10_000..=15_000;

/// The condition `PodResizePending`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) reason: PendingReason,
    pub(super) message: String,
    pub(super) since: Timestamp,
    pub(super) evaluated: Timestamp,
    pub(super) generation: i64,
}

/// The condition `PodResizeInProgress`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InProgress {
    pub(super) error: Option<String>,
    pub(super) since: Timestamp,
    /// The generation that was allocated.
    pub(super) generation: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ResizeState {
    pub(super) pending: Option<Pending>,
    pub(super) in_progress: Option<InProgress>,
    /// When the runtime is told next.
    pub(super) next_attempt: Option<Timestamp>,
    /// Attempts that failed, over the Pod's life.
    pub(super) failures: u32,
}

impl PodState {
    /// Whether the spec asks for something else than was promised.
    pub(super) fn wants_resize(&self) -> bool {
        self.view.containers.iter().any(|c| c.desired != self.allocated(&c.name))
    }

    /// Whether the spec asks for no more than was promised, of either resource.
    pub(super) fn wants_no_more(&self) -> bool {
        let desired = self.view.requests_with(|c| c.desired.requests);
        desired.fits_in(self.view.requests_with(|c| self.allocated(&c.name).requests))
    }

    /// What the spec asks for.
    pub(super) fn ask(&self) -> Ask {
        let changes = |differs: fn(&ContainerView, &PodState) -> bool| {
            self.view.containers.iter().any(|container| differs(container, self))
        };
        Ask {
            requests: self.view.requests_with(|c| c.desired.requests),
            qos: self.view.qos,
            changes_cpu_request: changes(|c, pod| c.desired.requests.cpu != pod.allocated(&c.name).requests.cpu),
            changes_memory_request: changes(|c, pod| {
                c.desired.requests.memory != pod.allocated(&c.name).requests.memory
            }),
        }
    }

    /// Takes the answer of the Node: promises the new size to all containers, or notes why not.
    pub(super) fn answer(&mut self, verdict: Verdict, world: &World, now: Timestamp) {
        match verdict {
            Verdict::Granted => self.allocate(world, now),
            Verdict::Deferred(message) => self.note_pending(PendingReason::Deferred, message, now),
            Verdict::Infeasible(message) => self.note_pending(PendingReason::Infeasible, message, now),
        }
    }

    fn note_pending(&mut self, reason: PendingReason, message: String, now: Timestamp) {
        let since = match &self.resize.pending {
            Some(pending) if pending.reason == reason => pending.since,
            _ => now,
        };
        let generation = self.view.generation;
        self.resize.pending = Some(Pending { reason, message, since, evaluated: now, generation });
        self.dirty = true;
    }

    fn allocate(&mut self, world: &World, now: Timestamp) {
        for index in 0..self.containers.len() {
            let delay = self.restart_delay(index, world);
            let container = &mut self.containers[index];
            if let Some(view) = self.view.container(&container.name) {
                container.allocated = view.desired;
                container.forget_back_off(now, delay);
            }
        }
        self.resize.pending = None;
        self.dirty = true;
        let generation = self.view.generation;
        self.resize.in_progress = Some(InProgress { error: None, since: now, generation });
        self.plan_attempt(world, now);
        self.finish_resize_if_done();
    }

    /// Has the runtime told a little later.
    pub(super) fn plan_attempt(&mut self, world: &World, now: Timestamp) {
        let generation = u32::try_from(self.view.generation).unwrap_or(u32::MAX);
        let wait = world.chance.delay(self.uid(), "actuate", generation, &world.options.latencies.actuate);
        self.resize.next_attempt = Some(now + wait);
    }

    /// Tells the runtime about every running container that lags behind what it was promised.
    pub(super) fn actuate(&mut self, world: &World, now: Timestamp) {
        self.resize.next_attempt = None;
        if world.options.faults.iter().any(|fault| self.is_stuck_by(fault)) {
            return;
        }
        let outcome = self.injected_failure(world).map_or_else(|| self.check(), Err);
        match outcome {
            Err(message) => self.fail_attempt(message, world, now),
            Ok(()) => {
                (0..self.containers.len()).for_each(|index| self.actuate_container(index, world, now));
                self.finish_resize_if_done();
            }
        }
    }

    fn is_stuck_by(&self, fault: &Fault) -> bool {
        matches!(fault, Fault::ResizeNeverFinishes { target } if self.is_struck(target))
    }

    fn is_struck(&self, target: &Target) -> bool {
        self.key.namespace == target.namespace && self.workload.name == target.workload
    }

    fn injected_failure(&self, world: &World) -> Option<String> {
        world.options.faults.iter().find_map(|fault| match fault {
            Fault::ActuationFails { target, attempts, message }
                if self.is_struck(target) && self.resize.failures < *attempts =>
            {
                Some(message.clone())
            }
            _ => None,
        })
    }

    fn check(&self) -> Result<(), String> {
        let lagging = self.containers.iter().filter(|c| c.lags());
        let changes: Vec<_> = lagging.map(change).collect();
        check_memory(&changes, self.memory())
    }

    fn actuate_container(&mut self, index: usize, world: &World, now: Timestamp) {
        let container = &mut self.containers[index];
        if !container.lags() {
            return;
        }
        self.dirty = true;
        if change(container).restarts() {
            container.take_down(Exit::TERMINATED, now);
            container.run = Run::Down { until: now + world.options.latencies.resize_restart, back_off: None };
            return self.report(index, world, now);
        }
        container.actuated = container.allocated;
        world.ledger.count(&self.account(index), Happening::Resize, now);
        self.consume(index, world, now);
    }

    fn fail_attempt(&mut self, message: String, world: &World, now: Timestamp) {
        let wait = world.chance.delay(self.uid(), "retry", self.resize.failures, &RETRY_MILLIS);
        self.resize.next_attempt = Some(now + wait);
        self.resize.failures += 1;
        let generation = self.view.generation;
        let progress = self.resize.in_progress.get_or_insert(InProgress { error: None, since: now, generation });
        if progress.error.is_none() {
            progress.since = now;
        }
        progress.error = Some(message);
        self.dirty = true;
    }

    /// The kubelet started anew: conditions are known from the API server, but not since when they hold.
    pub(super) fn restarted(&mut self, world: &World, now: Timestamp) {
        if let Some(pending) = &mut self.resize.pending {
            pending.since = now;
        }
        if let Some(progress) = &mut self.resize.in_progress {
            progress.since = now;
            self.plan_attempt(world, now);
        }
        self.written = None;
        self.dirty = true;
    }

    /// A resize is done when no running container lags and none is down because of it. Containers that are down for
    /// another reason start with what they were promised.
    pub(super) fn finish_resize_if_done(&mut self) {
        let being_resized =
            |run: Run, size_differs: bool| size_differs && matches!(run, Run::Down { back_off: None, .. });
        let busy = self.containers.iter().any(|c| c.lags() || being_resized(c.run, c.actuated != c.allocated));
        if self.resize.in_progress.is_some() && !busy {
            self.resize.in_progress = None;
            self.resize.next_attempt = None;
            self.dirty = true;
        }
    }
}

fn change(container: &super::container::ContainerState) -> Change<'_> {
    Change {
        container: &container.name,
        from: container.actuated,
        to: container.allocated,
        policy: container.policy,
        usage: container.usage.memory,
    }
}

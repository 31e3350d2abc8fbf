//! One Pod on its Node, from admission to its end: a state machine that is told the time.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::ResourceExt;

use super::{
    allocation::Rejection,
    chance::Chance,
    container::{ContainerState, Exit, Run, Usage},
    identity::{self, Pace, SERIES, Workload},
    options::Options,
    resize::ResizeState,
};
use crate::{
    resources::{Bytes, ContainerKind, ContainerResources, PodPhase, PodView, Resources},
    sim::{
        informer::ObjectKey,
        ledger::{AccountKey, Happening, Ledger, Reading},
        load::{Load, LoadKey},
    },
};

/// What surrounds every Pod.
pub(super) struct World {
    pub(super) chance: Chance,
    pub(super) options: Options,
    pub(super) load: Arc<dyn Load>,
    pub(super) ledger: Ledger,
}

/// How far a Pod has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its Node is not known yet.
    Unadmitted,
    /// The Node refused it.
    Rejected(Rejection),
    /// Its containers start at this time.
    Starting { at: Timestamp },
    /// Its containers run, or wait to be started again.
    Running,
    /// Every container ended for good.
    Ended { well: bool },
    /// It was taken down to be deleted.
    Stopped { well: bool },
}

pub(super) struct PodState {
    pub(super) key: ObjectKey,
    pub(super) object: Arc<Pod>,
    pub(super) view: PodView,
    pub(super) workload: Workload,
    pub(super) pace: Pace,
    pub(super) stage: Stage,
    /// When the kubelet took it on.
    pub(super) started: Timestamp,
    pub(super) ip: Option<String>,
    pub(super) containers: Vec<ContainerState>,
    pub(super) resize: ResizeState,
    /// When it is taken down, once it is being deleted.
    pub(super) stopping: Option<Timestamp>,
    /// The status that the API server has from this kubelet.
    pub(super) written: Option<PodStatus>,
    /// Something that the status shows may have changed.
    pub(super) dirty: bool,
    /// Core-seconds of its containers that are gone for good.
    pub(super) cpu_of_ended: f64,
}

impl PodState {
    pub(super) fn new(key: ObjectKey, object: Arc<Pod>, view: PodView, now: Timestamp) -> Self {
        let containers =
            view.containers.iter().map(|c| ContainerState::new(&c.name, c.kind, c.resize_policy, c.desired)).collect();
        // A kubelet that finds a Pod that has ended leaves it so.
        let ended = Stage::Ended { well: view.phase == PodPhase::Succeeded };
        let stage = if view.finished() { ended } else { Stage::Unadmitted };
        Self {
            key,
            workload: Workload::of(&object),
            pace: Pace::of(&object),
            stage,
            started: now,
            ip: None,
            containers,
            resize: ResizeState::default(),
            stopping: None,
            written: None,
            dirty: false,
            cpu_of_ended: 0.0,
            object,
            view,
        }
    }

    pub(super) fn uid(&self) -> &str {
        &self.view.uid
    }

    /// Whether it holds room on its Node.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.stage, Stage::Starting { .. } | Stage::Running)
    }

    /// What it holds on its Node: what it was promised or, until the API server has shown otherwise, what it had.
    pub(super) fn held(&self) -> Resources {
        let allocated = self.view.requests_with(|c| self.allocated(&c.name).requests);
        let reported = self.view.requests_with(|c| c.allocated.unwrap_or_default());
        let actual = self.view.requests_with(|c| c.actual.unwrap_or_default().requests);
        allocated.max(reported).max(actual)
    }

    pub(super) fn allocated(&self, container: &str) -> ContainerResources {
        self.containers.iter().find(|c| c.name == container).map_or_else(Default::default, |c| c.allocated)
    }

    /// All memory that its containers hold.
    pub(super) fn memory(&self) -> Bytes {
        self.containers.iter().map(|c| c.usage.memory).sum()
    }

    /// The next moment at which something happens by itself.
    pub(super) fn wake(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Starting { at } => Some(self.stopping.map_or(at, |stopping| stopping.min(at))),
            Stage::Running => {
                let containers = self.containers.iter().filter_map(ContainerState::wake).min();
                [containers, self.resize.next_attempt, self.stopping].into_iter().flatten().min()
            }
            Stage::Unadmitted | Stage::Rejected(_) | Stage::Ended { .. } => self.stopping,
            Stage::Stopped { .. } => None,
        }
    }

    /// Admitted: its containers start a little later.
    pub(super) fn admit(&mut self, world: &World, ip: String, now: Timestamp) {
        self.started = now;
        self.ip = Some(ip);
        let wait = world.chance.delay(self.uid(), "start", 0, &world.options.latencies.start);
        self.stage = Stage::Starting { at: now + wait };
        self.dirty = true;
        (0..self.containers.len()).for_each(|index| self.report(index, world, now));
    }

    /// Being deleted: it is taken down a little later.
    pub(super) fn begin_stop(&mut self, world: &World, now: Timestamp) {
        if self.stopping.is_none() {
            let never_ran = !matches!(self.stage, Stage::Running);
            let grace = self.object.metadata.deletion_grace_period_seconds;
            let at_once = never_ran || grace == Some(0);
            let wait = world.chance.delay(self.uid(), "stop", 0, &world.options.latencies.stop);
            self.stopping = Some(if at_once { now } else { now + wait });
        }
    }

    /// Does everything that is due.
    pub(super) fn step(&mut self, world: &World, now: Timestamp) {
        if self.stopping.is_some_and(|at| at <= now) {
            return self.stop(world, now);
        }
        if matches!(self.stage, Stage::Starting { at } if at <= now) {
            self.stage = Stage::Running;
            self.dirty = true;
            (0..self.containers.len()).for_each(|index| self.bring_up(index, world, now));
        }
        if self.stage == Stage::Running {
            (0..self.containers.len()).for_each(|index| self.step_container(index, world, now));
            self.end_if_done(world, now);
        }
        if self.stage == Stage::Running && self.resize.next_attempt.is_some_and(|at| at <= now) {
            self.actuate(world, now);
        }
    }

    fn step_container(&mut self, index: usize, world: &World, now: Timestamp) {
        let due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        let container = &mut self.containers[index];
        match container.run {
            Run::Down { until, .. } if until <= now => self.bring_up(index, world, now),
            Run::Up { ends, .. } if due(ends) => self.exit(index, Exit::COMPLETED, world, now),
            Run::Up { .. } => {
                if due(container.ready_at) {
                    (container.ready, container.ready_at) = (true, None);
                    self.dirty = true;
                }
                if due(container.next_demand) {
                    self.consume(index, world, now);
                }
                if due(self.containers[index].oom_at) {
                    self.oom_kill(index, world, now);
                }
            }
            Run::Created | Run::Down { .. } | Run::Over => {}
        }
    }

    fn bring_up(&mut self, index: usize, world: &World, now: Timestamp) {
        let work = self.pace.work.filter(|_| self.containers[index].kind == ContainerKind::App);
        let container = &mut self.containers[index];
        let restarts = container.restarts;
        let resized = container.actuated != container.allocated;
        let startup = self.pace.startup.unwrap_or(world.options.latencies.readiness);
        container.bring_up(now, startup, work);
        self.dirty = true;
        let account = self.account(index);
        if self.containers[index].restarts > restarts {
            world.ledger.count(&account, Happening::Restart, now);
        }
        if resized {
            world.ledger.count(&account, Happening::Resize, now);
        }
        self.consume(index, world, now);
        self.finish_resize_if_done();
    }

    /// Takes what it wants now, as far as its size lets it.
    pub(super) fn consume(&mut self, index: usize, world: &World, now: Timestamp) {
        let container = &self.containers[index];
        let Some(since) = container.up_since() else { return };
        let key = LoadKey {
            namespace: &self.key.namespace,
            workload: &self.workload.name,
            pod: &self.key.name,
            container: &container.name,
            series: self.object.annotations().get(SERIES).map(String::as_str),
            started: since,
        };
        let demand = identity::demand(&self.object, &container.name, world.load.demand(&key, now));
        let usage = Usage::within(&container.actuated.limits, demand);
        let next_demand = world.load.next_change(&key, now);
        let container = &mut self.containers[index];
        container.usage = usage;
        container.next_demand = next_demand;
        let kill_at = container.oom_at.unwrap_or(now.max(since + world.options.latencies.fill_memory));
        container.oom_at = usage.over_limit.then_some(kill_at);
        self.report(index, world, now);
    }

    fn oom_kill(&mut self, index: usize, world: &World, now: Timestamp) {
        world.ledger.count(&self.account(index), Happening::OomKill, now);
        self.containers[index].oom_kills += 1;
        self.exit(index, Exit::OOM_KILLED, world, now);
    }

    fn exit(&mut self, index: usize, exit: Exit, world: &World, now: Timestamp) {
        let policy = self.object.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
        let delay = self.restart_delay(index, world);
        let container = &mut self.containers[index];
        container.take_down(exit, now);
        let starts_again = match policy {
            _ if container.kind == ContainerKind::Sidecar => true,
            Some("Never") => false,
            Some("OnFailure") => exit.code != 0,
            _ => true,
        };
        if starts_again {
            container.start_again(now, delay);
        }
        self.dirty = true;
        self.report(index, world, now);
        self.finish_resize_if_done();
    }

    pub(super) fn restart_delay(&self, index: usize, world: &World) -> SignedDuration {
        world.chance.delay(self.uid(), "restart", self.containers[index].runs, &world.options.latencies.restart)
    }

    /// A Pod ends when its app containers have; sidecars are taken down then.
    fn end_if_done(&mut self, world: &World, now: Timestamp) {
        let mut apps = self.containers.iter().filter(|c| c.kind == ContainerKind::App);
        if apps.all(|c| c.run == Run::Over) {
            let well = self.ended_well();
            self.take_all_down(world, now);
            self.stage = Stage::Ended { well };
        }
    }

    fn stop(&mut self, world: &World, now: Timestamp) {
        let well = self.ended_well();
        self.take_all_down(world, now);
        self.stage = Stage::Stopped { well };
        self.stopping = None;
    }

    /// Takes down what runs and gives back all room.
    pub(super) fn take_all_down(&mut self, world: &World, now: Timestamp) {
        for index in 0..self.containers.len() {
            if self.containers[index].run != Run::Over {
                self.containers[index].take_down(Exit::TERMINATED, now);
            }
            let came_to = world.ledger.close(&self.account(index), &self.key.name, now);
            self.cpu_of_ended += came_to.map_or(0.0, |counters| counters.cpu_of_all_runs());
        }
        self.resize = ResizeState::default();
        self.dirty = true;
    }

    fn ended_well(&self) -> bool {
        let mut apps = self.containers.iter().filter(|c| c.kind == ContainerKind::App);
        apps.all(|c| c.run == Run::Over && c.last.is_some_and(|ended| ended.exit.code == 0))
    }

    /// Tells the ledger what holds from now on.
    pub(super) fn report(&self, index: usize, world: &World, now: Timestamp) {
        let container = &self.containers[index];
        let running = container.up_since().is_some();
        let desired = self.view.container(&container.name).map_or(container.allocated, |c| c.desired);
        let reading = Reading {
            running,
            cpu: container.usage.cpu,
            throttled: container.usage.throttled,
            memory: container.usage.memory,
            requests: desired.requests,
            limits: if running { container.actuated.limits } else { container.allocated.limits },
        };
        world.ledger.observe(&self.account(index), &self.key.name, reading, now);
    }

    pub(super) fn account(&self, index: usize) -> AccountKey {
        AccountKey {
            namespace: self.key.namespace.clone(),
            kind: self.workload.kind.clone(),
            workload: self.workload.name.clone(),
            container: self.containers[index].name.clone(),
        }
    }
}

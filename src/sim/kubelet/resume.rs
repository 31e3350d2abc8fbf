//! A Pod that ran before its kubelet started: it runs on, as the API server says it did.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState as ApiState, ContainerStateTerminated, ContainerStatus};

use super::{
    container::{ContainerState, Ended, Exit, Run},
    pod::{PodState, Stage, World},
    resize::InProgress,
    status::RUNTIME,
};
use crate::resources::{ContainerResources, ContainerView, PodPhase};

impl PodState {
    /// Whether it was a kubelet of this kind that ran it.
    pub(super) fn ran_before(&self) -> bool {
        let is_ours = |status: &ContainerStatus| status.container_id.as_ref().is_some_and(|id| id.starts_with(RUNTIME));
        self.view.phase == PodPhase::Running && self.statuses().any(is_ours)
    }

    /// Takes it up where it was left: sizes, runs, restarts.
    pub(super) fn resume(&mut self, world: &World, now: Timestamp) {
        let statuses: Vec<ContainerStatus> = self.statuses().cloned().collect();
        let status = self.object.status.clone().unwrap_or_default();
        self.started = status.start_time.map_or(now, |time| time.0);
        self.ip = status.pod_ip;
        self.stage = Stage::Running;
        for container in &mut self.containers {
            let view = self.view.container(&container.name);
            let Some(status) = statuses.iter().find(|status| status.name == container.name) else { continue };
            container.resume(status, view, now);
            let startup = self.pace.startup.unwrap_or(world.options.latencies.readiness);
            container.ready_at = container.up_since().filter(|_| !container.ready).map(|since| since + startup);
        }
        if self.containers.iter().any(ContainerState::lags) {
            self.resize.in_progress = Some(InProgress { error: None, since: now, generation: self.view.generation });
            self.plan_attempt(world, now);
        }
        (0..self.containers.len()).for_each(|index| self.report(index, world, now));
        (0..self.containers.len()).for_each(|index| self.consume(index, world, now));
        self.dirty = true;
    }

    fn statuses(&self) -> impl Iterator<Item = &ContainerStatus> {
        let status = self.object.status.as_ref();
        let lists = status.map(|status| [status.container_statuses.as_ref(), status.init_container_statuses.as_ref()]);
        lists.into_iter().flatten().flatten().flatten()
    }
}

impl ContainerState {
    fn resume(&mut self, status: &ContainerStatus, view: Option<&ContainerView>, now: Timestamp) {
        let actual = view.and_then(|view| view.actual).unwrap_or(self.allocated);
        let requests = view.and_then(|view| view.allocated).unwrap_or(actual.requests);
        (self.allocated, self.actuated) = (ContainerResources { requests, limits: actual.limits }, actual);
        let id = status.container_id.as_deref().unwrap_or_default();
        self.runs = id.rsplit('-').next().and_then(|run| run.parse().ok()).unwrap_or(1);
        (self.restarts, self.ready) = (status.restart_count, status.ready);
        let (state, last) = (status.state.as_ref(), status.last_state.as_ref());
        let ended = |state: Option<&ApiState>| state.and_then(|state| state.terminated.as_ref()).map(ended);
        self.last = ended(state).or_else(|| ended(last)).map(|ended| Ended { run: self.runs, ..ended });
        self.run = match state.and_then(|state| state.running.as_ref()) {
            Some(running) => Run::Up { since: running.started_at.as_ref().map_or(now, |time| time.0), ends: None },
            // What was down is started again at once; how long it was to wait is not known any more.
            None if self.runs > 0 => Run::Down { until: now, back_off: None },
            None => Run::Created,
        };
    }
}

fn ended(terminated: &ContainerStateTerminated) -> Ended {
    let exit = match terminated.exit_code {
        0 => Exit::COMPLETED,
        137 => Exit::OOM_KILLED,
        _ => Exit::TERMINATED,
    };
    let time = |time: Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>| {
        time.map_or(Timestamp::UNIX_EPOCH, |time| time.0)
    };
    let (started, finished) = (time(terminated.started_at.as_ref()), time(terminated.finished_at.as_ref()));
    Ended { exit, started, finished, run: 1 }
}

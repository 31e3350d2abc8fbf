//! Chooses the next step for one Pod, with its reason.
//!
//! `recommend` says what a container should get; this room says what to do about it *now*. It reads no clock, calls
//! nothing and cannot fail. Start at [`plan()`].

mod answers;
pub mod budget;
mod changes;
mod eviction;
pub mod history;
pub mod resize_state;
mod room;
pub mod startup;
pub mod why;

use jiff::Timestamp;

pub use self::{budget::Budget, changes::restarts, history::PodHistory, resize_state::ResizeState, why::Why};
use self::{changes::Moves, resize_state::is_memory_decrease};
use crate::{
    api::{Period, Strategy, VerticalResizePolicySpec},
    resources::{Bytes, ContainerKind, ContainerResources, NodeView, PodPhase, PodView, QosClass, Resources},
};

/// What one container of the Pod should have.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// The container's name.
    pub container: String,
    /// Requests and limits wanted, start-up boost included.
    pub size: ContainerResources,
    /// Requests below this are likely to hurt.
    pub lower: Resources,
    /// Requests above this are likely to be waste; where absent, nothing is lowered.
    pub upper: Resources,
    /// Recent memory peak: a memory limit is never lowered below it.
    pub peak: Option<Bytes>,
    /// There is a shortage now: an OOM kill, or use or throttling above the size in force.
    pub urgent: bool,
}

/// The Pod's Node and its room.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeRoom {
    /// The Node.
    pub node: NodeView,
    /// Allocatable less the footprint of the *other* Pods on it.
    pub free: Resources,
}

/// The Pod's workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkloadView {
    /// How many Pods it should have.
    pub desired_replicas: i32,
    /// How many of its Pods are live.
    pub live: u32,
    /// How many are not Ready, terminating, or evicted and not yet back.
    pub unavailable: u32,
    /// Whether a controller brings evicted Pods back.
    pub recreates: bool,
    /// Why no Pod of it may be evicted now, if so.
    pub evictions_blocked: Option<Why>,
}

/// What becomes of the size of a Pod that is created now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewPods {
    /// It gets the size that it should have.
    #[default]
    Sized,
    /// It keeps its template's size, for admission is not to be had now.
    UnsizedNow,
    /// It keeps its template's size, for nothing is set up to give it another.
    Unsized,
}

impl NewPods {
    /// Why no Pod may be evicted so that it comes back at another size, if so.
    pub fn barrier(self) -> Option<Why> {
        match self {
            Self::Sized => None,
            Self::UnsizedNow => Some(Why::AdmissionUnavailable),
            Self::Unsized => Some(Why::AdmissionOff),
        }
    }
}

/// The cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterView {
    /// Whether the API server serves `pods/resize`.
    pub resize_served: bool,
    /// What an evicted Pod's replacement would get.
    pub new_pods: NewPods,
    /// How many evictions the [`Budget`] allows now.
    pub eviction_tokens: u32,
}

/// All that a decision about one Pod is made from.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The Pod.
    pub pod: &'a PodView,
    /// Its Node; `None` if it is not known.
    pub room: Option<&'a NodeRoom>,
    /// Free room on each other Node that the Pod may be placed on.
    pub elsewhere: &'a [Resources],
    /// What its containers should have; a container without a wish stays as it is.
    pub wishes: &'a [Wish],
    /// The policy.
    pub spec: &'a VerticalResizePolicySpec,
    /// What has been seen of it before.
    pub history: &'a PodHistory,
    /// Its workload.
    pub workload: &'a WorkloadView,
    /// The cluster.
    pub cluster: &'a ClusterView,
}

/// What to do with one Pod, and why: no step exists without its reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What to do.
    pub step: Step,
    /// Why.
    pub why: Why,
}

/// What to do with one Pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing.
    Keep,
    /// Resize these containers: only those that change, and of them only the resources that change.
    Resize(Vec<ContainerChange>),
    /// Nothing now; look again when something changes, or at `until`.
    Wait {
        /// When to look again at the latest, if time alone changes the answer.
        until: Option<Timestamp>,
    },
    /// Evict the Pod, so that it comes back at its new size.
    Evict,
}

/// One container's change. A resource that does not change is absent from `from` and `to`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ContainerChange {
    /// The container's name.
    pub container: String,
    /// App or sidecar: which list of the spec it stands in.
    #[serde(skip)]
    pub kind: ContainerKind,
    /// What the spec says now, of the resources that change.
    pub from: ContainerResources,
    /// What it should say.
    pub to: ContainerResources,
}

/// A Pod by the state of its resize, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumIter)]
pub enum PodState {
    /// Runs at the size it should have.
    Fitted,
    /// A resize is on its way.
    InProgress,
    /// A resize waits for room on the Node.
    Deferred,
    /// The Node can never grant the size.
    Infeasible,
    /// The kubelet reports an error.
    Error,
    /// Is being evicted.
    Evicted,
    /// None of these: left alone, or not yet acted on.
    Other,
}

/// The next step for one Pod, now.
pub fn plan(situation: &Situation<'_>, now: Timestamp) -> Plan {
    if let Some(why) = left_alone(situation) {
        return keep(why);
    }
    let moves = Moves::of(situation, now);
    let known = |wish: &Wish| wish.lower != Resources::default() || wish.upper != Resources::default();
    if moves.all().is_empty() && !situation.wishes.iter().any(known) {
        return startup::woken(keep(Why::NoSamples), situation, now);
    }
    if situation.spec.strategy == Strategy::Recreate {
        return answers::recreate(situation, &moves);
    }
    startup::woken(in_place(situation, &moves, now), situation, now)
}

/// The next step of a Pod that is resized where it is.
fn in_place(situation: &Situation<'_>, moves: &Moves<'_>, now: Timestamp) -> Plan {
    if situation.history.is_ahead_of(situation.pod) {
        return wait(Why::ResizeNotSeen);
    }
    match ResizeState::of(situation.pod) {
        ResizeState::NotSeen => wait(Why::ResizeNotSeen),
        ResizeState::Settled => answers::settled(situation, moves, now),
        ResizeState::InProgress => answers::in_progress(situation, moves, now),
        ResizeState::Error(message) if is_memory_decrease(message) => answers::memory_decrease_failed(situation),
        ResizeState::Error(_) => answers::failing(situation, moves, now),
        ResizeState::Deferred(message) => answers::deferred(situation, moves, message, now),
        ResizeState::Infeasible => answers::infeasible(situation),
    }
}

/// The state to count the Pod under, after `plan` was made for it.
pub fn state(pod: &PodView, plan: &Plan) -> PodState {
    match (ResizeState::of(pod), &plan.step, plan.why) {
        (_, Step::Evict, _) => PodState::Evicted,
        (ResizeState::Error(_), ..) => PodState::Error,
        (ResizeState::Infeasible, ..) | (_, _, Why::NodeTooSmall | Why::ResizeInfeasible | Why::NoNodeLargeEnough) => {
            PodState::Infeasible
        }
        (ResizeState::Deferred(_), ..) => PodState::Deferred,
        (ResizeState::NotSeen | ResizeState::InProgress, ..) | (_, Step::Resize(_), _) => PodState::InProgress,
        (ResizeState::Settled, _, Why::Fits) => PodState::Fitted,
        (ResizeState::Settled, ..) => PodState::Other,
    }
}

/// Why the Pod is not touched at all, if so. `Recreate` needs no support for resize.
fn left_alone(situation: &Situation<'_>) -> Option<Why> {
    let (pod, spec) = (situation.pod, situation.spec);
    let in_place = spec.strategy != Strategy::Recreate;
    let old_node = || situation.room.is_some_and(|room| !room.node.resizes_in_place());
    let unsupported = || pod.containers.iter().any(|container| container.running && container.actual.is_none());
    match pod.phase {
        _ if pod.terminating => Some(Why::PodTerminating),
        PodPhase::Succeeded | PodPhase::Failed => Some(Why::PodFinished),
        _ if spec.strategy == Strategy::Off => Some(Why::StrategyOff),
        _ if spec.strategy == Strategy::Initial => Some(Why::StrategyInitial),
        _ if pod.mirror => Some(Why::StaticPod),
        _ if pod.node.is_none() => Some(Why::PodNotScheduled),
        PodPhase::Pending | PodPhase::Unknown => Some(Why::PodNotRunning),
        PodPhase::Running if pod.pod_level => Some(Why::PodLevelResources),
        PodPhase::Running if pod.qos == QosClass::BestEffort => Some(Why::BestEffort),
        PodPhase::Running if in_place && pod.windows => Some(Why::WindowsPod),
        PodPhase::Running if in_place && (!situation.cluster.resize_served || old_node() || unsupported()) => {
            Some(Why::ResizeUnsupported)
        }
        PodPhase::Running => None,
    }
}

/// `at` and a period more.
fn later(at: Timestamp, period: Period) -> Timestamp {
    at.saturating_add(period.signed()).unwrap_or(Timestamp::MAX)
}

fn keep(why: Why) -> Plan {
    Plan { step: Step::Keep, why }
}

fn wait(why: Why) -> Plan {
    Plan { step: Step::Wait { until: None }, why }
}

fn evict(why: Why) -> Plan {
    Plan { step: Step::Evict, why }
}

#[cfg(test)]
mod tests;

//! What to do with each Pod of a policy, in which order: pure, like `plan`, which it asks Pod by Pod.
//!
//! Node by Node, downs go before ups, each by name. Each decision counts for the next ones: a growth takes room on its
//! Node, a disruption takes from the budget and from the workload's availability.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    journal::Action,
    memory::Hold,
    observe::{Covered, NodeUse, Observed, PodSeen},
};
use crate::{
    plan::{
        ClusterView, ContainerChange, NodeRoom, Plan, PodState, Situation, Step, Why, WorkloadView, plan, restarts,
        state,
    },
    resources::{ContainerResources, PodView, Resources},
};

/// What to do with one Pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Its workload, as an index into [`Observed::workloads`].
    pub workload: usize,
    /// The Pod, as an index into [`Covered::pods`].
    pub pod: usize,
    /// The step, and why.
    pub plan: Plan,
    /// What it counts as once that is done.
    pub state: PodState,
}

/// What to do with all Pods, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decided {
    /// One for each Pod.
    pub decisions: Vec<Decision>,
    /// When to look again at the latest, for time alone changes an answer then.
    pub look_again: Option<Timestamp>,
}

/// What is used up by the decisions made so far.
struct Counted<'a> {
    observed: &'a Observed,
    /// What the Pods of a Node count for in all.
    totals: BTreeMap<&'a str, Resources>,
    grown: BTreeMap<&'a str, Resources>,
    workloads: Vec<WorkloadView>,
    cluster: ClusterView,
}

/// What to do with each Pod.
pub fn decide(observed: &Observed, now: Timestamp) -> Decided {
    let mut counted = Counted::new(observed);
    let mut decided = Decided::default();
    for place in in_order(observed) {
        decided.decisions.extend(downs_then_ups(&mut counted, &place, now));
    }
    let waits = decided.decisions.iter().filter_map(|decision| match decision.plan {
        Plan { step: Step::Wait { until: Some(until) }, .. } => Some(until),
        Plan { step: Step::Wait { until: None }, why: Why::EvictionBudgetSpent } => observed.next_disruption,
        _ => None,
    });
    decided.look_again = waits.min();
    decided
}

/// The Pods by Node, Node by name; those without one first.
fn in_order(observed: &Observed) -> Vec<Vec<(usize, usize)>> {
    let mut places: BTreeMap<Option<&str>, Vec<(usize, usize)>> = BTreeMap::new();
    for (workload, covered) in observed.workloads.iter().enumerate() {
        for (pod, seen) in covered.pods.iter().enumerate() {
            places.entry(seen.record.view.node.as_deref()).or_default().push((workload, pod));
        }
    }
    let name = |at: &(usize, usize)| observed.workloads[at.0].pods[at.1].record.view.name.as_str();
    let mut places: Vec<_> = places.into_values().collect();
    places.iter_mut().for_each(|place| place.sort_by(|a, b| name(a).cmp(name(b))));
    places
}

fn downs_then_ups(counted: &mut Counted<'_>, place: &[(usize, usize)], now: Timestamp) -> Vec<Decision> {
    let (mut decisions, mut later) = (Vec::new(), Vec::new());
    for &(workload, pod) in place {
        let plan = counted.plan(workload, pod, now);
        if is_down(counted.pod(workload, pod), &plan) {
            decisions.push(counted.decision(workload, pod, plan));
        } else {
            later.push((workload, pod));
        }
    }
    // What was planned for these did not know of each other: ask again, one after the other.
    for (workload, pod) in later {
        let plan = counted.plan(workload, pod, now);
        decisions.push(counted.decision(workload, pod, plan));
    }
    decisions
}

/// Whether the plan is a resize after which the Pod requests no more than before, and restarts nothing.
fn is_down(pod: &PodSeen, plan: &Plan) -> bool {
    let Step::Resize(changes) = &plan.step else { return false };
    let view = &pod.record.view;
    total_after(view, changes).fits_in(view.requests_with(|c| c.desired.requests)) && !restarts(view, changes)
}

/// What the Pod requests in all after `changes`.
pub fn total_after(view: &PodView, changes: &[ContainerChange]) -> Resources {
    view.requests_with(|container| {
        let change = changes.iter().find(|change| change.container == container.name);
        change.map_or(container.desired, |change| merged(container.desired, change.to)).requests
    })
}

fn merged(old: ContainerResources, new: ContainerResources) -> ContainerResources {
    let over = |old: Resources, new: Resources| old.zip(new, |old, new| new.or(old), |old, new| new.or(old));
    ContainerResources { requests: over(old.requests, new.requests), limits: over(old.limits, new.limits) }
}

impl<'a> Counted<'a> {
    fn new(observed: &'a Observed) -> Self {
        let total = |node: &NodeUse| node.footprints.values().copied().fold(Resources::default(), Resources::plus);
        Self {
            totals: observed.nodes.iter().map(|(name, node)| (name.as_str(), total(node))).collect(),
            grown: BTreeMap::new(),
            workloads: observed.workloads.iter().map(|workload| workload.view).collect(),
            cluster: observed.cluster,
            observed,
        }
    }

    fn pod(&self, workload: usize, pod: usize) -> &'a PodSeen {
        &self.observed.workloads[workload].pods[pod]
    }

    fn plan(&self, workload: usize, pod: usize, now: Timestamp) -> Plan {
        let seen = self.pod(workload, pod);
        if seen.evicted {
            return Plan { step: Step::Keep, why: Why::PodTerminating };
        }
        let room = self.room(&seen.record.view);
        let situation = Situation {
            pod: &seen.record.view,
            room: room.as_ref(),
            elsewhere: &seen.elsewhere,
            wishes: &seen.wishes,
            spec: &self.observed.policy.object.spec,
            history: &seen.history,
            workload: &self.workloads[workload],
            cluster: &self.cluster,
        };
        let plan = plan(&situation, now);
        match self.hold(seen, &plan, now) {
            Some(hold) => Plan { step: Step::Wait { until: Some(hold.until) }, why: plan.why },
            None => plan,
        }
    }

    /// What forbids the plan's write for now.
    fn hold(&self, seen: &'a PodSeen, plan: &Plan, now: Timestamp) -> Option<&'a Hold> {
        let action = match plan.step {
            Step::Resize(_) => Action::Resize,
            Step::Evict => Action::Evict,
            Step::Keep | Step::Wait { .. } => return None,
        };
        let policy = self.observed.policy.object.metadata.generation.unwrap_or(0);
        let generations = (seen.record.view.generation, policy);
        seen.hold.as_ref().filter(|hold| hold.is_on(action, generations, now))
    }

    fn room(&self, view: &PodView) -> Option<NodeRoom> {
        let name = view.node.as_deref()?;
        let node = self.observed.nodes.get(name)?;
        let own = node.footprints.get(&view.uid).copied().unwrap_or_default();
        let others = self.totals[name].minus(own.max(self.grown.get(view.uid.as_str()).copied().unwrap_or_default()));
        Some(NodeRoom { node: node.node.clone(), free: node.node.allocatable.minus(others) })
    }

    /// Counts the plan, and makes a decision of it.
    fn decision(&mut self, workload: usize, pod: usize, plan: Plan) -> Decision {
        let seen = self.pod(workload, pod);
        let view = &seen.record.view;
        match &plan.step {
            Step::Resize(changes) => {
                self.grow(view, total_after(view, changes));
                if restarts(view, changes) {
                    self.disrupt(workload);
                }
            }
            Step::Evict => self.disrupt(workload),
            Step::Keep | Step::Wait { .. } => {}
        }
        let held = matches!((&plan.step, &seen.hold), (Step::Wait { until }, Some(hold)) if *until == Some(hold.until));
        let state = match &seen.hold {
            Some(hold) if held => hold.state,
            _ if seen.evicted => PodState::Evicted,
            _ => state(view, &plan),
        };
        Decision { workload, pod, plan, state }
    }

    fn grow(&mut self, view: &'a PodView, wanted: Resources) {
        let Some(name) = view.node.as_deref() else { return };
        let Some(node) = self.observed.nodes.get(name) else { return };
        let own = node.footprints.get(&view.uid).copied().unwrap_or_default();
        let grown = own.max(wanted);
        let total = self.totals.entry(name).or_default();
        *total = total.minus(own).plus(grown);
        self.grown.insert(&view.uid, grown);
    }

    fn disrupt(&mut self, workload: usize) {
        self.cluster.eviction_tokens = self.cluster.eviction_tokens.saturating_sub(1);
        self.workloads[workload].unavailable += 1;
    }
}

impl Decision {
    /// The workload and the Pod that it is about.
    pub fn subject<'a>(&self, observed: &'a Observed) -> (&'a Covered, &'a PodSeen) {
        let workload = &observed.workloads[self.workload];
        (workload, &workload.pods[self.pod])
    }
}

#[cfg(test)]
mod tests;

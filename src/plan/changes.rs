//! Which resources of which containers change.

use jiff::Timestamp;

use super::{ContainerChange, Plan, Situation, Step, Why, Wish, startup};
use crate::{
    recommend::sizing::Pair,
    resources::{Bytes, ContainerResources, ContainerView, MilliCpu, PodView, ResourceKind, Resources},
};

/// The kubelet gives every CPU request up to this the same shares.
const SAME_CPU_REQUEST: u64 = 2;

/// The kubelet gives every CPU limit up to this the same quota.
const SAME_CPU_LIMIT: u64 = 10;

/// How far above recent use a memory limit must stay when it is lowered, in per cent: use may grow before it is in force.
const MEMORY_MARGIN_PERCENT: u64 = 5;

/// In a shortage even a small raise is worth a write, but not one after the other. Per cent.
const URGENT_PERCENT: u8 = 3;

const RESOURCES: [ResourceKind; 2] = [ResourceKind::Cpu, ResourceKind::Memory];

/// Request and limit of one resource of one container, as they are and as they should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Move<'a> {
    pub(super) container: &'a ContainerView,
    pub(super) resource: ResourceKind,
    pub(super) from: Pair,
    pub(super) to: Pair,
    /// Its container has a shortage now.
    pub(super) urgent: bool,
}

impl Move<'_> {
    pub(super) fn is_up(&self) -> bool {
        self.from.leading() < self.to.leading()
            || (self.from.leading() == self.to.leading() && self.from.limit < self.to.limit)
    }

    /// Whether it is worth a write: by at least `percent`.
    pub(super) fn is_worth(&self, percent: u8) -> bool {
        let worth = |from: Option<u64>, to: Option<u64>| match (from, to) {
            (Some(from), Some(to)) => {
                u128::from(from.abs_diff(to)) * 100 >= u128::from(percent) * u128::from(from) && from != to
            }
            _ => false,
        };
        let (request, limit) = (self.from.request != self.to.request, self.from.limit != self.to.limit);
        (request && worth(self.from.request, self.to.request)) || (limit && worth(self.from.limit, self.to.limit))
    }
}

/// What should change, and what would if there were nothing against it.
#[derive(Debug, Default)]
pub(super) struct Moves<'a> {
    pub(super) ups: Vec<Move<'a>>,
    pub(super) downs: Vec<Move<'a>>,
    /// Something is too large, but not for long enough: when it will have been.
    pub(super) held_until: Option<Timestamp>,
    /// Something looks too large, but its samples are too few or too old.
    pub(super) unsure: bool,
    /// A memory limit would fall to what was used lately.
    pub(super) memory_in_use: bool,
}

impl<'a> Moves<'a> {
    /// What should change, by the band, the smallest change and the stabilisation of the policy.
    pub(super) fn of(situation: &Situation<'a>, now: Timestamp) -> Self {
        let mut moves = Self::default();
        for (container, wish) in pairs(situation) {
            for resource in RESOURCES {
                let mut step = step(container, wish, resource);
                if step.is_up() && is_in_use(&step, wish) {
                    step.to.limit = step.from.limit;
                }
                let percent = situation.spec.update.min_change_percent;
                let least = if wish.urgent { percent.min(URGENT_PERCENT) } else { percent };
                if is_same(&step) {
                    continue;
                }
                if step.is_up() {
                    let short = step.from.leading() < amount(wish.lower, resource);
                    if short || step.is_worth(least) {
                        moves.ups.push(step);
                    }
                } else if step.is_worth(percent) || is_above(step.from.request, amount(wish.upper, resource)) {
                    moves.lower(situation, wish, step, now);
                }
            }
        }
        moves
    }

    /// All that should change now.
    pub(super) fn all(&self) -> Vec<Move<'a>> {
        self.ups.iter().chain(&self.downs).copied().collect()
    }

    /// What to say when nothing changes.
    pub(super) fn nothing_to_do(&self) -> Plan {
        match self.held_until {
            Some(until) => Plan { step: Step::Wait { until: Some(until) }, why: Why::ScaleDownStabilizing },
            None if self.memory_in_use => Plan { step: Step::Keep, why: Why::MemoryInUse },
            None if self.unsure => Plan { step: Step::Keep, why: Why::TooFewFreshSamples },
            None => Plan { step: Step::Keep, why: Why::Fits },
        }
    }

    /// Adds a decrease, unless something is against it.
    fn lower(&mut self, situation: &Situation<'a>, wish: &Wish, step: Move<'a>, now: Timestamp) {
        let (spec, history, resource) = (situation.spec, situation.history, step.resource);
        let name = &step.container.name;
        if resource == ResourceKind::Cpu && startup::is_boost_left(situation, now) {
            // The boost was never meant to stay: no samples are needed to know that.
            self.downs.push(step);
        } else if amount(wish.upper, resource).is_none() {
            self.unsure = true;
        } else if resource == ResourceKind::Memory
            && (is_in_use(&step, wish) || history.memory_decrease_refused(name, now))
        {
            self.memory_in_use = true;
        } else {
            let since = history.too_large_since(name, resource).unwrap_or(now);
            let until = super::later(since, spec.update.scale_down_stabilization);
            if now >= until {
                self.downs.push(step);
            } else {
                self.held_until = Some(self.held_until.map_or(until, |held| held.min(until)));
            }
        }
    }
}

/// The decreases of a wish that the kubelet has not granted: down to what should be, but not below what is in force.
pub(super) fn shrunk<'a>(situation: &Situation<'a>) -> Vec<Move<'a>> {
    let wanted = pairs(situation).into_iter().flat_map(|(container, wish)| {
        RESOURCES.map(|resource| {
            let mut step = step(container, wish, resource);
            let in_force = in_force(container, resource).unwrap_or(step.from);
            step.to.request = step.to.request.max(in_force.request).min(step.from.request);
            step.to.limit = step.to.limit.max(in_force.limit).min(step.from.limit);
            step
        })
    });
    wanted.filter(|step| !is_same(step) && step.is_worth(situation.spec.update.min_change_percent)).collect()
}

/// What would take an ungranted or failing wish back: all that differs from what is in force, or only memory limits that
/// fell.
pub(super) fn taken_back(pod: &PodView, only_memory_decreases: bool) -> Vec<Move<'_>> {
    let back = |container, resource| {
        let from = Pair::of(desired(container), resource);
        let to = keep_keys(from, in_force(container, resource).unwrap_or(from));
        Move { container, resource, from, to, urgent: false }
    };
    let moves = pod.containers.iter().flat_map(|container| RESOURCES.map(|resource| back(container, resource)));
    moves
        .filter(|step| !is_same(step))
        .filter(|step| !only_memory_decreases || (step.resource == ResourceKind::Memory && step.is_up()))
        .collect()
}

/// One change for each container, in the order of the Pod, naming only what changes.
pub(super) fn changes(pod: &PodView, moves: &[Move<'_>]) -> Vec<ContainerChange> {
    let of_container = |container: &ContainerView| {
        let (mut from, mut to) = (ContainerResources::default(), ContainerResources::default());
        for step in moves.iter().filter(|step| step.container.name == container.name) {
            if step.from.request != step.to.request {
                put(&mut from.requests, step.resource, step.from.request);
                put(&mut to.requests, step.resource, step.to.request);
            }
            if step.from.limit != step.to.limit {
                put(&mut from.limits, step.resource, step.from.limit);
                put(&mut to.limits, step.resource, step.to.limit);
            }
        }
        (to != ContainerResources::default()).then(|| ContainerChange {
            container: container.name.clone(),
            kind: container.kind,
            from,
            to,
        })
    };
    pod.containers.iter().filter_map(of_container).collect()
}

/// The container's desired resources after `changes`.
pub(super) fn after(container: &ContainerView, changes: &[ContainerChange]) -> ContainerResources {
    let mut resources = container.desired;
    for change in changes.iter().filter(|change| change.container == container.name) {
        resources.requests.cpu = change.to.requests.cpu.or(resources.requests.cpu);
        resources.requests.memory = change.to.requests.memory.or(resources.requests.memory);
        resources.limits.cpu = change.to.limits.cpu.or(resources.limits.cpu);
        resources.limits.memory = change.to.limits.memory.or(resources.limits.memory);
    }
    resources
}

/// Whether `changes` restart a container (`resizePolicy: RestartContainer`), which is a disruption.
pub fn restarts(pod: &PodView, changes: &[ContainerChange]) -> bool {
    changes.iter().filter_map(|change| Some((pod.container(&change.container)?, change))).any(|(container, change)| {
        let (requests, limits) = (change.to.requests, change.to.limits);
        let cpu = requests.cpu.is_some() || limits.cpu.is_some();
        let memory = requests.memory.is_some() || limits.memory.is_some();
        let policy = container.resize_policy;
        container.running && ((cpu && policy.cpu_restarts) || (memory && policy.memory_restarts))
    })
}

/// The containers that have a wish, with it.
pub(super) fn pairs<'a>(situation: &Situation<'a>) -> Vec<(&'a ContainerView, &'a Wish)> {
    let wish = |container: &ContainerView| situation.wishes.iter().find(|wish| wish.container == container.name);
    situation.pod.containers.iter().filter_map(|container| Some((container, wish(container)?))).collect()
}

/// From what the spec says to what it should say. Keys are neither added nor removed: Kubernetes refuses the one, and
/// the other would change what the user asked for.
pub(super) fn step<'a>(container: &'a ContainerView, wish: &Wish, resource: ResourceKind) -> Move<'a> {
    let from = Pair::of(desired(container), resource);
    let to = keep_keys(from, Pair::of(&wish.size, resource));
    Move { container, resource, from, to, urgent: wish.urgent }
}

fn desired(container: &ContainerView) -> &ContainerResources {
    &container.desired
}

/// What is in force: granted requests, and the limits that the runtime reports.
fn in_force(container: &ContainerView, resource: ResourceKind) -> Option<Pair> {
    let actual = container.actual.as_ref()?;
    let actual = Pair::of(actual, resource);
    let allocated = container.allocated.and_then(|requests| amount(requests, resource));
    Some(Pair { request: allocated.or(actual.request), limit: actual.limit })
}

/// Whether the kubelet has granted what the spec says of the resource now.
pub(super) fn is_granted(step: &Move<'_>) -> bool {
    in_force(step.container, step.resource).is_none_or(|in_force| in_force.request >= step.from.request)
}

fn keep_keys(from: Pair, to: Pair) -> Pair {
    Pair {
        request: from.request.map(|request| to.request.unwrap_or(request)),
        limit: from.limit.map(|limit| to.limit.unwrap_or(limit)),
    }
}

/// Whether the kubelet would act the same on both.
pub(super) fn is_same(step: &Move<'_>) -> bool {
    let floor = |amount: Option<u64>, floor: u64| match step.resource {
        ResourceKind::Cpu => amount.map(|amount| amount.max(floor)),
        ResourceKind::Memory => amount,
    };
    floor(step.from.request, SAME_CPU_REQUEST) == floor(step.to.request, SAME_CPU_REQUEST)
        && floor(step.from.limit, SAME_CPU_LIMIT) == floor(step.to.limit, SAME_CPU_LIMIT)
}

fn is_in_use(step: &Move<'_>, wish: &Wish) -> bool {
    let falls = step.resource == ResourceKind::Memory && step.to.limit < step.from.limit;
    let least = wish.peak.map(|peak| peak.0.saturating_add(peak.0 / 100 * MEMORY_MARGIN_PERCENT));
    falls && step.to.limit < least
}

fn is_above(request: Option<u64>, upper: Option<u64>) -> bool {
    matches!((request, upper), (Some(request), Some(upper)) if request > upper)
}

pub(super) fn amount(resources: Resources, resource: ResourceKind) -> Option<u64> {
    match resource {
        ResourceKind::Cpu => resources.cpu.map(|cpu| cpu.0),
        ResourceKind::Memory => resources.memory.map(|memory| memory.0),
    }
}

fn put(resources: &mut Resources, resource: ResourceKind, amount: Option<u64>) {
    match resource {
        ResourceKind::Cpu => resources.cpu = amount.map(MilliCpu),
        ResourceKind::Memory => resources.memory = amount.map(Bytes),
    }
}

//! What to do in each state of a resize. Every function ends in one step and its reason.

use jiff::{SignedDuration, Timestamp};

use super::{
    Plan, Situation, Step, Why, Wish,
    changes::{self, Move, Moves, restarts},
    evict, eviction, history, keep, later, resize_state, room, startup, wait,
};
use crate::{
    api::{AfterDeferral, OnInfeasible, Strategy},
    resources::{ResourceKind, Resources},
};

/// How long a resize may be in progress before another may follow it without a shortage.
const IN_PROGRESS_PATIENCE: SignedDuration = SignedDuration::from_mins(2);

/// `Recreate`: evicts a Pod that is outside the band.
pub(super) fn recreate(situation: &Situation<'_>, moves: &Moves<'_>) -> Plan {
    let all = moves.all();
    let outside = all.iter().any(|step| is_outside(situation.wishes, step));
    if !outside {
        return moves.nothing_to_do();
    }
    match eviction::allowed(situation, room::total(situation.pod, &all)) {
        Ok(()) => evict(Why::RecreateToFit),
        Err(barrier) => wait(barrier),
    }
}

/// No resize is on its way: send one if there is reason to, and room.
pub(super) fn settled(situation: &Situation<'_>, moves: &Moves<'_>, now: Timestamp) -> Plan {
    let pod = situation.pod;
    let all = moves.all();
    let changes = changes::changes(pod, &all);
    if all.is_empty() {
        return moves.nothing_to_do();
    }
    if let Some(until) = situation.history.failed_until(pod, &changes, now) {
        return Plan { step: Step::Wait { until: Some(until) }, why: Why::ResizeFailedBefore };
    }
    let Some(room) = situation.room else { return wait(Why::NodeUnknown) };
    let total = room::total(pod, &all);
    if moves.ups.iter().any(|step| room::overflows(total, room.node.allocatable, step.resource)) {
        return too_large_for_node(situation, moves, Why::NodeTooSmall, now);
    }
    if !moves.ups.is_empty() && situation.history.is_refused(pod, &changes) {
        return too_large_for_node(situation, moves, Why::ResizeInfeasible, now);
    }
    send_what_has_room(situation, moves, now)
}

/// What fits now goes first, since a resize is granted whole or not at all. What does not fit is sent only if it is
/// urgent: Deferred, it reserves the room for itself.
fn send_what_has_room(situation: &Situation<'_>, moves: &Moves<'_>, now: Timestamp) -> Plan {
    let Some(room) = situation.room else { return wait(Why::NodeUnknown) };
    let total = room::total(situation.pod, &moves.all());
    let (too_much, mut now_possible): (Vec<_>, Vec<_>) =
        moves.ups.iter().partition(|step| room::overflows(total, room.free, step.resource));
    now_possible.extend(&moves.downs);
    if !now_possible.is_empty() {
        resize(situation, &now_possible, now)
    } else if too_much.iter().any(|step: &Move<'_>| step.urgent) {
        resize(situation, &too_much, now)
    } else {
        wait(Why::NoRoomOnNode)
    }
}

/// The Node can never hold what the Pod should have: evict it, or give it what the Node can hold.
fn too_large_for_node(situation: &Situation<'_>, moves: &Moves<'_>, why: Why, now: Timestamp) -> Plan {
    let (pod, spec) = (situation.pod, situation.spec);
    let starting = spec.startup.as_ref().is_some_and(|policy| startup::is_active(policy, pod, now));
    let evicts = spec.strategy == Strategy::InPlaceOrRecreate && spec.update.on_infeasible == OnInfeasible::Recreate;
    let barrier = match eviction::allowed(situation, room::total(pod, &moves.all())) {
        // Nothing is evicted for the sake of its start-up boost.
        Ok(()) if evicts && !starting => return evict(why),
        Err(barrier) if evicts && !starting => barrier,
        _ => why,
    };
    let fit_node = barrier == why || eviction::is_lasting(barrier);
    let possible = possible_on_node(situation, moves, why, fit_node);
    if possible.is_empty() {
        wait(barrier)
    } else if fit_node && possible.iter().any(Move::is_up) {
        checked(situation, &possible, Why::FitsNodeOnly)
    } else {
        resize(situation, &possible, now)
    }
}

/// What of `moves` can be had on a Node that cannot grant them all: decreases, growth of the resource of which there is
/// enough, and, if the Node is what the Pod must make do with, growth as far as it goes.
fn possible_on_node<'a>(situation: &Situation<'a>, moves: &Moves<'a>, why: Why, make_do: bool) -> Vec<Move<'a>> {
    let (pod, Some(room)) = (situation.pod, situation.room) else { return Vec::new() };
    if why != Why::NodeTooSmall {
        // The kubelet has not said what it would grant.
        return moves.downs.clone();
    }
    let total = room::total(pod, &moves.all());
    let held = |step: &Move<'_>| step.is_up() && room::overflows(total, room.node.allocatable, step.resource);
    let mut possible = room::fitted(pod, &moves.all(), room.free);
    possible.retain(|step| step.is_worth(situation.spec.update.min_change_percent) && (make_do || !held(step)));
    let refused = situation.history.is_refused(pod, &changes::changes(pod, &possible));
    if refused { moves.downs.clone() } else { possible }
}

/// The kubelet is at work: only a shortage, or a long wait, is reason to send another resize meanwhile.
pub(super) fn in_progress(situation: &Situation<'_>, moves: &Moves<'_>, now: Timestamp) -> Plan {
    let since = situation.history.in_progress_since().unwrap_or(now);
    let patient = now.duration_since(since) < IN_PROGRESS_PATIENCE;
    let urgent = moves.ups.iter().any(|step| step.urgent);
    if moves.all().is_empty() || (patient && !urgent) {
        return wait(Why::ResizeInProgress);
    }
    settled(situation, moves, now)
}

/// The kubelet could not lower a memory limit: raise it again, for a failing resize holds up every other.
pub(super) fn memory_decrease_failed(situation: &Situation<'_>) -> Plan {
    let back = changes::taken_back(situation.pod, true);
    if back.is_empty() { wait(Why::ResizeError) } else { checked(situation, &back, Why::MemoryDecreaseRefused) }
}

/// The kubelet fails and tries again: a new target passes, and in the end the old one is taken back.
pub(super) fn failing(situation: &Situation<'_>, moves: &Moves<'_>, now: Timestamp) -> Plan {
    let new_target = settled(situation, moves, now);
    if matches!(new_target.step, Step::Resize(_) | Step::Evict) {
        return new_target;
    }
    let since = situation.history.error_since().unwrap_or(now);
    let until = since.saturating_add(history::ERROR_PATIENCE).unwrap_or(Timestamp::MAX);
    let back = changes::taken_back(situation.pod, false);
    if now < until || back.is_empty() {
        Plan { step: Step::Wait { until: (now < until).then_some(until) }, why: Why::ResizeError }
    } else {
        checked(situation, &back, Why::WishTakenBack)
    }
}

/// No room now: cut a wish that is no longer needed, let a shortage change it, and else wait, up to the deadline.
pub(super) fn deferred(situation: &Situation<'_>, moves: &Moves<'_>, message: &str, now: Timestamp) -> Plan {
    let (pod, update) = (situation.pod, &situation.spec.update);
    let shrunk = changes::shrunk(situation);
    if !shrunk.is_empty() {
        return checked(situation, &shrunk, Why::PendingWishShrunk);
    }
    let never = situation.room.is_some_and(|room| {
        // From 1.36 on a kubelet defers what is larger than its Node, and tries for ever.
        !pod.requests_with(|container| container.desired.requests).fits_in(room.node.allocatable)
    });
    if never {
        return infeasible(situation);
    }
    // More of what is waited for is no help now; once it is granted the rest may follow.
    let helps = |step: &Move<'_>| changes::is_granted(step) || step.is_worth(update.min_change_percent);
    if moves.ups.iter().any(|step| step.urgent && helps(step)) {
        return settled(situation, &without_ballast(situation, moves), now);
    }
    if resize_state::deferred_by_node(message) {
        return wait(Why::DeferredByNode);
    }
    let since = situation.history.deferred_since().unwrap_or(now);
    let deadline = later(since, update.deferred_timeout);
    let recreates =
        situation.spec.strategy == Strategy::InPlaceOrRecreate && update.on_deferred_timeout == AfterDeferral::Recreate;
    if now < deadline {
        return Plan { step: Step::Wait { until: Some(deadline) }, why: Why::ResizeDeferred };
    }
    match eviction::allowed(situation, room::total(pod, &[])) {
        Ok(()) if recreates => evict(Why::DeferredTooLong),
        Err(barrier) if recreates => wait(barrier),
        _ => wait(Why::DeferredTooLong),
    }
}

/// `moves`, and the ungranted growth of a resource that has no room is taken back: a resize is granted whole or not at
/// all, and a shortage of the other resource must not wait for it.
fn without_ballast<'a>(situation: &Situation<'a>, moves: &Moves<'a>) -> Moves<'a> {
    let free = situation.room.map_or(Resources::default(), |room| room.free);
    let total = room::total(situation.pod, &moves.all());
    let is_ballast = |step: &Move<'_>| {
        let wanted = moves.all().iter().any(|other| other.resource == step.resource);
        !step.is_up() && !wanted && room::overflows(total, free, step.resource)
    };
    let mut moves = Moves { ups: moves.ups.clone(), downs: moves.downs.clone(), ..Moves::default() };
    moves.downs.extend(changes::taken_back(situation.pod, false).into_iter().filter(is_ballast));
    moves
}

/// The kubelet refuses what the spec asks for, for good: a smaller target passes, and else the Pod moves, or the wish is
/// taken back, since it would become real (or a lie to the scheduler) later.
pub(super) fn infeasible(situation: &Situation<'_>) -> Plan {
    let (pod, spec) = (situation.pod, situation.spec);
    let shrunk = changes::shrunk(situation);
    if !shrunk.is_empty() {
        return checked(situation, &shrunk, Why::PendingWishShrunk);
    }
    let evicts = spec.strategy == Strategy::InPlaceOrRecreate && spec.update.on_infeasible == OnInfeasible::Recreate;
    let barrier = match eviction::allowed(situation, room::total(pod, &[])) {
        Ok(()) if evicts => return evict(Why::ResizeInfeasible),
        Err(barrier) if evicts => barrier,
        _ => Why::ResizeInfeasible,
    };
    let back = changes::taken_back(pod, false);
    if back.is_empty() { wait(barrier) } else { checked(situation, &back, Why::WishTakenBack) }
}

/// A resize by what use asks for, with the reason that weighs most.
fn resize(situation: &Situation<'_>, moves: &[Move<'_>], now: Timestamp) -> Plan {
    let (pod, spec) = (situation.pod, situation.spec);
    let starting = spec.startup.as_ref().is_some_and(|policy| startup::is_active(policy, pod, now));
    let cpu = |step: &Move<'_>| step.resource == ResourceKind::Cpu;
    let why = if moves.iter().any(|step| step.is_up() && step.urgent) {
        Why::Shortage
    } else if starting && moves.iter().any(|step| step.is_up() && cpu(step)) {
        Why::StartupBoost
    } else if moves.iter().any(Move::is_up) {
        Why::Undersized
    } else if startup::is_boost_left(situation, now) && moves.iter().any(cpu) {
        Why::StartupBoostEnded
    } else {
        Why::Oversized
    };
    checked(situation, moves, why)
}

/// A resize, unless it would change the QoS class, or restart a container while no disruption is allowed.
fn checked(situation: &Situation<'_>, moves: &[Move<'_>], why: Why) -> Plan {
    let pod = situation.pod;
    let changes = changes::changes(pod, moves);
    if pod.qos_with(|container| changes::after(container, &changes)) != pod.qos {
        return keep(Why::QosWouldChange);
    }
    if restarts(pod, &changes)
        && let Err(barrier) = eviction::disruption_allowed(situation)
    {
        return wait(barrier);
    }
    Plan { step: Step::Resize(changes), why }
}

/// Whether a change leads from outside the band into it.
fn is_outside(wishes: &[Wish], step: &Move<'_>) -> bool {
    let wish = wishes.iter().find(|wish| wish.container == step.container.name);
    wish.is_some_and(|wish| {
        let bound = |resources| changes::amount(resources, step.resource);
        let request = step.from.request;
        request.is_some() && request < bound(wish.lower) || bound(wish.upper).is_some_and(|upper| request > Some(upper))
    })
}

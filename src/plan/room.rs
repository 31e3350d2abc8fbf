//! Whether a size fits the Node, and the largest that does.

use super::changes::{Move, after, amount, changes};
use crate::resources::{PodView, ResourceKind, Resources, amount::MIB};

/// What the Pod would request in all after `moves`.
pub(super) fn total(pod: &PodView, moves: &[Move<'_>]) -> Resources {
    let changes = changes(pod, moves);
    pod.requests_with(|container| after(container, &changes).requests)
}

/// Whether `total` has more of `resource` than `room`.
pub(super) fn overflows(total: Resources, room: Resources, resource: ResourceKind) -> bool {
    matches!((amount(total, resource), amount(room, resource)), (Some(total), Some(room)) if total > room)
}

/// `moves`, but those that grow a resource of which `free` has not enough grow only as far as it goes, each by the same
/// share. The others are applied as they are.
pub(super) fn fitted<'a>(pod: &PodView, moves: &[Move<'a>], free: Resources) -> Vec<Move<'a>> {
    let mut fitted = moves.to_vec();
    for resource in [ResourceKind::Cpu, ResourceKind::Memory] {
        let of_total = |moves: &[Move<'_>]| amount(total(pod, moves), resource).unwrap_or(0);
        let wanted = of_total(&fitted);
        let others: Vec<_> =
            fitted.iter().copied().filter(|step| !(step.is_up() && step.resource == resource)).collect();
        let without = of_total(&others);
        let Some(room) = amount(free, resource).filter(|room| wanted > *room) else { continue };
        let (part, whole) = (room.saturating_sub(without), wanted.saturating_sub(without).max(1));
        for step in fitted.iter_mut().filter(|step| step.is_up() && step.resource == resource) {
            step.to.request = share(step.from.request, step.to.request, part, whole, resource);
            step.to.limit = share(step.from.limit, step.to.limit, part, whole, resource);
        }
    }
    fitted.retain(|step| step.from != step.to);
    fitted
}

/// `from` plus `part` of `whole` of what `to` is more, in whole units.
fn share(from: Option<u64>, to: Option<u64>, part: u64, whole: u64, resource: ResourceKind) -> Option<u64> {
    let (from, to) = (from?, to?);
    let exact = u128::from(to.saturating_sub(from)) * u128::from(part) / u128::from(whole);
    let grown = u64::try_from(exact).unwrap_or(u64::MAX);
    let unit = if resource == ResourceKind::Memory { MIB } else { 1 };
    Some(from.saturating_add(grown / unit * unit).min(to.max(from)))
}

//! Resizes that had to wait for room: when the wait ended, and how many waits there were.

use std::collections::BTreeMap;

use crate::{
    controller::{Action, JournalEntry},
    plan::Why,
    sim::witness::Grant,
};

/// `journal` with an entry for each deferred resize that was carried out, which refers to the resize that asked for it.
pub(super) fn with_grants(mut journal: Vec<JournalEntry>, grants: &[Grant]) -> Vec<JournalEntry> {
    let of_grant = |grant: &Grant| {
        let own = |entry: &&JournalEntry| {
            entry.action == Action::Resize
                && entry.at <= grant.at
                && (&entry.namespace, &entry.pod) == (&grant.namespace, &grant.pod)
        };
        let asked = journal.iter().rev().find(own)?;
        let changes = grant.changes.clone();
        Some(JournalEntry { at: grant.at, action: Action::Grant, message: String::new(), changes, ..asked.clone() })
    };
    let granted: Vec<_> = grants.iter().filter_map(of_grant).collect();
    journal.extend(granted);
    // Stable: what happened at one time keeps its order.
    journal.sort_by_key(|entry| entry.at);
    journal
}

/// What a Pod that waits for room waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// The kubelet has deferred what was asked for.
    Deferred,
    /// Nothing was asked for, since there is no room.
    NotSent,
}

/// How many waits there were. A Pod that waits may ask again, for more or for less, and waits on.
pub(super) fn count(journal: &[JournalEntry]) -> u64 {
    let mut waiting = BTreeMap::new();
    let mut count = 0;
    for entry in journal {
        let pod = (&entry.namespace, &entry.pod);
        match entry.action {
            Action::Defer => {
                let wait = if entry.reason == Why::NoRoomOnNode { Wait::NotSent } else { Wait::Deferred };
                if waiting.insert(pod, wait).is_none() {
                    count += 1;
                }
            }
            Action::Resize if waiting.get(&pod) == Some(&Wait::NotSent) => _ = waiting.remove(&pod),
            Action::Grant | Action::Evict => _ = waiting.remove(&pod),
            Action::Resize | Action::Infeasible | Action::Error | Action::EvictRefused => {}
        }
    }
    count
}

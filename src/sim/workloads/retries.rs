//! When a write that failed is tried again: soon at first, then twice as late each time, for each object on its own.
//!
//! Numbers: client-go `workqueue.DefaultTypedControllerRateLimiter`, which the workload controllers use.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{Kind, Queue};
use crate::sim::informer::ObjectKey;

const FIRST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(1_000);

/// What failed, and when it is tried again.
#[derive(Debug, Default)]
pub(super) struct Retries(BTreeMap<(Kind, ObjectKey), Retry>);

#[derive(Debug)]
struct Retry {
    failures: u32,
    /// `None` while it is being tried.
    at: Option<Instant>,
}

impl Retries {
    /// Something failed once more.
    pub(super) fn failed(&mut self, kind: Kind, key: &ObjectKey, now: Instant) {
        let retry = self.0.entry((kind, key.clone())).or_insert(Retry { failures: 0, at: None });
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(retry.failures)).min(LONGEST);
        *retry = Retry { failures: retry.failures.saturating_add(1), at: Some(now + wait) };
    }

    /// It went well: the next failure is a first one.
    pub(super) fn succeeded(&mut self, kind: Kind, key: &ObjectKey) {
        self.0.remove(&(kind, key.clone()));
    }

    /// When the next try is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().filter_map(|retry| retry.at).min()
    }

    /// What is due at `now`, each once.
    pub(super) fn due(&mut self, now: Instant) -> Queue {
        let mut due = Queue::new();
        for (key, retry) in &mut self.0 {
            if retry.at.is_some_and(|at| at <= now) {
                retry.at = None;
                due.insert(key.clone());
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many tries there are in `length` of what always fails.
    fn tries(length: Duration) -> u32 {
        let (start, key) = (Instant::now(), ObjectKey::new("shop", "web"));
        let mut retries = Retries::default();
        let (mut now, mut tries) = (start, 0);
        while now <= start + length {
            tries += 1;
            retries.failed(Kind::ReplicaSet, &key, now);
            now = retries.next().unwrap();
            assert_eq!(retries.due(now).len(), 1);
        }
        tries
    }

    #[test]
    fn what_always_fails_is_tried_less_and_less() {
        assert_eq!(tries(Duration::from_millis(34)), 3, "at once, after 5 and after 15 ms");
        assert_eq!(tries(Duration::from_hours(1)), 21);
        assert!(tries(Duration::from_hours(24)) < 110, "every 1000 s in the end");
    }

    #[test]
    fn each_object_waits_for_itself_and_success_forgets() {
        let (now, [web, api]) = (Instant::now(), ["web", "api"].map(|name| ObjectKey::new("shop", name)));
        let mut retries = Retries::default();
        (0..9).for_each(|_| retries.failed(Kind::ReplicaSet, &web, now));
        retries.failed(Kind::ReplicaSet, &api, now);
        assert_eq!(retries.due(now + FIRST), Queue::from([(Kind::ReplicaSet, api)]));
        retries.succeeded(Kind::ReplicaSet, &web);
        retries.failed(Kind::ReplicaSet, &web, now);
        assert_eq!(retries.next(), Some(now + FIRST));
    }
}

//! Own writes count at once, however late the watch shows them.
//!
//! After a resize the Pod that the server returned is the truth, and what the watch brings of an older generation is
//! not. A sent eviction counts until the Pod is gone.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// After this the watch is believed again: the server may have been restored from a backup, and counts anew.
const BELIEVED_FOR: SignedDuration = SignedDuration::from_mins(5);

/// What was written and is not seen yet, by Pod UID.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    generations: BTreeMap<String, (i64, Timestamp)>,
    evicted: BTreeMap<String, Timestamp>,
}

impl Expectations {
    /// The Pod's spec was written; the server counts it as `generation`.
    pub fn wrote(&mut self, uid: &str, generation: i64, now: Timestamp) {
        self.generations.insert(uid.to_owned(), (generation, now));
    }

    /// Whether a Pod of this generation is older than what was written, and so not to be believed.
    pub fn is_stale(&mut self, uid: &str, generation: i64, now: Timestamp) -> bool {
        let Some((written, at)) = self.generations.get(uid) else { return false };
        if generation < *written && now.duration_since(*at) < BELIEVED_FOR {
            return true;
        }
        self.generations.remove(uid);
        false
    }

    /// The Pod's eviction was accepted.
    pub fn evicted(&mut self, uid: &str, now: Timestamp) {
        self.evicted.insert(uid.to_owned(), now);
    }

    /// Whether the Pod was evicted by Tailor and is not gone yet.
    pub fn is_evicted(&self, uid: &str, now: Timestamp) -> bool {
        self.evicted.get(uid).is_some_and(|at| now.duration_since(*at) < BELIEVED_FOR)
    }

    /// The Pod is gone.
    pub fn forget(&mut self, uid: &str) {
        self.generations.remove(uid);
        self.evicted.remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn after(minutes: i64) -> Timestamp {
        NOW + SignedDuration::from_mins(minutes)
    }

    #[test]
    fn what_is_older_than_an_own_write_is_not_believed_until_the_watch_catches_up() {
        let mut expectations = Expectations::default();
        expectations.wrote("u1", 3, NOW);
        assert!(expectations.is_stale("u1", 2, after(1)));
        assert!(!expectations.is_stale("u2", 2, after(1)));
        assert!(!expectations.is_stale("u1", 3, after(1)));
        assert!(!expectations.is_stale("u1", 2, after(1)), "once caught up, the watch is the truth");
    }

    #[test]
    fn an_own_write_is_not_believed_for_ever() {
        let mut expectations = Expectations::default();
        expectations.wrote("u1", 3, NOW);
        expectations.evicted("u1", NOW);
        assert!(expectations.is_evicted("u1", after(4)));
        assert!(!expectations.is_stale("u1", 2, after(5)));
        assert!(!expectations.is_evicted("u1", after(5)));
    }

    #[test]
    fn nothing_is_expected_of_a_pod_that_is_gone() {
        let mut expectations = Expectations::default();
        expectations.wrote("u1", 3, NOW);
        expectations.evicted("u1", NOW);
        expectations.forget("u1");
        assert!(!expectations.is_stale("u1", 1, NOW) && !expectations.is_evicted("u1", NOW));
    }
}

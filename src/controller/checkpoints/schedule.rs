//! When a checkpoint is written: pure, with time as an argument.
//!
//! Each workload has hours of its own, which begin at a second that its name gives, so that the writes of many spread
//! evenly. One write belongs to each of these hours; it is made when the hour begins. Who begins to lead waits for
//! the next one: who led before may have made this one. A process that ends may make the next hour's write now, once:
//! `notBefore` in the object tells whoever comes after.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{hash, name_of};
use crate::controller::{owners::WorkloadId, world::Key};

/// A workload's checkpoint is written once in so long.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What is known of an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    /// No write before this.
    pub(super) not_before: Timestamp,
    /// A hash of what is in it.
    pub(super) contents: u64,
    /// How new that is.
    pub(super) newest: Timestamp,
}

/// Why a write is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// The workload's hour has begun.
    Hour,
    /// The process ends.
    End,
}

/// What this leader knows of the objects, and when it began.
#[derive(Debug)]
pub(super) struct Timetable {
    begun: Timestamp,
    pub(super) kept: BTreeMap<Key, Kept>,
}

impl Timetable {
    pub(super) fn new(begun: Timestamp) -> Self {
        Self { begun, kept: BTreeMap::new() }
    }

    /// When the workload's next write is due.
    pub(super) fn due(&self, id: &WorkloadId) -> Timestamp {
        let first = next_hour(id, self.begun);
        self.kept(id).map_or(first, |kept| kept.not_before.max(first))
    }

    /// Whether the workload's checkpoint is to be written at `now`; if so, the time before which the next one is not.
    pub(super) fn next_after(&self, id: &WorkloadId, occasion: Occasion, now: Timestamp) -> Option<Timestamp> {
        let next = next_hour(id, now);
        if self.due(id) <= now {
            return Some(next);
        }
        let is_spent = self.kept(id).is_some_and(|kept| kept.not_before > next);
        (occasion == Occasion::End && !is_spent).then(|| later(next, HOUR))
    }

    /// Whether the object holds this already.
    pub(super) fn holds(&self, id: &WorkloadId, contents: u64) -> bool {
        self.kept(id).is_some_and(|kept| kept.contents == contents)
    }

    fn kept(&self, id: &WorkloadId) -> Option<&Kept> {
        self.kept.get(&key(id))
    }
}

/// The object of a workload.
pub(super) fn key(id: &WorkloadId) -> Key {
    (id.namespace.clone(), name_of(id))
}

/// When the workload's next hour begins.
fn next_hour(id: &WorkloadId, now: Timestamp) -> Timestamp {
    let seconds = HOUR.as_secs();
    let into = (now.as_second() - i64::from(hash(id)) % seconds).rem_euclid(seconds);
    let begun = Timestamp::from_second(now.as_second() - into).unwrap_or(now);
    later(begun, HOUR)
}

fn later(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.saturating_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn workload(number: usize) -> WorkloadId {
        WorkloadId::new("shop", "apps/v1", "Deployment", &format!("web-{number}"))
    }

    fn write(table: &mut Timetable, id: &WorkloadId, occasion: Occasion, now: Timestamp) -> bool {
        let Some(not_before) = table.next_after(id, occasion, now) else { return false };
        table.kept.insert(key(id), Kept { not_before, contents: 0, newest: now });
        true
    }

    /// Asks every ten seconds, as the keeper does.
    fn writes_in(table: &mut Timetable, id: &WorkloadId, from: Timestamp, minutes: i64) -> usize {
        let times = (0..minutes * 6).map(|step| from + SignedDuration::from_secs(step * 10));
        times.filter(|now| write(table, id, Occasion::Hour, *now)).count()
    }

    #[test]
    fn a_day_has_24_writes_and_they_are_an_hour_apart() {
        for number in 0..50 {
            let (id, mut table) = (workload(number), Timetable::new(NOW));
            let times = (0..24 * 360).map(|step| NOW + SignedDuration::from_secs(step * 10));
            let written: Vec<_> = times.filter(|now| write(&mut table, &id, Occasion::Hour, *now)).collect();
            assert!((23..=24).contains(&written.len()), "{number}: {}", written.len());
            let apart = written.windows(2).map(|pair| pair[1].duration_since(pair[0]));
            assert!(apart.into_iter().all(|apart| apart == HOUR));
        }
    }

    #[test]
    fn the_writes_of_many_workloads_spread_over_the_hour() {
        let mut by_minute = [0_usize; 60];
        for number in 0..10_000 {
            let wait = next_hour(&workload(number), NOW).duration_since(NOW);
            assert!(wait > SignedDuration::ZERO && wait <= HOUR);
            by_minute[usize::try_from((wait.as_secs() - 1) / 60).unwrap()] += 1;
        }
        assert!(by_minute.iter().all(|writes| (100..250).contains(writes)), "{by_minute:?}");
    }

    #[test]
    fn who_comes_to_lead_writes_nothing_in_the_hour_that_has_begun() {
        let id = workload(0);
        let next = next_hour(&id, NOW);
        let mut table = Timetable::new(NOW);
        assert!(!write(&mut table, &id, Occasion::Hour, next - SignedDuration::from_secs(1)));
        assert!(write(&mut table, &id, Occasion::Hour, next));
        assert!(!write(&mut table, &id, Occasion::Hour, next + SignedDuration::from_mins(59)));
    }

    #[test]
    fn a_process_that_ends_takes_the_next_hours_write_and_no_more() {
        let id = workload(0);
        let mut table = Timetable::new(NOW);
        let end = next_hour(&id, NOW) + SignedDuration::from_mins(90);
        writes_in(&mut table, &id, NOW, 150);
        assert!(write(&mut table, &id, Occasion::End, end));
        assert!(!write(&mut table, &id, Occasion::End, end + SignedDuration::from_mins(1)));
        // The next process knows the object, and leaves out the hour that was taken.
        let kept = table.kept.clone();
        let mut next = Timetable { begun: end + SignedDuration::from_mins(2), kept };
        assert_eq!(writes_in(&mut next, &id, end, 85), 0);
        assert!(writes_in(&mut next, &id, end + SignedDuration::from_mins(85), 60) == 1);
    }
}

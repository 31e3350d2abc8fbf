//! Who leads: the decision, told the time.
//!
//! As in client-go, a record is judged by when it was *seen* to change, by the clock of who looks, and never by the
//! times that stand in it: the other's clock may be wrong. Whoever holds the lease counts its own right to write from
//! before it *sent* the last renewal, so that it ends before anybody else can think it over, by
//! `lease_duration - renew_deadline`, however slow a request is.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{api::coordination::v1::LeaseSpec, apimachinery::pkg::apis::meta::v1::MicroTime};

use super::super::leadership::Moment;

/// How long a lease lasts, and how it is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A record that has not changed for so long may be taken over.
    pub lease_duration: Duration,
    /// The holder writes nothing when it has not renewed for so long.
    pub renew_deadline: Duration,
    /// How often it is renewed, or asked for.
    pub retry_period: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { lease_duration: seconds(15), renew_deadline: seconds(10), retry_period: seconds(2) }
    }
}

impl Timing {
    /// Whether a lease so kept is safe.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn checked(self) -> Result<Self, String> {
        let Self { lease_duration, renew_deadline, retry_period } = self;
        if lease_duration.subsec_nanos() != 0 || lease_duration < Duration::from_secs(1) {
            Err(format!("the lease duration must be whole seconds, one at least, and not {lease_duration:?}"))
        } else if renew_deadline >= lease_duration {
            Err(format!("the renew deadline ({renew_deadline:?}) must be shorter than the lease ({lease_duration:?})"))
        } else if retry_period.is_zero() || retry_period * 2 > renew_deadline {
            Err(format!(
                "the retry period ({retry_period:?}) must fit into the renew deadline ({renew_deadline:?}) twice"
            ))
        } else {
            Ok(self)
        }
    }
}

/// What to do with the record.
#[derive(Clone, Debug, PartialEq)]
pub enum Bid {
    /// Write this one in its place.
    Write(LeaseSpec),
    /// Another one holds it.
    Leave {
        /// Who.
        holder: String,
    },
}

/// What one candidate knows.
#[derive(Clone, Debug)]
pub struct Election {
    identity: String,
    timing: Timing,
    /// The record, and when it was seen to be so first.
    seen: Option<(LeaseSpec, Moment)>,
}

impl Election {
    /// A candidate who has seen nothing. Its name must not be that of any other, nor of itself before a restart.
    pub fn new(identity: String, timing: Timing) -> Self {
        Self { identity, timing, seen: None }
    }

    /// What to do with the record, as it was read now; `None` if there is none.
    pub fn bid(&mut self, record: Option<&LeaseSpec>, now: Moment) -> Bid {
        let Some(record) = record else { return Bid::Write(self.record(None, now.wall)) };
        let since = match &self.seen {
            Some((seen, since)) if seen == record => *since,
            _ => {
                self.seen = Some((record.clone(), now));
                now
            }
        };
        match record.holder_identity.as_deref() {
            Some(holder) if !holder.is_empty() && holder != self.identity => {
                let lasts = record.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
                let lasts = lasts.map_or(self.timing.lease_duration, Duration::from_secs);
                if now.since(since) < lasts {
                    return Bid::Leave { holder: holder.to_owned() };
                }
                Bid::Write(self.record(Some(record), now.wall))
            }
            _ => Bid::Write(self.record(Some(record), now.wall)),
        }
    }

    /// Until when the holder may write after a renewal that was sent at `sent` and accepted.
    pub fn until(&self, sent: Moment) -> Moment {
        sent.after(self.timing.renew_deadline)
    }

    /// The record that gives the lease up, so that another one need not wait.
    pub fn released(&self, record: &LeaseSpec, now: Timestamp) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            acquire_time: Some(MicroTime(now)),
            renew_time: Some(MicroTime(now)),
            lease_transitions: record.lease_transitions,
            ..LeaseSpec::default()
        }
    }

    fn record(&self, before: Option<&LeaseSpec>, now: Timestamp) -> LeaseSpec {
        let ours = before.filter(|record| record.holder_identity.as_ref() == Some(&self.identity));
        let transitions = before.map_or(0, |record| record.lease_transitions.unwrap_or(0));
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.timing.lease_duration.as_secs()).ok(),
            acquire_time: ours.and_then(|record| record.acquire_time.clone()).or(Some(MicroTime(now))),
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(transitions.saturating_add(i32::from(before.is_some() && ours.is_none()))),
            ..LeaseSpec::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tokio::time::Instant;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn start() -> Moment {
        Moment { steady: Instant::now(), wall: Timestamp::constant(1_800_000_000, 0) }
    }

    fn candidate(name: &str) -> Election {
        Election::new(name.to_owned(), Timing::default())
    }

    fn written(bid: Bid) -> LeaseSpec {
        match bid {
            Bid::Write(record) => record,
            Bid::Leave { holder } => panic!("left to {holder}"),
        }
    }

    #[test]
    fn the_first_creates_the_record_and_renews_it() {
        let (mut a, now) = (candidate("a"), start());
        let first = written(a.bid(None, now));
        assert_eq!(first.lease_transitions, Some(0));
        let later = now.after(seconds(2));
        let second = written(a.bid(Some(&first), later));
        assert_eq!(second.acquire_time, first.acquire_time);
        assert_eq!((second.renew_time, second.lease_transitions), (Some(MicroTime(later.wall)), Some(0)));
    }

    #[test]
    fn a_record_is_taken_over_when_it_has_not_changed_for_its_whole_time_and_not_before() {
        let (mut a, mut b, now) = (candidate("a"), candidate("b"), start());
        let record = written(a.bid(None, now));
        for waited in [0, 14] {
            assert_eq!(b.bid(Some(&record), now.after(seconds(waited))), Bid::Leave { holder: "a".to_owned() });
        }
        let renewed = written(a.bid(Some(&record), now.after(seconds(14))));
        assert!(matches!(b.bid(Some(&renewed), now.after(seconds(15))), Bid::Leave { .. }), "it has changed");
        assert!(matches!(b.bid(Some(&renewed), now.after(seconds(29))), Bid::Leave { .. }));
        let taken = written(b.bid(Some(&renewed), now.after(seconds(30))));
        assert_eq!((taken.holder_identity.as_deref(), taken.lease_transitions), (Some("b"), Some(1)));
        assert!(matches!(a.bid(Some(&taken), now.after(seconds(31))), Bid::Leave { .. }));
    }

    #[test]
    fn the_others_clock_does_not_matter() {
        let (mut b, now) = (candidate("b"), start());
        for year in ["1990-01-01T00:00:00Z", "2090-01-01T00:00:00Z"] {
            let at: Timestamp = year.parse().unwrap();
            let record = written(candidate("a").bid(None, Moment { wall: at, ..now }));
            assert!(matches!(b.bid(Some(&record), now), Bid::Leave { .. }));
            assert!(matches!(b.bid(Some(&record), now.after(seconds(15))), Bid::Write(_)));
        }
    }

    #[test]
    fn the_holder_stops_writing_before_another_can_take_over() {
        let (mut a, mut b, sent) = (candidate("a"), candidate("b"), start());
        let record = written(a.bid(None, sent));
        // Nobody can see the record before it was sent.
        let earliest = (0..60).map(|second| sent.after(seconds(second)));
        let taken = earliest.into_iter().find(|now| matches!(b.bid(Some(&record), *now), Bid::Write(_))).unwrap();
        assert_eq!(a.until(sent).until(taken), seconds(5));
    }

    #[test]
    fn a_released_lease_is_free_at_once() {
        let (mut a, mut b, now) = (candidate("a"), candidate("b"), start());
        let record = written(a.bid(None, now));
        assert!(matches!(b.bid(Some(&record), now), Bid::Leave { .. }));
        let free = a.released(&record, now.wall);
        assert!(matches!(b.bid(Some(&free), now.after(seconds(1))), Bid::Write(_)));
    }

    #[test]
    fn who_holds_for_longer_is_waited_for_longer() {
        let (mut b, now) = (candidate("b"), start());
        let mut slow = Election::new("a".to_owned(), Timing { lease_duration: seconds(60), ..Timing::default() });
        let record = written(slow.bid(None, now));
        assert!(matches!(b.bid(Some(&record), now), Bid::Leave { .. }));
        assert!(matches!(b.bid(Some(&record), now.after(seconds(59))), Bid::Leave { .. }));
        assert!(matches!(b.bid(Some(&record), now.after(seconds(60))), Bid::Write(_)));
    }

    #[rstest]
    #[case::usual(15, 10, 2, true)]
    #[case::no_time_to_hand_over(10, 10, 2, false)]
    #[case::no_second_attempt(15, 10, 6, false)]
    #[case::busy(15, 10, 0, false)]
    fn times_that_would_not_be_safe_are_refused(
        #[case] lease: u64,
        #[case] renew: u64,
        #[case] retry: u64,
        #[case] safe: bool,
    ) {
        let timing =
            Timing { lease_duration: seconds(lease), renew_deadline: seconds(renew), retry_period: seconds(retry) };
        assert_eq!(timing.checked().is_ok(), safe);
    }
}

//! Whether this process may write, and for how long: what the lease says, as all the others see it.
//!
//! The right ends by itself, at an instant that the holder works out; nobody has to be told. Both the steady clock and
//! the wall clock must be before it: the steady one stops while a machine sleeps, and the wall clock can be set back.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::watch, time::Instant};

use crate::{clock::Clock, telemetry::metrics::Metrics};

/// A write without an answer is given up after so long, even with all the time in the world.
const LONGEST_WRITE: Duration = Duration::from_secs(30);

/// One instant, by two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Never jumps.
    pub steady: Instant,
    /// Goes on while the machine sleeps.
    pub wall: Timestamp,
}

impl Moment {
    /// Now.
    pub fn now(clock: &Clock) -> Self {
        Self { steady: Instant::now(), wall: clock.now() }
    }

    /// This instant and a while more.
    pub fn after(self, wait: Duration) -> Self {
        let wall = SignedDuration::try_from(wait).ok().and_then(|wait| self.wall.checked_add(wait).ok());
        Self { steady: self.steady + wait, wall: wall.unwrap_or(Timestamp::MAX) }
    }

    /// The time from `earlier` to this, by whichever clock says more.
    pub fn since(self, earlier: Self) -> Duration {
        let wall = Duration::try_from(self.wall.duration_since(earlier.wall)).unwrap_or_default();
        self.steady.saturating_duration_since(earlier.steady).max(wall)
    }

    /// The time from this to `later`, by whichever clock says less.
    pub fn until(self, later: Self) -> Duration {
        let wall = Duration::try_from(later.wall.duration_since(self.wall)).unwrap_or_default();
        later.steady.saturating_duration_since(self.steady).min(wall)
    }
}

/// How this process stands to the others of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There are no others.
    Alone,
    /// Another one leads, or nobody knows.
    Standby,
    /// This one leads, until `until` at least.
    Leading {
        /// Counts how often it has come to lead.
        term: u64,
        /// No write after this.
        until: Moment,
    },
    /// This one has done its last write.
    Ended,
}

/// The right to write. Clones are the same.
#[derive(Clone, Debug)]
pub struct Leadership {
    standing: Arc<watch::Sender<Standing>>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl Leadership {
    /// Starts as `standing`.
    pub fn new(standing: Standing, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let leadership = Self { standing: Arc::new(watch::Sender::new(standing)), clock, metrics };
        leadership.set(standing);
        leadership
    }

    /// Things stand otherwise now.
    pub fn set(&self, standing: Standing) {
        self.metrics.leads(matches!(standing, Standing::Alone | Standing::Leading { .. }));
        self.standing.send_replace(standing);
    }

    /// How things stand.
    pub fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    /// How long a write that is sent now may take; `None` if none may be sent.
    pub fn time_to_write(&self) -> Option<Duration> {
        let left = match self.standing() {
            Standing::Alone => LONGEST_WRITE,
            Standing::Leading { until, .. } => Moment::now(&self.clock).until(until).min(LONGEST_WRITE),
            Standing::Standby | Standing::Ended => Duration::ZERO,
        };
        (!left.is_zero()).then_some(left)
    }

    /// Waits until this process may write, and tells for which term.
    pub async fn gained(&self) -> Term {
        let mut standing = self.standing.subscribe();
        let may_write = |standing: &Standing| matches!(standing, Standing::Alone | Standing::Leading { .. });
        // The sender lives as long as `self`.
        let gained = standing.wait_for(may_write).await.map_or(Standing::Standby, |standing| *standing);
        Term(match gained {
            Standing::Leading { term, .. } => Some(term),
            _ => None,
        })
    }

    /// Waits until `term` is over: told so, or because its time has run out.
    pub async fn lost(&self, term: Term) {
        let mut standing = self.standing.subscribe();
        loop {
            let now = *standing.borrow_and_update();
            match (now, term.0) {
                (Standing::Alone, None) => {}
                (Standing::Leading { term, until }, Some(ours)) if term == ours => {
                    let left = Moment::now(&self.clock).until(until);
                    if left.is_zero() {
                        return;
                    }
                    let _ = tokio::time::timeout(left, standing.changed()).await;
                    continue;
                }
                _ => return,
            }
            if standing.changed().await.is_err() {
                return;
            }
        }
    }
}

/// One time of leading, without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term(Option<u64>);

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn leadership(standing: Standing) -> (Leadership, Clock) {
        let clock = Clock::simulated(Timestamp::constant(1_800_000_000, 0));
        (Leadership::new(standing, clock, Arc::default()), clock)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn the_right_to_write_ends_by_itself() {
        let (leadership, clock) = leadership(Standing::Standby);
        assert_eq!(leadership.time_to_write(), None);
        leadership.set(Standing::Leading { term: 1, until: Moment::now(&clock).after(seconds(10)) });
        assert_eq!(leadership.time_to_write(), Some(seconds(10)));
        tokio::time::advance(seconds(9)).await;
        assert_eq!(leadership.time_to_write(), Some(seconds(1)));
        tokio::time::advance(seconds(1)).await;
        assert_eq!(leadership.time_to_write(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_slept_has_lost_it_though_its_steady_clock_stood_still() {
        let (_, clock) = leadership(Standing::Standby);
        let now = Moment::now(&clock);
        let until = now.after(seconds(10));
        let woken = Moment { steady: now.steady + seconds(1), wall: now.wall + SignedDuration::from_hours(1) };
        assert_eq!(woken.until(until), Duration::ZERO);
        let set_back = Moment { steady: now.steady + seconds(11), wall: now.wall - SignedDuration::from_hours(1) };
        assert_eq!(set_back.until(until), Duration::ZERO);
        assert_eq!(woken.since(now), seconds(3_600));
    }

    #[tokio::test(start_paused = true)]
    async fn a_term_is_lost_when_its_time_runs_out_or_another_begins() {
        let (leadership, clock) = leadership(Standing::Standby);
        let lead = |term, left| {
            leadership.set(Standing::Leading { term, until: Moment::now(&clock).after(seconds(left)) });
        };
        lead(1, 10);
        let term = leadership.gained().await;
        let mut lost = Box::pin(leadership.lost(term));
        assert!(lost.as_mut().now_or_never().is_none());
        tokio::time::advance(seconds(9)).await;
        lead(1, 10);
        tokio::time::advance(seconds(9)).await;
        assert!(lost.as_mut().now_or_never().is_none(), "it was renewed");
        tokio::time::advance(seconds(1)).await;
        lost.await;
        lead(2, 10);
        leadership.lost(term).await;
        let term = leadership.gained().await;
        leadership.set(Standing::Standby);
        leadership.lost(term).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_alone_leads_until_the_end() {
        let (leadership, _) = leadership(Standing::Alone);
        let term = leadership.gained().await;
        let lost = tokio::time::timeout(seconds(100_000), leadership.lost(term)).await;
        assert!(lost.is_err());
        assert_eq!(leadership.time_to_write(), Some(LONGEST_WRITE));
        leadership.set(Standing::Ended);
        leadership.lost(term).await;
        assert_eq!(leadership.time_to_write(), None);
    }
}

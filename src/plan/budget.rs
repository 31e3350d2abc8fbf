//! How many disruptions may happen over time: a token bucket that is told the time.

use jiff::{SignedDuration, Timestamp};

/// Evictions allowed over time. It starts empty, so that a restart of the controller cannot start a storm of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    every: SignedDuration,
    burst: u32,
    tokens: u32,
    /// Up to when tokens have been counted in; never in the future of what was asked.
    counted: Timestamp,
}

impl Budget {
    /// One token `every` so long (a second at least), at most `burst` at once, the first one `every` after `now`.
    pub fn new(every: SignedDuration, burst: u32, now: Timestamp) -> Self {
        Self { every: every.max(SignedDuration::from_secs(1)), burst, tokens: 0, counted: now }
    }

    /// How many tokens there are.
    pub fn available(&mut self, now: Timestamp) -> u32 {
        let passed = now.duration_since(self.counted);
        if passed >= self.every {
            let due = u32::try_from(passed.as_secs() / self.every.as_secs()).unwrap_or(u32::MAX);
            let counted = self.every.checked_mul(i32::try_from(due).unwrap_or(i32::MAX)).unwrap_or(passed);
            self.tokens = self.tokens.saturating_add(due).min(self.burst);
            self.counted = self.counted.saturating_add(counted.min(passed)).unwrap_or(now);
        }
        self.tokens
    }

    /// When there will be a token at the latest, if there is none now.
    pub fn next_token(&mut self, now: Timestamp) -> Option<Timestamp> {
        (self.available(now) == 0).then(|| self.counted.saturating_add(self.every).unwrap_or(Timestamp::MAX))
    }

    /// Takes one token; `false` if there is none.
    pub fn take(&mut self, now: Timestamp) -> bool {
        let any = self.available(now) > 0;
        self.tokens = self.tokens.saturating_sub(1);
        any
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::constant(1_800_000_000, 0);
    const MINUTE: SignedDuration = SignedDuration::from_mins(1);

    fn after(seconds: i64) -> Timestamp {
        START + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn it_starts_empty_fills_over_time_and_holds_a_burst_at_most() {
        let mut budget = Budget::new(MINUTE, 2, START);
        assert!(!budget.take(after(59)));
        assert_eq!(budget.next_token(after(59)), Some(after(60)));
        assert!(budget.take(after(60)));
        assert!(!budget.take(after(60)));
        assert_eq!(budget.available(after(3_600)), 2);
        assert_eq!(budget.next_token(after(3_600)), None);
    }

    #[test]
    fn a_clock_that_runs_back_gives_nothing() {
        let mut budget = Budget::new(MINUTE, 5, START);
        assert_eq!(budget.available(after(-3_600)), 0);
        assert_eq!(budget.available(after(120)), 2);
    }

    proptest! {
        #[test]
        fn no_window_sees_more_than_its_share_and_a_burst(steps in prop::collection::vec(0_i64..200, 1..100)) {
            let mut budget = Budget::new(MINUTE, 3, START);
            let (mut now, mut taken) = (0, 0);
            for step in steps {
                now += step;
                taken += i64::from(budget.take(after(now)));
                prop_assert!(taken <= now / 60);
            }
        }

        #[test]
        fn no_time_panics(every: i64, burst: u32, start in any::<i32>(), now in any::<i32>()) {
            let at = |seconds: i32| Timestamp::from_second(i64::from(seconds)).unwrap();
            let mut budget = Budget::new(SignedDuration::from_secs(every), burst, at(start));
            prop_assert!(budget.available(at(now)) <= burst);
            budget.take(Timestamp::MAX);
            budget.take(Timestamp::MIN);
        }
    }
}

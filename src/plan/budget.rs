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

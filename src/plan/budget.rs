//! How many disruptions may happen over time: a token bucket that is told the time.

use jiff::{SignedDuration, Timestamp};

/// Evictions allowed over time. It starts empty, so that a restart of the controller cannot start a storm of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    every: SignedDuration,
    burst: u32,
    tokens: u32,
    counted: Timestamp,
}

impl Budget {
    /// One token `every` so long, at most `burst` at once, the first one `every` after `now`.
    pub fn new(every: SignedDuration, burst: u32, now: Timestamp) -> Self {
        Self { every, burst, tokens: 0, counted: now }
    }

    /// How many tokens there are.
    pub fn available(&mut self, now: Timestamp) -> u32 {
        let _ = (now, self.every, self.burst, self.counted);
        self.tokens
    }

    /// Takes one token; `false` if there is none.
    pub fn take(&mut self, now: Timestamp) -> bool {
        self.available(now) > 0
    }
}

//! Waits that double, without chance: a run must be a function of its input, and one controller needs no jitter.

use std::time::Duration;

use kube::runtime::utils::Backoff;

/// 1 s, 2 s, 4 s, ... up to a minute.
#[derive(Clone, Copy, Debug)]
pub struct Doubling {
    next: Duration,
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);

impl Default for Doubling {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Doubling {
    /// The wait after so many failures in a row.
    pub fn after(failures: u32) -> Duration {
        FIRST.saturating_mul(1 << failures.min(16)).min(LONGEST)
    }
}

impl Iterator for Doubling {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let now = self.next;
        self.next = (now * 2).min(LONGEST);
        Some(now)
    }
}

impl Backoff for Doubling {
    fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_start_anew() {
        let mut backoff = Doubling::default();
        let seconds: Vec<_> = backoff.by_ref().take(8).map(|wait| wait.as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.next(), Some(FIRST));
        assert_eq!(Doubling::after(3), Duration::from_secs(8));
        assert_eq!(Doubling::after(u32::MAX), LONGEST);
    }
}

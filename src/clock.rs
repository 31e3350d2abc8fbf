//! The one place that reads time.
//!
//! Everything else takes a [`Timestamp`] as an argument or asks a [`Clock`], so the same code runs on the wall clock
//! and under tokio's paused clock, where a simulated day takes seconds.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Tells the time, from the system or from a simulation.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's wall clock.
    System,
    /// Wall time derived from tokio's (paused) clock and an origin, so that a run is a function of its inputs.
    Simulated {
        /// The wall time at which the simulation starts.
        origin: Timestamp,
        /// tokio's time at which the simulation started.
        started: Instant,
    },
}

impl Clock {
    /// A simulated clock that reads `origin` now. Must be called inside a tokio runtime.
    pub fn simulated(origin: Timestamp) -> Self {
        Self::Simulated { origin, started: Instant::now() }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Simulated { origin, started } => {
                let elapsed = SignedDuration::try_from(started.elapsed()).unwrap_or(SignedDuration::MAX);
                origin.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
            }
        }
    }
}

//! A clock that runs only while there are samples.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The longest step between two samples that counts as covered; the rest of a longer one is a hole.
pub const LONGEST_STEP: SignedDuration = SignedDuration::from_mins(10);

/// No samples cover more than this, in seconds: three centuries.
const LONGEST_COVERED: f64 = 1e10;

/// How much time samples have covered. Holes do not count, so nothing is forgotten in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Covered {
    #[serde(with = "jiff::fmt::serde::timestamp::nanosecond::optional")]
    newest: Option<Timestamp>,
    seconds: f64,
}

impl Covered {
    /// Goes on to a sample taken at `at`. `false` if it is too old to be part of now.
    pub fn advance(&mut self, at: Timestamp) -> bool {
        let Some(newest) = self.newest else {
            self.newest = Some(at);
            return true;
        };
        let step = at.duration_since(newest);
        if step > SignedDuration::ZERO {
            self.newest = Some(at);
            self.seconds += step.min(LONGEST_STEP).as_secs_f64();
        }
        step >= -LONGEST_STEP
    }

    /// When the newest sample was taken.
    pub fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// How many seconds have been covered.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Whether samples can have made it so, up to `latest`.
    pub(super) fn is_sound(&self, latest: Timestamp) -> bool {
        (0.0..=LONGEST_COVERED).contains(&self.seconds)
            && self.newest.map_or(self.seconds == 0.0, |newest| newest <= latest)
    }

    /// The number of the slot of `length` seconds that the newest sample is in.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to int casts saturate")]
    pub fn slot(&self, length: f64) -> u64 {
        (self.seconds / length) as u64
    }
}

//! What the server remembers, by range queries in bounded pieces.
//!
//! A range query evaluates the very query of a reading at each moment, so its numbers are those that a reading would have
//! had. The moments are whole multiples of the step, so that spans that touch each other do not overlap.

use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::{Moments, Prometheus, Stop, answer::Bound};
use crate::usage::{Error, Sample};

/// At first a piece has so many moments.
const PIECE: i64 = 60;

impl Prometheus {
    /// See [`UsageSource::history`](crate::usage::UsageSource::history).
    pub(super) async fn recall(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Sample>, Error> {
        let whole = |at: Timestamp| at.as_second() - i64::from(at.subsec_nanosecond() < 0);
        let mut next = (whole(from).div_euclid(self.step) + 1).saturating_mul(self.step);
        let end = whole(until);
        let (mut piece, mut samples, mut warning) = (PIECE, Vec::new(), None);
        while next <= end {
            let left = (end - next) / self.step + 1;
            let moments = Moments { first: next, step: self.step, count: piece.min(left), slack: self.step / 2 };
            let shards = self.shards.load(Ordering::Relaxed);
            match self.read(moments, shards).await {
                Ok(read) => {
                    warning = warning.or_else(|| read.warnings.into_iter().next());
                    let known = read.join.into_samples();
                    if samples.len() + known.len() > self.caps.history {
                        let problem = format!("{} samples; ask for a shorter time", self.caps.history);
                        return Err(Error::TooLarge { source_name: self.connection.name().to_owned(), problem });
                    }
                    samples.extend(known);
                    next = moments.last() + self.step;
                }
                // A shorter time has as many series.
                Err(Stop::TooLarge(Bound::Bytes(_) | Bound::Values(_) | Bound::Servers)) if moments.count > 1 => {
                    piece = moments.count / 2;
                }
                Err(Stop::TooLarge(bound)) => _ = self.split(shards, bound)?,
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
        if let Some(warning) = warning {
            tracing::warn!(server = self.connection.name(), %warning, "the past may be incomplete");
        }
        Ok(samples)
    }
}

//! A histogram of CPU use that forgets: the weight of what was seen halves every [`HALF_LIFE_SECONDS`].
//!
//! Buckets grow by a twentieth, so that the relative error is the same for a sidecar and for a database. Only the span of
//! buckets between the lowest and the highest that were hit is stored, at most 96: what falls below the
//! span counts in its lowest bucket, which is far below any quantile that is asked for.

use serde::{Deserialize, Serialize};

/// How long it takes until what was seen counts half: with a day, yesterday's peak hour still counts.
pub const HALF_LIFE_SECONDS: f64 = 24.0 * 3600.0;

/// Width of the first bucket, in cores.
const FIRST_CORES: f64 = 0.001;

/// How many times as wide each bucket is as the one before.
const GROWTH: f64 = 1.05;

/// Past the last bucket there are 2,800 cores; all that is larger counts in it.
const LAST_BUCKET: usize = 240;

/// With 96 buckets the highest is about a hundred times the lowest: 384 bytes.
const MAX_BUCKETS: usize = 96;

/// A top bucket that holds a smaller share than this has been forgotten: half a minute of a day.
const FORGOTTEN: f32 = 0.0002;

/// How CPU use is spread, newer use counting more. Time is in seconds on a clock of the caller's that never runs back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// The time at which a weight of 1 is stored as 1.
    reference_seconds: f64,
    /// The bucket that `weights[0]` stands for.
    offset: u16,
    weights: Vec<f32>,
}

impl Histogram {
    /// Adds `cores` seen at `seconds`. What is not a positive finite number is ignored.
    pub fn add(&mut self, cores: f64, weight: f64, seconds: f64) {
        let usable = |number: f64| number.is_finite() && number > 0.0;
        if !usable(cores) || !usable(weight) || !seconds.is_finite() {
            return;
        }
        if self.weights.is_empty() {
            self.reference_seconds = seconds;
        }
        if seconds - self.reference_seconds > HALF_LIFE_SECONDS {
            self.move_reference(seconds);
        }
        let bucket = self.make_room_for(bucket_of(cores));
        let newness = ((seconds - self.reference_seconds) / HALF_LIFE_SECONDS).exp2();
        self.weights[bucket] += to_weight(weight * newness);
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// The use, in cores, that a share `quantile` of the weighted time stays at or below; `None` when empty.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let total: f64 = self.weights.iter().copied().map(f64::from).sum();
        let wanted = total * if quantile.is_nan() { 1.0 } else { quantile.clamp(0.0, 1.0) };
        let mut below = 0.0;
        let mut answer = None;
        for (bucket, &weight) in (usize::from(self.offset)..).zip(&self.weights) {
            let weight = f64::from(weight);
            if weight <= 0.0 {
                continue;
            }
            let share = ((wanted - below) / weight).clamp(0.0, 1.0);
            answer = Some(start_of(bucket) + share * (start_of(bucket + 1) - start_of(bucket)));
            below += weight;
            if below >= wanted {
                break;
            }
        }
        answer
    }

    /// Makes `seconds` the time at which weights are stored as they are, and drops what has been forgotten.
    fn move_reference(&mut self, seconds: f64) {
        let fading = ((self.reference_seconds - seconds) / HALF_LIFE_SECONDS).exp2();
        self.weights.iter_mut().for_each(|weight| *weight *= to_weight(fading));
        self.reference_seconds = seconds;
        let forgotten = self.weights.iter().sum::<f32>() * FORGOTTEN;
        while self.weights.len() > 1 && self.weights.last().is_some_and(|weight| *weight <= forgotten) {
            self.weights.pop();
        }
    }

    /// Widens the span to hold `bucket`, and says where in `weights` it is.
    fn make_room_for(&mut self, bucket: usize) -> usize {
        let offset = if self.weights.is_empty() { bucket } else { usize::from(self.offset) };
        let end = (offset + self.weights.len()).max(bucket + 1);
        let start = offset.min(bucket).max(end.saturating_sub(MAX_BUCKETS));
        if start != offset || end - start != self.weights.len() {
            let mut weights = vec![0.0; end - start];
            (offset..).zip(&self.weights).for_each(|(old, weight)| weights[old.max(start) - start] += weight);
            self.weights = weights;
        }
        self.offset = u16::try_from(start).expect("buckets are few");
        bucket.max(start) - start
    }

    /// Whether use up to `now` can have made it so.
    pub(super) fn is_sound(&self, now: f64) -> bool {
        let weights = &self.weights;
        let fits = weights.len() <= MAX_BUCKETS && usize::from(self.offset) + weights.len() <= LAST_BUCKET + 1;
        let counts = |weight: &f32| weight.is_finite() && *weight >= 0.0;
        let is_used = weights.is_empty() || weights.iter().any(|weight| *weight > 0.0);
        fits && weights.iter().all(counts) && is_used && (0.0..=now).contains(&self.reference_seconds)
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.weights.capacity() * size_of::<f32>()
    }
}

/// Where bucket `n` starts, in cores: the sum of the widths before it.
fn start_of(bucket: usize) -> f64 {
    let power = i32::try_from(bucket).unwrap_or(i32::MAX);
    FIRST_CORES * (GROWTH.powi(power) - 1.0) / (GROWTH - 1.0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to int casts saturate")]
fn bucket_of(cores: f64) -> usize {
    let bucket = (cores * (GROWTH - 1.0) / FIRST_CORES).ln_1p() / GROWTH.ln();
    (bucket as usize).min(LAST_BUCKET)
}

#[expect(clippy::cast_possible_truncation, reason = "half the digits are plenty for a weight")]
fn to_weight(weight: f64) -> f32 {
    weight.min(f64::from(f32::MAX / 1e6)) as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    proptest! {
        #[test]
        fn quantiles_are_off_by_one_bucket_at_most(
            values in prop::collection::vec(0.01_f64..0.9, 1..200),
            quantile in 0.0_f64..=1.0,
        ) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|value| histogram.add(*value, 1.0, 0.0));
            let mut sorted = values;
            sorted.sort_by(f64::total_cmp);
            let rank = (whole(quantile * sorted.len() as f64)).clamp(1, sorted.len());
            let exact = sorted[rank - 1];
            let answer = histogram.quantile(quantile).unwrap();
            prop_assert!((answer - exact).abs() <= FIRST_CORES + exact * (GROWTH - 1.0), "{answer} for {exact}");
        }

        #[test]
        fn no_input_panics_or_outgrows_the_span(input in prop::collection::vec(any::<(f64, f64, f64)>(), 0..50)) {
            let mut histogram = Histogram::default();
            input.iter().for_each(|(cores, weight, seconds)| histogram.add(*cores, *weight, *seconds));
            prop_assert!(histogram.weights.len() <= MAX_BUCKETS);
            prop_assert!(histogram.quantile(0.5).is_none_or(f64::is_finite));
            prop_assert!(histogram.quantile(f64::NAN).is_none_or(f64::is_finite));
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
    fn whole(number: f64) -> usize {
        number.ceil() as usize
    }

    /// Of two equal weights, the older by a half-life holds a third; by four of them, 1 / 17.
    #[rstest]
    #[case::one_half_life(1.0, 1.0 / 3.0)]
    #[case::after_moving_the_reference(4.0, 1.0 / 17.0)]
    fn weight_halves_in_a_half_life(#[case] half_lives: f64, #[case] share_of_old: f64) {
        let mut histogram = Histogram::default();
        histogram.add(0.1, 1.0, 0.0);
        histogram.add(1.0, 1.0, half_lives * HALF_LIFE_SECONDS);
        assert!(histogram.quantile(share_of_old - 0.01).unwrap() < 0.11);
        assert!(histogram.quantile(share_of_old + 0.01).unwrap() > 0.9);
    }

    #[test]
    fn what_is_below_the_span_counts_in_its_lowest_bucket() {
        let mut histogram = Histogram::default();
        histogram.add(0.001, 3.0, 0.0);
        histogram.add(100.0, 1.0, 0.0);
        histogram.add(0.002, 1.0, 0.0);
        assert_eq!(histogram.weights.len(), MAX_BUCKETS);
        assert_eq!(histogram.weights.iter().sum::<f32>(), 5.0);
        assert!(histogram.quantile(0.5).unwrap() < 1.0);
        assert!((histogram.quantile(1.0).unwrap() / 100.0 - 1.0).abs() < 0.06);
    }

    #[test]
    fn a_forgotten_peak_leaves_the_span() {
        let mut histogram = Histogram::default();
        histogram.add(50.0, 1.0, 0.0);
        for day in 0..14 {
            (0..100).for_each(|_| histogram.add(0.02, 1.0, f64::from(day) * 1.5 * HALF_LIFE_SECONDS));
        }
        assert!(histogram.quantile(0.99).unwrap() < 0.03);
    }
}

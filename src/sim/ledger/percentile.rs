//! Percentiles over time in bounded memory.

use std::collections::BTreeMap;

/// How long each value held, values rounded up to three significant digits: at most a thousand entries a decade.
#[derive(Clone, Debug, Default)]
pub(super) struct Percentile {
    seconds: BTreeMap<u64, f64>,
    total: f64,
}

impl Percentile {
    pub(super) fn add(&mut self, value: u64, seconds: f64) {
        *self.seconds.entry(rounded(value)).or_default() += seconds;
        self.total += seconds;
    }

    /// The smallest value that was not exceeded for this share of the time; zero if nothing was seen.
    pub(super) fn at(&self, share: f64) -> u64 {
        let mut seen = 0.0;
        for (value, seconds) in &self.seconds {
            seen += seconds;
            if seen >= share * self.total {
                return *value;
            }
        }
        self.seconds.last_key_value().map_or(0, |(value, _)| *value)
    }
}

fn rounded(value: u64) -> u64 {
    let digits = value.checked_ilog10().unwrap_or(0);
    let unit = 10_u64.pow(digits.saturating_sub(2));
    value.div_ceil(unit).saturating_mul(unit)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, 0)]
    #[case(999, 999)]
    #[case(1_000, 1_000)]
    #[case(1_001, 1_010)]
    #[case(123_456_789, 124_000_000)]
    #[case(u64::MAX, u64::MAX)]
    fn values_are_rounded_up_to_three_digits(#[case] value: u64, #[case] expected: u64) {
        assert_eq!(rounded(value), expected);
    }

    #[test]
    fn time_is_the_weight() {
        let mut percentile = Percentile::default();
        percentile.add(100, 94.0);
        percentile.add(200, 2.0);
        percentile.add(900, 4.0);
        assert_eq!((percentile.at(0.5), percentile.at(0.95), percentile.at(1.0)), (100, 200, 900));
    }
}

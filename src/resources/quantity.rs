//! Kubernetes quantities (`250m`, `1.5Gi`, `1e3`) as exact integers.
//!
//! Rule: k8s.io/apimachinery `pkg/api/resource/quantity.go`. A value finer than the unit asked for is rounded up, as the
//! scheduler and the kubelet do (`Quantity.MilliValue`, `Quantity.Value`).

use thiserror::Error;

/// Why a text is not a usable amount.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// Not of the form `<number><suffix>`.
    #[error("`{0}` is not a quantity: write a number with an optional suffix, such as 250m, 2, 512Mi or 1.5Gi")]
    Malformed(String),
    /// Below zero: no container can ask for that.
    #[error("`{0}` is negative: an amount of CPU or memory is zero or more")]
    Negative(String),
}

/// The pattern that a CRD schema uses for a non-negative quantity written as a string.
pub const PATTERN: &str = r"^\+?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]+))?$";

/// Parses `text` into units of 10^-`scale` (scale 3 for thousandths), rounding up and saturating at `u64::MAX`.
pub fn parse_scaled(text: &str, scale: u32) -> Result<u64, QuantityError> {
    let malformed = || QuantityError::Malformed(text.to_owned());
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    if let Some(rest) = unsigned.strip_prefix('-') {
        return match parse_scaled(rest, scale)? {
            0 => Ok(0),
            _ => Err(QuantityError::Negative(text.to_owned())),
        };
    }
    let digits_end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(digits_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(malformed());
    }
    let Suffix { multiplier, exponent } = Suffix::parse(suffix).ok_or_else(malformed)?;
    let digits: String = [whole, fraction].concat();
    let exponent = exponent + i64::from(scale) - i64::try_from(fraction.len()).map_err(|_| malformed())?;
    Ok(scale_up(digits.trim_start_matches('0'), multiplier, exponent))
}

/// What a suffix stands for: `multiplier` * 10^`exponent`.
struct Suffix {
    multiplier: u64,
    exponent: i64,
}

impl Suffix {
    fn parse(suffix: &str) -> Option<Self> {
        let decimal = |exponent| Some(Self { multiplier: 1, exponent });
        let binary = |power: u32| Some(Self { multiplier: 1 << (10 * power), exponent: 0 });
        match suffix {
            "n" => decimal(-9),
            "u" => decimal(-6),
            "m" => decimal(-3),
            "" => decimal(0),
            "k" => decimal(3),
            "M" => decimal(6),
            "G" => decimal(9),
            "T" => decimal(12),
            "P" => decimal(15),
            "E" => decimal(18),
            "Ki" => binary(1),
            "Mi" => binary(2),
            "Gi" => binary(3),
            "Ti" => binary(4),
            "Pi" => binary(5),
            "Ei" => binary(6),
            _ => {
                let exponent = suffix.strip_prefix(['e', 'E'])?;
                let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return None;
                }
                decimal(exponent.parse().unwrap_or(if exponent.starts_with('-') { -1_000 } else { 1_000 }))
            }
        }
    }
}

/// `digits` * `multiplier` * 10^`exponent`, rounded up, saturating.
fn scale_up(digits: &str, multiplier: u64, exponent: i64) -> u64 {
    if digits.is_empty() {
        return 0;
    }
    // 20 digits times the largest multiplier (2^60) still fit in 128 bits; what follows them only rounds.
    let dropped = digits.len().saturating_sub(20);
    let (kept, rest) = digits.split_at(digits.len() - dropped);
    let mut value = kept.parse::<u128>().unwrap_or(u128::MAX);
    if rest.bytes().any(|b| b != b'0') {
        value += 1;
    }
    value = value.saturating_mul(u128::from(multiplier));
    let exponent = exponent + i64::try_from(dropped).unwrap_or(i64::MAX);
    let power = 10_u128.checked_pow(u32::try_from(exponent.unsigned_abs()).unwrap_or(u32::MAX));
    let scaled = match (exponent >= 0, power) {
        (true, Some(power)) => value.saturating_mul(power),
        (true, None) => u128::MAX,
        (false, Some(power)) => value.div_ceil(power),
        (false, None) => 1,
    };
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// CPU as Kubernetes prints it: whole cores bare, anything finer in thousandths.
pub fn format_milli(milli: u64) -> String {
    if milli.is_multiple_of(1000) { (milli / 1000).to_string() } else { format!("{milli}m") }
}

/// Memory in the largest binary unit that divides it exactly.
pub fn format_bytes(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    UNITS
        .iter()
        .find(|(_, shift)| bytes > 0 && bytes.trailing_zeros() >= *shift)
        .map_or_else(|| bytes.to_string(), |(unit, shift)| format!("{}{unit}", bytes >> shift))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0", 0)]
    #[case("250m", 250)]
    #[case("1", 1_000)]
    #[case("0.1", 100)]
    #[case(".5", 500)]
    #[case("2.", 2_000)]
    #[case("1e-1", 100)]
    #[case("1E3", 1_000_000)]
    #[case("+3", 3_000)]
    #[case("100n", 1)]
    #[case("1001u", 2)]
    #[case("-0", 0)]
    #[case("99999999999999999999999", u64::MAX)]
    #[case("1e999999999999", u64::MAX)]
    #[case("1e-99", 1)]
    fn cpu_is_read_in_thousandths_rounded_up(#[case] text: &str, #[case] milli: u64) {
        assert_eq!(parse_scaled(text, 3), Ok(milli));
    }

    #[rstest]
    #[case("128Mi", 128 << 20)]
    #[case("1.5Gi", 3 << 29)]
    #[case("1k", 1_000)]
    #[case("1G", 1_000_000_000)]
    #[case("100m", 1)]
    #[case("0.3Ki", 308)]
    fn memory_is_read_in_bytes_rounded_up(#[case] text: &str, #[case] bytes: u64) {
        assert_eq!(parse_scaled(text, 0), Ok(bytes));
    }

    #[rstest]
    #[case("")]
    #[case("m")]
    #[case("1.2.3")]
    #[case("1 Gi")]
    #[case("1e")]
    #[case("1GB")]
    #[case("NaN")]
    #[case("0x10")]
    fn malformed_text_is_refused(#[case] text: &str) {
        assert_eq!(parse_scaled(text, 3), Err(QuantityError::Malformed(text.to_owned())));
    }

    #[test]
    fn negative_amounts_are_refused() {
        assert_eq!(parse_scaled("-1m", 3), Err(QuantityError::Negative("-1m".to_owned())));
    }

    proptest! {
        #[test]
        fn cpu_survives_printing_and_reading(milli: u64) {
            prop_assert_eq!(parse_scaled(&format_milli(milli), 3), Ok(milli));
        }

        #[test]
        fn memory_survives_printing_and_reading(bytes: u64) {
            prop_assert_eq!(parse_scaled(&format_bytes(bytes), 0), Ok(bytes));
        }

        #[test]
        fn any_text_is_answered_without_a_panic(text in "\\PC{0,40}") {
            let _ = parse_scaled(&text, 3);
        }
    }
}

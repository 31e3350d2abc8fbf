//! Amounts of any resource, by name, as the server adds, compares and prints them.
//!
//! A Pod may name more than CPU and memory, and a message must show a sum the way Kubernetes would, so these are not
//! the types of [`crate::resources`]. Rule: k8s.io/apimachinery `pkg/api/resource/quantity.go`.

use std::{
    collections::BTreeMap,
    fmt,
    ops::{Add, Sub},
};

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;

use super::status;
use crate::resources::quantity;

/// An amount in thousandths, which is as fine as the server keeps, and the units it is printed in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Amount {
    milli: i128,
    binary: bool,
}

/// Amounts by resource name.
pub type Amounts = BTreeMap<String, Amount>;

impl Amount {
    /// Reads a quantity; `None` if it is not one.
    pub fn read(quantity: &Quantity) -> Option<Self> {
        let text = quantity.0.as_str();
        let (sign, unsigned) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let milli = quantity::parse_scaled(unsigned, 3).ok()?;
        Some(Self { milli: sign * i128::from(milli), binary: text.ends_with('i') })
    }

    /// A plain count.
    pub const fn count(number: i64) -> Self {
        Self { milli: number as i128 * 1_000, binary: false }
    }

    /// In thousandths.
    pub const fn milli(self) -> i128 {
        self.milli
    }

    /// In whole units, rounded up.
    pub const fn whole(self) -> i128 {
        self.milli.div_euclid(1_000) + (self.milli.rem_euclid(1_000) != 0) as i128
    }

    /// As text with an exponent that is a multiple of three, `100e6`; without one where that would be zero.
    pub fn with_exponent(self) -> String {
        if self.milli == 0 {
            return "0".to_owned();
        }
        let (mut number, mut exponent) = (self.milli, -3);
        while number % 1_000 == 0 {
            number /= 1_000;
            exponent += 3;
        }
        if exponent == 0 { number.to_string() } else { format!("{number}e{exponent}") }
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.milli == 0
    }

    /// The units of a result: those of the left side, unless it is zero.
    const fn units(self, other: Self) -> bool {
        if self.is_zero() { other.binary } else { self.binary }
    }
}

impl Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { milli: self.milli + other.milli, binary: self.units(other) }
    }
}

impl Sub for Amount {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self { milli: self.milli - other.milli, binary: self.units(other) }
    }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.milli == other.milli
    }
}

impl Eq for Amount {}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.milli.cmp(&other.milli)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.whole();
        let (mut number, base, units) = match self.binary && whole.abs() >= 1_024 {
            true => (whole, 1_024, ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].as_slice()),
            false => (self.milli, 1_000, ["m", "", "k", "M", "G", "T", "P", "E"].as_slice()),
        };
        if number == 0 {
            return f.write_str("0");
        }
        let mut unit = 0;
        while number % base == 0 && unit + 1 < units.len() {
            number /= base;
            unit += 1;
        }
        write!(f, "{number}{}", units[unit])
    }
}

impl From<Amount> for Quantity {
    fn from(amount: Amount) -> Self {
        Self(amount.to_string())
    }
}

/// Reads a list; what is not a quantity is left out ([`refuse_unreadable`] has refused it before).
pub(super) fn read_all(list: Option<&BTreeMap<String, Quantity>>) -> Amounts {
    list.into_iter().flatten().filter_map(|(name, q)| Some((name.clone(), Amount::read(q)?))).collect()
}

/// 400 if one of `quantities` is not a quantity: the server cannot decode such an object.
pub(super) fn refuse_unreadable<'a>(
    kind: &str,
    quantities: impl IntoIterator<Item = &'a Quantity>,
) -> Result<(), Box<Status>> {
    if quantities.into_iter().all(|quantity| Amount::read(quantity).is_some()) {
        return Ok(());
    }
    let pattern = "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    Err(status::bad_request(format!(
        "{kind} in version \"v1\" cannot be handled as a {kind}: quantities must match the regular expression {pattern}"
    )))
}

/// Adds `more` to `total`, name by name.
pub(super) fn add(total: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = total.get(name).map_or(*amount, |known| *known + *amount);
        total.insert(name.clone(), sum);
    }
}

/// Raises `total` to `other` wherever that is larger.
pub(super) fn raise(total: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let known = total.entry(name.clone()).or_insert(*amount);
        *known = (*known).max(*amount);
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn amount(text: &str) -> Amount {
        Amount::read(&Quantity(text.to_owned())).unwrap()
    }

    #[rstest]
    #[case("0", "0")]
    #[case("0.5", "500m")]
    #[case("1000m", "1")]
    #[case("1500m", "1500m")]
    #[case("1000", "1k")]
    #[case("100M", "100M")]
    #[case("1024", "1024")]
    #[case("1024Mi", "1Gi")]
    #[case("1000Mi", "1000Mi")]
    #[case("1Ki", "1Ki")]
    #[case("0.5Ki", "512")]
    #[case("-1500m", "-1500m")]
    fn amounts_are_printed_as_the_server_prints_them(#[case] text: &str, #[case] printed: &str) {
        assert_eq!(amount(text).to_string(), printed);
    }

    #[rstest]
    #[case("100Mi", "1M", "105857600")]
    #[case("1M", "1Mi", "2048576")]
    #[case("0", "1Mi", "1Mi")]
    #[case("300m", "700m", "1")]
    fn a_sum_is_in_the_units_of_its_first_part(#[case] left: &str, #[case] right: &str, #[case] sum: &str) {
        let total = amount(left) + amount(right);
        assert_eq!(total, amount(sum));
        assert_eq!(total.binary, if left == "0" { right.ends_with('i') } else { left.ends_with('i') });
    }
}

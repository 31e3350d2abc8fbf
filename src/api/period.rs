//! A length of time as users write it: `90s`, `10m`, `1h30m`.

use std::{borrow::Cow, fmt, time::Duration};

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A non-negative length of time in Go's format. Nine digits per unit at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(Duration);

const PATTERN: &str = r"^([0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m|h))+$";

impl Period {
    /// `seconds` seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// `minutes` minutes.
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    /// As a length of time without a sign.
    pub fn length(self) -> Duration {
        self.0
    }

    /// As a span that can be added to a timestamp.
    pub fn signed(self) -> SignedDuration {
        SignedDuration::try_from(self.0).unwrap_or(SignedDuration::MAX)
    }
}

impl fmt::Display for Period {
    /// As short as it can be said: `10m`, not `10m0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, minutes) = (self.0.as_secs() / 3600, self.0.as_secs() / 60 % 60);
        let millis = self.0.as_millis() % 60_000;
        if self.0.as_millis() == 0 {
            return f.write_str("0s");
        }
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        match (millis / 1000, millis % 1000) {
            (0, 0) => Ok(()),
            (seconds, 0) => write!(f, "{seconds}s"),
            (_, _) => write!(f, "{millis}ms"),
        }
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let malformed = || de::Error::custom(format!("`{text}` is not a length of time: write 90s, 10m or 1h30m"));
        // kube's parser panics on numbers that no Duration holds; nine digits per unit stay far below that.
        if text.is_empty()
            || text.len() > 64
            || text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 9)
        {
            return Err(malformed());
        }
        let parsed: kube::core::Duration = text.parse().map_err(|_| malformed())?;
        if parsed.is_negative() { Err(malformed()) } else { Ok(Self(parsed.into())) }
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN, "maxLength": 64 })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("90s", 90_000, "1m30s")]
    #[case("1h30m", 5_400_000, "1h30m")]
    #[case("250ms", 250, "250ms")]
    #[case("0s", 0, "0s")]
    #[case("1.5h", 5_400_000, "1h30m")]
    fn periods_are_read_and_printed(#[case] text: &str, #[case] millis: u64, #[case] printed: &str) {
        let period: Period = serde_json::from_value(text.into()).unwrap();
        assert_eq!(period, Period(Duration::from_millis(millis)));
        assert_eq!(period.to_string(), printed);
    }

    #[rstest]
    #[case("-5m")]
    #[case("5")]
    #[case("1e9h")]
    #[case("99999999999999999999h")]
    #[case("")]
    #[case("five")]
    fn anything_else_is_refused(#[case] text: &str) {
        assert!(serde_json::from_value::<Period>(text.into()).is_err());
    }
}

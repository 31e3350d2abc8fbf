//! `format`: those that the server checks and that a schema of ours may use. Others are ignored, as unknown ones are.
//!
//! Rules: k8s.io/apiextensions-apiserver `pkg/apiserver/validation/formats.go`.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{Timestamp, civil::Date};
use serde_json::Number;

/// A format that is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "lowercase")]
pub(super) enum Format {
    Byte,
    Cidr,
    Date,
    #[strum(to_string = "date-time", serialize = "datetime")]
    DateTime,
    Duration,
    Email,
    Hostname,
    Ipv4,
    Ipv6,
    #[strum(serialize = "k8s-long-name")]
    LongName,
    #[strum(serialize = "k8s-short-name")]
    ShortName,
    Mac,
    Uri,
    Uuid,
    Int32,
    Int64,
    Float,
}

impl Format {
    /// The format called `name`, unless it does not go with `types`.
    pub(super) fn find(name: &str, types: &[String]) -> Option<Self> {
        let format = Self::from_str(name).ok()?;
        let fits = match types {
            [] => !format.is_of("integer") && !format.is_of("number"),
            [one] => format.is_of(one),
            _ => false,
        };
        fits.then_some(format)
    }

    fn is_of(self, name: &str) -> bool {
        match self {
            Self::Int32 | Self::Int64 => name == "integer",
            Self::Float => name == "number",
            _ => name == "string",
        }
    }

    /// Whether `text` has this format.
    pub(super) fn fits_text(self, text: &str) -> bool {
        match self {
            Self::Byte => STANDARD.decode(text).is_ok(),
            Self::Cidr => is_cidr(text),
            Self::Date => text.len() == 10 && Date::from_str(text).is_ok(),
            Self::DateTime => text.contains(['T', 't']) && Timestamp::from_str(text).is_ok(),
            Self::Duration => kube::core::Duration::from_str(text).is_ok(),
            Self::Email => text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && is_dotted_name(host)),
            Self::Hostname | Self::LongName => text.len() <= 253 && is_dotted_name(text),
            Self::Ipv4 => Ipv4Addr::from_str(text).is_ok(),
            Self::Ipv6 => Ipv6Addr::from_str(text).is_ok(),
            Self::ShortName => is_label(text),
            Self::Mac => is_mac(text),
            Self::Uri => text.starts_with('/') || text.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme)),
            Self::Uuid => is_uuid(text),
            Self::Int32 | Self::Int64 | Self::Float => true,
        }
    }

    /// Whether `number` can be held in this format.
    pub(super) fn fits_number(self, number: &Number) -> bool {
        match self {
            Self::Int32 => number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) || is_small_float(number),
            Self::Int64 => number.is_i64() || number.is_f64(),
            Self::Float => number.as_f64().is_some_and(|n| n.abs() <= f64::from(f32::MAX)),
            _ => true,
        }
    }
}

fn is_small_float(number: &Number) -> bool {
    number.is_f64() && number.as_f64().is_some_and(|n| n.abs() <= f64::from(i32::MAX))
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match IpAddr::from_str(address) {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    u8::from_str(bits).is_ok_and(|bits| bits <= most)
}

fn is_mac(text: &str) -> bool {
    let parts: Vec<_> = text.split([':', '-']).collect();
    matches!(parts.len(), 6 | 8) && parts.iter().all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_uuid(text: &str) -> bool {
    let digits = text.bytes().filter(|b| *b != b'-');
    digits.clone().count() == 32 && digits.clone().all(|b| b.is_ascii_hexdigit())
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_dotted_name(text: &str) -> bool {
    text.split('.').all(is_label)
}

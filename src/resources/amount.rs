//! Amounts of CPU and memory as distinct types, and the sets of them that a container has.

use std::{borrow::Cow, fmt, str::FromStr};

use k8s_openapi::{api::core::v1::ResourceRequirements, apimachinery::pkg::api::resource::Quantity};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::quantity::{self, QuantityError};

/// CPU in thousandths of a core: `250m` is `MilliCpu(250)`.
///
/// ```
/// # use tailor::resources::MilliCpu;
/// assert_eq!("1.5".parse(), Ok(MilliCpu(1_500)));
/// assert_eq!(MilliCpu(2_000).to_string(), "2");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, derive_more::Add, derive_more::Sum)]
pub struct MilliCpu(pub u64);

/// CPU in billionths of a core, for measured usage: an idle container uses less than a thousandth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, derive_more::Add, derive_more::Sum)]
pub struct NanoCpu(pub u64);

/// Memory in bytes: `1Ki` is `Bytes(1024)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, derive_more::Add, derive_more::Sum)]
pub struct Bytes(pub u64);

/// One mebibyte, the unit that memory requests are rounded up to.
pub const MIB: u64 = 1 << 20;

impl Bytes {
    /// `mib` mebibytes.
    pub const fn mib(mib: u64) -> Self {
        Self(mib * MIB)
    }
}

impl NanoCpu {
    /// From cores; a negative or non-finite number is zero.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to int casts saturate")]
    pub fn from_cores(cores: f64) -> Self {
        Self((cores * 1e9).round() as u64)
    }

    /// In cores.
    #[expect(clippy::cast_precision_loss, reason = "2^53 billionths are nine million cores")]
    pub fn cores(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// In thousandths of a core, rounded up.
    pub fn milli_ceil(self) -> MilliCpu {
        MilliCpu(self.0.div_ceil(1_000_000))
    }
}

impl MilliCpu {
    /// In billionths of a core.
    pub fn nano(self) -> NanoCpu {
        NanoCpu(self.0.saturating_mul(1_000_000))
    }
}

impl fmt::Display for MilliCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&quantity::format_milli(self.0))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&quantity::format_bytes(self.0))
    }
}

impl FromStr for MilliCpu {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        quantity::parse_scaled(text, 3).map(Self)
    }
}

impl FromStr for NanoCpu {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        quantity::parse_scaled(text, 9).map(Self)
    }
}

impl FromStr for Bytes {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        quantity::parse_scaled(text, 0).map(Self)
    }
}

/// What serde, the CRD schema and Kubernetes' `Quantity` need of an amount: the same few lines for each type.
macro_rules! quantity_type {
    ($type:ty) => {
        impl TryFrom<&Quantity> for $type {
            type Error = QuantityError;
            fn try_from(quantity: &Quantity) -> Result<Self, Self::Error> {
                quantity.0.parse()
            }
        }

        impl From<$type> for Quantity {
            fn from(amount: $type) -> Self {
                Self(amount.to_string())
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(Deserialize)]
                #[serde(untagged)]
                enum Text {
                    Quoted(String),
                    Whole(u64),
                    Float(f64),
                }
                let text = match Text::deserialize(deserializer)? {
                    Text::Quoted(text) => text,
                    Text::Whole(number) => number.to_string(),
                    Text::Float(number) => number.to_string(),
                };
                text.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "x-kubernetes-int-or-string": true,
                    "pattern": quantity::PATTERN,
                    "maxLength": 32,
                    "minimum": 0,
                })
            }
        }
    };
}

quantity_type!(MilliCpu);
quantity_type!(Bytes);

/// The two resources that can be changed in place.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::IntoStaticStr,
    strum::EnumIter,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum ResourceKind {
    /// CPU time.
    Cpu,
    /// Memory.
    Memory,
}

/// An amount of each resource; `None` is absent, which Kubernetes does not treat as zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// CPU, as a quantity such as `250m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<MilliCpu>,
    /// Memory, as a quantity such as `512Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
}

impl Resources {
    /// Both amounts.
    pub const fn new(cpu: MilliCpu, memory: Bytes) -> Self {
        Self { cpu: Some(cpu), memory: Some(memory) }
    }

    /// Reads `cpu` and `memory` out of a Kubernetes resource list; other resources are not Tailor's.
    pub fn from_list<'a>(list: impl IntoIterator<Item = (&'a String, &'a Quantity)>) -> Result<Self, QuantityError> {
        let mut resources = Self::default();
        for (name, quantity) in list {
            match name.as_str() {
                "cpu" => resources.cpu = Some(quantity.try_into()?),
                "memory" => resources.memory = Some(quantity.try_into()?),
                _ => {}
            }
        }
        Ok(resources)
    }

    /// Applies `cpu` and `memory` pairwise, absent wherever `merge` says so.
    pub fn zip(
        self,
        other: Self,
        cpu: impl FnOnce(Option<MilliCpu>, Option<MilliCpu>) -> Option<MilliCpu>,
        memory: impl FnOnce(Option<Bytes>, Option<Bytes>) -> Option<Bytes>,
    ) -> Self {
        Self { cpu: cpu(self.cpu, other.cpu), memory: memory(self.memory, other.memory) }
    }

    /// The larger of each; present if either is.
    pub fn max(self, other: Self) -> Self {
        self.zip(other, Ord::max, Ord::max)
    }

    /// The sum of each; present if either is.
    pub fn plus(self, other: Self) -> Self {
        self.zip(
            other,
            |a, b| (a.is_some() || b.is_some()).then(|| MilliCpu(cpu_or_zero(a).saturating_add(cpu_or_zero(b)))),
            |a, b| (a.is_some() || b.is_some()).then(|| Bytes(bytes_or_zero(a).saturating_add(bytes_or_zero(b)))),
        )
    }

    /// What is left of `self` after `other` is taken away, never below zero.
    pub fn minus(self, other: Self) -> Self {
        self.zip(
            other,
            |a, b| a.map(|a| MilliCpu(a.0.saturating_sub(cpu_or_zero(b)))),
            |a, b| a.map(|a| Bytes(a.0.saturating_sub(bytes_or_zero(b)))),
        )
    }

    /// Whether every amount present here is at most its peer in `room` (absent room is unlimited).
    pub fn fits_in(self, room: Self) -> bool {
        fits(self.cpu, room.cpu) && fits(self.memory, room.memory)
    }
}

fn fits<T: Ord>(wanted: Option<T>, room: Option<T>) -> bool {
    match (wanted, room) {
        (Some(wanted), Some(room)) => wanted <= room,
        _ => true,
    }
}

fn cpu_or_zero(cpu: Option<MilliCpu>) -> u64 {
    cpu.map_or(0, |cpu| cpu.0)
}

fn bytes_or_zero(memory: Option<Bytes>) -> u64 {
    memory.map_or(0, |memory| memory.0)
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.cpu, self.memory) {
            (Some(cpu), Some(memory)) => write!(f, "cpu {cpu}, memory {memory}"),
            (Some(cpu), None) => write!(f, "cpu {cpu}"),
            (None, Some(memory)) => write!(f, "memory {memory}"),
            (None, None) => f.write_str("nothing"),
        }
    }
}

/// Requests and limits of one container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ContainerResources {
    /// What the scheduler reserves.
    #[serde(default)]
    pub requests: Resources,
    /// What the container may not exceed.
    #[serde(default)]
    pub limits: Resources,
}

impl TryFrom<&ResourceRequirements> for ContainerResources {
    type Error = QuantityError;
    fn try_from(requirements: &ResourceRequirements) -> Result<Self, Self::Error> {
        Ok(Self {
            requests: Resources::from_list(requirements.requests.iter().flatten())?,
            limits: Resources::from_list(requirements.limits.iter().flatten())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_is_not_zero_when_fitting_and_adding() {
        let only_cpu = Resources { cpu: Some(MilliCpu(100)), memory: None };
        assert!(only_cpu.fits_in(Resources { cpu: Some(MilliCpu(100)), memory: Some(Bytes(0)) }));
        assert!(!only_cpu.fits_in(Resources { cpu: Some(MilliCpu(99)), memory: None }));
        assert_eq!(only_cpu.plus(Resources::default()), only_cpu);
        assert_eq!(Resources::default().minus(only_cpu), Resources::default());
    }

    #[test]
    fn whole_numbers_and_strings_are_both_read() {
        let read: Resources = serde_json::from_str(r#"{"cpu": 2, "memory": "1Gi"}"#).unwrap();
        assert_eq!(read, Resources::new(MilliCpu(2_000), Bytes::mib(1024)));
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"{"cpu":"2","memory":"1Gi"}"#);
    }
}

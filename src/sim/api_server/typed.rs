//! Built-in kinds through their Rust types: wrong types are refused, unknown fields dropped, quantities made canonical.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::rules::Amount;

/// Reads an object into its type and writes it again.
pub(super) fn typed<T: DeserializeOwned + Serialize>(value: Value) -> Result<Value, serde_json::Error> {
    serde_json::to_value(serde_json::from_value::<T>(value)?)
}

/// Maps from resource name to quantity, wherever they occur in a built-in kind.
const QUANTITY_MAPS: &[&str] = &[
    "requests",
    "limits",
    "capacity",
    "allocatable",
    "allocatedResources",
    "overhead",
    "default",
    "defaultRequest",
    "max",
    "min",
    "maxLimitRequestRatio",
    "hard",
    "used",
];

/// Spells every quantity as the server does: `1000m` becomes `1`, `1024Mi` becomes `1Gi`.
pub(super) fn canonical_quantities(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, part) in map {
                match part.as_object_mut() {
                    Some(quantities) if QUANTITY_MAPS.contains(&key.as_str()) => {
                        quantities.values_mut().for_each(canonical_quantity);
                    }
                    _ => canonical_quantities(part),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(canonical_quantities),
        _ => {}
    }
}

fn canonical_quantity(value: &mut Value) {
    if let Some(spelled) = value.as_str().and_then(canonical) {
        *value = Value::String(spelled);
    }
}

/// The canonical spelling of a quantity; `None` for what is none. Exponents keep their form, and so do exbytes, which
/// are more than [`Amount`] holds.
fn canonical(text: &str) -> Option<String> {
    if text.contains(['e', 'E']) {
        return None;
    }
    Amount::read(&Quantity(text.to_owned())).map(|amount| amount.to_string())
}

/// Paths that `before` has and `after` lacks: the fields that its type does not know.
pub(super) fn unknown_fields(before: &Value, after: &Value, path: &str, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, part) in before.iter().filter(|(_, part)| !part.is_null()) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match after.get(key) {
                    Some(kept) => unknown_fields(part, kept, &path, found),
                    None => found.push(path),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                unknown_fields(before, after, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1000m", "1")]
    #[case("0.5", "500m")]
    #[case("250m", "250m")]
    #[case("1024Mi", "1Gi")]
    #[case("1.5Gi", "1536Mi")]
    #[case("0.5Mi", "512Ki")]
    #[case("0.5Ki", "512")]
    #[case("128974848", "128974848")]
    #[case("1000k", "1M")]
    #[case("0", "0")]
    #[case("0Mi", "0")]
    #[case("-2000m", "-2")]
    fn quantities_are_spelled_as_the_server_does(#[case] given: &str, #[case] expected: &str) {
        assert_eq!(canonical(given).as_deref(), Some(expected));
    }

    #[rstest]
    #[case("")]
    #[case("m")]
    #[case("1.2.3")]
    #[case("5Zi")]
    #[case::exponents_keep_their_form("129e6")]
    fn what_is_no_quantity_is_left_alone(#[case] given: &str) {
        assert_eq!(canonical(given), None);
    }
}

//! Built-in kinds through their Rust types: wrong types are refused, unknown fields dropped, quantities made canonical.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::rules::Amount;

/// Reads an object into its type and writes it again.
pub(super) fn typed<T: DeserializeOwned + Serialize>(value: Value) -> Result<Value, serde_json::Error> {
    serde_json::to_value(serde_json::from_value::<T>(value)?)
}

/// Writes numbers that are whole as such: bounds in a schema are read as fractions.
pub(super) fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0);
            if let Some(whole) = whole.and_then(|float| format!("{float:.0}").parse::<i64>().ok()) {
                *value = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        _ => {}
    }
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

/// Maps that are left out when there is nothing in them. Other empty objects say something: `emptyDir: {}`.
const LEFT_OUT: &[&str] = &["annotations", "binaryData", "data", "labels", "matchLabels", "nodeSelector"];

/// Leaves out what the server's types leave out: empty lists, empty maps, generations that are none. Lists of
/// containers are the exception.
pub(super) fn drop_empty_parts(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(drop_empty_parts);
            map.retain(|key, part| match part {
                Value::Array(items) => !items.is_empty() || key == "containers",
                Value::Object(inner) => {
                    let left_out = LEFT_OUT.contains(&key.as_str()) || QUANTITY_MAPS.contains(&key.as_str());
                    !inner.is_empty() || !left_out
                }
                Value::Number(number) => key != "observedGeneration" || number.as_i64() != Some(0),
                _ => true,
            });
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty_parts),
        _ => {}
    }
}

/// The canonical spelling of a quantity; `None` for what is none, and for exbytes, which are more than [`Amount`]
/// holds. What has an exponent keeps one.
fn canonical(text: &str) -> Option<String> {
    let has_exponent = text.find(['e', 'E']).is_some_and(|at| text[at + 1..].contains(|c: char| c.is_ascii_digit()));
    let amount = Amount::read(&Quantity(text.to_owned()))?;
    Some(if has_exponent { amount.with_exponent() } else { amount.to_string() })
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
    #[case::exponents_are_multiples_of_three("1e8", "100e6")]
    #[case("12E7", "120e6")]
    #[case("129e6", "129e6")]
    #[case("5e0", "5")]
    fn quantities_are_spelled_as_the_server_does(#[case] given: &str, #[case] expected: &str) {
        assert_eq!(canonical(given).as_deref(), Some(expected));
    }

    #[rstest]
    #[case("")]
    #[case("m")]
    #[case("1.2.3")]
    #[case("5Zi")]
    fn what_is_no_quantity_is_left_alone(#[case] given: &str) {
        assert_eq!(canonical(given), None);
    }
}

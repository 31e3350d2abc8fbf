//! Reads and writes of the metadata of objects kept as JSON.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// A text field of the metadata; empty when absent.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// The name.
pub(super) fn name(object: &Value) -> &str {
    text(object, "name")
}

/// The namespace; empty for cluster-scoped objects.
pub(super) fn namespace(object: &Value) -> &str {
    text(object, "namespace")
}

/// The UID.
pub(super) fn uid(object: &Value) -> &str {
    text(object, "uid")
}

/// The generation, for kinds that count it.
pub(super) fn generation(object: &Value) -> Option<i64> {
    object["metadata"]["generation"].as_i64()
}

/// Whether a deletion has begun.
pub(super) fn is_deleting(object: &Value) -> bool {
    !text(object, "deletionTimestamp").is_empty()
}

/// The finalizers that hold the object.
pub(super) fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// UIDs of the owners.
pub(super) fn owners(object: &Value) -> impl Iterator<Item = &str> {
    let references = object["metadata"]["ownerReferences"].as_array();
    references.into_iter().flatten().filter_map(|reference| reference["uid"].as_str())
}

/// The metadata, to be changed; made when absent.
pub(super) fn fields(object: &mut Value) -> &mut Map<String, Value> {
    entry(object, "metadata")
}

/// A part of an object that is a map, to be changed; made when absent or of another type.
pub(super) fn entry<'a>(object: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    if !object.is_object() {
        *object = json!({});
    }
    let part = &mut object[field];
    if !part.is_object() {
        *part = json!({});
    }
    part.as_object_mut().expect("it was just made a map")
}

/// Sets a field of the metadata, or removes it when `value` is `None`.
pub(super) fn set(object: &mut Value, field: &str, value: Option<Value>) {
    match value {
        Some(value) => _ = fields(object).insert(field.to_owned(), value),
        None => _ = fields(object).remove(field),
    }
}

/// Sets a top-level field, or removes it when `value` is `None`.
pub(super) fn set_part(object: &mut Value, field: &str, value: Option<&Value>) {
    let Some(map) = object.as_object_mut() else { return };
    match value {
        Some(value) => _ = map.insert(field.to_owned(), value.clone()),
        None => _ = map.remove(field),
    }
}

/// An object with one of its parts replaced.
pub(super) fn replaced(object: Value, field: &str, part: &Value) -> Map<String, Value> {
    let Value::Object(mut map) = object else { return Map::new() };
    map.insert(field.to_owned(), part.clone());
    map
}

/// A time as metadata spells it: whole seconds, UTC.
pub(super) fn time(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

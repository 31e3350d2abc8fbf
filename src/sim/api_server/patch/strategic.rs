//! Strategic merge patch: lists of built-in kinds merge by their keys.

use serde_json::{Map, Value};

use super::shape::{ListKind, Shape};
use crate::sim::api_server::status::{Result, bad_request};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";

/// Merges a patch into a value.
pub(crate) fn merge(target: &mut Value, patch: &Value, shape: Shape<'_>) -> Result<()> {
    let (Some(patch), true) = (patch.as_object(), target.is_object()) else {
        *target = cleaned(patch);
        return Ok(());
    };
    match patch.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => {
            *target = cleaned(&Value::Object(patch.clone()));
            return Ok(());
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(bad_request(format!("Unknown patch type found: {other}"))),
    }
    let fields = target.as_object_mut().expect("it was just seen to be a map");
    retain_keys(fields, patch);
    for (key, change) in patch {
        merge_field(fields, key, change, shape)?;
    }
    Ok(())
}

fn retain_keys(fields: &mut Map<String, Value>, patch: &Map<String, Value>) {
    if let Some(keys) = patch.get(RETAIN_KEYS).and_then(Value::as_array) {
        fields.retain(|key, _| keys.iter().any(|kept| kept == key));
    }
}

fn merge_field(fields: &mut Map<String, Value>, key: &str, change: &Value, shape: Shape<'_>) -> Result<()> {
    if key == DIRECTIVE || key == RETAIN_KEYS || key.starts_with(ORDER) {
        return Ok(());
    }
    if let Some(key) = key.strip_prefix(DELETE_FROM) {
        if let (Some(Value::Array(items)), Some(gone)) = (fields.get_mut(key), change.as_array()) {
            items.retain(|item| !gone.contains(item));
        }
        return Ok(());
    }
    let inner = shape.field(key);
    match (fields.get_mut(key), change) {
        (_, Value::Null) => _ = fields.remove(key),
        (Some(target @ Value::Object(_)), Value::Object(_)) => merge(target, change, inner)?,
        (Some(Value::Array(items)), Value::Array(changes)) => merge_list(items, changes, inner)?,
        (None, Value::Array(changes)) => {
            let mut items = Vec::new();
            merge_list(&mut items, changes, inner)?;
            fields.insert(key.to_owned(), Value::Array(items));
        }
        _ => _ = fields.insert(key.to_owned(), cleaned(change)),
    }
    Ok(())
}

fn merge_list(items: &mut Vec<Value>, changes: &[Value], shape: Shape<'_>) -> Result<()> {
    let replaces = changes.iter().any(|change| change[DIRECTIVE] == "replace");
    match shape.list() {
        // Strategic merge goes by the first key alone.
        ListKind::Map(keys) if !replaces => {
            changes.iter().try_for_each(|change| merge_item(items, change, &keys[0].0, shape.items()))
        }
        ListKind::Set if !replaces => {
            for change in changes {
                if !items.contains(change) {
                    items.push(change.clone());
                }
            }
            Ok(())
        }
        _ => {
            let is_directive = |change: &&Value| {
                change.get(DIRECTIVE).is_some() && change.as_object().is_some_and(|map| map.len() == 1)
            };
            *items = changes.iter().filter(|change| !is_directive(change)).map(cleaned).collect();
            Ok(())
        }
    }
}

fn merge_item(items: &mut Vec<Value>, change: &Value, key: &str, shape: Shape<'_>) -> Result<()> {
    let Some(name) = change.get(key) else {
        return Err(bad_request(format!("map: {change} does not contain declared merge key: {key}")));
    };
    let found = items.iter().position(|item| item.get(key) == Some(name));
    match (found, change[DIRECTIVE] == "delete") {
        (_, true) => items.retain(|item| item.get(key) != Some(name)),
        (Some(index), false) => merge(&mut items[index], change, shape)?,
        (None, false) => items.push(cleaned(change)),
    }
    Ok(())
}

/// A patch as a value of its own: without directives and nulls.
fn cleaned(patch: &Value) -> Value {
    match patch {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, value)| {
                let directive = *key == DIRECTIVE || *key == RETAIN_KEYS;
                !directive && !key.starts_with(ORDER) && !key.starts_with(DELETE_FROM) && !value.is_null()
            });
            Value::Object(kept.map(|(key, value)| (key.clone(), cleaned(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(cleaned).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn containers(list: &Value) -> Value {
        json!({ "spec": { "containers": list } })
    }

    #[rstest]
    #[case::by_name(json!([{ "name": "a", "image": "2" }]),
        json!([{ "name": "a", "image": "2", "tty": true }, { "name": "b" }]))]
    #[case::new_items_come_last(json!([{ "name": "c" }]),
        json!([{ "name": "a", "image": "1", "tty": true }, { "name": "b" }, { "name": "c" }]))]
    #[case::null_removes_a_field(json!([{ "name": "a", "tty": null }]),
        json!([{ "name": "a", "image": "1" }, { "name": "b" }]))]
    #[case::delete(json!([{ "name": "a", "$patch": "delete" }]), json!([{ "name": "b" }]))]
    #[case::replace_the_list(json!([{ "name": "c" }, { "$patch": "replace" }]), json!([{ "name": "c" }]))]
    #[case::replace_the_item_and_more(json!([{ "name": "a", "$patch": "replace" }, { "name": "b" }]),
        json!([{ "name": "a" }, { "name": "b" }]))]
    fn containers_merge(#[case] patch: Value, #[case] expected: Value) {
        let mut pod = containers(&json!([{ "name": "a", "image": "1", "tty": true }, { "name": "b" }]));
        merge(&mut pod, &containers(&patch), Shape::Field("", "")).unwrap();
        assert_eq!(pod, containers(&expected));
    }

    #[test]
    fn tolerations_are_replaced_and_element_order_is_ignored() {
        let mut pod = json!({ "spec": { "tolerations": [{ "key": "a" }] } });
        let patch =
            json!({ "spec": { "tolerations": [{ "key": "b" }], "$setElementOrder/tolerations": [{ "key": "b" }] } });
        merge(&mut pod, &patch, Shape::Field("", "")).unwrap();
        assert_eq!(pod, json!({ "spec": { "tolerations": [{ "key": "b" }] } }));
    }

    #[test]
    fn an_item_without_its_key_is_a_bad_request() {
        let mut pod = containers(&json!([]));
        let problem = merge(&mut pod, &containers(&json!([{ "image": "1" }])), Shape::Field("", "")).unwrap_err();
        assert!(problem.message.unwrap().contains("does not contain declared merge key: name"));
    }
}

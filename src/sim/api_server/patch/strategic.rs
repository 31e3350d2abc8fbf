//! Strategic merge patch: lists of built-in kinds merge by their keys.

use serde_json::{Map, Value};

use super::go::as_go_prints;
use super::shape::{ListKind, Shape};
use crate::sim::api_server::status::{Result, bad_request, failure};

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
        Some(other) => {
            let within = as_go_prints(&Value::Object(patch.clone()));
            return Err(failure(500, "", format!("unknown patch type: {other} in map: {within}")));
        }
    }
    let fields = target.as_object_mut().expect("it was just seen to be a map");
    retain_keys(fields, patch)?;
    let before = fields.clone();
    for (key, change) in patch {
        merge_field(fields, key, change, shape)?;
    }
    for (key, order) in patch {
        if let (Some(key), Some(order)) = (key.strip_prefix(ORDER), order.as_array()) {
            set_order(fields, (key, order), (&before, patch), shape.field(key))?;
        }
    }
    Ok(())
}

fn retain_keys(fields: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<()> {
    let Some(keys) = patch.get(RETAIN_KEYS).and_then(Value::as_array) else { return Ok(()) };
    let is_retained = |key: &String| keys.iter().any(|kept| kept == key);
    if !patch.keys().all(|key| key.starts_with('$') || is_retained(key)) {
        return Err(bad_request("invalid patch format of retainKeys"));
    }
    fields.retain(|key, _| is_retained(key));
    Ok(())
}

/// Brings a list into the order that the patch says its items are to have.
fn set_order(
    fields: &mut Map<String, Value>,
    (key, order): (&str, &[Value]),
    (before, patch): (&Map<String, Value>, &Map<String, Value>),
    shape: Shape<'_>,
) -> Result<()> {
    let identity = match shape.list() {
        ListKind::Map(keys) => Identity::Key(keys[0].0.clone()),
        ListKind::Set => Identity::Itself,
        ListKind::Atomic => return Ok(()),
    };
    let list = |fields: &Map<String, Value>| fields.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let order_names = identity.names(order);
    let patched = list(patch);
    if !identity.names(&patched).iter().all(|name| name.is_null() || order_names.contains(name)) {
        let [patched, order] = [patched.as_slice(), order].map(|list| as_go_prints(&Value::Array(list.to_vec())));
        let problem = format!(
            "The order in patch list:\n{patched}\n doesn't match {} list:\n{order}\n",
            ORDER.trim_end_matches('/')
        );
        return Err(failure(500, "", problem));
    }
    let before = identity.names(&list(before));
    if let Some(Value::Array(items)) = fields.get_mut(key) {
        *items = ordered(std::mem::take(items), &before, &order_names, &identity);
    }
    Ok(())
}

/// What tells the items of a list apart.
enum Identity {
    /// The value of a field.
    Key(String),
    /// All of it.
    Itself,
}

impl Identity {
    fn of(&self, item: &Value) -> Value {
        match self {
            Self::Key(key) => item[key.as_str()].clone(),
            Self::Itself => item.clone(),
        }
    }

    fn names(&self, items: &[Value]) -> Vec<Value> {
        items.iter().map(|item| self.of(item)).collect()
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
            let key = keys[0].0.as_str();
            let identity = Identity::Key(key.to_owned());
            let before = identity.names(items);
            changes.iter().try_for_each(|change| merge_item(items, change, key, shape.items()))?;
            *items = ordered(std::mem::take(items), &before, &identity.names(changes), &identity);
            Ok(())
        }
        ListKind::Set if !replaces => {
            let before = items.clone();
            for change in changes {
                if !items.contains(change) {
                    items.push(change.clone());
                }
            }
            *items = ordered(std::mem::take(items), &before, changes, &Identity::Itself);
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

/// Items of the patch in its order, and before each those that stood before it: what is new comes first.
fn ordered(items: Vec<Value>, before: &[Value], patch: &[Value], identity: &Identity) -> Vec<Value> {
    let place = |list: &[Value], item: &Value| {
        let own = identity.of(item);
        list.iter().position(|name| *name == own)
    };
    let (mut patched, others): (Vec<Value>, Vec<Value>) =
        items.into_iter().partition(|item| place(patch, item).is_some());
    patched.sort_by_key(|item| place(patch, item));
    let mut merged = Vec::with_capacity(patched.len() + others.len());
    let mut others = others.into_iter().peekable();
    for item in patched {
        let at = place(before, &item);
        while let Some(other) = others.next_if(|other| at.is_some() && place(before, other) < at) {
            merged.push(other);
        }
        merged.push(item);
    }
    merged.extend(others);
    merged
}

fn merge_item(items: &mut Vec<Value>, change: &Value, key: &str, shape: Shape<'_>) -> Result<()> {
    let Some(name) = change.get(key) else {
        let problem = format!("map: {} does not contain declared merge key: {key}", as_go_prints(change));
        return Err(failure(500, "", problem));
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
    #[case::new_items_come_first(json!([{ "name": "c" }]),
        json!([{ "name": "c" }, { "name": "a", "image": "1", "tty": true }, { "name": "b" }]))]
    #[case::known_items_keep_their_place_before_new_ones(json!([{ "name": "b", "tty": true }, { "name": "c" }]),
        json!([{ "name": "a", "image": "1", "tty": true }, { "name": "b", "tty": true }, { "name": "c" }]))]
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
    fn an_item_without_its_key_is_refused() {
        let mut pod = containers(&json!([]));
        let problem = merge(&mut pod, &containers(&json!([{ "image": "1" }])), Shape::Field("", "")).unwrap_err();
        assert!(problem.message.unwrap().contains("does not contain declared merge key: name"));
    }
}

//! Types and values: the keywords of JSON schema that a structural schema may use.
//!
//! Rules and messages: k8s.io/kube-openapi `pkg/validation/validate`.

use serde_json::{Map, Number, Value};

use super::{
    Fault, WHOLE, child, lists,
    node::{Additional, Node},
    printed as at,
};

/// Everything that is wrong with an object's values; a part that equals its old form is let through.
pub(super) fn check(root: &Node, new: &Value, old: Option<&Value>) -> Vec<Fault> {
    let mut faults = Vec::new();
    visit(root, new, old, "", &mut faults);
    faults
}

fn visit(node: &Node, value: &Value, old: Option<&Value>, path: &str, faults: &mut Vec<Fault>) {
    if old == Some(value) {
        return;
    }
    check_type(node, value, path, faults);
    if value.is_null() {
        check_enumeration(node, value, path, faults);
        return;
    }
    check_branches(node, value, path, faults);
    match value {
        Value::String(text) => check_text(node, text, path, faults),
        Value::Number(number) => check_number(node, number, path, faults),
        Value::Array(items) => check_items(node, items, old, path, faults),
        _ => {}
    }
    check_enumeration(node, value, path, faults);
    if let Value::Object(map) = value {
        check_fields(node, map, old, path, faults);
    }
}

fn check_type(node: &Node, value: &Value, path: &str, faults: &mut Vec<Fault>) {
    let (name, whole) = type_of(value);
    let fits = |expected: &String| match expected.as_str() {
        "number" => name == "number" || name == "integer",
        "integer" => whole,
        expected => expected == name,
    };
    if node.types.is_empty() || (value.is_null() && node.nullable) || node.types.iter().any(fits) {
        return;
    }
    let detail = format!("{path} in body must be of type {}: {name:?}", node.types.join(","));
    faults.push(Fault::type_invalid(at(path), name, &detail));
}

/// The JSON type, and whether it is a whole number, however it is written.
fn type_of(value: &Value) -> (&'static str, bool) {
    match value {
        Value::Null => ("null", false),
        Value::Bool(_) => ("boolean", false),
        Value::String(_) => ("string", false),
        Value::Array(_) => ("array", false),
        Value::Object(_) => ("object", false),
        Value::Number(number) if number.is_f64() => {
            ("number", number.as_f64().is_some_and(|float| float.fract() == 0.0))
        }
        Value::Number(_) => ("integer", true),
    }
}

fn check_branches(node: &Node, value: &Value, path: &str, faults: &mut Vec<Fault>) {
    let try_all = |branches: &[Node]| -> Vec<Vec<Fault>> {
        let outcome = |branch: &Node| {
            let mut inner = Vec::new();
            visit(branch, value, None, path, &mut inner);
            inner
        };
        branches.iter().map(outcome).collect()
    };
    let whole = |detail: String| Fault::invalid(WHOLE, "", &detail);

    let any_of = try_all(&node.any_of);
    if !any_of.is_empty() && !any_of.iter().any(Vec::is_empty) {
        faults.push(whole(format!("{path:?} must validate at least one schema (anyOf)")));
        faults.extend(closest(any_of));
    }
    let one_of = try_all(&node.one_of);
    let valid = one_of.iter().filter(|inner| inner.is_empty()).count();
    if !one_of.is_empty() && valid != 1 {
        let found =
            if valid == 0 { "Found none valid".to_owned() } else { format!("Found {valid} valid alternatives") };
        faults.push(whole(format!("{path:?} must validate one and only one schema (oneOf). {found}")));
        faults.extend(if valid == 0 { closest(one_of) } else { Vec::new() });
    }
    let all_of = try_all(&node.all_of);
    if all_of.iter().any(|inner| !inner.is_empty()) {
        let none = if all_of.iter().any(Vec::is_empty) { "" } else { ". None validated" };
        faults.extend(all_of.into_iter().flatten());
        faults.push(whole(format!("{path:?} must validate all the schemas (allOf){none}")));
    }
    if node.not.as_deref().is_some_and(|not| try_all(std::slice::from_ref(not)).concat().is_empty()) {
        faults.push(whole(format!("{path:?} must not validate the schema (not)")));
    }
}

/// The faults of the branch that the value comes closest to.
fn closest(branches: Vec<Vec<Fault>>) -> Vec<Fault> {
    branches.into_iter().min_by_key(Vec::len).unwrap_or_default()
}

fn check_text(node: &Node, text: &str, path: &str, faults: &mut Vec<Fault>) {
    let length = text.chars().count() as u64;
    let bounds = &node.bounds;
    if let Some(max) = bounds.max_length.filter(|max| length > *max) {
        faults.push(Fault::too_long(at(path), max));
    } else if let Some(min) = bounds.min_length.filter(|min| length < *min) {
        let detail = format!("{path} in body should be at least {min} chars long");
        faults.push(Fault::invalid(at(path), text, &detail));
    } else if let Some(pattern) = node.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
        faults.push(Fault::invalid(at(path), text, &format!("{path} in body should match '{pattern}'")));
    }
    if let Some(format) = node.format.filter(|format| !format.fits_text(text)) {
        let detail = format!("{path} in body must be of type {format}: {text:?}");
        faults.push(Fault::type_invalid(at(path), text, &detail));
    }
}

fn check_number(node: &Node, number: &Number, path: &str, faults: &mut Vec<Fault>) {
    let value = number.as_f64().unwrap_or(f64::NAN);
    let bounds = &node.bounds;
    if let Some(format) = node.format.filter(|format| !format.fits_number(number)) {
        let kind = node.types.first().map_or("", String::as_str);
        let detail = format!("Checked value must be of type {kind} with format {format} in {path}");
        faults.push(Fault::invalid(WHOLE, "", &detail));
    }
    let mut should = |wrong: bool, what: String| {
        if wrong {
            faults.push(Fault::invalid(at(path), number, &format!("{path} in body should be {what}")));
        }
    };
    if let Some(factor) = bounds.multiple_of {
        should((value / factor).fract() != 0.0, format!("a multiple of {factor}"));
    }
    match (bounds.minimum, bounds.exclusive_minimum) {
        (Some(min), false) => should(value < min, format!("greater than or equal to {min}")),
        (Some(min), true) => should(value <= min, format!("greater than {min}")),
        (None, _) => {}
    }
    match (bounds.maximum, bounds.exclusive_maximum) {
        (Some(max), false) => should(value > max, format!("less than or equal to {max}")),
        (Some(max), true) => should(value >= max, format!("less than {max}")),
        (None, _) => {}
    }
}

fn check_items(node: &Node, items: &[Value], old: Option<&Value>, path: &str, faults: &mut Vec<Fault>) {
    if let Some(item_node) = &node.items {
        for (index, item) in items.iter().enumerate() {
            let old = lists::old_item(node, old, item);
            visit(item_node, item, old, &format!("{path}[{index}]"), faults);
        }
    }
    let size = items.len() as u64;
    if let Some(min) = node.bounds.min_items.filter(|min| size < *min) {
        let detail = format!("{path} in body should have at least {min} items");
        faults.push(Fault::invalid(at(path), size, &detail));
    }
    if let Some(max) = node.bounds.max_items.filter(|max| size > *max) {
        faults.push(Fault::too_many(at(path), items.len(), max));
    }
    let repeats = || items.iter().enumerate().any(|(index, item)| items[..index].contains(item));
    if node.unique_items && repeats() {
        faults.push(Fault::invalid(at(path), "", &format!("{path} in body shouldn't contain duplicates")));
    }
}

fn check_enumeration(node: &Node, value: &Value, path: &str, faults: &mut Vec<Fault>) {
    if node.enumeration.is_empty() || (!value.is_null() && node.enumeration.contains(value)) {
        return;
    }
    let supported: Vec<_> = node
        .enumeration
        .iter()
        .map(|allowed| allowed.as_str().map_or_else(|| allowed.to_string(), ToOwned::to_owned))
        .collect();
    faults.push(Fault::not_supported(at(path), value, &supported));
}

fn check_fields(node: &Node, map: &Map<String, Value>, old: Option<&Value>, path: &str, faults: &mut Vec<Fault>) {
    let size = map.len() as u64;
    if let Some(min) = node.bounds.min_properties.filter(|min| size < *min) {
        let detail = format!("{path} in body should have at least {min} properties");
        faults.push(Fault::invalid(at(path), size, &detail));
    }
    if let Some(max) = node.bounds.max_properties.filter(|max| size > *max) {
        faults.push(Fault::too_many(at(path), map.len(), max));
    }
    for (key, value) in map {
        let old = old.and_then(|old| old.get(key));
        if let Some(field) = node.schema_of(key) {
            visit(field, value, old, &child(path, key), faults);
        } else if matches!(node.additional, Additional::Closed) {
            faults.push(Fault::invalid(at(path), key, &format!("{path}.{key} in body is a forbidden property")));
        }
    }
    let missing = node.required.iter().filter(|key| !map.contains_key(*key));
    faults.extend(missing.map(|key| Fault::required(child(path, key), "")));
}

//! Uniqueness in lists of type `set` and `map`, and which old item an item stands for.

use serde_json::{Map, Value};

use super::{
    Fault, child,
    node::{Additional, ListType, Node},
};

/// Every repeated item of a set and repeated key of a map list.
pub(super) fn check(root: &Node, object: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    visit(root, object, "", &mut faults);
    faults
}

fn visit(node: &Node, value: &Value, path: &str, faults: &mut Vec<Fault>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (node.properties.get(key), &node.additional) {
                    (Some(field), _) => visit(field, value, &child(path, key), faults),
                    (None, Additional::Schema(field)) => visit(field, value, &format!("{path}[{key}]"), faults),
                    _ => {}
                }
            }
        }
        Value::Array(items) => {
            match node.list_type {
                ListType::Atomic => {}
                ListType::Set => repeated(items.clone(), path, faults),
                ListType::Map => match items.iter().position(|item| !item.is_object() && !item.is_null()) {
                    Some(index) => faults.push(Fault::invalid(
                        format!("{path}[{index}]"),
                        &items[index],
                        "must be an object for an array of list-type map",
                    )),
                    None => repeated(items.iter().map(|item| key_of(node, item)).collect(), path, faults),
                },
            }
            if let Some(item_node) = &node.items {
                for (index, item) in items.iter().enumerate() {
                    visit(item_node, item, &format!("{path}[{index}]"), faults);
                }
            }
        }
        _ => {}
    }
}

/// Reports the second of each kind, and not the third.
fn repeated(values: Vec<Value>, path: &str, faults: &mut Vec<Fault>) {
    let mut seen: Vec<(Value, usize)> = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        match seen.iter_mut().find(|(known, _)| *known == value) {
            None => seen.push((value, 1)),
            Some((known, times)) => {
                *times += 1;
                if *times == 2 {
                    faults.push(Fault::duplicate(format!("{path}[{index}]"), &*known));
                }
            }
        }
    }
}

/// The key fields of an item; absent ones are left out.
fn key_of(node: &Node, item: &Value) -> Value {
    let keys = node.list_map_keys.iter();
    Value::Object(keys.filter_map(|key| Some((key.clone(), item.get(key)?.clone()))).collect::<Map<_, _>>())
}

/// The item of the old list with the same key: only map lists have one.
pub(super) fn old_item<'a>(node: &Node, old: Option<&'a Value>, item: &Value) -> Option<&'a Value> {
    if node.list_type != ListType::Map {
        return None;
    }
    let key = key_of(node, item);
    old?.as_array()?.iter().find(|old| key_of(node, old) == key)
}

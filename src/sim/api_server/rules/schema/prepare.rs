//! Drops nulls and fills in defaults.

use serde_json::Value;

use super::node::{Extra, Node};

/// Removes the nulls that the schema neither allows nor replaces by a default.
pub(super) fn drop_nulls(value: &mut Value, node: &Node) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| {
                !value.is_null() || node.schema_of(key).is_none_or(|field| field.nullable || field.default.is_some())
            });
            for (key, value) in map.iter_mut() {
                if let Some(field) = node.schema_of(key) {
                    drop_nulls(value, field);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item_node) = &node.items {
                items.iter_mut().for_each(|item| drop_nulls(item, item_node));
            }
        }
        _ => {}
    }
}

/// Sets every missing field that has a default, outside in: a default may be an object with defaults of its own.
pub(super) fn fill_defaults(value: &mut Value, node: &Node) {
    match value {
        Value::Object(map) => {
            for (key, field) in &node.properties {
                let Some(default) = &field.default else { continue };
                if !map.contains_key(key) {
                    map.insert(key.clone(), default.clone());
                }
            }
            for (key, value) in map.iter_mut() {
                if let Some(Extra::Schema(field)) = node.field(key) {
                    fill_one(value, field);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item_node) = &node.items {
                items.iter_mut().for_each(|item| fill_one(item, item_node));
            }
        }
        _ => {}
    }
}

fn fill_one(value: &mut Value, node: &Node) {
    if value.is_null()
        && !node.nullable
        && let Some(default) = &node.default
    {
        value.clone_from(default);
    }
    fill_defaults(value, node);
}

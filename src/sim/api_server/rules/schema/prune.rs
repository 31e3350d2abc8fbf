//! Drops the fields that the schema does not know, and lists them.

use serde_json::{Map, Value};

use super::{
    child,
    node::{Extra, Node},
};

/// The fields of every object's type; they are kept wherever a whole resource may stand.
const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// The fields of ObjectMeta: the server decodes `metadata` into it, whatever the schema says.
const OBJECT_META_FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Prunes a whole object; the paths of what was dropped come first for `metadata`, then sorted.
pub(super) fn prune(object: &mut Value, root: &Node) -> Vec<String> {
    let mut unknown = Vec::new();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        drop_keys(metadata, "metadata", &mut unknown, |key| !OBJECT_META_FIELDS.contains(&key));
    }
    let mut in_fields = Vec::new();
    visit(object, Some(root), "", true, &mut in_fields);
    in_fields.sort();
    unknown.extend(in_fields);
    unknown
}

fn drop_keys(map: &mut Map<String, Value>, path: &str, unknown: &mut Vec<String>, drop: impl Fn(&str) -> bool) {
    let dropped: Vec<String> = map.keys().filter(|key| drop(key)).cloned().collect();
    for key in dropped {
        map.remove(&key);
        unknown.push(child(path, &key));
    }
}

fn visit(value: &mut Value, node: Option<&Node>, path: &str, resource: bool, unknown: &mut Vec<String>) {
    let resource = resource || node.is_some_and(|n| n.embedded_resource);
    let keep_unknown = node.is_some_and(|n| n.preserve_unknown);
    match value {
        Value::Object(map) => {
            let is_meta = |key: &str| resource && META_FIELDS.contains(&key);
            if !keep_unknown {
                let known = |key: &str| node.is_some_and(|n| n.field(key).is_some());
                drop_keys(map, path, unknown, |key| !is_meta(key) && !known(key));
            }
            for (key, value) in map.iter_mut().filter(|(key, _)| !is_meta(key)) {
                match node.and_then(|n| n.field(key)) {
                    Some(Extra::Schema(field)) => visit(value, Some(field), &child(path, key), false, unknown),
                    Some(Extra::Any) => visit(value, None, &child(path, key), false, unknown),
                    None => {}
                }
            }
        }
        Value::Array(items) => {
            let item_node = node.and_then(|n| n.items.as_deref());
            if keep_unknown && item_node.is_none() {
                return;
            }
            for (index, item) in items.iter_mut().enumerate() {
                visit(item, item_node, &format!("{path}[{index}]"), false, unknown);
            }
        }
        _ => {}
    }
}

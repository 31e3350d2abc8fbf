//! Sets of fields, as `managedFields` spells them (FieldsV1), and the fields in which two objects differ.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::shape::{Shape, elements};

/// A set of fields, as a tree: `f:name`, `k:{"name":"web"}` and `v:"x"` lead from a field to those in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    /// Whether the field itself is in the set.
    pub(crate) owned: bool,
    /// Fields in it.
    pub(crate) children: BTreeMap<String, FieldSet>,
}

impl FieldSet {
    /// Exactly this field.
    fn leaf() -> Self {
        Self { owned: true, children: BTreeMap::new() }
    }

    /// Whether no field is in the set.
    pub(crate) fn is_empty(&self) -> bool {
        !self.owned && self.children.is_empty()
    }

    /// Everything in a value, and the value itself: what is owned of something new.
    pub(crate) fn all(value: &Value, shape: Shape<'_>) -> Self {
        let mut set = Self::leaf();
        match value {
            Value::Object(map) if !shape.is_atomic_map() => {
                for (key, part) in map {
                    set.insert(format!("f:{key}"), Self::all(part, shape.field(key)));
                }
            }
            Value::Array(items) => {
                let names = elements(&shape.list(), items).into_iter().flatten();
                for (name, item) in names.zip(items) {
                    set.insert(name, Self::all(item, shape.items()));
                }
            }
            _ => {}
        }
        set
    }

    /// The fields of a value: its leaves, and the items of its lists. It is what apply claims.
    pub(crate) fn of(value: &Value, shape: Shape<'_>) -> Self {
        match value {
            Value::Object(map) if !map.is_empty() && !shape.is_atomic_map() => {
                let mut set = Self::default();
                for (key, part) in map {
                    set.insert(format!("f:{key}"), Self::of(part, shape.field(key)));
                }
                set
            }
            Value::Array(items) => match elements(&shape.list(), items) {
                Some(names) => {
                    let mut set = Self::default();
                    for (name, item) in names.into_iter().zip(items) {
                        set.insert(name, Self { owned: true, ..Self::of(item, shape.items()) });
                    }
                    set
                }
                None => Self::leaf(),
            },
            _ => Self::leaf(),
        }
    }

    /// Reads FieldsV1.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let mut set = Self::default();
        for (name, inner) in value.as_object()? {
            match name.as_str() {
                "." => set.owned = true,
                _ if inner.as_object()?.is_empty() => _ = set.children.insert(name.clone(), Self::leaf()),
                _ => _ = set.children.insert(name.clone(), Self::read(inner)?),
            }
        }
        Some(set)
    }

    fn insert(&mut self, name: String, set: Self) {
        if !set.is_empty() {
            self.children.insert(name, set);
        }
    }

    /// Adds the fields of another set.
    pub(crate) fn add(&mut self, other: &Self) {
        self.owned |= other.owned;
        for (name, set) in &other.children {
            self.children.entry(name.clone()).or_default().add(set);
        }
    }

    /// Takes away the fields of another set.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.owned &= !other.owned;
        for (name, set) in &other.children {
            if let Some(child) = self.children.get_mut(name) {
                child.subtract(set);
                if child.is_empty() {
                    self.children.remove(name);
                }
            }
        }
    }

    /// The paths of the fields that both sets have, as messages spell them: `.spec.containers[name="web"].image`.
    pub(crate) fn common_paths(&self, other: &Self, path: &str, found: &mut Vec<String>) {
        if self.owned && other.owned {
            found.push(path.to_owned());
        }
        for (name, set) in &other.children {
            if let Some(child) = self.children.get(name) {
                child.common_paths(set, &format!("{path}{}", spelled(name)), found);
            }
        }
    }

    /// Takes away a path of fields with all that is in it.
    pub(crate) fn cut(&mut self, path: &[&str]) {
        match path {
            [] => {}
            [name] => _ = self.children.remove(&format!("f:{name}")),
            [name, rest @ ..] => {
                let key = format!("f:{name}");
                if let Some(child) = self.children.get_mut(&key) {
                    child.cut(rest);
                    if child.is_empty() {
                        self.children.remove(&key);
                    }
                }
            }
        }
    }
}

impl Serialize for FieldSet {
    /// As FieldsV1.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.owned && !self.children.is_empty() {
            map.serialize_entry(".", &Map::new())?;
        }
        for (name, set) in &self.children {
            map.serialize_entry(name, set)?;
        }
        map.end()
    }
}

/// `f:image` -> `.image`, `k:{"name":"web"}` -> `[name="web"]`, `v:"x"` -> `[="x"]`.
pub(crate) fn spelled(element: &str) -> String {
    let (kind, rest) = element.split_at(2.min(element.len()));
    match kind {
        "f:" => format!(".{rest}"),
        "k:" => {
            let keys: BTreeMap<String, Value> = serde_json::from_str(rest).unwrap_or_default();
            let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
        _ => format!("[={rest}]"),
    }
}

/// The fields in which two objects differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Fields with a new value.
    pub(crate) set: FieldSet,
    /// Fields that are gone.
    pub(crate) removed: FieldSet,
}

impl Changes {
    /// The fields in which `new` differs from `old`. What is new is owned with everything in it.
    pub(crate) fn between(old: &Value, new: &Value, shape: Shape<'_>) -> Self {
        Self::beyond(&Value::Null, old, new, shape)
    }

    /// As [`Changes::between`], but what is in `empty` is there even where it is not written.
    pub(crate) fn beyond(empty: &Value, old: &Value, new: &Value, shape: Shape<'_>) -> Self {
        match (old, new) {
            _ if old == new => Self::default(),
            (Value::Object(old), Value::Object(new)) if !shape.is_atomic_map() => {
                Self::between_maps(empty, old, new, shape)
            }
            (Value::Array(before), Value::Array(after)) => Self::between_arrays(before, after, shape),
            // Null is a list without items.
            (Value::Null, Value::Array(after)) => Self::between_arrays(&[], after, shape),
            (Value::Array(before), Value::Null) => Self::between_arrays(before, &[], shape),
            _ => Self { set: FieldSet::leaf(), removed: FieldSet::default() },
        }
    }

    fn between_maps(empty: &Value, old: &Map<String, Value>, new: &Map<String, Value>, shape: Shape<'_>) -> Self {
        let mut changes = Self::default();
        let no_map = Map::new();
        let empty = empty.as_object().unwrap_or(&no_map);
        for (key, part) in new {
            let (shape, always) = (shape.field(key), empty.get(key));
            let inner = match old.get(key).or(always) {
                Some(before) => Self::beyond(always.unwrap_or(&Value::Null), before, part, shape),
                None => Self { set: FieldSet::all(part, shape), removed: FieldSet::default() },
            };
            changes.nest(format!("f:{key}"), inner);
        }
        for (key, part) in old.iter().filter(|(key, _)| !new.contains_key(*key)) {
            let shape = shape.field(key);
            let inner = match empty.get(key) {
                Some(always) => Self::beyond(always, part, always, shape),
                None => Self { set: FieldSet::default(), removed: FieldSet::all(part, shape) },
            };
            changes.nest(format!("f:{key}"), inner);
        }
        changes
    }

    fn between_arrays(before: &[Value], after: &[Value], shape: Shape<'_>) -> Self {
        let kind = shape.list();
        match (elements(&kind, before), elements(&kind, after)) {
            (Some(names), Some(new_names)) => {
                let before = names.into_iter().zip(before).collect();
                let after = new_names.into_iter().zip(after).collect();
                Self::between_lists(&before, &after, shape)
            }
            _ => Self { set: FieldSet::leaf(), removed: FieldSet::default() },
        }
    }

    fn between_lists(old: &BTreeMap<String, &Value>, new: &BTreeMap<String, &Value>, shape: Shape<'_>) -> Self {
        let mut changes = Self::default();
        for (name, item) in new {
            let inner = match old.get(name) {
                Some(before) => Self::between(before, item, shape.items()),
                None => Self { set: FieldSet::all(item, shape.items()), removed: FieldSet::default() },
            };
            changes.nest(name.clone(), inner);
        }
        for (name, item) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
            changes.removed.insert(name.clone(), FieldSet::all(item, shape.items()));
        }
        changes
    }

    fn nest(&mut self, name: String, inner: Self) {
        self.set.insert(name.clone(), inner.set);
        self.removed.insert(name, inner.removed);
    }

    /// The same without what is not among the changes of a writer.
    pub(crate) fn only(mut self, filter: impl Fn(&mut FieldSet)) -> Self {
        filter(&mut self.set);
        filter(&mut self.removed);
        self
    }

    /// Whether the objects are equal.
    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.removed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ROOT: Shape<'_> = Shape::Field("", "");

    fn fields_v1(set: &FieldSet) -> Value {
        serde_json::to_value(set).unwrap()
    }

    #[test]
    fn changes_name_the_items_of_keyed_lists() {
        let old = json!({ "spec": { "containers": [{ "name": "a", "image": "1" }, { "name": "b", "image": "1" }] } });
        let new = json!({ "spec": { "containers": [{ "name": "a", "image": "2" }] } });
        let changes = Changes::between(&old, &new, ROOT);
        assert_eq!(
            fields_v1(&changes.set),
            json!({ "f:spec": { "f:containers": { "k:{\"name\":\"a\"}": { "f:image": {} } } } })
        );
        let gone = json!({ ".": {}, "f:image": {}, "f:name": {} });
        assert_eq!(
            fields_v1(&changes.removed),
            json!({ "f:spec": { "f:containers": { "k:{\"name\":\"b\"}": gone } } })
        );
    }

    #[test]
    fn port_keys_have_their_default_protocol() {
        let pod = json!({ "spec": { "containers": [{ "name": "a", "ports": [{ "containerPort": 80 }] }] } });
        let text = fields_v1(&FieldSet::of(&pod, ROOT)).to_string();
        assert!(text.contains(r#"k:{\"containerPort\":80,\"protocol\":\"TCP\"}"#), "{text}");
    }

    #[test]
    fn atomic_lists_and_maps_are_one_field() {
        let object =
            json!({ "spec": { "tolerations": [{ "key": "a" }], "selector": { "matchLabels": { "a": "b" } } } });
        assert_eq!(
            fields_v1(&FieldSet::of(&object, ROOT)),
            json!({ "f:spec": { "f:tolerations": {}, "f:selector": {} } })
        );
    }
}

//! Reads the fields of an object that cells are made of. What is absent reads as empty or zero.

use jiff::Timestamp;
use serde_json::Value;

use super::age;

/// What a field that may be empty is printed as when it is.
pub(super) const NONE: &str = "<none>";

/// An object, and when it is looked at.
pub(super) struct Look<'a> {
    pub(super) value: &'a Value,
    pub(super) now: Timestamp,
}

impl<'a> Look<'a> {
    /// The field at a JSON pointer.
    pub(super) fn at(&self, pointer: &str) -> &'a Value {
        self.value.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The same look at a part.
    pub(super) fn part(&self, value: &'a Value) -> Look<'a> {
        Look { value, now: self.now }
    }

    /// A text.
    pub(super) fn text(&self, pointer: &str) -> &'a str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    /// A text, or something in its place when it is empty.
    pub(super) fn text_or(&self, pointer: &str, otherwise: &'a str) -> &'a str {
        Some(self.text(pointer)).filter(|text| !text.is_empty()).unwrap_or(otherwise)
    }

    /// A whole number.
    pub(super) fn number(&self, pointer: &str) -> i64 {
        self.at(pointer).as_i64().unwrap_or(0)
    }

    /// A list.
    pub(super) fn list(&self, pointer: &str) -> impl DoubleEndedIterator<Item = Look<'a>> + ExactSizeIterator {
        let items = self.at(pointer).as_array().map(Vec::as_slice).unwrap_or_default();
        let now = self.now;
        items.iter().map(move |value| Look { value, now })
    }

    /// The number of entries of a map.
    pub(super) fn entries(&self, pointer: &str) -> usize {
        self.at(pointer).as_object().map_or(0, serde_json::Map::len)
    }

    /// How long ago a time was.
    pub(super) fn since(&self, pointer: &str) -> String {
        age::since(self.text(pointer), self.now)
    }

    pub(super) fn name(&self) -> &'a str {
        self.text("/metadata/name")
    }

    pub(super) fn age(&self) -> String {
        self.since("/metadata/creationTimestamp")
    }

    /// The status of a condition; empty when there is none.
    pub(super) fn condition(&self, kind: &str) -> &'a str {
        let condition = self.list("/status/conditions").find(|condition| condition.text("/type") == kind);
        condition.map_or("", |condition| condition.text("/status"))
    }

    /// Whether a deletion has begun.
    pub(super) fn is_deleting(&self) -> bool {
        !self.text("/metadata/deletionTimestamp").is_empty()
    }

    /// A map of labels as text, sorted.
    pub(super) fn labels(&self, pointer: &str) -> String {
        let labels = self.at(pointer).as_object().into_iter().flatten();
        let pairs: Vec<_> =
            labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        if pairs.is_empty() { NONE.to_owned() } else { pairs.join(",") }
    }

    /// A label selector as text, sorted by its keys.
    pub(super) fn selector(&self, pointer: &str) -> String {
        let labels = self.at(&format!("{pointer}/matchLabels")).as_object().into_iter().flatten();
        let mut rules: Vec<(String, String)> =
            labels.map(|(key, value)| (key.clone(), format!("{key}={}", value.as_str().unwrap_or_default()))).collect();
        for rule in self.list(&format!("{pointer}/matchExpressions")) {
            let key = rule.text("/key");
            let mut values: Vec<_> = rule.list("/values").filter_map(|value| value.value.as_str()).collect();
            values.sort_unstable();
            let values = values.join(",");
            let text = match rule.text("/operator") {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "Exists" => key.to_owned(),
                _ => format!("!{key}"),
            };
            rules.push((key.to_owned(), text));
        }
        rules.sort_by(|a, b| a.0.cmp(&b.0));
        let texts: Vec<_> = rules.into_iter().map(|(_, text)| text).collect();
        if texts.is_empty() { NONE.to_owned() } else { texts.join(",") }
    }

    /// Names and images of a template's containers, each in one cell.
    pub(super) fn containers(&self, pointer: &str) -> [Value; 2] {
        let joined = |field: &str| {
            let texts: Vec<_> = self.list(pointer).map(|container| container.text(field)).collect();
            Value::from(texts.join(","))
        };
        [joined("/name"), joined("/image")]
    }

    /// A number or text as text.
    pub(super) fn spelled(&self, pointer: &str) -> Option<String> {
        match self.at(pointer) {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

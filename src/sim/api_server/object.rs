//! One version of one object, and its encodings.
//!
//! A version never changes, so it is encoded at most once per form and the bytes are shared by every reader.

use std::sync::OnceLock;

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use super::{meta, patch::managers::Managers};

/// How an object is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Full,
    /// As an item of a list of a built-in kind: without `apiVersion` and `kind`.
    Item,
    /// As `PartialObjectMetadata`.
    Metadata,
}

/// One version of one object.
#[derive(Debug)]
pub(super) struct Object {
    /// The object, without its `managedFields`.
    pub(super) value: Value,
    /// Who owns which fields.
    pub(super) managers: Managers,
    /// Its resource version.
    pub(super) version: u64,
    full: OnceLock<Bytes>,
    item: OnceLock<Bytes>,
    metadata: OnceLock<Bytes>,
}

impl Object {
    /// A version of an object. `value` already carries `version` in its metadata.
    pub(super) fn new(value: Value, managers: Managers, version: u64) -> Self {
        let (full, item, metadata) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { value, managers, version, full, item, metadata }
    }

    /// The object as JSON in a form.
    pub(super) fn encoded(&self, form: Form) -> &Bytes {
        let cell = match form {
            Form::Full => &self.full,
            Form::Item => &self.item,
            Form::Metadata => &self.metadata,
        };
        cell.get_or_init(|| {
            let shown = Shown { object: self, form };
            serde_json::to_vec(&shown).expect("JSON values always encode").into()
        })
    }

    /// The same object at another version.
    pub(super) fn at_version(&self, version: u64) -> Self {
        let mut value = self.value.clone();
        meta::set(&mut value, "resourceVersion", Some(version.to_string().into()));
        Self::new(value, self.managers.clone(), version)
    }

    /// The object with its `managedFields`.
    pub(super) fn whole(&self) -> Value {
        let mut value = self.value.clone();
        if !self.managers.0.is_empty() {
            value["metadata"]["managedFields"] =
                serde_json::to_value(&self.managers.0).expect("managers always encode");
        }
        value
    }
}

struct Shown<'a> {
    object: &'a Object,
    form: Form,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let empty = Map::new();
        let fields = self.object.value.as_object().unwrap_or(&empty);
        let mut map = serializer.serialize_map(None)?;
        if self.form == Form::Metadata {
            map.serialize_entry("apiVersion", "meta.k8s.io/v1")?;
            map.serialize_entry("kind", "PartialObjectMetadata")?;
        }
        for (key, value) in fields {
            match (key.as_str(), self.form) {
                ("metadata", _) => map.serialize_entry(key, &ShownMetadata { object: self.object, fields: value })?,
                (_, Form::Metadata) | ("apiVersion" | "kind", Form::Item) => {}
                _ => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}

struct ShownMetadata<'a> {
    object: &'a Object,
    fields: &'a Value,
}

impl Serialize for ShownMetadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.fields.as_object().into_iter().flatten() {
            map.serialize_entry(key, value)?;
        }
        if !self.object.managers.0.is_empty() {
            map.serialize_entry("managedFields", &self.object.managers.0)?;
        }
        map.end()
    }
}

/// The object of a bookmark: its type and the version that the watch has reached.
pub(super) fn bookmark(api_version: &str, kind: &str, version: u64, ends_initial_events: bool) -> Value {
    let mut metadata = json!({ "resourceVersion": version.to_string() });
    if ends_initial_events {
        metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
    }
    json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata })
}

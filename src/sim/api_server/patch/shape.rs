//! How the parts of an object merge: which lists are maps or sets, and which maps are one value.
//!
//! For built-in kinds the table follows the `patchStrategy` and `listType` marks of the Kubernetes API types; for
//! custom ones the marks are in the schema of their definition. Built-in fields are told apart by name and parent.

use serde_json::{Value, json};

use crate::sim::api_server::registry::{Resource, Shape as Kind};

/// The place of a value in its type, as far as merging needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape<'a> {
    /// The whole of a custom object, by its schema.
    CustomRoot(&'a Value),
    /// A part of a custom object, by its schema.
    Schema(&'a Value),
    /// A part of a built-in object: the name of the field, and of the one that holds it.
    Field(&'a str, &'a str),
}

/// How a list merges.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ListKind {
    /// As one value.
    Atomic,
    /// Item by item, each being its own key.
    Set,
    /// Item by item, by the values of these fields, with what they are when absent.
    Map(Vec<(String, Option<Value>)>),
}

impl<'a> Shape<'a> {
    /// The shape of a whole object.
    pub(crate) fn of(resource: &'a Resource) -> Self {
        match &resource.shape {
            Kind::Builtin { .. } => Self::Field("", ""),
            Kind::Custom { schema, .. } => Self::CustomRoot(schema),
        }
    }

    /// The shape of a field.
    pub(crate) fn field(self, name: &'a str) -> Self {
        match self {
            Self::CustomRoot(_) if name == "metadata" => Self::Field(name, ""),
            Self::CustomRoot(schema) | Self::Schema(schema) => {
                let known = &schema["properties"][name];
                Self::Schema(if known.is_null() { &schema["additionalProperties"] } else { known })
            }
            Self::Field(parent, _) => Self::Field(name, parent),
        }
    }

    /// Whether a map may have a field of that name.
    pub(crate) fn declares(self, name: &str) -> bool {
        match self {
            Self::CustomRoot(_) if matches!(name, "apiVersion" | "kind" | "metadata") => true,
            Self::CustomRoot(schema) | Self::Schema(schema) => {
                let is_open = schema.is_null() || schema["x-kubernetes-preserve-unknown-fields"] == true;
                is_open || !schema["properties"][name].is_null() || !schema["additionalProperties"].is_null()
            }
            Self::Field(..) => true,
        }
    }

    /// The shape of a list's items.
    pub(crate) fn items(self) -> Self {
        match self {
            Self::CustomRoot(schema) | Self::Schema(schema) => Self::Schema(&schema["items"]),
            Self::Field(..) => self,
        }
    }

    /// Whether a map is one value.
    pub(crate) fn is_atomic_map(self) -> bool {
        const ATOMIC: &[&str] = &[
            "selector",
            "labelSelector",
            "namespaceSelector",
            "podSelector",
            "nodeSelector",
            // That of a node affinity; those of Pods are lists.
            "requiredDuringSchedulingIgnoredDuringExecution",
            "configMapKeyRef",
            "secretKeyRef",
            "fieldRef",
            "resourceFieldRef",
            "involvedObject",
            // Each of them, for the list goes by their UIDs.
            "ownerReferences",
            "regarding",
            "related",
        ];
        match self {
            Self::CustomRoot(_) => false,
            Self::Schema(schema) => schema["x-kubernetes-map-type"] == "atomic",
            // The items of a list share its name, but only maps that are fields are meant.
            Self::Field(name, _) => ATOMIC.contains(&name),
        }
    }

    /// How a list merges.
    pub(crate) fn list(self) -> ListKind {
        match self {
            Self::CustomRoot(schema) | Self::Schema(schema) => from_schema(schema),
            Self::Field(name, parent) => from_table(name, parent),
        }
    }
}

fn from_schema(schema: &Value) -> ListKind {
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => ListKind::Set,
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let default = |key: &str| schema["items"]["properties"][key].get("default").cloned();
            ListKind::Map(keys.map(|key| (key.to_owned(), default(key))).collect())
        }
        _ => ListKind::Atomic,
    }
}

fn from_table(name: &str, parent: &str) -> ListKind {
    let by = |key: &str| ListKind::Map(vec![(key.to_owned(), None)]);
    let with_protocol =
        |key: &str| ListKind::Map(vec![(key.to_owned(), None), ("protocol".to_owned(), Some(json!("TCP")))]);
    match (name, parent) {
        ("finalizers", "metadata") | ("podCIDRs", "spec") => ListKind::Set,
        ("ownerReferences", _) => by("uid"),
        ("containers" | "initContainers" | "ephemeralContainers", "spec") => by("name"),
        ("volumes" | "imagePullSecrets" | "schedulingGates" | "resourceClaims", "spec") => by("name"),
        ("env" | "claims" | "secrets", _) => by("name"),
        ("volumeMounts", _) => by("mountPath"),
        ("volumeDevices", _) => by("devicePath"),
        ("ports", "containers" | "initContainers" | "ephemeralContainers") => with_protocol("containerPort"),
        ("ports", "ingress") => ListKind::Atomic,
        ("ports", _) => with_protocol("port"),
        ("hostAliases" | "podIPs" | "hostIPs", _) => by("ip"),
        ("topologySpreadConstraints", _) => {
            ListKind::Map(vec![("topologyKey".into(), None), ("whenUnsatisfiable".into(), None)])
        }
        ("conditions" | "addresses", "status") => by("type"),
        ("resourceClaimStatuses" | "allocatedResourcesStatus", _) => by("name"),
        _ => ListKind::Atomic,
    }
}

/// The name of an item in a set of fields: `k:{"name":"web"}` or `v:"x"`; `None` when it lacks a key.
pub(crate) fn element(kind: &ListKind, item: &Value) -> Option<String> {
    match kind {
        ListKind::Atomic => None,
        ListKind::Set => Some(format!("v:{item}")),
        ListKind::Map(keys) => {
            let key = |(key, default): &(String, Option<Value>)| {
                let value = item.get(key).filter(|value| !value.is_null()).or(default.as_ref());
                value.map(|value| (key.clone(), value.clone()))
            };
            let values: Option<serde_json::Map<_, _>> = keys.iter().map(key).collect();
            values.map(|values| format!("k:{}", Value::Object(values)))
        }
    }
}

/// The names of all items, when each has one of its own.
pub(crate) fn elements(kind: &ListKind, items: &[Value]) -> Option<Vec<String>> {
    let names: Vec<String> = items.iter().map(|item| element(kind, item)).collect::<Option<_>>()?;
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    (distinct.len() == names.len()).then_some(names)
}

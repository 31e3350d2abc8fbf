//! Marks schemas of built-in kinds with how their parts merge, by the table that patches go by.
//!
//! kubectl computes strategic merge patches from these marks: without them it would replace whole lists.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::SCHEMAS;
use crate::sim::api_server::{
    patch::shape::{ListKind, Shape},
    registry::Resource,
};

/// A mark: the schema and the property that get it, its name, its value.
type Mark = (String, String, &'static str, Value);

/// Marks the schema called `name`, and all that it refers to.
pub(super) fn mark(schemas: &mut Map<String, Value>, name: &str, resource: &Resource) {
    let mut walk = Walk { schemas, seen: BTreeSet::new(), marks: Vec::new() };
    walk.visit(name, Shape::of(resource));
    let marks = walk.marks;
    for (schema, property, mark, value) in marks {
        schemas[&schema]["properties"][&property][mark] = value;
    }
}

struct Walk<'a> {
    schemas: &'a Map<String, Value>,
    /// A type has the same marks wherever it stands.
    seen: BTreeSet<&'a str>,
    marks: Vec<Mark>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, name: &str, shape: Shape<'a>) {
        let schemas = self.schemas;
        let Some((name, schema)) = schemas.get_key_value(name) else { return };
        if !self.seen.insert(name) {
            return;
        }
        for (property, schema) in schema["properties"].as_object().into_iter().flatten() {
            let shape = shape.field(property);
            if schema["type"] == "array" {
                self.marks.extend(list_marks(name, property, shape));
                self.follow(&schema["items"], shape.items());
            } else {
                if shape.is_atomic_map() {
                    self.marks.push((name.clone(), property.clone(), "x-kubernetes-map-type", "atomic".into()));
                }
                if (property, name.rsplit('.').next()) == (&"strategy".to_owned(), Some("DeploymentSpec")) {
                    let mark = ("x-kubernetes-patch-strategy", "retainKeys".into());
                    self.marks.push((name.clone(), property.clone(), mark.0, mark.1));
                }
                self.follow(schema, shape);
            }
        }
    }

    /// Goes on with the schema that this one refers to.
    fn follow(&mut self, schema: &'a Value, shape: Shape<'a>) {
        let own = schema.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref"));
        if let Some(reference) = own.and_then(Value::as_str) {
            self.visit(reference.trim_start_matches(SCHEMAS), shape);
        }
    }
}

fn list_marks(schema: &str, property: &str, shape: Shape<'_>) -> Vec<Mark> {
    let mark = |name: &'static str, value: Value| (schema.to_owned(), property.to_owned(), name, value);
    match shape.list() {
        ListKind::Atomic => vec![mark("x-kubernetes-list-type", "atomic".into())],
        ListKind::Set => {
            vec![mark("x-kubernetes-list-type", "set".into()), mark("x-kubernetes-patch-strategy", "merge".into())]
        }
        ListKind::Map(keys) => {
            let keys: Vec<String> = keys.into_iter().map(|(key, _)| key).collect();
            let strategy = if property == "volumes" { "merge,retainKeys" } else { "merge" };
            vec![
                mark("x-kubernetes-list-type", "map".into()),
                // Strategic merge goes by the first key alone.
                mark("x-kubernetes-patch-merge-key", keys[0].as_str().into()),
                mark("x-kubernetes-list-map-keys", json!(keys)),
                mark("x-kubernetes-patch-strategy", strategy.into()),
            ]
        }
    }
}

//! Objects as rows, with the columns that kubectl prints: `meta.k8s.io/v1` `Table`.
//!
//! Names, order and cells of built-in kinds are those of k8s.io/kubernetes `pkg/printers/internalversion`, those of
//! custom kinds what their definition says. All columns are always sent; the client leaves out those for `-o wide`. Ages
//! are told by this server's clock, so they are right however fast its time goes.

mod age;
mod cluster;
mod custom;
mod kinds;
mod look;
mod path;
mod pods;
mod workloads;

use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) use self::custom::CustomColumn;
use self::{kinds::Kind, look::Look};
use super::{
    object::{Form, Object},
    registry::{Resource, Shape},
    request::Call,
    status::{Result, bad_request},
};

/// How much of each object comes with its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Include {
    /// Nothing.
    Nothing,
    /// Its metadata.
    Metadata,
    /// All of it.
    Object,
}

impl Include {
    /// As the query says.
    pub(super) fn read(call: &Call) -> Result<Self> {
        match call.option("includeObject") {
            "" | "Metadata" => Ok(Self::Metadata),
            "None" => Ok(Self::Nothing),
            "Object" => Ok(Self::Object),
            other => Err(bad_request(format!("unrecognized includeObject value: {other:?}"))),
        }
    }
}

/// One column.
#[derive(Clone, Debug)]
struct Column {
    name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    kind: String,
    /// `name` for the one that holds the object's name.
    format: String,
    description: String,
    /// Above 0: for `-o wide`.
    priority: i32,
}

impl Column {
    fn new(name: &str, kind: &str, priority: i32) -> Self {
        let (format, description) = match name {
            "Name" => ("name", "The object's name, unique in its namespace."),
            "Age" | "Created At" => ("", "When the object was created."),
            _ => ("", ""),
        };
        Self { name: name.into(), kind: kind.into(), format: format.into(), description: description.into(), priority }
    }

    fn definition(&self) -> Value {
        json!({
            "name": self.name,
            "type": self.kind,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        })
    }
}

/// A table of objects. `metadata` is that of the list, or of the one object.
pub(super) fn table<'a>(
    resource: &Resource,
    objects: impl IntoIterator<Item = &'a Object>,
    metadata: &Value,
    (include, now): (Include, Timestamp),
) -> Value {
    let rows: Vec<Value> = objects.into_iter().map(|object| row(resource, object, include, now)).collect();
    let mut table = headless(metadata, &rows);
    table["columnDefinitions"] = columns(resource).iter().map(Column::definition).collect();
    table
}

/// A table of one object, as a watch shows it: only the first event of a watch says what the columns are.
pub(super) fn event(resource: &Resource, object: &Object, is_first: bool, include: Include, now: Timestamp) -> Value {
    let metadata = version_of(object);
    if is_first {
        return table(resource, [object], &metadata, (include, now));
    }
    headless(&metadata, &[row(resource, object, include, now)])
}

/// A table without rows whose one object is a bookmark.
pub(super) fn bookmark(resource: &Resource, bookmark: &Value, is_first: bool) -> Value {
    let width = columns(resource).len();
    let metadata = json!({ "resourceVersion": bookmark["metadata"]["resourceVersion"] });
    let mut table = headless(&metadata, &[json!({ "cells": vec![""; width], "object": bookmark })]);
    if is_first {
        table["columnDefinitions"] = columns(resource).iter().map(Column::definition).collect();
    }
    table
}

/// What the metadata of a table of one object says.
pub(super) fn version_of(object: &Object) -> Value {
    json!({ "resourceVersion": object.version.to_string() })
}

fn headless(metadata: &Value, rows: &[Value]) -> Value {
    let columns = Value::Null;
    json!({ "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": columns, "rows": rows })
}

fn columns(resource: &Resource) -> Vec<Column> {
    match &resource.shape {
        Shape::Builtin { .. } => Kind::of(&resource.table).columns(),
        Shape::Custom { columns, .. } => custom::columns(columns),
    }
}

fn row(resource: &Resource, object: &Object, include: Include, now: Timestamp) -> Value {
    let look = Look { value: &object.value, now };
    let cells = match &resource.shape {
        Shape::Builtin { .. } => Kind::of(&resource.table).cells(&look),
        Shape::Custom { columns, .. } => custom::cells(columns, &look),
    };
    let mut row = json!({ "cells": cells });
    if resource.is("pods")
        && let Some(condition) = pods::completed(&look)
    {
        row["conditions"] = json!([condition]);
    }
    let parsed = |form| serde_json::from_slice::<Value>(object.encoded(form)).expect("it was just encoded");
    row["object"] = match include {
        Include::Nothing => Value::Null,
        Include::Metadata => parsed(Form::Metadata),
        Include::Object => parsed(Form::Full),
    };
    row
}

#[cfg(test)]
mod tests;

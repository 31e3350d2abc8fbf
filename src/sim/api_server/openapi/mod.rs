//! OpenAPI v3: what `kubectl explain` prints, and what `kubectl apply` asks before it sends anything.
//!
//! There is a document for each group and version. Schemas of built-in kinds are those of the types that objects are read
//! into, marked with what the server knows of their merging; those of custom kinds come from their definition. A path
//! says which methods and options it takes, and little more.

mod marks;
mod paths;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    registry::{Registry, Resource, Shape},
    status::{Result, no_such_path},
};

/// Where documents keep their schemas.
const SCHEMAS: &str = "#/components/schemas/";

/// `/openapi/v3`: where the documents are.
pub(super) fn index(registry: &Registry) -> Value {
    let paths: BTreeSet<String> = registry.all().map(|resource| root(resource)).collect();
    let paths: BTreeMap<&str, Value> = paths
        .iter()
        .map(|path| (path.as_str(), json!({ "serverRelativeURL": format!("/openapi/v3/{path}") })))
        .collect();
    json!({ "paths": paths })
}

/// `api/v1`, `apis/apps/v1`
fn root(resource: &Resource) -> String {
    let version = &resource.version;
    if resource.group.is_empty() { format!("api/{version}") } else { format!("apis/{}/{version}", resource.group) }
}

/// The document of a group and version, named as in the index.
///
/// # Errors
/// 404 when nothing of it is served.
pub(super) fn document(registry: &Registry, path: &str) -> Result<Value> {
    let served: Vec<&Resource> = registry.all().map(AsRef::as_ref).filter(|resource| root(resource) == path).collect();
    if served.is_empty() {
        return Err(no_such_path());
    }
    let mut generator = SchemaSettings::openapi3().into_generator();
    let names: Vec<String> = served.iter().map(|resource| name(resource, &mut generator)).collect();
    let mut schemas = generator.take_definitions(true);
    for (resource, name) in served.iter().zip(&names) {
        match &resource.shape {
            Shape::Builtin { .. } => marks::mark(&mut schemas, name, resource),
            Shape::Custom { schema, .. } => _ = schemas.insert(name.clone(), custom(schema)),
        }
        let kind = json!([{ "group": resource.group, "version": resource.version, "kind": resource.kind }]);
        schemas[name]["x-kubernetes-group-version-kind"] = kind;
    }
    let paths: Map<String, Value> =
        served.iter().zip(&names).flat_map(|(resource, name)| paths::paths(resource, name)).collect();
    Ok(json!({
        "openapi": "3.0.0",
        "info": { "title": "Tailor's embedded Kubernetes", "version": "v1.37.2" },
        "paths": paths,
        "components": { "schemas": schemas },
    }))
}

/// What the schema of a kind is called. That of a built-in kind is generated, with all that it refers to.
fn name(resource: &Resource, generator: &mut SchemaGenerator) -> String {
    match &resource.shape {
        Shape::Builtin { schema, .. } => {
            let reference = schema(generator);
            let reference = reference.get("$ref").and_then(Value::as_str).unwrap_or_default();
            reference.trim_start_matches(SCHEMAS).to_owned()
        }
        Shape::Custom { .. } => {
            generator.subschema_for::<ObjectMeta>();
            let group: Vec<&str> = resource.group.split('.').rev().collect();
            format!("{}.{}.{}", group.join("."), resource.version, resource.kind)
        }
    }
}

/// A definition's schema with the fields that every object has.
fn custom(schema: &Value) -> Value {
    let mut schema = if schema.is_object() { schema.clone() } else { json!({ "type": "object" }) };
    let text = |description: &str| json!({ "type": "string", "description": description });
    let properties = [
        ("apiVersion", text("The group and version of this object's form.")),
        ("kind", text("What this object is.")),
        (
            "metadata",
            json!({
                "description": "What every object has: its name, labels, owners.",
                "allOf": [{ "$ref": format!("{SCHEMAS}io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta") }],
            }),
        ),
    ];
    for (field, property) in properties {
        schema["properties"][field] = property;
    }
    schema
}

#[cfg(test)]
mod tests;

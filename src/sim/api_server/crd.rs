//! CustomResourceDefinitions: a definition that is created is served at once.
//!
//! One version is served: the one that is stored. Conversion between versions is absent on purpose.

use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion,
};
use schemars::Schema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    meta,
    registry::{Resource, ScalePaths, Shape, Subresource, table},
    rules::schema::Structural,
    status::{Cause, Result, bad_request, invalid},
    store::Store,
    table::CustomColumn,
    write::delete::{Deletion, delete},
};

/// The table of definitions.
pub(super) const TABLE: &str = "customresourcedefinitions.apiextensions.k8s.io";

fn read(value: &Value) -> Result<CustomResourceDefinition> {
    CustomResourceDefinition::deserialize(value)
        .map_err(|error| bad_request(format!("CustomResourceDefinition cannot be handled: {error}")))
}

fn stored_version(definition: &CustomResourceDefinition) -> Option<&CustomResourceDefinitionVersion> {
    definition.spec.versions.iter().find(|version| version.storage)
}

/// Checks a definition and fills its names and status, as controllers of the real server do soon after it is stored.
pub(super) fn establish(mut value: Value, now: Timestamp) -> Result<Value> {
    let definition = read(&value)?;
    let spec = &definition.spec;
    let (kind, name) = (spec.names.kind.clone(), meta::name(&value).to_owned());
    let expected = format!("{}.{}", spec.names.plural, spec.group);
    let mut causes = Vec::new();
    if name != expected {
        let message = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &format!("{name:?}"), message));
    }
    let Some(version) = stored_version(&definition) else {
        let message = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", "[]", message));
        return Err(invalid(&placeholder(), &name, &causes));
    };
    causes.extend(column_faults(&definition));
    if !causes.is_empty() {
        return Err(invalid(&placeholder(), &name, &causes));
    }
    let stored = version.name.clone();
    Structural::from_crd(&definition, &stored)?;
    let names = &mut value["spec"]["names"];
    for (field, default) in [("listKind", format!("{kind}List")), ("singular", kind.to_lowercase())] {
        if names[field].is_null() {
            names[field] = default.into();
        }
    }
    let names = names.clone();
    value["status"] = json!({
        "acceptedNames": names,
        "conditions": [
            condition(&value, "NamesAccepted", "NoConflicts", "no conflicts found", now),
            condition(&value, "Established", "InitialNamesAccepted", "the initial names have been accepted", now),
        ],
        "storedVersions": [stored],
    });
    Ok(value)
}

/// The resource of definitions, for messages made before one is at hand.
fn placeholder() -> Resource {
    Resource {
        group: "apiextensions.k8s.io".into(),
        version: "v1".into(),
        kind: "CustomResourceDefinition".into(),
        plural: "customresourcedefinitions".into(),
        singular: String::new(),
        short_names: vec![],
        categories: vec![],
        namespaced: false,
        subresources: vec![],
        table: TABLE.into(),
        shape: Shape::Builtin { typed: Ok, counts_generation: true, selectable: &[], schema: |_| Schema::default() },
    }
}

fn condition(definition: &Value, kind: &str, reason: &str, message: &str, now: Timestamp) -> Value {
    let conditions = definition["status"]["conditions"].as_array().into_iter().flatten();
    let known = conditions.filter(|condition| condition["type"] == kind && condition["status"] == "True");
    let since = known.filter_map(|condition| condition["lastTransitionTime"].as_str()).next();
    let since = since.map_or_else(|| meta::time(now), str::to_owned);
    json!({ "type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": since })
}

/// Serves the resource of an established definition.
pub(super) fn serve(store: &mut Store, value: &Value) -> Result<()> {
    let definition = read(value)?;
    store.registry.remove(meta::name(value));
    if let Some(resource) = resource(&definition)? {
        store.registry.add(resource);
    }
    Ok(())
}

/// 422 when a definition that is served would become one of another resource.
pub(super) fn check_update(resource: &Resource, old: &Value, new: &Value) -> Result<()> {
    let mut causes = Vec::new();
    for pointer in ["/spec/group", "/spec/scope", "/spec/names/plural"] {
        let (was, is) = (old.pointer(pointer), new.pointer(pointer));
        if let Some(is) = is.filter(|is| Some(*is) != was) {
            let field = pointer.trim_start_matches('/').replace('/', ".");
            causes.push(Cause::invalid(&field, &is.to_string(), "field is immutable"));
        }
    }
    if causes.is_empty() { Ok(()) } else { Err(invalid(resource, meta::name(old), &causes)) }
}

fn resource(definition: &CustomResourceDefinition) -> Result<Option<Resource>> {
    let spec = &definition.spec;
    let Some(version) = stored_version(definition).filter(|version| version.served) else { return Ok(None) };
    let names = &spec.names;
    let parts = version.subresources.as_ref();
    let scale = parts.and_then(|parts| parts.scale.as_ref()).map(|scale| ScalePaths {
        spec_replicas: scale.spec_replicas_path.trim_start_matches('.').to_owned(),
        status_replicas: scale.status_replicas_path.trim_start_matches('.').to_owned(),
        selector: scale.label_selector_path.as_ref().map(|path| path.trim_start_matches('.').to_owned()),
    });
    let has_status = parts.is_some_and(|parts| parts.status.is_some());
    let mut subresources = Vec::new();
    subresources.extend(has_status.then_some(Subresource::Status));
    subresources.extend(scale.is_some().then_some(Subresource::Scale));
    let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
    let schema = serde_json::to_value(schema).expect("schemas always encode");
    let selectable = version.selectable_fields.iter().flatten();
    let selectable = selectable.map(|field| field.json_path.trim_start_matches('.').to_owned()).collect();
    Ok(Some(Resource {
        group: spec.group.clone(),
        version: version.name.clone(),
        kind: names.kind.clone(),
        plural: names.plural.clone(),
        singular: names.singular.clone().unwrap_or_else(|| names.kind.to_lowercase()),
        short_names: names.short_names.clone().unwrap_or_default(),
        categories: names.categories.clone().unwrap_or_default(),
        namespaced: spec.scope == "Namespaced",
        subresources,
        table: table(&names.plural, &spec.group),
        shape: Shape::Custom {
            rules: Box::new(Structural::from_crd(definition, &version.name)?),
            schema,
            scale,
            selectable,
            columns: columns(version),
        },
    }))
}

/// What rows show; a definition that does not say has the age.
fn columns(version: &CustomResourceDefinitionVersion) -> Vec<CustomColumn> {
    let Some(columns) = &version.additional_printer_columns else { return vec![CustomColumn::age()] };
    // `establish` has refused those that cannot be read.
    columns.iter().filter_map(|column| CustomColumn::new(column).ok()).collect()
}

/// Columns whose path cannot be read.
fn column_faults(definition: &CustomResourceDefinition) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (at, version) in definition.spec.versions.iter().enumerate() {
        for (column, spec) in version.additional_printer_columns.iter().flatten().enumerate() {
            if let Err(error) = CustomColumn::new(spec) {
                let field = format!("spec.versions[{at}].additionalPrinterColumns[{column}].jsonPath");
                causes.push(Cause::invalid(&field, &format!("{:?}", spec.json_path), &error.to_string()));
            }
        }
    }
    causes
}

/// Deletes the objects of a definition that is gone, and serves its resource no longer.
pub(super) fn withdraw(store: &mut Store, definition: &Value, now: Timestamp) {
    let name = meta::name(definition);
    if let Some(resource) = store.registry.of_table(name).cloned() {
        let keys: Vec<_> = store.table(&resource).objects.keys().cloned().collect();
        for key in keys {
            // It was just found, and a deletion without preconditions has no other way to fail.
            _ = delete(store, &resource, &key, &Deletion::default(), now);
        }
    }
    store.registry.remove(name);
}

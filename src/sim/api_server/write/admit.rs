//! What every object goes through before it is stored: its type or schema, and its defaults.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::defaults;
use crate::sim::api_server::{
    crd, meta,
    registry::{Resource, Shape},
    request::{Call, FieldValidation},
    status::{Failure, Result, bad_request},
    typed::{canonical_quantities, drop_empty_parts, typed, unknown_fields, whole_numbers},
};

/// Checks that an object is of the kind and in the namespace and of the name that the request says, and says so itself.
pub(crate) fn identify(resource: &Resource, namespace: &str, name: &str, object: &mut Value) -> Result<()> {
    if !object.is_object() {
        return Err(unrecognized(resource, "it is no object"));
    }
    for field in ["kind", "apiVersion"] {
        if matches!(resource.shape, Shape::Custom { .. }) && object[field].as_str().is_none_or(str::is_empty) {
            return Err(unrecognized(resource, &format!("Object '{field}' is missing in '{object}'")));
        }
    }
    for (field, expected) in [("apiVersion", resource.api_version()), ("kind", resource.kind.clone())] {
        match object[field].as_str() {
            Some(given) if given != expected => return Err(misplaced(resource, object, field, given, &expected)),
            Some(_) => {}
            None => object[field] = expected.into(),
        }
    }
    let given = meta::namespace(object).to_owned();
    if resource.namespaced {
        if !given.is_empty() && given != namespace {
            return Err(bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        meta::set(object, "namespace", Some(namespace.into()));
    } else {
        meta::set(object, "namespace", None);
    }
    let given = meta::name(object).to_owned();
    match (given.is_empty(), name.is_empty()) {
        (_, true) => {}
        (true, false) => meta::set(object, "name", Some(name.into())),
        (false, false) if given == name => {}
        (false, false) => {
            return Err(bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            )));
        }
    }
    Ok(())
}

/// 400 for an object of another kind or version.
fn misplaced(resource: &Resource, object: &Value, field: &str, given: &str, expected: &str) -> Failure {
    if matches!(resource.shape, Shape::Builtin { .. }) {
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let (kind, version) = (text("kind"), text("apiVersion").rsplit('/').next().unwrap_or_default());
        let problem = format!("it is to be {expected}");
        let message = format!("{kind} in version {version:?} cannot be handled as a {}: {problem}", resource.kind);
        return bad_request(message);
    }
    let what = if field == "kind" { "kind" } else { "API version" };
    bad_request(format!("the {what} in the data ({given}) does not match the expected {what} ({expected})"))
}

fn unrecognized(resource: &Resource, why: &str) -> Failure {
    bad_request(format!("the object provided is unrecognized (must be of type {}): {why}", resource.kind))
}

/// Brings an object into the form in which it is stored: checked against its type or schema, and defaulted.
pub(crate) fn admit(resource: &Resource, mut object: Value, old: Option<&Value>, call: &Call) -> Result<Value> {
    let validation = call.field_validation();
    let refused = |error: serde_json::Error| {
        let Resource { kind, version, .. } = resource;
        bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {error}"))
    };
    match &resource.shape {
        Shape::Builtin { typed, .. } => {
            let given = (validation != FieldValidation::Ignore).then(|| object.clone());
            let mut admitted = typed(object).map_err(refused)?;
            given.map_or(Ok(()), |given| answer_for_unknown_fields(resource, &given, &admitted, call))?;
            canonical_quantities(&mut admitted);
            // A schema means something by `[]` and `{}`.
            if !resource.is(crd::TABLE) {
                drop_empty_parts(&mut admitted);
            }
            if resource.is(crd::TABLE) {
                whole_numbers(&mut admitted);
            }
            defaults::fill(resource, &mut admitted);
            Ok(admitted)
        }
        Shape::Custom { rules, .. } => {
            object["metadata"] = typed::<ObjectMeta>(object["metadata"].take()).map_err(refused)?;
            let (admitted, unknown) = rules.admit_and_tell(object, old, validation == FieldValidation::Strict)?;
            if validation == FieldValidation::Warn {
                unknown.iter().for_each(|path| call.warn(format!("unknown field {path:?}")));
            }
            Ok(admitted)
        }
    }
}

fn answer_for_unknown_fields(resource: &Resource, given: &Value, admitted: &Value, call: &Call) -> Result<()> {
    let mut unknown = Vec::new();
    unknown_fields(given, admitted, "", &mut unknown);
    let fields: Vec<String> = unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
    if call.field_validation() == FieldValidation::Warn || fields.is_empty() {
        fields.into_iter().for_each(|field| call.warn(field));
        return Ok(());
    }
    let Resource { kind, version, .. } = resource;
    let problem = fields.join(", ");
    Err(bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {kind}: strict decoding error: {problem}"
    )))
}

//! The scale subresource: `autoscaling/v1` `Scale` over whatever counts replicas.

use serde_json::{Value, json};

use super::{
    Answer, Outcome, Write,
    update::{Owners, nameless},
};
use crate::sim::api_server::{
    meta,
    patch::{Patch, shape::Shape},
    registry::{Resource, ScalePaths, Shape as Kind},
    status::{Cause, Result, bad_request, invalid_scale, no_such_path},
};

/// Where a resource keeps its scale.
fn paths(resource: &Resource) -> Result<ScalePaths> {
    match &resource.shape {
        Kind::Builtin { .. } => Ok(ScalePaths {
            spec_replicas: "spec.replicas".into(),
            status_replicas: "status.replicas".into(),
            selector: None,
        }),
        Kind::Custom { scale, .. } => scale.clone().ok_or_else(no_such_path),
    }
}

fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').filter(|part| !part.is_empty()).try_fold(object, |value, part| value.get(part))
}

/// The scale of an object.
pub(crate) fn of(resource: &Resource, object: &Value) -> Result<Value> {
    let paths = paths(resource)?;
    let count = |path: &str| at(object, path).and_then(Value::as_i64).unwrap_or(0);
    let selector = match &paths.selector {
        Some(path) => at(object, path).and_then(Value::as_str).unwrap_or_default().to_owned(),
        None => selector_text(&object["spec"]["selector"]),
    };
    let metadata = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];
    let metadata: serde_json::Map<String, Value> = metadata
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), object["metadata"].get(field)?.clone())))
        .collect();
    let mut scale = json!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": metadata,
        "spec": { "replicas": count(&paths.spec_replicas) },
        "status": { "replicas": count(&paths.status_replicas) },
    });
    if !selector.is_empty() {
        scale["status"]["selector"] = selector.into();
    }
    Ok(scale)
}

/// A label selector in its text form.
fn selector_text(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let labels = labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten().map(|expression| {
        let key = expression["key"].as_str().unwrap_or_default();
        let values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({})", values.join(",")),
            Some("NotIn") => format!("{key} notin ({})", values.join(",")),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        }
    });
    labels.chain(expressions).collect::<Vec<_>>().join(",")
}

impl Write<'_> {
    /// Sets the number of replicas from a whole scale.
    pub(crate) fn replace_scale(&mut self, scale: &Value) -> Result<Outcome> {
        let resource = self.target.resource.clone();
        let old = self.current()?;
        self.check_scale(scale)?;
        let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
        if replicas < 0 && matches!(resource.shape, Kind::Builtin { .. }) {
            let cause = Cause::invalid("spec.replicas", &replicas.to_string(), "must be greater than or equal to 0");
            return Err(invalid_scale(&self.target.name, &cause));
        }
        let mut new = old.value.clone();
        set_at(&mut new, &paths(&resource)?.spec_replicas, replicas.into());
        for field in ["uid", "resourceVersion"] {
            if let Some(given) = scale["metadata"].get(field) {
                meta::set(&mut new, field, Some(given.clone()));
            }
        }
        let outcome = self.change(&old, new, Owners::AsBefore)?;
        let Answer::Object(object) = &outcome.body else { return Ok(outcome) };
        Ok(Outcome { code: 200, body: Answer::Json(of(&resource, &object.value)?), changed: outcome.changed })
    }

    /// 400 when a scale is none, or that of another object.
    fn check_scale(&self, scale: &Value) -> Result<()> {
        let kind = scale["kind"].as_str().unwrap_or("Scale");
        let version = scale["apiVersion"].as_str().unwrap_or("autoscaling/v1");
        if (kind, version) != ("Scale", "autoscaling/v1") {
            let short = version.rsplit('/').next().unwrap_or_default();
            return Err(bad_request(format!("{kind} in version {short:?} cannot be handled as a Scale: it is none")));
        }
        let replicas = &scale["spec"]["replicas"];
        if !replicas.is_null() && !replicas.is_i64() {
            return Err(bad_request(
                "Scale in version \"v1\" cannot be handled as a Scale: spec.replicas is no number",
            ));
        }
        match meta::name(scale) {
            "" => Err(nameless(&self.target.name)),
            name if name != self.target.name => Err(bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                self.target.name
            ))),
            _ => Ok(()),
        }
    }

    /// Sets the number of replicas from a patch of the scale.
    pub(crate) fn patch_scale(&mut self, patch: &Patch) -> Result<Outcome> {
        let current = of(&self.target.resource, &self.current()?.value)?;
        let scale = patch.applied_to(&current, Shape::Field("", ""))?;
        if !scale["spec"].is_object() {
            return Err(bad_request("Scale needs a spec"));
        }
        self.replace_scale(&scale).map_err(|failure| patch.blamed(failure, &scale))
    }
}

fn set_at(object: &mut Value, path: &str, value: Value) {
    let mut place = object;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[part];
    }
    *place = value;
}

//! What server-side apply is given must be declared by its kind: an unknown field is a failure, not a warning.
//!
//! Source: sigs.k8s.io/structured-merge-diff typed/validate.go, as far as fields and the keys of lists go.

use serde_json::Value;

use super::{
    fields::spelled,
    shape::{ListKind, Shape, element},
};
use crate::sim::api_server::{
    meta,
    registry::{Resource, Shape as Kind},
    status::{Failure, Result, failure},
};

/// 500 when a field is not declared, an item is there twice, or a type is another.
pub(crate) fn check(resource: &Resource, wanted: &Value) -> Result<()> {
    let kept = match &resource.shape {
        Kind::Builtin { typed, .. } => {
            Some(typed(wanted.clone()).map_err(|error| refused(resource, wanted, &error.to_string()))?)
        }
        Kind::Custom { .. } => None,
    };
    fault(wanted, kept.as_ref(), Shape::of(resource), "").map_or(Ok(()), |why| Err(refused(resource, wanted, &why)))
}

fn refused(resource: &Resource, wanted: &Value, why: &str) -> Failure {
    let Resource { group, version, kind, .. } = resource;
    let (namespace, name) = (meta::namespace(wanted), meta::name(wanted));
    let object = format!("({namespace}/{name}; {group}/{version}, Kind={kind})");
    failure(500, "", format!("failed to create typed patch object {object}: {why}"))
}

/// The first fault; `kept` is the value as its Rust type has read and written it.
fn fault(wanted: &Value, kept: Option<&Value>, shape: Shape<'_>, path: &str) -> Option<String> {
    match wanted {
        Value::Object(map) => map.iter().find_map(|(key, part)| {
            let path = format!("{path}.{key}");
            let within = kept.map(|kept| &kept[key.as_str()]);
            let is_known = match within {
                Some(within) => !within.is_null(),
                None => shape.declares(key),
            };
            if !is_known {
                return Some(format!("{path}: field not declared in schema"));
            }
            fault(part, within, shape.field(key), &path)
        }),
        Value::Array(items) => {
            let kind = shape.list();
            let names: Vec<Option<String>> = items.iter().map(|item| element(&kind, item)).collect();
            let twice = names.iter().enumerate().find(|(at, name)| name.is_some() && names[..*at].contains(name));
            if let Some(name) = twice.and_then(|(_, name)| name.as_ref()).filter(|_| kind != ListKind::Atomic) {
                return Some(format!("{path}: duplicate entries for key {}", spelled(name)));
            }
            items.iter().enumerate().find_map(|(at, item)| {
                let step = names[at].as_ref().map_or_else(|| format!("[{at}]"), |name| spelled(name));
                fault(item, kept.map(|kept| &kept[at]), shape.items(), &format!("{path}{step}"))
            })
        }
        _ => None,
    }
}

//! The four ways to patch: JSON patch, merge patch, strategic merge patch and server-side apply.

pub(crate) mod apply;
pub(crate) mod declared;
pub(crate) mod empty;
pub(crate) mod fields;
pub(crate) mod go;
pub(crate) mod managers;
pub(crate) mod shape;
mod strategic;

use serde_json::Value;

use self::shape::Shape;
use super::{
    registry::{Resource, Shape as Kind},
    status::{
        Failure, Result, bad_request, invalid_patch, rejected_patch, unsupported_media_type, unsupported_patch_type,
    },
};

/// A patch as it came in.
#[derive(Debug)]
pub(super) enum Patch {
    /// `application/json-patch+json`
    Json(json_patch::Patch),
    /// `application/merge-patch+json`
    Merge(Value),
    /// `application/strategic-merge-patch+json`
    Strategic(Value),
    /// `application/apply-patch+yaml`
    Apply(Value),
}

impl Patch {
    /// Reads a patch; 415 for a form that the resource does not take, 400 for a body that cannot be read.
    pub(super) fn read(resource: &Resource, media_type: &str, body: &[u8]) -> Result<Self> {
        match (media_type, &resource.shape) {
            ("application/json-patch+json", _) => steps(parsed(body)?).map(Self::Json),
            ("application/merge-patch+json", _) => object(parsed(body)?, "map[string]interface {}").map(Self::Merge),
            ("application/strategic-merge-patch+json", Kind::Builtin { .. }) => {
                object(parsed(body)?, "map[string]interface {}").map(Self::Strategic)
            }
            ("application/apply-patch+yaml", _) => {
                super::request::parsed(body).map(apply::without_nulls).map(Self::Apply)
            }
            (_, Kind::Builtin { .. }) => Err(unsupported_patch_type()),
            (_, Kind::Custom { .. }) => Err(unsupported_media_type(&[
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/apply-patch+yaml",
            ])),
        }
    }

    /// A failure to read what the patch made, as a fault of the patch.
    pub(super) fn blamed(&self, failure: Failure, patched: &Value) -> Failure {
        let message = failure.message.clone().unwrap_or_default();
        let problem = message.split_once(" cannot be handled as a ").and_then(|(_, rest)| rest.split_once(": "));
        let (Some((_, problem)), Some(400)) = (problem, failure.code) else { return failure };
        let shown = match self {
            Self::Strategic(patch) => go::as_go_prints(patch),
            Self::Json(_) | Self::Merge(_) => patched.to_string(),
            Self::Apply(_) => return failure,
        };
        invalid_patch(&shown, problem)
    }

    /// Whether it changes who owns what.
    pub(super) fn names_managers(&self) -> bool {
        let has = |patch: &Value| patch.pointer("/metadata/managedFields").is_some();
        match self {
            Self::Json(patch) => patch.iter().any(|step| step.path().as_str().starts_with("/metadata/managedFields")),
            Self::Merge(patch) | Self::Strategic(patch) => has(patch),
            Self::Apply(_) => false,
        }
    }

    /// What a patch other than apply makes of an object.
    pub(super) fn applied_to(&self, object: &Value, shape: Shape<'_>) -> Result<Value> {
        let mut value = object.clone();
        match self {
            // The server says no more about a patch that does not fit.
            Self::Json(patch) => json_patch::patch(&mut value, patch).map_err(|_| rejected_patch())?,
            Self::Merge(patch) => json_patch::merge(&mut value, patch),
            Self::Strategic(patch) | Self::Apply(patch) => strategic::merge(&mut value, patch, shape)?,
        }
        Ok(value)
    }
}

fn parsed(body: &[u8]) -> Result<Value> {
    serde_json::from_slice(body).map_err(|_| bad_request("invalid JSON patch"))
}

fn object(patch: Value, into: &str) -> Result<Value> {
    if patch.is_object() { Ok(patch) } else { Err(cannot_unmarshal(&patch, into)) }
}

fn steps(patch: Value) -> Result<json_patch::Patch> {
    if !patch.is_array() {
        return Err(cannot_unmarshal(&patch, "[]handlers.jsonPatchOp"));
    }
    serde_json::from_value(patch).map_err(|_| rejected_patch())
}

fn cannot_unmarshal(value: &Value, into: &str) -> Failure {
    let what = match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) | Value::Null => "bool",
    };
    bad_request(format!("error decoding patch: json: cannot unmarshal {what} into Go value of type {into}"))
}

//! The four ways to patch: JSON patch, merge patch, strategic merge patch and server-side apply.

pub(crate) mod apply;
pub(crate) mod fields;
pub(crate) mod managers;
pub(crate) mod shape;
mod strategic;

use serde_json::Value;

use self::shape::Shape;
use super::{
    registry::{Resource, Shape as Kind},
    status::{Result, bad_request, failure, unsupported_media_type},
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
        let json =
            |body| serde_json::from_slice(body).map_err(|error| bad_request(format!("error decoding patch: {error}")));
        match (media_type, &resource.shape) {
            ("application/json-patch+json", _) => {
                let patch = serde_json::from_slice(body);
                patch.map(Self::Json).map_err(|error| bad_request(format!("error decoding patch: {error}")))
            }
            ("application/merge-patch+json", _) => json(body).map(Self::Merge),
            ("application/strategic-merge-patch+json", Kind::Builtin { .. }) => json(body).map(Self::Strategic),
            ("application/apply-patch+yaml", _) => {
                super::request::parsed(body).map(apply::without_nulls).map(Self::Apply)
            }
            (_, Kind::Builtin { .. }) => Err(unsupported_media_type(&[
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/strategic-merge-patch+json",
                "application/apply-patch+yaml",
            ])),
            (_, Kind::Custom { .. }) => Err(unsupported_media_type(&[
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/apply-patch+yaml",
            ])),
        }
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
            Self::Json(patch) => json_patch::patch(&mut value, patch).map_err(|error| {
                // The real server says no more than this about a patch that does not fit.
                failure(
                    422,
                    "Invalid",
                    format!("the server rejected our request due to an error in our request: {error}"),
                )
            })?,
            Self::Merge(patch) => json_patch::merge(&mut value, patch),
            Self::Strategic(patch) | Self::Apply(patch) => strategic::merge(&mut value, patch, shape)?,
        }
        Ok(value)
    }
}

//! Label and field selectors.

mod fields;
mod labels;

use serde_json::Value;

use self::{fields::FieldRule, labels::LabelRule};
use super::{
    meta,
    registry::Resource,
    status::{Result, bad_request},
};

/// Which objects of a resource a list, watch or deletecollection is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// The namespace, or empty for all.
    pub(super) namespace: String,
    labels: Vec<LabelRule>,
    fields: Vec<FieldRule>,
}

impl Filter {
    /// Reads the selectors of a request; 400 when one cannot be read or names a field that cannot be selected by.
    pub(super) fn new(resource: &Resource, namespace: &str, labels: &str, fields: &str) -> Result<Self> {
        Ok(Self {
            namespace: namespace.to_owned(),
            labels: labels::parse(labels).map_err(bad_request)?,
            fields: fields::parse(resource, fields).map_err(bad_request)?,
        })
    }

    /// Whether an object is selected.
    pub(super) fn matches(&self, object: &Value) -> bool {
        (self.namespace.is_empty() || self.namespace == meta::namespace(object))
            && self.fields.iter().all(|rule| rule.matches(object))
            && self.labels.iter().all(|rule| rule.matches(&object["metadata"]["labels"]))
    }

    /// Whether everything in the namespace is selected.
    pub(super) fn is_open(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }
}

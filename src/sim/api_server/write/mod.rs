//! Writes: create, update, patch, delete, and what follows from them.

pub(super) mod admission;
pub(super) mod admit;
pub(super) mod collect;
pub(super) mod create;
pub(super) mod defaults;
pub(super) mod delete;
pub(super) mod names;
pub(super) mod pods;
pub(super) mod scale;
pub(super) mod update;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use serde_json::Value;

use super::{
    object::Object,
    patch::managers::{Operation, Writer},
    registry::{Resource, Subresource},
    request::Call,
    store::{Key, Store},
};

/// What a request is about.
pub(super) struct Target {
    /// The resource.
    pub(super) resource: Arc<Resource>,
    /// The namespace, empty for the cluster's own and for all namespaces.
    pub(super) namespace: String,
    /// The object, empty for the whole resource.
    pub(super) name: String,
    /// The part of the object.
    pub(super) subresource: Option<Subresource>,
}

impl Target {
    /// Where the object is in its table.
    pub(super) fn key(&self) -> Key {
        (self.namespace.clone(), self.name.clone())
    }

    /// Whether it is a resource in all namespaces.
    pub(super) fn is_everywhere(&self) -> bool {
        self.resource.namespaced && self.namespace.is_empty()
    }

    /// The name of the subresource, or nothing.
    pub(super) fn subresource_name(&self) -> &'static str {
        self.subresource.map_or("", Into::into)
    }
}

/// What a request is answered with.
pub(super) struct Outcome {
    /// The HTTP code.
    pub(super) code: u16,
    /// The body.
    pub(super) body: Answer,
    /// Whether anything stored was changed.
    pub(super) changed: bool,
}

/// The body of an answer.
pub(super) enum Answer {
    /// A version of an object.
    Object(Arc<Object>),
    /// A status.
    Status(Box<Status>),
    /// An object that is not stored as such.
    Json(Value),
}

impl Outcome {
    /// 200 with an object.
    pub(super) fn ok(object: Arc<Object>, changed: bool) -> Self {
        Self { code: 200, body: Answer::Object(object), changed }
    }
}

/// A write in progress: the store is locked for its whole length, so nothing comes between its read and its write.
pub(super) struct Write<'a> {
    /// What is stored.
    pub(super) store: &'a mut Store,
    /// Who writes, and how.
    pub(super) call: &'a Call,
    /// What is written.
    pub(super) target: &'a Target,
    /// When.
    pub(super) now: Timestamp,
}

impl Write<'_> {
    /// Who owns the fields that this write sets.
    pub(super) fn writer(&self, operation: Operation) -> Writer {
        Writer {
            operation,
            name: self.call.manager().to_owned(),
            api_version: self.target.resource.api_version(),
            subresource: self.target.subresource_name(),
        }
    }

    /// The object as it is; 404 when there is none.
    pub(super) fn current(&self) -> super::status::Result<Arc<Object>> {
        let found = self.store.get(&self.target.resource.table, &self.target.key());
        found.cloned().ok_or_else(|| super::status::not_found(&self.target.resource, &self.target.name))
    }
}

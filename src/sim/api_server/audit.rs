//! Counts of requests and of the writes that changed something.

use std::collections::BTreeMap;

/// What a count is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteKey {
    /// The user that the client was made for.
    pub user: &'static str,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: &'static str,
    /// The plural name of the resource, without its group.
    pub resource: String,
    /// `status`, `scale`, `resize`, `eviction`, `binding`, or empty.
    pub subresource: &'static str,
}

/// Counts since the server was made.
#[derive(Debug, Default)]
pub(super) struct Audit {
    /// Every request for a resource, whatever its answer.
    pub(super) requests: BTreeMap<WriteKey, u64>,
    /// Requests that changed what is stored.
    pub(super) writes: BTreeMap<WriteKey, u64>,
}

impl Audit {
    /// Counts an answered request.
    pub(super) fn count(&mut self, key: WriteKey, changed: bool) {
        if changed {
            *self.writes.entry(key.clone()).or_default() += 1;
        }
        *self.requests.entry(key).or_default() += 1;
    }
}

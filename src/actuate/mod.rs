//! Every write to a Pod, and nothing that decides: [`resize()`] in place, [`evict()`], and the [`admission`] patch that
//! gives new Pods their size; [`Replacements`] says whether they get it.
//!
//! What the API server answers is turned into an enum once, here, so that callers match on it and never on a message.

pub mod admission;
pub mod evict;
pub mod replacements;
pub mod resize;

use std::time::Duration;

pub use self::{
    admission::{Admission, NewPodSizes},
    evict::{EvictOutcome, evict},
    replacements::Replacements,
    resize::{ResizeOutcome, resize},
};

/// How long to wait before trying again when the server does not say.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// One Pod, exactly: as it was when the decision about it was made.
#[derive(Clone, Copy, Debug)]
pub struct PodKey<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its UID: a StatefulSet reuses names.
    pub uid: &'a str,
    /// The version that the decision was made from.
    pub resource_version: &'a str,
}

/// A request that got no answer that can be acted on.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} Pod {namespace}/{name}; check the connection to the API server and Tailor's RBAC rights")]
pub struct Error {
    /// `resize` or `evict`.
    pub what: &'static str,
    /// The Pod's namespace.
    pub namespace: String,
    /// The Pod's name.
    pub name: String,
    /// What the client says.
    pub source: Box<kube::Error>,
}

impl Error {
    fn new(what: &'static str, pod: PodKey<'_>, source: kube::Error) -> Self {
        Self { what, namespace: pod.namespace.to_owned(), name: pod.name.to_owned(), source: Box::new(source) }
    }
}

/// How long the server asks to wait.
fn retry_after(status: &kube::core::Status) -> Duration {
    match status.details.as_ref().map_or(0, |details| details.retry_after_seconds) {
        0 => RETRY_AFTER,
        seconds => Duration::from_secs(u64::from(seconds)),
    }
}

/// The cause types of a refusal (`NodeCapacity`, `DisruptionBudget`, ...).
fn causes(status: &kube::core::Status) -> impl Iterator<Item = &str> {
    status.details.iter().flat_map(|details| &details.causes).map(|cause| cause.reason.as_str())
}

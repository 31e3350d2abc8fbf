//! How the kubelet stands to the Pod's spec: conditions and generations as one enum.

use crate::resources::{PendingReason, PodView};

/// How the kubelet stands to what the Pod's spec asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResizeState<'a> {
    /// Nothing is on its way. Actual may still differ from desired for ever, by the kubelet's floors and rounding.
    Settled,
    /// The kubelet has not seen the newest spec, so its conditions speak of an older one.
    NotSeen,
    /// Granted, and being actuated.
    InProgress,
    /// Granted, but actuating it fails; the kubelet tries again every 10 to 15 seconds. Its message.
    Error(&'a str),
    /// Not granted now; the kubelet tries again when something shrinks, and every 3 minutes. Its message.
    Deferred(&'a str),
    /// Never granted on this Node; the kubelet does not try again.
    Infeasible,
}

impl<'a> ResizeState<'a> {
    /// The state of `pod`. A pending condition speaks of the newest spec and wins over one in progress, which may be of
    /// the spec before. Kubelets of 1.33 report no generation: then the conditions are all there is.
    pub fn of(pod: &'a PodView) -> Self {
        if pod.observed_generation.is_some_and(|observed| observed < pod.generation) {
            return Self::NotSeen;
        }
        match (&pod.resize.pending, &pod.resize.in_progress) {
            (Some((PendingReason::Deferred, message)), _) => Self::Deferred(message),
            (Some((PendingReason::Infeasible, _)), _) => Self::Infeasible,
            (None, Some(Some(message))) => Self::Error(message),
            (None, Some(None)) => Self::InProgress,
            (None, None) => Self::Settled,
        }
    }
}

/// Whether a Deferred resize waits for something else than room: pressure, affinity, taints, shutdown. An eviction for
/// its size would not help then. Texts: kubelet admit handlers.
pub(super) fn deferred_by_node(message: &str) -> bool {
    ["node had condition", "Predicate", "shutting down"].iter().any(|cause| message.contains(cause))
}

/// Whether an error says that memory cannot be lowered below what is used (kubelet `validateMemoryResizeAction`).
pub(super) fn is_memory_decrease(message: &str) -> bool {
    message.contains("memory")
        && ["decrease", "below current usage", "less than current"].iter().any(|text| message.contains(text))
}

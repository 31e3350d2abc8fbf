//! Own clocks for one Pod, by its UID: condition times reset when a kubelet restarts, and names are reused.

use jiff::Timestamp;

use super::{ContainerChange, Wish};
use crate::resources::PodView;

/// What has been seen of and done to one Pod. Keep it by UID and drop it with the Pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodHistory {}

impl PodHistory {
    /// Notes what the Pod shows now; call it on every look, before [`plan`](super::plan()).
    pub fn observe(&mut self, _pod: &PodView, _wishes: &[Wish], _now: Timestamp) {}

    /// Notes that `changes` were sent and accepted, as the Pod's `generation`.
    pub fn sent(&mut self, _changes: &[ContainerChange], _generation: i64, _now: Timestamp) {}

    /// Notes that the API server refused `changes` for good on the Pod's Node (403 NodeCapacity or platform).
    pub fn refused(&mut self, _pod: &PodView, _changes: &[ContainerChange], _now: Timestamp) {}
}

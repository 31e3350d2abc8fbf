//! The record of what was done and what was met, once per transition.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    api::TargetRef,
    plan::{ContainerChange, Why},
};

/// What was done to a Pod, or what became of it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::Display, strum::IntoStaticStr, strum::EnumIter,
)]
pub enum Action {
    /// A resize was sent and accepted.
    Resize,
    /// A resize waits for room on the Node: the kubelet has deferred it, or it was not sent for that reason.
    Defer,
    /// A deferred resize was carried out in the end.
    Grant,
    /// The Node can never grant the size.
    Infeasible,
    /// A resize failed: refused by the API server, or reported as an error by the kubelet.
    Error,
    /// The Pod was evicted.
    Evict,
    /// An eviction was refused, by a PodDisruptionBudget or for good.
    EvictRefused,
}

impl Action {
    /// Whether it needs somebody's attention (the type of its Kubernetes Event).
    pub fn is_warning(self) -> bool {
        matches!(self, Self::Infeasible | Self::Error | Self::EvictRefused)
    }
}

/// One transition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JournalEntry {
    /// When.
    pub at: Timestamp,
    /// The policy's name.
    pub policy: String,
    /// The namespace of policy, workload and Pod.
    pub namespace: String,
    /// The Pod's workload.
    pub workload: TargetRef,
    /// The Pod.
    pub pod: String,
    /// What happened.
    pub action: Action,
    /// Why.
    pub reason: Why,
    /// From what to what, and why, for people.
    pub message: String,
    /// What changed, container by container; empty unless it is a resize.
    pub changes: Vec<ContainerChange>,
}

/// Keeps a record of transitions. Kubernetes Events are published beside it, from the same entries.
pub trait Journal: Send + Sync {
    /// Takes one entry; must not block.
    fn record(&self, entry: JournalEntry);
}

/// Keeps nothing: Events and status are record enough.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoJournal;

impl Journal for NoJournal {
    fn record(&self, _: JournalEntry) {}
}

/// `app: cpu 100m -> 250m (limit 200m -> 500m), memory 64Mi -> 96Mi`, container by container.
pub fn describe(changes: &[ContainerChange]) -> String {
    let containers = changes.iter().map(|change| {
        let (from, to) = (&change.from, &change.to);
        let cpu = resource("cpu", (from.requests.cpu, to.requests.cpu), (from.limits.cpu, to.limits.cpu));
        let memory =
            resource("memory", (from.requests.memory, to.requests.memory), (from.limits.memory, to.limits.memory));
        let parts: Vec<_> = cpu.into_iter().chain(memory).collect();
        format!("{}: {}", change.container, parts.join(", "))
    });
    containers.collect::<Vec<_>>().join("; ")
}

type Step<T> = (Option<T>, Option<T>);

fn resource<T: std::fmt::Display>(name: &str, request: Step<T>, limit: Step<T>) -> Option<String> {
    let arrow = |step: Step<T>| match step {
        (from, Some(to)) => {
            Some(format!("{} -> {to}", from.map_or_else(|| "none".to_owned(), |from| from.to_string())))
        }
        (_, None) => None,
    };
    match (arrow(request), arrow(limit)) {
        (Some(request), Some(limit)) => Some(format!("{name} {request} (limit {limit})")),
        (Some(request), None) => Some(format!("{name} {request}")),
        (None, Some(limit)) => Some(format!("{name} limit {limit}")),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{Bytes, ContainerKind, ContainerResources, MilliCpu, Resources};

    #[test]
    fn changes_are_told_from_what_to_what() {
        let only = |cpu, memory: Option<u64>| Resources { cpu, memory: memory.map(Bytes::mib) };
        let change = ContainerChange {
            container: "app".to_owned(),
            kind: ContainerKind::App,
            from: ContainerResources {
                requests: only(Some(MilliCpu(100)), Some(64)),
                limits: only(Some(MilliCpu(200)), None),
            },
            to: ContainerResources {
                requests: only(Some(MilliCpu(250)), Some(96)),
                limits: only(Some(MilliCpu(500)), None),
            },
        };
        let memory_limit = ContainerChange {
            container: "mesh".to_owned(),
            from: ContainerResources { requests: Resources::default(), limits: only(None, Some(64)) },
            to: ContainerResources { requests: Resources::default(), limits: only(None, Some(96)) },
            kind: ContainerKind::App,
        };
        assert_eq!(
            describe(&[change, memory_limit]),
            "app: cpu 100m -> 250m (limit 200m -> 500m), memory 64Mi -> 96Mi; mesh: memory limit 64Mi -> 96Mi"
        );
    }
}

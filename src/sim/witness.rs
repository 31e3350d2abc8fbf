//! Sees when a resize that had to wait is carried out, as anybody can who watches Pods.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use tokio::task::JoinHandle;

use super::informer::{Change, Informer};
use crate::{
    clock::Clock,
    plan::{ContainerChange, ResizeState},
    resources::{ContainerResources, ContainerView, PodView, Resources},
};

/// A resize that was deferred, and then carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// When it was.
    pub at: Timestamp,
    /// The Pod's namespace.
    pub namespace: String,
    /// The Pod.
    pub pod: String,
    /// From what was in force while it waited to what is now.
    pub changes: Vec<ContainerChange>,
}

/// All grants, by time; a clone writes into the same list.
#[derive(Clone, Debug, Default)]
pub struct Grants(Arc<Mutex<Vec<Grant>>>);

impl Grants {
    /// Those so far.
    pub fn all(&self) -> Vec<Grant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts watching.
pub fn spawn(client: Client, clock: Clock, grants: Grants) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut pods = Informer::new(Api::<Pod>::all(client));
        let mut waiting = Waiting::default();
        loop {
            let grant = match pods.next().await {
                Change::Applied { new, .. } => {
                    PodView::try_from(new.as_ref()).ok().and_then(|pod| waiting.look(pod, clock.now()))
                }
                Change::Deleted { old } => {
                    waiting.0.remove(&old.metadata.uid.clone().unwrap_or_default());
                    None
                }
            };
            grants.0.lock().unwrap_or_else(PoisonError::into_inner).extend(grant);
        }
    })
}

/// Pods with a deferred resize, by UID, as they were when it was first seen.
#[derive(Debug, Default)]
struct Waiting(BTreeMap<String, PodView>);

impl Waiting {
    /// Looks at a Pod; a grant if its resize had been deferred and is done.
    fn look(&mut self, pod: PodView, now: Timestamp) -> Option<Grant> {
        match ResizeState::of(&pod) {
            ResizeState::Deferred(_) => {
                self.0.entry(pod.uid.clone()).or_insert(pod);
                None
            }
            ResizeState::Settled => {
                let before = self.0.remove(&pod.uid)?;
                let changes: Vec<_> = pod.containers.iter().filter_map(|now| grown(&before, now)).collect();
                // A wish that was taken back leaves everything as it was.
                (!changes.is_empty()).then_some(Grant { at: now, namespace: pod.namespace, pod: pod.name, changes })
            }
            ResizeState::NotSeen | ResizeState::InProgress | ResizeState::Error(_) | ResizeState::Infeasible => None,
        }
    }
}

fn grown(before: &PodView, now: &ContainerView) -> Option<ContainerChange> {
    let (old, new) = (in_force(before.container(&now.name)?), in_force(now));
    let more = |old: Resources, new: Resources| Resources {
        cpu: new.cpu.filter(|cpu| Some(*cpu) > old.cpu),
        memory: new.memory.filter(|memory| Some(*memory) > old.memory),
    };
    let to = ContainerResources { requests: more(old.requests, new.requests), limits: more(old.limits, new.limits) };
    let was = |old: Resources, to: Resources| Resources { cpu: to.cpu.and(old.cpu), memory: to.memory.and(old.memory) };
    let from = ContainerResources { requests: was(old.requests, to.requests), limits: was(old.limits, to.limits) };
    (to != ContainerResources::default()).then(|| ContainerChange {
        container: now.name.clone(),
        kind: now.kind,
        from,
        to,
    })
}

fn in_force(container: &ContainerView) -> ContainerResources {
    container.actual.unwrap_or(container.desired)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resources::MilliCpu;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn pod(desired: &str, actual: &str, conditions: &serde_json::Value) -> PodView {
        let size = |cpu: &str| json!({ "requests": { "cpu": cpu } });
        let pod = json!({
            "metadata": { "name": "web-0", "namespace": "shop", "uid": "u1", "generation": 1 },
            "spec": { "nodeName": "n1", "containers": [{ "name": "app", "resources": size(desired) }] },
            "status": { "phase": "Running", "conditions": conditions, "containerStatuses": [{
                "name": "app", "image": "", "imageID": "", "ready": true, "restartCount": 0, "resources": size(actual),
                "state": { "running": {} },
            }] },
        });
        PodView::try_from(&serde_json::from_value(pod).unwrap()).unwrap()
    }

    fn deferred() -> serde_json::Value {
        json!([{ "type": "PodResizePending", "status": "True", "reason": "Deferred", "message": "no room" }])
    }

    #[test]
    fn a_deferred_resize_that_is_carried_out_is_a_grant() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.look(pod("1", "500m", &deferred()), NOW), None);
        assert_eq!(waiting.look(pod("2", "500m", &deferred()), NOW), None, "asked again, it waits on");
        let grant = waiting.look(pod("2", "2", &json!([])), NOW).unwrap();
        assert_eq!(grant.changes[0].from.requests.cpu, Some(MilliCpu(500)));
        assert_eq!(grant.changes[0].to.requests.cpu, Some(MilliCpu(2_000)));
        assert_eq!(waiting.look(pod("2", "2", &json!([])), NOW), None, "once");
    }

    #[test]
    fn neither_a_wish_that_was_taken_back_nor_a_plain_resize_is_a_grant() {
        let mut waiting = Waiting::default();
        waiting.look(pod("1", "500m", &deferred()), NOW);
        assert_eq!(waiting.look(pod("500m", "500m", &json!([])), NOW), None);
        assert_eq!(waiting.look(pod("1", "1", &json!([])), NOW), None);
    }
}

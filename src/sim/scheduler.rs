//! Binds Pods to Nodes.
//!
//! A Pod goes to the Node that has the largest share free once it is there; a tie goes to the first by name. What is
//! taken on a Node is the largest of desired, allocated and actual of each Pod, as the real scheduler counts since
//! in-place resize (KEP-1287). On purpose there is no preemption, no spreading and no topology.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Binding, Node, Pod};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::task::JoinHandle;

use super::informer::{Change, Informer, ObjectKey};
use crate::{
    clock::Clock,
    resources::{NodeView, PodView, Resources},
};

/// Starts the scheduler.
pub fn spawn(client: Client, clock: Clock) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut scheduler = Scheduler {
            pods: Informer::new(Api::all(client.clone())),
            nodes: Informer::new(Api::all(client.clone())),
            client,
            clock,
            refused: BTreeSet::new(),
        };
        scheduler.pods.sync().await;
        scheduler.nodes.sync().await;
        loop {
            scheduler.schedule_all().await;
            scheduler.wait().await;
        }
    })
}

struct Scheduler {
    client: Client,
    clock: Clock,
    pods: Informer<Pod>,
    nodes: Informer<Node>,
    /// Uids of Pods that have been told that no Node fits them.
    refused: BTreeSet<String>,
}

impl Scheduler {
    /// Waits for a change that may make a Pod fit: anything but a Pod that grows.
    async fn wait(&mut self) {
        loop {
            let wakes = tokio::select! {
                biased;
                change = self.pods.next() => wakes(&change),
                change = self.nodes.next() => matches!(change, Change::Applied { .. }),
            };
            if wakes {
                return;
            }
        }
    }

    /// Tries every Pod that waits, the highest priority first, then the oldest.
    async fn schedule_all(&mut self) {
        let mut waiting: Vec<Pod> = self.pods.all().filter(|p| waits(p)).map(|p| p.as_ref().clone()).collect();
        if waiting.is_empty() {
            return;
        }
        waiting.sort_by_key(|pod| {
            let priority = pod.spec.as_ref().and_then(|s| s.priority).unwrap_or(0);
            let created = pod.metadata.creation_timestamp.as_ref().map(|t| t.0);
            (std::cmp::Reverse(priority), created, ObjectKey::of(pod))
        });
        let mut taken = self.taken();
        for pod in waiting {
            let Ok(view) = PodView::try_from(&pod) else { continue };
            let wanted = view.footprint();
            let outcome = match self.choose(&view, wanted, &taken) {
                Some(node) => {
                    let slot = taken.entry(node.clone()).or_default();
                    *slot = slot.plus(wanted);
                    self.bind(&pod, &node).await
                }
                None => self.refuse(&pod).await,
            };
            if let Err(error) = outcome {
                tracing::debug!(pod = pod.name_any(), %error, "cannot schedule");
            }
        }
    }

    /// What is taken on each Node.
    fn taken(&self) -> BTreeMap<String, Resources> {
        let mut taken = BTreeMap::<String, Resources>::new();
        let views = self.pods.all().filter_map(|pod| PodView::try_from(pod.as_ref()).ok());
        for view in views.filter(|view| !view.finished()) {
            if let Some(node) = &view.node {
                let slot = taken.entry(node.clone()).or_default();
                *slot = slot.plus(view.footprint());
            }
        }
        taken
    }

    fn choose(&self, pod: &PodView, wanted: Resources, taken: &BTreeMap<String, Resources>) -> Option<String> {
        let mut best: Option<(u64, String)> = None;
        for node in self.nodes.all() {
            let Ok(view) = NodeView::try_from(node.as_ref()) else { continue };
            let free = view.allocatable.minus(taken.get(&view.name).copied().unwrap_or_default());
            if !wanted.fits_in(free) || !pod.placement.admits(&view) {
                continue;
            }
            let score = free_share(free.minus(wanted), view.allocatable);
            if best.as_ref().is_none_or(|(top, _)| score > *top) {
                best = Some((score, view.name));
            }
        }
        best.map(|(_, node)| node)
    }

    async fn bind(&mut self, pod: &Pod, node: &str) -> kube::Result<()> {
        let namespace = pod.namespace().unwrap_or_default();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let binding = Binding {
            metadata: kube::api::ObjectMeta { name: Some(pod.name_any()), ..Default::default() },
            target: k8s_openapi::api::core::v1::ObjectReference {
                kind: Some(Node::kind(&()).into_owned()),
                name: Some(node.to_owned()),
                ..Default::default()
            },
        };
        let _: serde_json::Value =
            pods.create_subresource("binding", &pod.name_any(), &PostParams::default(), &binding).await?;
        self.refused.remove(&pod.uid().unwrap_or_default());
        // The binding answers no Pod: say so here, until the watch does.
        let mut bound = pod.clone();
        bound.spec.get_or_insert_default().node_name = Some(node.to_owned());
        self.pods.assume(bound);
        Ok(())
    }

    /// Says once that no Node fits.
    async fn refuse(&mut self, pod: &Pod) -> kube::Result<()> {
        if !self.refused.insert(pod.uid().unwrap_or_default()) {
            return Ok(());
        }
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        let nodes = self.nodes.all().count();
        let condition = json!({
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": format!("0/{nodes} nodes are available for the Pod's requests and constraints."),
            "lastTransitionTime": self.clock.now().to_string(),
        });
        let patch = Patch::Strategic(json!({ "status": { "conditions": [condition] } }));
        let updated = pods.patch_status(&pod.name_any(), &PatchParams::default(), &patch).await?;
        self.pods.assume(updated);
        Ok(())
    }
}

/// Whether a change of a Pod may make another one fit, or is itself a Pod that waits.
fn wakes(change: &Change<Pod>) -> bool {
    match change {
        Change::Deleted { .. } => true,
        Change::Applied { old: None, new } => waits(new),
        Change::Applied { old: Some(old), new } => {
            let size = |pod: &Pod| PodView::try_from(pod).map(|view| (view.finished(), view.footprint()));
            waits(new) && !waits(old) || old.spec != new.spec || size(old) != size(new)
        }
    }
}

fn waits(pod: &Pod) -> bool {
    let bound = pod.spec.as_ref().is_some_and(|s| s.node_name.is_some());
    let ended = pod.status.as_ref().and_then(|s| s.phase.as_deref()).is_some_and(|p| p == "Failed" || p == "Succeeded");
    !bound && !ended && pod.metadata.deletion_timestamp.is_none()
}

/// Free CPU and memory in thousandths of what the Node has, together.
fn free_share(free: Resources, of: Resources) -> u64 {
    let share = |free: u64, of: u64| {
        if of == 0 { 0 } else { u64::try_from(u128::from(free) * 1_000 / u128::from(of)).unwrap_or(0) }
    };
    let cpu = share(free.cpu.unwrap_or_default().0, of.cpu.unwrap_or_default().0);
    cpu + share(free.memory.unwrap_or_default().0, of.memory.unwrap_or_default().0)
}

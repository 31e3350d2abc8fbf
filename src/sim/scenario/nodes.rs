//! Whether the Nodes of a scenario could ever hold its Pods.

use k8s_openapi::api::core::v1::{Node, Pod};

use super::{Change, Error, Manifest, Scenario};
use crate::resources::{NodeView, PodView, Resources};

/// Every Node that there is at some time.
#[derive(Clone, Debug)]
pub struct Nodes(Vec<NodeView>);

impl Nodes {
    /// Those of the scenario, whenever they come and however long they stay.
    pub fn of(scenario: &Scenario) -> Self {
        let applied = scenario.events.iter().filter_map(|event| match &event.change {
            Change::Apply(manifest) => Some(manifest),
            Change::Delete { .. } => None,
        });
        let nodes = scenario.manifests.iter().chain(applied).filter(|manifest| manifest.kind() == "Node");
        let read = |manifest: &Manifest| serde_json::from_value::<Node>(manifest.value.clone()).ok();
        Self(nodes.filter_map(read).filter_map(|node| NodeView::try_from(&node).ok()).collect())
    }

    /// Checks that `pod`, which is what `manifest` makes or is, finds a Node.
    ///
    /// # Errors
    /// It never could.
    pub fn check(&self, manifest: &Manifest, pod: Option<&Pod>) -> Result<(), Error> {
        let lone = || serde_json::from_value(manifest.value.clone()).ok().filter(|_| manifest.kind() == "Pod");
        let Some(pod) = pod.cloned().or_else(lone).filter(|_| makes_pods(manifest)) else { return Ok(()) };
        // What cannot be read is for the API server to refuse.
        let Ok(view) = PodView::try_from(&pod) else { return Ok(()) };
        if view.node.is_some() {
            return Ok(());
        }
        let taking: Vec<_> = self.0.iter().filter(|node| view.placement.admits(node)).collect();
        let wanted = view.footprint();
        match taking.iter().any(|node| wanted.fits_in(node.allocatable)) {
            true => Ok(()),
            // A DaemonSet for Nodes that are not there has no Pods, and wants none.
            false if taking.is_empty() && manifest.kind() == "DaemonSet" && !self.0.is_empty() => Ok(()),
            false => {
                let problem =
                    format!("no Node can ever run a Pod of {}: {}", manifest.object(), self.lack(&taking, wanted));
                Err(Error::Invalid { place: manifest.place_of(&containers(manifest)), problem })
            }
        }
    }

    fn lack(&self, taking: &[&NodeView], wanted: Resources) -> String {
        let largest = taking.iter().map(|node| node.allocatable).max_by_key(|size| (size.cpu, size.memory));
        match largest {
            None if self.0.is_empty() => "the scenario has none; add a manifest of `kind: Node` with \
                                          `status.allocatable: {cpu: \"4\", memory: 16Gi, pods: \"110\"}`"
                .to_owned(),
            None => "its nodeSelector, affinity or tolerations exclude all of them; correct these, or the labels and \
                     taints of a Node"
                .to_owned(),
            Some(largest) => {
                format!("it requests {wanted}, and the largest has {largest}; request less, or add a larger Node")
            }
        }
    }
}

/// Whether the workload has Pods: CronJobs are not played, and none may be asked for.
fn makes_pods(manifest: &Manifest) -> bool {
    manifest.kind() != "CronJob" && manifest.value["spec"]["replicas"].as_i64() != Some(0)
}

fn containers(manifest: &Manifest) -> String {
    if manifest.kind() == "Pod" { "spec.containers".to_owned() } else { "spec.template.spec.containers".to_owned() }
}

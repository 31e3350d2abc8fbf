//! What a kubelet has on disk: `allocated_pods_state` and `actuated_pods_state`.

use std::collections::BTreeMap;

use super::pod::PodState;
use crate::resources::ContainerResources;

/// What was promised, and what the runtime was told.
type Sizes = (ContainerResources, ContainerResources);

/// Sizes by Pod uid and container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pods: BTreeMap<String, BTreeMap<String, Sizes>>,
}

impl Checkpoint {
    pub(super) fn of<'a>(pods: impl Iterator<Item = &'a PodState>) -> Self {
        let sizes = |pod: &PodState| {
            pod.containers.iter().map(|c| (c.name.clone(), (c.allocated, c.actuated))).collect::<BTreeMap<_, _>>()
        };
        Self { pods: pods.map(|pod| (pod.uid().to_owned(), sizes(pod))).collect() }
    }

    /// Gives a Pod its sizes back. A Pod that is not in the checkpoint is taken at its spec, as a kubelet does whose
    /// files are gone, and the runtime is taken to have been told so (1.37).
    pub(super) fn restore(&self, pod: &mut PodState) {
        let saved = self.pods.get(pod.uid());
        for container in &mut pod.containers {
            let desired = pod.view.container(&container.name).map_or(container.allocated, |c| c.desired);
            let sizes = saved.and_then(|saved| saved.get(&container.name)).copied().unwrap_or((desired, desired));
            (container.allocated, container.actuated) = sizes;
        }
    }
}

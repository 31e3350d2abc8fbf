//! What a Node and its Pods have used, at one moment: what its endpoints show.

use jiff::Timestamp;

use super::{container::ContainerState, machine::Machine, pod::PodState, status};
use crate::{
    resources::{Bytes, QosClass, Resources},
    sim::ledger::Counters,
};

/// A Node and what runs on it.
pub(super) struct NodeReading {
    pub(super) at: Timestamp,
    /// Core-seconds since its kubelet started, of Pods that are gone too.
    pub(super) cpu: f64,
    pub(super) memory: Bytes,
    pub(super) pods: Vec<PodReading>,
}

/// A Pod that holds room on its Node.
pub(super) struct PodReading {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) qos: QosClass,
    /// Core-seconds of all containers that it has had.
    pub(super) cpu: f64,
    pub(super) memory: Bytes,
    pub(super) containers: Vec<ContainerReading>,
}

/// A container that runs.
pub(super) struct ContainerReading {
    pub(super) name: String,
    pub(super) image: String,
    /// What the runtime calls it.
    pub(super) id: String,
    pub(super) since: Timestamp,
    pub(super) counters: Counters,
    pub(super) memory: Bytes,
    pub(super) requests: Resources,
    pub(super) limits: Resources,
    /// Over the Pod's life, for a container that was killed has an endpoint no more.
    pub(super) oom_kills: u32,
}

impl Machine {
    /// What the Node of this name shows; `None` if it is not played.
    pub(super) fn reading(&self, node: &str, now: Timestamp) -> Option<NodeReading> {
        let state = self.nodes.get(node)?;
        let on_node = self.pods.values().filter(|pod| pod.view.node.as_deref() == Some(node));
        let (active, gone): (Vec<_>, Vec<_>) = on_node.partition(|pod| pod.is_active());
        let pods: Vec<_> = active.into_iter().map(|pod| self.pod_reading(pod, now)).collect();
        let cpu_of_gone: f64 = gone.iter().map(|pod| pod.cpu_of_ended).sum();
        Some(NodeReading {
            at: now,
            cpu: state.cpu_before + cpu_of_gone + pods.iter().map(|pod| pod.cpu).sum::<f64>(),
            memory: pods.iter().map(|pod| pod.memory).sum(),
            pods,
        })
    }

    fn pod_reading(&self, pod: &PodState, now: Timestamp) -> PodReading {
        let counters = |index| self.world.ledger.counters(&pod.account(index), &pod.key.name, now).unwrap_or_default();
        let all: Vec<_> = (0..pod.containers.len()).map(counters).collect();
        let running = pod.containers.iter().zip(&all);
        PodReading {
            namespace: pod.key.namespace.clone(),
            name: pod.key.name.clone(),
            uid: pod.uid().to_owned(),
            qos: pod.view.qos,
            cpu: pod.cpu_of_ended + all.iter().map(Counters::cpu_of_all_runs).sum::<f64>(),
            memory: pod.memory(),
            containers: running.filter_map(|(state, counters)| container_reading(pod, state, *counters)).collect(),
        }
    }
}

fn container_reading(pod: &PodState, state: &ContainerState, counters: Counters) -> Option<ContainerReading> {
    let spec = pod.object.spec.as_ref()?;
    let all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let image = all.filter(|container| container.name == state.name).find_map(|container| container.image.clone());
    Some(ContainerReading {
        name: state.name.clone(),
        image: image.unwrap_or_default(),
        id: status::runtime_id(pod, &state.name, state.runs),
        since: state.up_since()?,
        counters,
        memory: state.usage.memory,
        requests: state.actuated.requests,
        limits: state.actuated.limits,
        oom_kills: state.oom_kills,
    })
}

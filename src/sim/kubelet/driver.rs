//! Carries changes from the API server to the state machine, and its writes back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use tokio::time::Instant;

use super::{
    endpoint::Endpoints,
    machine::{Machine, Write},
};
use crate::{
    clock::Clock,
    sim::informer::{Change, Informer, ObjectKey},
};

/// A machine that endpoints look into.
pub(super) type SharedMachine = Arc<Mutex<Machine>>;

/// Takes the machine; a panic elsewhere must not hide behind a second one here.
pub(super) fn locked(machine: &SharedMachine) -> MutexGuard<'_, Machine> {
    machine.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a driver does besides.
#[derive(Default)]
pub(super) struct Extent {
    /// Only Nodes with these labels are played; all if there are none.
    pub(super) labels: Option<String>,
    /// What the kubelets serve, if anything.
    pub(super) endpoints: Option<Endpoints>,
    /// How many writes are on their way at once, besides one.
    pub(super) more_writes: usize,
}

pub(super) struct Driver {
    client: Client,
    clock: Clock,
    machine: SharedMachine,
    pods: Informer<Pod>,
    nodes: Informer<Node>,
    extent: Extent,
}

impl Driver {
    pub(super) fn new(client: Client, clock: Clock, machine: SharedMachine, extent: Extent) -> Self {
        let pods = Informer::new(Api::all(client.clone()));
        let nodes = Informer::selected(Api::all(client.clone()), extent.labels.as_deref());
        Self { client, clock, machine, pods, nodes, extent }
    }

    pub(super) async fn run(mut self) {
        self.nodes.sync().await;
        loop {
            let wake = locked(&self.machine).next_wake().map(|at| self.instant(at));
            tokio::select! {
                biased;
                change = self.nodes.next() => self.node(&change),
                change = self.pods.next() => self.pod(&change),
                () = sleep_until(wake) => {}
            }
            self.advance().await;
        }
    }

    fn node(&mut self, change: &Change<Node>) {
        let name = change.object().name_any();
        let now = self.clock.now();
        let mut machine = locked(&self.machine);
        match change {
            Change::Applied { new, .. } => {
                let is_new = !machine.plays(&name);
                machine.node_applied(new, now);
                if !is_new || !machine.plays(&name) {
                    return;
                }
                if let Some(endpoint) = self.extent.endpoints.as_mut().and_then(|endpoints| endpoints.open(&name)) {
                    machine.listens(&name, endpoint);
                }
                // Where not every Node is played, its Pods were left alone until now.
                let left = self.pods.all().filter(|pod| self.extent.labels.is_some() && node_of(pod) == Some(&name));
                left.for_each(|pod| machine.pod_applied(pod, now));
            }
            Change::Deleted { .. } => {
                machine.node_deleted(&name);
                if let Some(endpoints) = &mut self.extent.endpoints {
                    endpoints.close(&name);
                }
            }
        }
    }

    fn pod(&self, change: &Change<Pod>) {
        let mut machine = locked(&self.machine);
        let is_ours = |pod: &Pod| self.extent.labels.is_none() || node_of(pod).is_some_and(|node| machine.plays(node));
        match change {
            Change::Applied { new, .. } if is_ours(new) => machine.pod_applied(new, self.clock.now()),
            Change::Applied { .. } => {}
            Change::Deleted { old } => machine.pod_deleted(&ObjectKey::of(old.as_ref()), self.clock.now()),
        }
    }

    async fn advance(&mut self) {
        let writes = locked(&self.machine).advance(self.clock.now());
        let client = &self.client;
        let sent = futures::stream::iter(writes).map(|write| async move {
            let sent = send(client.clone(), &write).await;
            (write, sent)
        });
        let mut sent = std::pin::pin!(sent.buffer_unordered(1 + self.extent.more_writes));
        while let Some((write, outcome)) = sent.next().await {
            if let Err(error) = outcome {
                tracing::debug!(%error, ?write, "kubelet could not write and tries again");
                locked(&self.machine).write_failed(&write, self.clock.now());
            }
        }
    }

    fn instant(&self, at: Timestamp) -> Instant {
        let wait = at.duration_since(self.clock.now());
        Instant::now() + std::time::Duration::try_from(wait).unwrap_or_default()
    }
}

fn node_of(pod: &Pod) -> Option<&String> {
    pod.spec.as_ref()?.node_name.as_ref()
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn send(client: Client, write: &Write) -> kube::Result<()> {
    let params = PatchParams::default();
    let pods = |client, pod: &ObjectKey| Api::<Pod>::namespaced(client, &pod.namespace);
    let written = match write {
        Write::PodStatus { pod, patch } => {
            pods(client, pod).patch_status(&pod.name, &params, &Patch::Strategic(patch)).await.map(drop)
        }
        Write::EndPod { pod, uid, patch } => {
            let api = pods(client, pod);
            let preconditions = Some(Preconditions { uid: Some(uid.clone()), ..Preconditions::default() });
            let now = DeleteParams { preconditions, ..DeleteParams::default().grace_period(0) };
            match api.patch_status(&pod.name, &params, &Patch::Strategic(patch)).await {
                Ok(_) => api.delete(&pod.name, &now).await.map(drop),
                Err(error) => Err(error),
            }
        }
        Write::NodeStatus { node, patch } => {
            Api::<Node>::all(client).patch_status(node, &params, &Patch::Strategic(patch)).await.map(drop)
        }
    };
    match written {
        // The object is gone, or another has its name: there is nobody left to tell.
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        other => other,
    }
}

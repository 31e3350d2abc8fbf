//! Carries changes from the API server to the state machine, and its writes back.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use tokio::time::Instant;

use super::machine::{Machine, Write};
use crate::{
    clock::Clock,
    sim::informer::{Change, Informer, ObjectKey},
};

pub(super) struct Driver {
    client: Client,
    clock: Clock,
    machine: Machine,
    pods: Informer<Pod>,
    nodes: Informer<Node>,
}

impl Driver {
    pub(super) fn new(client: Client, clock: Clock, machine: Machine) -> Self {
        let pods = Informer::new(Api::all(client.clone()));
        let nodes = Informer::new(Api::all(client.clone()));
        Self { client, clock, machine, pods, nodes }
    }

    pub(super) async fn run(mut self) {
        self.nodes.sync().await;
        loop {
            let wake = self.machine.next_wake().map(|at| self.instant(at));
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
        match change {
            Change::Applied { new, .. } => self.machine.node_applied(new, self.clock.now()),
            Change::Deleted { old } => self.machine.node_deleted(&ObjectKey::of(old.as_ref()).name),
        }
    }

    fn pod(&mut self, change: &Change<Pod>) {
        match change {
            Change::Applied { new, .. } => self.machine.pod_applied(new, self.clock.now()),
            Change::Deleted { old } => self.machine.pod_deleted(&ObjectKey::of(old.as_ref()), self.clock.now()),
        }
    }

    async fn advance(&mut self) {
        let writes = self.machine.advance(self.clock.now());
        for write in writes {
            if let Err(error) = send(self.client.clone(), &write).await {
                tracing::debug!(%error, ?write, "kubelet could not write and tries again");
                self.machine.write_failed(&write, self.clock.now());
            }
        }
    }

    fn instant(&self, at: Timestamp) -> Instant {
        let wait = at.duration_since(self.clock.now());
        Instant::now() + std::time::Duration::try_from(wait).unwrap_or_default()
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn send(client: Client, write: &Write) -> kube::Result<()> {
    let params = PatchParams::default();
    let written = match write {
        Write::PodStatus { pod, patch } => {
            let api = Api::<Pod>::namespaced(client, &pod.namespace);
            api.patch_status(&pod.name, &params, &Patch::Strategic(patch)).await.map(drop)
        }
        Write::DeletePod { pod, uid } => {
            let preconditions = Some(Preconditions { uid: Some(uid.clone()), ..Preconditions::default() });
            let params = DeleteParams { preconditions, ..DeleteParams::default().grace_period(0) };
            Api::<Pod>::namespaced(client, &pod.namespace).delete(&pod.name, &params).await.map(drop)
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

//! Nodes that are not there unless somebody makes them: registered, kept alive by Leases, and taken away again.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Node},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::status::time;
use crate::{clock::Clock, resources::Resources};

/// The label of Nodes that are played; its value tells who plays them.
pub const LABEL: &str = "sim.tailor.dev/kubelet";
/// Where the Leases of Nodes are.
const LEASES: &str = "kube-node-lease";
/// How long a Lease holds, as kubelets have it.
const LEASE_SECONDS: i32 = 40;
/// How many Leases are renewed at once.
const AT_ONCE: usize = 16;
/// A Node's conditions are refreshed once in so many renewals of its Lease, as kubelets do: five minutes of ten seconds.
const RENEWALS_PER_STATUS: u32 = 30;

/// A Node to be registered.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeSpec {
    /// Its name.
    pub name: String,
    /// Labels besides those that every Node has.
    pub labels: BTreeMap<String, String>,
    /// CPU and memory, all of it for Pods.
    pub size: Resources,
    /// How many Pods it takes.
    pub pods: u32,
}

impl NodeSpec {
    /// A Node of this size that takes 110 Pods.
    pub fn new(name: impl Into<String>, size: Resources) -> Self {
        Self { name: name.into(), labels: BTreeMap::new(), size, pods: 110 }
    }

    fn object(&self, owner: &str) -> Value {
        let mut labels = json!({
            "kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", LABEL: owner,
        });
        for (key, value) in &self.labels {
            labels[key] = json!(value);
        }
        let amount = |value: Option<String>| value.unwrap_or_else(|| "0".to_owned());
        let size = json!({
            "cpu": amount(self.size.cpu.map(|cpu| cpu.to_string())),
            "memory": amount(self.size.memory.map(|memory| memory.to_string())),
            "ephemeral-storage": "100Gi",
            "pods": self.pods.to_string(),
        });
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": { "name": self.name, "labels": labels },
            "status": { "capacity": size, "allocatable": size },
        })
    }
}

/// Why Nodes cannot be registered or withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A Node of that name is somebody else's.
    #[error("Node {node} exists and is not ours to play (it lacks the label {LABEL}={owner}); choose other names")]
    Foreign {
        /// Its name.
        node: String,
        /// Who wanted to play it.
        owner: String,
    },
    /// The API server refuses.
    #[error("cannot {action} Node {node}")]
    Refused {
        /// What was being done.
        action: &'static str,
        /// Its name.
        node: String,
        /// What it answered.
        source: Box<kube::Error>,
    },
}

fn refused(action: &'static str, node: &str) -> impl FnOnce(kube::Error) -> Error {
    move |source| Error::Refused { action, node: node.to_owned(), source: Box::new(source) }
}

/// Creates the Node, or takes it up again if it is `owner`'s already.
pub(super) async fn register(client: &Client, spec: &NodeSpec, owner: &str) -> Result<(), Error> {
    let api = Api::<Node>::all(client.clone());
    let name = spec.name.as_str();
    if let Some(there) = api.get_opt(name).await.map_err(refused("look for", name))? {
        let is_ours = there.labels().get(LABEL).is_some_and(|label| label == owner);
        return if is_ours {
            let Value::Object(object) = spec.object(owner) else { return Ok(()) };
            let patch = Patch::Merge(json!({ "status": object["status"] }));
            api.patch_status(name, &PatchParams::default(), &patch).await.map_err(refused("resize", name)).map(drop)
        } else {
            Err(Error::Foreign { node: name.to_owned(), owner: owner.to_owned() })
        };
    }
    let node = serde_json::from_value(spec.object(owner)).expect("a Node is written in this file");
    api.create(&PostParams::default(), &node).await.map_err(refused("create", name)).map(drop)
}

/// Deletes all Nodes of `owner`; their Leases and Pods are collected by the cluster.
pub(super) async fn withdraw(client: &Client, owner: &str) -> Result<(), Error> {
    let api = Api::<Node>::all(client.clone());
    let ours = ListParams::default().labels(&format!("{LABEL}={owner}"));
    for node in api.list_metadata(&ours).await.map_err(refused("list", "of ours"))? {
        let name = node.name_any();
        match api.delete(&name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            deleted => _ = deleted.map_err(refused("delete", &name))?,
        }
    }
    Ok(())
}

/// Keeps the Nodes alive that `labels` selects, or all, for ever.
pub(super) async fn keep_alive(client: Client, clock: Clock, labels: Option<String>, every: Duration) {
    let nodes = Api::<Node>::all(client.clone());
    let leases = Api::<Lease>::namespaced(client, LEASES);
    let ours = labels.map_or_else(ListParams::default, |labels| ListParams::default().labels(&labels));
    for turn in 0_u32.. {
        match nodes.list_metadata(&ours).await {
            Err(error) => tracing::warn!(%error, "cannot list Nodes to renew their Leases; trying again"),
            Ok(listed) => {
                let with_status = turn % RENEWALS_PER_STATUS == RENEWALS_PER_STATUS - 1;
                let beats = listed.into_iter().map(|node| {
                    let (name, uid) = (node.name_any(), node.uid().unwrap_or_default());
                    let (nodes, leases) = (&nodes, &leases);
                    async move {
                        if let Err(error) = renew(leases, &name, &uid, clock.now()).await {
                            tracing::warn!(%error, node = name, "cannot renew a Node's Lease; trying again");
                        }
                        if with_status {
                            refresh(nodes, &name, clock.now()).await;
                        }
                    }
                });
                futures::stream::iter(beats).buffer_unordered(AT_ONCE).collect::<()>().await;
            }
        }
        tokio::time::sleep(every).await;
    }
}

async fn renew(leases: &Api<Lease>, node: &str, uid: &str, now: Timestamp) -> kube::Result<()> {
    let spec = json!({ "holderIdentity": node, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": MicroTime(now) });
    let patch = Patch::Merge(json!({ "spec": spec }));
    match leases.patch(node, &PatchParams::default(), &patch).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {
            let owner = json!({ "apiVersion": "v1", "kind": "Node", "name": node, "uid": uid });
            let lease = json!({ "metadata": { "name": node, "ownerReferences": [owner] }, "spec": spec });
            let lease = serde_json::from_value(lease).expect("a Lease is written in this function");
            leases.create(&PostParams::default(), &lease).await.map(drop)
        }
        patched => patched.map(drop),
    }
}

/// Says that what holds still does.
async fn refresh(nodes: &Api<Node>, node: &str, now: Timestamp) {
    let kinds = ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"];
    let conditions = kinds.map(|kind| json!({ "type": kind, "lastHeartbeatTime": time(now) }));
    let patch = Patch::Strategic(json!({ "status": { "conditions": conditions } }));
    if let Err(error) = nodes.patch_status(node, &PatchParams::default(), &patch).await {
        tracing::debug!(%error, node, "cannot refresh a Node's conditions");
    }
}

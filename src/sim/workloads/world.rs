//! What the workload controllers see and how they write.

use std::fmt::Debug;

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
        batch::v1::Job,
        core::v1::{Node, Pod},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Kind, Queue, refusals::Refusals, retries::Retries};
use crate::{
    clock::Clock,
    sim::informer::{Change, Informer, ObjectKey},
};

/// Caches of all that matters, and the client.
pub(super) struct World {
    client: Client,
    pub(super) clock: Clock,
    pub(super) deployments: Informer<Deployment>,
    pub(super) replica_sets: Informer<ReplicaSet>,
    pub(super) stateful_sets: Informer<StatefulSet>,
    pub(super) daemon_sets: Informer<DaemonSet>,
    pub(super) jobs: Informer<Job>,
    pub(super) budgets: Informer<PodDisruptionBudget>,
    pub(super) pods: Informer<Pod>,
    pub(super) nodes: Informer<Node>,
    /// What failed to be written.
    pub(super) retries: Retries,
    refusals: Refusals,
}

impl World {
    pub(super) fn new(client: Client, clock: Clock, refusals: Refusals) -> Self {
        Self {
            deployments: Informer::new(Api::all(client.clone())),
            replica_sets: Informer::new(Api::all(client.clone())),
            stateful_sets: Informer::new(Api::all(client.clone())),
            daemon_sets: Informer::new(Api::all(client.clone())),
            jobs: Informer::new(Api::all(client.clone())),
            budgets: Informer::new(Api::all(client.clone())),
            pods: Informer::new(Api::all(client.clone())),
            nodes: Informer::new(Api::all(client.clone())),
            client,
            clock,
            retries: Retries::default(),
            refusals,
        }
    }

    /// Waits until every cache is complete: no write is decided from half a picture.
    pub(super) async fn sync(&mut self) {
        self.deployments.sync().await;
        self.replica_sets.sync().await;
        self.stateful_sets.sync().await;
        self.daemon_sets.sync().await;
        self.jobs.sync().await;
        self.budgets.sync().await;
        self.pods.sync().await;
        self.nodes.sync().await;
    }

    /// Waits for something to happen and queues whatever it may concern.
    pub(super) async fn next_changes(&mut self, queue: &mut Queue) {
        let next_retry = self.retries.next();
        tokio::select! {
            biased;
            change = self.deployments.next() => { queue.insert((Kind::Deployment, key(&change))); }
            change = self.replica_sets.next() => {
                queue.insert((Kind::ReplicaSet, key(&change)));
                queue.extend(owner(change.object().as_ref()));
            }
            change = self.stateful_sets.next() => { queue.insert((Kind::StatefulSet, key(&change))); }
            change = self.daemon_sets.next() => { queue.insert((Kind::DaemonSet, key(&change))); }
            change = self.jobs.next() => { queue.insert((Kind::Job, key(&change))); }
            change = self.budgets.next() => { queue.insert((Kind::Disruption, key(&change))); }
            change = self.pods.next() => {
                queue.extend(owner(change.object().as_ref()));
                let namespace = key(&change).namespace;
                queue.extend(self.budgets.within(&namespace).map(|b| (Kind::Disruption, ObjectKey::of(b.as_ref()))));
            }
            change = self.nodes.next() => {
                // A heartbeat changes nothing for a DaemonSet.
                if !matches!(&change, Change::Applied { old: Some(old), new } if old.spec == new.spec
                    && old.metadata.labels == new.metadata.labels)
                {
                    queue.extend(self.daemon_sets.all().map(|d| (Kind::DaemonSet, ObjectKey::of(d.as_ref()))));
                }
            }
            () = sleep_until(next_retry) => {
                queue.extend(self.retries.due(tokio::time::Instant::now()));
            }
        }
    }

    /// The Pods that the object with this uid controls, by name.
    pub(super) fn pods_of<'a>(&'a self, namespace: &'a str, uid: &'a str) -> impl Iterator<Item = &'a Pod> {
        self.pods.within(namespace).map(AsRef::as_ref).filter(move |pod| controller(*pod).is_some_and(|o| o.uid == uid))
    }

    pub(super) async fn create_pod(&mut self, pod: &Pod) -> kube::Result<()> {
        let namespace = pod.namespace().unwrap_or_default();
        let created = self.api::<Pod>(&namespace).create(&PostParams::default(), pod).await;
        self.pods.assume(created.inspect_err(|error| self.refusals.note(pod, error))?);
        Ok(())
    }

    pub(super) async fn delete_pod(&mut self, namespace: &str, name: &str) -> kube::Result<()> {
        match self.api::<Pod>(namespace).delete(name, &DeleteParams::default()).await {
            Ok(answer) => {
                if let Some(terminating) = answer.left() {
                    self.pods.assume(terminating);
                }
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes `status` if it says something that the object's status does not say yet.
    pub(super) async fn write_status<K>(&mut self, object: &K, status: Value) -> kube::Result<Option<K>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Serialize,
    {
        let present = serde_json::to_value(object).map_err(kube::Error::SerdeError)?;
        let said = |(field, value): (&String, &Value)| present["status"].get(field).unwrap_or(&Value::Null) == value;
        if status.as_object().is_none_or(|wanted| wanted.iter().all(said)) {
            return Ok(None);
        }
        let namespace = object.namespace().unwrap_or_default();
        let patch = Patch::Merge(json!({ "status": status }));
        self.api::<K>(&namespace).patch_status(&object.name_any(), &PatchParams::default(), &patch).await.map(Some)
    }

    pub(super) fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }
}

/// The reference of the object that controls `object`.
pub(super) fn controller(object: &impl Resource) -> Option<&OwnerReference> {
    object.meta().owner_references.iter().flatten().find(|o| o.controller == Some(true))
}

/// The queue entry of the object that controls `object`.
fn owner(object: &impl Resource) -> Option<(Kind, ObjectKey)> {
    let reference = controller(object)?;
    let kind = match reference.kind.as_str() {
        "Deployment" => Kind::Deployment,
        "ReplicaSet" => Kind::ReplicaSet,
        "StatefulSet" => Kind::StatefulSet,
        "DaemonSet" => Kind::DaemonSet,
        "Job" => Kind::Job,
        _ => return None,
    };
    Some((kind, ObjectKey::new(object.meta().namespace.clone().unwrap_or_default(), reference.name.clone())))
}

fn key<K: Resource>(change: &Change<K>) -> ObjectKey {
    ObjectKey::of(change.object().as_ref())
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

//! A Kubernetes API server in the process.
//!
//! It is a `tower::Service` over HTTP requests that sits under the real `kube::Client`, so the watchers, reflectors and
//! controllers above it are those that run on a real cluster. Behaviour follows kube-apiserver v1.37: codes, reasons,
//! resource versions, watches, patches, field ownership, graceful deletion. Objects are JSON; there is no etcd, no
//! authentication, no conversion between versions, and what the garbage collector and the namespace controller do a
//! little later happens at once. Nothing in it is random but what the seed says, and it waits for nothing but time.
//!
//! A request goes from [`service`](Door) through `route` and `registry` to `list`, `watch` or `write`, all of which
//! work on the one `store`.

mod answers;
mod audit;
mod crd;
mod discovery;
mod list;
mod list_options;
mod meta;
mod object;
mod openapi;
mod patch;
mod protobuf;
mod registry;
mod request;
mod reviews;
mod route;
pub mod rules;
mod selectors;
mod service;
mod status;
mod store;
mod table;
mod typed;
mod watch;
mod write;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde_json::json;

pub(in crate::sim) use self::answers::refusal;
pub use self::{answers::AnswerBody, audit::WriteKey, service::Door, write::admission::MutatingAdmission};
use self::{audit::Audit, patch::managers::Managers, store::Store};
use crate::clock::Clock;

/// How a server is made.
#[derive(Clone, Copy, Debug)]
pub struct ServerConfig {
    /// Where creation and other times come from.
    pub clock: Clock,
    /// Where UIDs and generated names come from.
    pub seed: u64,
    /// How many changes of each resource are remembered; a watch from before them is answered with 410.
    pub watch_history: usize,
    /// Whether it is left to the kubelet to say that its Node can never hold a Pod, as before 1.36; from then on the
    /// admission plugin `PodResizeValidator` refuses such a resize.
    pub leaves_capacity_to_kubelets: bool,
}

impl ServerConfig {
    /// A server of the newest version.
    pub fn new(clock: Clock, seed: u64) -> Self {
        Self { clock, seed, watch_history: 20_000, leaves_capacity_to_kubelets: false }
    }
}

/// A Kubernetes API server in the process. Clones are the same server.
#[derive(Clone)]
pub struct ApiServer(Arc<Shared>);

struct Shared {
    clock: Clock,
    store: Mutex<Store>,
    audit: Mutex<Audit>,
    hook: Mutex<Option<Arc<dyn MutatingAdmission>>>,
}

impl ApiServer {
    /// A server with the built-in kinds and the namespaces that every cluster has.
    pub fn new(config: ServerConfig) -> Self {
        let mut store = Store::new(config);
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            add_namespace(&mut store, name, config.clock.now());
        }
        add_priority_classes(&mut store, config.clock.now());
        let (store, audit, hook) = (Mutex::new(store), Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { clock: config.clock, store, audit, hook }))
    }

    /// A client whose requests are counted under `user`. Must be called inside a tokio runtime.
    pub fn client(&self, user: &'static str) -> kube::Client {
        kube::Client::new(self.door(user), "default")
    }

    /// The service under such a client, for those who put something between.
    pub fn door(&self, user: &'static str) -> Door {
        Door { server: self.clone(), user, shows_warnings: false }
    }

    /// Sets what sees every Pod before it is created, in place of what did so before.
    pub fn set_pod_admission(&self, hook: Arc<dyn MutatingAdmission>) {
        *locked(&self.0.hook) = Some(hook);
    }

    /// Requests that changed what is stored, counted. A patch that changes nothing is a request, not a write.
    pub fn writes(&self) -> BTreeMap<WriteKey, u64> {
        self.audit().writes.clone()
    }

    /// All requests for resources, counted.
    pub fn requests(&self) -> BTreeMap<WriteKey, u64> {
        self.audit().requests.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        locked(&self.0.store)
    }

    fn audit(&self) -> MutexGuard<'_, Audit> {
        locked(&self.0.audit)
    }

    fn hook(&self) -> Option<Arc<dyn MutatingAdmission>> {
        locked(&self.0.hook).clone()
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}

/// A panic elsewhere must not hide behind a second one here, so a poisoned lock is taken as it is.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn add_namespace(store: &mut Store, name: &str, now: Timestamp) {
    let resource = store.registry.of_table("namespaces").cloned().expect("Namespaces are built in");
    let value = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "uid": store.new_uid(),
            "creationTimestamp": meta::time(now),
            "labels": { "kubernetes.io/metadata.name": name },
        },
        "spec": { "finalizers": ["kubernetes"] },
        "status": { "phase": "Active" },
    });
    store.put(&resource, value, Managers::default());
}

/// The priority classes that every cluster has. Their UIDs are not drawn, so that what is drawn does not depend on them.
fn add_priority_classes(store: &mut Store, now: Timestamp) {
    let node = "Used for system critical pods that must not be moved from their current node.";
    let cluster = "Used for system critical pods that must run in the cluster, but can be moved to another node if \
                   necessary.";
    let classes = [("system-cluster-critical", 2_000_000_000, cluster), ("system-node-critical", 2_000_001_000, node)];
    let table = "priorityclasses.scheduling.k8s.io";
    let resource = store.registry.of_table(table).cloned().expect("PriorityClasses are built in");
    for (name, value, description) in classes {
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {
                "name": name,
                "uid": format!("00000000-0000-4000-8000-00{value:010}"),
                "creationTimestamp": meta::time(now),
                "generation": 1,
            },
            "value": value,
            "description": description,
            "preemptionPolicy": "PreemptLowerPriority",
        });
        store.put(&resource, class, Managers::default());
    }
}

//! Kubelets against the embedded API server, through the real client.

mod consumption;
mod lifecycle;
mod queue;
mod resizing;

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Node, Pod, PodCondition};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::{
    resources::{Bytes, MilliCpu, PodView},
    sim::{
        api_server::{ApiServer, ServerConfig},
        ledger::{AccountReport, Ledger},
        load::{Demand, Load},
    },
};

/// A cluster without scheduler and controllers: Pods say themselves where they run.
struct Rig {
    server: ApiServer,
    clock: Clock,
    ledger: Ledger,
    pods: Api<Pod>,
}

fn origin() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// A moment of the test.
fn at(seconds: i64) -> Timestamp {
    origin() + SignedDuration::from_secs(seconds)
}

fn object<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn demand(cpu_milli: u64, memory_mib: u64) -> Demand {
    Demand { cpu: MilliCpu(cpu_milli).nano(), memory: Bytes::mib(memory_mib) }
}

/// A Pod of one container on Node `n1`.
fn pod(name: &str, requests: [&str; 2], limits: Option<[&str; 2]>) -> Value {
    let list = |[cpu, memory]: [&str; 2]| json!({ "cpu": cpu, "memory": memory });
    let mut resources = json!({ "requests": list(requests) });
    if let Some(limits) = limits {
        resources["limits"] = list(limits);
    }
    json!({
        "metadata": { "name": name },
        "spec": { "nodeName": "n1", "containers": [{ "name": "app", "image": "app:1", "resources": resources }] },
    })
}

impl Rig {
    /// One Node with 4 cores and 8 GiB, and kubelets with a load.
    async fn new(load: impl Load + 'static) -> Self {
        Self::with(load, Options::default()).await
    }

    async fn with(load: impl Load + 'static, options: Options) -> Self {
        let clock = Clock::simulated(origin());
        let server = ApiServer::new(ServerConfig::new(clock, 1));
        let ledger = Ledger::new(origin());
        let pods = Api::namespaced(server.client("test"), "default");
        let rig = Self { server, clock, ledger, pods };
        rig.node("n1", "4", "8Gi").await;
        drop(spawn(rig.server.client("kubelet"), clock, 7, Arc::new(load), rig.ledger.clone(), options));
        rig
    }

    async fn node(&self, name: &str, cpu: &str, memory: &str) {
        let node = json!({
            "metadata": { "name": name },
            "status": { "allocatable": { "cpu": cpu, "memory": memory, "pods": "110" } },
        });
        let nodes = Api::<Node>::all(self.server.client("test"));
        nodes.create(&PostParams::default(), &object(node)).await.unwrap();
    }

    async fn create(&self, pod: Value) {
        self.pods.create(&PostParams::default(), &object(pod)).await.unwrap();
    }

    async fn create_and_start(&self, pod: Value) -> PodView {
        let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
        self.create(pod).await;
        self.until(&name, |pod| pod.ready).await
    }

    /// Resizes the container `app`.
    async fn resize(&self, name: &str, resources: Value) {
        let patch = json!({ "spec": { "containers": [{ "name": "app", "resources": resources }] } });
        self.pods.patch_resize(name, &PatchParams::default(), &Patch::Strategic(patch)).await.unwrap();
    }

    async fn delete(&self, name: &str) {
        self.pods.delete(name, &DeleteParams::default()).await.unwrap();
    }

    async fn get(&self, name: &str) -> Pod {
        self.pods.get(name).await.unwrap()
    }

    async fn view(&self, name: &str) -> PodView {
        PodView::try_from(&self.get(name).await).unwrap()
    }

    /// The first view that fulfils the condition, looking ten times a second for ten simulated minutes.
    async fn until(&self, name: &str, condition: impl Fn(&PodView) -> bool) -> PodView {
        for _ in 0..6_000 {
            let view = self.view(name).await;
            if condition(&view) {
                return view;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("never happened to {name}: {:#?}", self.view(name).await);
    }

    async fn sleep(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    fn now(&self) -> i64 {
        self.clock.now().duration_since(origin()).as_secs()
    }

    async fn condition(&self, name: &str, kind: &str) -> Option<PodCondition> {
        let status = self.get(name).await.status?;
        status.conditions?.into_iter().find(|condition| condition.type_ == kind)
    }

    async fn app(&self, name: &str) -> ContainerStatus {
        self.get(name).await.status.unwrap().container_statuses.unwrap().remove(0)
    }

    fn report(&self) -> AccountReport {
        self.ledger.accounts(self.clock.now()).remove(0).1
    }

    fn status_writes(&self) -> u64 {
        let writes = self.server.writes();
        writes.iter().filter(|(key, _)| key.user == "kubelet" && key.resource == "pods").map(|(_, n)| n).sum()
    }
}

/// Whether the kubelet has nothing left to do for the Pod's newest generation.
fn settled(pod: &PodView) -> bool {
    pod.observed_generation == Some(pod.generation) && pod.resize.pending.is_none() && pod.resize.in_progress.is_none()
}

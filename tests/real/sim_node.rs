//! The simulated kubelets as Nodes of a real control plane.

mod life;
mod metrics;
mod metrics_server;
mod ownership;
mod scraped;

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tailor::{
    resources::{Bytes, MilliCpu, PodView, Resources},
    sim::{
        kubelet::real::{self, Handle, NodeSpec, Options},
        load::Demand,
        real::{ControlPlane, ControlPlaneOptions},
    },
};

use crate::support::{control_plane, until};

/// A control plane, and Nodes that are played as `sim`.
struct Cluster {
    plane: ControlPlane,
    kubelets: Handle,
}

fn node(name: &str, cpu: u64, gib: u64) -> NodeSpec {
    NodeSpec::new(name, Resources::new(MilliCpu(cpu), Bytes::mib(gib * 1_024)))
}

/// Containers use a tenth of a core and 64 MiB unless their Pod says otherwise.
fn options(nodes: Vec<NodeSpec>) -> Options {
    let demand = Demand { cpu: MilliCpu(100).nano(), memory: Bytes::mib(64) };
    Options::new("sim", nodes, Arc::new(demand)).brisk()
}

/// A Pod of one container `app`, on a Node that no scheduler chose.
fn pod(name: &str, node: &str, requests: [&str; 2], limits: Option<[&str; 2]>) -> Value {
    let list = |[cpu, memory]: [&str; 2]| json!({ "cpu": cpu, "memory": memory });
    let mut resources = json!({ "requests": list(requests) });
    if let Some(limits) = limits {
        resources["limits"] = list(limits);
    }
    json!({
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": {
            "nodeName": node,
            "containers": [{ "name": "app", "image": "registry.example/app:1", "resources": resources }],
        },
    })
}

impl Cluster {
    /// Without scheduler and controllers: enough for Pods that say where they run.
    async fn bare(options: Options) -> Option<Self> {
        Self::start(ControlPlaneOptions::default(), options).await
    }

    async fn start(plane: ControlPlaneOptions, options: Options) -> Option<Self> {
        let plane = control_plane(plane).await?;
        let kubelets = real::spawn(plane.client(), options).await.unwrap();
        Some(Self { plane, kubelets })
    }

    fn client(&self) -> Client {
        self.plane.client()
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client(), "default")
    }

    async fn create(&self, pod: Value) {
        self.pods().create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    }

    async fn create_and_start(&self, pod: Value) {
        let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
        self.create(pod).await;
        self.until("a Pod to be ready", &name, |pod| pod.ready).await;
    }

    async fn view(&self, pod: &str) -> PodView {
        PodView::try_from(&self.pods().get(pod).await.unwrap()).unwrap()
    }

    async fn until(&self, what: &str, pod: &str, holds: impl Fn(&PodView) -> bool) -> PodView {
        until(what, async || holds(&self.view(pod).await)).await;
        self.view(pod).await
    }

    /// Resizes the container `app`.
    async fn resize(&self, pod: &str, resources: Value) {
        let patch = json!({ "spec": { "containers": [{ "name": "app", "resources": resources }] } });
        self.pods().patch_resize(pod, &PatchParams::default(), &Patch::Strategic(patch)).await.unwrap();
    }
}

/// Whether what is desired was allocated and is actual, and the kubelet has nothing left to do.
fn settled(pod: &PodView) -> bool {
    let app = pod.container("app").unwrap();
    pod.observed_generation == Some(pod.generation)
        && pod.resize == Default::default()
        && app.actual == Some(app.desired)
        && app.allocated == Some(app.desired.requests)
}

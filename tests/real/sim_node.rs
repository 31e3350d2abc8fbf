//! The simulated kubelets as Nodes of a real control plane, with the real scheduler and controllers.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        coordination::v1::Lease,
        core::v1::{Node, Pod},
    },
    apimachinery::pkg::api::resource::Quantity,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, EvictParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tailor::{
    resources::{Bytes, MilliCpu, PendingReason, PodView, Resources},
    sim::{
        kubelet::real::{self, Handle, LABEL, NodeSpec, Options},
        load::Demand,
        real::{ControlPlane, ControlPlaneOptions},
    },
};

use crate::support::{control_plane, until};

/// A control plane with everything, and Nodes played as `sim`.
struct Cluster {
    plane: ControlPlane,
    kubelets: Handle,
}

fn size(cpu: u64, gib: u64) -> Resources {
    Resources::new(MilliCpu(cpu), Bytes::mib(gib * 1_024))
}

fn demand(cpu: u64, mib: u64) -> Demand {
    Demand { cpu: MilliCpu(cpu).nano(), memory: Bytes::mib(mib) }
}

impl Cluster {
    /// Containers use a tenth of a core and 64 MiB unless they say otherwise.
    async fn start(nodes: Vec<NodeSpec>) -> Option<Self> {
        let options = ControlPlaneOptions { controllers: true, scheduler: true, ..ControlPlaneOptions::default() };
        let plane = control_plane(options).await?;
        let options = Options::new("sim", nodes, Arc::new(demand(100, 64))).brisk();
        let kubelets = real::spawn(plane.client(), options).await.unwrap();
        Some(Self { plane, kubelets })
    }

    fn client(&self) -> Client {
        self.plane.client()
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client(), "default")
    }

    /// A Deployment of Pods with one container `app`.
    async fn deploy(&self, name: &str, replicas: u32, [cpu, memory]: [&str; 2]) {
        let labels = json!({ "app": name });
        let resources = json!({ "requests": { "cpu": cpu, "memory": memory } });
        let deployment = json!({
            "metadata": { "name": name },
            "spec": { "replicas": replicas, "selector": { "matchLabels": labels }, "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [{ "name": "app", "image": "registry.example/app:1", "resources": resources }] },
            }},
        });
        let deployment = serde_json::from_value(deployment).unwrap();
        let deployments: Api<Deployment> = Api::namespaced(self.client(), "default");
        deployments.create(&PostParams::default(), &deployment).await.unwrap();
    }

    /// The Pods of a workload, by name.
    async fn of(&self, app: &str) -> Vec<PodView> {
        let pods = self.pods().list(&ListParams::default().labels(&format!("app={app}"))).await.unwrap();
        let mut views: Vec<_> = pods.iter().map(|pod| PodView::try_from(pod).unwrap()).collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        views
    }

    /// Waits until so many Pods of a workload are ready and no other is there.
    async fn ready(&self, app: &str, count: usize) -> Vec<PodView> {
        let what = format!("{count} ready Pods of {app}");
        until(&what, async || {
            let pods = self.of(app).await;
            pods.len() == count && pods.iter().all(|pod| pod.ready && !pod.terminating)
        })
        .await;
        self.of(app).await
    }

    async fn until(&self, what: &str, pod: &str, holds: impl Fn(&PodView) -> bool) -> PodView {
        let view = async || PodView::try_from(&self.pods().get(pod).await.unwrap()).unwrap();
        until(what, async || holds(&view().await)).await;
        view().await
    }

    async fn resize(&self, pod: &str, requests: Value) {
        let patch = json!({ "spec": { "containers": [{ "name": "app", "resources": { "requests": requests } }] } });
        self.pods().patch_resize(pod, &PatchParams::default(), &Patch::Strategic(patch)).await.unwrap();
    }
}

fn settled(pod: &PodView) -> bool {
    let app = pod.container("app").unwrap();
    pod.observed_generation == Some(pod.generation)
        && pod.resize == Default::default()
        && app.actual == Some(app.desired)
        && app.allocated == Some(app.desired.requests)
}

#[tokio::test]
async fn pods_of_a_deployment_run_are_resized_in_place_and_come_back_after_an_eviction() {
    let nodes = vec![NodeSpec::new("sim-1", size(4_000, 8)), NodeSpec::new("sim-2", size(4_000, 8))];
    let Some(cluster) = Cluster::start(nodes).await else { return };
    cluster.deploy("web", 2, ["500m", "256Mi"]).await;
    let pods = cluster.ready("web", 2).await;

    let name = &pods[0].name;
    let asked = Instant::now();
    cluster.resize(name, json!({ "cpu": "750m", "memory": "300Mi" })).await;
    let resized = cluster.until("the resize to be actual", name, |pod| pod.generation > 1 && settled(pod)).await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!(resized.container("app").unwrap().restarts, 0);

    cluster.pods().evict(name, &EvictParams::default()).await.unwrap();
    until("the evicted Pod to be gone", async || cluster.pods().get_opt(name).await.unwrap().is_none()).await;
    let replaced = cluster.ready("web", 2).await;
    assert!(replaced.iter().all(|pod| pod.name != *name));
}

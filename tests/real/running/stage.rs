//! A cluster with a covered Deployment, and what the process needs to run on it.

use std::{path::PathBuf, sync::Arc};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{Api, api::PostParams};
use serde_json::{Value, json};
use tailor::{
    api::VerticalResizePolicy,
    resources::{Bytes, MilliCpu, PodView, Resources},
    sim::{
        kubelet::real::{self, Handle, NodeSpec, Options},
        load::Demand,
        real::{ControlPlane, ControlPlaneOptions},
    },
};
use tempfile::TempDir;

use super::source::Source;
use crate::{
    process::Tailor,
    support::{control_plane, until},
    wire::install_definition,
};

pub struct Stage {
    pub plane: ControlPlane,
    pub source: Source,
    folder: TempDir,
    _kubelets: Handle,
}

/// What is sent to change Pods' sizes or to evict them, word for word.
const AUDITED: &str = r#"{
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
    "rules": [
        { "level": "Request", "resources": [{ "group": "", "resources": ["pods/resize", "pods/eviction"] }] },
        { "level": "None" }
    ]
}"#;

impl Stage {
    /// A Deployment `web` of so many Pods with 100m each, which are ready, and a policy for it.
    pub async fn set(replicas: u32) -> Option<Self> {
        Self::set_with(replicas, &json!({})).await
    }

    /// As [`Stage::set`], and the policy says this too.
    pub async fn set_with(replicas: u32, spec: &Value) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("audit.json"), AUDITED).unwrap();
        let audit =
            [format!("--audit-policy-file={}", path("audit.json")), format!("--audit-log-path={}", path("audit.log"))];
        let options = ControlPlaneOptions {
            controllers: true,
            scheduler: true,
            api_server_flags: audit.into(),
            ..ControlPlaneOptions::default()
        };
        let plane = control_plane(options).await?;
        assert_eq!(install_definition(&plane), "");
        let demand = Demand { cpu: MilliCpu(100).nano(), memory: Bytes::mib(64) };
        let node = NodeSpec::new("sim-1", Resources::new(MilliCpu(512_000), Bytes::mib(64 * 1_024)));
        let kubelets = Options::new("sim", vec![node], Arc::new(demand)).brisk();
        let kubelets = real::spawn(plane.client(), kubelets).await.unwrap();
        let stage = Self { plane, source: Source::start().await, folder, _kubelets: kubelets };
        stage.populate(replicas, spec).await;
        Some(stage)
    }

    async fn populate(&self, replicas: u32, spec: &Value) {
        let labels = json!({ "app": "web" });
        let resources = json!({ "requests": { "cpu": "100m", "memory": "128Mi" } });
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": { "name": "web" },
            "spec": { "replicas": replicas, "selector": { "matchLabels": labels }, "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [{ "name": "app", "image": "app:1", "resources": resources }] },
            }},
        }))
        .unwrap();
        let deployments = Api::namespaced(self.plane.client(), "default");
        deployments.create(&PostParams::default(), &deployment).await.unwrap();
        let mut policy = json!({
            "apiVersion": "autoscaling.tailor.dev/v1alpha1",
            "kind": "VerticalResizePolicy",
            "metadata": { "name": "web" },
            "spec": {
                "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
                "containers": [{ "name": "app", "resources": ["cpu"] }],
            },
        });
        json_patch::merge(&mut policy["spec"], spec);
        let policy: VerticalResizePolicy = serde_json::from_value(policy).unwrap();
        let policies = Api::namespaced(self.plane.client(), "default");
        policies.create(&PostParams::default(), &policy).await.unwrap();
        until("the Pods to be ready", async || {
            let pods = self.pods().await;
            pods.len() == replicas as usize && pods.iter().all(|pod| pod.ready)
        })
        .await;
    }

    /// The settings of the process: it reads usage every second.
    pub fn settings(&self) -> PathBuf {
        self.settings_with("")
    }

    /// Those, and more of them.
    pub fn settings_with(&self, more: &str) -> PathBuf {
        let path = self.folder.path().join("tailor.yaml");
        let settings = format!("sample-interval: 1\nprometheus-url: {}\n{more}", self.source.url);
        std::fs::write(&path, settings).unwrap();
        path
    }

    /// The process.
    pub fn tailor(&self) -> Tailor {
        Tailor::start(self.plane.kubeconfig(), &self.settings())
    }

    pub async fn pods(&self) -> Vec<PodView> {
        let pods = Api::<Pod>::namespaced(self.plane.client(), "default").list(&Default::default()).await.unwrap();
        pods.iter().map(|pod| PodView::try_from(pod).unwrap()).collect()
    }

    /// Where the API server writes down what was sent.
    pub fn audit_log(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }
}

/// What the container is asked to have.
pub fn desired_cpu(pod: &PodView) -> u64 {
    pod.container("app").unwrap().desired.requests.cpu.unwrap().0
}

/// What it has.
pub fn actual_cpu(pod: &PodView) -> u64 {
    pod.container("app").unwrap().actual.and_then(|actual| actual.requests.cpu).unwrap().0
}

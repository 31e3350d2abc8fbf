//! A real API server with the two policies in force, and what is asked of it.

use http::Method;
use kube::Client;
use serde_json::{Value, json};
use tailor::sim::real::{ControlPlane, ControlPlaneOptions};

use crate::{
    support::{control_plane, until},
    wire::{JSON, MERGE, create, install_definition, kubectl, send},
};

/// The ReplicaSets of the tests are called after their Deployment and this.
const HASH: &str = "5d5f8c9b7";

/// A control plane with the definition and the two policies.
pub struct Stage {
    pub plane: ControlPlane,
    pub client: Client,
}

impl Stage {
    /// Starts it; none where there is no rig.
    pub async fn start(controllers: bool) -> Option<Self> {
        let options = ControlPlaneOptions { controllers, ..ControlPlaneOptions::default() };
        let plane = control_plane(options).await?;
        install_definition(&plane);
        let stage = Self { client: plane.client(), plane };
        stage.apply("sizes-from-status");
        stage.apply("sizes-from-config-map");
        stage.wait_for_the_policies().await;
        Some(stage)
    }

    /// Applies a manifest that the documents show.
    pub fn apply(&self, name: &str) {
        let file = format!("{}/docs/admission-policy/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        kubectl(&self.plane, &["apply", "-f", &file]);
    }

    async fn wait_for_the_policies(&self) {
        self.namespace("probe").await;
        self.publish("probe", "web", &json!({}), &["web"], &json!({ "cpu": "750m" })).await;
        self.config_map("probe", &json!({ "Deployment.api": "app requests cpu 750m" })).await;
        let asks = json!({ "requests": { "cpu": "100m" } });
        for workload in ["web", "api"] {
            until("the admission policies are in force", async || {
                self.size_of("probe", workload, &asks).await["requests"]["cpu"] == "750m"
            })
            .await;
        }
    }

    /// A namespace in which Pods can be created.
    pub async fn namespace(&self, name: &str) {
        create(&self.client, "/api/v1/namespaces", &json!({ "metadata": { "name": name } })).await;
        let plain = pod(name, "nobody", &json!([{ "name": "app", "image": "a" }]));
        until("Pods can be created", async || self.dry_run(name, &plain).await.0 == 201).await;
    }

    /// A policy, with a target for the container `app` of each of these Deployments in its status.
    pub async fn publish(&self, namespace: &str, name: &str, spec: &Value, deployments: &[&str], target: &Value) {
        let containers = json!([{ "name": "app", "target": target }, { "name": "mesh", "target": target }, { "name": "setup", "target": target }]);
        let workloads = deployments.iter().map(
            |name| json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": name, "containers": containers }),
        );
        self.publish_status(namespace, name, spec, &json!({ "workloads": workloads.collect::<Vec<_>>() })).await;
    }

    /// A policy with this status.
    pub async fn publish_status(&self, namespace: &str, name: &str, spec: &Value, status: &Value) {
        let mut spec = spec.clone();
        spec["selector"] = json!({});
        let policy = json!({
            "apiVersion": "autoscaling.tailor.dev/v1alpha1",
            "kind": "VerticalResizePolicy",
            "metadata": { "name": name },
            "spec": spec,
        });
        create(&self.client, &policies(namespace), &policy).await;
        self.update_status(namespace, name, status).await;
    }

    /// Changes a policy's status.
    pub async fn update_status(&self, namespace: &str, name: &str, status: &Value) {
        let path = format!("{}/{name}/status", policies(namespace));
        let (code, answer) = send(&self.client, Method::PATCH, &path, MERGE, &json!({ "status": status })).await;
        assert_eq!(code, 200, "{answer}");
    }

    /// Finished sizes for a namespace.
    pub async fn config_map(&self, namespace: &str, data: &Value) {
        let map = json!({ "metadata": { "name": "tailor-sizes" }, "data": data });
        create(&self.client, &format!("/api/v1/namespaces/{namespace}/configmaps"), &map).await;
    }

    /// What would become of a new Pod: the code, and the Pod or the refusal.
    pub async fn dry_run(&self, namespace: &str, pod: &Value) -> (u16, Value) {
        let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
        send(&self.client, Method::POST, &path, JSON, pod).await
    }

    /// As [`Stage::dry_run`], of a Pod that is taken.
    pub async fn admitted(&self, namespace: &str, pod: &Value) -> Value {
        let (code, answer) = self.dry_run(namespace, pod).await;
        assert_eq!(code, 201, "{answer}");
        answer
    }

    /// The resources that the container of a new Pod of this Deployment would get, whose template asks for `resources`.
    pub async fn size_of(&self, namespace: &str, deployment: &str, resources: &Value) -> Value {
        let pod = pod(namespace, deployment, &json!([{ "name": "app", "image": "a", "resources": resources }]));
        self.admitted(namespace, &pod).await["spec"]["containers"][0]["resources"].take()
    }
}

fn policies(namespace: &str) -> String {
    format!("/apis/autoscaling.tailor.dev/v1alpha1/namespaces/{namespace}/verticalresizepolicies")
}

/// A new Pod of a Deployment, as its ReplicaSet makes it.
pub fn pod(namespace: &str, deployment: &str, containers: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": format!("{deployment}-{HASH}-"),
            "namespace": namespace,
            "labels": { "pod-template-hash": HASH },
            "ownerReferences": [owner("ReplicaSet", &format!("{deployment}-{HASH}"))],
        },
        "spec": { "containers": containers },
    })
}

/// What controls a Pod.
pub fn owner(kind: &str, name: &str) -> Value {
    let api_version = if kind == "Job" { "batch/v1" } else { "apps/v1" };
    json!({ "apiVersion": api_version, "kind": kind, "name": name, "uid": "u", "controller": true })
}

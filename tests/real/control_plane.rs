//! The rig itself: a real API server comes up, with roles that hold, and a Deployment gets its Pods.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, Pod},
};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use serde_json::json;
use tailor::sim::real::ControlPlaneOptions;

use crate::support::{control_plane, until};

#[tokio::test]
async fn a_real_control_plane_makes_pods_of_a_deployment_and_refuses_strangers() {
    let options = ControlPlaneOptions { controllers: true, scheduler: true, ..ControlPlaneOptions::default() };
    let Some(plane) = control_plane(options).await else { return };
    let deployments: Api<Deployment> = Api::namespaced(plane.client(), "default");
    let pods: Api<Pod> = Api::namespaced(plane.client(), "default");
    let labels = json!({ "app": "web" });
    let deployment = json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [{ "name": "app", "image": "app:1" }] },
            },
        },
    });
    let deployment = serde_json::from_value(deployment).unwrap();
    deployments.create(&PostParams::default(), &deployment).await.unwrap();
    until("two Pods that no Node can take", async || {
        let pods = pods.list(&ListParams::default()).await.unwrap().items;
        let unschedulable = |pod: &Pod| {
            let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
            conditions.into_iter().any(|condition| condition.reason.as_deref() == Some("Unschedulable"))
        };
        pods.len() == 2 && pods.iter().all(unschedulable)
    })
    .await;

    let stranger: Api<Namespace> = Api::all(plane.client_as("stranger", &["system:authenticated"]));
    let refused = stranger.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.is_forbidden()), "{refused}");

    let output = plane.kubectl().args(["version", "--output=json"]).output().unwrap();
    let version: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let (client, server) = (&version["clientVersion"]["gitVersion"], &version["serverVersion"]["gitVersion"]);
    assert_eq!(client, server, "{version}");
}

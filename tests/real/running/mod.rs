//! The process itself: it takes the lease, says that it is ready, writes, and gives the lease up at the end.

mod killed;
mod source;
pub mod stage;
mod swift;

use k8s_openapi::{
    api::coordination::v1::Lease, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, CustomResourceExt, api::PostParams};
use serde_json::json;
use tailor::{api::VerticalResizePolicy, sim::real::ControlPlaneOptions};

use crate::{
    process::Tailor,
    support::{control_plane, until},
};

#[tokio::test]
async fn it_leads_writes_and_ends_by_giving_up_the_lease() {
    let Some(plane) = control_plane(ControlPlaneOptions::default()).await else { return };
    let definitions: Api<CustomResourceDefinition> = Api::all(plane.client());
    definitions.create(&PostParams::default(), &VerticalResizePolicy::crd()).await.unwrap();
    let policies: Api<VerticalResizePolicy> = Api::namespaced(plane.client(), "default");
    let policy = json!({
        "apiVersion": "autoscaling.tailor.dev/v1alpha1",
        "kind": "VerticalResizePolicy",
        "metadata": { "name": "fit" },
        "spec": { "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" } },
    });
    let policy: VerticalResizePolicy = serde_json::from_value(policy).unwrap();
    until("the new kind", async || policies.create(&PostParams::default(), &policy).await.is_ok()).await;

    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("tailor.yaml");
    std::fs::write(&config, "leader-elect: true\nlease-namespace: default\nlease-name: tailors\n").unwrap();
    let mut tailor = Tailor::start(plane.kubeconfig(), &config);
    until("it is ready", async || matches!(tailor.says("/readyz").await, Some((200, _)))).await;
    until("it has written a status", async || {
        let status = policies.get("fit").await.unwrap().status.unwrap_or_default();
        status.conditions.iter().any(|condition| condition.reason == "TargetNotFound")
    })
    .await;
    assert_eq!(tailor.says("/livez").await, Some((200, "ok\n".to_owned())));
    let (_, metrics) = tailor.says("/metrics").await.unwrap();
    for line in ["tailor_leader 1", r#"tailor_api_writes_total{target="status",outcome="accepted"} 1"#] {
        assert!(metrics.contains(line), "{metrics}");
    }

    let leases: Api<Lease> = Api::namespaced(plane.client(), "default");
    let holder = async || leases.get("tailors").await.unwrap().spec.unwrap().holder_identity.unwrap_or_default();
    assert!(!holder().await.is_empty());
    assert!(tailor.terminate().success());
    assert_eq!(holder().await, "");
}

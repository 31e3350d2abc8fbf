//! The process itself, as webhook and controller: a policy says when new Pods would not get their size, and else they do.

use std::{collections::BTreeSet, net::TcpListener};

use k8s_openapi::api::{core::v1::Pod, events::v1::Event};
use kube::{Api, api::DeleteParams};
use serde_json::json;
use tailor::api::VerticalResizePolicy;

use super::{configuration, configure, namespace};
use crate::{
    process::Tailor,
    running::stage::{Stage, desired_cpu},
    support::until,
};

#[tokio::test]
async fn a_policy_says_while_new_pods_would_not_get_their_size_and_then_they_come_at_it() {
    let Some(stage) = Stage::set_with(2, &json!({ "strategy": "Recreate" })).await else { return };
    let client = stage.plane.client();
    namespace(&client, "tailor-system").await;
    let old: BTreeSet<_> = stage.pods().await.into_iter().map(|pod| pod.name).collect();
    stage.source.says(&old.iter().cloned().collect::<Vec<_>>(), 2.0);

    // Nobody else takes it between this and the start.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = stage.settings_with(&format!(
        "admission: webhook\nwebhook-listen: {address}\nwebhook-names: [127.0.0.1]\nleader-elect: true\nlease-namespace: tailor-system\n"
    ));
    let tailor = Tailor::start(stage.plane.kubeconfig(), &settings);
    let policies: Api<VerticalResizePolicy> = Api::namespaced(client.clone(), "default");
    let says = async |reason: &str| {
        let status = policies.get("web").await.unwrap().status.unwrap_or_default();
        status.conditions.iter().any(|condition| condition.reason == reason)
    };
    until("the policy says why no Pod is evicted", async || says("AdmissionUnavailable").await).await;
    let events: Api<Event> = Api::namespaced(client.clone(), "default");
    until("an Event says so too", async || {
        let events = events.list(&Default::default()).await.unwrap();
        events
            .iter()
            .any(|event| event.note.as_deref().unwrap_or_default().contains("New Pods do not get their size now"))
    })
    .await;
    assert_eq!(metric(&tailor, "tailor_admission_available").await, Some(0.0));
    assert!(stage.pods().await.iter().all(|pod| old.contains(&pod.name)), "none was evicted");

    configure(&client, &configuration(&[address])).await;
    until("the policy says so no more", async || !says("AdmissionUnavailable").await).await;
    assert_eq!(metric(&tailor, "tailor_admission_available").await, Some(1.0));
    // Tailor itself would wait for its budget of evictions.
    let pods: Api<Pod> = Api::namespaced(client, "default");
    for name in &old {
        pods.delete(name, &DeleteParams::default()).await.unwrap();
    }
    until("all Pods are new ones", async || {
        let pods = stage.pods().await;
        pods.len() == 2 && pods.iter().all(|pod| !old.contains(&pod.name) && pod.ready)
    })
    .await;
    for pod in stage.pods().await {
        assert!(desired_cpu(&pod) >= 2_000, "{pod:?}");
    }
    // Only a resize would have made another generation of them.
    let pods = pods.list(&Default::default()).await.unwrap();
    assert!(pods.iter().all(|pod| pod.metadata.generation == Some(1)), "they came at their size");
    assert!(metric(&tailor, r#"tailor_admission_reviews_total{outcome="sized"}"#).await >= Some(2.0));
    assert!(metric(&tailor, "tailor_webhook_certificate_expiry_timestamp_seconds").await > Some(1_700_000_000.0));
}

async fn metric(tailor: &Tailor, name: &str) -> Option<f64> {
    let (_, metrics) = tailor.says("/metrics").await.unwrap();
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

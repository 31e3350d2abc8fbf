//! Certificates change under load, and nobody notices.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use http::Method;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde_json::{Value, json};
use tailor::{sim::real::ControlPlaneOptions, webhook::rotation::Lives};
use tokio::task::JoinSet;

use super::{CONFIGURATIONS, configuration, configure, dry_run, namespace, pod, replica::Replica};
use crate::{
    support::{control_plane, until},
    wire::send,
};

/// A new certificate each ten seconds.
const LIVES: Lives = Lives { certificate: Duration::from_secs(15), settle: Duration::from_secs(2) };
/// Each Pod is shown to two replicas, which makes fifty calls a second.
const EVERY: Duration = Duration::from_millis(40);

const JSON_PATCH: &str = "application/json-patch+json";

/// The `caBundle` of each entry.
async fn bundles(client: &Client) -> Vec<Value> {
    let (_, seen) = send(client, Method::GET, &format!("{CONFIGURATIONS}/tailor"), "", &Value::Null).await;
    seen["webhooks"].as_array().unwrap().iter().map(|entry| entry["clientConfig"]["caBundle"].clone()).collect()
}

/// Works when nothing else lets a Pod through.
fn strict(mut configuration: Value) -> Value {
    for entry in configuration["webhooks"].as_array_mut().unwrap() {
        entry["failurePolicy"] = json!("Fail");
        entry["timeoutSeconds"] = json!(30);
    }
    configuration
}

#[tokio::test]
async fn certificates_change_under_fifty_calls_a_second_and_no_call_fails() {
    let Some(plane) = control_plane(ControlPlaneOptions::default()).await else { return };
    let client = plane.client();
    for name in ["tailor-system", "default"] {
        namespace(&client, name).await;
    }
    let (one, other) = (Replica::start(&client, LIVES).await, Replica::start(&client, LIVES).await);
    configure(&client, &strict(configuration(&[one.webhook.address, other.webhook.address]))).await;
    until("every entry trusts somebody", async || bundles(&client).await.iter().all(Value::is_string)).await;
    until("both replicas are heard", async || dry_run(&client, "default", &pod(true)).await.0 == 201).await;

    let (pods, took, changes) = load_while_certificates_change(&client).await;
    eprintln!("{} calls in {took:?} while certificates changed {changes} times", pods * 2);

    only_the_bundle_is_owned(&client).await;
    let index =
        (0..4).map(|entry| json!({ "op": "remove", "path": format!("/webhooks/{entry}/clientConfig/caBundle") }));
    let emptied = Value::Array(index.collect());
    let (code, answer) = send(&client, Method::PATCH, &format!("{CONFIGURATIONS}/tailor"), JSON_PATCH, &emptied).await;
    assert_eq!(code, 200, "{answer}");
    until("what somebody emptied is filled again", async || bundles(&client).await.iter().all(Value::is_string)).await;
    until("both are heard again", async || dry_run(&client, "default", &pod(true)).await.0 == 201).await;
}

/// Creates Pods until certificates have changed three times. How many, how long, and how often they changed.
async fn load_while_certificates_change(client: &Client) -> (usize, Duration, usize) {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "tailor-system");
    let (mut seen, mut pods, began) = (BTreeSet::new(), JoinSet::new(), Instant::now());
    let mut ticks = tokio::time::interval(EVERY);
    while seen.len() < 5 {
        ticks.tick().await;
        let sent = client.clone();
        pods.spawn(async move { dry_run(&sent, "default", &pod(true)).await });
        if pods.len() % 10 == 0 {
            let data = secrets.get("tailor-webhook").await.unwrap().data.unwrap();
            seen.extend(data.into_iter().filter(|(key, _)| key.ends_with(".tls.crt")).map(|(_, pem)| pem.0));
        }
        assert!(began.elapsed() < Duration::from_mins(3), "certificates changed {} times", seen.len());
    }
    let (sent, took) = (pods.len(), began.elapsed());
    while let Some(answer) = pods.join_next().await {
        let (code, answer) = answer.unwrap();
        assert_eq!(code, 201, "{answer}");
    }
    (sent, took, seen.len() - 1)
}

/// Tailor's own field manager has the bundles of the entries, and nothing else.
async fn only_the_bundle_is_owned(client: &Client) {
    let (_, seen) = send(client, Method::GET, &format!("{CONFIGURATIONS}/tailor"), "", &Value::Null).await;
    let managers = seen["metadata"]["managedFields"].as_array().unwrap();
    let own = managers.iter().find(|manager| manager["manager"] == "tailor-webhook").unwrap();
    let entries = own["fieldsV1"]["f:webhooks"].as_object().unwrap();
    assert_eq!((own["fieldsV1"].as_object().unwrap().len(), entries.len()), (1, 4));
    for fields in entries.values() {
        assert_eq!(fields, &json!({ ".": {}, "f:name": {}, "f:clientConfig": { "f:caBundle": {} } }));
    }
}

//! The real API server calls the webhook over TLS: what docs/admission.md promises.

use std::net::SocketAddr;

use http::Method;
use kube::Client;
use serde_json::{Value, json};

use crate::{
    support::until,
    wire::{JSON, create, send},
};

mod hung;
mod replica;
mod rights;
mod rotation;
mod sizes;

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

/// The configuration that the documents show, with the webhook at these addresses of this machine. Each has entries of its
/// own.
fn configuration(addresses: &[SocketAddr]) -> Value {
    let text = include_str!("../../../docs/admission/webhook.yaml");
    let mut configuration: Value = serde_saphyr::from_str(text).unwrap();
    let entries = configuration["webhooks"].as_array().unwrap().clone();
    let of = |(index, address): (usize, &SocketAddr)| {
        let mut entries = entries.clone();
        for entry in &mut entries {
            entry["name"] = json!(format!("n{index}.{}", entry["name"].as_str().unwrap()));
            entry["clientConfig"] = json!({ "url": format!("https://{address}/admit") });
        }
        entries
    };
    configuration["webhooks"] = addresses.iter().enumerate().flat_map(of).collect();
    configuration
}

async fn namespace(client: &Client, name: &str) {
    let namespace = json!({ "metadata": { "name": name } });
    let (code, answer) = send(client, Method::POST, "/api/v1/namespaces", JSON, &namespace).await;
    assert!([201, 409].contains(&code), "{answer}");
    until("Pods can be created", async || dry_run(client, name, &pod(false)).await.0 == 201).await;
}

/// A Pod that some ReplicaSet has made, or nobody.
fn pod(owned: bool) -> Value {
    let resources = json!({ "requests": { "cpu": "100m" } });
    let mut pod = json!({
        "metadata": { "generateName": "web-" },
        "spec": { "containers": [{ "name": "app", "image": "a", "resources": resources }] },
    });
    if owned {
        let owner =
            json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u", "controller": true });
        pod["metadata"]["ownerReferences"] = json!([owner]);
    }
    pod
}

async fn dry_run(client: &Client, namespace: &str, pod: &Value) -> (u16, Value) {
    let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
    send(client, Method::POST, &path, JSON, pod).await
}

async fn configure(client: &Client, configuration: &Value) {
    create(client, CONFIGURATIONS, configuration).await;
}

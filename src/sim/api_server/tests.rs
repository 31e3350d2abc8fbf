//! The server through the real `kube::Client`.

mod apply;
mod custom;
mod discover;
mod lists;
mod outside;
mod own;
mod pods;
mod removal;
mod watches;
mod writes;

use http::Request;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    core::Status,
};
use serde_json::{Value, json};

use super::{ApiServer, ServerConfig};
use crate::clock::Clock;

const HISTORY: usize = 100;

fn server() -> ApiServer {
    server_with(1, HISTORY)
}

fn server_with(seed: u64, watch_history: usize) -> ApiServer {
    let origin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    ApiServer::new(ServerConfig { watch_history, ..ServerConfig::new(Clock::simulated(origin), seed) })
}

fn maps(client: &Client) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), "default")
}

fn pods(client: &Client) -> Api<Pod> {
    Api::namespaced(client.clone(), "default")
}

fn map(name: &str, data: &Value) -> ConfigMap {
    object(json!({ "metadata": { "name": name }, "data": data }))
}

fn pod(name: &str) -> Pod {
    let requests = json!({ "requests": { "cpu": "100m", "memory": "64Mi" } });
    object(json!({
        "metadata": { "name": name, "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "main", "image": "web:1", "resources": requests }] },
    }))
}

fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// The status that a request was refused with.
fn refusal<T>(result: kube::Result<T>) -> Status {
    match result {
        Err(kube::Error::Api(status)) => *status,
        Err(other) => panic!("not an answer of the API: {other}"),
        Ok(_) => panic!("the request was not refused"),
    }
}

/// Sends a request as it is, and returns its code and body.
async fn send(client: &Client, method: &str, path: &str, media_type: &str, body: &str) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", media_type);
    let response = client.send(request.body(body.to_owned().into_bytes().into()).unwrap()).await.unwrap();
    let code = response.status().as_u16();
    let bytes = response.into_body().collect_bytes().await.unwrap();
    (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

async fn get(client: &Client, path: &str) -> Value {
    send(client, "GET", path, "", "").await.1
}

async fn create_node(client: &Client, name: &str) {
    let node = object(json!({
        "metadata": { "name": name },
        "status": { "allocatable": { "cpu": "4", "memory": "8Gi", "pods": "110" } },
    }));
    Api::<k8s_openapi::api::core::v1::Node>::all(client.clone()).create(&PostParams::default(), &node).await.unwrap();
}

async fn bind(client: &Client, pod: &str, node: &str) -> (u16, Value) {
    let binding = json!({ "metadata": { "name": pod }, "target": { "kind": "Node", "name": node } });
    let path = format!("/api/v1/namespaces/default/pods/{pod}/binding");
    send(client, "POST", &path, "application/json", &binding.to_string()).await
}

async fn merge(api: &Api<ConfigMap>, name: &str, patch: Value) -> kube::Result<ConfigMap> {
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await
}

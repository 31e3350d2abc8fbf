//! Stands where a Prometheus is, so that a test says what each Pod uses, and from when on.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{Json, Router, extract::State, routing::any};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

/// Cores by Pod.
type Uses = Arc<Mutex<BTreeMap<String, f64>>>;

/// Answers instant queries for CPU and memory of the container `app` of each Pod.
pub struct Source {
    pub url: String,
    uses: Uses,
    server: AbortHandle,
}

impl Source {
    pub async fn start() -> Self {
        let uses = Uses::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(any(answer)).with_state(uses.clone());
        let server = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { url, uses, server: server.abort_handle() }
    }

    /// From now on each of these Pods uses so many cores, and 64 MiB.
    pub fn says(&self, pods: &[String], cores: f64) {
        self.uses.lock().unwrap().extend(pods.iter().map(|pod| (pod.clone(), cores)));
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(uses): State<Uses>, query: String) -> Json<Value> {
    let memory = 64.0 * 1_048_576.0;
    let now = Timestamp::now().as_duration().as_secs_f64();
    let value = |cores: f64| match () {
        () if query.contains("container_cpu_usage") => Some(cores),
        () if query.contains("container_memory_working") => Some(memory),
        () => None,
    };
    let uses = uses.lock().unwrap();
    let result: Vec<_> = uses
        .iter()
        .filter_map(|(pod, cores)| {
            let labels = json!({ "namespace": "default", "pod": pod, "container": "app" });
            Some(json!({ "metric": labels, "value": [now, value(*cores)?.to_string()] }))
        })
        .collect();
    Json(json!({ "status": "success", "data": { "resultType": "vector", "result": result } }))
}

//! The figures of `docs/admission-policy.md`: `cargo test --test real figures -- --ignored --nocapture`.

use std::time::Instant;

use serde_json::{Value, json};

use super::{
    stage::{Stage, pod},
    webhook::serve,
};
use crate::{
    support::until,
    wire::{create, kubectl},
};

const ROUNDS: usize = 200;

#[tokio::test]
#[ignore = "measures for minutes, and fails only when nothing works"]
async fn figures_of_the_time_that_a_new_pod_takes() {
    let Some(stage) = Stage::start(false).await else { return };
    let target = json!({ "cpu": "750m", "memory": "96Mi" });
    let mut rows = vec![("no policy applies", "none".to_owned())];
    stage.namespace("none").await;
    for (what, policies, workloads) in [
        ("status, 1 policy of 1 workload", 1, 1),
        ("status, 1 policy of 50 workloads", 1, 50),
        ("status, 1 policy of 200 workloads", 1, 200),
        ("status, 10 policies of 1 workload", 10, 1),
        ("status, 50 policies of 1 workload", 50, 1),
        ("status, 200 policies of 1 workload", 200, 1),
    ] {
        let namespace = format!("status-{policies}-{workloads}");
        stage.namespace(&namespace).await;
        for policy in 0..policies {
            let names: Vec<_> = (0..workloads).map(|workload| format!("web-{policy}-{workload}")).collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            stage.publish(&namespace, &format!("p{policy}"), &json!({}), &names, &target).await;
        }
        rows.push((what, namespace));
    }
    finished_sizes(&stage, &mut rows).await;
    stage.namespace("webhook").await;
    let size = json!({ "requests": { "cpu": "750m", "memory": "96Mi" }, "limits": { "cpu": "1500m" } });
    let patch = json!([{ "op": "replace", "path": "/spec/containers/0/resources", "value": size }]);
    let server = serve(&stage, "webhook", patch).await;
    rows.push(("a webhook on the same machine", "webhook".to_owned()));
    for (what, namespace) in &rows[1..] {
        let sized = async || stage.size_of(namespace, "web-0-0", &asks()).await["requests"]["cpu"] == "750m";
        let began = Instant::now();
        until(&format!("{what}: Pods are sized"), sized).await;
        eprintln!("{what}: in force after another {:?}", began.elapsed());
    }
    print(&stage, &rows).await;
    server.shutdown();
}

fn asks() -> Value {
    json!({ "requests": { "cpu": "100m", "memory": "64Mi" }, "limits": { "cpu": "200m" } })
}

/// One object with sizes for so many workloads, of a kind that the API server knows and of one that it does not.
async fn finished_sizes(stage: &Stage, rows: &mut Vec<(&'static str, String)>) {
    a_kind_of_its_own(stage).await;
    for (what, kind, workloads) in [
        ("ConfigMap of 1 workload", "map", 1),
        ("ConfigMap of 200 workloads", "map", 200),
        ("ConfigMap of 4000 workloads", "map", 4_000),
        ("kind of its own, 1 workload", "table", 1),
        ("kind of its own, 200 workloads", "table", 200),
        ("kind of its own, 1000 workloads", "table", 1_000),
    ] {
        let namespace = format!("{kind}-{workloads}");
        stage.namespace(&namespace).await;
        let sizes = "app requests cpu 750m\napp limits cpu 1500m\napp requests memory 96Mi";
        let data = (0..workloads).map(|workload| (format!("Deployment.web-0-{workload}"), json!(sizes)));
        let data = Value::Object(data.collect());
        if kind == "map" {
            stage.config_map(&namespace, &data).await;
        } else {
            let metadata = json!({ "name": "tailor-sizes" });
            let table = json!({ "apiVersion": "example.com/v1", "kind": "Table", "metadata": metadata, "data": data });
            create(&stage.client, &format!("/apis/example.com/v1/namespaces/{namespace}/tables"), &table).await;
        }
        rows.push((what, namespace));
    }
}

/// The rows take turns, so that what else the machine does falls on all of them alike.
async fn print(stage: &Stage, rows: &[(&str, String)]) {
    let mut times = vec![Vec::with_capacity(ROUNDS); rows.len()];
    for _ in 0..ROUNDS {
        for ((_, namespace), times) in rows.iter().zip(&mut times) {
            let new = pod(namespace, "web-0-0", &json!([{ "name": "app", "image": "a", "resources": asks() }]));
            let began = Instant::now();
            let admitted = stage.admitted(namespace, &new).await;
            times.push(began.elapsed());
            let cpu = &admitted["spec"]["containers"][0]["resources"]["requests"]["cpu"];
            assert_eq!(cpu, if namespace == "none" { "100m" } else { "750m" }, "{namespace}");
        }
    }
    times.iter_mut().for_each(|times| times.sort());
    let base = times[0][ROUNDS / 2];
    for ((what, _), times) in rows.iter().zip(&times) {
        let (half, most) = (times[ROUNDS / 2], times[ROUNDS * 99 / 100]);
        let ratio = half.as_secs_f64() / base.as_secs_f64();
        eprintln!("{what:36} p50 {half:>10.2?}  p99 {most:>10.2?}  p50 to none {ratio:5.2}");
    }
}

/// The policy that copies finished sizes, out of a custom resource in place of a ConfigMap.
async fn a_kind_of_its_own(stage: &Stage) {
    let text = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let schema = json!({ "type": "object", "properties": { "data": text } });
    let version = json!({ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } });
    let names = json!({ "kind": "Table", "plural": "tables" });
    let definition = json!({
        "metadata": { "name": "tables.example.com" },
        "spec": { "group": "example.com", "scope": "Namespaced", "names": names, "versions": [version] },
    });
    create(&stage.client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition).await;
    kubectl(&stage.plane, &["wait", "--for=condition=Established", "--timeout=60s", "crd/tables.example.com"]);
    let manifest = include_str!("../../../docs/admission-policy/sizes-from-config-map.yaml");
    let manifest = manifest.replace("sizes-from-config-map", "sizes-from-table");
    let manifest =
        manifest.replace("apiVersion: v1\n    kind: ConfigMap", "apiVersion: example.com/v1\n    kind: Table");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    std::fs::write(&file, manifest).unwrap();
    kubectl(&stage.plane, &["apply", "-f", file.to_str().unwrap()]);
}

//! The figures of `docs/admission-policy.md`: `cargo test --test real figures -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    stage::{Stage, pod},
    webhook::serve,
};

const ROUNDS: usize = 200;

#[tokio::test]
#[ignore = "measures for a minute, and fails only when nothing works"]
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
    for (what, workloads) in
        [("ConfigMap of 1 workload", 1), ("ConfigMap of 200 workloads", 200), ("ConfigMap of 4000 workloads", 4000)]
    {
        let namespace = format!("map-{workloads}");
        stage.namespace(&namespace).await;
        let sizes = "app requests cpu 750m\napp limits cpu 1500m\napp requests memory 96Mi";
        let data = (0..workloads).map(|workload| (format!("Deployment.web-0-{workload}"), json!(sizes))).collect();
        stage.config_map(&namespace, &Value::Object(data)).await;
        rows.push((what, namespace));
    }
    stage.namespace("webhook").await;
    let patch = json!([{ "op": "add", "path": "/spec/containers/0/resources/requests/cpu", "value": "750m" }]);
    let server = serve(&stage, "webhook", patch).await;
    rows.push(("a webhook on the same machine", "webhook".to_owned()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    print(&stage, &rows).await;
    server.shutdown();
}

/// The rows take turns, so that what else the machine does falls on all of them alike.
async fn print(stage: &Stage, rows: &[(&str, String)]) {
    let resources = json!({ "requests": { "cpu": "100m", "memory": "64Mi" }, "limits": { "cpu": "200m" } });
    let mut times = vec![Vec::with_capacity(ROUNDS); rows.len()];
    for _ in 0..ROUNDS {
        for ((_, namespace), times) in rows.iter().zip(&mut times) {
            let new = pod(namespace, "web-0-0", &json!([{ "name": "app", "image": "a", "resources": resources }]));
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
        println!("{what:36} p50 {half:>10.2?}  p99 {most:>10.2?}  p50 to none {ratio:5.2}");
    }
}

//! The real metrics-server scrapes the simulated Nodes, and Tailor and kubectl read it.

use std::collections::BTreeMap;

use tailor::{
    clock::Clock,
    resources::NanoCpu,
    usage::{UsageSource, metrics_api::MetricsApi},
};

use super::*;
use crate::wire::kubectl;

#[tokio::test]
async fn what_metrics_server_tells_is_what_the_containers_use() {
    let plane = ControlPlaneOptions { metrics_server: true, ..ControlPlaneOptions::default() };
    let Some(cluster) = Cluster::start(plane, options(vec![node("sim-1", 4_000, 8)])).await else { return };
    let mut web = pod("web", "sim-1", ["100m", "64Mi"], None);
    web["metadata"]["annotations"] = json!({ "sim.tailor.dev/cpu": "500m" });
    cluster.create_and_start(web).await;
    cluster.create_and_start(pod("idle", "sim-1", ["100m", "64Mi"], None)).await;
    let all = MetricsApi::new(cluster.client(), Clock::System, None);
    let mut seen = BTreeMap::new();
    until("samples of both Pods", async || {
        let samples = all.samples().await.unwrap_or_default();
        seen = samples.into_iter().map(|sample| (sample.pod.clone(), sample)).collect();
        seen.len() == 2
    })
    .await;
    for (pod, cores) in [("web", 0.5), ("idle", 0.1)] {
        let sample = &seen[pod];
        assert_eq!((sample.namespace.as_str(), sample.container.as_str()), ("default", "app"));
        let used = sample.cpu.map_or(0.0, NanoCpu::cores);
        assert!((0.8..=1.2).contains(&(used / cores)), "{pod}: {used}");
        assert_eq!(sample.memory, Some(Bytes::mib(64)), "{pod}");
        let age = Clock::System.now().duration_since(sample.at);
        assert!(age.as_secs() < 60, "{pod}: {age}");
    }
    let others = MetricsApi::new(cluster.client(), Clock::System, Some("kube-system"));
    assert_eq!(others.samples().await.unwrap(), []);
    assert!(all.history(seen["web"].at, Clock::System.now()).await.unwrap().is_none(), "it keeps none");
    let (top, _) = kubectl(&cluster.plane, &["top", "pods", "--no-headers"]);
    let memory: Vec<_> = top.lines().map(|line| line.split_whitespace().last().unwrap()).collect();
    assert_eq!(memory, ["64Mi", "64Mi"], "{top}");
}

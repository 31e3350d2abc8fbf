//! A real Prometheus that scrapes the kubelets, and what Tailor reads from it.

use std::{fmt::Write as _, time::Duration};

use tailor::{
    clock::Clock,
    sim::real::{PrometheusOptions, PrometheusServer},
    usage::{
        Sample, UsageSource,
        prometheus::{Prometheus, Settings},
    },
};

use super::*;
use crate::support::assets;

/// Scrapes both endpoints of each kubelet, and cAdvisor's a second time, as two scrapers of one kind do.
fn config(cluster: &Cluster) -> String {
    let mut config = "global: { scrape_interval: 1s }\nscrape_configs:\n".to_owned();
    let targets: Vec<_> = cluster.kubelets.endpoints().values().map(|at| format!("\"{at}\"")).collect();
    for (job, path) in [("cadvisor", "cadvisor"), ("twin", "cadvisor"), ("resource", "resource")] {
        _ = writeln!(
            config,
            "- job_name: {job}\n  scheme: https\n  metrics_path: /metrics/{path}\n  tls_config: {{ insecure_skip_verify: true }}\n  \
             static_configs: [{{ targets: [{}] }}]",
            targets.join(", ")
        );
    }
    config
}

#[tokio::test]
async fn prometheus_tells_what_each_container_uses_once() {
    let Some(assets) = assets(&["prometheus"]) else { return };
    let nodes = vec![node("sim-1", 2_000, 8), node("sim-2", 2_000, 8)];
    let Some(cluster) = Cluster::bare(options(nodes)).await else { return };
    cluster.create_and_start(pod("plain", "sim-1", ["100m", "64Mi"], None)).await;
    let mut held = pod("held-back", "sim-2", ["100m", "64Mi"], Some(["250m", "128Mi"]));
    held["metadata"]["annotations"] = json!({ "sim.tailor.dev/cpu": "500m" });
    cluster.create_and_start(held).await;
    let folder = tempfile::tempdir().unwrap();
    let options = PrometheusOptions { config: config(&cluster), ..PrometheusOptions::default() };
    let server =
        PrometheusServer::start(&assets, folder.path(), options).await.unwrap_or_else(|error| panic!("{error}"));
    let settings = Settings { window: Duration::from_secs(10), ..Settings::default() };
    let url = format!("http://127.0.0.1:{}", server.port());
    let source = Prometheus::new(&url, settings, Clock::System).unwrap();

    let mut samples: Vec<Sample> = Vec::new();
    until("usage of both containers", async || {
        samples = source.samples().await.unwrap_or_default();
        samples.sort_by(|a, b| a.pod.cmp(&b.pod));
        // Until the window is full, `rate` takes the time before the first value for time without use.
        let is_full = |sample: &Sample, cores: f64| sample.cpu.is_some_and(|cpu| cpu.cores() > 0.98 * cores);
        matches!(&samples[..], [held, plain] if is_full(held, 0.25) && is_full(plain, 0.1))
    })
    .await;
    let [held, plain] = &samples[..] else { panic!("{samples:?}") };
    for (sample, pod, cores) in [(held, "held-back", 0.25), (plain, "plain", 0.1)] {
        assert_eq!(
            (sample.namespace.as_str(), sample.pod.as_str(), sample.container.as_str()),
            ("default", pod, "app")
        );
        // Values carry the kubelets' times, to the millisecond.
        assert!((sample.cpu.unwrap().cores() / cores - 1.0).abs() < 0.02, "{sample:?}");
        assert_eq!((sample.memory, sample.cpu_pressure), (Some(Bytes::mib(64)), None));
    }
    assert!(held.throttled.unwrap() > 0.9, "it wants twice its limit: {held:?}");
    assert_eq!((plain.throttled, plain.oom_events), (None, Some(0)));
}

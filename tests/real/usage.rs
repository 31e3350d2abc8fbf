//! Usage as a real Prometheus tells it.

mod access;
mod faults;
mod found;
mod recorded;

use std::path::Path;

use jiff::Timestamp;
use tailor::{
    clock::Clock,
    resources::NanoCpu,
    sim::real::{Assets, PrometheusOptions, PrometheusServer},
    tls,
    usage::prometheus::{Prometheus, Settings},
};
use tempfile::TempDir;

use crate::support::assets;

/// It scrapes nothing.
const IDLE: &str = "global: { scrape_interval: 1s }\n";

/// A query of which every Prometheus knows the answer, without data: one container that uses a quarter of a core.
const QUARTER: &str = r#"label_replace(label_replace(label_replace(vector(0.25), "namespace", "shop", "", ""), "pod", "web-0", "", ""), "container", "app", "", "")"#;

/// The programs, or none and a word why.
fn programs() -> Option<Assets> {
    tls::use_ring();
    assets(&["prometheus", "promtool"])
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

async fn start(assets: &Assets, folder: &Path, port: Option<u16>) -> PrometheusServer {
    let options = PrometheusOptions { config: IDLE.to_owned(), port, ..PrometheusOptions::default() };
    PrometheusServer::start(assets, folder, options).await.unwrap_or_else(|error| panic!("{error}"))
}

fn source(server: &PrometheusServer, settings: Settings, clock: Clock) -> Prometheus {
    Prometheus::new(&format!("http://127.0.0.1:{}", server.port()), settings, clock).unwrap()
}

/// A clock that shows `at` now.
fn clock_at(at: Timestamp) -> Clock {
    Clock::simulated(at)
}

fn quarter() -> NanoCpu {
    NanoCpu::from_cores(0.25)
}

//! `tailor controller`: fits workloads of a real cluster.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use kube::Client;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    clock::Clock,
    controller::{Controller, NoJournal, Options, Parts},
    telemetry::logs::{self, LogFormat},
    usage::{
        UsageSource,
        metrics_api::MetricsApi,
        prometheus::{Prometheus, Queries},
    },
};

/// Runs the controller, on the cluster that it runs in or that the kubeconfig names.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Reads usage from this Prometheus-compatible server instead of metrics.k8s.io.
    #[arg(long, env = "TAILOR_PROMETHEUS_URL", value_name = "URL")]
    prometheus_url: Option<String>,
    /// PromQL for CPU in cores, by namespace, pod and container, in place of the one for cAdvisor.
    #[arg(long, env = "TAILOR_PROMETHEUS_CPU_QUERY", value_name = "PROMQL", requires = "prometheus_url")]
    prometheus_cpu_query: Option<String>,
    /// PromQL for memory in bytes, by namespace, pod and container, in place of the one for cAdvisor.
    #[arg(long, env = "TAILOR_PROMETHEUS_MEMORY_QUERY", value_name = "PROMQL", requires = "prometheus_url")]
    prometheus_memory_query: Option<String>,
    /// PromQL for the throttled share of CFS periods; an empty one asks for none.
    #[arg(long, env = "TAILOR_PROMETHEUS_THROTTLED_QUERY", value_name = "PROMQL", requires = "prometheus_url")]
    prometheus_throttled_query: Option<String>,
    /// Seconds between two readings of usage.
    #[arg(long, env = "TAILOR_SAMPLE_INTERVAL", value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3_600))]
    sample_interval: u64,
    /// Watches this namespace only.
    #[arg(long, env = "TAILOR_NAMESPACE")]
    namespace: Option<String>,
    /// How log lines look.
    #[arg(long, env = "TAILOR_LOG_FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
    /// What is logged: a level, or `tailor=debug,kube=warn`.
    #[arg(long, env = "TAILOR_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

/// Runs until it is interrupted or told to end.
///
/// # Errors
/// When there is no cluster, no usable source of usage, or the controller cannot go on.
pub fn run(args: &Args) -> anyhow::Result<()> {
    logs::start(args.log_format, &args.log)?;
    // Fails only if a provider is there already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().context("cannot start the asynchronous runtime")?;
    runtime.block_on(control(args))
}

async fn control(args: &Args) -> anyhow::Result<()> {
    let client = Client::try_default().await.context("there is no cluster: set KUBECONFIG, or run in a Pod")?;
    let version = client.apiserver_version().await.context("the API server does not answer; check the kubeconfig")?;
    tracing::info!(server = %version.git_version, version = env!("CARGO_PKG_VERSION"), "tailor starts");
    let source = source(args, &client)?;
    let options = Options {
        sample_interval: Duration::from_secs(args.sample_interval),
        namespace: args.namespace.clone(),
        ..Options::default()
    };
    let parts = Parts { client, source, clock: Clock::System, journal: Arc::new(NoJournal), options };
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let shutdown = async move {
        tokio::select! {
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("tailor ends: passes that have begun are finished");
    };
    Ok(Controller::new(parts).run(shutdown).await?)
}

fn source(args: &Args, client: &Client) -> anyhow::Result<Arc<dyn UsageSource>> {
    let Some(url) = &args.prometheus_url else {
        return Ok(Arc::new(MetricsApi::new(client.clone(), Clock::System, args.namespace.as_deref())));
    };
    let defaults = Queries::default();
    let throttled = args.prometheus_throttled_query.clone().or(defaults.throttled);
    let queries = Queries {
        cpu: args.prometheus_cpu_query.clone().unwrap_or(defaults.cpu),
        memory: args.prometheus_memory_query.clone().unwrap_or(defaults.memory),
        throttled: throttled.filter(|query| !query.trim().is_empty()),
    };
    Ok(Arc::new(Prometheus::new(url, queries).context("check --prometheus-url")?))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(args: &[&str]) -> Result<Args, clap::Error> {
        Cli::try_parse_from(std::iter::once(&"tailor").chain(args)).map(|cli| cli.args)
    }

    #[test]
    fn a_query_without_a_server_and_an_endless_interval_are_refused() {
        assert!(parsed(&["--prometheus-cpu-query", "up"]).is_err());
        assert!(parsed(&["--sample-interval", "0"]).is_err());
        assert_eq!(parsed(&[]).unwrap().sample_interval, 60);
    }
}

//! `tailor controller`: fits workloads of a real cluster.

use std::{
    fs,
    hash::{BuildHasher, Hasher, RandomState},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow};
use clap::ArgAction;
use kube::{Client, Config};
use tokio::task::JoinHandle;

use super::{Failure, admission, prometheus::PrometheusArgs, signals::told_to_end};
use crate::{
    clock::Clock,
    controller::{Controller, LeaseOptions, NoJournal, Options, Parts, Timing},
    telemetry::{
        http::{self, Told},
        logs::{self, LogFormat},
    },
    tls,
    usage::{
        UsageSource,
        failover::Failover,
        metrics_api::{self, MetricsApi},
    },
    webhook,
};

/// Where the kubelet puts the namespace of a Pod's ServiceAccount; there is none outside of a cluster.
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Runs the controller, on the cluster that it runs in or that the kubeconfig names.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Takes settings from this YAML file, by the names of the flags. Flags and environment win over it.
    #[arg(long, env = "TAILOR_CONFIG", value_name = "FILE")]
    config: Option<String>,
    #[command(flatten)]
    prometheus: PrometheusArgs,
    /// While Prometheus does not answer, reads usage from metrics.k8s.io.
    #[arg(long, env = "TAILOR_FALLBACK", value_name = "BOOL", default_value_t = true)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    fallback: bool,
    /// Keeps what was learnt in VerticalResizeCheckpoints, and restores it at start.
    #[arg(long, env = "TAILOR_CHECKPOINTS", value_name = "BOOL", default_value_t = true)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    checkpoints: bool,
    /// Hours of history to read at start of what no checkpoint knows, if the server has it; 0 reads none.
    #[arg(long, env = "TAILOR_HISTORY", value_name = "HOURS", default_value_t = 72)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=336))]
    history: u64,
    /// Seconds between two readings of usage.
    #[arg(long, env = "TAILOR_SAMPLE_INTERVAL", value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3_600))]
    sample_interval: u64,
    /// Watches this namespace only.
    #[arg(long, env = "TAILOR_NAMESPACE")]
    namespace: Option<String>,
    /// Watches Nodes, to know what has room. With `false` the kubelets alone know, and no Pod is evicted.
    #[arg(long, env = "TAILOR_WATCH_NODES", value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    watch_nodes: bool,
    /// Acts only while it holds a lease, so that several can run. By default so inside a cluster, and not outside.
    #[arg(long, env = "TAILOR_LEADER_ELECT", value_name = "BOOL")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    leader_elect: Option<bool>,
    /// The namespace of the lease. By default Tailor's own, or the kubeconfig's.
    #[arg(long, env = "TAILOR_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    lease_namespace: Option<String>,
    /// The name of the lease. All who share it act in turns.
    #[arg(long, env = "TAILOR_LEASE_NAME", value_name = "NAME", default_value = "tailor")]
    lease_name: String,
    /// Seconds after which another one may take the lease over.
    #[arg(long, env = "TAILOR_LEASE_DURATION", value_name = "SECONDS", default_value_t = 15)]
    #[arg(value_parser = clap::value_parser!(u64).range(2..=600))]
    lease_duration: u64,
    /// Seconds without a renewal after which the leader writes nothing any more. Less than the duration.
    #[arg(long, env = "TAILOR_RENEW_DEADLINE", value_name = "SECONDS", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=600))]
    renew_deadline: u64,
    /// Seconds between two renewals, or two attempts to get the lease. At most half of the renew deadline.
    #[arg(long, env = "TAILOR_RETRY_PERIOD", value_name = "SECONDS", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=600))]
    retry_period: u64,
    /// Serves /livez, /readyz and /metrics here; `off` serves nothing.
    #[arg(long, env = "TAILOR_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080", value_parser = listen)]
    listen: Listen,
    /// Seconds that passes which have begun may go on after SIGTERM.
    #[arg(long, env = "TAILOR_SHUTDOWN_GRACE", value_name = "SECONDS", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=300))]
    shutdown_grace: u64,
    #[command(flatten)]
    admission: admission::Args,
    /// How log lines look.
    #[arg(long, env = "TAILOR_LOG_FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
    /// What is logged: a level, or `tailor=debug,kube=warn`.
    #[arg(long, env = "TAILOR_LOG", value_name = "FILTER", default_value = logs::DEFAULT)]
    log: String,
}

/// Where to listen, if at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listen {
    Off,
    At(SocketAddr),
}

fn listen(text: &str) -> Result<Listen, String> {
    match text {
        "off" => Ok(Listen::Off),
        _ => text.parse().map(Listen::At).map_err(|_| "write an address and a port (0.0.0.0:8080), or off".to_owned()),
    }
}

/// Runs until it is interrupted or told to end.
///
/// # Errors
/// When settings do not go together, there is no cluster, no usable source of usage, or the controller cannot go on.
pub fn run(args: &Args) -> Result<(), Failure> {
    args.check().map_err(Failure::BadInput)?;
    logs::start(args.log_format, &args.log).map_err(|error| Failure::BadInput(error.into()))?;
    tls::use_ring();
    let runtime = tokio::runtime::Runtime::new().context("cannot start the asynchronous runtime")?;
    Ok(runtime.block_on(control(args))?)
}

impl Args {
    /// What one setting asks of another.
    fn check(&self) -> anyhow::Result<()> {
        self.timing().checked().map_err(|problem| anyhow!("{problem}; see --lease-duration and those beside it"))?;
        self.prometheus.check()?;
        self.admission.check()
    }

    fn timing(&self) -> Timing {
        Timing {
            lease_duration: Duration::from_secs(self.lease_duration),
            renew_deadline: Duration::from_secs(self.renew_deadline),
            retry_period: Duration::from_secs(self.retry_period),
        }
    }

    fn options(&self, client: &Client) -> Options {
        let elect = self.leader_elect.unwrap_or(own_namespace().is_some());
        let lease = elect.then(|| LeaseOptions {
            namespace: self.lease_namespace(client),
            name: self.lease_name.clone(),
            identity: identity(),
            timing: self.timing(),
        });
        Options {
            sample_interval: Duration::from_secs(self.sample_interval),
            namespace: self.namespace.clone(),
            watch_nodes: self.watch_nodes,
            lease,
            shutdown_grace: Duration::from_secs(self.shutdown_grace),
            checkpoints: self.checkpoints,
            history: Duration::from_hours(self.history),
            new_pods: self.admission.new_pods(),
            ..Options::default()
        }
    }

    fn lease_namespace(&self, client: &Client) -> String {
        let chosen = self.lease_namespace.clone().or_else(own_namespace);
        chosen.unwrap_or_else(|| client.default_namespace().to_owned())
    }

    /// Prometheus where there is one, and else what every cluster has.
    async fn source(&self, client: &Client) -> anyhow::Result<Arc<dyn UsageSource>> {
        let (namespace, step) = (self.namespace.as_deref(), Duration::from_secs(self.sample_interval));
        let metrics_api = Arc::new(MetricsApi::new(client.clone(), Clock::System, namespace));
        let Some(prometheus) = self.prometheus.source(client, namespace, step).await? else {
            tracing::info!("usage is read from metrics.k8s.io: there is no Prometheus to ask");
            return Ok(metrics_api);
        };
        if !self.fallback {
            return Ok(prometheus);
        }
        Ok(Arc::new(Failover::new(prometheus, metrics_api, metrics_api::NAME, Clock::System)))
    }
}

/// The namespace of the Pod that this runs in, if it runs in one.
fn own_namespace() -> Option<String> {
    fs::read_to_string(OWN_NAMESPACE).ok().map(|name| name.trim().to_owned())
}

/// The Pod's name, or the machine's, and what no other process has, nor this one after a restart.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").or_else(|_| fs::read_to_string("/etc/hostname")).unwrap_or_default();
    let host = Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("tailor");
    format!("{host}_{:016x}", RandomState::new().build_hasher().finish())
}

async fn control(args: &Args) -> anyhow::Result<()> {
    let client = client().await?;
    let version = client.apiserver_version().await.context("the API server does not answer; check the kubeconfig")?;
    let (server, version, config) = (version.git_version, env!("CARGO_PKG_VERSION"), args.config.as_deref());
    tracing::info!(%server, version, config, "tailor starts");
    let (source, options) = (args.source(&client).await?, args.options(&client));
    let webhook = args.admission.webhook(&args.lease_namespace(&client), &args.lease_name);
    let parts = Parts { client: client.clone(), source, clock: Clock::System, journal: Arc::new(NoJournal), options };
    let controller = Controller::new(parts);
    let served = serve(args.listen, &controller).await?;
    let webhook = match webhook {
        Some(options) => Some(webhook::start(&controller, client, Clock::System, options).await?),
        None => None,
    };
    let told_to_end = told_to_end()?;
    let shutdown = async {
        told_to_end.await;
        tracing::info!("tailor ends: passes that have begun are finished");
    };
    let ended = controller.run(shutdown).await;
    drop(webhook);
    if let Some(served) = served {
        served.abort();
    }
    Ok(ended?)
}

/// A client that leaves it to its callers what to try again, and when: one that waits inside of a request would hold up a
/// pass for as long as a PodDisruptionBudget refuses.
async fn client() -> anyhow::Result<Client> {
    let mut config = Config::infer()
        .await
        .context("there is no cluster to be had from KUBECONFIG, ~/.kube/config or a Pod's ServiceAccount")?;
    config.default_retry = false;
    Client::try_from(config).context("cannot use the kubeconfig")
}

async fn serve(listen: Listen, controller: &Controller) -> anyhow::Result<Option<JoinHandle<()>>> {
    let Listen::At(address) = listen else { return Ok(None) };
    let listener = http::bind(address).await.with_context(|| format!("cannot listen on {address}; see --listen"))?;
    tracing::info!(address = %listener.local_addr()?, "serves /livez, /readyz and /metrics");
    let told = Told { health: controller.health(), metrics: controller.metrics() };
    Ok(Some(tokio::spawn(async move {
        if let Err(error) = http::serve(listener, told).await {
            tracing::error!(%error, "health and metrics are not served any more");
        }
    })))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::cli::settings::parsed;

    #[rstest]
    #[case::query_without_server(&["--prometheus-cpu-query", "up", "--prometheus-discovery=off"], false)]
    #[case::endless_interval(&["--sample-interval", "0"], false)]
    #[case::deadline_after_the_lease(&["--renew-deadline", "15"], false)]
    #[case::short_lease(&["--lease-duration=3", "--renew-deadline=2", "--retry-period=1"], true)]
    #[case::nowhere(&["--listen", "here"], false)]
    #[case::all_by_default(&[], true)]
    fn settings_that_do_not_go_together_are_refused(#[case] flags: &[&str], #[case] accepted: bool) {
        let checked = parsed::<Args>(flags).and_then(|args| args.check().map_err(|error| error.to_string()));
        assert_eq!(checked.is_ok(), accepted, "{checked:?}");
    }

    #[test]
    fn each_setting_has_all_three_names() {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("controller"));
        for arg in command.get_arguments() {
            let long = arg.get_long().unwrap_or_else(|| panic!("{} has no flag", arg.get_id()));
            let expected = format!("TAILOR_{}", long.replace('-', "_").to_uppercase());
            assert_eq!(arg.get_env().map(|env| env.to_string_lossy().into_owned()), Some(expected));
        }
    }

    #[test]
    fn defaults_are_safe() {
        let args = parsed::<Args>(&[]).unwrap();
        assert_eq!((args.sample_interval, args.leader_elect), (60, None));
        assert!(args.fallback && args.checkpoints);
        let off = parsed::<Args>(&["--fallback=false", "--checkpoints=false", "--history=0"]).unwrap();
        assert_eq!((off.fallback, off.checkpoints, off.history), (false, false, 0));
        assert_eq!(args.timing(), Timing::default());
        assert_eq!(parsed::<Args>(&["--leader-elect"]).unwrap().leader_elect, Some(true));
        assert_eq!(parsed::<Args>(&["--leader-elect=false", "--listen=off"]).unwrap().listen, Listen::Off);
    }

    #[test]
    fn no_two_processes_have_one_identity() {
        assert_ne!(identity(), identity());
    }
}

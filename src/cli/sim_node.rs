//! `tailor sim-node`: plays Nodes of a cluster, so that what needs Nodes can be tried where there are none.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    sync::Arc,
};

use anyhow::{Context, anyhow};
use kube::Client;

use super::{Failure, signals::told_to_end};
use crate::{
    clock::Clock,
    resources::{Bytes, MilliCpu, Resources},
    sim::{
        kubelet::{
            Latencies, Options as KubeletOptions,
            real::{self, LABEL, NodeSpec},
        },
        load::Demand,
        scenario::{Loads, Manifest, Scenario},
    },
    telemetry::logs::{self, LogFormat},
    tls,
    usage::trace::Trace,
};

/// Plays Nodes of any cluster: Pods on them run, are resized in place and use what traces say, and no container is
/// ever started. Needs a kubeconfig, or runs in a Pod. Other Nodes and their Pods are never touched.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How many Nodes to play. Without it: those of the --scenario, or one.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    nodes: Option<u32>,
    /// What the Nodes' names begin with, and whose they are: their label `sim.tailor.dev/kubelet` has this value.
    #[arg(long, default_value = "sim", value_parser = prefix)]
    prefix: String,
    /// The CPU of each Node.
    #[arg(long, default_value = "8")]
    cpu: MilliCpu,
    /// The memory of each Node.
    #[arg(long, default_value = "16Gi")]
    memory: Bytes,
    /// Takes the loads of this scenario, and its Nodes unless --nodes is given. Nothing else of it is applied.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Lets containers follow the series of this CSV file (`series,t_seconds,cpu_cores,memory_bytes`, plain or gzipped):
    /// that which their Pod's annotation `sim.tailor.dev/series` names, or that which is called as their workload. May be
    /// repeated.
    #[arg(long = "trace", value_name = "FILE")]
    traces: Vec<PathBuf>,
    /// The CPU that every other container uses.
    #[arg(long, default_value = "1m")]
    usage_cpu: MilliCpu,
    /// The memory that every other container uses.
    #[arg(long, default_value = "8Mi")]
    usage_memory: Bytes,
    /// Where the Nodes' metrics are served, each Node's on a port of its own. Whoever reaches it may read them.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// Does in a tenth of a second what takes a kubelet one to three: starting, stopping, resizing.
    #[arg(long)]
    brisk: bool,
    /// Leaves the Nodes behind at the end, as a kubelet does that is stopped.
    #[arg(long)]
    keep: bool,
    /// Decides what is left to chance: latencies, how replicas differ.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What is logged: a level, or `tailor=debug,kube=warn`.
    #[arg(long, env = "TAILOR_LOG", value_name = "FILTER", default_value = logs::DEFAULT)]
    log: String,
}

/// A name that can be a label's value and begin a Node's name.
fn prefix(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let bounded = text.starts_with(|c: char| c.is_ascii_lowercase()) && !text.ends_with('-') && text.len() <= 40;
    let good = bounded && text.chars().all(plain);
    good.then(|| text.to_owned()).ok_or_else(|| "write a short name: lower-case letters, digits and hyphens".to_owned())
}

/// Plays the Nodes until it is told to end.
///
/// # Errors
/// [`Failure::BadInput`] before anything has been done; [`Failure::Failed`] otherwise.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let options = options(args).map_err(Failure::BadInput)?;
    logs::start(LogFormat::Text, &args.log).map_err(|error| Failure::BadInput(error.into()))?;
    tls::use_ring();
    let runtime = tokio::runtime::Runtime::new().context("cannot start the asynchronous runtime")?;
    Ok(runtime.block_on(play(args, options, out))?)
}

fn options(args: &Args) -> anyhow::Result<real::Options> {
    let scenario = args.scenario.as_deref().map(Scenario::open).transpose()?;
    let mut loads = scenario.as_ref().map_or_else(Loads::default, |scenario| (*scenario.loads).clone());
    for file in &args.traces {
        loads.follow(&Trace::open(file)?, args.usage_memory);
    }
    loads.otherwise(Demand { cpu: args.usage_cpu.nano(), memory: args.usage_memory });
    let nodes = match (args.nodes, &scenario) {
        (None, Some(scenario)) => of_scenario(scenario)?,
        (count, _) => numbered(args, count.unwrap_or(1)),
    };
    let load = Arc::new(Arc::new(loads).seeded(Clock::System.now(), args.seed));
    let latencies = if args.brisk { Latencies::brisk() } else { Latencies::default() };
    Ok(real::Options {
        seed: args.seed,
        kubelets: KubeletOptions { latencies, ..KubeletOptions::default() },
        address: args.address,
        ..real::Options::new(args.prefix.clone(), nodes, load)
    })
}

fn numbered(args: &Args, count: u32) -> Vec<NodeSpec> {
    let size = Resources::new(args.cpu, args.memory);
    (1..=count).map(|number| NodeSpec::new(format!("{}-{number}", args.prefix), size)).collect()
}

fn of_scenario(scenario: &Scenario) -> anyhow::Result<Vec<NodeSpec>> {
    let nodes = scenario.manifests.iter().filter(|manifest| manifest.kind() == "Node");
    let nodes: Vec<_> = nodes.map(of_manifest).collect::<anyhow::Result<_>>()?;
    if nodes.is_empty() {
        return Err(anyhow!("the scenario has no Node; say how many to play with --nodes"));
    }
    Ok(nodes)
}

fn of_manifest(manifest: &Manifest) -> anyhow::Result<NodeSpec> {
    let unreadable = || format!("{}: cannot read {}", manifest.place_of(""), manifest.object());
    let node: k8s_openapi::api::core::v1::Node =
        serde_json::from_value(manifest.value.clone()).with_context(unreadable)?;
    let status = node.status.unwrap_or_default();
    let amounts = status.allocatable.or(status.capacity).unwrap_or_default();
    let size = Resources::from_list(&amounts).with_context(unreadable)?;
    let labels = node.metadata.labels.unwrap_or_default();
    let pods = amounts.get("pods").and_then(|pods| pods.0.parse().ok());
    let plain = NodeSpec::new(manifest.name(), size);
    Ok(NodeSpec { labels, pods: pods.unwrap_or(plain.pods), ..plain })
}

async fn play(args: &Args, options: real::Options, out: &mut dyn Write) -> anyhow::Result<()> {
    let client = Client::try_default().await.context("there is no cluster: set KUBECONFIG, or run in a Pod")?;
    let version = client.apiserver_version().await.context("the API server does not answer; check the kubeconfig")?;
    // From here on nothing ends without cleaning up.
    let told_to_end = told_to_end()?;
    let names: Vec<_> = options.nodes.iter().map(|node| node.name.clone()).collect();
    let kubelets = real::spawn(client, options).await?;
    let (count, names, server) = (names.len(), names.join(", "), &version.git_version);
    let greeting = format!("playing {count} Nodes of a cluster of {server} ({LABEL}={}): {names}\n", args.prefix);
    if let Err(error) = out.write_all(greeting.as_bytes()).and_then(|()| out.flush()) {
        tracing::warn!(%error, "nobody reads what is said here");
    }
    tokio::select! {
        biased;
        () = told_to_end => {}
        () = kubelets.ended() => return Err(anyhow!("the kubelets ended by themselves; this is a bug, please report it")),
    }
    if args.keep {
        return Ok(());
    }
    kubelets.withdraw().await.context("Nodes may be left behind; delete them with kubectl")?;
    tracing::info!("the Nodes are deleted");
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::cli::settings;

    fn parsed(args: &[&str]) -> Result<Args, String> {
        settings::parsed(args)
    }

    #[rstest]
    #[case("sim", true)]
    #[case("sim-2", true)]
    #[case("Sim", false)]
    #[case("sim-", false)]
    #[case("2sim", false)]
    #[case("", false)]
    fn a_prefix_can_begin_a_name(#[case] text: &str, #[case] taken: bool) {
        assert_eq!(parsed(&["--prefix", text]).is_ok(), taken);
    }

    #[test]
    fn nodes_are_numbered_or_those_of_the_scenario() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.yaml");
        let node = "apiVersion: v1\nkind: Node\nmetadata: {name: large, labels: {pool: a}}\nstatus: {allocatable: {cpu: \
                    \"4\", memory: 8Gi, pods: \"20\"}}\n";
        let scenario = "---\napiVersion: sim.tailor.dev/v1alpha1\nkind: Scenario\nspec: {duration: 1h}\n";
        std::fs::write(&file, format!("{node}{scenario}")).unwrap();
        let file = file.to_str().unwrap();

        let nodes = options(&parsed(&["--scenario", file]).unwrap()).unwrap().nodes;
        let size = Resources::new(MilliCpu(4_000), Bytes::mib(8 * 1_024));
        assert_eq!((nodes[0].name.as_str(), nodes[0].size, nodes[0].pods), ("large", size, 20));
        assert_eq!(nodes[0].labels["pool"], "a");

        let nodes = options(&parsed(&["--scenario", file, "--nodes", "2", "--cpu", "2"]).unwrap()).unwrap().nodes;
        let names: Vec<_> = nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!((names, nodes[0].size.cpu), (vec!["sim-1", "sim-2"], Some(MilliCpu(2_000))));
    }
}

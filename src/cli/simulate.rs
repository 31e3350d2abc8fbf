//! `tailor simulate`: runs the controller on an embedded cluster.

mod serve;

use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Failure, signals::told_to_end};
use crate::{
    api::Period,
    sim::{
        cluster::{self, Progress},
        real::Assets,
        report::{Report, collect::Outcome, html, table},
        scenario::{self, Scenario},
    },
};

/// Runs the real controller on an embedded cluster that replays recorded usage, in simulated time.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A scenario: a file of Kubernetes manifests and one `Scenario` document, or the name of one that comes with Tailor:
    /// `default` (a day of five recorded systems) or `playground` (Nodes that wait for your workloads). Without it,
    /// `default` is run; with --serve, `playground`.
    #[arg(value_name = "SCENARIO", conflicts_with = "traces")]
    scenario: Option<PathBuf>,
    /// Makes a workload for each series of this CSV file (`series,t_seconds,cpu_cores,memory_bytes`, plain or gzipped).
    /// Each gets the size of one who has not measured: twice its peak, rounded up to a usual size. May be repeated.
    #[arg(long = "trace", value_name = "FILE")]
    traces: Vec<PathBuf>,
    /// Decides what is left to chance: names, latencies, how replicas differ. The same seed gives the same result.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long to simulate, such as 24h or 90m, instead of as long as the scenario says. With --trace: at most that.
    #[arg(long, value_parser = period)]
    duration: Option<Period>,
    /// What to write: a table, JSON, or one HTML file with charts.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    /// Writes to this file instead of the standard output.
    #[arg(long, value_name = "PATH")]
    output_file: Option<PathBuf>,
    /// On which cluster to run it: one that is part of Tailor, in simulated time, or a real control plane (built by
    /// `make rig`, or found by KUBEBUILDER_ASSETS) with simulated Nodes, as fast as the scenario's `timeScale` says.
    #[arg(long, value_enum, default_value_t, conflicts_with = "address")]
    cluster: ClusterKind,
    #[command(flatten)]
    serve: serve::ServeArgs,
}

/// What a report is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For a terminal.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For a browser.
    Html,
}

/// What a scenario is run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum ClusterKind {
    /// The embedded cluster.
    #[default]
    Embedded,
    /// etcd, kube-apiserver, kube-controller-manager and kube-scheduler.
    Real,
}

fn period(text: &str) -> Result<Period, String> {
    let period: Period = serde_json::from_value(text.into()).map_err(|error| error.to_string())?;
    if period.length().is_zero() {
        Err("nothing can happen in no time: write 24h or 90m".to_owned())
    } else {
        Ok(period)
    }
}

/// Reads and checks everything first, then runs, then writes the report.
///
/// # Errors
/// [`Failure::BadInput`] before anything has run or been written; [`Failure::Failed`] otherwise.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let scenario = scenario(args).map_err(Failure::BadInput)?;
    check_output(args).map_err(Failure::BadInput)?;
    let runtime = || cluster::runtime().context("cannot start the asynchronous runtime");
    runtime()?.block_on(cluster::rehearse(&scenario)).map_err(|error| Failure::BadInput(error.into()))?;
    let began = Instant::now();
    let bar = bar(scenario.duration);
    let mut tell = |progress: Progress| show(&bar, progress);
    let outcome = match args.serve.address {
        _ if args.cluster == ClusterKind::Real => real(&scenario, args.seed, &mut tell),
        Some(address) => serve::run(&args.serve, address, (scenario, args.seed), &mut *greeting(args, out), &mut tell),
        None => runtime()?
            .block_on(cluster::run(&scenario, args.seed, &mut tell))
            .map_err(|error| Failure::Failed(error.into())),
    };
    bar.finish_and_clear();
    let mut outcome = outcome?;
    outcome.wall = began.elapsed();
    Ok(write(args, &outcome.report(), out)?)
}

fn real(scenario: &Scenario, seed: u64, tell: &mut dyn FnMut(Progress)) -> Result<Outcome, Failure> {
    let assets = Assets::find().map_err(|error| Failure::BadInput(error.into()))?;
    let missing = || Failure::BadInput(anyhow!("there is no real control plane; `make rig` builds one"));
    let interrupted = || async {
        match told_to_end() {
            Ok(told) => told.await,
            // Nobody can tell then, but by ending the process.
            Err(_) => std::future::pending().await,
        }
    };
    let outcome = cluster::real::run(&assets.ok_or_else(missing)?, scenario, seed, interrupted, tell);
    outcome.map_err(|error| Failure::Failed(error.into()))
}

/// Where it is told how to reach the cluster: not where a program reads the report.
fn greeting<'a>(args: &Args, out: &'a mut dyn Write) -> Box<dyn Write + 'a> {
    if args.output == Output::Table || args.output_file.is_some() { Box::new(out) } else { Box::new(io::stderr()) }
}

fn scenario(args: &Args) -> anyhow::Result<Scenario> {
    let at_most = args.duration.map(Period::length);
    let mut scenario =
        if args.traces.is_empty() { named(args)? } else { Scenario::from_traces(&args.traces, at_most)? };
    match at_most {
        Some(_) if !args.traces.is_empty() => {}
        Some(at_most) => scenario.duration = at_most,
        None if args.serve.address.is_some() => scenario.duration = serve::ENDLESS,
        None => {}
    }
    if scenario.sample_interval > scenario.duration {
        let interval = scenario.sample_interval;
        return Err(anyhow!("--duration is shorter than the {interval:?} between two samples; make it longer"));
    }
    Ok(scenario)
}

/// A file goes before a scenario of that name that comes with Tailor.
fn named(args: &Args) -> Result<Scenario, scenario::Error> {
    let otherwise = if args.serve.address.is_some() { "playground" } else { "default" };
    let path = args.scenario.as_deref().unwrap_or(Path::new(otherwise));
    let named = || path.to_str().filter(|_| args.scenario.is_none() || !path.exists()).and_then(Scenario::named);
    named().unwrap_or_else(|| Scenario::open(path))
}

/// A run should not be for nothing.
fn check_output(args: &Args) -> anyhow::Result<()> {
    let Some(path) = &args.output_file else { return Ok(()) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if path.is_dir() || folder.is_some_and(|folder| !folder.is_dir()) {
        return Err(anyhow!("cannot write {}; name a file in a folder that exists", path.display()));
    }
    Ok(())
}

fn write(args: &Args, report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    let coloured = args.output_file.is_none() && io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let text = match args.output {
        Output::Table => table::render(report, coloured),
        Output::Json => report.json()?,
        Output::Html => html::render(report)?,
    };
    match &args.output_file {
        Some(path) => fs::write(path, text).with_context(|| format!("cannot write {}", path.display())),
        None => Ok(out.write_all(text.as_bytes())?),
    }
}

/// Drawn only where standard error is a terminal.
fn bar(duration: Duration) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(duration.as_secs()), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{prefix} {bar:40.green} {percent:>3} %  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─"));
    bar
}

fn show(bar: &ProgressBar, progress: Progress) {
    let Progress { simulated, resizes, evictions, oom_kills } = progress;
    let (hours, minutes) = (simulated.as_secs() / 3_600, simulated.as_secs() / 60 % 60);
    bar.set_prefix(format!("{hours:>3}:{minutes:02}"));
    bar.set_message(format!("{resizes} resizes, {evictions} evictions, {oom_kills} OOM kills"));
    bar.set_position(simulated.as_secs());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::settings;

    fn parsed(args: &[&str]) -> Result<Args, String> {
        settings::parsed(args)
    }

    #[test]
    fn a_scenario_and_traces_exclude_each_other_and_no_time_is_refused() {
        assert!(parsed(&["a.yaml", "--trace", "b.csv"]).is_err());
        assert!(parsed(&["--duration", "0s"]).is_err());
        assert!(parsed(&["--duration", "-1h"]).is_err());
        let args = parsed(&["--trace", "a.csv", "--trace", "b.csv", "--duration", "1h30m", "-o", "html"]).unwrap();
        assert_eq!((args.traces.len(), args.output), (2, Output::Html));
        assert_eq!(args.duration, Some(Period::minutes(90)));
    }
}

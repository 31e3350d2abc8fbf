//! `tailor simulate --serve`: the embedded cluster, open to kubectl.

use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow};

use crate::{
    cli::{Failure, signals::told_to_end},
    sim::{
        cluster::Progress,
        report::collect::Outcome,
        scenario::Scenario,
        serve::{self, Error, Playground, Served},
    },
    telemetry::logs::{self, LogFormat},
};

/// Ten years: until somebody ends it.
pub(super) const ENDLESS: Duration = Duration::from_hours(10 * 365 * 24);
/// By this first line we know our own file, and overwrite no other.
const OURS: &str = "# Written by `tailor simulate --serve`, which overwrites it.\n";

/// How the cluster is served.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// Serves the cluster's API over HTTP on this loopback address, such as 127.0.0.1:8001, for kubectl and any other
    /// client. Time is real then, and goes on until Ctrl-C, or for as long as --duration says. Port 0 takes a free one.
    #[arg(long = "serve", value_name = "ADDRESS", value_parser = address)]
    pub(super) address: Option<SocketAddr>,
    /// How many times as fast as real time.
    #[arg(long, requires = "address", default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Where to write the kubeconfig. A file that is not from here is not overwritten.
    #[arg(long, value_name = "PATH", requires = "address", default_value = "tailor.kubeconfig")]
    kubeconfig: PathBuf,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    let address: SocketAddr = numeric.parse().map_err(|_| "write an address and a port: 127.0.0.1:8001".to_owned())?;
    if address.ip().is_loopback() { Ok(address) } else { Err(Error::NotLoopback { address }.to_string()) }
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.01..=100_000.0).contains(speed));
    speed.ok_or_else(|| "write how many times as fast as real time: 1, 60, 0.5".to_owned())
}

/// Serves the cluster until it is told to end, and says on `out` how to reach it.
pub(super) fn run(
    args: &ServeArgs,
    address: SocketAddr,
    (scenario, seed): (Scenario, u64),
    out: &mut dyn Write,
    tell: &mut dyn FnMut(Progress),
) -> Result<Outcome, Failure> {
    check_ours(&args.kubeconfig).map_err(Failure::BadInput)?;
    // What a scenario's user may not do is told, and nothing more that has no place in a report.
    logs::start(LogFormat::Text, "warn").map_err(anyhow::Error::from)?;
    let runtime = serve::runtime().context("cannot start the asynchronous runtime")?;
    runtime.block_on(async {
        let playground = match Playground::open(scenario, seed, address, args.speed).await {
            Err(error @ Error::Listen { .. }) => return Err(Failure::BadInput(error.into())),
            opened => opened.map_err(anyhow::Error::from)?,
        };
        greet(playground.served(), &args.kubeconfig, out)?;
        Ok(playground.run(told_to_end()?, tell).await.map_err(anyhow::Error::from)?)
    })
}

/// Somebody's real kubeconfig must not be lost to a slip.
fn check_ours(path: &Path) -> anyhow::Result<()> {
    match fs::read_to_string(path) {
        Ok(text) if text.starts_with(OURS) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) => Err(anyhow!("{} is there, and is not from here; name another file with --kubeconfig", path.display())),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn greet(served: &Served, path: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let written = fs::write(path, format!("{OURS}{}", served.kubeconfig()));
    written.with_context(|| format!("cannot write {}; name another file with --kubeconfig", path.display()))?;
    let path = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
    writeln!(out, "The cluster is served on http://{} until Ctrl-C. In another terminal:\n", served.address())?;
    writeln!(out, "  export KUBECONFIG={}", quoted(&path.display().to_string()))?;
    writeln!(out, "  kubectl get nodes,pods,vrp --all-namespaces\n")?;
    Ok(out.flush()?)
}

/// As a shell reads it back.
fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_alphanumeric() || "/._-+@:,".contains(c));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("127.0.0.1:8001", true)]
    #[case("localhost:0", true)]
    #[case("[::1]:8001", true)]
    #[case("0.0.0.0:8001", false)]
    #[case("192.168.0.1:8001", false)]
    #[case("8001", false)]
    fn only_loopback_addresses_are_taken(#[case] text: &str, #[case] taken: bool) {
        assert_eq!(address(text).is_ok(), taken, "{:?}", address(text));
    }

    #[rstest]
    #[case("60", true)]
    #[case("0.5", true)]
    #[case("0", false)]
    #[case("-1", false)]
    #[case("inf", false)]
    #[case("fast", false)]
    fn time_goes_forward_at_some_speed(#[case] text: &str, #[case] taken: bool) {
        assert_eq!(speed(text).is_ok(), taken);
    }

    #[test]
    fn a_kubeconfig_of_others_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        assert!(check_ours(&path).is_ok(), "there is none yet");
        fs::write(&path, OURS).unwrap();
        assert!(check_ours(&path).is_ok(), "that is ours");
        fs::write(&path, "apiVersion: v1\nkind: Config\n").unwrap();
        let error = check_ours(&path).unwrap_err().to_string();
        assert!(error.contains("--kubeconfig"), "{error}");
    }

    #[test]
    fn a_path_is_quoted_only_where_a_shell_needs_it() {
        assert_eq!(quoted("/home/a/tailor.kubeconfig"), "/home/a/tailor.kubeconfig");
        assert_eq!(quoted("/home/it's here"), r"'/home/it'\''s here'");
    }
}

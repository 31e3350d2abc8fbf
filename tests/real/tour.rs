//! The commands of docs/tour.md, run as they stand there.

use std::{
    env, fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use regex::Regex;
use tailor::sim::{cluster, real::Assets, scenario::Scenario};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::support::assets;

/// How long something may take to come true.
const DEADLINE: Duration = Duration::from_secs(60);
/// What only looks may be asked again.
const LOOKS: [&str; 4] = ["get", "events", "explain", "describe"];

/// A command and what its output has to look like.
#[derive(Debug, PartialEq)]
struct Step {
    command: String,
    lines: Vec<String>,
}

impl Step {
    /// Whether the lines appear in `output`, in order; `...` stands for anything, and how much space there is does not
    /// matter.
    fn is_shown_by(&self, output: &str) -> bool {
        let mut output = output.lines().map(squeezed);
        self.lines.iter().all(|line| {
            let parts: Vec<String> = line.split("...").map(|part| regex::escape(&squeezed(part))).collect();
            let pattern = Regex::new(&format!("^{}$", parts.join(".*"))).unwrap();
            output.any(|line| pattern.is_match(&line))
        })
    }

    fn only_looks(&self) -> bool {
        self.command.split_whitespace().nth(1).is_some_and(|verb| LOOKS.contains(&verb))
    }
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// All `$` lines of the `console` blocks of a page, each with the lines that follow it.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut within = false;
    for line in page.lines() {
        match (line, line.strip_prefix("$ ")) {
            ("```console", _) => within = true,
            ("```", _) => within = false,
            (_, Some(command)) if within => steps.push(Step { command: command.to_owned(), lines: Vec::new() }),
            _ if within => steps.last_mut().expect("a block begins with a command").lines.push(line.to_owned()),
            _ => {}
        }
    }
    steps
}

/// Runs every step with the rig's kubectl, from the root of the repository, as a reader would.
async fn take(assets: &Assets, kubeconfig: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let steps = steps(&fs::read_to_string(root.join("docs/tour.md")).unwrap());
    assert!(steps.len() > 15, "the page has lost its commands");
    let path = format!("{}:{}", assets.path("").display(), env::var("PATH").unwrap_or_default());
    for step in steps {
        let began = Instant::now();
        loop {
            let mut command = Command::new("sh");
            command.args(["-c", &step.command]).current_dir(root).env("PATH", &path).env("KUBECONFIG", kubeconfig);
            let output = command.output().await.unwrap();
            let shown = [output.stdout, output.stderr].concat();
            let shown = String::from_utf8_lossy(&shown);
            if step.is_shown_by(&shown) {
                break;
            }
            let gives_up = !step.only_looks() || began.elapsed() > DEADLINE;
            assert!(!gives_up, "$ {}\nshould show\n{}\nbut shows\n{shown}", step.command, step.lines.join("\n"));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

#[tokio::test]
async fn the_tour_goes_as_it_is_told_on_the_embedded_cluster() {
    let Some(assets) = assets(&["kubectl"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
    command.args(["simulate", "--serve", "127.0.0.1:0", "--speed", "60", "--kubeconfig"]).arg(&kubeconfig);
    let mut cluster = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    // It says where it is when it is there.
    let mut lines = BufReader::new(cluster.stdout.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().expect("it is served until it is ended").contains("KUBECONFIG") {}
    take(&assets, &kubeconfig).await;
    cluster.kill().await.unwrap();
}

#[test]
fn the_tour_goes_as_it_is_told_on_a_real_cluster() {
    let Some(assets) = assets(&["kubectl", "kube-controller-manager", "kube-scheduler"]) else { return };
    let mut scenario = Scenario::named("playground").expect("it comes with Tailor").expect("it is right");
    scenario.time_scale = 60.0;
    let guest = async |visit: cluster::real::Visit<'_>| take(&assets, visit.kubeconfig).await;
    cluster::real::visit(&assets, &scenario, 1, guest).unwrap_or_else(|error| panic!("{error:?}"));
}

#[test]
fn a_step_is_shown_by_its_lines_in_order_with_anything_for_the_dots() {
    let page = "text\n```console\n$ kubectl get pods\nNAME ... AGE\nweb-...   1/1\n$ kubectl delete pod x\n```\n$ no\n";
    let steps = steps(page);
    assert_eq!(
        steps.iter().map(|step| step.command.as_str()).collect::<Vec<_>>(),
        ["kubectl get pods", "kubectl delete pod x"]
    );
    assert!(steps[0].only_looks() && !steps[1].only_looks());
    assert!(steps[0].is_shown_by("NAME   READY   AGE\nother 1/1\nweb-1234 1/1\n"));
    assert!(!steps[0].is_shown_by("web-1234 1/1\nNAME READY AGE"), "the order matters");
    assert!(!steps[0].is_shown_by("NAME READY AGE\nweb-1234 0/1"));
}

//! `tailor simulate --serve` as somebody with kubectl uses it. Without kubectl these tests are skipped, and say so.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rstest::rstest;
use tailor::{resources::MilliCpu, sim::real::Assets};
use tempfile::TempDir;

/// How long something may take to come true on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app
        image: web:1
        ports: [{containerPort: 80}]
        resources: {requests: {cpu: \"1\", memory: 1Gi}, limits: {cpu: \"2\", memory: 2Gi}}
";
const POLICY: &str = "
apiVersion: autoscaling.tailor.dev/v1alpha1
kind: VerticalResizePolicy
metadata: {name: web}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  update: {scaleDownStabilization: 1m}
";

/// A served playground. Its process ends with it.
struct Playground {
    process: Child,
    stdout: BufReader<std::process::ChildStdout>,
    folder: TempDir,
    kubectl: PathBuf,
}

impl Drop for Playground {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn kubectl() -> Option<PathBuf> {
    let assets = Assets::find().unwrap_or_else(|error| panic!("{error}"));
    let found = assets.filter(|assets| assets.has("kubectl")).map(|assets| assets.path("kubectl"));
    if found.is_none() {
        // Past the capture of output, which hides what a test that passes prints.
        let why = "skipped: there is no kubectl; `make rig` builds one, or set KUBEBUILDER_ASSETS";
        let _ = writeln!(std::io::stderr(), "{why}");
    }
    found
}

/// Serves the playground scenario at sixty times real time, when there is a kubectl.
fn playground() -> Option<Playground> {
    let kubectl = kubectl()?;
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let mut process = Command::new(env!("CARGO_BIN_EXE_tailor"))
        .args(["simulate", "--serve", "127.0.0.1:0", "--speed", "60"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cargo has built it");
    let mut stdout = BufReader::new(process.stdout.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains("export KUBECONFIG=") {
        line.clear();
        assert_ne!(stdout.read_line(&mut line).expect("text"), 0, "it ended before it was served");
    }
    let kubeconfig = folder.path().canonicalize().expect("it was just made").join("tailor.kubeconfig");
    assert!(line.contains(kubeconfig.to_str().expect("a path of text")) && kubeconfig.is_file(), "{line}");
    Some(Playground { process, stdout, folder, kubectl })
}

impl Playground {
    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(self.folder.path().join("tailor.kubeconfig"));
        command.arg("--cache-dir").arg(self.folder.path().join("cache")).args(arguments.split(' '));
        command
    }

    /// Runs kubectl to its end. Gives whether it went well, and all that it said.
    fn try_run(&self, arguments: &str) -> (bool, String) {
        let output = self.command(arguments).output().expect("kubectl starts");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    fn run(&self, arguments: &str) -> String {
        let (well, said) = self.try_run(arguments);
        assert!(well, "kubectl {arguments}: {said}");
        said
    }

    /// Runs kubectl with a file that holds `manifests` as its last argument.
    fn try_run_with(&self, arguments: &str, manifests: &str) -> (bool, String) {
        let file = tempfile::NamedTempFile::new_in(self.folder.path()).expect("the folder is writable");
        std::fs::write(file.path(), manifests).expect("the folder is writable");
        self.try_run(&format!("{arguments} -f {}", file.path().display()))
    }

    fn run_with(&self, arguments: &str, manifests: &str) -> String {
        let (well, said) = self.try_run_with(arguments, manifests);
        assert!(well, "kubectl {arguments}: {said}");
        said
    }

    /// Asks until the answer is what is waited for.
    fn until(&self, arguments: &str, holds: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let (_, said) = self.try_run(arguments);
            if holds(&said) {
                return said;
            }
            assert!(began.elapsed() < DEADLINE, "kubectl {arguments}: {said}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The workload of these tests, once it is there.
    fn with_web(self) -> Self {
        self.run_with("apply", WEB);
        self.run("wait deployment/web --for=condition=Available --timeout=60s");
        self.run("wait pod -l app=web --for=condition=Ready --timeout=60s");
        self
    }

    /// The name of one of its Pods.
    fn pod(&self) -> String {
        self.run("get pods -l app=web -o jsonpath={.items[0].metadata.name}")
    }
}

/// An amount of CPU in thousandths of a core.
fn millis(text: &str) -> Option<u64> {
    text.parse::<MilliCpu>().ok().map(|cpu| cpu.0)
}

/// The words of a line.
fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn lists_have_the_columns_of_a_real_server() {
    let Some(play) = playground() else { return };
    let play = play.with_web();
    play.run_with("apply", POLICY);
    let nodes = play.run("get nodes -o wide");
    let columns = "NAME STATUS ROLES AGE VERSION INTERNAL-IP EXTERNAL-IP OS-IMAGE KERNEL-VERSION CONTAINER-RUNTIME";
    assert_eq!(words(nodes.lines().next().unwrap()).join(" "), columns);
    let pods = play.run("get pods");
    let mut lines = pods.lines();
    assert_eq!(words(lines.next().unwrap()), ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]);
    assert_eq!(words(lines.next().unwrap())[1..4], ["1/1", "Running", "0"]);
    let policies = play.until("get vrp", |said| said.contains("True"));
    let mut lines = policies.lines().map(words);
    assert_eq!(lines.next().unwrap(), ["NAME", "STRATEGY", "TARGET", "CPU", "MEMORY", "READY", "AGE"]);
    assert_eq!(lines.next().unwrap()[..3], ["web", "InPlaceOrRecreate", "web"]);
}

#[test]
fn a_watch_prints_a_row_for_each_change() {
    let Some(play) = playground() else { return };
    let mut watch = play.command("get configmaps --watch --no-headers").stdout(Stdio::piped()).spawn().unwrap();
    let mut rows = BufReader::new(watch.stdout.take().unwrap()).lines();
    // Each is made when the row of the one before has come, so none may be kept back.
    for name in ["one", "two", "three"] {
        play.run(&format!("create configmap {name} --from-literal=a=b"));
        let row = rows.next().unwrap().unwrap();
        assert_eq!(words(&row)[..2], [name, "1"]);
    }
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn a_workload_is_fitted_in_place_and_says_so() {
    let Some(play) = playground() else { return };
    let play = play.with_web();
    let pod = play.pod();
    play.run_with("apply", POLICY);
    let request = format!("get pod {pod} -o jsonpath={{.spec.containers[0].resources.requests.cpu}}");
    play.until(&request, |said| millis(said).is_some_and(|cpu| cpu < 400));
    play.until(&format!("events --for pod/{pod}"), |said| said.contains("Oversized"));
    let described = play.run(&format!("describe pod {pod}"));
    assert!(described.contains("Oversized") && described.contains("80/TCP"), "{described}");
    // What a Pod says of itself goes before the playground's load, and at once.
    play.run("annotate pods -l app=web sim.tailor.dev/cpu=1500m");
    play.until(&request, |said| millis(said).is_some_and(|cpu| cpu > 1_400));
}

#[test]
fn a_resize_by_hand_is_carried_out_or_refused_with_the_reason() {
    let Some(play) = playground() else { return };
    let play = play.with_web();
    let pod = play.pod();
    let patch = |cpu: &str| {
        format!(
            "patch pod {pod} --subresource resize -p \
             {{\"spec\":{{\"containers\":[{{\"name\":\"app\",\"resources\":{{\"requests\":{{\"cpu\":\"{cpu}\"}}}}}}]}}}}"
        )
    };
    play.run(&patch("500m"));
    let actual = format!("get pod {pod} -o jsonpath={{.status.containerStatuses[0].resources.requests.cpu}}");
    play.until(&actual, |said| said == "500m");
    let (well, said) = play.try_run(&patch("3"));
    assert!(!well && said.contains("must be less than or equal to cpu limit"), "{said}");
}

#[test]
fn a_second_apply_changes_what_differs_and_keeps_the_rest() {
    let Some(play) = playground() else { return };
    let play = play.with_web();
    assert!(play.run_with("apply", WEB).contains("unchanged"));
    // Had the server not told how lists merge, this container would take the place of the first one's fields.
    let second = WEB.replace("image: web:1", "image: web:2").replace("ports: [{containerPort: 80}]", "ports: []");
    assert!(play.run_with("diff", WEB).is_empty());
    assert!(play.run_with("apply", &second).contains("configured"));
    let container = play.run("get deployment web -o jsonpath={.spec.template.spec.containers[*].image}");
    assert_eq!(container, "web:2");
    play.run("rollout status deployment/web --timeout=60s");
    let applied = play.run_with("apply --server-side --force-conflicts", &second);
    assert_eq!(applied.trim(), "deployment.apps/web serverside-applied", "no warning comes with it");
}

#[rstest]
#[case::by_default("apply", false)]
#[case::as_a_warning("apply --validate=warn", true)]
#[case::not_at_all("apply --validate=ignore", true)]
fn unknown_fields_are_refused_told_or_dropped(#[case] arguments: &str, #[case] is_taken: bool) {
    let Some(play) = playground() else { return };
    for manifest in [WEB.replace("replicas: 2", "replcas: 2"), POLICY.replace("update:", "updat:")] {
        let (well, said) = play.try_run_with(arguments, &manifest);
        assert_eq!(well, is_taken, "{said}");
        let tells = said.contains("unknown field \"spec.replcas\"") || said.contains("unknown field \"spec.updat\"");
        assert_eq!(tells, !arguments.ends_with("ignore"), "{said}");
    }
}

#[rstest]
#[case("vrp", "Fits the CPU and memory")]
#[case("vrp.spec.update", "scaleDownStabilization\t<string>")]
#[case("pod.spec.containers.resources", "limits\t<map[string]Quantity>")]
#[case("deployment.spec.strategy", "rollingUpdate\t<RollingUpdateDeployment>")]
fn every_kind_is_explained(#[case] path: &str, #[case] expected: &str) {
    let Some(play) = playground() else { return };
    let said = play.run(&format!("explain {path}"));
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_node_is_drained_as_far_as_budgets_allow() {
    let Some(play) = playground() else { return };
    let play = play.with_web();
    play.run("create poddisruptionbudget web --selector=app=web --min-available=1");
    let node = play.run("get pods -l app=web -o jsonpath={.items[0].spec.nodeName}");
    play.run(&format!("drain {node} --timeout=60s"));
    let left = play.run(&format!("get pods --field-selector spec.nodeName={node} -o name"));
    assert_eq!(left, "");
    assert!(play.run(&format!("get node {node}")).contains("Ready,SchedulingDisabled"));
}

#[rstest]
#[case("create namespace shop", "get namespace shop")]
#[case("create deployment api --image=api:1 --replicas=2 --port=80", "rollout status deployment/api --timeout=60s")]
#[case("create quota q --hard=pods=10", "describe quota q")]
#[case("run lone --image=lone:1", "wait pod/lone --for=condition=Ready --timeout=60s")]
#[case("auth can-i delete pods", "auth whoami")]
#[case("api-resources --api-group=autoscaling.tailor.dev", "version")]
fn commands_that_send_protobuf_or_ask_about_the_server_work(#[case] first: &str, #[case] second: &str) {
    let Some(play) = playground() else { return };
    play.run(first);
    play.run(second);
}

#[test]
fn ending_it_prints_the_report_of_what_was_played() {
    let Some(play) = playground() else { return };
    let mut play = play.with_web();
    play.run_with("apply", POLICY);
    play.until("get vrp", |said| said.contains("True"));
    let ended = Command::new("kill").arg("-TERM").arg(play.process.id().to_string()).status().unwrap();
    assert!(ended.success());
    let mut report = String::new();
    play.stdout.read_to_string(&mut report).unwrap();
    assert!(play.process.wait().unwrap().success());
    assert!(report.contains("playground: ") && report.contains("web "), "{report}");
}

#[test]
fn a_deployment_is_rolled_back_to_what_it_was() {
    let Some(play) = playground() else { return };
    play.run("create deployment web --image=web:1");
    play.run("set image deployment/web web=web:2");
    play.run("rollout status deployment/web");
    let history = play.run("rollout history deployment/web");
    let revisions: Vec<_> = history.lines().skip(2).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(revisions, ["1", "2"], "{history}");
    play.run("rollout undo deployment/web");
    play.run("rollout status deployment/web");
    let image = "get deployment web -o jsonpath={.spec.template.spec.containers[0].image}";
    assert_eq!(play.run(image), "web:1");
    assert!(play.run("rollout history deployment/web").contains("\n3 "));
}

#[test]
fn a_daemon_set_runs_on_cordoned_nodes_too() {
    let Some(play) = playground() else { return };
    let nodes = play.run("get nodes -o name");
    play.run(&format!("cordon {}", nodes.lines().next().expect("a Node")));
    let set = "{\"apiVersion\":\"apps/v1\",\"kind\":\"DaemonSet\",\"metadata\":{\"name\":\"agent\"},\"spec\":{\"selector\":\
               {\"matchLabels\":{\"app\":\"agent\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"agent\"}},\"spec\":\
               {\"containers\":[{\"name\":\"agent\",\"image\":\"agent:1\"}]}}}}";
    play.run_with("apply", set);
    play.run("rollout status daemonset/agent --timeout=60s");
}

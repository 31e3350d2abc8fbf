//! What the user gives wrong is named with its place, ends with exit code 2, and nothing is run or written.

use std::{fs, path::Path};

use assert_cmd::Command;
use rstest::rstest;

const NODE: &str = "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\n";
const HEAD: &str = "apiVersion: sim.tailor.dev/v1alpha1\nkind: Scenario\nspec: {duration: 1h}\n";

/// Runs `simulate` in `folder`, which must fail for bad input; gives what it says on standard error.
fn refused(folder: &Path, args: &[&str]) -> String {
    let out = folder.join("out.json");
    let mut command = Command::cargo_bin("tailor").expect("cargo builds it for tests");
    let run = command.current_dir(folder).args(["simulate", "--output", "json", "--output-file", "out.json"]);
    let output = run.args(args).output().expect("it can be started");
    let error = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(output.stdout.is_empty() && !out.exists(), "something was written");
    error
}

fn refused_scenario(text: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("f.yaml"), text).expect("it can be written");
    refused(folder.path(), &["f.yaml"])
}

fn policy(spec: &str) -> String {
    format!(
        "{HEAD}{NODE}---\napiVersion: autoscaling.tailor.dev/v1alpha1\nkind: VerticalResizePolicy\nmetadata: {{name: p, \
         namespace: default}}\nspec:\n  selector: {{}}\n{spec}"
    )
}

#[rstest]
#[case::unknown_field("  stratgy: Off\n", &["f.yaml, line 14 (document 3)", "VerticalResizePolicy default/p", "stratgy"])]
#[case::unknown_nested("  update:\n    minChange: 3\n", &["line 15 (document 3)", "spec.update.minChange"])]
#[case::min_above_max(
    "  containers:\n  - {name: app, min: {cpu: 2}, max: {cpu: 1}}\n",
    &["(document 3)", "min.cpu must not be above max.cpu"]
)]
#[case::memory_min_above_max(
    "  containers:\n  - {name: app, min: {memory: 2Gi}, max: {memory: 1Gi}}\n",
    &["(document 3)", "min.memory must not be above max.memory"]
)]
#[case::both_targets(
    "  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n",
    &["(document 3)", "set exactly one of targetRef and selector"]
)]
#[case::no_such_strategy("  strategy: Sometimes\n", &["f.yaml, line 14 (document 3)", "Sometimes", "\"Off\", \"Initial\""])]
#[case::no_strategy_but_a_boolean("  strategy: false\n", &["f.yaml, line 14 (document 3)", "quote it, as \"Off\""])]
#[case::no_length_of_time("  update: {deferredTimeout: soon}\n", &["(document 3)", "such as 90s, 10m or 1h30m"])]
fn a_bad_policy_is_refused(#[case] spec: &str, #[case] expected: &[&str]) {
    let error = refused_scenario(&policy(spec));
    assert!(expected.iter().all(|words| error.contains(words)), "{error}");
    assert!(!error.contains("<nil>"), "{error}");
}

#[rstest]
#[case::unknown_field("kind: Scenario\nspec: {length: 1h}\n", &["f.yaml, line 3 (document 1)", "unknown field `length`"])]
#[case::not_yaml("kind: Scenario\nspec: {length: [1h\n", &["f.yaml, line", "(document 1)"])]
fn a_bad_scenario_is_refused(#[case] text: &str, #[case] expected: &[&str]) {
    let error = refused_scenario(&format!("apiVersion: sim.tailor.dev/v1alpha1\n{text}"));
    assert!(expected.iter().all(|words| error.contains(words)), "{error}");
}

#[rstest]
#[case::unknown_kind("apiVersion: apps/v1\nkind: Deploymint\nmetadata: {name: a}\n", &["line 9", "serves no Deploymint"])]
#[case::unknown_field("apiVersion: v1\nkind: Node\nmetadata: {name: a}\nspecs: {}\n", &["(document 3)", "specs"])]
#[case::bad_name("apiVersion: v1\nkind: Namespace\nmetadata: {name: A_B}\n", &["(document 3)", "Namespace A_B"])]
fn a_bad_manifest_is_refused_by_the_api_server(#[case] manifest: &str, #[case] expected: &[&str]) {
    let error = refused_scenario(&format!("{HEAD}{NODE}---\n{manifest}"));
    assert!(expected.iter().all(|words| error.contains(words)), "{error}");
}

/// A Deployment whose one container asks for this; `labels` are those of its Pods.
fn deployment(labels: &str, resources: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: default}}\nspec:\n  selector: \
         {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {labels}}}\n    spec:\n      containers:\n      \
         - name: app\n        image: i\n        resources: {resources}\n"
    )
}

const LARGE: &str =
    "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {allocatable: {cpu: \"4\", memory: 8Gi}}\n";

#[rstest]
#[case::no_quantity("{requests: {cpu: one}}", &["f.yaml, line 21 (document 3)", "resources.requests.cpu: `one` is not a quantity; write 250m"])]
#[case::negative("{requests: {cpu: \"-1\"}}", &["f.yaml, line 21 (document 3)", "Deployment.apps \"web\" is invalid", "must be greater than or equal to 0"])]
#[case::limit_below_request("{requests: {cpu: 2}, limits: {cpu: 1}}", &["f.yaml, line 21 (document 3)", "must be less than or equal to cpu limit of 1"])]
#[case::larger_than_any_node("{requests: {cpu: 5}}", &["f.yaml, line 18 (document 3)", "requests cpu 5", "the largest has cpu 4, memory 8Gi; request less"])]
fn a_workload_that_could_never_run_is_refused(#[case] resources: &str, #[case] expected: &[&str]) {
    let error = refused_scenario(&format!("{HEAD}{LARGE}---\n{}", deployment("{app: web}", resources)));
    assert!(expected.iter().all(|words| error.contains(words)), "{error}");
}

#[test]
fn a_selector_that_misses_its_own_pods_is_refused() {
    let error = refused_scenario(&format!("{HEAD}{LARGE}---\n{}", deployment("{app: api}", "{}")));
    assert!(error.contains("line 16 (document 3)") && error.contains("`selector` does not match template"), "{error}");
}

#[test]
fn workloads_without_any_node_are_refused() {
    let error = refused_scenario(&format!("{HEAD}---\n{}", deployment("{app: web}", "{}")));
    assert!(error.contains("(document 2)") && error.contains("the scenario has none; add a manifest"), "{error}");
}

#[test]
fn pods_that_a_limit_range_forbids_are_refused_wherever_it_stands() {
    let range = "---\napiVersion: v1\nkind: LimitRange\nmetadata: {name: most, namespace: default}\nspec: {limits: \
                 [{type: Container, max: {cpu: 1}}]}\n";
    let web = deployment("{app: web}", "{requests: {cpu: 2}, limits: {cpu: 2}}");
    let error = refused_scenario(&format!("{HEAD}{LARGE}---\n{web}{range}"));
    assert!(error.contains("the Pods of Deployment default/web") && error.contains("maximum cpu usage"), "{error}");
}

#[test]
fn what_an_event_applies_is_judged_before_anything_runs() {
    let event = "spec:\n  duration: 1h\n  events:\n  - at: 30m\n    apply:\n      apiVersion: v1\n      kind: Node\n      \
                 metadata: {name: n2}\n      specs: {}\n";
    let error = refused_scenario(&format!("apiVersion: sim.tailor.dev/v1alpha1\nkind: Scenario\n{event}"));
    assert!(error.contains("f.yaml, line 11 (document 1)") && error.contains("specs"), "{error}");
}

#[rstest]
#[case::nan("web,0,NaN,1\n", "t.csv, line 2, column cpu_cores: `NaN` is not a finite number")]
#[case::negative("web,0,-1,1\n", "t.csv, line 2, column cpu_cores: `-1` is negative")]
#[case::unordered("web,60,1,1\nweb,0,1,1\n", "t.csv, line 3, column t_seconds: 0 comes after 60")]
#[case::duplicate("web,60,1,1\nweb,60,1,1\n", "t.csv, line 3, column t_seconds: series `web` has a row at 60 already")]
#[case::missing("web,60,,1\n", "t.csv, line 2, column cpu_cores: the value is missing")]
#[case::empty("", "t.csv has no rows")]
fn a_bad_trace_is_refused(#[case] rows: &str, #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), format!("series,t_seconds,cpu_cores,memory_bytes\n{rows}")).unwrap();
    let error = refused(folder.path(), &["--trace", "t.csv"]);
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_bad_trace_of_a_scenario_is_named_with_the_place_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), "series,t_seconds,cpu_cores,memory_bytes\nweb,0,inf,1\n").unwrap();
    let load = "spec:\n  loads:\n  - workload: {kind: Pod, name: a}\n    trace: {file: t.csv, series: web}\n";
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: i}]}\n";
    let head = "apiVersion: sim.tailor.dev/v1alpha1\nkind: Scenario\n";
    fs::write(folder.path().join("f.yaml"), format!("{head}{load}{pod}")).unwrap();
    let error = refused(folder.path(), &["f.yaml"]);
    assert!(error.contains("f.yaml, line 6 (document 1)"), "{error}");
    assert!(error.contains("t.csv, line 2, column cpu_cores"), "{error}");
}

#[rstest]
#[case::a_trace(&["web.csv"], "run it with `tailor simulate --trace web.csv`")]
#[case::scenario(&["absent.yaml"], "cannot read scenario absent.yaml")]
#[case::folder(&["."], "cannot read scenario .")]
#[case::trace(&["--trace", "absent.csv"], "cannot read trace absent.csv")]
#[case::duration(&["--duration", "soon"], "--duration")]
#[case::shorter_than_a_sample(&["--duration", "5s"], "--duration is shorter than")]
#[case::output_folder(&["--output-file", "absent/out.json"], "cannot write absent/out.json")]
#[case::unknown_flag(&["--sead", "1"], "--sead")]
fn what_cannot_be_read_or_written_is_said_at_once(#[case] args: &[&str], #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let output =
        Command::cargo_bin("tailor").unwrap().current_dir(&folder).arg("simulate").args(args).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains(expected) && output.stdout.is_empty(), "{error}");
}

#[test]
fn a_real_cluster_needs_its_programs() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::cargo_bin("tailor").unwrap();
    command.env("KUBEBUILDER_ASSETS", folder.path()).args(["simulate", "--cluster", "real", "--duration", "10m"]);
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("KUBEBUILDER_ASSETS") && error.contains("make rig"), "{error}");
}

#[rstest]
#[case::trace(&["--trace", "absent.csv"], "cannot read trace absent.csv")]
#[case::scenario(&["--scenario", "absent.yaml"], "cannot read scenario absent.yaml")]
#[case::prefix(&["--prefix", "Mine"], "lower-case letters")]
#[case::no_nodes(&["--nodes", "0"], "--nodes")]
fn nodes_are_not_played_from_bad_input(#[case] args: &[&str], #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::cargo_bin("tailor").unwrap();
    let output = command.current_dir(&folder).arg("sim-node").args(args).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains(expected) && output.stdout.is_empty(), "{error}");
}

#[test]
fn without_a_cluster_no_node_is_played_and_the_cure_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::cargo_bin("tailor").unwrap();
    command.env("KUBECONFIG", folder.path().join("absent")).env("HOME", folder.path()).arg("sim-node");
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("set KUBECONFIG"), "{error}");
}

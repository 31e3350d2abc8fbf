use std::{fs, path::Path, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rstest::rstest;

use super::*;
use crate::{
    resources::{Bytes, MilliCpu, NanoCpu},
    sim::load::{Demand, Load, LoadKey},
    usage::trace::Trace,
};

const MANIFESTS: &str = r"
---
apiVersion: v1
kind: Node
metadata: {name: n1}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      containers: [{name: app}, {name: log}]
---
apiVersion: v1
kind: Pod
metadata: {name: lone}
spec: {containers: [{name: only}], initContainers: [{name: once}, {name: side, restartPolicy: Always}]}
";

/// A file whose first document is a Scenario with this spec; its first line is line 4 of the file.
fn parse(spec: &str) -> Result<Scenario, String> {
    let head = "apiVersion: sim.tailor.dev/v1alpha1\nkind: Scenario\nspec:\n";
    Scenario::parse("f.yaml", &format!("{head}{spec}{MANIFESTS}"), Path::new("/nowhere"))
        .map_err(|error| error.to_string())
}

fn web(load: &str) -> String {
    format!("  loads:\n  - {{namespace: shop, workload: {{kind: Deployment, name: web}}, {load}}}\n")
}

#[rstest]
#[case::top_level("  durations: 3h\n", "f.yaml, line 4 (document 1), column 3: unknown field `durations`")]
#[case::load("  loads:\n  - cpu: 1\n", "line 5 (document 1), column 5: unknown field `cpu`")]
#[case::trace("  loads:\n  - workload: {kind: A, name: b}\n    trace: {series: x,\n      url: y}\n", "line 7")]
#[case::startup("  loads:\n  - startup: {cpu: 1, seconds: 3}\n", "unknown field `seconds`")]
#[case::event("  events:\n  - at: 1h\n    patch: {}\n", "line 6 (document 1), column 5: unknown field `patch`")]
#[case::fault("  faults:\n  - nodeBurns: {}\n", "line 5 (document 1), column 5: unknown variant `nodeBurns`")]
#[case::fault_field("  faults:\n  - kubeletRestarts: {node: n1, at: 1h, x: 1}\n", "unknown field `x`")]
#[case::missing("  loads:\n  - constant: {cpu: 1, memory: 1}\n", "missing field `workload`; add it")]
#[case::duration("  duration: soon\n", "line 4 (document 1), column 13: `soon` is not a length of time: write 90s")]
#[case::no_duration("  duration: 0s\n", "line 4 (document 1): duration must be above zero")]
#[case::no_interval("  sampleInterval: 1ms\n", "line 4 (document 1): sampleInterval must be at least 1s")]
#[case::quantity("  loads:\n  - constant: {cpu: lots, memory: 1}\n", "`lots` is not a quantity")]
#[case::start("  start: yesterday\n", "line 4")]
#[case::steps_late("STEPS[{at: 1h, cpu: 1, memory: 1}]", "the first step must be at 0s")]
#[case::steps_none("STEPS[]", "the first step must be at 0s")]
#[case::steps_unsorted(
    "STEPS[{at: 0s, cpu: 1, memory: 1}, {at: 1h, cpu: 1, memory: 1}, {at: 1h, cpu: 1, memory: 1}]",
    "each later than the last"
)]
#[case::delete_unknown(
    "  events:\n  - {at: 1h, delete: {apiVersion: v1, kind: Pod, name: x}}\n",
    "nothing creates Pod"
)]
#[case::event_of_nothing("  events:\n  - {at: 1h}\n", "line 5 (document 1): an event does one thing")]
#[case::fault_node("  faults:\n  - kubeletRestarts: {node: n2, at: 1h}\n", "the scenario has no Node `n2`")]
#[case::fault_workload("  faults:\n  - resizeNeverFinishes: {workload: web}\n", "the scenario has no workload `web`")]
#[case::pressure("  faults:\n  - nodePressure: {node: n1, from: 2h, until: 1h}\n", "`until` (1h) must be after")]
fn a_mistake_in_the_scenario_is_named_with_its_place(#[case] spec: &str, #[case] expected: &str) {
    let spec = match spec.strip_prefix("STEPS") {
        Some(steps) => web(&format!("container: app, steps: {steps}")),
        None => spec.to_owned(),
    };
    let error = parse(&spec).unwrap_err();
    assert!(error.contains(expected) && error.contains("f.yaml, line "), "{error}");
}

#[rstest]
#[case::shapeless("container: app", "exactly one of `trace`, `constant` and `steps`")]
#[case::two_shapes("container: app, constant: {cpu: 1, memory: 1}, steps: []", "exactly one of `trace`")]
#[case::container(
    "container: db, constant: {cpu: 1, memory: 1}",
    "`db` given, but Deployment shop/web has `app` and `log`"
)]
#[case::which("constant: {cpu: 1, memory: 1}", "no name given, but Deployment shop/web has `app` and `log`")]
#[case::bundled(
    "container: app, trace: {bundled: mine, series: x}",
    "no trace `mine` comes with Tailor; there are `crane`"
)]
#[case::series(
    "container: app, trace: {bundled: crane, series: x}",
    "the trace has no series `x`; it has `crane-input12`"
)]
#[case::no_memory("container: app, trace: {bundled: crane, series: crane-input4}", "has no memory; say what to use")]
#[case::both("container: app, trace: {bundled: crane, file: x.csv, series: x}", "exactly one of `bundled` and `file`")]
#[case::file("container: app, trace: {file: x.csv, series: x}", "cannot use the trace")]
#[case::scale("container: app, cpuScale: -1, trace: {bundled: crane, series: x}", "cpuScale must be a finite number")]
#[case::nan("container: app, cpuScale: .nan, trace: {bundled: crane, series: x}", "non-finite float `.nan`")]
fn a_load_that_makes_no_sense_is_refused(#[case] load: &str, #[case] expected: &str) {
    let error = parse(&web(load)).unwrap_err();
    assert!(error.contains(expected) && error.contains("f.yaml, line 5 (document 1)"), "{error}");
}

#[test]
fn the_items_of_a_list_are_manifests() {
    let list = "---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Node\n  metadata: {name: a}\n- apiVersion: \
                v1\n  kind: Node\n  metadata: {name: b}\n";
    let head = "apiVersion: sim.tailor.dev/v1alpha1\nkind: Scenario\nspec: {}\n";
    let scenario = Scenario::parse("f.yaml", &format!("{head}{list}"), Path::new("")).unwrap();
    let names: Vec<_> = scenario.manifests.iter().map(|m| (m.name(), m.place_of("metadata.name").line)).collect();
    assert_eq!(names, [("a", 10), ("b", 13)]);
}

#[test]
fn a_load_for_an_unknown_workload_is_refused() {
    let error = parse("  loads:\n  - workload: {kind: Deployment, name: web}\n    constant: {cpu: 1, memory: 1}\n");
    let error = error.unwrap_err();
    assert!(error.contains("the scenario has no Deployment default/web; add its manifest"), "{error}");
}

#[test]
fn two_loads_for_one_container_are_refused() {
    let load = "{workload: {kind: Pod, name: lone}, container: only, constant: {cpu: 1, memory: 1}}";
    let error = parse(&format!("  loads:\n  - {load}\n  - {load}\n")).unwrap_err();
    assert!(error.contains("line 6") && error.contains("has a load already"), "{error}");
}

#[test]
fn a_sidecar_may_have_a_load_and_a_container_that_ends_may_not() {
    let load = |container| {
        let workload = "workload: {kind: Pod, name: lone}";
        parse(&format!("  loads:\n  - {{{workload}, container: {container}, constant: {{cpu: 1, memory: 1}}}}\n"))
    };
    assert!(load("side").is_ok());
    assert!(load("once").unwrap_err().contains("has `only` and `side`"));
}

#[rstest]
#[case::none("kind: Pod\n", "no Scenario document; add one with `apiVersion: sim.tailor.dev/v1alpha1, kind: Scenario`")]
#[case::other_version("apiVersion: v1\nkind: Scenario\n", "must be `sim.tailor.dev/v1alpha1`")]
#[case::two(
    "apiVersion: sim.tailor.dev/v1alpha1\nkind: Scenario\n---\napiVersion: sim.tailor.dev/v1alpha1\nkind: Scenario\n",
    "line 4 (document 2): a second Scenario"
)]
#[case::twice(
    "apiVersion: sim.tailor.dev/v1alpha1\nkind: Scenario\nspec: {}\n---\napiVersion: v1\nkind: Node\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Node\nmetadata: {name: a}\n",
    "line 11 (document 3): Node a is on line 7 already"
)]
#[case::nameless(
    "apiVersion: sim.tailor.dev/v1alpha1\nkind: Scenario\nspec: {}\n---\napiVersion: v1\nkind: Node\n",
    "`metadata.name`"
)]
fn a_file_has_one_scenario_and_each_object_once(#[case] text: &str, #[case] expected: &str) {
    let error = Scenario::parse("f.yaml", text, Path::new("")).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

fn key<'a>(pod: &'a str, container: &'a str, started: Timestamp) -> LoadKey<'a> {
    LoadKey { namespace: "shop", workload: "web", pod, container, series: None, started }
}

#[test]
fn steps_hold_until_the_next_and_startup_comes_on_top() {
    let steps = "[{at: 0s, cpu: 100m, memory: 1Mi}, {at: 1h, cpu: 200m, memory: 2Mi}]";
    let spec = web(&format!("container: app, startup: {{cpu: 1, duration: 90s}}, steps: {steps}"));
    let scenario = parse(&spec).unwrap();
    let start = scenario.start;
    let at = |seconds: i64| start + jiff::SignedDuration::from_secs(seconds);
    let load = scenario.loads.seeded(start, 1);
    let key = key("web-1", "app", at(3_590));
    let cores = |seconds| load.demand(&key, at(seconds)).cpu.cores();
    assert_eq!([cores(3_590), cores(3_600), cores(3_679), cores(3_680)], [1.1, 1.2, 1.2, 0.2]);
    assert_eq!(load.next_change(&key, at(3_590)), Some(at(3_600)));
    assert_eq!(load.next_change(&key, at(3_600)), Some(at(3_680)));
    assert_eq!(load.next_change(&key, at(3_680)), None);
    assert_eq!(load.demand(&LoadKey { container: "log", ..key }, at(0)), Demand::default());
}

#[test]
fn a_container_without_a_load_uses_the_default_load() {
    let steps = "[{at: 0s, cpu: 100m, memory: 1Mi}]";
    let spec = format!("  defaultLoad: {{cpu: 2, memory: 3Mi}}\n{}", web(&format!("container: app, steps: {steps}")));
    let scenario = parse(&spec).unwrap();
    let start = scenario.start;
    let load = scenario.loads.seeded(start, 1);
    let cores =
        |container, workload| load.demand(&LoadKey { workload, ..key("p", container, start) }, start).cpu.cores();
    assert_eq!([cores("app", "web"), cores("log", "web"), cores("app", "new")], [0.1, 2.0, 2.0]);
}

#[test]
fn a_pod_follows_the_series_that_it_asks_for_or_that_which_is_called_as_its_workload() {
    let rows = "series,t_seconds,cpu_cores,memory_bytes\nweb,60,0.5,1\nother,60,2,1\n";
    let trace = Trace::parse("t.csv", rows.as_bytes()).unwrap();
    let mut loads = Loads::default();
    loads.follow(&trace, Bytes(0));
    loads.otherwise(Demand { cpu: MilliCpu(7_000).nano(), memory: Bytes(0) });
    let start = Timestamp::UNIX_EPOCH;
    let load = Arc::new(loads).seeded(start, 1);
    let cores = |workload, series| {
        let key = LoadKey { workload, series, ..key("p", "app", start) };
        load.demand(&key, start + SignedDuration::from_secs(30)).cpu.cores()
    };
    let close = |cores: f64, expected: f64| (cores / expected - 1.0).abs() < 0.03;
    assert!(close(cores("web", None), 0.5) && close(cores("web", Some("other")), 2.0));
    assert_eq!(cores("api", None), 7.0);
}

#[test]
fn bundled_scenarios_are_found_by_name() {
    for (name, _) in BUNDLED_SCENARIOS {
        let scenario = Scenario::named(name).unwrap().unwrap();
        assert!(scenario.manifests.iter().any(|manifest| manifest.kind() == "Node"), "{name}");
    }
    assert!(Scenario::named("nothing").is_none());
}

fn recorded(rows: &str, seed: u64) -> (load::SeededLoads, Timestamp) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), format!("series,t_seconds,cpu_cores,memory_bytes\n{rows}")).unwrap();
    let spec = web("container: app, cpuScale: 2, memory: 5, trace: {file: t.csv, series: s}");
    let head = "apiVersion: sim.tailor.dev/v1alpha1\nkind: Scenario\nspec:\n";
    let scenario = Scenario::parse("f.yaml", &format!("{head}{spec}{MANIFESTS}"), folder.path()).unwrap();
    (scenario.loads.seeded(scenario.start, seed), scenario.start)
}

#[test]
fn a_trace_repeats_and_its_memory_holds_where_it_was_not_measured() {
    let (load, start) = recorded("s,60,1,\ns,120,2,70\ns,180,3,\n", 7);
    let key = key("web-1", "app", start);
    let minute = |minute: i64| start + jiff::SignedDuration::from_mins(minute) + jiff::SignedDuration::from_secs(30);
    let seen = |at: i64| load.demand(&key, minute(at));
    let whole = |demand: Demand| (demand.cpu.cores().round() as u64, demand.memory.0);
    assert_eq!([0, 1, 2, 3, 4].map(seen).map(whole), [(2, 70), (4, 70), (6, 70), (2, 70), (4, 70)]);
}

#[test]
fn next_change_is_where_the_demand_changes() {
    let (load, start) = recorded("s,60,1,\ns,120,2,70\ns,180,3,\n", 7);
    let key = key("web-1", "app", start);
    let mut at = start;
    for _ in 0..9 {
        let next = load.next_change(&key, at).unwrap();
        let before = next - jiff::SignedDuration::from_nanos(1);
        assert_eq!(load.demand(&key, at), load.demand(&key, before));
        assert_ne!(load.demand(&key, before), load.demand(&key, next));
        at = next;
    }
    assert!(at.duration_since(start) >= jiff::SignedDuration::from_mins(8), "three rounds of three rows");
}

#[test]
fn replicas_differ_a_little_and_by_seed_only() {
    let rows = "s,60,1,9\ns,120,2,9\n";
    let cpu = |seed, pod: &str| {
        let (load, start) = recorded(rows, seed);
        load.demand(&key(pod, "app", start), start + jiff::SignedDuration::from_secs(45)).cpu
    };
    assert_eq!(cpu(1, "web-1"), cpu(1, "web-1"));
    assert_ne!(cpu(1, "web-1"), cpu(1, "web-2"));
    assert_ne!(cpu(1, "web-1"), cpu(2, "web-1"));
    for pod in ["a", "b", "c", "d", "e"] {
        let NanoCpu(cpu) = cpu(3, pod);
        assert!((1_960_000_000..=2_040_000_000).contains(&cpu), "{cpu}");
    }
}

#[test]
fn traces_become_workloads_sized_without_looking_twice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("odd \"name\".csv");
    let rows = "Web API,0,0.06,\nWeb API,60,0.03,\nweb_api,0,7,9000000000\nweb_api,60,1,1\n";
    fs::write(&file, format!("series,t_seconds,cpu_cores,memory_bytes\n{rows}")).unwrap();
    let scenario = Scenario::from_traces(&[file], None).unwrap();
    let deployments: Vec<_> = scenario.manifests.iter().filter(|m| m.kind() == "Deployment").collect();
    let request = |index: usize| {
        let resources = &deployments[index].value["spec"]["template"]["spec"]["containers"][0]["resources"];
        (resources["requests"]["cpu"].as_str().map(str::to_owned), resources["requests"]["memory"].clone())
    };
    assert_eq!([deployments[0].name(), deployments[1].name()], ["web-api", "web-api-2"]);
    assert_eq!(request(0), (Some("250m".to_owned()), "256Mi".into()));
    assert_eq!(request(1).1, "32Gi");
    assert_eq!(scenario.duration, Duration::from_secs(120));
    let start = scenario.start;
    let load = scenario.loads.seeded(start, 1);
    let key =
        LoadKey { namespace: "default", workload: "web-api", pod: "p", container: "app", series: None, started: start };
    assert_eq!(load.demand(&key, start).memory, Bytes::mib(128));
}

#[rstest]
#[case("1")]
#[case("1e3")]
#[case("true")]
#[case("null")]
#[case("0x1f")]
fn a_series_may_be_called_as_yaml_calls_a_value(#[case] name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.csv");
    fs::write(&file, format!("series,t_seconds,cpu_cores,memory_bytes\n{name},0,1,1\n")).unwrap();
    let scenario = Scenario::from_traces(&[file], None).unwrap();
    let deployment = scenario.manifests.iter().find(|m| m.kind() == "Deployment").unwrap();
    assert_eq!(deployment.name(), name);
    assert_eq!(deployment.value["spec"]["selector"]["matchLabels"]["app"], name);
}

#[test]
fn a_run_from_traces_is_as_long_as_the_longest_or_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.csv");
    fs::write(&file, "series,t_seconds,cpu_cores,memory_bytes\na,0,1,1\na,60,1,1\nb,0,1,1\n").unwrap();
    let length = |at_most| Scenario::from_traces(&[&file], at_most).unwrap().duration;
    assert_eq!(length(None), Duration::from_secs(120));
    assert_eq!(length(Some(Duration::from_secs(90))), Duration::from_secs(90));
    assert_eq!(length(Some(Duration::from_hours(9))), Duration::from_secs(120));
}

#[test]
fn the_default_scenario_replays_every_bundled_series() {
    let scenario = Scenario::bundled().unwrap();
    assert!(scenario.duration >= Duration::from_hours(24));
    let named: Vec<_> = BUNDLED_TRACES
        .iter()
        .flat_map(|(name, bytes)| {
            let trace = crate::usage::trace::Trace::parse(name, bytes).unwrap();
            trace.series().map(|(series, _)| format!("bundled: {name}, series: {series}}}")).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(named.len(), 44);
    let missing: Vec<_> = named.iter().filter(|reference| !DEFAULT_SCENARIO.contains(reference.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let _: Arc<Loads> = scenario.loads;
}

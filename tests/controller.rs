//! The controller against the embedded API server, with Pods and usage made by hand: what is sent, and what is not.

#[cfg(test)]
#[path = "controller/rig.rs"]
mod rig;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use rig::{Rig, cores, minutes, one_small_pod, web_policy};
use rstest::rstest;
use serde_json::{Value, json};
use tailor::controller::Action;

#[tokio::test(start_paused = true)]
async fn a_pod_that_uses_more_than_it_has_is_resized_by_a_patch_of_what_changes_alone() {
    let rig = one_small_pod(&json!({})).await;
    rig.uses("web-a", cores(0.5), 32);
    rig.wait(minutes(5)).await;
    let patches = rig.requests("PATCH", "/pods/web-a/resize");
    let [patch] = &patches[..] else { panic!("one resize is enough: {patches:?}") };
    let container = &patch["spec"]["containers"][0];
    assert_eq!(patch["spec"].as_object().unwrap().keys().collect::<Vec<_>>(), ["containers"]);
    assert_eq!(container["name"], "app");
    assert_eq!(container["resources"].as_object().unwrap().keys().collect::<Vec<_>>(), ["requests"]);
    assert_eq!(container["resources"]["requests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["cpu"]);
    assert!(rig.cpu_request("web-a").await > 500);
    let entries = rig.journal();
    assert_eq!(entries.iter().map(|entry| entry.action).collect::<Vec<_>>(), [Action::Resize]);
    assert!(entries[0].message.starts_with("app: cpu 100m -> "), "{}", entries[0].message);
    let events = rig.events("web-a").await;
    assert_eq!(events, [("Resize".to_owned(), "Normal".to_owned())]);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_done_stands_in_the_status() {
    let rig = one_small_pod(&json!({})).await;
    rig.uses("web-a", cores(0.5), 32);
    rig.wait(minutes(5)).await;
    rig.settle("web-a").await;
    rig.wait(minutes(5)).await;
    let status = rig.status("fit").await;
    assert_eq!(rig::condition(&status, "Ready"), Some(("True", "Fitting")), "{status}");
    assert_eq!(rig::condition(&status, "Reconciling"), None);
    assert_eq!(
        status["pods"],
        json!({ "total": 1, "fitted": 1, "inProgress": 0, "deferred": 0, "infeasible": 0, "error": 0, "evicted": 0, "waiting": 0 })
    );
    assert_eq!(status["lastAction"]["action"], "Resize");
    let workload = &status["workloads"][0];
    assert_eq!((&workload["kind"], &workload["name"]), (&json!("Deployment"), &json!("web")));
    let container = &workload["containers"][0];
    assert_eq!(container["current"]["memory"], "64Mi");
    assert_eq!(container["clamps"], json!([{ "resource": "memory", "reason": "NotControlled" }]));
    assert!(container["target"]["cpu"].is_string() && container["target"].get("memory").is_none(), "{container}");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_workload_that_fits_is_never_written_to() {
    let rig = one_small_pod(&json!({})).await;
    rig.uses("web-a", cores(0.5), 32);
    rig.wait(minutes(5)).await;
    rig.settle("web-a").await;
    rig.wait(minutes(120)).await;
    let before = rig.writes();
    rig.wait(minutes(24 * 60)).await;
    assert_eq!(rig.writes(), before);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn equal_passes_write_the_status_once() {
    let rig = one_small_pod(&json!({ "strategy": "Off" })).await;
    rig.uses("web-a", cores(0.5), 32);
    rig.wait(minutes(1)).await;
    let written = rig.requests("PATCH", "/fit/status").len();
    // A pass for each of these.
    for value in 0..5 {
        rig.label("web", &value.to_string()).await;
        rig.wait(Duration::from_secs(5)).await;
    }
    assert_eq!(rig.requests("PATCH", "/fit/status").len(), written);
    assert_eq!(rig.requests("PATCH", "/resize").len(), 0);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_target_is_a_condition_until_it_appears() {
    let rig = Rig::start().await;
    rig.policy("fit", &web_policy(&json!({}))).await;
    rig.wait(minutes(1)).await;
    let status = rig.status("fit").await;
    assert_eq!(rig::condition(&status, "Ready"), Some(("False", "TargetNotFound")));
    assert!(rig::message(&status, "Ready").contains("Deployment shop/web"), "{status}");
    rig.wait(minutes(60)).await;
    assert_eq!(rig.events("fit").await, [("Reconcile".to_owned(), "Warning".to_owned())], "told once");
    rig.deployment("web").await;
    rig.wait(Duration::from_secs(5)).await;
    assert_eq!(rig::condition(&rig.status("fit").await, "Ready"), Some(("False", "NoSamples")));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_does_not_exist_is_a_missing_target() {
    let rig = Rig::start().await;
    let target = json!({ "apiVersion": "example.com/v1", "kind": "Fleet", "name": "web" });
    rig.policy("fit", &json!({ "targetRef": target })).await;
    rig.wait(minutes(1)).await;
    assert_eq!(rig::condition(&rig.status("fit").await, "Ready"), Some(("False", "TargetNotFound")));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_policies_the_younger_stands_back_until_the_older_is_gone() {
    let rig = one_small_pod(&json!({})).await;
    rig.wait(minutes(1)).await;
    rig.policy("a-younger", &json!({ "selector": {}, "strategy": "Off" })).await;
    rig.uses("web-a", cores(0.5), 32);
    rig.wait(minutes(5)).await;
    let younger = rig.status("a-younger").await;
    assert_eq!(rig::condition(&younger, "Ready"), Some(("False", "Conflict")));
    assert!(rig::message(&younger, "Ready").contains("older policy fit"), "{younger}");
    assert_eq!(rig.requests("PATCH", "/resize").len(), 1);
    rig.delete_policy("fit").await;
    rig.wait(Duration::from_secs(5)).await;
    assert_eq!(rig::condition(&rig.status("a-younger").await, "Ready"), Some(("True", "Fitting")));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_its_node_cannot_hold_is_never_evicted_in_place() {
    let rig = one_small_pod(&json!({ "strategy": "InPlace" })).await;
    rig.node("huge", "64").await;
    rig.uses("web-a", cores(6.0), 32);
    rig.wait(minutes(2)).await;
    rig.settle("web-a").await;
    rig.wait(minutes(120)).await;
    assert_eq!(rig.cpu_request("web-a").await, 4_000, "what the Node can hold");
    assert_eq!(rig.requests("POST", "/eviction").len(), 0);
    assert_eq!(rig.status("fit").await["pods"]["infeasible"], 1);
    assert_eq!(rig.journal().iter().filter(|entry| entry.action == Action::Infeasible).count(), 1, "told once");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_its_node_cannot_hold_is_evicted_by_uid_once() {
    let rig = one_small_pod(&json!({})).await;
    rig.node("huge", "64").await;
    rig.uses("web-a", cores(6.0), 32);
    rig.wait(minutes(120)).await;
    let evictions = rig.requests("POST", "/pods/web-a/eviction");
    let [eviction] = &evictions[..] else { panic!("{evictions:?}") };
    let uid = &eviction["deleteOptions"]["preconditions"]["uid"];
    assert!(uid.as_str().is_some_and(|uid| !uid.is_empty()), "{eviction}");
    assert!(rig.journal().iter().any(|entry| entry.action == Action::Evict));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_disruption_budget_that_refuses_is_obeyed_and_asked_again_seldom() {
    let rig = one_small_pod(&json!({})).await;
    rig.node("huge", "64").await;
    rig.refuse("/eviction", 429, "DisruptionBudget", "the budget allows none");
    rig.uses("web-a", cores(6.0), 32);
    rig.wait(minutes(70)).await;
    let asked = rig.requests("POST", "/eviction").len();
    assert!((5..20).contains(&asked), "{asked}");
    assert_eq!(rig.journal().iter().filter(|entry| entry.action == Action::EvictRefused).count(), 1, "told once");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_resize_that_is_refused_is_not_sent_again_until_something_changes() {
    let rig = one_small_pod(&json!({})).await;
    rig.refuse("/resize", 422, "FieldValueInvalid", "no such thing");
    rig.uses("web-a", cores(0.5), 32);
    rig.wait(minutes(20)).await;
    assert_eq!(rig.requests("PATCH", "/resize").len(), 1);
    assert_eq!(rig.status("fit").await["pods"]["error"], 1);
    assert_eq!(rig.events("web-a").await, [("Error".to_owned(), "Warning".to_owned())]);
    rig.allow();
    rig.edit_policy("fit", &json!({ "spec": { "objective": "Safe" } })).await;
    rig.wait(Duration::from_secs(5)).await;
    assert_eq!(rig.requests("PATCH", "/resize").len(), 2);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_changed_meanwhile_is_planned_anew_at_once_but_not_for_ever() {
    let rig = one_small_pod(&json!({})).await;
    rig.refuse("/resize", 409, "", "changed");
    rig.uses("web-a", cores(0.5), 32);
    // The next sample is taken at the full minute, and no later one here.
    rig.wait(Duration::from_secs(61)).await;
    assert_eq!(rig.requests("PATCH", "/resize").len(), 4);
    rig.allow();
    rig.wait(Duration::from_secs(15)).await;
    assert!(rig.cpu_request("web-a").await > 500);
    assert!(rig.journal().iter().all(|entry| entry.action != Action::Error));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_oom_kill_is_answered_at_once() {
    let rig = Rig::start().await;
    rig.node("n1", "4").await;
    rig.deployment("web").await;
    rig.pod("web", "web-a", "n1", "100m").await;
    rig.policy("fit", &web_policy(&json!({}))).await;
    rig.uses("web-a", cores(0.05), 40);
    rig.wait(minutes(30)).await;
    rig.settle("web-a").await;
    rig.wait(Duration::from_secs(70)).await;
    let before = rig.memory_request("web-a").await;
    rig.oom_kill("web-a").await;
    rig.wait(Duration::from_secs(2)).await;
    assert!(rig.memory_request("web-a").await > before);
    rig.stop().await;
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn nothing_is_written_before_every_watch_is_complete(
    #[values(
        "/nodes",
        "/limitranges",
        "/deployments",
        "/replicasets",
        "/statefulsets",
        "/daemonsets",
        "/jobs",
        "/cronjobs",
        "/pods",
        "/verticalresizepolicies"
    )]
    kind: &str,
) {
    let rig = Rig::prepared().await;
    rig.node("n1", "4").await;
    rig.deployment("web").await;
    rig.pod("web", "web-a", "n1", "100m").await;
    rig.policy("fit", &web_policy(&json!({}))).await;
    rig.uses("web-a", cores(0.5), 32);
    rig.refuse(kind, 503, "", "not yet");
    let rig = rig.run().await;
    rig.wait(minutes(30)).await;
    assert_eq!(rig.writes(), 0);
    rig.allow();
    rig.wait(minutes(2)).await;
    assert_eq!(rig.requests("PATCH", "/resize").len(), 1);
    rig.stop().await;
}

#[rstest]
#[case::resize(0.5, Action::Resize, "inProgress")]
#[case::eviction(6.0, Action::Evict, "evicted")]
#[tokio::test(start_paused = true)]
async fn a_watch_that_is_behind_doubles_nothing(#[case] used: f64, #[case] action: Action, #[case] counted_as: &str) {
    let accepted = |rig: &Rig| rig.journal().iter().filter(|entry| entry.action == action).count();
    let rig = one_small_pod(&json!({})).await;
    rig.node("huge", "64").await;
    rig.wait(minutes(20)).await;
    rig.delay_watches(minutes(4));
    // It will be seen as it was before the write long after that.
    rig.settle("web-a").await;
    rig.uses("web-a", cores(used), 32);
    rig.wait(minutes(1)).await;
    for _ in 0..3 {
        rig.wait(minutes(1)).await;
        assert_eq!(accepted(&rig), 1);
        assert_eq!(rig.status("fit").await["pods"][counted_as], 1, "what was written counts at once");
    }
    rig.wait(minutes(20)).await;
    assert_eq!(accepted(&rig), 1);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn where_the_server_has_no_resize_the_policy_says_so_until_it_has() {
    let rig = Rig::prepared().await;
    rig.serve_resize(false);
    let rig = rig.run().await;
    rig.node("n1", "4").await;
    rig.deployment("web").await;
    rig.pod("web", "web-a", "n1", "100m").await;
    rig.policy("fit", &web_policy(&json!({}))).await;
    rig.uses("web-a", cores(0.5), 32);
    rig.wait(minutes(20)).await;
    let status = rig.status("fit").await;
    assert_eq!(rig::condition(&status, "Ready"), Some(("False", "ResizeUnsupported")));
    assert_eq!(rig::condition(&status, "Stalled"), Some(("True", "ResizeUnsupported")));
    assert!(rig::message(&status, "Ready").contains("use strategy Initial, Recreate or Off"), "{status}");
    assert_eq!(rig.requests("PATCH", "/resize").len(), 0);
    rig.serve_resize(true);
    rig.wait(minutes(15)).await;
    assert_eq!(rig.requests("PATCH", "/resize").len(), 1, "the cluster was upgraded");
    rig.settle("web-a").await;
    rig.wait(minutes(5)).await;
    assert_eq!(rig::condition(&rig.status("fit").await, "Ready"), Some(("True", "Fitting")));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn pods_on_a_node_that_is_too_old_are_left_alone_until_it_is_upgraded() {
    let rig = one_small_pod(&json!({})).await;
    rig.kubelet_version("n1", "v1.32.9").await;
    rig.uses("web-a", cores(0.5), 32);
    rig.wait(minutes(20)).await;
    let status = rig.status("fit").await;
    assert_eq!(rig::condition(&status, "Ready"), Some(("False", "NodesTooOld")));
    let message = rig::message(&status, "Ready");
    assert!(message.starts_with("1 of 1 Pods run on Nodes") && message.contains("(n1 runs v1.32.9)"), "{message}");
    assert_eq!(rig.requests("PATCH", "/resize").len(), 0);
    rig.kubelet_version("n1", "v1.33.0").await;
    rig.wait(Duration::from_secs(5)).await;
    assert_eq!(rig.requests("PATCH", "/resize").len(), 1);
    rig.stop().await;
}

#[rstest]
#[case::recreate("Recreate", "POST", "/eviction")]
#[case::initial("Initial", "PATCH", "/fit/status")]
#[tokio::test(start_paused = true)]
async fn what_needs_no_resize_works_where_there_is_none(
    #[case] strategy: &str,
    #[case] method: &str,
    #[case] path: &str,
) {
    let rig = Rig::prepared().await;
    rig.serve_resize(false);
    let rig = rig.run().await;
    rig.node("n1", "4").await;
    rig.kubelet_version("n1", "v1.32.9").await;
    rig.deployment("web").await;
    rig.pod("web", "web-a", "n1", "100m").await;
    rig.policy("fit", &web_policy(&json!({ "strategy": strategy }))).await;
    rig.uses("web-a", cores(0.5), 32);
    rig.wait(minutes(30)).await;
    assert_eq!(rig::condition(&rig.status("fit").await, "Ready"), Some(("True", "Fitting")));
    assert!(!rig.requests(method, path).is_empty());
    assert_eq!(rig.requests("PATCH", "/resize").len(), 0);
    rig.pod("web", "web-b", "n1", "100m").await;
    assert!(rig.cpu_request("web-b").await > 500, "new Pods get their size");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_does_not_end_holds_up_the_end_for_a_bounded_time_only() {
    let rig = one_small_pod(&json!({})).await;
    rig.silence(Some("/resize"));
    rig.uses("web-a", cores(0.5), 32);
    rig.wait(Duration::from_secs(62)).await;
    assert_eq!(rig.requests("PATCH", "/resize").len(), 1);
    let told = tokio::time::Instant::now();
    rig.stop().await;
    assert_eq!(told.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn each_stage_of_a_resize_is_measured() {
    let rig = one_small_pod(&json!({})).await;
    rig.uses("web-a", cores(0.5), 32);
    rig.wait(minutes(2)).await;
    let of = |stage: &str| format!("tailor_resize_stage_duration_seconds_count{{stage=\"{stage}\"}} 1");
    assert!(rig.metrics().contains(&of("sample_to_patch")), "{}", rig.metrics());
    assert!(!rig.metrics().contains("patch_to_allocated"));
    rig.settle("web-a").await;
    rig.wait(Duration::from_secs(1)).await;
    for stage in ["sample_to_patch", "patch_to_allocated", "allocated_to_actual"] {
        assert!(rig.metrics().contains(&of(stage)), "{}", rig.metrics());
    }
    assert!(rig.metrics().contains(r#"tailor_api_writes_total{target="resize",outcome="accepted"} 1"#));
    assert!(rig.metrics().contains("tailor_leader 1"), "{}", rig.metrics());
    assert!(rig.metrics().contains(r#"tailor_passes_total{outcome="finished"}"#));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_cannot_be_read_lowers_nothing_and_says_so() {
    let rig = one_small_pod(&json!({})).await;
    rig.uses("web-a", cores(0.09), 32);
    rig.wait(minutes(10)).await;
    rig.no_usage();
    rig.wait(minutes(180)).await;
    assert_eq!(rig::condition(&rig.status("fit").await, "Ready"), Some(("False", "UsageUnavailable")));
    assert_eq!(rig.requests("PATCH", "/resize").len(), 0);
    rig.uses("web-a", cores(0.09), 32);
    rig.wait(minutes(2)).await;
    assert_eq!(rig::condition(&rig.status("fit").await, "Ready"), Some(("True", "Fitting")));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_pod_of_a_covered_workload_is_created_at_its_size() {
    let rig = one_small_pod(&json!({ "strategy": "Initial" })).await;
    rig.uses("web-a", cores(0.5), 32);
    rig.wait(minutes(10)).await;
    assert_eq!(rig.requests("PATCH", "/resize").len(), 0);
    rig.pod("web", "web-b", "n1", "100m").await;
    assert!(rig.cpu_request("web-b").await > 500);
    assert_eq!(rig.cpu_request("web-a").await, 100);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_runs_of_one_story_send_the_same_requests() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let rig = Rig::start().await;
        rig.node("n1", "4").await;
        rig.deployment("web").await;
        for name in ["web-a", "web-b", "web-c", "web-d"] {
            rig.pod("web", name, "n1", "100m").await;
        }
        for name in ["one", "two", "three"] {
            rig.policy(name, &json!({ "selector": {} })).await;
        }
        for (name, used) in [("web-a", 0.5), ("web-b", 0.7), ("web-c", 1.2), ("web-d", 0.2)] {
            rig.uses(name, cores(used), 100);
        }
        rig.wait(minutes(30)).await;
        runs.push((rig.all_writes(), rig.journal()));
        rig.stop().await;
    }
    assert!(!runs[0].0.is_empty());
    assert_eq!(runs[0], runs[1]);
}

/// The log, line by line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics with it").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn each_write_to_a_pod_is_logged_once_whatever_becomes_of_it() {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone()).finish();
    // The runtime has one thread.
    let _log = tracing::subscriber::set_default(log);
    let rig = one_small_pod(&json!({})).await;
    rig.node("huge", "64").await;
    rig.refuse("/resize", 503, "", "busy");
    rig.uses("web-a", cores(0.5), 32);
    rig.wait(Duration::from_secs(65)).await;
    rig.allow();
    rig.wait(minutes(1)).await;
    rig.settle("web-a").await;
    rig.uses("web-a", cores(6.0), 32);
    rig.wait(minutes(15)).await;
    let sent = rig.requests("PATCH", "/resize").len() + rig.requests("POST", "/eviction").len();
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let logged: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let logged: Vec<_> = logged.iter().filter(|line| line["message"] == "wrote").collect();
    let outcomes: Vec<_> = logged.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["Retry", "Applied", "Evicted"], "{text}");
    assert_eq!(logged.len(), sent);
    for line in logged {
        assert_eq!(
            (&line["namespace"], &line["policy"], &line["pod"]),
            (&json!("shop"), &json!("fit"), &json!("web-a"))
        );
        assert!(line["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{line}");
    }
    rig.stop().await;
}

use std::collections::{BTreeMap, BTreeSet};

use strum::{IntoEnumIterator, VariantNames};

use crate::actuate::{EvictOutcome, ResizeOutcome};

use super::{
    fits::{Amounts, ContainerFits, Figure},
    *,
};

const POLICY: (&str, &str) = ("shop", "fit");

fn policy() -> (String, String) {
    (POLICY.0.to_owned(), POLICY.1.to_owned())
}

/// A policy with all there is to tell, of so many containers.
fn fits(containers: usize) -> PolicyFits {
    let container = |number| {
        let mut container = ContainerFits::new("Deployment", "web", &format!("app-{number}"));
        Figure::iter().for_each(|figure| container.set(figure, Amounts { cpu: Some(0.25), memory: Some(1e9) }));
        container
    };
    let states = ["fitted", "in_progress", "deferred", "infeasible", "error", "evicted", "waiting"];
    PolicyFits {
        strategy: "InPlace",
        objective: "Balanced",
        ready: true,
        verdict: "Fitting",
        pods: states.map(|state| (state, 1)).into(),
        reasons: BTreeMap::from([("Fits", 1)]),
        containers: (0..containers).map(container).collect(),
    }
}

/// How many series there are.
fn series(metrics: &Metrics) -> usize {
    metrics.text().lines().filter(|line| !line.starts_with('#')).count()
}

/// Every metric with every label value.
fn full() -> String {
    let metrics = Metrics::default();
    metrics.leads(true);
    for failure in [None, Some("observe_failed"), Some("publish_failed")] {
        metrics.passed(failure, Duration::from_millis(2));
    }
    for target in WriteTarget::iter() {
        RequestOutcome::iter().for_each(|outcome| metrics.wrote(target, outcome));
    }
    Stage::iter().for_each(|stage| metrics.staged(stage, Duration::from_millis(300)));
    for verb in Verb::iter() {
        RequestOutcome::iter().for_each(|outcome| metrics.asked(verb, outcome, Duration::from_millis(3)));
    }
    for brought in [None, Some((0, None)), Some((1, Some(Timestamp::now())))] {
        metrics.read_usage(brought, Duration::from_millis(20));
    }
    ReviewOutcome::iter().for_each(|outcome| metrics.reviewed(outcome, Duration::from_millis(1)));
    metrics.heard("pods");
    metrics.shows(&policy(), fits(1));
    for outcome in outcomes() {
        metrics.acted(&policy(), ("Resize", outcome, "Shortage"));
        metrics.acted(&policy(), ("Evict", outcome, "Shortage"));
    }
    metrics.text()
}

/// What the API server may say to a resize or an eviction, as it is counted.
fn outcomes() -> BTreeSet<&'static str> {
    ResizeOutcome::VARIANTS.iter().chain(EvictOutcome::VARIANTS).copied().chain(["Unanswered"]).collect()
}

/// The labels of each series name, and their values.
fn seen(text: &str) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let mut seen: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let known = seen.entry(name.to_owned()).or_default();
        for label in labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()) {
            let (label, value) = label.split_once('=').unwrap();
            known.entry(label.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
        }
    }
    seen
}

#[test]
fn what_is_served_is_what_is_described() {
    let text = full();
    let seen = seen(&text);
    for metric in ALL.concat() {
        let name = if metric.kind == Kind::Histogram { format!("{}_count", metric.name()) } else { metric.name() };
        let labels = seen.get(&name).unwrap_or_else(|| panic!("{name} is not served:\n{text}"));
        let described: BTreeSet<_> = metric.labels.iter().map(|(label, _)| (*label).to_owned()).collect();
        assert_eq!(labels.keys().cloned().collect::<BTreeSet<_>>(), described, "labels of {name}");
        for (label, values) in metric.labels.iter().filter(|(_, values)| values.starts_with('`')) {
            let described: BTreeSet<_> = values.split(", ").map(|v| v.trim_matches('`').to_owned()).collect();
            assert_eq!(labels[*label], described, "values of {label} of {name}");
        }
    }
    let families = text.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert_eq!(families, ALL.concat().len(), "each is described");
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn names_keep_to_the_conventions() {
    for metric in ALL.concat() {
        let name = metric.name();
        let standard = process::ALL.contains(&metric);
        assert!(name.starts_with(if standard { "process_" } else { "tailor_" }) && !name.contains("__"), "{name}");
        assert!(metric.kind != Kind::Histogram || name.ends_with("_seconds"), "{name} has no unit");
        assert!(!metric.labels.iter().any(|(label, _)| *label == "pod"), "{name} grows with the cluster");
        assert!(!metric.help.ends_with('.'), "the text format adds the full stop of {name}");
    }
}

#[test]
fn the_page_is_up_to_date() {
    let page = include_str!("../../../docs/metrics.md");
    assert_eq!(page, reference(), "run `make generate`");
}

#[test]
fn a_covered_container_has_twenty_series_and_a_policy_few() {
    let metrics = Metrics::default();
    metrics.leads(true);
    let fixed = series(&metrics);
    metrics.shows(&policy(), fits(0));
    let of_policy = series(&metrics) - fixed;
    metrics.shows(&policy(), fits(1));
    assert_eq!((of_policy, series(&metrics) - fixed - of_policy), (10, 20));
    metrics.shows(&policy(), fits(100));
    assert_eq!(series(&metrics) - fixed, of_policy + 2_000);
    assert!(fixed < 120, "{fixed} that are there whatever is covered");
}

#[test]
fn a_policy_that_is_gone_leaves_no_series() {
    let metrics = Metrics::default();
    metrics.leads(true);
    let fixed = series(&metrics);
    metrics.shows(&policy(), fits(3));
    metrics.acted(&policy(), ("Resize", "Applied", "Shortage"));
    metrics.keep_policies(|_| true);
    assert!(metrics.text().contains(r#"namespace="shop",policy="fit""#));
    metrics.keep_policies(|policy| policy.1 != POLICY.1);
    assert_eq!(series(&metrics), fixed);
    assert!(!metrics.text().contains("shop"), "{}", metrics.text());
}

#[test]
fn only_the_leader_tells_of_policies() {
    let metrics = Metrics::default();
    metrics.shows(&policy(), fits(1));
    assert!(!metrics.text().contains("shop"));
    metrics.leads(true);
    metrics.shows(&policy(), fits(1));
    assert!(metrics.text().contains("shop"));
    metrics.leads(false);
    assert!(!metrics.text().contains("shop"));
}

#[tokio::test(start_paused = true)]
async fn ages_are_told_by_our_own_clock() {
    let metrics = Metrics::new(Clock::simulated(Timestamp::constant(1_800_000_000, 0)));
    let at = Some(Timestamp::constant(1_800_000_000, 0));
    let is_told = |line: &str| assert!(metrics.text().contains(&format!("\n{line}\n")), "{line}:\n{}", metrics.text());
    is_told("tailor_usage_blind_seconds 0.0");
    metrics.read_usage(Some((3, at)), Duration::ZERO);
    metrics.heard("pods");
    tokio::time::advance(Duration::from_secs(60)).await;
    metrics.read_usage(Some((0, None)), Duration::ZERO);
    tokio::time::advance(Duration::from_secs(60)).await;
    metrics.read_usage(None, Duration::ZERO);
    is_told("tailor_usage_newest_sample_age_seconds 120.0");
    is_told("tailor_usage_blind_seconds 60.0");
    is_told(r#"tailor_watch_heard_age_seconds{resource="pods"} 120.0"#);
    metrics.read_usage(Some((3, at)), Duration::ZERO);
    metrics.watch_taken_up("pods");
    metrics.watch_taken_up("unknown");
    is_told("tailor_usage_blind_seconds 0.0");
    is_told(r#"tailor_watch_heard_age_seconds{resource="pods"} 0.0"#);
    assert!(!metrics.text().contains("unknown"));
}

#[test]
fn a_pass_waits_until_its_turn() {
    let metrics = Metrics::default();
    let waits = [metrics.waits(), metrics.waits()];
    assert!(metrics.text().contains("\ntailor_passes_waiting 2\n"));
    drop(waits);
    assert!(metrics.text().contains("\ntailor_passes_waiting 0\n"));
}

#[test]
fn a_request_is_known_by_method_and_query() {
    for (method, uri, verb) in [
        (Method::GET, "/api/v1/pods?watch=true&timeoutSeconds=290", Verb::Watch),
        (Method::GET, "/api/v1/pods?limit=500", Verb::List),
        (Method::GET, "/api/v1/namespaces/shop/pods/web-0", Verb::Get),
        (Method::POST, "/api/v1/namespaces/shop/pods/web-0/eviction", Verb::Create),
        (Method::PATCH, "/api/v1/namespaces/shop/pods/web-0/resize", Verb::Patch),
        (Method::PUT, "/x", Verb::Update),
        (Method::DELETE, "/x", Verb::Delete),
    ] {
        assert_eq!(Verb::of(&method, &uri.parse().unwrap()), verb, "{method} {uri}");
    }
}

#[test]
fn a_write_is_known_by_its_path() {
    for (path, target) in [
        ("/api/v1/namespaces/shop/pods/web-0/resize", WriteTarget::Resize),
        ("/api/v1/namespaces/shop/pods/web-0/eviction", WriteTarget::Eviction),
        ("/apis/autoscaling.tailor.dev/v1alpha1/namespaces/a/verticalresizepolicies/b/status", WriteTarget::Status),
        ("/apis/autoscaling.tailor.dev/v1alpha1/namespaces/a/verticalresizecheckpoints/b", WriteTarget::Checkpoint),
        ("/api/v1/namespaces/shop/events", WriteTarget::Event),
        ("/apis/coordination.k8s.io/v1/namespaces/a/leases/tailor", WriteTarget::Lease),
        ("/api/v1/namespaces/shop/pods/web-0", WriteTarget::Other),
    ] {
        assert_eq!(WriteTarget::of_path(path), target, "{path}");
    }
}

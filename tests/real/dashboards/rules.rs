//! The alert rules and the recording rules.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::{
    boards::{self, Query, files, rules},
    prometheus::{Prometheus, pause},
};
use crate::support::assets;

/// Alerts whose conditions the scenario brings about.
const BROUGHT_ABOUT: [&str; 4] =
    ["TailorPolicyNotReady", "TailorPodsInfeasible", "TailorPodsDeferred", "TailorResizesFail"];

/// Prometheus evaluates each rule without an error, each recorded name and each metric that an alert asks for is there,
/// and the alerts whose conditions hold are about to fire.
pub async fn all_are_evaluated(prometheus: &Prometheus) {
    for rule in rules() {
        let names = match rule["record"].as_str() {
            Some(record) => vec![record.to_owned()],
            None => boards::metrics(rule["expr"].as_str().unwrap()),
        };
        for expr in names {
            let query = Query { panel: format!("{}{}", rule["alert"], rule["record"]), expr, ranged: true };
            assert!(prometheus.has_data(&query).await, "{query:?}");
        }
    }
    let mut waits_for: BTreeSet<_> = BROUGHT_ABOUT.into();
    let began = std::time::Instant::now();
    while !waits_for.is_empty() {
        assert!(began.elapsed() < super::DEADLINE, "they do not come: {waits_for:?}");
        let told = prometheus.ask("rules", &[]).await;
        let groups = told["groups"].as_array().unwrap().iter();
        for rule in groups.flat_map(|group| group["rules"].as_array().unwrap()) {
            assert_eq!(rule["health"], "ok", "{rule}");
            if rule["state"] == "pending" || rule["state"] == "firing" {
                waits_for.remove(rule["name"].as_str().unwrap());
            }
        }
        pause().await;
    }
}

fn promtool(arguments: &[PathBuf]) -> Option<()> {
    let assets = assets(&["promtool"])?;
    let output = Command::new(assets.path("promtool")).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    Some(())
}

fn unit_tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/dashboards/alerts.test.yaml")
}

#[test]
fn promtool_accepts_the_rules_and_their_tests_hold() {
    let check = ["check".into(), "rules".into(), "--lint-fatal".into()].into_iter().chain(files("rules"));
    if promtool(&check.collect::<Vec<_>>()).is_some() {
        promtool(&["test".into(), "rules".into(), unit_tests()]);
    }
}

#[test]
fn each_alert_is_tested_to_fire_and_not_to() {
    let tests: Value = serde_saphyr::from_str(&fs::read_to_string(unit_tests()).unwrap()).unwrap();
    let cases = tests["tests"].as_array().unwrap().iter();
    let cases = cases.flat_map(|test| test["alert_rule_test"].as_array().into_iter().flatten());
    let (mut fires, mut keeps_quiet) = (BTreeSet::new(), BTreeSet::new());
    for case in cases {
        let alert = case["alertname"].as_str().unwrap().to_owned();
        let expected = case["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty());
        if expected {
            fires.insert(alert)
        } else {
            keeps_quiet.insert(alert)
        };
    }
    let alerts: BTreeSet<_> = rules().iter().filter_map(|rule| Some(rule["alert"].as_str()?.to_owned())).collect();
    assert!(alerts.len() > 10);
    assert_eq!((&fires, &keeps_quiet), (&alerts, &alerts));
}

#[test]
fn each_alert_has_a_severity_and_a_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let index = fs::read_to_string(root.join("docs/runbooks/README.md")).unwrap();
    let alerts: Vec<_> = rules().into_iter().filter(|rule| rule["alert"].is_string()).collect();
    for rule in &alerts {
        let alert = rule["alert"].as_str().unwrap();
        let page = rule["annotations"]["runbook_url"].as_str().unwrap();
        assert_eq!(page, format!("docs/runbooks/{alert}.md"));
        let text = fs::read_to_string(root.join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        for heading in ["## Symptom", "## Meaning", "## What to look at", "## What to do"] {
            assert!(text.contains(heading), "{page} has no {heading}");
        }
        assert!(index.contains(&format!("({alert}.md)")), "{alert} is not in the list of pages");
        assert!(matches!(rule["labels"]["severity"].as_str(), Some("critical" | "warning")), "{alert}");
    }
    let pages = fs::read_dir(root.join("docs/runbooks")).unwrap().count();
    assert_eq!(pages, alerts.len() + 1, "a page for no alert");
}

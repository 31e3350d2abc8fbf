//! What the controller tells in metrics of a policy, its Pods and what is done, on the embedded API server.

#[cfg(test)]
#[path = "controller/rig.rs"]
#[expect(dead_code, reason = "the rig serves other tests too")]
mod rig;

use std::time::Duration;

use rig::{Rig, cores, minutes, one_small_pod};
use serde_json::json;

/// The number of a series, if it is there.
fn value(rig: &Rig, series: &str) -> Option<f64> {
    let text = rig.metrics();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().unwrap_or_else(|error| panic!("{line}: {error}")))
}

const APP: &str = r#"namespace="shop",policy="fit",workload_kind="Deployment",workload="web",container="app""#;

#[tokio::test(start_paused = true)]
async fn a_resize_shows_in_size_target_state_and_count() {
    let rig = one_small_pod(&json!({})).await;
    rig.uses("web-a", cores(0.5), 32);
    rig.wait(minutes(5)).await;
    rig.settle("web-a").await;
    rig.wait(minutes(5)).await;
    let of_app = |metric: &str| value(&rig, &format!("{metric}{{{APP}}}"));
    assert_eq!(of_app("tailor_container_usage_max_cpu_cores"), Some(0.5));
    let target = of_app("tailor_recommendation_target_cpu_cores").unwrap();
    assert_eq!(of_app("tailor_container_request_cpu_cores"), Some(target));
    assert!(target > 0.5, "{target}");
    assert_eq!(of_app("tailor_recommendation_target_memory_bytes"), None, "the policy does not fit it");
    assert!(of_app("tailor_container_slack_cpu_cores").is_some_and(|slack| (slack - (target - 0.5)).abs() < 1e-9));
    let of_policy =
        |metric: &str, label: &str| value(&rig, &format!(r#"{metric}{{namespace="shop",policy="fit",{label}}}"#));
    assert_eq!(of_policy("tailor_pods", r#"state="fitted""#), Some(1.0));
    assert_eq!(of_policy("tailor_pods", r#"state="deferred""#), Some(0.0));
    assert_eq!(of_policy("tailor_pod_reasons", r#"reason="Fits""#), Some(1.0));
    assert_eq!(of_policy("tailor_policy_ready", r#"reason="Fitting""#), Some(1.0));
    let resized = r#"action="Resize",outcome="Applied",reason="Shortage""#;
    assert_eq!(of_policy("tailor_actions_total", resized), Some(1.0), "{}", rig.metrics());
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_deleted_leaves_no_series() {
    let rig = one_small_pod(&json!({})).await;
    rig.uses("web-a", cores(0.5), 32);
    rig.wait(minutes(5)).await;
    assert!(rig.metrics().contains(r#"policy="fit""#));
    rig.delete_policy("fit").await;
    rig.wait(minutes(10)).await;
    assert!(!rig.metrics().contains(r#"policy="fit""#), "{}", rig.metrics());
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn usage_that_stays_away_is_told_as_blindness_and_a_quiet_watch_is_none() {
    let rig = one_small_pod(&json!({})).await;
    rig.uses("web-a", cores(0.5), 32);
    rig.wait(minutes(5)).await;
    assert_eq!(value(&rig, "tailor_usage_blind_seconds"), Some(0.0));
    rig.no_usage();
    rig.wait(minutes(30)).await;
    let blind = value(&rig, "tailor_usage_blind_seconds").unwrap();
    let age = value(&rig, "tailor_usage_newest_sample_age_seconds").unwrap();
    assert!((1_700.0..1_900.0).contains(&blind) && age >= blind, "{blind} {age}");
    let since = value(&rig, r#"tailor_watch_heard_age_seconds{resource="limitranges"}"#).unwrap();
    assert!(since <= Duration::from_mins(6).as_secs_f64(), "nothing of it changed, and it is heard of: {since}");
    rig.stop().await;
}

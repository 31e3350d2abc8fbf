//! What a controller remembers over its end, and how it goes on when its source of usage is gone.

#[cfg(test)]
#[path = "controller/rig.rs"]
#[expect(dead_code, reason = "the rig serves other tests too")]
mod rig;

#[cfg(test)]
#[path = "memory/life.rs"]
mod life;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use life::{Cluster, Fault, Remembers, Running};
use rig::{condition, message, minutes};
use rstest::rstest;
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

const CHECKPOINTS: Remembers = Remembers { checkpoints: true, history: false };
const HISTORY: Remembers = Remembers { checkpoints: false, history: true };
const BOTH: Remembers = Remembers { checkpoints: true, history: true };
const NOTHING: Remembers = Remembers { checkpoints: false, history: false };

/// No more than a bucket apart.
fn near(what: &str, before: u64, after: u64) {
    assert!(before.abs_diff(after) * 100 <= before * 5, "{what}: {before} before, {after} after");
}

/// Compares what a new Pod requests before the controller ends with what one that comes after it gives.
async fn over_a_restart(remembers: Remembers, away: Duration, graceful: bool) {
    let cluster = Cluster::of_one_waving_workload(&json!({})).await;
    let first = cluster.controller("tailor", remembers).await;
    cluster.rig.wait(minutes(26 * 60 + 17)).await;
    let before = cluster.sizes().await;
    if graceful {
        first.stop().await;
    } else {
        first.kill();
    }
    cluster.rig.wait(away).await;
    let second = cluster.controller("tailor", remembers).await;
    cluster.rig.wait(SECOND * 30).await;
    let after = cluster.sizes().await;
    second.stop().await;
    near("cpu", before.0, after.0);
    near("memory", before.1, after.1);
}

#[rstest]
#[case::an_end_in_peace(CHECKPOINTS, SECOND, true)]
#[case::a_kill_with_history(BOTH, SECOND, false)]
#[case::a_while_away_with_history(BOTH, minutes(12), false)]
#[case::history_alone(HISTORY, SECOND, false)]
#[tokio::test(start_paused = true)]
async fn a_restart_forgets_nothing(#[case] remembers: Remembers, #[case] away: Duration, #[case] graceful: bool) {
    over_a_restart(remembers, away, graceful).await;
}

/// The hour in which the workload uses four times the memory comes while nobody listens.
#[rstest]
#[case::known_from_history(BOTH, Fault::None, true)]
#[case::known_from_history_in_pieces(BOTH, Fault::HistoryTooLarge, true)]
#[case::not_known_without(CHECKPOINTS, Fault::None, false)]
#[tokio::test(start_paused = true)]
async fn what_happened_while_nobody_listened_is_learnt_from_history(
    #[case] remembers: Remembers,
    #[case] fault: Fault,
    #[case] is_known: bool,
) {
    let cluster = Cluster::of_one_waving_workload(&json!({})).await;
    let first = cluster.controller("tailor", remembers).await;
    cluster.rig.wait(minutes(570)).await;
    first.kill();
    cluster.rig.wait(minutes(120)).await;
    cluster.suffers(fault);
    let second = cluster.controller("tailor", remembers).await;
    cluster.rig.wait(SECOND * 30).await;
    assert_eq!(cluster.sizes().await.1 > 300 << 20, is_known);
    second.stop().await;
}

/// Otherwise the tests before this one would prove nothing.
#[tokio::test(start_paused = true)]
#[should_panic(expected = "memory: ")]
async fn with_neither_a_restart_forgets() {
    over_a_restart(NOTHING, SECOND, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_kill_without_history_forgets_an_hour_at_most() {
    let cluster = Cluster::of_one_waving_workload(&json!({})).await;
    let first = cluster.controller("tailor", CHECKPOINTS).await;
    cluster.rig.wait(minutes(26 * 60)).await;
    first.kill();
    let [checkpoint] = &cluster.checkpoints().await[..] else { panic!("one workload has one") };
    let newest: Timestamp = serde_json::from_value(checkpoint.data["spec"]["newestSample"].clone()).unwrap();
    assert!(cluster.rig.clock.now().duration_since(newest) <= SignedDuration::from_mins(62));
    let second = cluster.controller("tailor", CHECKPOINTS).await;
    assert!(cluster.sizes().await.1 > 300 << 20, "what it knew counts from its first pass on");
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_day_has_24_writes_for_a_workload_however_often_controllers_come_and_go() {
    let cluster = Cluster::of_one_waving_workload(&json!({})).await;
    let mut writes = 0;
    for _ in 0..6 {
        let controller = cluster.controller("tailor", CHECKPOINTS).await;
        cluster.rig.wait(minutes(4 * 60 - 1)).await;
        // That of the end is in place of the next day's first.
        writes = cluster.checkpoint_writes("tailor");
        controller.stop().await;
        cluster.controller("tailor", CHECKPOINTS).await.stop().await;
        cluster.rig.wait(SECOND * 58).await;
    }
    assert!((18..=24).contains(&writes), "{writes}");
}

#[tokio::test(start_paused = true)]
async fn what_has_not_changed_is_not_written_and_what_is_forgotten_is_removed() {
    let cluster = Cluster::of_one_waving_workload(&json!({})).await;
    let controller = cluster.controller("tailor", CHECKPOINTS).await;
    cluster.rig.wait(minutes(120)).await;
    cluster.suffers(Fault::Refuses);
    cluster.rig.wait(minutes(61)).await;
    let written = cluster.checkpoint_writes("tailor");
    cluster.rig.wait(minutes(13 * 24 * 60)).await;
    assert_eq!(cluster.checkpoint_writes("tailor"), written);
    assert_eq!(cluster.checkpoints().await.len(), 1);
    cluster.rig.wait(minutes(25 * 60)).await;
    assert_eq!(cluster.checkpoints().await.len(), 0, "like models, after two weeks");
    controller.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_controllers_the_leader_alone_writes_and_both_restore() {
    let cluster = Cluster::of_one_waving_workload(&json!({})).await;
    let alone = cluster.controller("tailor", CHECKPOINTS).await;
    cluster.rig.wait(minutes(26 * 60)).await;
    alone.stop().await;
    let a = cluster.candidate("a", CHECKPOINTS).await;
    cluster.rig.wait(SECOND).await;
    let b = cluster.candidate("b", CHECKPOINTS).await;
    assert!(cluster.sizes().await.1 > 300 << 20, "who stands by sizes new Pods from what it restored");
    cluster.rig.wait(minutes(5 * 60)).await;
    let written = cluster.checkpoint_writes("a");
    assert!((3..=5).contains(&written), "{written}");
    assert_eq!(cluster.checkpoint_writes("b"), 0);
    a.kill();
    cluster.rig.wait(minutes(60)).await;
    assert_eq!((cluster.checkpoint_writes("a"), cluster.checkpoint_writes("b")), (written, 1));
    b.stop().await;
}

#[rstest]
#[case::damaged(json!({ "spec": { "containers": [{ "name": "app", "model": "AAAAAAAA" }] } }))]
#[case::of_another_version(json!({ "spec": { "version": 7 } }))]
#[tokio::test(start_paused = true)]
async fn a_bad_checkpoint_is_skipped_and_counts_for_nothing(#[case] harm: Value) {
    let cluster = Cluster::of_one_waving_workload(&json!({})).await;
    let first = cluster.controller("tailor", CHECKPOINTS).await;
    cluster.rig.wait(minutes(26 * 60)).await;
    first.stop().await;
    cluster.harm_checkpoint(&harm).await;
    cluster.suffers(Fault::Refuses);
    let second = cluster.controller("tailor", CHECKPOINTS).await;
    assert_eq!(cluster.sizes().await, (100, 64 << 20), "as the template says");
    cluster.suffers(Fault::None);
    cluster.rig.wait(minutes(121)).await;
    assert!(cluster.sizes().await.1 > 64 << 20, "it learns anew");
    second.stop().await;
}

/// Too large a Pod, and a controller that knows it from its checkpoint while its history suffers.
async fn restarted_with_bad_history(fault: Fault) -> (Cluster, Running) {
    let eager = json!({ "update": { "scaleDownStabilization": "1s" } });
    let cluster = Cluster::of_one_waving_workload(&eager).await;
    let first = cluster.controller("tailor", BOTH).await;
    cluster.rig.wait(minutes(180)).await;
    first.stop().await;
    cluster.outgrow("2").await;
    cluster.suffers(fault);
    let second = cluster.controller("tailor", BOTH).await;
    (cluster, second)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lowered_while_history_is_read_but_a_shortage_is_answered() {
    let (cluster, second) = restarted_with_bad_history(Fault::HistoryHangs).await;
    cluster.rig.wait(minutes(9)).await;
    assert_eq!(cluster.rig.cpu_request("web-a").await, 2_000);
    cluster.rig.uses("web-a", rig::cores(2.5), 100);
    cluster.rig.wait(SECOND * 61).await;
    assert!(cluster.rig.cpu_request("web-a").await > 2_500, "a shortage does not wait");
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_lacks_its_history_is_not_kept_for_all_that_there_is() {
    let cluster = Cluster::of_one_waving_workload(&json!({})).await;
    let first = cluster.controller("tailor", BOTH).await;
    cluster.rig.wait(minutes(180)).await;
    first.kill();
    let written = cluster.checkpoint_writes("tailor");
    cluster.suffers(Fault::HistoryHangs);
    let second = cluster.controller("tailor", BOTH).await;
    cluster.rig.wait(minutes(5)).await;
    second.stop().await;
    assert_eq!(cluster.checkpoint_writes("tailor"), written);
    cluster.suffers(Fault::None);
    let third = cluster.controller("tailor", BOTH).await;
    cluster.rig.wait(minutes(5)).await;
    third.stop().await;
    assert_eq!(cluster.checkpoint_writes("tailor"), written + 1);
}

#[rstest]
#[case::it_hangs(Fault::HistoryHangs)]
#[case::it_is_refused(Fault::HistoryRefused)]
#[tokio::test(start_paused = true)]
async fn history_that_cannot_be_had_is_given_up_and_the_checkpoint_must_do(#[case] fault: Fault) {
    let (cluster, second) = restarted_with_bad_history(fault).await;
    cluster.rig.wait(minutes(30)).await;
    assert!(cluster.rig.cpu_request("web-a").await < 1_000);
    second.stop().await;
}

#[rstest]
#[case::killed(Fault::Refuses, "it is down")]
#[case::empty(Fault::Empty, "it has no sample of any container, though 1 Pods")]
#[case::slow(Fault::Hangs, "cannot read usage")]
#[tokio::test(start_paused = true)]
async fn without_usage_nothing_is_lowered_and_the_status_says_since_when(#[case] fault: Fault, #[case] why: &str) {
    let cluster = Cluster::of_one_waving_workload(&json!({})).await;
    let controller = cluster.controller("tailor", CHECKPOINTS).await;
    cluster.rig.wait(minutes(180)).await;
    let blind = cluster.rig.clock.now();
    cluster.suffers(fault);
    cluster.outgrow("2").await;
    cluster.rig.wait(minutes(6 * 60)).await;
    assert_eq!(cluster.rig.cpu_request("web-a").await, 2_000);
    let status = cluster.rig.status("fit").await;
    assert_eq!(condition(&status, "Ready"), Some(("False", "UsageUnavailable")));
    let says = message(&status, "Ready");
    let since = says.split_whitespace().find_map(|word| word.trim_end_matches(',').parse::<Timestamp>().ok());
    assert!(blind.duration_since(since.unwrap()).abs() <= SignedDuration::from_secs(61), "{says}");
    assert!(says.contains(why), "{says}");
    cluster.suffers(Fault::None);
    cluster.rig.wait(minutes(30)).await;
    assert_eq!(condition(&cluster.rig.status("fit").await, "Ready").map(|(status, _)| status), Some("True"));
    assert!(cluster.rig.cpu_request("web-a").await < 1_000, "it goes on by itself");
    controller.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_another_source_speaks_the_status_says_so_and_recommendations_stay() {
    let cluster = Cluster::of_one_waving_workload(&json!({})).await;
    let controller = cluster.controller_with_fallback().await;
    cluster.rig.wait(minutes(180)).await;
    let before = cluster.sizes().await;
    assert_eq!(condition(&cluster.rig.status("fit").await, "Degraded"), None);
    cluster.suffers(Fault::Refuses);
    cluster.rig.wait(minutes(10)).await;
    let status = cluster.rig.status("fit").await;
    assert_eq!(condition(&status, "Degraded"), Some(("True", "UsageFallback")), "{status}");
    let says = message(&status, "Degraded");
    assert!(says.starts_with("usage has come from metrics.k8s.io since 2026-01-01T03:0"), "{says}");
    assert_eq!(condition(&status, "Ready").map(|(status, _)| status), Some("True"));
    let after = cluster.sizes().await;
    near("cpu", before.0, after.0);
    near("memory", before.1, after.1);
    cluster.suffers(Fault::None);
    cluster.rig.wait(minutes(2)).await;
    assert_eq!(condition(&cluster.rig.status("fit").await, "Degraded"), None);
    controller.stop().await;
}

/// In real time, with the embedded API server.
#[test]
fn a_thousand_checkpoints_hold_nobody_up_for_a_second() {
    let runtime = tailor::sim::cluster::runtime().unwrap();
    let took = runtime.block_on(async {
        let cluster = Cluster::of_one_waving_workload(&json!({})).await;
        cluster.many_checkpoints(1_000).await;
        let began = std::time::Instant::now();
        let controller = cluster.controller("tailor", CHECKPOINTS).await;
        let took = began.elapsed();
        assert!(controller.health.is_ready());
        controller.stop().await;
        took
    });
    eprintln!("ready after {took:?}");
    assert!(took < SECOND, "{took:?}");
}

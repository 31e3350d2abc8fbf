use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::resources::MilliCpu;

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn key() -> AccountKey {
    AccountKey { namespace: "shop".into(), kind: "Deployment".into(), workload: "web".into(), container: "app".into() }
}

fn reading(cpu_milli: u64, request_milli: u64) -> Reading {
    Reading {
        running: true,
        cpu: MilliCpu(cpu_milli).nano(),
        memory: Bytes(cpu_milli),
        requests: Resources::new(MilliCpu(request_milli), Bytes(request_milli)),
        ..Reading::default()
    }
}

#[test]
fn only_the_time_after_the_start_of_scoring_is_scored() {
    let ledger = Ledger::new(at(100));
    ledger.observe(&key(), "web-0", reading(200, 1_000), at(50));
    ledger.observe(&key(), "web-0", reading(600, 500), at(150));
    ledger.count(&key(), Happening::Resize, at(99));
    ledger.count(&key(), Happening::OomKill, at(100));
    ledger.close(&key(), "web-0", at(200));
    let (_, report) = &ledger.accounts(at(300))[0];
    assert_eq!((report.scored.pod_seconds, report.total.pod_seconds), (100.0, 150.0));
    assert_eq!(report.scored.cpu_requested, 50.0 * 1.0 + 50.0 * 0.5);
    assert_eq!(report.scored.cpu_slack, 50.0 * 0.8, "usage above the request is no negative slack");
    assert_eq!(report.scored.cpu_slack_before, 50.0 * 0.8 + 50.0 * 0.4);
    assert_eq!((report.scored.resizes, report.total.resizes, report.scored.oom_kills), (0, 1, 1));
    assert_eq!(report.cpu_p95, MilliCpu(600).nano().0);
}

#[test]
fn the_template_wins_over_what_the_first_pod_requested() {
    let ledger = Ledger::new(at(0));
    ledger.set_original(&key(), Resources::new(MilliCpu(2_000), Bytes(0)));
    ledger.observe(&key(), "web-0", reading(500, 1_000), at(0));
    let (_, report) = &ledger.accounts(at(10))[0];
    assert_eq!((report.scored.cpu_slack, report.scored.cpu_slack_before), (5.0, 15.0));
}

#[test]
fn a_window_averages_what_ran_in_it_and_remembers_the_peak() {
    let ledger = Ledger::new(at(0));
    ledger.observe(&key(), "web-0", reading(900, 1_000), at(0));
    ledger.observe(&key(), "web-0", reading(300, 1_000), at(10));
    let usage = &ledger.take_usage(at(30))[0];
    assert_eq!(usage.cpu, Some(MilliCpu(500).nano()));
    assert_eq!((usage.memory, usage.memory_peak), (Bytes(300), Bytes(900)));
    assert_eq!(usage.throttled, Some(0.0));
    let usage = &ledger.usage_snapshot(at(40))[0];
    assert_eq!((usage.cpu, usage.memory_peak), (Some(MilliCpu(300).nano()), Bytes(300)));
}

#[test]
fn throttling_is_the_share_of_time_that_a_limit_held_back() {
    let ledger = Ledger::new(at(0));
    ledger.observe(&key(), "web-0", Reading { throttled: NanoCpu(1), ..reading(1, 1) }, at(0));
    ledger.observe(&key(), "web-0", reading(1, 1), at(25));
    assert_eq!(ledger.usage_snapshot(at(100))[0].throttled, Some(0.25));
}

#[test]
fn containers_that_are_down_have_no_usage_but_keep_their_reservation() {
    let ledger = Ledger::new(at(0));
    let down = Reading { requests: Resources::new(MilliCpu(1_000), Bytes(0)), ..Reading::default() };
    ledger.observe(&key(), "web-0", down, at(0));
    assert_eq!(ledger.usage_snapshot(at(10)), vec![]);
    assert_eq!(ledger.accounts(at(10))[0].1.scored.cpu_slack, 10.0);
}

#[test]
fn counters_grow_with_what_a_container_uses_and_begin_anew_when_it_does() {
    let ledger = Ledger::new(at(0));
    let limited = Reading { limits: Resources::new(MilliCpu(500), Bytes(9)), ..reading(500, 500) };
    ledger.observe(&key(), "web-0", limited, at(0));
    ledger.observe(&key(), "web-0", Reading { throttled: NanoCpu(1), ..limited }, at(10));
    let _ = ledger.take_usage(at(20));
    let counters = ledger.counters(&key(), "web-0", at(30)).unwrap();
    assert_eq!((counters.cpu, counters.limited, counters.throttled), (15.0, 30.0, 20.0));
    ledger.observe(&key(), "web-0", Reading::default(), at(30));
    assert_eq!(ledger.counters(&key(), "web-0", at(50)), Some(counters), "it uses nothing while it is down");
    ledger.observe(&key(), "web-0", reading(1_000, 1), at(60));
    let again = ledger.counters(&key(), "web-0", at(64)).unwrap();
    assert_eq!((again.cpu, again.cpu_of_all_runs(), again.limited), (4.0, 19.0, 0.0));
    assert_eq!(ledger.close(&key(), "web-0", at(64)), Some(again));
    assert_eq!((ledger.close(&key(), "web-0", at(70)), ledger.counters(&key(), "web-0", at(70))), (None, None));
}

#[test]
fn a_chart_sums_pods_and_an_absent_limit_is_no_limit() {
    let ledger = Ledger::new(at(0));
    let limited = Reading { limits: Resources::new(MilliCpu(700), Bytes(9)), ..reading(100, 200) };
    ledger.observe(&key(), "web-0", limited, at(0));
    ledger.observe(&key(), "web-1", limited, at(0));
    ledger.observe(&key(), "web-2", reading(100, 200), at(15));
    let points = &ledger.accounts(at(30))[0].1.series.points;
    assert_eq!((points[0].pods, points[0].cpu_request, points[0].cpu_limit), (2, 400, Some(1_400)));
    assert_eq!((points[1].pods, points[1].cpu_request, points[1].cpu_limit), (3, 600, None));
}

proptest! {
    #[test]
    fn a_chart_stays_small_and_keeps_its_peak(steps in prop::collection::vec((1_i64..100_000, 0_u64..1_000), 1..60)) {
        let ledger = Ledger::new(at(0));
        let mut now = 0;
        for (seconds, cpu) in &steps {
            ledger.observe(&key(), "web-0", reading(*cpu, 0), at(now));
            now += seconds;
        }
        let (_, report) = &ledger.accounts(at(now))[0];
        let points = &report.series.points;
        let peak = steps.iter().map(|(_, cpu)| MilliCpu(*cpu).nano().0).max();
        prop_assert!(points.len() <= 1_500);
        prop_assert_eq!(points.iter().map(|point| point.cpu_usage).max(), peak);
        prop_assert!(report.series.step_seconds * i64::try_from(points.len()).unwrap() >= now);
    }
}

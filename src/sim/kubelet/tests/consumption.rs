use super::*;
use crate::sim::load::LoadKey;

/// Steps from one demand to another at a moment.
struct Step(Demand, i64, Demand);

impl Load for Step {
    fn demand(&self, _: &LoadKey<'_>, now: Timestamp) -> Demand {
        if now < at(self.1) { self.0 } else { self.2 }
    }

    fn next_change(&self, _: &LoadKey<'_>, now: Timestamp) -> Option<Timestamp> {
        (now < at(self.1)).then(|| at(self.1))
    }
}

#[tokio::test(start_paused = true)]
async fn cpu_above_the_limit_is_throttled_until_the_limit_is_raised() {
    let rig = Rig::new(Step(demand(100, 64), 100, demand(1_500, 64))).await;
    rig.create_and_start(pod("web", ["100m", "128Mi"], Some(["500m", "128Mi"]))).await;
    rig.sleep(200).await;
    let throttled = rig.report().total.cpu_throttled;
    let expected = f64::from(i32::try_from(rig.now()).unwrap() - 100);
    assert!((throttled - expected).abs() <= 1.0, "{throttled} of {expected}");
    let usage = &rig.ledger.take_usage(rig.clock.now())[0];
    assert!(usage.throttled.unwrap() > 0.4);
    rig.resize("web", json!({ "limits": { "cpu": "2" } })).await;
    rig.until("web", settled).await;
    let settled = rig.report().total.cpu_throttled;
    rig.ledger.take_usage(rig.clock.now());
    rig.sleep(100).await;
    assert_eq!(rig.report().total.cpu_throttled, settled);
    assert_eq!(rig.ledger.usage_snapshot(rig.clock.now())[0].cpu, Some(MilliCpu(1_500).nano()));
}

#[tokio::test(start_paused = true)]
async fn memory_above_the_limit_kills_again_and_again_until_a_resize_ends_it() {
    let rig = Rig::new(Step(demand(100, 64), 100, demand(100, 200))).await;
    rig.create_and_start(pod("web", ["100m", "128Mi"], Some(["500m", "128Mi"]))).await;
    let killed = rig.until("web", |pod| pod.container("app").unwrap().last_oom.is_some()).await;
    assert_eq!(rig.now(), 100, "at the very step of the load");
    assert!(!killed.ready);
    rig.until("web", |pod| pod.container("app").unwrap().restarts == 2).await;
    let app = rig.app("web").await;
    let last = app.last_state.unwrap().terminated.unwrap();
    assert_eq!((last.exit_code, last.reason.as_deref()), (137, Some("OOMKilled")));
    rig.sleep(100).await;
    let waiting = rig.app("web").await.state.unwrap().waiting.unwrap();
    assert_eq!(waiting.reason.as_deref(), Some("CrashLoopBackOff"));
    assert_eq!(rig.ledger.usage_snapshot(rig.clock.now()), vec![], "what is down uses nothing");
    let kills = rig.report().total.oom_kills;
    assert!(kills >= 3, "{kills}");
    rig.resize("web", json!({ "limits": { "memory": "256Mi" } })).await;
    let resized = rig.now();
    rig.until("web", |pod| pod.ready && settled(pod)).await;
    assert!(rig.now() - resized <= 8, "another size need not wait: {}", rig.now() - resized);
    rig.sleep(3_600).await;
    assert_eq!(rig.report().total.oom_kills, kills);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_may_not_restart_fails_when_it_is_killed() {
    let rig = Rig::new(demand(100, 200)).await;
    let mut job = pod("import", ["100m", "128Mi"], Some(["500m", "128Mi"]));
    job["spec"]["restartPolicy"] = json!("Never");
    rig.create(job).await;
    let ended = rig.until("import", |pod| pod.finished()).await;
    assert_eq!(ended.phase, crate::resources::PodPhase::Failed);
    assert!(ended.container("app").unwrap().last_oom.is_some());
}

#[tokio::test(start_paused = true)]
async fn slack_follows_the_request_and_remembers_the_first_one() {
    let rig = Rig::new(demand(100, 64)).await;
    rig.create_and_start(pod("web", ["1", "1Gi"], None)).await;
    rig.resize("web", json!({ "requests": { "cpu": "200m" } })).await;
    rig.sleep(1_000).await;
    let report = rig.report().total;
    assert!((report.cpu_slack - 100.0).abs() < 10.0, "{}", report.cpu_slack);
    assert!((report.cpu_slack_before - 900.0).abs() < 10.0, "{}", report.cpu_slack_before);
}

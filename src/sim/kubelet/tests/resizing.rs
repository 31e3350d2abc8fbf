use super::*;
use crate::resources::{PendingReason, Resources};

fn requests(cpu: &str) -> Value {
    json!({ "requests": { "cpu": cpu } })
}

fn cpu_of(resources: Option<Resources>) -> Option<MilliCpu> {
    resources?.cpu
}

#[tokio::test(start_paused = true)]
async fn a_resize_is_allocated_first_and_in_force_a_second_or_two_later() {
    let rig = Rig::new(demand(100, 64)).await;
    rig.create_and_start(pod("web", ["100m", "128Mi"], None)).await;
    rig.resize("web", requests("300m")).await;
    let allocated = rig.until("web", |pod| pod.observed_generation == Some(2)).await;
    let app = allocated.container("app").unwrap();
    assert_eq!(cpu_of(app.allocated), Some(MilliCpu(300)));
    assert_eq!(cpu_of(app.actual.map(|actual| actual.requests)), Some(MilliCpu(100)));
    assert_eq!(allocated.resize.in_progress, Some(None));
    let started = rig.now();
    let done = rig.until("web", settled).await;
    assert!((1..=2).contains(&(rig.now() - started)));
    let app = done.container("app").unwrap();
    assert_eq!(app.actual.unwrap().requests.cpu, Some(MilliCpu(300)));
    assert_eq!((app.restarts, done.ready), (0, true));
    assert_eq!(rig.report().total.resizes, 1);
}

#[tokio::test(start_paused = true)]
async fn a_resize_on_top_of_one_in_progress_wins() {
    let rig = Rig::new(demand(100, 64)).await;
    rig.create_and_start(pod("web", ["100m", "128Mi"], None)).await;
    rig.resize("web", requests("300m")).await;
    rig.resize("web", requests("200m")).await;
    let done = rig.until("web", settled).await;
    assert_eq!(done.container("app").unwrap().actual.unwrap().requests.cpu, Some(MilliCpu(200)));
}

#[tokio::test(start_paused = true)]
async fn a_resize_without_room_is_deferred_until_a_neighbour_is_gone() {
    let rig = Rig::new(demand(100, 64)).await;
    rig.create_and_start(pod("web", ["1", "1Gi"], None)).await;
    rig.create_and_start(pod("neighbour", ["3", "1Gi"], None)).await;
    rig.resize("web", requests("2")).await;
    let waiting = rig.until("web", |pod| pod.observed_generation == Some(2)).await;
    let message = "Node didn't have enough resource: cpu, requested: 2000, used: 3000, capacity: 4000";
    assert_eq!(waiting.resize.pending, Some((PendingReason::Deferred, message.to_owned())));
    assert_eq!(cpu_of(waiting.container("app").unwrap().allocated), Some(MilliCpu(1_000)));
    rig.delete("neighbour").await;
    rig.until("web", settled).await;
    assert!(rig.now() < 60, "the deletion is a trigger, not the timer: {}", rig.now());
}

#[tokio::test(start_paused = true)]
async fn a_neighbours_shrink_makes_room_once_it_is_in_force() {
    let rig = Rig::new(demand(100, 64)).await;
    rig.create_and_start(pod("web", ["1", "1Gi"], None)).await;
    rig.create_and_start(pod("neighbour", ["3", "1Gi"], None)).await;
    rig.resize("web", requests("2")).await;
    rig.until("web", |pod| pod.resize.pending.is_some()).await;
    rig.resize("neighbour", requests("1")).await;
    rig.until("neighbour", |pod| pod.resize.in_progress.is_some()).await;
    assert!(rig.view("web").await.resize.pending.is_some(), "what is only allocated frees nothing");
    rig.until("web", settled).await;
    assert!(rig.now() < 60);
}

#[tokio::test(start_paused = true)]
async fn taking_a_deferred_wish_back_ends_it() {
    let rig = Rig::new(demand(100, 64)).await;
    rig.create_and_start(pod("web", ["1", "1Gi"], None)).await;
    rig.create_and_start(pod("neighbour", ["3", "1Gi"], None)).await;
    rig.resize("web", requests("2")).await;
    rig.until("web", |pod| pod.resize.pending.is_some()).await;
    rig.resize("web", requests("1")).await;
    let back = rig.until("web", settled).await;
    assert_eq!((back.generation, rig.report().total.resizes), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn the_timer_finds_room_that_no_event_tells_of() {
    let rig = Rig::new(demand(100, 64)).await;
    rig.create_and_start(pod("web", ["3", "1Gi"], None)).await;
    rig.create_and_start(pod("neighbour", ["1", "1Gi"], None)).await;
    rig.resize("web", requests("4")).await;
    rig.until("web", |pod| pod.resize.pending.is_some()).await;
    let deferred = rig.now();
    let nodes = Api::<Node>::all(rig.server.client("test"));
    let grown = json!({ "status": { "allocatable": { "cpu": "8" } } });
    nodes.patch_status("n1", &PatchParams::default(), &Patch::Merge(grown)).await.unwrap();
    rig.until("web", settled).await;
    assert!((175..=185).contains(&(rig.now() - deferred)), "{}", rig.now() - deferred);
}

#[tokio::test(start_paused = true)]
async fn a_pinned_guaranteed_pod_is_infeasible_and_not_tried_again() {
    let options = Options { static_cpu_nodes: ["n1".to_owned()].into(), ..Options::default() };
    let rig = Rig::with(demand(100, 64), options).await;
    rig.create_and_start(pod("web", ["1", "1Gi"], Some(["1", "1Gi"]))).await;
    rig.resize("web", json!({ "requests": { "cpu": "2" }, "limits": { "cpu": "2" } })).await;
    let refused = rig.until("web", |pod| pod.resize.pending.is_some()).await;
    assert_eq!(refused.resize.pending.unwrap().0, PendingReason::Infeasible);
    let writes = rig.status_writes();
    rig.sleep(3_600).await;
    assert_eq!(rig.status_writes(), writes);
    rig.resize("web", json!({ "requests": { "cpu": "1" }, "limits": { "cpu": "1" } })).await;
    rig.until("web", settled).await;
}

#[tokio::test(start_paused = true)]
async fn a_memory_limit_below_usage_is_an_error_that_is_retried_until_it_is_raised_again() {
    let rig = Rig::new(demand(100, 512)).await;
    rig.create_and_start(pod("web", ["100m", "256Mi"], Some(["1", "1Gi"]))).await;
    rig.resize("web", json!({ "limits": { "memory": "512Mi" } })).await;
    let failed = rig.until("web", |pod| matches!(pod.resize.in_progress, Some(Some(_)))).await;
    let message = "cannot decrease memory limits: attempting to set container \"app\" memory limit (536870912) \
                   below current usage (536870912)";
    assert_eq!(failed.resize.in_progress, Some(Some(message.to_owned())));
    let actual = failed.container("app").unwrap().actual.unwrap();
    assert_eq!(actual.limits.memory, Some(Bytes::mib(1024)));
    rig.sleep(60).await;
    assert!(rig.view("web").await.resize.in_progress.is_some());
    rig.resize("web", json!({ "limits": { "memory": "513Mi" } })).await;
    let done = rig.until("web", settled).await;
    assert_eq!(done.container("app").unwrap().actual.unwrap().limits.memory, Some(Bytes::mib(513)));
}

#[tokio::test(start_paused = true)]
async fn a_resize_policy_of_restart_restarts_the_container_once() {
    let rig = Rig::new(demand(100, 64)).await;
    let mut web = pod("web", ["100m", "128Mi"], None);
    web["spec"]["containers"][0]["resizePolicy"] =
        json!([{ "resourceName": "memory", "restartPolicy": "RestartContainer" }]);
    rig.create_and_start(web).await;
    rig.resize("web", json!({ "requests": { "cpu": "200m", "memory": "256Mi" } })).await;
    let done = rig.until("web", |pod| settled(pod) && pod.ready).await;
    let app = done.container("app").unwrap();
    assert_eq!((app.restarts, app.actual.unwrap().requests.memory), (1, Some(Bytes::mib(256))));
}

#[tokio::test(start_paused = true)]
async fn a_failing_runtime_is_asked_again_until_it_obeys() {
    let target = Target { namespace: "default".into(), workload: "web".into() };
    let fault = Fault::ActuationFails { target, attempts: 2, message: "runtime is down".into() };
    let rig = Rig::with(demand(100, 64), Options { faults: vec![fault], ..Options::default() }).await;
    rig.create_and_start(pod("web", ["100m", "128Mi"], None)).await;
    rig.resize("web", requests("300m")).await;
    let failed = rig.until("web", |pod| matches!(pod.resize.in_progress, Some(Some(_)))).await;
    assert_eq!(failed.resize.in_progress, Some(Some("runtime is down".to_owned())));
    let failed_at = rig.now();
    rig.until("web", settled).await;
    assert!((20..=31).contains(&(rig.now() - failed_at)), "{}", rig.now() - failed_at);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_resize_holds_its_room_and_never_ends() {
    let target = Target { namespace: "default".into(), workload: "web".into() };
    let options = Options { faults: vec![Fault::ResizeNeverFinishes { target }], ..Options::default() };
    let rig = Rig::with(demand(100, 64), options).await;
    rig.create_and_start(pod("web", ["1", "1Gi"], None)).await;
    rig.resize("web", requests("3")).await;
    rig.sleep(3_600).await;
    let stuck = rig.view("web").await;
    assert_eq!(stuck.resize.in_progress, Some(None));
    assert_eq!(cpu_of(stuck.container("app").unwrap().allocated), Some(MilliCpu(3_000)));
}

#[tokio::test(start_paused = true)]
async fn pressure_defers_and_a_restarted_kubelet_remembers_what_it_promised() {
    let pressure =
        Fault::NodePressure { node: "n1".into(), condition: "DiskPressure".into(), from: at(60), until: at(400) };
    let restart = Fault::KubeletRestarts { node: "n1".into(), at: at(200) };
    let rig = Rig::with(demand(100, 64), Options { faults: vec![pressure, restart], ..Options::default() }).await;
    rig.create_and_start(pod("web", ["1", "1Gi"], None)).await;
    rig.sleep(90).await;
    rig.resize("web", requests("500m")).await;
    let deferred = rig.until("web", |pod| pod.resize.pending.is_some()).await;
    assert_eq!(
        deferred.resize.pending,
        Some((PendingReason::Deferred, "The node had condition: [DiskPressure]. ".into()))
    );
    let before = rig.condition("web", "PodResizePending").await.unwrap().last_transition_time.unwrap();
    rig.sleep(120).await;
    let after = rig.condition("web", "PodResizePending").await.unwrap().last_transition_time.unwrap();
    assert_eq!((before < after, after.0), (true, at(200)), "a restart resets the time of the condition");
    let app = rig.view("web").await.container("app").unwrap().clone();
    assert_eq!((cpu_of(app.allocated), app.restarts), (Some(MilliCpu(1_000)), 0));
    rig.until("web", settled).await;
    assert!((400..=600).contains(&rig.now()), "{}", rig.now());
}

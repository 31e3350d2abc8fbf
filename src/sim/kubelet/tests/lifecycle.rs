use super::*;

#[tokio::test(start_paused = true)]
async fn a_bound_pod_starts_and_becomes_ready_after_its_startup_time() {
    let rig = Rig::new(demand(100, 64)).await;
    let mut web = pod("web", ["100m", "128Mi"], None);
    web["metadata"]["annotations"] = json!({ STARTUP_SECONDS: "20" });
    rig.create(web).await;
    rig.until("web", |pod| pod.phase == crate::resources::PodPhase::Running).await;
    assert!((1..=3).contains(&rig.now()), "{}", rig.now());
    let status = rig.get("web").await.status.unwrap();
    assert_eq!(status.qos_class.as_deref(), Some("Burstable"));
    assert!(status.pod_ip.is_some() && status.host_ip.is_some() && status.start_time.is_some());
    let app = rig.app("web").await;
    assert!(!app.ready && app.started == Some(true));
    assert_eq!(app.resources.unwrap().requests.unwrap()["cpu"].0, "100m");
    let started = rig.now();
    rig.until("web", |pod| pod.ready).await;
    assert!((20..=21).contains(&(rig.now() - started)));
    let conditions = rig.get("web").await.status.unwrap().conditions.unwrap();
    let with_reason =
        conditions.iter().filter(|it| it.status == "True" && (it.reason.is_some() || it.message.is_some()));
    assert_eq!(with_reason.count(), 0, "what was the matter is over: {conditions:?}");
}

#[tokio::test(start_paused = true)]
async fn a_container_without_resources_still_reports_that_it_has_none() {
    let rig = Rig::new(demand(1, 1)).await;
    let idle = json!({
        "metadata": { "name": "idle" },
        "spec": { "nodeName": "n1", "containers": [{ "name": "app", "image": "app:1" }] },
    });
    rig.create_and_start(idle).await;
    assert_eq!(rig.app("idle").await.resources, Some(Default::default()));
}

#[tokio::test(start_paused = true)]
async fn sidecars_run_beside_the_app_and_init_containers_before_it() {
    let rig = Rig::new(demand(1, 1)).await;
    let mut web = pod("web", ["100m", "128Mi"], None);
    web["spec"]["initContainers"] = json!([
        { "name": "migrate", "image": "m:1" },
        { "name": "mesh", "image": "mesh:1", "restartPolicy": "Always", "resources": { "requests": { "cpu": "50m" } } },
    ]);
    rig.create_and_start(web).await;
    let init = rig.get("web").await.status.unwrap().init_container_statuses.unwrap();
    assert!(init[0].state.as_ref().unwrap().terminated.is_some());
    assert!(init[1].state.as_ref().unwrap().running.is_some() && init[1].ready);
    assert_eq!(rig.view("web").await.container("mesh").unwrap().allocated.unwrap().cpu, Some(MilliCpu(50)));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_does_not_fit_beside_the_others_fails_by_the_name_of_what_is_short() {
    let rig = Rig::new(demand(1, 1)).await;
    rig.create_and_start(pod("first", ["3", "1Gi"], None)).await;
    rig.create(pod("second", ["1001m", "1Gi"], None)).await;
    rig.until("second", |pod| pod.finished()).await;
    let status = rig.get("second").await.status.unwrap();
    assert_eq!((status.phase.as_deref(), status.reason.as_deref()), (Some("Failed"), Some("OutOfcpu")));
    assert_eq!(
        status.message.as_deref(),
        Some("Pod was rejected: Node didn't have enough resource: cpu, requested: 1001, used: 3000, capacity: 4000")
    );
    rig.create_and_start(pod("third", ["1", "1Gi"], None)).await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_is_taken_down_first_and_its_successor_of_the_same_name_starts_anew() {
    let rig = Rig::new(demand(1, 1)).await;
    let first = rig.create_and_start(pod("web-0", ["3", "1Gi"], None)).await;
    rig.delete("web-0").await;
    assert!(rig.view("web-0").await.terminating);
    while rig.pods.get_opt("web-0").await.unwrap().is_some() {
        rig.sleep(1).await;
    }
    let second = rig.create_and_start(pod("web-0", ["3", "1Gi"], None)).await;
    assert_ne!(first.uid, second.uid);
}

#[tokio::test(start_paused = true)]
async fn work_that_is_done_ends_the_pod_well() {
    let rig = Rig::new(demand(1, 1)).await;
    let mut job = pod("import", ["100m", "128Mi"], None);
    job["metadata"]["annotations"] = json!({ RUN_SECONDS: "60" });
    job["spec"]["restartPolicy"] = json!("Never");
    rig.create(job).await;
    let done = rig.until("import", |pod| pod.finished()).await;
    assert_eq!(done.phase, crate::resources::PodPhase::Succeeded);
    let ended = rig.app("import").await.state.unwrap().terminated.unwrap();
    assert_eq!((ended.exit_code, ended.reason.as_deref()), (0, Some("Completed")));
    assert_eq!(ended.finished_at.unwrap().0.duration_since(ended.started_at.unwrap().0).as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_pod_costs_no_writes() {
    let rig = Rig::new(demand(100, 64)).await;
    rig.create_and_start(pod("web", ["100m", "128Mi"], None)).await;
    let before = rig.status_writes();
    rig.sleep(24 * 3600).await;
    assert_eq!(rig.status_writes(), before);
}

#[tokio::test(start_paused = true)]
async fn a_node_is_registered_as_ready_with_its_kubelets_version() {
    let rig = Rig::new(demand(1, 1)).await;
    rig.sleep(1).await;
    let node = Api::<Node>::all(rig.server.client("test")).get("n1").await.unwrap();
    let status = node.status.unwrap();
    assert_eq!(status.node_info.unwrap().kubelet_version, "v1.37.2");
    assert!(status.conditions.unwrap().iter().any(|c| c.type_ == "Ready" && c.status == "True"));
}

#[test]
fn a_successor_that_is_seen_without_a_deletion_before_it_starts_anew() {
    let world = World {
        chance: Chance::new(1),
        options: Options::default(),
        load: Arc::new(demand(1, 1)),
        ledger: Ledger::new(origin()),
    };
    let mut machine = Machine::new(world);
    let node = json!({ "metadata": { "name": "n1" }, "status": { "allocatable": { "cpu": "1", "memory": "1Gi" } } });
    machine.node_applied(&Arc::new(object(node)), at(0));
    let with_uid = |uid: &str| {
        let mut web = pod("web-0", ["1", "1Gi"], None);
        web["metadata"]["uid"] = json!(uid);
        Arc::new(object::<Pod>(web))
    };
    machine.pod_applied(&with_uid("first"), at(0));
    machine.advance(at(60));
    machine.pod_applied(&with_uid("second"), at(60));
    let state = machine.pods.values().next().unwrap();
    assert_eq!((machine.pods.len(), state.uid()), (1, "second"));
    assert!(matches!(state.stage, pod::Stage::Starting { .. }), "{:?}", state.stage);
}

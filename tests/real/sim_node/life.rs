//! The life of Pods and their resizes.

use std::time::{Duration, Instant};

use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{Node, PodCondition},
};
use kube::api::{DeleteParams, EvictParams, ListParams};
use tailor::{
    resources::{PendingReason, PodPhase},
    sim::kubelet::{KubeletProfile, Options as KubeletOptions},
};

use super::*;

/// A Deployment of Pods with one container `app`.
async fn deploy(cluster: &Cluster, name: &str, replicas: u32, [cpu, memory]: [&str; 2]) {
    let labels = json!({ "app": name });
    let resources = json!({ "requests": { "cpu": cpu, "memory": memory } });
    let deployment = json!({
        "metadata": { "name": name },
        "spec": { "replicas": replicas, "selector": { "matchLabels": labels }, "template": {
            "metadata": { "labels": labels },
            "spec": { "containers": [{ "name": "app", "image": "registry.example/app:1", "resources": resources }] },
        }},
    });
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), "default");
    deployments.create(&PostParams::default(), &serde_json::from_value(deployment).unwrap()).await.unwrap();
}

/// Waits until so many Pods of a Deployment are ready and no other is there.
async fn ready(cluster: &Cluster, app: &str, count: usize) -> Vec<PodView> {
    let labels = ListParams::default().labels(&format!("app={app}"));
    let pods = async || -> Vec<PodView> {
        let pods = cluster.pods().list(&labels).await.unwrap();
        pods.iter().map(|pod| PodView::try_from(pod).unwrap()).collect()
    };
    until("all Pods of a Deployment to be ready", async || {
        let pods = pods().await;
        pods.len() == count && pods.iter().all(|pod| pod.ready && !pod.terminating)
    })
    .await;
    pods().await
}

#[tokio::test]
async fn pods_of_a_deployment_run_are_resized_in_place_and_come_back_after_an_eviction() {
    let everything = ControlPlaneOptions { controllers: true, scheduler: true, ..ControlPlaneOptions::default() };
    let nodes = vec![node("sim-1", 4_000, 8), node("sim-2", 4_000, 8)];
    let Some(cluster) = Cluster::start(everything, options(nodes)).await else { return };
    deploy(&cluster, "web", 2, ["500m", "256Mi"]).await;
    let pods = ready(&cluster, "web", 2).await;
    let nodes = Api::<Node>::all(cluster.client()).list(&ListParams::default()).await.unwrap();
    assert!(nodes.iter().all(|node| node.spec.as_ref().is_none_or(|spec| spec.taints.is_none())), "{nodes:?}");

    let name = &pods[0].name;
    let asked = Instant::now();
    cluster.resize(name, json!({ "requests": { "cpu": "750m", "memory": "300Mi" } })).await;
    let resized = cluster.until("the resize to be actual", name, |pod| pod.generation > 1 && settled(pod)).await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!(resized.container("app").unwrap().restarts, 0);

    cluster.pods().evict(name, &EvictParams::default()).await.unwrap();
    until("the evicted Pod to be gone", async || cluster.pods().get_opt(name).await.unwrap().is_none()).await;
    let replaced = ready(&cluster, "web", 2).await;
    assert!(replaced.iter().all(|pod| pod.name != *name));
}

#[tokio::test]
async fn a_node_says_what_a_kubelet_says_and_its_lease_is_renewed() {
    let options = Options { heartbeat: Duration::from_millis(200), ..options(vec![node("sim-1", 4_000, 8)]) };
    let Some(cluster) = Cluster::bare(options).await else { return };
    let nodes = Api::<Node>::all(cluster.client());
    let ready = |node: &Node| {
        let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    until("the Node to be ready", async || ready(&nodes.get("sim-1").await.unwrap())).await;
    let status = nodes.get("sim-1").await.unwrap().status.unwrap();
    assert_eq!(status.node_info.unwrap().kubelet_version, "v1.37.2");
    assert_eq!(status.allocatable.unwrap()["cpu"].0, "4");
    assert!(status.declared_features.unwrap().contains(&"InPlacePodLevelResourcesVerticalScaling".to_owned()));
    let port = status.daemon_endpoints.unwrap().kubelet_endpoint.unwrap().port;
    assert_eq!(port, i32::from(cluster.kubelets.endpoints()["sim-1"].port()));

    let leases = Api::<Lease>::namespaced(cluster.client(), "kube-node-lease");
    let renewed = async || leases.get_opt("sim-1").await.unwrap()?.spec?.renew_time;
    until("a Lease", async || renewed().await.is_some()).await;
    let first = renewed().await;
    until("the Lease to be renewed", async || renewed().await > first).await;
}

#[tokio::test]
async fn a_resize_waits_while_its_node_is_full_and_is_granted_when_a_neighbour_goes() {
    let Some(cluster) = Cluster::bare(options(vec![node("sim-1", 2_000, 8)])).await else { return };
    cluster.create_and_start(pod("web", "sim-1", ["1", "1Gi"], None)).await;
    cluster.create_and_start(pod("neighbour", "sim-1", ["900m", "1Gi"], None)).await;

    cluster.resize("web", json!({ "requests": { "cpu": "1500m" } })).await;
    let deferred = cluster.until("the resize to wait", "web", |pod| pod.resize.pending.is_some()).await;
    let message = "Node didn't have enough resource: cpu, requested: 1500, used: 900, capacity: 2000".to_owned();
    assert_eq!(deferred.resize.pending, Some((PendingReason::Deferred, message)));
    assert_eq!(deferred.container("app").unwrap().allocated.unwrap().cpu, Some(MilliCpu(1_000)));

    cluster.pods().delete("neighbour", &DeleteParams::default()).await.unwrap();
    cluster.until("the resize to be actual", "web", |pod| pod.generation > 1 && settled(pod)).await;
    assert!(cluster.pods().get_opt("neighbour").await.unwrap().is_none());
}

#[tokio::test]
async fn pods_run_on_while_their_kubelet_starts_again() {
    let nodes = || vec![node("sim-1", 2_000, 8)];
    let Some(mut cluster) = Cluster::bare(options(nodes())).await else { return };
    cluster.create_and_start(pod("web", "sim-1", ["1", "1Gi"], Some(["2", "2Gi"]))).await;
    let started = async |cluster: &Cluster| {
        let status = cluster.pods().get("web").await.unwrap().status.unwrap();
        (status.pod_ip, status.start_time, status.container_statuses.unwrap()[0].container_id.clone())
    };
    let before = started(&cluster).await;

    cluster.kubelets = real::spawn(cluster.client(), options(nodes())).await.unwrap();
    cluster.resize("web", json!({ "requests": { "cpu": "1500m" } })).await;
    let resized = cluster.until("the resize to be actual", "web", |pod| pod.generation > 1 && settled(pod)).await;
    assert!(resized.ready && resized.container("app").unwrap().restarts == 0, "{resized:?}");
    assert_eq!(started(&cluster).await, before);
    cluster.create_and_start(pod("next", "sim-1", ["100m", "64Mi"], None)).await;
    assert_ne!(cluster.pods().get("next").await.unwrap().status.unwrap().pod_ip, before.0);
}

#[tokio::test]
async fn what_a_kubelet_cannot_do_is_infeasible_and_what_the_runtime_cannot_do_an_error() {
    let kubelets = KubeletOptions {
        profile: KubeletProfile::V1_37,
        static_cpu_nodes: ["pinned".to_owned()].into(),
        ..options(Vec::new()).kubelets
    };
    let nodes = vec![node("pinned", 2_000, 8), node("plain", 2_000, 8)];
    let Some(cluster) = Cluster::bare(Options { kubelets, ..options(nodes) }).await else { return };
    let guaranteed = ["500m", "256Mi"];
    cluster.create_and_start(pod("fixed", "pinned", guaranteed, Some(guaranteed))).await;
    cluster.create_and_start(pod("full", "plain", ["100m", "64Mi"], Some(["1", "256Mi"]))).await;

    let more = json!({ "cpu": "600m", "memory": "256Mi" });
    cluster.resize("fixed", json!({ "requests": more, "limits": more })).await;
    let infeasible = cluster.until("the resize to be refused", "fixed", |pod| pod.resize.pending.is_some()).await;
    assert!(
        matches!(&infeasible.resize.pending, Some((PendingReason::Infeasible, text)) if text.contains("CPU Manager"))
    );

    // The container holds 64 MiB.
    cluster.resize("full", json!({ "requests": { "memory": "32Mi" }, "limits": { "memory": "32Mi" } })).await;
    let error = |pod: &PodView| pod.resize.in_progress.clone().flatten();
    let failed = cluster.until("the resize to fail", "full", |pod| error(pod).is_some()).await;
    assert!(error(&failed).unwrap().starts_with("cannot decrease memory limits"), "{failed:?}");
    cluster.resize("full", json!({ "requests": { "memory": "64Mi" }, "limits": { "memory": "128Mi" } })).await;
    cluster.until("the larger size to be actual", "full", |pod| pod.generation > 2 && settled(pod)).await;
}

#[tokio::test]
async fn a_container_that_outgrows_its_limit_is_killed_and_one_that_is_done_ends_its_pod() {
    let Some(cluster) = Cluster::bare(options(vec![node("sim-1", 2_000, 8)])).await else { return };
    let mut job = pod("job", "sim-1", ["100m", "64Mi"], None);
    job["metadata"]["annotations"] = json!({ "sim.tailor.dev/run-seconds": "0.3" });
    job["spec"]["restartPolicy"] = json!("Never");
    job["spec"]["initContainers"] = json!([
        { "name": "before", "image": "registry.example/before:1" },
        { "name": "beside", "image": "registry.example/beside:1", "restartPolicy": "Always" },
    ]);
    cluster.create(job).await;
    cluster.create(pod("greedy", "sim-1", ["100m", "32Mi"], Some(["1", "32Mi"]))).await;

    let killed = cluster.until("an OOM kill", "greedy", |pod| pod.container("app").unwrap().last_oom.is_some()).await;
    assert!(killed.container("app").unwrap().restarts <= 1 && !killed.ready, "{killed:?}");
    cluster.until("the work to be done", "job", |pod| pod.phase == PodPhase::Succeeded).await;
    let status = cluster.pods().get("job").await.unwrap().status.unwrap();
    let completed =
        |condition: &PodCondition| condition.type_ == "Ready" && condition.reason.as_deref() == Some("PodCompleted");
    assert!(status.conditions.unwrap().iter().any(completed));
}

//! Scheduler, workload controllers and kubelets together, over the real client.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    batch::v1::Job,
    core::v1::{Node, Pod},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, EvictParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::pods;
use crate::{
    clock::Clock,
    resources::{Bytes, NanoCpu},
    sim::{
        api_server::{ApiServer, ServerConfig},
        kubelet,
        ledger::Ledger,
        load::Demand,
        scheduler,
    },
};

struct Cluster {
    client: Client,
}

impl Cluster {
    /// A running cluster whose Nodes have so many cores each.
    async fn with_nodes(cores: &[(&str, u32)]) -> Self {
        let clock = Clock::simulated("2026-01-05T00:00:00Z".parse().unwrap());
        let server = ApiServer::new(ServerConfig::new(clock, 1));
        let client = server.client("user");
        let nodes: Api<Node> = Api::all(client.clone());
        for (name, cores) in cores {
            let size = json!({ "cpu": cores.to_string(), "memory": "16Gi", "pods": "110" });
            let node = json!({ "metadata": { "name": name, "labels": { "kubernetes.io/os": "linux" } },
                "status": { "capacity": size, "allocatable": size, "conditions": [{ "type": "Ready", "status": "True" }] } });
            let node: Node = serde_json::from_value(node).unwrap();
            nodes.create(&PostParams::default(), &node).await.unwrap();
        }
        let idle = Demand { cpu: NanoCpu::from_cores(0.01), memory: Bytes::mib(10) };
        let ledger = Ledger::new(clock.now());
        kubelet::spawn(server.client("kubelet"), clock, 1, Arc::new(idle), ledger, kubelet::Options::default());
        scheduler::spawn(server.client("scheduler"), clock);
        super::spawn(server.client("controllers"), clock);
        Self { client }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), "default")
    }

    async fn create<K>(&self, object: Value)
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        let object: K = serde_json::from_value(object).unwrap();
        self.api::<K>().create(&PostParams::default(), &object).await.unwrap();
    }

    async fn pods(&self) -> Vec<Pod> {
        self.api::<Pod>().list(&ListParams::default()).await.unwrap().items
    }

    async fn ready(&self) -> Vec<Pod> {
        self.pods().await.into_iter().filter(|p| pods::is_active(p) && pods::is_ready(p)).collect()
    }

    /// Waits for `condition` to hold of the Pods, for a simulated hour at most.
    async fn until(&self, what: &str, condition: impl Fn(&[Pod]) -> bool) -> Vec<Pod> {
        for _ in 0..3_600 {
            let pods = self.pods().await;
            if condition(&pods) {
                return pods;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("never: {what}; Pods: {:#?}", self.pods().await);
    }

    async fn until_ready(&self, count: usize) -> Vec<Pod> {
        let ready = |pods: &[Pod]| pods.iter().filter(|p| pods::is_active(p) && pods::is_ready(p)).count() == count;
        self.until(&format!("{count} Pods Ready"), |pods| ready(pods) && pods.len() == count).await
    }
}

fn template(cpu: &str) -> Value {
    json!({ "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [
        { "name": "app", "image": "web:1", "resources": { "requests": { "cpu": cpu, "memory": "64Mi" } } },
    ]}})
}

fn workload(replicas: u32, cpu: &str) -> Value {
    json!({ "metadata": { "name": "web" }, "spec": {
        "replicas": replicas, "serviceName": "web", "selector": { "matchLabels": { "app": "web" } }, "template": template(cpu),
    }})
}

fn nodes_of(pods: &[Pod]) -> Vec<String> {
    let mut nodes: Vec<_> = pods.iter().filter_map(|p| p.spec.as_ref()?.node_name.clone()).collect();
    nodes.sort();
    nodes
}

#[tokio::test(start_paused = true)]
async fn an_evicted_pod_of_a_deployment_is_replaced() {
    let cluster = Cluster::with_nodes(&[("a", 4), ("b", 4)]).await;
    cluster.create::<Deployment>(workload(2, "1")).await;
    let before = cluster.until_ready(2).await;
    assert_eq!(nodes_of(&before), ["a", "b"], "the emptier Node is taken");
    cluster.api::<Pod>().evict(&before[0].name_any(), &EvictParams::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let after = cluster.until_ready(2).await;
    assert!(after.iter().all(|p| p.uid() != before[0].uid()), "the evicted Pod is gone");
    let status = cluster.api::<Deployment>().get("web").await.unwrap().status.unwrap();
    assert_eq!((status.replicas, status.ready_replicas), (Some(2), Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_new_template_rolls_out_without_losing_more_than_it_may() {
    let cluster = Cluster::with_nodes(&[("a", 8)]).await;
    cluster.create::<Deployment>(workload(4, "500m")).await;
    cluster.until_ready(4).await;
    let patch = Patch::Merge(json!({ "spec": { "template": template("600m") } }));
    cluster.api::<Deployment>().patch("web", &PatchParams::default(), &patch).await.unwrap();
    let mut fewest = 4;
    for _ in 0..120 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        fewest = fewest.min(cluster.ready().await.len());
    }
    let pods = cluster.until_ready(4).await;
    let cpu = |pod: &Pod| crate::resources::PodView::try_from(pod).unwrap().requests_with(|c| c.desired.requests).cpu;
    assert!(pods.iter().all(|p| cpu(p) == Some(crate::resources::MilliCpu(600))));
    assert_eq!(fewest, 3, "maxUnavailable is 25 %");
    let sets = cluster.api::<ReplicaSet>().list(&ListParams::default()).await.unwrap().items;
    let mut sizes: Vec<_> = sets.iter().map(|s| s.spec.replicas.unwrap_or(0)).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [0, 4]);
}

#[tokio::test(start_paused = true)]
async fn scaling_down_removes_what_is_too_much() {
    let cluster = Cluster::with_nodes(&[("a", 8)]).await;
    cluster.create::<Deployment>(workload(3, "500m")).await;
    cluster.until_ready(3).await;
    let patch = Patch::Merge(json!({ "spec": { "replicas": 1 } }));
    cluster.api::<Deployment>().patch("web", &PatchParams::default(), &patch).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    cluster.until_ready(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_stateful_set_comes_up_in_order_and_keeps_its_names() {
    let cluster = Cluster::with_nodes(&[("a", 4)]).await;
    cluster.create::<StatefulSet>(workload(2, "1")).await;
    cluster.until("web-0 alone", |pods| pods.len() == 1 && pods[0].name_any() == "web-0").await;
    let before = cluster.until_ready(2).await;
    cluster.api::<Pod>().evict("web-0", &EvictParams::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let after = cluster.until_ready(2).await;
    assert_eq!(after.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["web-0", "web-1"]);
    assert_ne!(after[0].uid(), before[0].uid());
    assert_eq!(after[1].uid(), before[1].uid());
}

#[tokio::test(start_paused = true)]
async fn a_daemon_set_runs_once_on_each_node_and_a_selector_narrows_it() {
    let cluster = Cluster::with_nodes(&[("a", 2), ("b", 2)]).await;
    cluster.create::<DaemonSet>(workload(1, "100m")).await;
    let pods = cluster.until_ready(2).await;
    assert_eq!(nodes_of(&pods), ["a", "b"]);
    let status = cluster.api::<DaemonSet>().get("web").await.unwrap().status.unwrap();
    assert_eq!((status.desired_number_scheduled, status.number_ready), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_job_completes_as_often_as_asked() {
    let cluster = Cluster::with_nodes(&[("a", 4)]).await;
    let mut template = template("100m");
    template["metadata"]["annotations"] = json!({ kubelet::RUN_SECONDS: "30" });
    template["spec"]["restartPolicy"] = json!("Never");
    let job = json!({ "metadata": { "name": "import" }, "spec": { "completions": 3, "parallelism": 2, "template": template } });
    cluster.create::<Job>(job).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let status = cluster.api::<Job>().get("import").await.unwrap().status.unwrap();
    assert_eq!((status.succeeded, status.active), (Some(3), Some(0)));
    assert!(status.conditions.unwrap().iter().any(|c| c.type_ == "Complete"));
}

#[tokio::test(start_paused = true)]
async fn a_budget_counts_healthy_pods_and_recovers_after_an_eviction() {
    let cluster = Cluster::with_nodes(&[("a", 8)]).await;
    let budget = json!({ "metadata": { "name": "web" }, "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "web" } } } });
    cluster.create::<PodDisruptionBudget>(budget).await;
    cluster.create::<Deployment>(workload(2, "500m")).await;
    let pods = cluster.until_ready(2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let allowed =
        async || cluster.api::<PodDisruptionBudget>().get("web").await.unwrap().status.unwrap().disruptions_allowed;
    assert_eq!(allowed().await, Some(1));
    cluster.api::<Pod>().evict(&pods[0].name_any(), &EvictParams::default()).await.unwrap();
    let refused = cluster.api::<Pod>().evict(&pods[1].name_any(), &EvictParams::default()).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 429), "the budget is spent");
    tokio::time::sleep(Duration::from_secs(60)).await;
    cluster.until_ready(2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(allowed().await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_fits_nowhere_waits_until_a_neighbour_goes() {
    let cluster = Cluster::with_nodes(&[("a", 2)]).await;
    let mut big = workload(1, "1500m");
    big["metadata"]["name"] = json!("big");
    cluster.create::<Deployment>(big).await;
    cluster.until_ready(1).await;
    cluster.create::<Deployment>(workload(1, "1")).await;
    let unschedulable = |pod: &Pod| {
        let conditions = pod.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
        conditions.iter().any(|c| c.reason.as_deref() == Some("Unschedulable"))
    };
    cluster.until("refused", |pods| pods.iter().any(unschedulable)).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(cluster.ready().await.len(), 1);
    cluster.api::<Deployment>().delete("big", &DeleteParams::default()).await.unwrap();
    cluster.until("web runs", |pods| pods.len() == 1 && pods::is_ready(&pods[0]) && !unschedulable(&pods[0])).await;
}

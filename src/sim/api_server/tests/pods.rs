use std::sync::Arc;

use async_trait::async_trait;
use kube::{
    api::EvictParams,
    core::{
        DynamicObject,
        admission::{AdmissionRequest, AdmissionResponse},
    },
};

use super::{super::MutatingAdmission, *};

async fn bound_pod(client: &Client) {
    create_node(client, "n1").await;
    pods(client).create(&PostParams::default(), &pod("web")).await.unwrap();
    assert_eq!(bind(client, "web", "n1").await.0, 201);
}

#[tokio::test]
async fn a_new_pod_is_pending_in_its_first_generation() {
    let client = server().client("user");
    let made = pods(&client).create(&PostParams::default(), &pod("web")).await.unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    let status = made.status.unwrap();
    assert_eq!((status.phase.as_deref(), status.qos_class.as_deref()), (Some("Pending"), Some("Burstable")));
}

#[tokio::test]
async fn a_binding_gives_a_pod_its_node_once() {
    let client = server().client("scheduler");
    bound_pod(&client).await;
    let pod = pods(&client).get("web").await.unwrap();
    assert_eq!(pod.spec.unwrap().node_name.as_deref(), Some("n1"));
    let scheduled = &pod.status.unwrap().conditions.unwrap()[0];
    assert_eq!((scheduled.type_.as_str(), scheduled.status.as_str()), ("PodScheduled", "True"));
    assert_eq!(pod.metadata.generation, Some(1));
    let (code, status) = bind(&client, "web", "n2").await;
    assert_eq!(code, 409);
    assert_eq!(
        status["message"],
        "Operation cannot be fulfilled on pods/binding \"web\": pod web is already assigned to node \"n1\""
    );
}

#[tokio::test]
async fn resources_change_through_resize_only() {
    let client = server().client("user");
    bound_pod(&client).await;
    let resources = json!({ "requests": { "cpu": "200m", "memory": "64Mi" } });
    let patch = json!({ "spec": { "containers": [{ "name": "main", "image": "other", "resources": resources }] } });
    let params = PatchParams::default();
    let status = refusal(pods(&client).patch("web", &params, &Patch::Strategic(&patch)).await);
    assert_eq!(status.code, 422);
    let resized = pods(&client).patch_resize("web", &params, &Patch::Strategic(&patch)).await.unwrap();
    assert_eq!(resized.metadata.generation, Some(2));
    let container = &resized.spec.as_ref().unwrap().containers[0];
    assert_eq!(container.image.as_deref(), Some("web:1"), "all but resources is dropped");
    assert_eq!(container.resources.as_ref().unwrap().requests.as_ref().unwrap()["cpu"].0, "200m");
    let again = pods(&client).patch_resize("web", &params, &Patch::Strategic(&patch)).await.unwrap();
    assert_eq!(again.metadata.resource_version, resized.metadata.resource_version);
}

#[tokio::test]
async fn a_kubelet_reports_through_status() {
    let client = server().client("kubelet");
    bound_pod(&client).await;
    let patch = json!({
        "metadata": { "annotations": { "seen": "yes" } },
        "spec": { "nodeName": "n2" },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
    });
    let new = pods(&client).patch_status("web", &PatchParams::default(), &Patch::Strategic(patch)).await.unwrap();
    assert_eq!(new.spec.unwrap().node_name.as_deref(), Some("n1"));
    assert_eq!(new.metadata.annotations.unwrap()["seen"], "yes");
    let types: Vec<String> = new.status.unwrap().conditions.unwrap().into_iter().map(|one| one.type_).collect();
    // What a strategic patch adds comes before what it does not name.
    assert_eq!(types, ["Ready", "PodScheduled"]);
}

#[tokio::test]
async fn a_report_cannot_take_back_qos_class_and_observed_generation() {
    let client = server().client("kubelet");
    bound_pod(&client).await;
    let report = |status: Value| Patch::Merge(json!({ "status": status }));
    let condition = |generation: Option<i64>| match generation {
        Some(generation) => json!([{ "type": "Ready", "status": "True", "observedGeneration": generation }]),
        None => json!([{ "type": "Ready", "status": "False" }]),
    };
    let first = report(json!({ "observedGeneration": 1, "conditions": condition(Some(1)) }));
    pods(&client).patch_status("web", &PatchParams::default(), &first).await.unwrap();
    let second = report(json!({ "observedGeneration": null, "qosClass": null, "conditions": condition(None) }));
    let status = pods(&client).patch_status("web", &PatchParams::default(), &second).await.unwrap().status.unwrap();
    assert_eq!((status.observed_generation, status.qos_class.as_deref()), (Some(1), Some("Burstable")));
    let ready = &status.conditions.unwrap()[0];
    assert_eq!((ready.status.as_str(), ready.observed_generation), ("False", Some(1)));
}

#[tokio::test]
async fn a_gated_pod_cannot_be_bound() {
    let client = server().client("scheduler");
    create_node(&client, "n1").await;
    let mut wish = pod("web");
    wish.spec.as_mut().unwrap().scheduling_gates = Some(vec![object(json!({ "name": "wait" }))]);
    pods(&client).create(&PostParams::default(), &wish).await.unwrap();
    let (code, status) = bind(&client, "web", "n1").await;
    assert_eq!(code, 409);
    assert!(status["message"].as_str().unwrap().contains("non-empty .spec.schedulingGates"), "{status}");
}

#[tokio::test]
async fn an_applied_resize_changes_resources_only_and_owns_all_that_it_says() {
    let client = server().client("user");
    bound_pod(&client).await;
    let resources = json!({ "requests": { "cpu": "200m", "memory": "64Mi" } });
    let wish = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "labels": { "a": "b" } },
        "spec": { "containers": [{ "name": "main", "image": "other", "resources": resources }] },
    });
    let path = "/api/v1/namespaces/default/pods/web/resize?fieldManager=tailor&force=true";
    let (code, pod) = send(&client, "PATCH", path, "application/apply-patch+yaml", &wish.to_string()).await;
    assert_eq!((code, pod["spec"]["containers"][0]["image"].as_str()), (200, Some("web:1")), "{pod}");
    let managers = pod["metadata"]["managedFields"].as_array().unwrap();
    let own = managers.iter().find(|entry| entry["manager"] == "tailor").unwrap();
    let requests = json!({ "f:cpu": {}, "f:memory": {} });
    let item = json!({ ".": {}, "f:name": {}, "f:image": {}, "f:resources": { "f:requests": requests } });
    let containers = json!({ "f:containers": { "k:{\"name\":\"main\"}": item } });
    assert_eq!(own["fieldsV1"], json!({ "f:metadata": { "f:labels": { "f:a": {} } }, "f:spec": containers }));
}

async fn budget(client: &Client, allowed: i32) {
    let api: Api<k8s_openapi::api::policy::v1::PodDisruptionBudget> = Api::namespaced(client.clone(), "default");
    let wish = object(json!({
        "metadata": { "name": "web" },
        "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "web" } } },
    }));
    api.create(&PostParams::default(), &wish).await.unwrap();
    let status = json!({ "status": {
        "observedGeneration": 1, "disruptionsAllowed": allowed,
        "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1,
    } });
    api.patch_status("web", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
}

async fn run(client: &Client) {
    let status = json!({ "status": {
        "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }],
    } });
    pods(client).patch_status("web", &PatchParams::default(), &Patch::Strategic(status)).await.unwrap();
}

#[tokio::test]
async fn an_eviction_deletes_gracefully_and_charges_the_budget() {
    let client = server().client("user");
    bound_pod(&client).await;
    run(&client).await;
    budget(&client, 1).await;
    pods(&client).evict("web", &EvictParams::default()).await.unwrap();
    let dying = pods(&client).get("web").await.unwrap();
    assert!(dying.metadata.deletion_timestamp.is_some());
    assert!(dying.status.unwrap().conditions.unwrap().iter().any(|one| one.type_ == "DisruptionTarget"));
    let budget = get(&client, "/apis/policy/v1/namespaces/default/poddisruptionbudgets/web").await;
    assert_eq!(budget["status"]["disruptionsAllowed"], 0);
    assert!(budget["status"]["disruptedPods"]["web"].is_string());
}

#[tokio::test]
async fn an_eviction_that_a_budget_forbids_is_429() {
    let client = server().client("user");
    bound_pod(&client).await;
    run(&client).await;
    budget(&client, 0).await;
    let status = refusal(pods(&client).evict("web", &EvictParams::default()).await);
    assert_eq!((status.code, status.reason.as_str()), (429, "TooManyRequests"));
    assert_eq!(pods(&client).get("web").await.unwrap().metadata.deletion_timestamp, None);
}

#[tokio::test]
async fn an_eviction_of_another_pod_of_that_name_conflicts() {
    let client = server().client("user");
    bound_pod(&client).await;
    let eviction = json!({
        "metadata": { "name": "web" }, "deleteOptions": { "preconditions": { "uid": "other" } },
    });
    let path = "/api/v1/namespaces/default/pods/web/eviction";
    assert_eq!(send(&client, "POST", path, "application/json", &eviction.to_string()).await.0, 409);
}

struct Hook(&'static str);

#[async_trait]
impl MutatingAdmission for Hook {
    async fn admit(&self, request: AdmissionRequest<DynamicObject>) -> AdmissionResponse {
        let response = AdmissionResponse::from(&request);
        if self.0 == "deny" {
            return response.deny("not today");
        }
        let patch = json!([{ "op": "replace", "path": self.0, "value": "400m" }]);
        response.with_patch(serde_json::from_value(patch).unwrap()).unwrap()
    }
}

async fn created_under(hook: &'static str) -> kube::Result<Pod> {
    let server = server();
    server.set_pod_admission(Arc::new(Hook(hook)));
    pods(&server.client("user")).create(&PostParams::default(), &pod("web")).await
}

#[tokio::test]
async fn admission_changes_new_pods() {
    let made = created_under("/spec/containers/0/resources/requests/cpu").await.unwrap();
    let resources = made.spec.unwrap().containers[0].resources.clone().unwrap();
    assert_eq!(resources.requests.unwrap()["cpu"].0, "400m");
}

#[tokio::test]
async fn an_admission_patch_that_does_not_fit_is_ignored() {
    let made = created_under("/spec/containers/9/resources/requests/cpu").await.unwrap();
    let resources = made.spec.unwrap().containers[0].resources.clone().unwrap();
    assert_eq!(resources.requests.unwrap()["cpu"].0, "100m");
}

#[tokio::test]
async fn admission_can_deny() {
    let status = refusal(created_under("deny").await);
    assert_eq!(status.code, 403);
    assert!(status.message.contains("not today"));
}

//! What Tailor's webhook would answer, and a webhook of another that injects a sidecar.

use std::{
    collections::BTreeMap,
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{Json, Router, routing::post};
use axum_server::Handle;
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::core::{
    DynamicObject,
    admission::{AdmissionRequest, AdmissionReview},
};
use serde_json::{Value, json};
use tailor::{
    actuate::{Admission, NewPodSizes},
    api::{ContainerPolicy, VerticalResizePolicySpec},
    controller::sizes::{Basis, Fit},
    recommend::Recommendation,
    resources::{ContainerResources, PodView, ResourceKind, Resources},
    tls,
};

use super::stage::Stage;
use crate::wire::create;

/// Sizes by one target for all containers, as the controller does that has learnt it.
struct OneTarget {
    spec: VerticalResizePolicySpec,
    target: Resources,
}

impl NewPodSizes for OneTarget {
    fn sizes(&self, _: &Pod, view: &PodView) -> Vec<(String, ContainerResources)> {
        let basis = Basis {
            spec: &self.spec,
            workload: None,
            models: None,
            may_lower: true,
            limits: None,
            now: Timestamp::UNIX_EPOCH,
        };
        let sized = view.containers.iter().map(|container| {
            let named = |policy: &&ContainerPolicy| policy.name == container.name || policy.name == "*";
            let policy = self.spec.containers.iter().find(named).cloned().unwrap_or_else(ContainerPolicy::unnamed);
            let target = Resources {
                cpu: self.target.cpu.filter(|_| policy.fits(ResourceKind::Cpu)),
                memory: self.target.memory.filter(|_| policy.fits(ResourceKind::Memory)),
            };
            let recommendation = Recommendation { target, ..Recommendation::default() };
            let fit = Fit { policy, template: container.desired, recommendation, peak: None, is_known: true };
            (container.name.clone(), basis.size(&fit, container, true))
        });
        sized.collect()
    }
}

/// The Pod after the webhook's answer. `pod` is one that the API server has defaulted, as the webhook would see it.
pub fn sized_by_the_webhook(pod: &Value, spec: &Value, target: &Value) -> Value {
    let mut spec = spec.clone();
    spec["selector"] = json!({});
    let sizes = OneTarget { spec: from(&spec), target: from(target) };
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "r",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "operation": "CREATE",
            "userInfo": {},
            "object": pod,
        },
    });
    let request: AdmissionRequest<DynamicObject> = from::<AdmissionReview<_>>(&review).try_into().unwrap();
    let response = Admission::new(Arc::new(sizes)).review(&request);
    let mut sized = pod.clone();
    if let Some(patch) = response.patch {
        let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
        json_patch::patch(&mut sized, &patch).unwrap();
    }
    sized
}

fn from<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// What each container of a Pod asks for.
pub fn amounts(pod: &Value) -> BTreeMap<String, ContainerResources> {
    let view = PodView::try_from(&from::<Pod>(pod)).unwrap();
    view.containers.into_iter().map(|container| (container.name, container.desired)).collect()
}

/// A webhook on this machine for the Pods of one namespace; it answers each with this JSON patch.
pub async fn serve(stage: &Stage, namespace: &str, patch: Value) -> Handle<SocketAddr> {
    let host = Ipv4Addr::LOCALHOST;
    let (tls, pem) = tls::self_signed::<Box<dyn Error + Send + Sync>>([host.to_string()]).await.unwrap();
    let (listener, address) = tls::listen(host.into()).unwrap();
    let answer = move |Json(review): Json<Value>| async move {
        let patch = STANDARD.encode(patch.to_string());
        let uid = &review["request"]["uid"];
        Json(json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": { "uid": uid, "allowed": true, "patchType": "JSONPatch", "patch": patch },
        }))
    };
    let handle = Handle::new();
    let server = axum_server::from_tcp_rustls(listener, tls).unwrap().handle(handle.clone());
    tokio::spawn(server.serve(Router::new().route("/", post(answer)).into_make_service()));
    let webhook = json!({
        "metadata": { "name": namespace },
        "webhooks": [{
            "name": "injector.example.com",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": { "url": format!("https://{address}/"), "caBundle": STANDARD.encode(pem) },
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"] }],
        }],
    });
    let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    create(&stage.client, path, &webhook).await;
    handle
}

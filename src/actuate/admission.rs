//! Sizes for new Pods: a JSON patch of container resources, and of nothing else.
//!
//! A new Pod of a covered workload gets the size that the planner would give it, start-up boost included. Whatever is
//! in doubt is let through as it is: an unsized Pod is resized later, a refused one is an outage. The answer is a
//! function of the request and the controller's memory; who serves it (the simulated API server, a webhook) is no
//! matter.

use std::sync::Arc;

use json_patch::{AddOperation, Patch, PatchOperation, jsonptr::PointerBuf};
use k8s_openapi::api::core::v1::Pod;
use kube::core::{
    DynamicObject,
    admission::{AdmissionRequest, AdmissionResponse, Operation},
};
use serde_json::{Value, json};

use crate::resources::{ContainerKind, ContainerResources, PodView, Resources};

/// Knows what the containers of a new Pod should get.
pub trait NewPodSizes: Send + Sync {
    /// Sizes by container name, for a Pod that is about to be created; empty if none is known or wanted.
    fn sizes(&self, pod: &Pod, view: &PodView) -> Vec<(String, ContainerResources)>;
}

/// Answers admission requests for new Pods.
#[derive(Clone)]
pub struct Admission {
    sizes: Arc<dyn NewPodSizes>,
}

impl Admission {
    /// Answers from what `sizes` knows.
    pub fn new(sizes: Arc<dyn NewPodSizes>) -> Self {
        Self { sizes }
    }

    /// Allows every request; a new Pod that should have another size gets a patch with it.
    pub fn review(&self, request: &AdmissionRequest<DynamicObject>) -> AdmissionResponse {
        let response = AdmissionResponse::from(request);
        match self.patch(request) {
            Some(patch) => response.clone().with_patch(patch).unwrap_or(response),
            None => response,
        }
    }

    fn patch(&self, request: &AdmissionRequest<DynamicObject>) -> Option<Patch> {
        let is_pod = request.kind.group.is_empty() && request.kind.kind == "Pod" && request.sub_resource.is_none();
        if !is_pod || request.operation != Operation::Create {
            return None;
        }
        let mut pod: Pod = serde_json::from_value(serde_json::to_value(request.object.as_ref()?).ok()?).ok()?;
        if pod.metadata.namespace.is_none() {
            pod.metadata.namespace.clone_from(&request.namespace);
        }
        let view = PodView::try_from(&pod).ok()?;
        let sizes = self.sizes.sizes(&pod, &view);
        Some(resources_patch(&pod, &view, &sizes)).filter(|patch| !patch.is_empty())
    }
}

/// The patch that gives the Pod these sizes; empty where it has them, or where the Pod would be refused or get another QoS
/// class.
fn resources_patch(pod: &Pod, view: &PodView, sizes: &[(String, ContainerResources)]) -> Patch {
    let size = |name: &str| sizes.iter().find(|(sized, _)| sized == name).map(|(_, size)| *size);
    let unchanged = view.qos_with(|c| size(&c.name).unwrap_or(c.desired)) == view.qos_with(|c| c.desired);
    let valid = view.containers.iter().all(|c| size(&c.name).is_none_or(|size| is_valid(c.desired, size)));
    let may_change = unchanged && valid && !view.pod_level && !view.mirror && !view.windows;
    let mut operations = Vec::new();
    for container in view.containers.iter().filter(|_| may_change) {
        let Some(size) = size(&container.name) else { continue };
        let list = match container.kind {
            ContainerKind::App => "containers",
            ContainerKind::Sidecar => "initContainers",
        };
        let Some(index) = index_of(pod, container.kind, &container.name) else { continue };
        // Keys are only replaced, never added or removed: other resources of the container stay as they are.
        for (part, from, to) in
            [("requests", container.desired.requests, size.requests), ("limits", container.desired.limits, size.limits)]
        {
            for (resource, value) in changed(from, to) {
                let path = ["spec", list, &index.to_string(), "resources", part, resource].map(str::to_owned);
                operations.push(PatchOperation::Add(AddOperation { path: PointerBuf::from_tokens(path), value }));
            }
        }
    }
    Patch(operations)
}

/// Whether no request is above its limit once what is there in `from` is as in `to`.
fn is_valid(from: ContainerResources, to: ContainerResources) -> bool {
    let after = |from: Resources, to: Resources| from.zip(to, kept, kept);
    let (requests, limits) = (after(from.requests, to.requests), after(from.limits, to.limits));
    !is_above(requests.cpu, limits.cpu) && !is_above(requests.memory, limits.memory)
}

/// What a patch makes of an amount: only what is there is ever changed.
fn kept<T>(from: Option<T>, to: Option<T>) -> Option<T> {
    from.map(|from| to.unwrap_or(from))
}

fn is_above<T: Copy + Ord>(request: Option<T>, limit: Option<T>) -> bool {
    limit.is_some() && request > limit
}

/// What is there in `from` and differs in `to`.
fn changed(from: Resources, to: Resources) -> impl Iterator<Item = (&'static str, Value)> {
    let cpu = to.cpu.filter(|_| from.cpu.is_some() && from.cpu != to.cpu).map(|cpu| ("cpu", json!(cpu)));
    let memory = to.memory.filter(|_| from.memory.is_some() && from.memory != to.memory);
    cpu.into_iter().chain(memory.map(|memory| ("memory", json!(memory))))
}

fn index_of(pod: &Pod, kind: ContainerKind, name: &str) -> Option<usize> {
    let spec = pod.spec.as_ref()?;
    match kind {
        ContainerKind::App => spec.containers.iter().position(|c| c.name == name),
        ContainerKind::Sidecar => spec.init_containers.as_ref()?.iter().position(|c| c.name == name),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::resources::{Bytes, MilliCpu, QosClass};

    struct Fixed(Vec<(String, ContainerResources)>);

    impl NewPodSizes for Fixed {
        fn sizes(&self, _: &Pod, _: &PodView) -> Vec<(String, ContainerResources)> {
            self.0.clone()
        }
    }

    fn request(object: &Value) -> AdmissionRequest<DynamicObject> {
        request_with("CREATE", "Pod", object)
    }

    fn request_with(operation: &str, kind: &str, object: &Value) -> AdmissionRequest<DynamicObject> {
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "r1",
                "kind": { "group": "", "version": "v1", "kind": kind },
                "resource": { "group": "", "version": "v1", "resource": "pods" },
                "namespace": "shop",
                "operation": operation,
                "userInfo": {},
                "object": object,
            },
        });
        let review: kube::core::admission::AdmissionReview<DynamicObject> = serde_json::from_value(review).unwrap();
        review.try_into().unwrap()
    }

    fn pod(resources: &Value) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": "web-0" },
            "spec": {
                "initContainers": [
                    { "name": "migrate", "resources": resources },
                    { "name": "mesh", "restartPolicy": "Always", "resources": resources },
                ],
                "containers": [{ "name": "app", "image": "a", "resources": resources }],
            },
        })
    }

    fn sizes(requests: Resources, limits: Resources) -> Vec<(String, ContainerResources)> {
        let size = ContainerResources { requests, limits };
        vec![("app".to_owned(), size), ("mesh".to_owned(), size), ("migrate".to_owned(), size)]
    }

    fn patched(object: &Value, sizes: Vec<(String, ContainerResources)>) -> Option<Value> {
        let response = Admission::new(Arc::new(Fixed(sizes))).review(&request(object));
        assert!(response.allowed);
        let patch: Patch = serde_json::from_slice(&response.patch?).unwrap();
        let mut patched = object.clone();
        json_patch::patch(&mut patched, &patch).unwrap();
        Some(patched)
    }

    const BIG: Resources = Resources::new(MilliCpu(750), Bytes::mib(96));

    #[test]
    fn a_new_pod_gets_its_size_and_keeps_all_else() {
        let object = pod(&json!({ "requests": { "cpu": "100m", "memory": "64Mi", "example.com/gpu": "1" } }));
        let patched = patched(&object, sizes(BIG, Resources::default())).unwrap();
        let sized = json!({ "requests": { "cpu": "750m", "memory": "96Mi", "example.com/gpu": "1" } });
        assert_eq!(patched["spec"]["containers"][0]["resources"], sized);
        assert_eq!(patched["spec"]["initContainers"][1]["resources"], sized);
        assert_eq!(patched["spec"]["initContainers"][0], object["spec"]["initContainers"][0]);
    }

    #[test]
    fn a_pod_that_would_change_its_qos_class_is_let_through() {
        let equal = json!({ "cpu": "100m", "memory": "64Mi" });
        let object = pod(&json!({ "requests": equal, "limits": equal }));
        assert_eq!(patched(&object, sizes(BIG, Resources::new(MilliCpu(800), Bytes::mib(96)))), None);
    }

    #[test]
    fn a_pod_that_would_be_refused_is_let_through() {
        let own = json!({ "requests": { "cpu": "100m", "memory": "64Mi" }, "limits": { "cpu": "500m" } });
        let above_a_limit_that_stays = sizes(BIG, Resources::default());
        assert_eq!(patched(&pod(&own), above_a_limit_that_stays), None);
        let above_its_new_limit = sizes(BIG, Resources::new(MilliCpu(749), Bytes::mib(96)));
        assert_eq!(patched(&pod(&own), above_its_new_limit), None);
        assert!(patched(&pod(&own), sizes(BIG, Resources::new(MilliCpu(750), Bytes::mib(96)))).is_some());
    }

    #[test]
    fn what_is_not_a_new_pod_is_let_through() {
        let object = pod(&json!({ "requests": { "cpu": "100m", "memory": "64Mi" } }));
        let admission = Admission::new(Arc::new(Fixed(sizes(BIG, Resources::default()))));
        for (operation, kind) in [("UPDATE", "Pod"), ("CREATE", "ConfigMap")] {
            let response = admission.review(&request_with(operation, kind, &object));
            assert!(response.allowed && response.patch.is_none());
        }
        let broken = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": { "containers": 5 } });
        let response = admission.review(&request(&broken));
        assert!(response.allowed && response.patch.is_none());
    }

    fn amounts() -> impl Strategy<Value = Resources> {
        let cpu = prop::option::of((1_u64..5_000).prop_map(MilliCpu));
        let memory = prop::option::of((1_u64..5_000).prop_map(Bytes::mib));
        (cpu, memory).prop_map(|(cpu, memory)| Resources { cpu, memory })
    }

    proptest! {
        #[test]
        fn only_amounts_that_are_there_are_ever_patched(
            own in (amounts(), amounts()).prop_filter("it is valid", |(requests, limits)| {
                let own = ContainerResources { requests: *requests, limits: *limits };
                is_valid(own, own)
            }),
            size in (amounts(), amounts()),
        ) {
            let object = pod(&json!({ "requests": own.0, "limits": own.1 }));
            let response = Admission::new(Arc::new(Fixed(sizes(size.0, size.1)))).review(&request(&object));
            prop_assert!(response.allowed);
            let Some(patch) = response.patch else { return Ok(()) };
            let patch: Patch = serde_json::from_slice(&patch).unwrap();
            for operation in &patch.0 {
                let path = operation.path().to_string();
                let parts: Vec<_> = path.split('/').collect();
                prop_assert!(parts[1] == "spec" && parts[4] == "resources" && parts.len() == 7, "{}", path);
                prop_assert!(object.pointer(&path).is_some(), "{} was not there", path);
            }
            let mut patched = object.clone();
            json_patch::patch(&mut patched, &patch).unwrap();
            let class = |object: Value| -> QosClass { PodView::try_from(&serde_json::from_value::<Pod>(object).unwrap()).unwrap().qos };
            prop_assert_eq!(class(patched.clone()), class(object));
            let view = PodView::try_from(&serde_json::from_value::<Pod>(patched).unwrap()).unwrap();
            for container in &view.containers {
                let (requests, limits) = (container.desired.requests, container.desired.limits);
                prop_assert!(limits.cpu.is_none() || requests.cpu <= limits.cpu);
                prop_assert!(limits.memory.is_none() || requests.memory <= limits.memory);
            }
        }
    }
}

//! Objects that cases begin with.

use serde_json::{Value, json};

use super::case::{Case, create, merge};

/// 4 CPUs and 8 GiB, and none of the features that newer kubelets declare.
pub const NODE: &str = "roomy";
/// A Node that runs Windows.
pub const WINDOWS_NODE: &str = "windows";
/// As roomy as the first, with every feature of resize. It is made last: when it is known, all are.
pub const DECLARED_NODE: &str = "declared";

/// The Nodes that all cases share.
pub fn nodes() -> Vec<Value> {
    let node = |name: &str, os: &str, features: &Value| {
        json!({
            "metadata": { "name": name, "labels": { "kubernetes.io/os": os } },
            "status": {
                "capacity": { "cpu": "4", "memory": "8Gi" },
                "allocatable": { "cpu": "4", "memory": "8Gi" },
                "declaredFeatures": features,
            },
        })
    };
    let features = json!(["InPlacePodLevelResourcesVerticalScaling", "InPlacePodVerticalScalingInitContainers"]);
    let none = json!(null);
    vec![node(NODE, "linux", &none), node(WINDOWS_NODE, "windows", &none), node(DECLARED_NODE, "linux", &features)]
}

/// A container with requests and limits.
pub fn container(name: &str, resources: &Value) -> Value {
    json!({ "name": name, "image": "registry.example/app:1", "resources": resources })
}

/// CPU and memory of a core and 1 GiB.
pub const ONE: [&str; 2] = ["1", "1Gi"];
/// Half of [`ONE`].
pub const HALF: [&str; 2] = ["500m", "512Mi"];

/// CPU and memory as requests, and as limits.
pub fn sizes(requests: [&str; 2], limits: [&str; 2]) -> Value {
    let list = |[cpu, memory]: [&str; 2]| json!({ "cpu": cpu, "memory": memory });
    json!({ "requests": list(requests), "limits": list(limits) })
}

/// A Burstable Pod with one container, `app` (500m and 256Mi, limits 1 and 512Mi), and `changes` merged into it.
pub fn pod(name: &str, changes: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name },
        "spec": { "containers": [container("app", &sizes(["500m", "256Mi"], ["1", "512Mi"]))] },
    });
    json_patch::merge(&mut pod, changes);
    pod
}

/// [`pod`], with its containers in place of the one.
pub fn pod_of(name: &str, containers: &[Value]) -> Value {
    pod(name, &json!({ "spec": { "containers": containers } }))
}

/// The Pod `web` with the one container `app`.
pub fn of_one(resources: &Value) -> Value {
    pod_of("web", &[container("app", resources)])
}

/// Binds a Pod to a Node by its spec.
pub fn on(node: &str, mut pod: Value) -> Value {
    pod["spec"]["nodeName"] = node.into();
    pod
}

impl Case {
    /// A Pod that is bound to [`NODE`], unless it names another, and that a kubelet reports as running and ready with
    /// what it asked for.
    pub fn running(self, pod: &Value) -> Self {
        let pod = if pod["spec"]["nodeName"].is_null() { on(NODE, pod.clone()) } else { pod.clone() };
        let name = pod["metadata"]["name"].as_str().expect("a Pod of a case has a name").to_owned();
        let states = |list: &str| -> Vec<Value> {
            let containers = pod["spec"][list].as_array().into_iter().flatten();
            containers
                .map(|one| running(one["name"].as_str().expect("containers have names"), &one["resources"]))
                .collect()
        };
        let status = json!({ "status": {
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z" }],
            "containerStatuses": states("containers"),
            "initContainerStatuses": states("initContainers"),
        } });
        self.given(create("pods", &pod)).given(merge(&format!("pods/{name}/status"), &status))
    }
}

/// The state of a container as a kubelet that can resize reports it, running with these resources.
fn running(name: &str, resources: &Value) -> Value {
    let resources = if resources.is_null() { json!({}) } else { resources.clone() };
    json!({
        "name": name, "image": "registry.example/app:1", "imageID": "sha256:1", "ready": true, "restartCount": 0,
        "state": { "running": { "startedAt": "2026-01-01T00:00:00Z" } },
        "allocatedResources": resources["requests"], "resources": resources,
    })
}

/// Two settings, with labels, an annotation and a finalizer.
pub fn config_map(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "labels": { "app": "web" },
            "annotations": { "example.com/note": "x" },
            "finalizers": ["example.com/hold"],
        },
        "data": { "a": "1", "b": "2" },
    })
}

/// Two replicas of a Pod with two containers, `app` and `log`.
pub fn deployment(name: &str) -> Value {
    let mut app = container("app", &sizes(["500m", "256Mi"], ["1", "512Mi"]));
    app["ports"] = json!([{ "containerPort": 80 }]);
    app["env"] = json!([{ "name": "A", "value": "1" }]);
    app["args"] = json!(["a", "b"]);
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "labels": { "app": "web" } },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": {
                    "containers": [app, container("log", &json!({}))],
                    "volumes": [{ "name": "one", "emptyDir": {} }],
                    "tolerations": [{ "key": "a", "operator": "Exists" }],
                },
            },
        },
    })
}

/// A definition of kind Widget in a group: lists that merge in each way, defaults, rules, status and scale.
pub fn widgets(group: &str) -> Value {
    let (spec, status) = (widget_spec(), widget_status());
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("widgets.{group}") },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": { "plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"] },
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "subresources": {
                    "status": {},
                    "scale": { "specReplicasPath": ".spec.size", "statusReplicasPath": ".status.ready", "labelSelectorPath": ".status.selector" },
                },
                "selectableFields": [{ "jsonPath": ".spec.mode" }],
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": spec, "status": status } } },
            }],
        },
    })
}

fn widget_spec() -> Value {
    let text = json!({ "type": "string" });
    let parts = json!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name", "port"],
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": text, "port": { "type": "integer", "default": 80 }, "note": text,
                "args": { "type": "array", "items": text },
            },
        },
    });
    json!({
        "type": "object",
        "default": {},
        "x-kubernetes-validations": [
            { "rule": "!has(self.size) || self.size < 40", "message": "size must be below 40" },
            { "rule": "!has(self.fixed) || !has(oldSelf.fixed) || self.fixed == oldSelf.fixed", "message": "fixed cannot change", "fieldPath": ".fixed" },
        ],
        "properties": {
            "size": { "type": "integer", "minimum": 0, "maximum": 100 },
            "mode": { "type": "string", "enum": ["Slow", "Fast"], "default": "Slow" },
            "fixed": text,
            "labels": { "type": "object", "additionalProperties": text },
            "choice": { "type": "object", "x-kubernetes-map-type": "atomic", "properties": { "a": text, "b": text } },
            "tags": { "type": "array", "x-kubernetes-list-type": "set", "items": text },
            "steps": { "type": "array", "items": text },
            "parts": parts,
            "extra": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            "share": { "x-kubernetes-int-or-string": true },
            "empty": { "type": "string", "nullable": true },
        },
    })
}

fn widget_status() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "properties": {
            "ready": { "type": "integer" },
            "selector": text,
            "conditions": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": { "type": "object", "required": ["type", "status"], "properties": { "type": text, "status": text } },
            },
        },
    })
}

/// A Widget with something in each of its lists and maps.
pub fn widget(name: &str) -> Value {
    json!({
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": { "name": name },
        "spec": {
            "size": 2,
            "fixed": "a",
            "labels": { "a": "1" },
            "choice": { "a": "1" },
            "tags": ["x", "y"],
            "steps": ["one", "two"],
            "parts": [{ "name": "left", "note": "l" }, { "name": "right", "port": 81 }],
            "extra": { "any": { "thing": [1] } },
        },
    })
}

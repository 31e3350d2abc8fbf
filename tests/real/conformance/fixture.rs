//! Objects that cases begin with.

use serde_json::{Value, json};

/// 4 CPUs and 8 GiB.
pub const NODE: &str = "roomy";
/// The Node that is made last: when it is known, all are.
pub const LAST_NODE: &str = "declared";

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
    vec![
        node(NODE, "linux", &json!(null)),
        node("windows", "windows", &json!(null)),
        node(LAST_NODE, "linux", &features),
    ]
}

/// A container with requests and limits.
pub fn container(name: &str, resources: &Value) -> Value {
    json!({ "name": name, "image": "registry.example/app:1", "resources": resources })
}

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

/// The state of a container as a kubelet that can resize reports it, running with these resources.
pub fn running(name: &str, resources: &Value) -> Value {
    json!({
        "name": name, "image": "registry.example/app:1", "imageID": "sha256:1", "ready": true, "restartCount": 0,
        "state": { "running": { "startedAt": "2026-01-01T00:00:00Z" } },
        "allocatedResources": resources["requests"], "resources": resources,
    })
}

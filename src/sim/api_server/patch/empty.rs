//! What objects of built-in kinds hold even when nothing was said, as far as field ownership shows it.
//!
//! The server compares objects as its own types write them, and those write parts that are no pointers always: such a
//! part is never new, so nobody owns it as such, only what is in it. Custom objects are written as they are.

use serde_json::{Value, json};

use crate::sim::api_server::registry::{Resource, Shape};

/// The parts that an object of a resource has in any case.
pub(crate) fn parts(resource: &Resource) -> Value {
    if matches!(resource.shape, Shape::Custom { .. }) {
        return Value::Null;
    }
    let template = json!({ "metadata": {}, "spec": { "containers": null } });
    let spec = match resource.table.as_str() {
        "pods" => json!({ "containers": null }),
        "deployments.apps" => json!({ "selector": null, "template": template, "strategy": {} }),
        "statefulsets.apps" | "daemonsets.apps" => {
            json!({ "selector": null, "template": template, "updateStrategy": {} })
        }
        "replicasets.apps" => json!({ "selector": null, "template": template }),
        "jobs.batch" => json!({ "template": template }),
        "cronjobs.batch" => json!({ "jobTemplate": { "metadata": {}, "spec": { "template": template } } }),
        "limitranges" => json!({ "limits": null }),
        "namespaces" => json!({ "finalizers": ["kubernetes"] }),
        "horizontalpodautoscalers.autoscaling" => json!({ "scaleTargetRef": {} }),
        "customresourcedefinitions.apiextensions.k8s.io" => json!({ "names": {}, "versions": null }),
        "configmaps" | "secrets" | "serviceaccounts" | "priorityclasses.scheduling.k8s.io" => {
            return json!({ "metadata": {} });
        }
        "events" => {
            return json!({
                "metadata": {}, "involvedObject": {}, "source": {}, "firstTimestamp": null, "lastTimestamp": null,
                "eventTime": null, "reportingComponent": "", "reportingInstance": "",
            });
        }
        "events.events.k8s.io" => {
            return json!({
                "metadata": {}, "regarding": {}, "deprecatedSource": {}, "deprecatedFirstTimestamp": null,
                "deprecatedLastTimestamp": null, "eventTime": null,
            });
        }
        _ => json!({}),
    };
    json!({ "metadata": {}, "spec": spec, "status": status(resource) })
}

/// What the status of a built-in kind says when nothing is known.
fn status(resource: &Resource) -> Value {
    match resource.table.as_str() {
        "nodes" => {
            let texts = [
                "architecture",
                "bootID",
                "containerRuntimeVersion",
                "kernelVersion",
                "kubeProxyVersion",
                "kubeletVersion",
                "machineID",
                "operatingSystem",
                "osImage",
                "systemUUID",
            ];
            let info: serde_json::Map<_, _> = texts.map(|name| (name.to_owned(), json!(""))).into_iter().collect();
            json!({ "daemonEndpoints": { "kubeletEndpoint": { "Port": 0 } }, "nodeInfo": info })
        }
        "services" => json!({ "loadBalancer": {} }),
        "replicasets.apps" => json!({ "replicas": 0 }),
        "statefulsets.apps" => json!({ "availableReplicas": 0, "replicas": 0 }),
        "daemonsets.apps" => json!({
            "currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0,
        }),
        "poddisruptionbudgets.policy" => {
            json!({ "currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0 })
        }
        "horizontalpodautoscalers.autoscaling" => json!({ "currentMetrics": null, "desiredReplicas": 0 }),
        _ => json!({}),
    }
}

/// The parts that are written even when nothing was said, as clients see them.
pub(crate) fn written(resource: &Resource) -> Value {
    let parts = parts(resource);
    match resource.table.as_str() {
        "events" | "events.events.k8s.io" => parts,
        "nodes" | "namespaces" | "resourcequotas" | "poddisruptionbudgets.policy" => {
            json!({ "spec": {}, "status": parts["status"] })
        }
        "leases.coordination.k8s.io" => json!({ "spec": {} }),
        "cronjobs.batch" => {
            json!({ "spec": { "jobTemplate": { "metadata": {}, "spec": { "template": { "metadata": {} } } } }, "status": {} })
        }
        "jobs.batch" => json!({ "spec": { "template": { "metadata": {} } }, "status": {} }),
        "deployments.apps"
        | "replicasets.apps"
        | "statefulsets.apps"
        | "daemonsets.apps"
        | "services"
        | "horizontalpodautoscalers.autoscaling" => json!({ "status": parts["status"] }),
        _ => Value::Null,
    }
}

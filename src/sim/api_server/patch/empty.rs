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
        "horizontalpodautoscalers.autoscaling" => json!({ "scaleTargetRef": {} }),
        "customresourcedefinitions.apiextensions.k8s.io" => json!({ "names": {}, "versions": null }),
        "configmaps" | "secrets" | "serviceaccounts" | "priorityclasses.scheduling.k8s.io" => {
            return json!({ "metadata": {} });
        }
        "events" => return json!({ "metadata": {}, "involvedObject": {}, "source": {} }),
        "events.events.k8s.io" => return json!({ "metadata": {}, "regarding": {} }),
        _ => json!({}),
    };
    let status = match resource.table.as_str() {
        "nodes" => json!({ "daemonEndpoints": { "kubeletEndpoint": {} }, "nodeInfo": {} }),
        "services" => json!({ "loadBalancer": {} }),
        "poddisruptionbudgets.policy" => {
            json!({ "currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0 })
        }
        _ => json!({}),
    };
    json!({ "metadata": {}, "spec": spec, "status": status })
}

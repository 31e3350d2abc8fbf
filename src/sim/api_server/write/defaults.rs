//! Defaults of built-in kinds, as far as controllers rely on them.
//!
//! Source: k8s.io/kubernetes pkg/apis/*/v1/defaults.go.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::sim::api_server::{crd, meta, patch::empty, registry::Resource, rules::pod_defaults};

/// Fills what is absent.
pub(crate) fn fill(resource: &Resource, object: &mut Value) {
    pod_template(resource, object);
    let defaults = match resource.table.as_str() {
        "pods" => return pod_defaults::fill_in(object),
        "limitranges" => return limit_range(object),
        "nodes" => node(object),
        "deployments.apps" => deployment(object),
        "replicasets.apps" => json!({ "spec": { "replicas": 1 } }),
        "statefulsets.apps" => stateful_set(object),
        "daemonsets.apps" => daemon_set(object),
        "jobs.batch" => job(object),
        "cronjobs.batch" => cron_job(),
        "services" => service(object),
        "namespaces" => {
            label_with_name(object);
            json!({ "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "Active" } })
        }
        "secrets" => {
            encode_texts(object);
            json!({ "type": "Opaque" })
        }
        "horizontalpodautoscalers.autoscaling" => json!({ "spec": { "minReplicas": 1 } }),
        "priorityclasses.scheduling.k8s.io" => json!({ "preemptionPolicy": "PreemptLowerPriority" }),
        crd::TABLE => definition(object),
        _ => Value::Null,
    };
    fill_under(object, &defaults);
    fill_under(object, &empty::written(resource));
}

/// The defaults of a Pod's spec in the template of what makes Pods.
fn pod_template(resource: &Resource, object: &mut Value) {
    let at = match resource.table.as_str() {
        "deployments.apps" | "replicasets.apps" | "statefulsets.apps" | "daemonsets.apps" | "jobs.batch" => {
            "/spec/template/spec"
        }
        "cronjobs.batch" => "/spec/jobTemplate/spec/template/spec",
        _ => return,
    };
    if let Some(Value::Object(spec)) = object.pointer_mut(at) {
        pod_defaults::fill_in_spec(spec);
    }
}

/// What is allocatable is all there is, unless the kubelet says less.
fn node(node: &Value) -> Value {
    let mut defaults = json!({});
    if node["status"]["capacity"].is_object() && node["status"]["allocatable"].is_null() {
        defaults["status"]["allocatable"] = node["status"]["capacity"].clone();
    }
    if node["spec"]["podCIDR"].is_string() && node["spec"]["podCIDRs"].is_null() {
        defaults["spec"]["podCIDRs"] = json!([node["spec"]["podCIDR"]]);
    }
    defaults
}

/// A definition is of one form, and names follow from its kind.
fn definition(definition: &Value) -> Value {
    let kind = definition["spec"]["names"]["kind"].as_str().unwrap_or_default();
    let names = json!({ "listKind": format!("{kind}List"), "singular": kind.to_lowercase() });
    json!({ "spec": { "conversion": { "strategy": "None" }, "names": names } })
}

/// A Job without a number of completions is done when its one Pod is.
fn job(job: &Value) -> Value {
    let mut defaults = json!({ "spec": {
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "manualSelector": false,
        "parallelism": 1,
        "podReplacementPolicy": "TerminatingOrFailed",
        "suspend": false,
    } });
    if job["spec"]["completions"].is_null() && job["spec"]["parallelism"].is_null() {
        defaults["spec"]["completions"] = 1.into();
    }
    if job["spec"]["podFailurePolicy"].is_object() {
        defaults["spec"]["podReplacementPolicy"] = "Failed".into();
    }
    defaults
}

fn deployment(object: &Value) -> Value {
    let mut defaults = json!({ "spec": {
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "strategy": { "type": "RollingUpdate" },
    } });
    if object["spec"]["strategy"]["type"] != "Recreate" {
        defaults["spec"]["strategy"]["rollingUpdate"] = json!({ "maxSurge": "25%", "maxUnavailable": "25%" });
    }
    defaults
}

fn stateful_set(set: &Value) -> Value {
    let mut defaults = json!({ "spec": {
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": { "type": "RollingUpdate" },
        "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Retain", "whenScaled": "Retain" },
    } });
    if set["spec"]["updateStrategy"]["type"] != "OnDelete" {
        defaults["spec"]["updateStrategy"]["rollingUpdate"] = json!({ "maxUnavailable": 1, "partition": 0 });
    }
    defaults
}

fn daemon_set(set: &Value) -> Value {
    let mut defaults = json!({
        "metadata": { "annotations": { "deprecated.daemonset.template.generation": "1" } },
        "spec": { "revisionHistoryLimit": 10, "updateStrategy": { "type": "RollingUpdate" } },
    });
    if set["spec"]["updateStrategy"]["type"] != "OnDelete" {
        defaults["spec"]["updateStrategy"]["rollingUpdate"] = json!({ "maxSurge": 0, "maxUnavailable": 1 });
    }
    defaults
}

fn cron_job() -> Value {
    json!({ "spec": {
        "concurrencyPolicy": "Allow",
        "suspend": false,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
    } })
}

/// A namespace can be selected by its name.
fn label_with_name(namespace: &mut Value) {
    let name = meta::name(namespace).to_owned();
    if !name.is_empty() {
        let labels = meta::fields(namespace).entry("labels").or_insert_with(|| json!({}));
        labels["kubernetes.io/metadata.name"] = name.into();
    }
}

/// A maximum is a default limit too, a default limit a default request, and so is a minimum.
fn limit_range(range: &mut Value) {
    let items = range["spec"]["limits"].as_array_mut().into_iter().flatten();
    for item in items.filter(|item| item["type"] == "Container") {
        for (field, source) in [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")] {
            let Some(amounts) = item.get(source).filter(|amounts| amounts.is_object()).cloned() else { continue };
            if item[field].is_null() {
                item[field] = json!({});
            }
            fill_under(&mut item[field], &amounts);
        }
    }
}

fn service(service: &mut Value) -> Value {
    for port in service["spec"]["ports"].as_array_mut().into_iter().flatten() {
        let own = port["port"].clone();
        fill_under(port, &json!({ "protocol": "TCP", "targetPort": own }));
    }
    let mut defaults = json!({ "spec": { "type": "ClusterIP", "sessionAffinity": "None" } });
    if let Some(address) = service["spec"].get("clusterIP").filter(|address| !address.is_null()) {
        defaults["spec"]["clusterIPs"] = json!([address]);
    }
    defaults
}

/// Secrets may be written as texts, and are kept and shown as bytes.
fn encode_texts(secret: &mut Value) {
    let Some(Value::Object(texts)) = secret.as_object_mut().and_then(|secret| secret.remove("stringData")) else {
        return;
    };
    for (key, text) in texts {
        secret["data"][key] = STANDARD.encode(text.as_str().unwrap_or_default()).into();
    }
}

fn fill_under(object: &mut Value, defaults: &Value) {
    match (object, defaults) {
        (Value::Object(object), Value::Object(defaults)) => {
            for (key, default) in defaults {
                match object.get_mut(key) {
                    Some(part) => fill_under(part, default),
                    None => _ = object.insert(key.clone(), default.clone()),
                }
            }
        }
        (object @ Value::Null, defaults) => *object = defaults.clone(),
        _ => {}
    }
}

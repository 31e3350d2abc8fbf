//! What the server fills into a Pod before anything else looks at it.
//!
//! Rules: k8s.io/kubernetes `pkg/apis/core/v1/defaults.go` and `pkg/api/pod/util.go` (pod-level resources). It is done
//! when an object is read, so on every write, on JSON. `resizePolicy` is not defaulted: an absent entry means
//! `NotRequired`.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::api::resource::Quantity};
use serde_json::{Map, Value, json};

use super::{
    amount::{Amount, Amounts, read_all},
    totals::{self, Count},
};

/// Every default of a Pod but those that depend on other objects, and what the server always writes.
pub(in crate::sim::api_server) fn fill_in(pod: &mut Value) {
    if let Some(Value::Object(spec)) = pod.get_mut("spec") {
        if spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|seconds| seconds < 0) {
            spec.insert("terminationGracePeriodSeconds".into(), 1.into());
        }
        spec.entry("enableServiceLinks").or_insert(true.into());
        let in_host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
        for container in containers_in(spec, &["containers", "initContainers"]) {
            request_what_is_limited(container);
            if in_host_network {
                let ports = container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten();
                ports.for_each(|port| fill(port, &json!({ "hostPort": port["containerPort"] })));
            }
        }
        fill_in_spec(spec);
    }
    if let Some(Value::Object(status)) = pod.get_mut("status") {
        fill_in_status(status);
    }
}

/// The defaults of a Pod's spec wherever it is, in a template too.
pub(in crate::sim::api_server) fn fill_in_spec(spec: &mut Map<String, Value>) {
    let (account, old_name) = ("serviceAccountName", "serviceAccount");
    if let Some(name) = spec.get(account).or_else(|| spec.get(old_name)).cloned() {
        spec.insert(account.into(), name.clone());
        spec.insert(old_name.into(), name);
    }
    let defaults = [
        ("dnsPolicy", json!("ClusterFirst")),
        ("restartPolicy", json!("Always")),
        ("securityContext", json!({})),
        ("terminationGracePeriodSeconds", json!(30)),
        ("schedulerName", json!("default-scheduler")),
    ];
    fill_map(spec, defaults);
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        fill_in_volume(volume);
    }
    for container in containers_in(spec, &["containers", "initContainers", "ephemeralContainers"]) {
        fill_in_container(container);
    }
}

fn fill_in_container(container: &mut Map<String, Value>) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let pull = if is_latest(image) { "Always" } else { "IfNotPresent" };
    let defaults = [
        ("imagePullPolicy", json!(pull)),
        ("resources", json!({})),
        ("terminationMessagePath", json!("/dev/termination-log")),
        ("terminationMessagePolicy", json!("File")),
    ];
    fill_map(container, defaults);
    let items = |list: Option<&mut Value>, fill: &mut dyn FnMut(&mut Value)| {
        list.and_then(Value::as_array_mut).into_iter().flatten().for_each(fill);
    };
    items(container.get_mut("ports"), &mut |port| fill(port, &json!({ "protocol": "TCP" })));
    items(container.get_mut("env"), &mut |variable| {
        fill_at(variable, "/valueFrom/fieldRef", &json!({ "apiVersion": "v1" }));
    });
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(name) else { continue };
        let defaults =
            json!({ "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3 });
        fill(probe, &defaults);
        fill_at(probe, "/httpGet", &json!({ "path": "/", "scheme": "HTTP" }));
        fill_at(probe, "/grpc", &json!({ "service": "" }));
    }
    if let Some(lifecycle) = container.get_mut("lifecycle") {
        for hook in ["/preStop/httpGet", "/postStart/httpGet"] {
            fill_at(lifecycle, hook, &json!({ "path": "/", "scheme": "HTTP" }));
        }
    }
}

fn fill_in_volume(volume: &mut Value) {
    let Some(map) = volume.as_object_mut() else { return };
    if map.keys().all(|key| key == "name") {
        map.insert("emptyDir".into(), json!({}));
    }
    for kind in ["/secret", "/configMap", "/downwardAPI", "/projected"] {
        fill_at(volume, kind, &json!({ "defaultMode": 0o644 }));
    }
    fill_at(volume, "/hostPath", &json!({ "type": "" }));
    if let Some(about) = volume.get_mut("downwardAPI") {
        fill_in_items(about);
    }
    for source in volume.pointer_mut("/projected/sources").and_then(Value::as_array_mut).into_iter().flatten() {
        fill_at(source, "/serviceAccountToken", &json!({ "expirationSeconds": 3_600 }));
        if let Some(about) = source.get_mut("downwardAPI") {
            fill_in_items(about);
        }
    }
}

fn fill_in_items(about: &mut Value) {
    for item in about.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        fill_at(item, "/fieldRef", &json!({ "apiVersion": "v1" }));
    }
}

fn fill_in_status(status: &mut Map<String, Value>) {
    for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        fill(condition, &json!({ "lastProbeTime": null, "lastTransitionTime": null }));
    }
    for list in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
        for state in status.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            fill(state, &json!({ "state": {}, "lastState": {} }));
        }
    }
    match (status.get("podIP").cloned(), status.get("podIPs").cloned()) {
        (Some(ip), ips) if ips.as_ref().is_none_or(|ips| ips[0]["ip"] != ip) => {
            status.insert("podIPs".into(), json!([{ "ip": ip }]));
        }
        (None, Some(ips)) => _ = status.insert("podIP".into(), ips[0]["ip"].clone()),
        _ => {}
    }
}

/// A limit without a request is a request too. This happens on resize as well.
fn request_what_is_limited(container: &mut Map<String, Value>) {
    let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut) else { return };
    let Some(Value::Object(limits)) = resources.get("limits").cloned() else { return };
    fill(resources.entry("requests").or_insert_with(|| json!({})), &Value::Object(limits));
}

fn containers_in<'a>(
    spec: &'a mut Map<String, Value>,
    lists: &'a [&str],
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let found = spec.iter_mut().filter(|(name, _)| lists.contains(&name.as_str()));
    found.filter_map(|(_, list)| list.as_array_mut()).flatten().filter_map(Value::as_object_mut)
}

fn fill_at(value: &mut Value, pointer: &str, defaults: &Value) {
    if let Some(part) = value.pointer_mut(pointer) {
        fill(part, defaults);
    }
}

fn fill(part: &mut Value, defaults: &Value) {
    let (Some(map), Value::Object(defaults)) = (part.as_object_mut(), defaults) else { return };
    for (name, default) in defaults {
        if map.get(name).is_none_or(Value::is_null) {
            map.insert(name.clone(), default.clone());
        }
    }
}

fn fill_map<const N: usize>(map: &mut Map<String, Value>, defaults: [(&str, Value); N]) {
    for (name, default) in defaults {
        // An empty text is as good as none.
        if map.get(name).is_none_or(|given| given.is_null() || given == "") {
            map.insert(name.to_owned(), default);
        }
    }
}

/// Completes pod-level resources, where there are any, from those of the containers.
pub(super) fn pod_level(pod: &mut Pod) {
    let requested = totals::container_requests(pod, Count::Desired);
    let limited = totals::container_limits(pod, Count::Desired);
    let Some(spec) = &mut pod.spec else { return };
    let limited_everywhere = |name: &String| {
        let mut all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
        all.all(|c| c.resources.as_ref().and_then(|r| r.limits.as_ref()).is_some_and(|l| l.contains_key(name)))
    };
    let limited: Amounts = limited.into_iter().filter(|(name, _)| limited_everywhere(name)).collect();
    let Some(resources) = &mut spec.resources else { return };
    let mut requests = resources.requests.take().unwrap_or_default();
    let mut limits = resources.limits.take().unwrap_or_default();
    if !requests.is_empty() || !limits.is_empty() {
        let ours = |name: &String| matches!(name.as_str(), "cpu" | "memory");
        complete(&mut requests, requested.into_iter().filter(|(name, _)| ours(name)));
        for (name, limit) in limits.iter().filter(|(name, _)| totals::is_pod_level(name)) {
            requests.entry(name.clone()).or_insert_with(|| limit.clone());
        }
        let least = read_all(Some(&requests));
        let raised = limited.into_iter().filter_map(|(name, limit)| Some((limit.max(*least.get(&name)?), name)));
        complete(&mut limits, raised.map(|(limit, name)| (name, limit)).filter(|(name, _)| ours(name)));
    }
    resources.requests = Some(requests).filter(|list| !list.is_empty());
    resources.limits = Some(limits).filter(|list| !list.is_empty());
}

fn complete(list: &mut BTreeMap<String, Quantity>, amounts: impl Iterator<Item = (String, Amount)>) {
    for (name, amount) in amounts {
        list.entry(name).or_insert_with(|| amount.into());
    }
}

/// Whether an image name has the tag `latest`, which is also what no tag means; no name at all has none.
fn is_latest(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    !name.is_empty() && !name.contains('@') && name.rsplit_once(':').is_none_or(|(_, tag)| tag == "latest")
}

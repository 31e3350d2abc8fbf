//! What a kubelet says of its Node.
//!
//! Rules: k8s.io/kubernetes v1.37 `pkg/kubelet/nodestatus/setters.go`, `component-helpers/nodedeclaredfeatures`.

use std::net::SocketAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use serde_json::{Value, json};

use super::{options::KubeletProfile, status::time};

/// The pressures that a kubelet knows, with what it says when they hold and when they do not.
const PRESSURES: [(&str, [&str; 2], [&str; 2]); 3] = [
    (
        "MemoryPressure",
        ["KubeletHasInsufficientMemory", "kubelet has insufficient memory available"],
        ["KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
    ),
    (
        "DiskPressure",
        ["KubeletHasDiskPressure", "kubelet has disk pressure"],
        ["KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
    ),
    (
        "PIDPressure",
        ["KubeletHasInsufficientPID", "kubelet has insufficient PID available"],
        ["KubeletHasSufficientPID", "kubelet has sufficient PID available"],
    ),
];

/// What of a Node's status is its kubelet's to say.
pub(super) struct NodeReport<'a> {
    /// The Node as it was last seen.
    pub(super) object: Option<&'a Node>,
    pub(super) profile: KubeletProfile,
    pub(super) address: String,
    pub(super) endpoint: Option<SocketAddr>,
    /// The pressures that hold.
    pub(super) pressures: &'a [String],
}

impl NodeReport<'_> {
    /// Whether the Node says that it is ready, and where its kubelet listens.
    pub(super) fn is_known(&self) -> bool {
        let Some(status) = self.object.and_then(|node| node.status.as_ref()) else { return false };
        let ready = status.conditions.iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True");
        let endpoints = status.daemon_endpoints.as_ref().and_then(|endpoints| endpoints.kubelet_endpoint.as_ref());
        let listens =
            self.endpoint.is_none_or(|own| endpoints.is_some_and(|known| known.port == i32::from(own.port())));
        ready && listens
    }

    /// The strategic merge patch that says it.
    pub(super) fn patch(&self, now: Timestamp) -> Value {
        let ready = self.condition("Ready", true, ["KubeletReady", "kubelet is posting ready status"], now);
        let pressures = PRESSURES.iter().map(|(kind, bad, good)| {
            let holds = self.pressures.iter().any(|pressure| pressure == kind);
            self.condition(kind, holds, if holds { *bad } else { *good }, now)
        });
        let mut status = json!({
            "conditions": pressures.chain([ready]).collect::<Vec<_>>(),
            "addresses": [{ "type": "InternalIP", "address": self.address }],
            "nodeInfo": node_info(self.profile.version()),
        });
        if let Some(endpoint) = self.endpoint {
            status["daemonEndpoints"] = json!({ "kubeletEndpoint": { "Port": endpoint.port() } });
        }
        if !self.profile.declared_features().is_empty() {
            status["declaredFeatures"] = json!(self.profile.declared_features());
        }
        json!({ "status": status })
    }

    fn condition(&self, kind: &str, status: bool, [reason, message]: [&str; 2], now: Timestamp) -> Value {
        let status = if status { "True" } else { "False" };
        let known = self.object.and_then(|node| node.status.as_ref()?.conditions.as_ref());
        let same = known.into_iter().flatten().find(|known| known.type_ == kind && known.status == status);
        let since = same.and_then(|same| same.last_transition_time.clone()).unwrap_or_else(|| time(now));
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": since, "lastHeartbeatTime": time(now),
        })
    }
}

/// Every field of `nodeInfo` is required.
fn node_info(version: &str) -> Value {
    json!({
        "kubeletVersion": version, "kubeProxyVersion": "", "architecture": "amd64", "operatingSystem": "linux",
        "bootID": "", "containerRuntimeVersion": "sim://1", "kernelVersion": "sim", "machineID": "",
        "osImage": "simulated", "systemUUID": "",
    })
}

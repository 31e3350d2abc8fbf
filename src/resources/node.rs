//! What is known of a Node.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Taint};

use super::{Resources, quantity::QuantityError};

/// The few fields of a Node that decisions need.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeView {
    /// `metadata.name`.
    pub name: String,
    /// `status.allocatable`: the most that all Pods together may request.
    pub allocatable: Resources,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `spec.taints`, and that of a cordoned Node.
    pub taints: Vec<Taint>,
    /// Whether the Node is Ready; no other takes new Pods.
    pub ready: bool,
    /// `status.nodeInfo.kubeletVersion`, such as `v1.37.2`.
    pub kubelet_version: String,
}

/// The key of the taint of a cordoned Node.
const CORDONED: &str = "node.kubernetes.io/unschedulable";

/// The first minor version of Kubernetes 1 whose kubelets resize in place (KEP-1287, beta).
const FIRST_MINOR: u32 = 33;

impl NodeView {
    /// A Node of which nothing but the name is known.
    pub fn unseen(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            allocatable: Resources::default(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            ready: true,
            kubelet_version: String::new(),
        }
    }

    /// Whether it is not known how much the Node holds: then it is taken to hold anything.
    pub fn is_unseen(&self) -> bool {
        self.allocatable == Resources::default()
    }

    /// Whether its kubelet is new enough to resize in place. One that does not tell its version is taken at its word.
    pub fn resizes_in_place(&self) -> bool {
        let mut numbers = self.kubelet_version.trim_start_matches('v').split('.').map(str::parse::<u32>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(1)), Some(Ok(minor))) => minor >= FIRST_MINOR,
            _ => true,
        }
    }
}

impl TryFrom<&Node> for NodeView {
    type Error = QuantityError;
    fn try_from(node: &Node) -> Result<Self, Self::Error> {
        let status = node.status.as_ref();
        let ready = status
            .and_then(|s| s.conditions.as_ref())
            .and_then(|conditions| conditions.iter().find(|c| c.type_ == "Ready"))
            .is_none_or(|c| c.status == "True");
        let mut taints = node.spec.as_ref().and_then(|s| s.taints.clone()).unwrap_or_default();
        // A cordoned Node gets this taint soon, if it does not have it yet.
        if node.spec.as_ref().and_then(|s| s.unschedulable).unwrap_or(false) {
            taints.push(Taint { key: CORDONED.to_owned(), effect: "NoSchedule".to_owned(), ..Taint::default() });
        }
        Ok(Self {
            name: node.metadata.name.clone().unwrap_or_default(),
            allocatable: Resources::from_list(status.and_then(|s| s.allocatable.as_ref()).into_iter().flatten())?,
            labels: node.metadata.labels.clone().unwrap_or_default(),
            taints,
            ready,
            kubelet_version: status
                .and_then(|s| s.node_info.as_ref())
                .map(|info| info.kubelet_version.clone())
                .unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::before("v1.32.9", false)]
    #[case::first("v1.33.0", true)]
    #[case::vendor("v1.31.4-gke.1183000", false)]
    #[case::vendor_of_today("v1.34.2+k3s1", true)]
    #[case::not_told("", true)]
    #[case::odd("latest", true)]
    fn kubelets_resize_in_place_from_1_33_on(#[case] version: &str, #[case] resizes: bool) {
        let node = json_node(version);
        assert_eq!(NodeView::try_from(&node).unwrap().resizes_in_place(), resizes);
    }

    fn json_node(version: &str) -> Node {
        serde_json::from_value(serde_json::json!({
            "metadata": { "name": "n" },
            "status": { "nodeInfo": {
                "kubeletVersion": version, "architecture": "", "bootID": "", "containerRuntimeVersion": "",
                "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "", "osImage": "",
                "systemUUID": "",
            } },
        }))
        .unwrap()
    }
}

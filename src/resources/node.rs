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
    /// `spec.taints`.
    pub taints: Vec<Taint>,
    /// Whether the Node takes new Pods: schedulable and Ready.
    pub schedulable: bool,
    /// `status.nodeInfo.kubeletVersion`, such as `v1.37.2`.
    pub kubelet_version: String,
}

impl TryFrom<&Node> for NodeView {
    type Error = QuantityError;
    fn try_from(node: &Node) -> Result<Self, Self::Error> {
        let status = node.status.as_ref();
        let ready = status
            .and_then(|s| s.conditions.as_ref())
            .and_then(|conditions| conditions.iter().find(|c| c.type_ == "Ready"))
            .is_none_or(|c| c.status == "True");
        let cordoned = node.spec.as_ref().and_then(|s| s.unschedulable).unwrap_or(false);
        Ok(Self {
            name: node.metadata.name.clone().unwrap_or_default(),
            allocatable: Resources::from_list(status.and_then(|s| s.allocatable.as_ref()).into_iter().flatten())?,
            labels: node.metadata.labels.clone().unwrap_or_default(),
            taints: node.spec.as_ref().and_then(|s| s.taints.clone()).unwrap_or_default(),
            schedulable: ready && !cordoned,
            kubelet_version: status
                .and_then(|s| s.node_info.as_ref())
                .map(|info| info.kubelet_version.clone())
                .unwrap_or_default(),
        })
    }
}

//! A Node as its kubelet sees it: its room, the queue of pending resizes, and when that is looked at again.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use serde_json::{Value, json};

use super::{
    allocation::NodeRules,
    options::{Fault, Options},
    status::time,
};
use crate::{resources::NodeView, sim::informer::ObjectKey};

/// The timer's first look at the queue after the kubelet's start (`initialRetryDelay`).
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(30);
/// The timer's next look after any look (`retryDelay`).
const RETRY: SignedDuration = SignedDuration::from_secs(180);

pub(super) struct NodeState {
    pub(super) view: NodeView,
    /// Resizes that were not granted yet, in the order in which they are tried.
    pub(super) queue: Vec<ObjectKey>,
    /// When the queue is looked at if nothing else leads to it.
    pub(super) next_retry: Timestamp,
    /// Faults before this moment have had their effect.
    pub(super) faults_until: Timestamp,
    /// Its place among all Nodes, for addresses.
    index: usize,
    addresses: u32,
    /// The conditions that it was last given.
    pressures: Option<Vec<String>>,
}

impl NodeState {
    pub(super) fn new(view: NodeView, index: usize, now: Timestamp) -> Self {
        let next_retry = now + FIRST_RETRY;
        Self { view, queue: Vec::new(), next_retry, faults_until: now, index, addresses: 0, pressures: None }
    }

    /// The queue was looked at: the timer starts again.
    pub(super) fn looked(&mut self, now: Timestamp) {
        self.next_retry = now + RETRY;
    }

    /// The timer went off with nothing to look at.
    pub(super) fn skip_retries(&mut self, now: Timestamp) {
        while self.next_retry <= now {
            self.next_retry += RETRY;
        }
    }

    pub(super) fn restarted(&mut self, now: Timestamp) {
        self.next_retry = now + FIRST_RETRY;
    }

    pub(super) fn host_ip(&self) -> String {
        format!("10.0.{}.{}", self.index / 250, self.index % 250 + 2)
    }

    pub(super) fn new_pod_ip(&mut self) -> String {
        self.addresses += 1;
        format!("10.{}.{}.{}", 64 + self.index % 128, self.addresses / 250 % 256, self.addresses % 250 + 2)
    }

    pub(super) fn rules(&self, options: &Options, now: Timestamp) -> NodeRules {
        NodeRules {
            allocatable: self.view.allocatable,
            profile: options.profile,
            static_cpu: options.static_cpu_nodes.contains(&self.view.name),
            static_memory: options.static_memory_nodes.contains(&self.view.name),
            pressures: self.pressures_at(options, now),
        }
    }

    fn pressures_at(&self, options: &Options, now: Timestamp) -> Vec<String> {
        let hold = options.faults.iter().filter_map(|fault| match fault {
            Fault::NodePressure { node, condition, from, until } if *node == self.view.name => {
                (*from <= now && now < *until).then(|| condition.clone())
            }
            _ => None,
        });
        hold.collect()
    }

    /// The next moment at which a fault starts, ends or strikes.
    pub(super) fn next_fault(&self, options: &Options) -> Option<Timestamp> {
        let moments = options.faults.iter().flat_map(|fault| match fault {
            Fault::NodePressure { node, from, until, .. } if *node == self.view.name => [Some(*from), Some(*until)],
            Fault::KubeletRestarts { node, at } if *node == self.view.name => [Some(*at), None],
            _ => [None, None],
        });
        moments.flatten().filter(|at| *at > self.faults_until).min()
    }

    /// Whether the kubelet restarts in the time since faults were looked at last.
    pub(super) fn restarts_until(&self, options: &Options, now: Timestamp) -> bool {
        options.faults.iter().any(|fault| {
            matches!(fault, Fault::KubeletRestarts { node, at }
                if *node == self.view.name && self.faults_until < *at && *at <= now)
        })
    }

    /// The patch that tells the API server of this Node, if there is news.
    pub(super) fn status_patch(&mut self, object: Option<&Node>, options: &Options, now: Timestamp) -> Option<Value> {
        let pressures = self.pressures_at(options, now);
        let status = object.and_then(|node| node.status.as_ref());
        let conditions = status.and_then(|status| status.conditions.as_ref());
        let registered = conditions.into_iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True");
        let is_news = match &self.pressures {
            None => !registered || !pressures.is_empty(),
            Some(before) => *before != pressures,
        };
        let before = self.pressures.replace(pressures.clone()).unwrap_or_default();
        is_news.then(|| self.patch(&pressures, &before, options, now))
    }

    fn patch(&self, pressures: &[String], before: &[String], options: &Options, now: Timestamp) -> Value {
        let condition = |kind: &str, status: bool, reason: &str| {
            json!({
                "type": kind, "status": if status { "True" } else { "False" }, "reason": reason,
                "lastTransitionTime": time(now), "lastHeartbeatTime": time(now),
            })
        };
        let mut conditions = vec![condition("Ready", true, "KubeletReady")];
        let ended = before.iter().filter(|kind| !pressures.contains(kind));
        conditions.extend(pressures.iter().map(|kind| condition(kind, true, "KubeletHasPressure")));
        conditions.extend(ended.map(|kind| condition(kind, false, "KubeletHasNoPressure")));
        json!({ "status": {
            "conditions": conditions,
            "addresses": [{ "type": "InternalIP", "address": self.host_ip() }],
            "nodeInfo": node_info(options.profile.version()),
        }})
    }
}

/// Every field of `nodeInfo` is required.
fn node_info(version: &str) -> Value {
    json!({
        "kubeletVersion": version, "kubeProxyVersion": "", "architecture": "amd64", "operatingSystem": "linux",
        "bootID": "", "containerRuntimeVersion": "sim://1", "kernelVersion": "", "machineID": "", "osImage": "",
        "systemUUID": "",
    })
}

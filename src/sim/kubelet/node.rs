//! A Node as its kubelet sees it: its room, the queue of pending resizes, and when that is looked at again.

use std::net::{Ipv4Addr, SocketAddr};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use serde_json::Value;

use super::{
    allocation::NodeRules,
    node_status::NodeReport,
    options::{Fault, Options},
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
    /// Where its kubelet listens, if it does.
    pub(super) endpoint: Option<SocketAddr>,
    /// Core-seconds of the Pods that are gone.
    pub(super) cpu_before: f64,
    /// The pressures that it was last given.
    pressures: Option<Vec<String>>,
    write_failed: bool,
}

impl NodeState {
    pub(super) fn new(view: NodeView, index: usize, now: Timestamp) -> Self {
        let next_retry = now + FIRST_RETRY;
        Self {
            view,
            queue: Vec::new(),
            next_retry,
            faults_until: now,
            index,
            addresses: 0,
            endpoint: None,
            cpu_before: 0.0,
            pressures: None,
            write_failed: false,
        }
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
        let unreal = || format!("10.0.{}.{}", self.index / 250, self.index % 250 + 2);
        self.endpoint.map_or_else(unreal, |endpoint| endpoint.ip().to_string())
    }

    pub(super) fn new_pod_ip(&mut self) -> String {
        self.addresses += 1;
        format!("10.{}.{}.{}", 64 + self.index % 128, self.addresses / 250 % 256, self.addresses % 250 + 2)
    }

    /// An address is taken already: new Pods get later ones.
    pub(super) fn pass_address(&mut self, ip: Option<&str>) {
        let Some(Ok(ip)) = ip.map(str::parse::<Ipv4Addr>) else { return };
        let [_, _, high, low] = ip.octets().map(u32::from);
        self.addresses = self.addresses.max(high * 250 + low.saturating_sub(2));
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
        let report = NodeReport {
            object,
            profile: options.profile,
            address: self.host_ip(),
            endpoint: self.endpoint,
            pressures: &pressures,
        };
        let is_news = match &self.pressures {
            None => self.write_failed || !report.is_known() || !pressures.is_empty(),
            Some(before) => *before != pressures,
        };
        let patch = is_news.then(|| report.patch(now));
        (self.pressures, self.write_failed) = (Some(pressures), false);
        patch
    }

    /// What the API server knows of it is not known.
    pub(super) fn write_failed(&mut self) {
        (self.pressures, self.write_failed) = (None, true);
    }
}

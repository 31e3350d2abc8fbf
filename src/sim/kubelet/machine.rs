//! All kubelets of a cluster, as one state machine: changes of objects and the time go in, writes come out.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, Pod, PodStatus};
use serde_json::Value;

use super::{
    allocation::{admit, judge},
    checkpoint::Checkpoint,
    node::NodeState,
    pod::{PodState, Stage, World},
    status,
};
use crate::{
    resources::{NodeView, PodView, QosClass, Resources},
    sim::informer::ObjectKey,
};

/// How soon a write that failed is tried again.
const WRITE_RETRY: SignedDuration = SignedDuration::from_secs(1);

/// What a kubelet has to tell the API server.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Write {
    /// Strategic merge patch of a Pod's status.
    PodStatus { pod: ObjectKey, patch: Value },
    /// The containers are gone: a last patch of the status, and then the object goes too.
    EndPod { pod: ObjectKey, uid: String, patch: Value },
    /// Strategic merge patch of a Node's status.
    NodeStatus { node: String, patch: Value },
}

pub(super) struct Machine {
    pub(super) world: World,
    pub(super) pods: BTreeMap<ObjectKey, PodState>,
    pub(super) nodes: BTreeMap<String, NodeState>,
    node_objects: BTreeMap<String, Arc<Node>>,
    /// When each Pod wakes, and the same by Pod.
    wakes: BTreeSet<(Timestamp, ObjectKey)>,
    wake_of: BTreeMap<ObjectKey, Timestamp>,
    /// Pods that have news for the API server.
    news: BTreeSet<ObjectKey>,
    retry_writes: Option<Timestamp>,
    nodes_seen: usize,
}

impl Machine {
    pub(super) fn new(world: World) -> Self {
        Self {
            world,
            pods: BTreeMap::new(),
            nodes: BTreeMap::new(),
            node_objects: BTreeMap::new(),
            wakes: BTreeSet::new(),
            wake_of: BTreeMap::new(),
            news: BTreeSet::new(),
            retry_writes: None,
            nodes_seen: 0,
        }
    }

    /// Whether it plays the kubelet of this Node.
    pub(super) fn plays(&self, node: &str) -> bool {
        self.nodes.contains_key(node)
    }

    /// Where the kubelet of this Node listens.
    pub(super) fn listens(&mut self, node: &str, endpoint: SocketAddr) {
        if let Some(state) = self.nodes.get_mut(node) {
            state.endpoint = Some(endpoint);
        }
    }

    /// A Node is new or has changed. What it can give is looked at by the next retry, not at once.
    pub(super) fn node_applied(&mut self, node: &Arc<Node>, now: Timestamp) {
        let view = match NodeView::try_from(node.as_ref()) {
            Ok(view) => view,
            Err(error) => return tracing::warn!(%error, "Node has an unreadable amount and is left alone"),
        };
        let name = view.name.clone();
        self.node_objects.insert(name.clone(), Arc::clone(node));
        if let Some(state) = self.nodes.get_mut(&name) {
            state.view = view;
            return;
        }
        self.nodes.insert(name.clone(), NodeState::new(view, self.nodes_seen, now));
        self.nodes_seen += 1;
        self.on_node(&name).iter().for_each(|key| self.admit(key, now));
    }

    /// A Node is gone: its kubelet does nothing more. Its Pods are for others to delete.
    pub(super) fn node_deleted(&mut self, name: &str) {
        self.nodes.remove(name);
        self.node_objects.remove(name);
    }

    /// A Pod is new or has changed, by whomever.
    pub(super) fn pod_applied(&mut self, pod: &Arc<Pod>, now: Timestamp) {
        let view = match PodView::try_from(pod.as_ref()) {
            Ok(view) => view,
            Err(error) => return tracing::warn!(%error, "Pod has an unreadable amount and is left alone"),
        };
        if view.node.is_none() {
            return;
        }
        let key = ObjectKey::new(&view.namespace, &view.name);
        match self.pods.get(&key) {
            Some(known) if known.uid() == view.uid => self.pod_changed(&key, pod, view, now),
            Some(_) => {
                self.pod_deleted(&key, now);
                self.pod_added(&key, pod, view, now);
            }
            None => self.pod_added(&key, pod, view, now),
        }
    }

    fn pod_added(&mut self, key: &ObjectKey, pod: &Arc<Pod>, view: PodView, now: Timestamp) {
        let terminating = view.terminating;
        let mut state = PodState::new(key.clone(), Arc::clone(pod), view, now);
        if terminating {
            state.begin_stop(&self.world, now);
        }
        self.pods.insert(key.clone(), state);
        self.admit(key, now);
        self.touched(key);
    }

    fn pod_changed(&mut self, key: &ObjectKey, pod: &Arc<Pod>, view: PodView, now: Timestamp) {
        let Some(state) = self.pods.get_mut(key) else { return };
        let held = state.held();
        let old = std::mem::replace(&mut state.view, view);
        let told_otherwise = state.object.metadata.annotations != pod.metadata.annotations;
        state.object = Arc::clone(pod);
        if told_otherwise && state.stage == Stage::Running {
            (0..state.containers.len()).for_each(|index| state.consume(index, &self.world, now));
        }
        if state.view.terminating {
            state.begin_stop(&self.world, now);
        }
        let spec_changed = old.containers.iter().zip(&state.view.containers).any(|(a, b)| a.desired != b.desired);
        state.dirty |= state.is_active() && old.generation != state.view.generation;
        if spec_changed && state.is_active() {
            (0..state.containers.len()).for_each(|index| state.report(index, &self.world, now));
        }
        let freed = state.is_active() && !held.fits_in(state.held());
        let node = state.view.node.clone().unwrap_or_default();
        if spec_changed {
            self.resize_asked(key, &node, now);
        }
        if spec_changed || freed {
            self.retry(&node, now);
        }
        self.touched(key);
    }

    /// A Pod is gone from the API server.
    pub(super) fn pod_deleted(&mut self, key: &ObjectKey, now: Timestamp) {
        let Some(mut state) = self.pods.remove(key) else { return };
        if state.is_active() {
            state.take_all_down(&self.world, now);
        }
        self.news.remove(key);
        self.schedule(key, None);
        let node = state.view.node.unwrap_or_default();
        if let Some(node) = self.nodes.get_mut(&node) {
            node.cpu_before += state.cpu_of_ended;
        }
        self.retry(&node, now);
    }

    /// Everything that is due by now; answers what to tell the API server.
    pub(super) fn advance(&mut self, now: Timestamp) -> Vec<Write> {
        while let Some((at, key)) = self.wakes.first().cloned() {
            if at > now {
                break;
            }
            self.step(&key, now);
        }
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        let mut writes: Vec<_> = names.iter().filter_map(|name| self.step_node(name, now)).collect();
        if self.retry_writes.is_some_and(|at| at <= now) {
            self.retry_writes = None;
            self.news.extend(self.pods.iter().filter(|(_, pod)| pod.dirty).map(|(key, _)| key.clone()));
        }
        let news = std::mem::take(&mut self.news);
        writes.extend(news.iter().filter_map(|key| self.write(key, now)));
        writes
    }

    /// When [`Machine::advance`] has something to do next.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        let nodes = self.nodes.values().flat_map(|node| {
            let retry = (!node.queue.is_empty()).then_some(node.next_retry);
            [retry, node.next_fault(&self.world.options)]
        });
        let pods = self.wakes.first().map(|(at, _)| *at);
        nodes.chain([pods, self.retry_writes]).flatten().min()
    }

    /// A write did not reach the API server, so what it has is unknown.
    pub(super) fn write_failed(&mut self, write: &Write, now: Timestamp) {
        match write {
            Write::PodStatus { pod, .. } | Write::EndPod { pod, .. } => {
                if let Some(state) = self.pods.get_mut(pod) {
                    state.written = None;
                    state.dirty = true;
                }
            }
            Write::NodeStatus { node, .. } => {
                if let Some(state) = self.nodes.get_mut(node) {
                    state.write_failed();
                }
            }
        }
        self.retry_writes = Some(now + WRITE_RETRY);
    }

    fn step(&mut self, key: &ObjectKey, now: Timestamp) {
        let Some(state) = self.pods.get_mut(key) else { return self.schedule(key, None) };
        let was_active = state.is_active();
        state.step(&self.world, now);
        let ended = was_active && !state.is_active();
        let node = state.view.node.clone().unwrap_or_default();
        self.touched(key);
        if ended {
            self.dequeue(key, &node);
            self.retry(&node, now);
        }
    }

    fn step_node(&mut self, name: &str, now: Timestamp) -> Option<Write> {
        let node = self.nodes.get_mut(name)?;
        let restarts = node.restarts_until(&self.world.options, now);
        node.faults_until = now;
        let object = self.node_objects.get(name).map(AsRef::as_ref);
        let patch = node.status_patch(object, &self.world.options, now);
        let due = node.next_retry <= now;
        if due && node.queue.is_empty() {
            node.skip_retries(now);
        }
        if restarts {
            let checkpoint = self.checkpoint(name);
            self.restart(name, &checkpoint, now);
        } else if due {
            self.retry(name, now);
        }
        patch.map(|patch| Write::NodeStatus { node: name.to_owned(), patch })
    }

    /// Takes a Pod on, or turns it away.
    fn admit(&mut self, key: &ObjectKey, now: Timestamp) {
        let Some(pod) = self.pods.get(key).filter(|pod| pod.stage == Stage::Unadmitted) else { return };
        let Some(name) = pod.view.node.clone().filter(|name| self.nodes.contains_key(name)) else { return };
        let (ask, used) = (pod.ask(), self.used_by_others(&name, key));
        let (Some(node), Some(pod)) = (self.nodes.get_mut(&name), self.pods.get_mut(key)) else { return };
        if pod.ran_before() {
            pod.resume(&self.world, now);
            node.pass_address(pod.ip.as_deref());
            self.touched(key);
            return self.resize_asked(key, &name, now);
        }
        match admit(&ask, used, &node.rules(&self.world.options, now)) {
            Ok(()) => pod.admit(&self.world, node.new_pod_ip(), now),
            Err(rejection) => {
                pod.stage = Stage::Rejected(rejection);
                pod.dirty = true;
            }
        }
        self.touched(key);
    }

    fn used_by_others(&self, node: &str, key: &ObjectKey) -> Resources {
        let others = self.pods.values().filter(|pod| pod.view.node.as_deref() == Some(node) && pod.key != *key);
        others.filter(|pod| pod.is_active()).map(PodState::held).fold(Resources::default(), Resources::plus)
    }

    /// The spec's resources have changed: the Pod joins the queue, or leaves it if it has what it asks for.
    pub(super) fn resize_asked(&mut self, key: &ObjectKey, node: &str, now: Timestamp) {
        let Some(pod) = self.pods.get_mut(key).filter(|pod| pod.is_active()) else { return };
        if pod.wants_resize() {
            self.enqueue(key, node);
        } else {
            pod.dirty |= pod.resize.pending.take().is_some();
            self.dequeue(key, node);
        }
        tracing::debug!(pod = %key.name, %now, "resize asked for");
    }

    fn enqueue(&mut self, key: &ObjectKey, node: &str) {
        let Some(state) = self.nodes.get_mut(node) else { return };
        if !state.queue.contains(key) {
            state.queue.push(key.clone());
        }
        // The order is made when something joins, not at each retry.
        let pods = &self.pods;
        state.queue.sort_by_cached_key(|key| pods.get(key).map(rank));
    }

    fn dequeue(&mut self, key: &ObjectKey, node: &str) {
        if let Some(state) = self.nodes.get_mut(node) {
            state.queue.retain(|waiting| waiting != key);
        }
    }

    /// Tries every resize in the queue, in order; what is granted counts against those behind it.
    pub(super) fn retry(&mut self, node: &str, now: Timestamp) {
        let Some(state) = self.nodes.get_mut(node) else { return };
        if state.queue.is_empty() {
            return;
        }
        state.looked(now);
        for key in state.queue.clone() {
            self.evaluate(&key, node, now);
        }
    }

    fn evaluate(&mut self, key: &ObjectKey, node: &str, now: Timestamp) {
        let used = self.used_by_others(node, key);
        let (Some(pod), Some(state)) = (self.pods.get_mut(key), self.nodes.get(node)) else { return };
        let verdict = judge(&pod.ask(), used, &state.rules(&self.world.options, now));
        let stays = matches!(verdict, super::allocation::Verdict::Deferred(_));
        pod.answer(verdict, &self.world, now);
        if !stays {
            self.dequeue(key, node);
        }
        self.touched(key);
    }

    /// The kubelet of a Node starts anew. Containers ran on; what it had promised and told the runtime is in its
    /// checkpoint; everything else is worked out again, and first told to the API server.
    pub(super) fn restart(&mut self, node: &str, checkpoint: &Checkpoint, now: Timestamp) {
        if let Some(state) = self.nodes.get_mut(node) {
            state.restarted(now);
            state.queue.clear();
        }
        let keys = self.on_node(node);
        for key in &keys {
            let Some(pod) = self.pods.get_mut(key).filter(|pod| pod.is_active()) else { continue };
            checkpoint.restore(pod);
            pod.restarted(&self.world, now);
            let wants_resize = pod.wants_resize();
            if wants_resize {
                self.enqueue(key, node);
            }
            self.touched(key);
        }
        self.retry(node, now);
    }

    /// What the kubelet of a Node has on disk.
    pub(super) fn checkpoint(&self, node: &str) -> Checkpoint {
        Checkpoint::of(self.pods.values().filter(|pod| pod.view.node.as_deref() == Some(node)))
    }

    fn on_node(&self, node: &str) -> Vec<ObjectKey> {
        let on_node = self.pods.values().filter(|pod| pod.view.node.as_deref() == Some(node));
        on_node.map(|pod| pod.key.clone()).collect()
    }

    /// After anything happened to a Pod: sets its alarm and notes its news.
    fn touched(&mut self, key: &ObjectKey) {
        let Some(pod) = self.pods.get(key) else { return };
        let wake = pod.wake();
        if pod.dirty {
            self.news.insert(key.clone());
        }
        self.schedule(key, wake);
    }

    fn schedule(&mut self, key: &ObjectKey, wake: Option<Timestamp>) {
        let old = match wake {
            Some(at) => self.wake_of.insert(key.clone(), at),
            None => self.wake_of.remove(key),
        };
        if old == wake {
            return;
        }
        if let Some(old) = old {
            self.wakes.remove(&(old, key.clone()));
        }
        if let Some(at) = wake {
            self.wakes.insert((at, key.clone()));
        }
    }

    fn write(&mut self, key: &ObjectKey, now: Timestamp) -> Option<Write> {
        let pod = self.pods.get_mut(key)?;
        pod.dirty = false;
        let host_ip = pod.view.node.as_ref().and_then(|node| self.nodes.get(node)).map(NodeState::host_ip);
        let built: PodStatus = status::build(pod, &host_ip.unwrap_or_default(), now);
        let patch = status::patch(pod.uid(), &built);
        if matches!(pod.stage, Stage::Stopped { .. }) {
            return Some(Write::EndPod { pod: key.clone(), uid: pod.uid().to_owned(), patch });
        }
        if pod.written.as_ref().is_some_and(|written| !status::differs(written, &built)) {
            return None;
        }
        pod.written = Some(built);
        Some(Write::PodStatus { pod: key.clone(), patch })
    }
}

/// The order of the queue: those that need no more first; then priority, Guaranteed, and the longest pending.
fn rank(pod: &PodState) -> (bool, i64, bool, Timestamp) {
    let priority = pod.object.spec.as_ref().and_then(|spec| spec.priority).unwrap_or(0);
    let since = pod.resize.pending.as_ref().map_or(Timestamp::MAX, |pending| pending.since);
    (!pod.wants_no_more(), -i64::from(priority), pod.view.qos != QosClass::Guaranteed, since)
}

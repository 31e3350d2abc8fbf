//! The ordered picture of the cluster that every pass looks at.
//!
//! kube's own store is a hash map of whole objects in random order; this one holds what decisions need, parsed once, by
//! name, with indexes from Node and owner to Pod. Own writes are in it at once ([`Expectations`]). A change answers with
//! what it [`Touch`]es, so that the policies concerned are looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::core::{Selector, SelectorExt};

use super::{
    expectations::Expectations,
    owners::{WorkloadId, controller_of},
    policies::Policy,
};
use crate::{
    recommend::ContainerLimits,
    resources::{ContainerResources, NodeView, PodView, Resources},
};

/// Namespace and name.
pub type Key = (String, String);

/// A Pod, parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct PodRecord {
    /// What decisions see.
    pub view: PodView,
    /// The version that a write is conditional on.
    pub resource_version: String,
    /// Its labels, for workloads that are known by selector only.
    pub labels: BTreeMap<String, String>,
    /// What controls it.
    pub owner: Option<WorkloadId>,
    /// What it counts for on its Node.
    pub footprint: Resources,
}

impl PodRecord {
    /// Reads a Pod; `None` if its amounts cannot be read, which the API server does not let happen.
    pub fn read(pod: &Pod) -> Option<Self> {
        let view = PodView::try_from(pod).ok()?;
        Some(Self {
            footprint: if view.finished() { Resources::default() } else { view.footprint() },
            resource_version: pod.metadata.resource_version.clone().unwrap_or_default(),
            labels: pod.metadata.labels.clone().unwrap_or_default(),
            owner: controller_of(&pod.metadata),
            view,
        })
    }

    /// Whether it is of a later version, as far as versions tell (they are numbers: KEP-5504).
    fn is_newer_than(&self, other: &Self) -> bool {
        let version = |pod: &Self| pod.resource_version.parse::<u64>().ok();
        version(other).is_some_and(|other| version(self) > Some(other))
    }

    fn key(&self) -> Key {
        (self.view.namespace.clone(), self.view.name.clone())
    }
}

/// A workload, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Which.
    pub id: WorkloadId,
    /// Its API version, for the status.
    pub api_version: String,
    /// Its labels, which policies select by.
    pub labels: BTreeMap<String, String>,
    /// What controls it.
    pub owner: Option<WorkloadId>,
    /// How many Pods it should have, where it says so.
    pub replicas: Option<i32>,
    /// The containers of its Pod template.
    pub template: BTreeMap<String, ContainerResources>,
}

/// A workload of a kind that is not watched, known through its scale subresource.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaled {
    /// How many Pods it should have.
    pub replicas: i32,
    /// Which Pods are its own.
    pub selector: Selector,
}

/// What a change concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touch {
    /// One workload.
    Workload(WorkloadId),
    /// All workloads with Pods on a Node: there may be more room.
    Node(String),
    /// All policies of a namespace.
    Namespace(String),
    /// All policies.
    All,
}

/// The picture.
#[derive(Debug, Default)]
pub struct World {
    pods: BTreeMap<Key, Arc<PodRecord>>,
    by_owner: BTreeMap<WorkloadId, BTreeSet<Key>>,
    by_node: BTreeMap<String, BTreeSet<Key>>,
    workloads: BTreeMap<WorkloadId, Arc<Workload>>,
    children: BTreeMap<WorkloadId, BTreeSet<WorkloadId>>,
    scaled: BTreeMap<WorkloadId, Scaled>,
    /// The Nodes.
    pub nodes: BTreeMap<String, NodeView>,
    /// The bounds that each LimitRange sets for containers.
    pub limits: BTreeMap<Key, ContainerLimits>,
    /// The policies.
    pub policies: BTreeMap<Key, Arc<Policy>>,
    /// Own writes that the watch has not shown yet.
    pub expectations: Expectations,
}

impl World {
    /// The watch shows this Pod. What is older than an own write is ignored.
    pub fn apply_pod(&mut self, pod: PodRecord, now: Timestamp) -> Vec<Touch> {
        if self.expectations.is_stale(&pod.view.uid, pod.view.generation, now) {
            return Vec::new();
        }
        self.put_pod(pod)
    }

    /// The server answered a write with this Pod. The watch may have overtaken the answer, and the Pod may be gone.
    pub fn wrote_pod(&mut self, pod: PodRecord, now: Timestamp) {
        let Some(known) = self.pods.get(&pod.key()).filter(|known| known.view.uid == pod.view.uid) else { return };
        let overtaken = known.is_newer_than(&pod);
        self.expectations.wrote(&pod.view.uid, pod.view.generation, now);
        if !overtaken {
            self.put_pod(pod);
        }
    }

    fn put_pod(&mut self, pod: PodRecord) -> Vec<Touch> {
        let key = pod.key();
        let before = self.pods.get(&key).cloned();
        let same = before.as_ref().is_some_and(|before| before.view == pod.view && before.labels == pod.labels);
        let replaced = before.as_ref().is_some_and(|before| before.view.uid != pod.view.uid);
        let freed = replaced || before.as_ref().is_some_and(|before| !before.footprint.fits_in(pod.footprint));
        let mut touched = Vec::new();
        if let Some(before) = before.filter(|_| !same) {
            touched.extend(self.workload_of(&before).map(Touch::Workload));
            touched.extend(before.view.node.clone().filter(|_| freed).map(Touch::Node));
            if replaced {
                self.expectations.forget(&before.view.uid);
            }
            self.unlink(&key, &before);
        }
        let pod = Arc::new(pod);
        if !same {
            if let Some(owner) = &pod.owner {
                self.by_owner.entry(owner.clone()).or_default().insert(key.clone());
            }
            if let Some(node) = &pod.view.node {
                self.by_node.entry(node.clone()).or_default().insert(key.clone());
            }
            touched.extend(self.workload_of(&pod).map(Touch::Workload));
        }
        self.pods.insert(key, pod);
        touched
    }

    /// The Pod is gone.
    pub fn remove_pod(&mut self, key: &Key) -> Vec<Touch> {
        let Some(pod) = self.pods.remove(key) else { return Vec::new() };
        self.unlink(key, &pod);
        self.expectations.forget(&pod.view.uid);
        let node = pod.view.node.clone().map(Touch::Node);
        self.workload_of(&pod).map(Touch::Workload).into_iter().chain(node).collect()
    }

    fn unlink(&mut self, key: &Key, pod: &PodRecord) {
        if let Some(pods) = pod.owner.as_ref().and_then(|owner| self.by_owner.get_mut(owner)) {
            pods.remove(key);
        }
        if let Some(pods) = pod.view.node.as_ref().and_then(|node| self.by_node.get_mut(node)) {
            pods.remove(key);
        }
        if let Some(owner) = pod.owner.as_ref().filter(|owner| self.by_owner.get(owner).is_some_and(BTreeSet::is_empty))
        {
            self.by_owner.remove(owner);
        }
        if let Some(node) =
            pod.view.node.as_ref().filter(|node| self.by_node.get(*node).is_some_and(BTreeSet::is_empty))
        {
            self.by_node.remove(node);
        }
    }

    /// The watch shows this workload.
    pub fn apply_workload(&mut self, workload: Workload) -> Vec<Touch> {
        let id = workload.id.clone();
        if self.workloads.get(&id).is_some_and(|before| **before == workload) {
            return Vec::new();
        }
        let mut touched = self.remove_workload(&id);
        if let Some(owner) = &workload.owner {
            self.children.entry(owner.clone()).or_default().insert(id.clone());
        }
        self.workloads.insert(id.clone(), Arc::new(workload));
        touched.extend(self.root_of(&id).map(Touch::Workload));
        touched
    }

    /// The workload is gone.
    pub fn remove_workload(&mut self, id: &WorkloadId) -> Vec<Touch> {
        let touched = self.root_of(id).map(Touch::Workload);
        let Some(workload) = self.workloads.remove(id) else { return Vec::new() };
        if let Some(owner) = &workload.owner
            && let Some(siblings) = self.children.get_mut(owner)
        {
            siblings.remove(id);
            if siblings.is_empty() {
                self.children.remove(owner);
            }
        }
        touched.into_iter().collect()
    }

    /// What the scale subresource of a workload says; `None` when it has none any more.
    pub fn set_scaled(&mut self, id: WorkloadId, scaled: Option<Scaled>) {
        match scaled {
            Some(scaled) => self.scaled.insert(id, scaled),
            None => self.scaled.remove(&id),
        };
    }

    /// The workload's scale, if it is known through its scale subresource.
    pub fn scaled(&self, id: &WorkloadId) -> Option<&Scaled> {
        self.scaled.get(id)
    }

    /// The watched workload.
    pub fn workload(&self, id: &WorkloadId) -> Option<&Arc<Workload>> {
        self.workloads.get(id)
    }

    /// All watched workloads' names, in order.
    pub fn workload_ids(&self) -> impl Iterator<Item = &WorkloadId> {
        self.workloads.keys()
    }

    /// All watched workloads of a namespace, in order.
    pub fn workloads_in<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<Workload>> {
        let workloads = self.workloads.range(WorkloadId::new(namespace, "", "", "")..);
        workloads.map(|(_, workload)| workload).take_while(move |workload| workload.id.namespace == namespace)
    }

    /// The policies of a namespace, by name.
    pub fn policies_in<'a>(&'a self, namespace: &str) -> impl Iterator<Item = &'a Arc<Policy>> + use<'a> {
        in_namespace(&self.policies, namespace)
    }

    /// The workload at the top of `id`. `None` while a link is not in the picture.
    pub fn root_of(&self, id: &WorkloadId) -> Option<WorkloadId> {
        if !id.is_between() {
            return Some(id.clone());
        }
        let workload = self.workloads.get(id)?;
        // Two links at most: a Pod's ReplicaSet or Job, and what owns that.
        Some(workload.owner.clone().unwrap_or_else(|| id.clone()))
    }

    /// The workload that a Pod belongs to, if it belongs to one.
    pub fn workload_of(&self, pod: &PodRecord) -> Option<WorkloadId> {
        self.workload_by(&pod.view.namespace, &pod.labels, pod.owner.as_ref())
    }

    /// The workload that a Pod with these labels and this owner belongs to.
    pub fn workload_by(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        owner: Option<&WorkloadId>,
    ) -> Option<WorkloadId> {
        let selected = self
            .scaled
            .iter()
            .find(|(id, scaled)| id.namespace == namespace && scaled.selector.matches(labels))
            .map(|(id, _)| id.clone());
        selected.or_else(|| self.root_of(owner?))
    }

    /// The Pods of a workload, by name.
    pub fn pods_of(&self, id: &WorkloadId) -> Vec<Arc<PodRecord>> {
        if self.scaled.contains_key(id) {
            let pods = self.pods.values().filter(|pod| pod.view.namespace == id.namespace);
            return pods.filter(|pod| self.workload_of(pod).as_ref() == Some(id)).cloned().collect();
        }
        let owners =
            std::iter::once(id).chain(self.children.get(id).into_iter().flatten().filter(|id| id.is_between()));
        let keys: BTreeSet<_> = owners.filter_map(|owner| self.by_owner.get(owner)).flatten().collect();
        let pods = keys.into_iter().filter_map(|key| self.pods.get(key));
        pods.filter(|pod| self.workload_of(pod).as_ref() == Some(id)).cloned().collect()
    }

    /// The Pod, if it is there.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&Arc<PodRecord>> {
        self.pods.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// All Pods, by namespace and name.
    pub fn pods(&self) -> impl Iterator<Item = &Arc<PodRecord>> {
        self.pods.values()
    }

    /// The Pods on a Node, by namespace and name.
    pub fn pods_on<'a>(&'a self, node: &str) -> impl Iterator<Item = &'a Arc<PodRecord>> {
        self.by_node.get(node).into_iter().flatten().filter_map(|key| self.pods.get(key))
    }

    /// What the Pods on a Node count for in all.
    pub fn taken_on(&self, node: &str) -> Resources {
        self.pods_on(node).map(|pod| pod.footprint).fold(Resources::default(), Resources::plus)
    }

    /// What the namespace's LimitRanges allow a container, taken together.
    pub fn limits_in(&self, namespace: &str) -> Option<ContainerLimits> {
        let mut ranges = in_namespace(&self.limits, namespace).copied();
        let first = ranges.next()?;
        Some(ranges.fold(first, strictest))
    }
}

fn in_namespace<'a, T>(all: &'a BTreeMap<Key, T>, namespace: &str) -> impl Iterator<Item = &'a T> + use<'a, T> {
    let namespace = namespace.to_owned();
    let from = all.range((namespace.clone(), String::new())..);
    from.take_while(move |((of, _), _)| *of == namespace).map(|(_, item)| item)
}

/// What both ranges allow.
fn strictest(a: ContainerLimits, b: ContainerLimits) -> ContainerLimits {
    let least = |a: Option<f64>, b: Option<f64>| a.into_iter().chain(b).reduce(f64::min);
    ContainerLimits {
        min: a.min.max(b.min),
        max: Resources {
            cpu: a.max.cpu.into_iter().chain(b.max.cpu).min(),
            memory: a.max.memory.into_iter().chain(b.max.memory).min(),
        },
        max_cpu_ratio: least(a.max_cpu_ratio, b.max_cpu_ratio),
        max_memory_ratio: least(a.max_memory_ratio, b.max_memory_ratio),
    }
}

#[cfg(test)]
mod tests;

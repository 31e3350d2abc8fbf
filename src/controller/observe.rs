//! All reads of one pass: the policy's workloads, their Pods, what was learnt of them, the room on their Nodes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    context::Context,
    learn::Models,
    memory::{Hold, Memory},
    owners::WorkloadId,
    policies::{self, Policy},
    scale,
    sizes::{Basis, Fit},
    world::{PodRecord, World},
};
use crate::{
    api::{Strategy, TargetRef},
    plan::{ClusterView, PodHistory, Why, Wish, WorkloadView, startup},
    resources::{NodeView, PodView, Resources},
};

/// What one pass sees.
#[derive(Debug)]
pub struct Observed {
    /// The policy.
    pub policy: Arc<Policy>,
    /// The workloads that it owns, in order.
    pub workloads: Vec<Covered>,
    /// Workloads that it covers but an older policy owns, with that policy's name.
    pub owned_by_others: Vec<(WorkloadId, String)>,
    /// The Nodes of the Pods, by name.
    pub nodes: BTreeMap<String, NodeUse>,
    /// The cluster.
    pub cluster: ClusterView,
    /// Since when and why usage cannot be read, while it cannot.
    pub usage_problem: Option<String>,
    /// Since when and why usage comes from another source than it should, while it does.
    pub usage_fallback: Option<String>,
    /// When the next disruption is allowed, if none is now.
    pub next_disruption: Option<Timestamp>,
}

/// One workload.
#[derive(Debug)]
pub struct Covered {
    /// Which.
    pub id: WorkloadId,
    /// As users write it.
    pub target: TargetRef,
    /// As decisions see it.
    pub view: WorkloadView,
    /// What its containers should get, by name.
    pub fits: BTreeMap<String, Fit>,
    /// Its Pods, by name.
    pub pods: Vec<PodSeen>,
}

/// One Pod.
#[derive(Debug)]
pub struct PodSeen {
    /// The Pod.
    pub record: Arc<PodRecord>,
    /// Free room on each other Node that it may be placed on.
    pub elsewhere: Vec<Resources>,
    /// What its containers should have.
    pub wishes: Vec<Wish>,
    /// What has been seen of it before, this look included.
    pub history: PodHistory,
    /// A write that is not tried again for now.
    pub hold: Option<Hold>,
    /// Evicted by Tailor, and not gone yet.
    pub evicted: bool,
}

/// A Node and what its Pods count for.
#[derive(Debug)]
pub struct NodeUse {
    /// The Node.
    pub node: NodeView,
    /// What each of its Pods counts for, by UID.
    pub footprints: BTreeMap<String, Resources>,
}

/// Reads all that a pass needs.
///
/// # Errors
/// When the API server does not say what it serves, or what the scale of the target is.
pub async fn observe(context: &Context, policy: Arc<Policy>) -> Result<Observed, kube::Error> {
    let resize_served = context.resize_served().await?;
    if let Some(target) = &policy.object.spec.target_ref {
        let (namespace, _) = policy.key();
        scale::refresh(context, &namespace, target).await?;
    }
    Ok(look(context, policy, resize_served))
}

/// Looks at one instant: nothing changes in between.
fn look(context: &Context, policy: Arc<Policy>, resize_served: bool) -> Observed {
    let now = context.clock.now();
    let world = context.world();
    let mut models = context.models();
    let mut memory = context.memory();
    let mut owned_by_others = Vec::new();
    let mut workloads = Vec::new();
    for id in policy.covered(&world) {
        let owner = policies::owner_of(&id, &world).map(Policy::key);
        match owner.filter(|owner| *owner != policy.key()) {
            Some((_, name)) => owned_by_others.push((id, name)),
            None => workloads.push(workload(&policy, id, &world, &mut models, &mut memory, now)),
        }
    }
    let pods = workloads.iter().flat_map(|workload: &Covered| &workload.pods);
    let names: BTreeSet<_> = pods.filter_map(|pod| pod.record.view.node.clone()).collect();
    let watched = context.options.watch_nodes;
    let nodes = names.into_iter().filter_map(|name| Some((name.clone(), node(&world, &name, watched)?))).collect();
    let covered = memory.pods.len();
    let new_pods = context.replacements.now();
    let eviction_tokens = memory.disruptions_allowed(covered, now);
    let cluster = ClusterView { resize_served, new_pods, eviction_tokens };
    Observed {
        nodes,
        cluster,
        usage_problem: models.hearing().problem(),
        usage_fallback: models.hearing().fallback(),
        next_disruption: memory.next_disruption(now),
        policy,
        workloads,
        owned_by_others,
    }
}

/// The Node and who is on it; if Nodes are watched, only one that is known.
fn node(world: &World, name: &str, watched: bool) -> Option<NodeUse> {
    let unseen = || (!watched).then(|| NodeView::unseen(name));
    let node = world.nodes.get(name).cloned().or_else(unseen)?;
    let footprint = |pod: &Arc<PodRecord>| (pod.view.uid.clone(), pod.footprint);
    Some(NodeUse { node, footprints: world.pods_on(name).map(footprint).collect() })
}

/// Free room on each other Node that the Pod may be placed on; looked for only where the policy may evict.
fn elsewhere(world: &World, policy: &Policy, pod: &PodView) -> Vec<Resources> {
    if !matches!(policy.object.spec.strategy, Strategy::InPlaceOrRecreate | Strategy::Recreate) {
        return Vec::new();
    }
    let others =
        world.nodes.values().filter(|node| Some(&node.name) != pod.node.as_ref() && pod.placement.admits(node));
    others.map(|node| node.allocatable.minus(world.taken_on(&node.name))).collect()
}

fn workload(
    policy: &Policy,
    id: WorkloadId,
    world: &World,
    models: &mut Models,
    memory: &mut Memory,
    now: Timestamp,
) -> Covered {
    let pods = world.pods_of(&id);
    for pod in &pods {
        models.learn_ooms(&id, pod, now);
    }
    let limits = world.limits_in(&id.namespace);
    let workload = world.workload(&id).map(AsRef::as_ref);
    let basis = Basis {
        spec: &policy.object.spec,
        workload,
        models: models.of(&id),
        may_lower: models.may_lower(),
        limits: limits.as_ref(),
        now,
    };
    let fits = basis.fits(pods.iter().map(|pod| &pod.view));
    let seen: Vec<_> = pods
        .iter()
        .map(|pod| {
            let evicted = world.expectations.is_evicted(&pod.view.uid, now);
            let elsewhere = elsewhere(world, policy, &pod.view);
            PodSeen { elsewhere, ..see(pod, evicted, &basis, &fits, models, memory) }
        })
        .collect();
    let replicas = workload.and_then(|w| w.replicas).or_else(|| world.scaled(&id).map(|scaled| scaled.replicas));
    let unsized_replacements = memory.replacements_are_unsized(&id, pods.iter().map(AsRef::as_ref), now);
    let api_version = policy.object.spec.target_ref.as_ref().map(|target| target.api_version.clone());
    let api_version = workload.map(|workload| workload.api_version.clone()).or(api_version).unwrap_or_default();
    Covered {
        target: TargetRef { api_version, kind: id.kind.clone(), name: id.name.clone() },
        view: workload_view(&id, replicas, &seen, unsized_replacements),
        pods: seen,
        fits,
        id,
    }
}

fn workload_view(id: &WorkloadId, replicas: Option<i32>, pods: &[PodSeen], unsized_replacements: bool) -> WorkloadView {
    let is_live = |pod: &&PodSeen| !pod.record.view.terminating && !pod.evicted && !pod.record.view.finished();
    let live = count(pods.iter().filter(is_live));
    let ready = count(pods.iter().filter(is_live).filter(|pod| pod.record.view.ready));
    let desired_replicas = replicas.unwrap_or_else(|| i32::try_from(live).unwrap_or(i32::MAX));
    let wanted = u32::try_from(desired_replicas).unwrap_or(0).max(live);
    WorkloadView {
        desired_replicas,
        live,
        unavailable: wanted.saturating_sub(ready),
        recreates: id.recreates(),
        evictions_blocked: unsized_replacements.then_some(Why::ReplacementUnsized),
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

fn see(
    pod: &Arc<PodRecord>,
    evicted: bool,
    basis: &Basis<'_>,
    fits: &BTreeMap<String, Fit>,
    models: &Models,
    memory: &mut Memory,
) -> PodSeen {
    let view = &pod.view;
    let starting = basis.spec.startup.as_ref().is_some_and(|policy| startup::is_active(policy, view, basis.now));
    let wishes = view.containers.iter().filter_map(|container| {
        let fit = fits.get(&container.name)?;
        let Fit { recommendation, peak, .. } = fit;
        Some(Wish {
            container: container.name.clone(),
            size: basis.size(fit, container, starting),
            lower: recommendation.lower,
            upper: recommendation.upper,
            peak: *peak,
            urgent: models.is_short(&view.uid, container, basis.now),
        })
    });
    let wishes: Vec<_> = wishes.collect();
    let remembered = memory.pods.entry(view.uid.clone()).or_default();
    remembered.history.observe(view, &wishes, basis.now);
    let (history, hold) = (remembered.history.clone(), remembered.hold.clone());
    PodSeen { record: Arc::clone(pod), elsewhere: Vec::new(), wishes, history, hold, evicted }
}

impl Observed {
    /// Whether the policy resizes in place where the cluster cannot.
    pub fn lacks_resize(&self) -> bool {
        self.resizes_in_place() && !self.cluster.resize_served
    }

    /// Whether the policy resizes in place.
    pub fn resizes_in_place(&self) -> bool {
        matches!(self.policy.object.spec.strategy, Strategy::InPlace | Strategy::InPlaceOrRecreate)
    }
}

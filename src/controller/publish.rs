//! The status: what was done and what is wanted, written only when that differs.
//!
//! One server-side apply a pass at most. Recommendations move a little with every sample, so what is published stays
//! until it is off by more than `minChangePercent`; a steady policy is never written to. However many Pods are covered,
//! a status is at most 64 KiB long.

use jiff::Timestamp;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    apply::Applied,
    conditions::{Beside, Verdict, conditions},
    context::Context,
    events::{self, News},
    observe::{Covered, Observed},
    sizes::Fit,
    world::Key,
};
use crate::{
    actuate::resize::FIELD_MANAGER,
    api::{
        ContainerStatusEntry, LastAction, PodCounts, VerticalResizePolicy, VerticalResizePolicyStatus, WorkloadStatus,
    },
    plan::PodState,
    resources::Resources,
};

/// The longest status, as JSON.
const MOST_BYTES: usize = 64 * 1024;

/// A published recommendation is kept while the new one is as near as this, whatever `minChangePercent` says.
const NEAR_PERCENT: u64 = 5;

/// Writes the status if it differs, and tells of a verdict that is new.
///
/// # Errors
/// When the API server refuses the status.
pub async fn publish(context: &Context, applied: &Applied<'_>) -> Result<(), kube::Error> {
    let policy = &applied.observed.policy;
    let key = policy.key();
    let uid = policy.object.uid().unwrap_or_default();
    let now = context.clock.now();
    let (published, last_action) = remembered(context, &key, &uid, applied.last_action.clone());
    let old = published.or_else(|| policy.object.status.clone()).unwrap_or_default();
    let last_action = last_action.or_else(|| old.last_action.clone());
    let counts = counts(applied);
    let verdict = Verdict::of(applied.observed, counts.iter().copied().sum(), applied.held_by_admission);
    let status = status(applied, &old, (last_action, counts), (verdict.0, &verdict.1), now);
    if status != old {
        write(context, &policy.object, &status).await?;
    }
    context.memory().policy(&key, &uid).published = Some(status);
    if verdict.0.is_warning() && was(&old) != Some(<&str>::from(verdict.0)) {
        let news = News { warning: true, action: "Reconcile", reason: verdict.0.into(), message: &verdict.1 };
        events::publish(&context.client, events::policy_reference(&policy.object), news, now).await;
    }
    Ok(())
}

/// What was published last, and the last action, which may be `fresh` and is kept even if the status cannot be written.
fn remembered(
    context: &Context,
    key: &Key,
    uid: &str,
    fresh: Option<LastAction>,
) -> (Option<VerticalResizePolicyStatus>, Option<LastAction>) {
    let mut memory = context.memory();
    let policy = memory.policy(key, uid);
    policy.last_action = fresh.or_else(|| policy.last_action.take());
    (policy.published.clone(), policy.last_action.clone())
}

/// The reason that was published last.
fn was(status: &VerticalResizePolicyStatus) -> Option<&str> {
    status.conditions.iter().find(|condition| condition.type_ == "Ready").map(|condition| condition.reason.as_str())
}

async fn write(
    context: &Context,
    policy: &VerticalResizePolicy,
    status: &VerticalResizePolicyStatus,
) -> Result<(), kube::Error> {
    let namespace = policy.namespace().unwrap_or_default();
    let policies: Api<VerticalResizePolicy> = Api::namespaced(context.client.clone(), &namespace);
    let patch = json!({
        "apiVersion": VerticalResizePolicy::api_version(&()),
        "kind": VerticalResizePolicy::kind(&()),
        "metadata": { "name": policy.name_any(), "namespace": namespace, "uid": policy.uid() },
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match policies.patch_status(&policy.name_any(), &params, &Patch::Apply(patch)).await {
        Ok(_) => {
            tracing::debug!(%namespace, policy = %policy.name_any(), "wrote the status");
            Ok(())
        }
        // Deleted, or replaced by another of its name: that one gets a pass of its own.
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(error) => Err(error),
    }
}

fn status(
    applied: &Applied<'_>,
    old: &VerticalResizePolicyStatus,
    (last_action, counts): (Option<LastAction>, Vec<PodCounts>),
    verdict: (Verdict, &str),
    now: Timestamp,
) -> VerticalResizePolicyStatus {
    let observed = applied.observed;
    let pods: PodCounts = counts.iter().copied().sum();
    let generation = observed.policy.object.metadata.generation;
    let workloads = observed.workloads.iter().zip(counts).map(|(covered, pods)| {
        let before = old.workloads.iter().find(|before| before.workload == covered.target);
        WorkloadStatus { workload: covered.target.clone(), pods, containers: entries(observed, covered, before) }
    });
    let other =
        Beside { resizes_in_progress: pods.in_progress > 0, usage_fallback: observed.usage_fallback.as_deref() };
    let status = VerticalResizePolicyStatus {
        observed_generation: generation,
        conditions: conditions(&old.conditions, verdict, &other, generation, now),
        pods,
        workloads: workloads.collect(),
        workloads_omitted: 0,
        last_action,
    };
    bounded(status)
}

fn entries(observed: &Observed, covered: &Covered, before: Option<&WorkloadStatus>) -> Vec<ContainerStatusEntry> {
    let near = u64::from(observed.policy.object.spec.update.min_change_percent).max(NEAR_PERCENT);
    let fits = covered.fits.iter().map(|(name, fit)| {
        let fresh = entry(covered, name, fit);
        let before = before.and_then(|before| before.containers.iter().find(|entry| entry.name == *name));
        match before.filter(|before| still_holds(before, &fresh, near)) {
            Some(before) => before.clone(),
            None => fresh,
        }
    });
    fits.collect()
}

fn entry(covered: &Covered, name: &str, fit: &Fit) -> ContainerStatusEntry {
    let pods = covered.pods.iter().map(|pod| &pod.record.view).filter(|pod| !pod.terminating && !pod.finished());
    let requests = pods.filter_map(|pod| Some(pod.container(name)?.desired.requests));
    let smallest = |a: Resources, b: Resources| a.zip(b, least, least);
    let recommendation = &fit.recommendation;
    ContainerStatusEntry {
        name: name.to_owned(),
        lower: recommendation.lower,
        target: recommendation.target,
        upper: recommendation.upper,
        current: requests.reduce(smallest).unwrap_or_default(),
        clamps: recommendation.clamps.clone(),
    }
}

fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    a.into_iter().chain(b).min()
}

/// Whether what was published is still true enough: the same sizes in force and clamps, and a target near the new one.
/// Bounds follow the target; they move with every sample, and alone say nothing new until the target leaves them.
fn still_holds(before: &ContainerStatusEntry, fresh: &ContainerStatusEntry, percent: u64) -> bool {
    let near = |a: Option<u64>, b: Option<u64>| match (a, b) {
        (Some(a), Some(b)) => u128::from(a.abs_diff(b)) * 100 <= u128::from(a) * u128::from(percent),
        (None, None) => true,
        _ => false,
    };
    let cpu = |resources: Resources| resources.cpu.map(|cpu| cpu.0);
    let memory = |resources: Resources| resources.memory.map(|memory| memory.0);
    let inside = |amount: Option<u64>, lower: Option<u64>, upper: Option<u64>| {
        lower <= amount && upper.is_none_or(|upper| amount <= Some(upper))
    };
    let holds = |of: fn(Resources) -> Option<u64>| {
        near(of(before.target), of(fresh.target)) && inside(of(before.target), of(fresh.lower), of(fresh.upper))
    };
    before.current == fresh.current && before.clamps == fresh.clamps && holds(cpu) && holds(memory)
}

/// The Pods of each workload, by state.
pub(super) fn counts(applied: &Applied<'_>) -> Vec<PodCounts> {
    (0..applied.observed.workloads.len()).map(|workload| count(applied, workload)).collect()
}

/// The live Pods of one workload, an index into [`Observed::workloads`].
fn count(applied: &Applied<'_>, workload: usize) -> PodCounts {
    let mut counts = PodCounts::default();
    for pod in applied.pods.iter().filter(|pod| pod.workload == workload) {
        let view = &applied.observed.workloads[workload].pods[pod.pod].record.view;
        if view.finished() {
            continue;
        }
        counts.total += 1;
        match pod.state {
            PodState::Fitted => counts.fitted += 1,
            PodState::InProgress => counts.in_progress += 1,
            PodState::Deferred => counts.deferred += 1,
            PodState::Infeasible => counts.infeasible += 1,
            PodState::Error => counts.error += 1,
            PodState::Evicted => counts.evicted += 1,
            PodState::Other => counts.waiting += 1,
        }
    }
    counts
}

/// As many workloads as fit, the first by kind and name.
fn bounded(mut status: VerticalResizePolicyStatus) -> VerticalResizePolicyStatus {
    let workloads = std::mem::take(&mut status.workloads);
    status.workloads_omitted = u32::MAX;
    let mut room = MOST_BYTES.saturating_sub(length(&status) + "\"workloads\":[],".len());
    for workload in &workloads {
        let bytes = length(workload) + 1;
        if bytes > room {
            break;
        }
        room -= bytes;
        status.workloads.push(workload.clone());
    }
    status.workloads_omitted = u32::try_from(workloads.len() - status.workloads.len()).unwrap_or(u32::MAX);
    status
}

/// How long it is as JSON. What cannot be written as JSON does not occur in a status, and would not be sent either.
fn length(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).map_or(0, |json| json.len())
}

#[cfg(test)]
pub(super) mod tests;

//! PodDisruptionBudgets: how many Pods may be evicted now.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use k8s_openapi::api::{core::v1::Pod, policy::v1::PodDisruptionBudget};
use kube::{ResourceExt, core::SelectorExt};
use serde_json::{Map, Value, json};

use super::{
    pods,
    world::{World, controller},
};
use crate::sim::informer::ObjectKey;

/// How long an evicted Pod is believed to be on its way out (k8s.io/kubernetes `pkg/controller/disruption`).
const DELETION_TIMEOUT: SignedDuration = SignedDuration::from_mins(2);

pub(super) async fn reconcile(world: &mut World, key: &ObjectKey) -> kube::Result<()> {
    let Some(budget) = world.budgets.get(key).cloned() else { return Ok(()) };
    let status = status(world, &budget);
    if let Some(written) = world.write_status(budget.as_ref(), status).await? {
        world.budgets.assume(written);
    }
    Ok(())
}

fn status(world: &World, budget: &PodDisruptionBudget) -> Value {
    let spec = budget.spec.clone().unwrap_or_default();
    let covered = covered(world, budget);
    let disrupted = still_disrupted(world, budget, &covered);
    let healthy = |pod: &&Pod| pods::is_active(pod) && pods::is_ready(pod) && !disrupted.contains_key(&pod.name_any());
    let current = pods::count(covered.iter().filter(|p| healthy(p)));
    let expected = expected(world, &covered);
    let desired = match (&spec.min_available, &spec.max_unavailable) {
        (Some(least), _) => pods::scaled(least, expected, true),
        (None, Some(most)) => (expected - pods::scaled(most, expected, true)).max(0),
        (None, None) => 0,
    };
    let status = json!({
        "currentHealthy": current,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "disruptionsAllowed": if expected > 0 { (current - desired).max(0) } else { 0 },
        "disruptedPods": disrupted,
        "observedGeneration": budget.metadata.generation,
    });
    forget_others(status, budget)
}

/// The Pods that the budget's selector matches, ended ones left out.
fn covered<'a>(world: &'a World, budget: &PodDisruptionBudget) -> Vec<&'a Pod> {
    let namespace = budget.namespace().unwrap_or_default();
    let selector = budget.spec.as_ref().and_then(|s| s.selector.clone()).unwrap_or_default();
    let Ok(selector) = kube::core::Selector::try_from(selector) else { return Vec::new() };
    let pods = world.pods.all().map(AsRef::as_ref).filter(|p| p.namespace().as_deref() == Some(&namespace));
    pods.filter(|p| selector.matches(p.labels()) && !matches!(pods::phase(p), "Succeeded" | "Failed")).collect()
}

/// Evictions that the API server has granted and whose Pods are not gone yet, by Pod and time.
fn still_disrupted(world: &World, budget: &PodDisruptionBudget, covered: &[&Pod]) -> Map<String, Value> {
    let granted = budget.status.iter().flat_map(|s| s.disrupted_pods.iter().flatten());
    let going = |name: &str| {
        let pod = covered.iter().find(|p| p.name_any() == name);
        pod.is_some_and(|p| p.metadata.deletion_timestamp.is_none())
    };
    let recent = granted.filter(|(name, at)| going(name) && world.clock.now().duration_since(at.0) < DELETION_TIMEOUT);
    recent.map(|(name, at)| (name.clone(), json!(at))).collect()
}

/// How many Pods the controllers of the covered Pods want in all.
fn expected(world: &World, covered: &[&Pod]) -> i32 {
    let mut counted = BTreeSet::new();
    covered.iter().fold(0, |sum, pod| {
        let Some(owner) = controller(*pod) else { return sum + 1 };
        if !counted.insert(owner.uid.clone()) {
            return sum;
        }
        let key = ObjectKey::new(pod.namespace().unwrap_or_default(), owner.name.clone());
        let replicas = match owner.kind.as_str() {
            "ReplicaSet" => world.replica_sets.get(&key).and_then(|s| s.spec.replicas),
            "StatefulSet" => world.stateful_sets.get(&key).and_then(|s| s.spec.replicas),
            _ => Some(pods::count(covered.iter().filter(|p| controller(**p).is_some_and(|o| o.uid == owner.uid)))),
        };
        sum + replicas.unwrap_or(1)
    })
}

/// In a merge patch a key that is left out stays: name the disrupted Pods that are to go.
fn forget_others(mut status: Value, budget: &PodDisruptionBudget) -> Value {
    let granted = budget.status.iter().flat_map(|s| s.disrupted_pods.iter().flatten());
    if let Some(kept) = status["disruptedPods"].as_object_mut() {
        for (name, _) in granted {
            kept.entry(name.clone()).or_insert(Value::Null);
        }
    }
    status
}

//! Deployments: a ReplicaSet for each template, and a rolling change from the old ones to the new one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::apps::v1::{Deployment, DeploymentCondition, DeploymentSpec, ReplicaSet, ReplicaSetSpec},
    apimachinery::pkg::{
        apis::meta::v1::{ObjectMeta, Time},
        util::intstr::IntOrString,
    },
};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    pods,
    world::{World, controller},
};
use crate::sim::informer::ObjectKey;

const HASH_LABEL: &str = "pod-template-hash";
/// Which roll-out made a ReplicaSet, counted from 1; the Deployment carries that of its present one.
const REVISION: &str = "deployment.kubernetes.io/revision";

pub(super) async fn reconcile(world: &mut World, key: &ObjectKey) -> kube::Result<()> {
    let Some(deployment) = world.deployments.get(key).cloned() else { return Ok(()) };
    let (spec, Some(uid)) = (&deployment.spec, deployment.uid()) else { return Ok(()) };
    if deployment.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let hash = pods::template_hash(&spec.template);
    let owned = |world: &World| -> Vec<ReplicaSet> {
        let sets = world.replica_sets.within(&key.namespace).map(|set| set.as_ref().clone());
        sets.filter(|set| controller(set).is_some_and(|o| o.uid == uid)).collect()
    };
    let is_current = |set: &ReplicaSet| set.labels().get(HASH_LABEL) == Some(&hash);
    let sets = owned(world);
    let newest = sets.iter().filter(|set| !is_current(set)).map(revision).max().unwrap_or(0);
    match sets.iter().find(|set| is_current(set)) {
        None => {
            let new = new_set(&deployment, (spec, &hash), newest + 1);
            let created = world.api(&key.namespace).create(&PostParams::default(), &new).await?;
            world.replica_sets.assume(created);
        }
        // An older template is the present one again.
        Some(set) if revision(set) <= newest => {
            let again = annotated(world.api(&key.namespace), &set.name_any(), newest + 1).await?;
            world.replica_sets.assume(again);
        }
        Some(_) => {}
    }
    let (current, old): (Vec<_>, Vec<_>) = owned(world).into_iter().partition(is_current);
    let Some(current) = current.into_iter().next() else { return Ok(()) };
    for (name, replicas) in rollout(spec, &current, &old) {
        let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        let scaled = world.api::<ReplicaSet>(&key.namespace).patch(&name, &PatchParams::default(), &patch).await?;
        world.replica_sets.assume(scaled);
    }
    if revision(&*deployment) != revision(&current) {
        let annotated = annotated(world.api(&key.namespace), &key.name, revision(&current)).await?;
        world.deployments.assume(annotated);
    }
    write_status(world, &deployment, &owned(world), &is_current).await
}

fn revision(object: &impl ResourceExt) -> u64 {
    object.annotations().get(REVISION).and_then(|revision| revision.parse().ok()).unwrap_or(0)
}

async fn annotated<K>(objects: Api<K>, name: &str, revision: u64) -> kube::Result<K>
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { REVISION: revision.to_string() } } }));
    objects.patch(name, &PatchParams::default(), &patch).await
}

/// The ReplicaSet of a template; its replicas come with the roll-out.
fn new_set(deployment: &Deployment, (spec, hash): (&DeploymentSpec, &str), revision: u64) -> ReplicaSet {
    let mut template = spec.template.clone();
    let mut selector = spec.selector.clone();
    pods::label(template.metadata.get_or_insert_default(), HASH_LABEL, hash);
    selector.match_labels.get_or_insert_default().insert(HASH_LABEL.to_owned(), hash.to_owned());
    ReplicaSet {
        metadata: ObjectMeta {
            name: Some(format!("{}-{hash}", deployment.name_any())),
            namespace: deployment.namespace(),
            labels: template.metadata.as_ref().and_then(|m| m.labels.clone()),
            annotations: Some(BTreeMap::from([(REVISION.to_owned(), revision.to_string())])),
            owner_references: Some(deployment.controller_owner_ref(&()).into_iter().collect()),
            ..ObjectMeta::default()
        },
        spec: ReplicaSetSpec { replicas: Some(0), selector, template: Some(template), ..ReplicaSetSpec::default() },
        status: None,
    }
}

/// The next size of each ReplicaSet that has to change: up to `maxSurge` Pods too many, `maxUnavailable` too few.
fn rollout(spec: &DeploymentSpec, current: &ReplicaSet, old: &[ReplicaSet]) -> Vec<(String, i32)> {
    let wanted = spec.replicas.unwrap_or(1);
    let rolling = spec.strategy.as_ref().and_then(|s| s.rolling_update.as_ref());
    let recreate = spec.strategy.as_ref().and_then(|s| s.type_.as_deref()) == Some("Recreate");
    let quarter = IntOrString::String("25%".to_owned());
    let surge = pods::scaled(rolling.and_then(|r| r.max_surge.as_ref()).unwrap_or(&quarter), wanted, true);
    let unavailable = pods::scaled(rolling.and_then(|r| r.max_unavailable.as_ref()).unwrap_or(&quarter), wanted, false);
    let size = |set: &ReplicaSet| set.spec.replicas.unwrap_or(0);
    // A set that has just been made smaller may still tell of Pods that are on their way out.
    let ready = |set: &ReplicaSet| set.status.as_ref().and_then(|s| s.ready_replicas).unwrap_or(0).min(size(set));
    let old_total: i32 = old.iter().map(size).sum();
    let mut steps = Vec::new();
    let room = if recreate { if old_total > 0 { 0 } else { wanted } } else { wanted + surge - old_total };
    let next = if size(current) > wanted { wanted } else { size(current).max(room.clamp(0, wanted)) };
    if next != size(current) {
        steps.push((current.name_any(), next));
    }
    let ready_total = ready(current) + old.iter().map(ready).sum::<i32>();
    let mut spare = if recreate { old_total } else { (ready_total - (wanted - unavailable)).max(0) };
    for set in old.iter().filter(|set| size(set) > 0) {
        // Pods that are not Ready serve nobody and may go at once.
        let idle = (size(set) - ready(set)).max(0);
        let cut = (idle + spare.min(ready(set))).min(size(set));
        spare -= cut - idle;
        if cut > 0 {
            steps.push((set.name_any(), size(set) - cut));
        }
    }
    steps
}

/// Whether enough Pods are ready, and whether all are of the present template.
fn conditions(deployment: &Deployment, (updated, ready): (i32, i32), now: Timestamp) -> Vec<DeploymentCondition> {
    let wanted = deployment.spec.replicas.unwrap_or(1);
    let rolling = deployment.spec.strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
    let most = rolling.and_then(|rolling| rolling.max_unavailable.as_ref());
    let enough = ready >= wanted - most.map_or(0, |most| pods::scaled(most, wanted, false));
    let complete = updated >= wanted && ready >= wanted;
    let available = match enough {
        true => ("Available", "True", "MinimumReplicasAvailable"),
        false => ("Available", "False", "MinimumReplicasUnavailable"),
    };
    let progressing = ("Progressing", "True", if complete { "NewReplicaSetAvailable" } else { "ReplicaSetUpdated" });
    let known = deployment.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let now = Time(Timestamp::from_second(now.as_second()).unwrap_or(now));
    let condition = |(kind, status, reason): (&str, &str, &str)| {
        let old = known.iter().find(|condition| condition.type_.as_deref() == Some(kind));
        let same_status = old.filter(|old| old.status.as_deref() == Some(status));
        let same = same_status.filter(|old| old.reason.as_deref() == Some(reason));
        DeploymentCondition {
            last_transition_time: same_status.map_or(Some(now.clone()), |old| old.last_transition_time.clone()),
            last_update_time: same.map_or(Some(now.clone()), |old| old.last_update_time.clone()),
            message: None,
            reason: Some(reason.to_owned()),
            status: Some(status.to_owned()),
            type_: Some(kind.to_owned()),
        }
    };
    vec![condition(available), condition(progressing)]
}

async fn write_status(
    world: &mut World,
    deployment: &Deployment,
    sets: &[ReplicaSet],
    is_current: &impl Fn(&ReplicaSet) -> bool,
) -> kube::Result<()> {
    let sum = |field: fn(&k8s_openapi::api::apps::v1::ReplicaSetStatus) -> i32| -> i32 {
        sets.iter().filter_map(|s| s.status.as_ref()).map(field).sum()
    };
    let updated: i32 =
        sets.iter().filter(|s| is_current(s)).filter_map(|s| s.status.as_ref()).map(|s| s.replicas).sum();
    let ready = sum(|s| s.ready_replicas.unwrap_or(0));
    let wanted = deployment.spec.replicas.unwrap_or(1);
    let status = json!({
        "replicas": sum(|s| s.replicas),
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": (wanted - ready).max(0),
        "observedGeneration": deployment.metadata.generation,
        "conditions": conditions(deployment, (updated, ready), world.clock.now()),
    });
    if let Some(written) = world.write_status(deployment, status).await? {
        world.deployments.assume(written);
    }
    Ok(())
}

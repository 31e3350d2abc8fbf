//! StatefulSets: Pods with stable names, brought up in order and recreated under the same name.

use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Pod};
use kube::ResourceExt;
use serde_json::json;

use super::{pods, world::World};
use crate::sim::informer::ObjectKey;

const REVISION_LABEL: &str = "controller-revision-hash";

pub(super) async fn reconcile(world: &mut World, key: &ObjectKey) -> kube::Result<()> {
    let Some(set) = world.stateful_sets.get(key).cloned() else { return Ok(()) };
    let (spec, Some(uid)) = (&set.spec, set.uid()) else { return Ok(()) };
    if set.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let wanted = spec.replicas.unwrap_or(1);
    let revision = pods::template_hash(&spec.template);
    let in_order = spec.pod_management_policy.as_deref() != Some("Parallel");
    for ordinal in 0..wanted {
        let name = format!("{}-{ordinal}", set.name_any());
        let pod = world.pods_of(&key.namespace, &uid).find(|p| p.name_any() == name).cloned();
        let ready = match &pod {
            None => {
                world.create_pod(&new_pod(&set, ordinal, &revision)).await?;
                false
            }
            // A Pod that ended has to go before its name can be used again.
            Some(pod) if pod.metadata.deletion_timestamp.is_none() && !pods::is_active(pod) => {
                world.delete_pod(&key.namespace, &name).await?;
                false
            }
            Some(pod) => pods::is_active(pod) && pods::is_ready(pod),
        };
        if in_order && !ready {
            break;
        }
    }
    remove_surplus(world, key, &uid, wanted).await?;
    roll(world, key, &set, &uid, &revision).await?;
    write_status(world, key, &set, &uid, &revision).await
}

fn new_pod(set: &StatefulSet, ordinal: i32, revision: &str) -> Pod {
    let template = set.spec.template.clone();
    let mut pod = pods::from_template(set, &template);
    let name = format!("{}-{ordinal}", set.name_any());
    pods::label(&mut pod.metadata, "statefulset.kubernetes.io/pod-name", &name);
    pods::label(&mut pod.metadata, "apps.kubernetes.io/pod-index", &ordinal.to_string());
    pods::label(&mut pod.metadata, REVISION_LABEL, revision);
    pod.metadata.generate_name = None;
    pod.metadata.name = Some(name);
    pod
}

fn ordinal(pod: &Pod) -> i32 {
    pod.name_any().rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(i32::MAX)
}

/// Deletes the Pod with the highest surplus ordinal; the next goes when it is gone.
async fn remove_surplus(world: &mut World, key: &ObjectKey, uid: &str, wanted: i32) -> kube::Result<()> {
    let surplus =
        world.pods_of(&key.namespace, uid).filter(|p| ordinal(p) >= wanted).max_by_key(|p| ordinal(p)).cloned();
    match surplus {
        Some(pod) if pod.metadata.deletion_timestamp.is_none() => {
            world.delete_pod(&key.namespace, &pod.name_any()).await
        }
        _ => Ok(()),
    }
}

/// A new template replaces Pods one at a time, from the highest ordinal down, while all others are Ready.
async fn roll(world: &mut World, key: &ObjectKey, set: &StatefulSet, uid: &str, revision: &str) -> kube::Result<()> {
    let on_delete = set.spec.update_strategy.as_ref().and_then(|u| u.type_.as_deref());
    let members: Vec<Pod> = world.pods_of(&key.namespace, uid).cloned().collect();
    if on_delete == Some("OnDelete") || !members.iter().all(|p| pods::is_active(p) && pods::is_ready(p)) {
        return Ok(());
    }
    let old = members.iter().filter(|p| p.labels().get(REVISION_LABEL).is_none_or(|r| r != revision));
    match old.max_by_key(|p| ordinal(p)) {
        Some(pod) => world.delete_pod(&key.namespace, &pod.name_any()).await,
        None => Ok(()),
    }
}

async fn write_status(
    world: &mut World,
    key: &ObjectKey,
    set: &StatefulSet,
    uid: &str,
    revision: &str,
) -> kube::Result<()> {
    let active: Vec<&Pod> = world.pods_of(&key.namespace, uid).filter(|p| pods::is_active(p)).collect();
    let ready = pods::count(active.iter().filter(|p| pods::is_ready(p)));
    let updated = active.iter().filter(|p| p.labels().get(REVISION_LABEL).is_some_and(|r| r == revision));
    let status = json!({
        "replicas": pods::count(&active),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "currentReplicas": pods::count(updated.clone()),
        "updatedReplicas": pods::count(updated),
        "updateRevision": format!("{}-{revision}", set.name_any()),
        "observedGeneration": set.metadata.generation,
    });
    if let Some(written) = world.write_status(set, status).await? {
        world.stateful_sets.assume(written);
    }
    Ok(())
}

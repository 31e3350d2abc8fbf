//! ReplicaSets: as many Pods of one template as asked for.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::json;

use super::{pods, world::World};
use crate::sim::informer::ObjectKey;

pub(super) async fn reconcile(world: &mut World, key: &ObjectKey) -> kube::Result<()> {
    let Some(set) = world.replica_sets.get(key).cloned() else { return Ok(()) };
    let (spec, Some(uid)) = (&set.spec, set.uid()) else { return Ok(()) };
    if set.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let wanted = spec.replicas.unwrap_or(1);
    let mut active: Vec<Pod> = world.pods_of(&key.namespace, &uid).filter(|p| pods::is_active(p)).cloned().collect();
    let template = spec.template.clone().unwrap_or_default();
    for _ in pods::count(&active)..wanted {
        world.create_pod(&pods::from_template(set.as_ref(), &template)).await?;
    }
    active.sort_by_key(pods::removal_order);
    let surplus = usize::try_from(pods::count(&active) - wanted).unwrap_or(0);
    for pod in active.iter().take(surplus) {
        world.delete_pod(&key.namespace, &pod.name_any()).await?;
    }
    let active: Vec<&Pod> = world.pods_of(&key.namespace, &uid).filter(|p| pods::is_active(p)).collect();
    let ready = pods::count(active.iter().filter(|p| pods::is_ready(p)));
    let status = json!({
        "replicas": pods::count(&active),
        "fullyLabeledReplicas": pods::count(&active),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "observedGeneration": set.metadata.generation,
    });
    if let Some(written) = world.write_status(set.as_ref(), status).await? {
        world.replica_sets.assume(written);
    }
    Ok(())
}

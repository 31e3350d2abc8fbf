//! DaemonSets: one Pod on each Node that the template fits.

use k8s_openapi::api::{
    apps::v1::DaemonSet,
    core::v1::{
        Affinity, Node, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodTemplateSpec,
        Toleration,
    },
};
use kube::ResourceExt;
use serde_json::json;

use super::{pods, world::World};
use crate::sim::informer::ObjectKey;

pub(super) async fn reconcile(world: &mut World, key: &ObjectKey) -> kube::Result<()> {
    let Some(set) = world.daemon_sets.get(key).cloned() else { return Ok(()) };
    let (spec, Some(uid)) = (&set.spec, set.uid()) else { return Ok(()) };
    if set.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let members: Vec<Pod> = world.pods_of(&key.namespace, &uid).cloned().collect();
    let nodes: Vec<String> = world.nodes.all().filter(|n| fits(n, &spec.template)).map(|n| n.name_any()).collect();
    for pod in &members {
        let placed = meant_for(pod).is_some_and(|node| nodes.contains(&node));
        // An ended Pod is replaced, and a Pod of a Node that is gone or no longer fits goes.
        if pod.metadata.deletion_timestamp.is_none() && (!placed || !pods::is_active(pod)) {
            world.delete_pod(&key.namespace, &pod.name_any()).await?;
        }
    }
    for node in &nodes {
        let covered = members.iter().any(|p| pods::is_active(p) && meant_for(p).as_ref() == Some(node));
        if !covered {
            world.create_pod(&new_pod(&set, &spec.template, node)).await?;
        }
    }
    write_status(world, key, &set, &uid, pods::count(&nodes)).await
}

fn fits(node: &Node, template: &PodTemplateSpec) -> bool {
    let selector = template.spec.as_ref().and_then(|s| s.node_selector.as_ref());
    pods::has_labels(node.metadata.labels.as_ref(), selector)
}

/// A Pod that only `node` can take, as the DaemonSet controller says it to the scheduler.
fn new_pod(set: &DaemonSet, template: &PodTemplateSpec, node: &str) -> Pod {
    let mut pod = pods::from_template(set, template);
    let this_node = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    let term = NodeSelectorTerm { match_fields: Some(vec![this_node]), match_expressions: None };
    let node_affinity = NodeAffinity {
        required_during_scheduling_ignored_during_execution: Some(NodeSelector { node_selector_terms: vec![term] }),
        ..NodeAffinity::default()
    };
    if let Some(spec) = pod.spec.as_mut() {
        spec.tolerations.get_or_insert_default().extend(tolerations(spec.host_network == Some(true)));
        spec.affinity = Some(Affinity { node_affinity: Some(node_affinity), ..Affinity::default() });
    }
    pod
}

/// What keeps its Pods on Nodes that others must leave: a DaemonSet looks after the Node, whatever its state.
fn tolerations(host_network: bool) -> impl Iterator<Item = Toleration> {
    let execute = ["not-ready", "unreachable"].map(|state| (state, "NoExecute"));
    let pressures = ["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"];
    let schedule = pressures.map(|state| (state, "NoSchedule"));
    let network = host_network.then_some(("network-unavailable", "NoSchedule"));
    execute.into_iter().chain(schedule).chain(network).map(|(state, effect)| Toleration {
        key: Some(format!("node.kubernetes.io/{state}")),
        operator: Some("Exists".to_owned()),
        effect: Some(effect.to_owned()),
        ..Toleration::default()
    })
}

/// The Node that `new_pod` made the Pod for.
fn meant_for(pod: &Pod) -> Option<String> {
    let affinity = pod.spec.as_ref()?.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
    required.node_selector_terms.first()?.match_fields.as_ref()?.first()?.values.as_ref()?.first().cloned()
}

async fn write_status(world: &mut World, key: &ObjectKey, set: &DaemonSet, uid: &str, wanted: i32) -> kube::Result<()> {
    let active: Vec<&Pod> = world.pods_of(&key.namespace, uid).filter(|p| pods::is_active(p)).collect();
    let ready = pods::count(active.iter().filter(|p| pods::is_ready(p)));
    let status = json!({
        "currentNumberScheduled": pods::count(active.iter().filter(|p| p.spec.as_ref().is_some_and(|s| s.node_name.is_some()))),
        "desiredNumberScheduled": wanted,
        "updatedNumberScheduled": pods::count(&active),
        "numberMisscheduled": 0,
        "numberReady": ready,
        "numberAvailable": ready,
        "observedGeneration": set.metadata.generation,
    });
    if let Some(written) = world.write_status(set, status).await? {
        world.daemon_sets.assume(written);
    }
    Ok(())
}

//! The kinds that the [`World`] mirrors: what is cut away of each, and what is noted.

use std::{collections::BTreeSet, fmt::Debug, sync::Arc};

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    batch::v1::{CronJob, Job},
    core::v1::{Container, LimitRange, Node, Pod, PodTemplateSpec},
};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::{
    context::Context,
    owners::{WorkloadId, controller_of},
    policies::Policy,
    world::{Key, PodRecord, Touch, Workload, World},
};
use crate::{
    api::VerticalResizePolicy,
    recommend::ContainerLimits,
    resources::{ContainerResources, NodeView, Resources, quantity},
};

/// Kinds that the [`World`] mirrors.
pub(super) trait Mirrored:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// Cuts away what nothing here looks at.
    fn trim(&mut self);
    /// Notes that it is there, as it is.
    fn apply(self, world: &mut World, context: &Context) -> Vec<Touch>;
    /// Notes that it is gone.
    fn remove(key: &Key, world: &mut World) -> Vec<Touch>;
    /// All that is noted of this kind.
    fn keys(world: &World) -> BTreeSet<Key>;
}

/// Namespace and name of an object.
pub(super) fn key<K: Resource>(object: &K) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

impl Mirrored for VerticalResizePolicy {
    fn trim(&mut self) {
        self.metadata.managed_fields = None;
    }

    fn apply(self, world: &mut World, _: &Context) -> Vec<Touch> {
        let policy = Policy::read(self);
        let identity = |policy: &Policy| (policy.object.uid(), policy.object.metadata.generation, is_ending(policy));
        let (key, now) = (policy.key(), identity(&policy));
        let before = world.policies.insert(key.clone(), Arc::new(policy));
        // A new or changed spec may take workloads from the others of the namespace, or give them back.
        let changed = before.is_none_or(|before| identity(&before) != now);
        changed.then_some(Touch::Namespace(key.0)).into_iter().collect()
    }

    fn remove(key: &Key, world: &mut World) -> Vec<Touch> {
        let removed = world.policies.remove(key);
        removed.map(|_| Touch::Namespace(key.0.clone())).into_iter().collect()
    }

    fn keys(world: &World) -> BTreeSet<Key> {
        world.policies.keys().cloned().collect()
    }
}

fn is_ending(policy: &Policy) -> bool {
    policy.object.metadata.deletion_timestamp.is_some()
}

impl Mirrored for Pod {
    fn trim(&mut self) {
        self.metadata.managed_fields = None;
        let mirror = "kubernetes.io/config.mirror";
        if let Some(annotations) = &mut self.metadata.annotations {
            annotations.retain(|key, _| key == mirror);
        }
        if let Some(spec) = &mut self.spec {
            spec.volumes = None;
            spec.ephemeral_containers = None;
            spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()).for_each(trim_container);
        }
    }

    fn apply(self, world: &mut World, context: &Context) -> Vec<Touch> {
        let Some(record) = PodRecord::read(&self) else { return Vec::new() };
        let now = context.clock.now();
        for (stage, took) in context.latencies().seen(&record.view, now) {
            context.metrics.staged(stage, took);
        }
        world.apply_pod(record, now)
    }

    fn remove(key: &Key, world: &mut World) -> Vec<Touch> {
        world.remove_pod(key)
    }

    fn keys(world: &World) -> BTreeSet<Key> {
        world.pods().map(|pod| (pod.view.namespace.clone(), pod.view.name.clone())).collect()
    }
}

fn trim_container(container: &mut Container) {
    *container = Container {
        name: std::mem::take(&mut container.name),
        resources: container.resources.take(),
        resize_policy: container.resize_policy.take(),
        restart_policy: container.restart_policy.take(),
        ..Container::default()
    };
}

impl Mirrored for Node {
    fn trim(&mut self) {
        self.metadata.managed_fields = None;
        self.metadata.annotations = None;
        if let Some(status) = &mut self.status {
            status.images = None;
            status.volumes_attached = None;
            status.volumes_in_use = None;
        }
    }

    fn apply(self, world: &mut World, _: &Context) -> Vec<Touch> {
        let Ok(node) = NodeView::try_from(&self) else { return Vec::new() };
        let before = world.nodes.insert(node.name.clone(), node.clone());
        // Most changes of a Node are heartbeats.
        before.as_ref().is_none_or(|before| *before != node).then_some(Touch::All).into_iter().collect()
    }

    fn remove(key: &Key, world: &mut World) -> Vec<Touch> {
        world.nodes.remove(&key.1).map(|_| Touch::All).into_iter().collect()
    }

    fn keys(world: &World) -> BTreeSet<Key> {
        world.nodes.keys().map(|name| (String::new(), name.clone())).collect()
    }
}

impl Mirrored for LimitRange {
    fn trim(&mut self) {
        self.metadata.managed_fields = None;
    }

    fn apply(self, world: &mut World, _: &Context) -> Vec<Touch> {
        let (key, limits) = (key(&self), container_limits(&self));
        let before = world.limits.insert(key.clone(), limits);
        (before != Some(limits)).then_some(Touch::Namespace(key.0)).into_iter().collect()
    }

    fn remove(key: &Key, world: &mut World) -> Vec<Touch> {
        world.limits.remove(key).map(|_| Touch::Namespace(key.0.clone())).into_iter().collect()
    }

    fn keys(world: &World) -> BTreeSet<Key> {
        world.limits.keys().cloned().collect()
    }
}

/// What a LimitRange says of containers. An amount that cannot be read bounds nothing; the API server stores none.
fn container_limits(range: &LimitRange) -> ContainerLimits {
    let mut limits = ContainerLimits::default();
    let items = range.spec.iter().flat_map(|spec| &spec.limits).filter(|item| item.type_ == "Container");
    for item in items {
        let amounts = |list: Option<&_>| Resources::from_list(list.into_iter().flatten()).unwrap_or_default();
        limits.min = limits.min.max(amounts(item.min.as_ref()));
        let max = amounts(item.max.as_ref());
        limits.max = Resources {
            cpu: limits.max.cpu.into_iter().chain(max.cpu).min(),
            memory: limits.max.memory.into_iter().chain(max.memory).min(),
        };
        let ratio = |name: &str| {
            let ratio = item.max_limit_request_ratio.as_ref().and_then(|ratios| ratios.get(name));
            ratio.and_then(|ratio| quantity::parse_scaled(&ratio.0, 3).ok()).map(thousandths)
        };
        limits.max_cpu_ratio = limits.max_cpu_ratio.into_iter().chain(ratio("cpu")).reduce(f64::min);
        limits.max_memory_ratio = limits.max_memory_ratio.into_iter().chain(ratio("memory")).reduce(f64::min);
    }
    limits
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of limit and request is a small number")]
fn thousandths(amount: u64) -> f64 {
    amount as f64 / 1_000.0
}

/// What a workload says of its Pods: how many there should be, and their template.
trait HasTemplate {
    const KIND: (&'static str, &'static str);
    fn replicas(&self) -> Option<i32>;
    fn template(&mut self) -> Option<PodTemplateSpec>;
}

/// The kinds differ in where replicas and template stand, and in nothing else.
macro_rules! has_template {
    ($kind:ty, $version:literal, $name:literal, $replicas:expr, $template:expr) => {
        impl HasTemplate for $kind {
            const KIND: (&'static str, &'static str) = ($version, $name);

            fn replicas(&self) -> Option<i32> {
                let replicas: fn(&$kind) -> Option<i32> = $replicas;
                replicas(self)
            }

            fn template(&mut self) -> Option<PodTemplateSpec> {
                let template: fn(&mut $kind) -> Option<PodTemplateSpec> = $template;
                template(self)
            }
        }

        impl Mirrored for $kind {
            fn trim(&mut self) {
                self.metadata.managed_fields = None;
                self.metadata.annotations = None;
            }

            fn apply(self, world: &mut World, _: &Context) -> Vec<Touch> {
                let workload = workload(self);
                world.apply_workload(workload)
            }

            fn remove(key: &Key, world: &mut World) -> Vec<Touch> {
                world.remove_workload(&WorkloadId::new(&key.0, $version, $name, &key.1))
            }

            fn keys(world: &World) -> BTreeSet<Key> {
                let of_kind = WorkloadId::new("", $version, $name, "");
                let ids = world.workload_ids().filter(|id| id.group == of_kind.group && id.kind == of_kind.kind);
                ids.map(|id| (id.namespace.clone(), id.name.clone())).collect()
            }
        }
    };
}

has_template!(Deployment, "apps/v1", "Deployment", |d| Some(d.spec.replicas.unwrap_or(1)), |d| {
    Some(std::mem::take(&mut d.spec.template))
});
has_template!(StatefulSet, "apps/v1", "StatefulSet", |s| Some(s.spec.replicas.unwrap_or(1)), |s| {
    Some(std::mem::take(&mut s.spec.template))
});
has_template!(ReplicaSet, "apps/v1", "ReplicaSet", |r| Some(r.spec.replicas.unwrap_or(1)), |r| r.spec.template.take());
has_template!(DaemonSet, "apps/v1", "DaemonSet", |d| Some(d.status.as_ref()?.desired_number_scheduled), |d| {
    Some(std::mem::take(&mut d.spec.template))
});
has_template!(Job, "batch/v1", "Job", |j| Some(j.spec.as_ref()?.parallelism.unwrap_or(1)), |j| {
    Some(std::mem::take(&mut j.spec.as_mut()?.template))
});
has_template!(CronJob, "batch/v1", "CronJob", |_| None, |c| {
    Some(std::mem::take(&mut c.spec.job_template.spec.as_mut()?.template))
});

fn workload<K: Mirrored + HasTemplate>(mut object: K) -> Workload {
    let (api_version, kind) = K::KIND;
    let replicas = object.replicas();
    let spec = object.template().and_then(|template| template.spec).unwrap_or_default();
    let sidecars = spec.init_containers.into_iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let containers = sidecars.chain(spec.containers);
    let template = containers.filter_map(|container| {
        let resources = container.resources.as_ref().map(ContainerResources::try_from).transpose().ok()?;
        Some((container.name, resources.unwrap_or_default()))
    });
    let (namespace, name) = key(&object);
    Workload {
        id: WorkloadId::new(&namespace, api_version, kind, &name),
        api_version: api_version.to_owned(),
        template: template.collect(),
        owner: controller_of(object.meta()),
        labels: std::mem::take(object.labels_mut()),
        replicas,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::resources::{Bytes, MilliCpu};

    fn read<K: DeserializeOwned>(value: Value) -> K {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_pod_loses_what_nothing_looks_at_and_no_more() {
        let mut pod: Pod = read(json!({
            "metadata": {
                "name": "web-0", "namespace": "shop", "uid": "u1",
                "managedFields": [{ "manager": "x" }],
                "annotations": { "kubernetes.io/config.mirror": "m", "long": "text" },
            },
            "spec": {
                "nodeName": "n1",
                "volumes": [{ "name": "v" }],
                "initContainers": [{ "name": "mesh", "restartPolicy": "Always", "env": [{ "name": "A", "value": "b" }] }],
                "containers": [{
                    "name": "app", "image": "a", "command": ["run"], "env": [{ "name": "SECRET", "value": "s" }],
                    "resources": { "requests": { "cpu": "1" } },
                    "resizePolicy": [{ "resourceName": "memory", "restartPolicy": "RestartContainer" }],
                }],
            },
            "status": { "phase": "Running" },
        }));
        let before = PodRecord::read(&pod).unwrap();
        pod.trim();
        assert_eq!(PodRecord::read(&pod).unwrap(), before);
        let text = serde_json::to_string(&pod).unwrap();
        for cut in ["SECRET", "\"image\"", "volumes", "managedFields", "long", "command"] {
            assert!(!text.contains(cut), "{cut} is still there: {text}");
        }
    }

    #[test]
    fn workloads_are_read_whatever_their_kind() {
        let template =
            json!({ "spec": { "containers": [{ "name": "app", "resources": { "requests": { "cpu": "1" } } }] } });
        let metadata = json!({ "name": "web", "namespace": "shop", "labels": { "a": "b" } });
        let deployment: Deployment =
            read(json!({ "metadata": metadata, "spec": { "replicas": 3, "selector": {}, "template": template } }));
        let nightly: CronJob = read(json!({
            "metadata": metadata,
            "spec": { "schedule": "@daily", "jobTemplate": { "spec": { "template": template } } },
        }));
        let (deployment, nightly) = (workload(deployment), workload(nightly));
        let app = ContainerResources {
            requests: Resources { cpu: Some(MilliCpu(1_000)), memory: None },
            limits: Resources::default(),
        };
        assert_eq!((deployment.replicas, nightly.replicas), (Some(3), None));
        assert_eq!(deployment.template.get("app"), Some(&app));
        assert_eq!(nightly.template.get("app"), Some(&app));
        assert_eq!(deployment.labels["a"], "b");
        assert_eq!(nightly.id.to_string(), "CronJob shop/web");
    }

    #[test]
    fn a_limit_range_is_read_for_containers() {
        let range: LimitRange = read(json!({ "metadata": {}, "spec": { "limits": [
            { "type": "Pod", "max": { "cpu": "1m" } },
            { "type": "Container", "min": { "cpu": "50m" }, "max": { "memory": "1Gi" }, "maxLimitRequestRatio": { "cpu": "2.5" } },
        ] } }));
        let expected = ContainerLimits {
            min: Resources { cpu: Some(MilliCpu(50)), memory: None },
            max: Resources { cpu: None, memory: Some(Bytes::mib(1_024)) },
            max_cpu_ratio: Some(2.5),
            max_memory_ratio: None,
        };
        assert_eq!(container_limits(&range), expected);
    }
}

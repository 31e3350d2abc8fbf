//! What is known of a Pod, checked once at the edge.
//!
//! *Desired* is the spec, *allocated* what the kubelet has promised, *actual* what the container runtime reports
//! (KEP-1287, "Resource States"). A [`PodView`] holds all three per container, and the resize conditions.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, PodCondition};
use thiserror::Error;

use super::{ContainerResources, Placement, QosClass, Resources, quantity::QuantityError};

/// A Pod that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("Pod {namespace}/{name}: cannot read the resources of container `{container}`")]
pub struct PodViewError {
    /// The Pod's namespace.
    pub namespace: String,
    /// The Pod's name.
    pub name: String,
    /// The container with the unreadable amount, or `status`.
    pub container: String,
    /// What is wrong with it.
    pub source: QuantityError,
}

/// `status.phase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::Display)]
pub enum PodPhase {
    /// Accepted, not all containers started.
    Pending,
    /// Bound, at least one container runs.
    Running,
    /// All containers ended well.
    Succeeded,
    /// All containers ended, one badly; or evicted by the kubelet.
    Failed,
    /// The Node cannot be reached.
    Unknown,
}

/// An app container, or a restartable init container, which is resized like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerKind {
    /// `spec.containers`.
    App,
    /// `spec.initContainers` with `restartPolicy: Always`.
    Sidecar,
}

/// Whether a change of a resource restarts the container (`resizePolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResizePolicy {
    /// A CPU change restarts it.
    pub cpu_restarts: bool,
    /// A memory change restarts it.
    pub memory_restarts: bool,
}

/// One container of a Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerView {
    /// Its name.
    pub name: String,
    /// App or sidecar.
    pub kind: ContainerKind,
    /// `spec`: what was asked for.
    pub desired: ContainerResources,
    /// `status...allocatedResources`: requests that the kubelet has promised; `None` before it has.
    pub allocated: Option<Resources>,
    /// `status...resources`: what is in force; `None` on a Node without support for resize, or before start.
    pub actual: Option<ContainerResources>,
    /// Whether a change restarts it.
    pub resize_policy: ResizePolicy,
    /// Whether it runs now.
    pub running: bool,
    /// `status...restartCount`.
    pub restarts: i32,
    /// When it was last OOM-killed, as far as its status tells.
    pub last_oom: Option<Timestamp>,
}

/// Why a resize is pending (`PodResizePending`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::Display)]
pub enum PendingReason {
    /// The Node has no room for it now; the kubelet retries.
    Deferred,
    /// The Node can never grant it; the kubelet does not retry.
    Infeasible,
}

/// The resize conditions, as the kubelet last wrote them. Both can be there at once, for two generations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResizeStatus {
    /// `PodResizePending`: reason and message.
    pub pending: Option<(PendingReason, String)>,
    /// `PodResizeInProgress`: `Some(None)` while it goes well, `Some(Some(message))` with reason `Error`.
    pub in_progress: Option<Option<String>>,
}

/// A Pod as decisions see it.
#[derive(Clone, Debug, PartialEq)]
pub struct PodView {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`: state is kept by it, for a StatefulSet reuses names.
    pub uid: String,
    /// The Node it is bound to.
    pub node: Option<String>,
    /// `status.phase`.
    pub phase: PodPhase,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Whether it is Ready.
    pub ready: bool,
    /// When it became Ready last, while it is.
    pub ready_since: Option<Timestamp>,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// `metadata.generation`.
    pub generation: i64,
    /// `status.observedGeneration`; `None` where the kubelet does not report it (1.33).
    pub observed_generation: Option<i64>,
    /// `status.qosClass`, or computed while the status has none.
    pub qos: QosClass,
    /// A static Pod's mirror, which cannot be resized.
    pub mirror: bool,
    /// A Windows Pod, which cannot be resized.
    pub windows: bool,
    /// Whether `spec.resources` is set (pod-level resources).
    pub pod_level: bool,
    /// Whether a controller owns it, so that it comes back after an eviction.
    pub owned: bool,
    /// App containers and sidecars, sidecars first, each in the order of the spec.
    pub containers: Vec<ContainerView>,
    /// Ordinary init containers: never resized, but they count for QoS class and for the Pod's request.
    pub init: Vec<ContainerResources>,
    /// Which Nodes it may be placed on.
    pub placement: Placement,
    /// `spec.overhead`.
    pub overhead: Resources,
    /// The resize conditions.
    pub resize: ResizeStatus,
}

impl PodView {
    /// The container called `name`.
    pub fn container(&self, name: &str) -> Option<&ContainerView> {
        self.containers.iter().find(|c| c.name == name)
    }

    /// Whether it has ended.
    pub fn finished(&self) -> bool {
        matches!(self.phase, PodPhase::Succeeded | PodPhase::Failed)
    }

    /// What the Pod requests in all, when a container's request is what `request` says (rule:
    /// k8s.io/component-helpers `resource.PodRequests`, simplified for init containers that run before all others).
    pub fn requests_with(&self, request: impl Fn(&ContainerView) -> Resources) -> Resources {
        let running = self.containers.iter().map(request).fold(Resources::default(), Resources::plus);
        self.init.iter().fold(running, |total, init| total.max(init.requests)).plus(self.overhead)
    }

    /// What the scheduler counts: the largest of desired, allocated and actual. While Infeasible, desired is ignored.
    pub fn footprint(&self) -> Resources {
        let infeasible = matches!(self.resize.pending, Some((PendingReason::Infeasible, _)));
        let desired = if infeasible { Resources::default() } else { self.requests_with(|c| c.desired.requests) };
        let allocated = self.requests_with(|c| c.allocated.unwrap_or_default());
        let actual = self.requests_with(|c| c.actual.unwrap_or_default().requests);
        desired.max(allocated).max(actual)
    }

    /// The QoS class the Pod would have if its containers had these resources.
    pub fn qos_with(&self, resources: impl Fn(&ContainerView) -> ContainerResources) -> QosClass {
        let containers: Vec<_> = self.containers.iter().map(resources).chain(self.init.iter().copied()).collect();
        QosClass::of(&containers)
    }
}

impl TryFrom<&Pod> for PodView {
    type Error = PodViewError;

    fn try_from(pod: &Pod) -> Result<Self, Self::Error> {
        let spec = pod.spec.as_ref();
        let status = pod.status.as_ref();
        let (sidecars, init): (Vec<_>, Vec<_>) = spec
            .and_then(|s| s.init_containers.as_ref())
            .into_iter()
            .flatten()
            .partition(|c| c.restart_policy.as_deref() == Some("Always"));
        let mut containers = Vec::new();
        for container in sidecars {
            let status = find_status(status.and_then(|s| s.init_container_statuses.as_ref()), &container.name);
            containers.push(container_view(pod, container, ContainerKind::Sidecar, status)?);
        }
        for container in spec.iter().flat_map(|s| &s.containers) {
            let status = find_status(status.and_then(|s| s.container_statuses.as_ref()), &container.name);
            containers.push(container_view(pod, container, ContainerKind::App, status)?);
        }
        let init: Vec<_> = init.into_iter().map(|c| desired(pod, c)).collect::<Result<_, _>>()?;
        let overhead = Resources::from_list(spec.and_then(|s| s.overhead.as_ref()).into_iter().flatten())
            .map_err(|source| unreadable(pod, "overhead", source))?;
        let conditions = status.and_then(|s| s.conditions.as_deref()).unwrap_or_default();
        let ready = condition(conditions, "Ready").filter(|c| c.status == "True");
        let qos = status.and_then(|s| s.qos_class.as_deref()).and_then(|class| class.parse().ok());
        let computed = || QosClass::of(containers.iter().map(|c| &c.desired).chain(&init));
        let annotated = |key: &str| pod.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(key));
        let owners = pod.metadata.owner_references.iter().flatten();
        Ok(Self {
            namespace: pod.metadata.namespace.clone().unwrap_or_default(),
            name: pod.metadata.name.clone().unwrap_or_default(),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            node: spec.and_then(|s| s.node_name.clone()),
            phase: status.and_then(|s| s.phase.as_deref()).and_then(|p| p.parse().ok()).unwrap_or(PodPhase::Pending),
            terminating: pod.metadata.deletion_timestamp.is_some(),
            ready: ready.is_some(),
            ready_since: ready.and_then(|c| c.last_transition_time.as_ref()).map(|t| t.0),
            created: pod.metadata.creation_timestamp.as_ref().map(|t| t.0),
            generation: pod.metadata.generation.unwrap_or(0),
            observed_generation: status.and_then(|s| s.observed_generation),
            qos: qos.unwrap_or_else(computed),
            mirror: annotated("kubernetes.io/config.mirror"),
            windows: spec.and_then(|s| s.os.as_ref()).is_some_and(|os| os.name == "windows"),
            pod_level: spec.is_some_and(|s| s.resources.is_some()),
            owned: owners.into_iter().any(|o| o.controller == Some(true)),
            resize: resize_status(conditions),
            placement: spec.map(Placement::from).unwrap_or_default(),
            containers,
            init,
            overhead,
        })
    }
}

fn find_status<'a>(statuses: Option<&'a Vec<ContainerStatus>>, name: &str) -> Option<&'a ContainerStatus> {
    statuses?.iter().find(|s| s.name == name)
}

fn condition<'a>(conditions: &'a [PodCondition], kind: &str) -> Option<&'a PodCondition> {
    conditions.iter().find(|c| c.type_ == kind)
}

fn unreadable(pod: &Pod, container: &str, source: QuantityError) -> PodViewError {
    PodViewError {
        namespace: pod.metadata.namespace.clone().unwrap_or_default(),
        name: pod.metadata.name.clone().unwrap_or_default(),
        container: container.to_owned(),
        source,
    }
}

fn desired(pod: &Pod, container: &Container) -> Result<ContainerResources, PodViewError> {
    let requirements = container.resources.as_ref();
    let resources = requirements.map_or(Ok(ContainerResources::default()), ContainerResources::try_from);
    resources.map_err(|source| unreadable(pod, &container.name, source))
}

fn container_view(
    pod: &Pod,
    container: &Container,
    kind: ContainerKind,
    status: Option<&ContainerStatus>,
) -> Result<ContainerView, PodViewError> {
    let err = |source| unreadable(pod, &container.name, source);
    let restarts = |resource: &str| {
        let mut policies = container.resize_policy.iter().flatten();
        policies.any(|p| p.resource_name == resource && p.restart_policy == "RestartContainer")
    };
    let allocated = status.and_then(|s| s.allocated_resources.as_ref()).map(Resources::from_list).transpose();
    let actual = status.and_then(|s| s.resources.as_ref()).map(ContainerResources::try_from).transpose();
    Ok(ContainerView {
        name: container.name.clone(),
        kind,
        desired: desired(pod, container)?,
        allocated: allocated.map_err(err)?,
        actual: actual.map_err(err)?,
        resize_policy: ResizePolicy { cpu_restarts: restarts("cpu"), memory_restarts: restarts("memory") },
        running: status.and_then(|s| s.state.as_ref()).is_some_and(|s| s.running.is_some()),
        restarts: status.map_or(0, |s| s.restart_count),
        last_oom: status.and_then(last_oom),
    })
}

/// When the container was last OOM-killed: it may be down now (`state`) or back already (`lastState`).
fn last_oom(status: &ContainerStatus) -> Option<Timestamp> {
    [status.state.as_ref(), status.last_state.as_ref()]
        .into_iter()
        .flatten()
        .filter_map(|state| state.terminated.as_ref())
        .filter(|ended| ended.reason.as_deref() == Some("OOMKilled"))
        .find_map(|ended| ended.finished_at.as_ref().map(|t| t.0))
}

fn resize_status(conditions: &[PodCondition]) -> ResizeStatus {
    let active = |kind| condition(conditions, kind).filter(|c| c.status == "True");
    let message = |c: &PodCondition| c.message.clone().unwrap_or_default();
    ResizeStatus {
        pending: active("PodResizePending").map(|c| {
            let reason = c.reason.as_deref().and_then(|r| r.parse().ok()).unwrap_or(PendingReason::Deferred);
            (reason, message(c))
        }),
        in_progress: active("PodResizeInProgress").map(|c| (c.reason.as_deref() == Some("Error")).then(|| message(c))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resources::{Bytes, MilliCpu};

    fn pod(status: &serde_json::Value) -> PodView {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": "web-0", "namespace": "shop", "uid": "u1", "generation": 2 },
            "spec": {
                "nodeName": "n1",
                "initContainers": [
                    { "name": "mesh", "restartPolicy": "Always", "resources": { "requests": { "cpu": "50m" } } },
                    { "name": "migrate", "resources": { "requests": { "cpu": "2" } } },
                ],
                "containers": [{
                    "name": "app",
                    "resources": { "requests": { "cpu": "500m", "memory": "1Gi" }, "limits": { "memory": "1Gi" } },
                    "resizePolicy": [{ "resourceName": "memory", "restartPolicy": "RestartContainer" }],
                }],
            },
            "status": status,
        }))
        .unwrap();
        PodView::try_from(&pod).unwrap()
    }

    #[test]
    fn sidecars_are_containers_and_ordinary_init_containers_only_count() {
        let view = pod(&json!({ "phase": "Running" }));
        assert_eq!(view.containers.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["mesh", "app"]);
        assert_eq!(view.containers[0].kind, ContainerKind::Sidecar);
        assert_eq!(view.init.len(), 1);
        let total = view.requests_with(|c| c.desired.requests);
        assert_eq!(total, Resources::new(MilliCpu(2_000), Bytes::mib(1024)), "the init container asks for more");
    }

    #[test]
    fn footprint_is_the_largest_of_desired_allocated_and_actual_but_ignores_an_infeasible_wish() {
        let allocated = json!([{
            "name": "app", "image": "", "imageID": "", "ready": true, "restartCount": 0,
            "allocatedResources": { "cpu": "3", "memory": "512Mi" },
        }]);
        let mut status = json!({ "phase": "Running", "containerStatuses": allocated });
        assert_eq!(pod(&status).footprint(), Resources::new(MilliCpu(3_000), Bytes::mib(1024)));
        status["conditions"] = json!([{ "type": "PodResizePending", "status": "True", "reason": "Infeasible" }]);
        assert_eq!(pod(&status).footprint(), Resources::new(MilliCpu(3_000), Bytes::mib(512)));
    }

    #[test]
    fn an_oom_kill_is_seen_while_the_container_is_down_and_after_it_is_back() {
        let killed = json!({ "terminated": {
            "reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-01-02T03:04:05Z"
        }});
        for state in ["state", "lastState"] {
            let status = json!({ "containerStatuses": [
                { "name": "app", "image": "", "imageID": "", "ready": true, "restartCount": 1, state: killed },
            ]});
            let at = pod(&status).container("app").unwrap().last_oom;
            assert_eq!(at, Some("2026-01-02T03:04:05Z".parse().unwrap()));
        }
    }

    #[test]
    fn an_error_in_progress_carries_its_message() {
        let status = json!({ "conditions": [
            { "type": "PodResizeInProgress", "status": "True", "reason": "Error", "message": "too low" },
        ]});
        assert_eq!(pod(&status).resize.in_progress, Some(Some("too low".to_owned())));
    }
}

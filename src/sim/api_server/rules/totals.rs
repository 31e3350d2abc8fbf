//! What a Pod asks for in all: containers, sidecars, init containers, pod-level resources and overhead.
//!
//! Rule: k8s.io/component-helpers `resource/helpers.go` as of 1.37: totals are formed first, then the largest is taken.

use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, PodSpec, PodStatus};

use super::amount::{self, Amounts};

/// Which amounts of a Pod are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// What the spec says.
    Desired,
    /// The largest of desired, allocated and actual; what is desired does not count while it is Infeasible.
    Reserved,
}

/// Whether an init container stays, and so counts as a container.
pub fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// What the Pod requests, overhead included.
pub fn requests(pod: &Pod, count: Count) -> Amounts {
    let mut total = container_requests(pod, count);
    let pod_level = amount::read_all(resources(pod).and_then(|r| r.requests.as_ref()));
    total.extend(pod_level.into_iter().filter(|(name, _)| is_pod_level(name)));
    amount::add(&mut total, &amount::read_all(spec(pod).and_then(|s| s.overhead.as_ref())));
    total
}

/// What the Pod may use at most, as far as it is limited; overhead is added to what is.
pub fn limits(pod: &Pod, count: Count) -> Amounts {
    let mut total = container_limits(pod, count);
    let pod_level = amount::read_all(resources(pod).and_then(|r| r.limits.as_ref()));
    total.extend(pod_level.into_iter().filter(|(name, _)| is_pod_level(name)));
    let mut overhead = amount::read_all(spec(pod).and_then(|s| s.overhead.as_ref()));
    overhead.retain(|name, _| total.get(name).is_some_and(|limit| !limit.is_zero()));
    amount::add(&mut total, &overhead);
    total
}

/// What the containers request, without pod-level resources and overhead.
pub(super) fn container_requests(pod: &Pod, count: Count) -> Amounts {
    let desired = aggregate(pod, &desired_requests);
    if count == Count::Desired {
        return desired;
    }
    let infeasible = is_infeasible(pod);
    let mut total = if infeasible { Amounts::new() } else { desired };
    let allocated = |container: &Container, status: Option<&ContainerStatus>| match status
        .and_then(|s| s.allocated_resources.as_ref())
    {
        Some(allocated) => amount::read_all(Some(allocated)),
        None if infeasible => Amounts::new(),
        None => desired_requests(container, status),
    };
    let actual = |container: &Container, status: Option<&ContainerStatus>| match status
        .and_then(|s| s.resources.as_ref())
        .and_then(|r| r.requests.as_ref())
    {
        Some(actual) => amount::read_all(Some(actual)),
        None => allocated(container, status),
    };
    amount::raise(&mut total, &aggregate(pod, &allocated));
    amount::raise(&mut total, &aggregate(pod, &actual));
    total
}

/// What the containers are limited to.
pub(super) fn container_limits(pod: &Pod, count: Count) -> Amounts {
    let desired = aggregate(pod, &desired_limits);
    if count == Count::Desired {
        return desired;
    }
    let infeasible = is_infeasible(pod);
    let mut total = if infeasible { Amounts::new() } else { desired };
    let actual = |container: &Container, status: Option<&ContainerStatus>| match status
        .and_then(|s| s.resources.as_ref())
        .and_then(|r| r.limits.as_ref())
    {
        Some(actual) => amount::read_all(Some(actual)),
        None if infeasible => Amounts::new(),
        None => desired_limits(container, status),
    };
    amount::raise(&mut total, &aggregate(pod, &actual));
    total
}

/// Whether a resource can be set for the Pod as a whole.
pub(super) fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

fn desired_requests(container: &Container, _: Option<&ContainerStatus>) -> Amounts {
    amount::read_all(container.resources.as_ref().and_then(|r| r.requests.as_ref()))
}

fn desired_limits(container: &Container, _: Option<&ContainerStatus>) -> Amounts {
    amount::read_all(container.resources.as_ref().and_then(|r| r.limits.as_ref()))
}

/// The sum over all containers that run together; an init container counts with the sidecars started before it
/// (KEP-753).
fn aggregate(pod: &Pod, of: &impl Fn(&Container, Option<&ContainerStatus>) -> Amounts) -> Amounts {
    let Some(spec) = spec(pod) else { return Amounts::new() };
    let amounts = |container: &Container| of(container, find_status(pod.status.as_ref(), &container.name));
    let mut running = Amounts::new();
    for container in &spec.containers {
        amount::add(&mut running, &amounts(container));
    }
    let mut sidecars = Amounts::new();
    let mut starting = Amounts::new();
    for container in spec.init_containers.iter().flatten() {
        let mut needed = amounts(container);
        if is_sidecar(container) {
            amount::add(&mut running, &needed);
            amount::add(&mut sidecars, &needed);
        } else {
            amount::add(&mut needed, &sidecars);
            amount::raise(&mut starting, &needed);
        }
    }
    amount::raise(&mut running, &starting);
    running
}

fn find_status<'a>(status: Option<&'a PodStatus>, name: &str) -> Option<&'a ContainerStatus> {
    let status = status?;
    let mut all = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
    all.find(|s| s.name == name)
}

fn is_infeasible(pod: &Pod) -> bool {
    let mut conditions = pod.status.iter().filter_map(|s| s.conditions.as_ref()).flatten();
    conditions.find(|c| c.type_ == "PodResizePending").is_some_and(|c| c.reason.as_deref() == Some("Infeasible"))
}

fn spec(pod: &Pod) -> Option<&PodSpec> {
    pod.spec.as_ref()
}

fn resources(pod: &Pod) -> Option<&k8s_openapi::api::core::v1::ResourceRequirements> {
    spec(pod)?.resources.as_ref()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(spec: &Value, status: &Value) -> Pod {
        serde_json::from_value(json!({ "spec": spec, "status": status })).unwrap()
    }

    fn container(name: &str, cpu: &str) -> Value {
        json!({ "name": name, "resources": { "requests": { "cpu": cpu }, "limits": { "cpu": cpu } } })
    }

    fn sidecar(name: &str, cpu: &str) -> Value {
        let mut sidecar = container(name, cpu);
        sidecar["restartPolicy"] = json!("Always");
        sidecar
    }

    fn state(name: &str, allocated: &str, actual: &str) -> Value {
        json!({
            "name": name, "image": "", "imageID": "", "ready": true, "restartCount": 0,
            "allocatedResources": { "cpu": allocated },
            "resources": { "requests": { "cpu": actual }, "limits": { "cpu": actual } },
        })
    }

    fn cpu(amounts: &Amounts) -> i128 {
        amounts["cpu"].milli()
    }

    #[test]
    fn an_init_container_counts_with_the_sidecars_before_it() {
        let spec = json!({
            "initContainers": [sidecar("a", "100m"), container("init", "1"), sidecar("b", "200m")],
            "containers": [container("app", "500m")],
        });
        assert_eq!(cpu(&requests(&pod(&spec, &json!({})), Count::Desired)), 1_100);
        assert_eq!(cpu(&limits(&pod(&spec, &json!({})), Count::Desired)), 1_100);
    }

    #[test]
    fn containers_and_sidecars_add_up() {
        let spec = json!({
            "initContainers": [sidecar("a", "100m"), container("init", "1m")],
            "containers": [container("app", "500m"), container("log", "50m")],
        });
        assert_eq!(cpu(&requests(&pod(&spec, &json!({})), Count::Desired)), 650);
    }

    #[test]
    fn pod_level_resources_replace_the_sum_and_overhead_is_added() {
        let spec = json!({
            "resources": { "requests": { "cpu": "2" } }, "overhead": { "cpu": "10m", "memory": "1Mi" },
            "containers": [container("app", "500m")],
        });
        let pod = pod(&spec, &json!({}));
        let requested = requests(&pod, Count::Desired);
        assert_eq!((cpu(&requested), requested["memory"].whole()), (2_010, 1 << 20));
        let limited = limits(&pod, Count::Desired);
        assert_eq!(cpu(&limited), 510);
        assert!(!limited.contains_key("memory"), "overhead limits nothing that is not limited");
    }

    #[test]
    fn reserved_is_the_largest_total_and_not_the_total_of_the_largest() {
        let spec = json!({ "containers": [container("a", "3"), container("b", "1")] });
        let status = json!({ "containerStatuses": [state("a", "1", "1"), state("b", "3", "3")] });
        assert_eq!(cpu(&requests(&pod(&spec, &status), Count::Reserved)), 4_000);
        assert_eq!(cpu(&limits(&pod(&spec, &status), Count::Reserved)), 4_000);
    }

    #[test]
    fn an_infeasible_wish_reserves_nothing() {
        let spec = json!({ "containers": [container("a", "9")] });
        let mut status = json!({
            "containerStatuses": [state("a", "2", "1")],
            "conditions": [{ "type": "PodResizePending", "status": "True", "reason": "Deferred" }],
        });
        assert_eq!(cpu(&requests(&pod(&spec, &status), Count::Reserved)), 9_000);
        status["conditions"][0]["reason"] = json!("Infeasible");
        assert_eq!(cpu(&requests(&pod(&spec, &status), Count::Reserved)), 2_000);
        assert_eq!(cpu(&limits(&pod(&spec, &status), Count::Reserved)), 1_000);
    }

    #[test]
    fn a_shrink_frees_room_only_when_it_is_actual() {
        let spec = json!({ "containers": [container("a", "1")] });
        let status = json!({ "containerStatuses": [state("a", "1", "4")] });
        assert_eq!(cpu(&requests(&pod(&spec, &status), Count::Reserved)), 4_000);
    }
}

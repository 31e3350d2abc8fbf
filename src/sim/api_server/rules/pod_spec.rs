//! What makes a Pod invalid in itself, whoever sends it.
//!
//! Rules: k8s.io/kubernetes `pkg/apis/core/validation/validation.go`, as far as names, images, resources, restart
//! policies and [`pod_parts`] go. Probes, affinity, security contexts and what is in volumes are taken as they are.

use k8s_openapi::{
    api::core::v1::{Container, ContainerResizePolicy, Pod, PodSpec, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity,
};

use super::{
    amount::{Amount, read_all},
    pod_parts,
    status::Fault,
    totals::{self, Count, is_sidecar},
};

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
                     start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for \
                     validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
                         '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used \
                         for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// All faults of a Pod. `old` is the stored Pod that it replaces: what that one has already may stay.
pub(super) fn check(pod: &Pod, old: Option<&Pod>) -> Vec<Fault> {
    let mut faults = Vec::new();
    check_name(pod, &mut faults);
    pod_parts::check_annotations(pod, &mut faults);
    let Some(spec) = &pod.spec else {
        faults.push(Fault::required("spec.containers", ""));
        return faults;
    };
    let restart_policy = spec.restart_policy.as_deref().unwrap_or_default();
    check_containers(spec, &mut faults);
    let keeps_restarting = old.and_then(|old| old.spec.as_ref()).is_some_and(has_restarting_init_container);
    check_init_containers(spec, keeps_restarting, &mut faults);
    check_pod_level(pod, spec, &mut faults);
    const POLICIES: [&str; 3] = ["Always", "OnFailure", "Never"];
    if !POLICIES.contains(&restart_policy) {
        faults.push(Fault::not_supported("spec.restartPolicy", restart_policy, &POLICIES));
    }
    pod_parts::check_dns_policy(spec, &mut faults);
    if let Some(seconds) = spec.active_deadline_seconds.filter(|s| !(1..=i64::from(i32::MAX)).contains(s)) {
        let detail = "must be between 1 and 2147483647, inclusive";
        faults.push(Fault::invalid("spec.activeDeadlineSeconds", seconds, detail));
    }
    pod_parts::check_tolerations(spec, &mut faults);
    if let Some(seconds) = spec.termination_grace_period_seconds.filter(|seconds| *seconds < 0) {
        faults.push(Fault::invalid(
            "spec.terminationGracePeriodSeconds",
            seconds,
            "must be greater than or equal to 0",
        ));
    }
    faults
}

fn check_name(pod: &Pod, faults: &mut Vec<Fault>) {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        faults.push(Fault::required("metadata.name", "name or generateName is required"));
    } else if name.len() > 253 {
        faults.push(Fault::invalid("metadata.name", name, "must be no more than 253 bytes"));
    } else if !name.split('.').all(is_label) {
        faults.push(Fault::invalid("metadata.name", name, SUBDOMAIN));
    }
}

/// Whether an ordinary init container says `RestartContainer`, which 1.36 stopped accepting.
fn has_restarting_init_container(spec: &PodSpec) -> bool {
    let ordinary = spec.init_containers.iter().flatten().filter(|container| !is_sidecar(container));
    ordinary.flat_map(|c| c.resize_policy.iter().flatten()).any(|p| p.restart_policy == RESTART)
}

/// `resizePolicy` value: the container is restarted.
pub(super) const RESTART: &str = "RestartContainer";

fn check_containers(spec: &PodSpec, faults: &mut Vec<Fault>) {
    if spec.containers.is_empty() {
        faults.push(Fault::required("spec.containers", ""));
    }
    for (index, container) in spec.containers.iter().enumerate() {
        let path = format!("spec.containers[{index}]");
        check_container(spec, container, &path, faults);
        if spec.containers[..index].iter().any(|other| other.name == container.name) {
            faults.push(Fault::duplicate(format!("{path}.name"), &container.name));
        }
        pod_parts::check_restart_policy(container, &path, faults);
    }
}

fn check_init_containers(spec: &PodSpec, keeps_restarting: bool, faults: &mut Vec<Fault>) {
    let init_containers = spec.init_containers.as_deref().unwrap_or_default();
    for (index, container) in init_containers.iter().enumerate() {
        let path = format!("spec.initContainers[{index}]");
        check_container(spec, container, &path, faults);
        let mut others = spec.containers.iter().chain(&init_containers[..index]);
        if others.any(|other| other.name == container.name) {
            faults.push(Fault::duplicate(format!("{path}.name"), &container.name));
        }
        if is_sidecar(container) || keeps_restarting {
            continue;
        }
        for (entry, policy) in container.resize_policy.iter().flatten().enumerate() {
            if policy.restart_policy == RESTART {
                faults.push(Fault::invalid(
                    format!("{path}.resizePolicy[{entry}].restartPolicy"),
                    RESTART,
                    "must not be set to 'RestartContainer' for non-sidecar initContainers",
                ));
            }
        }
    }
}

fn check_container(spec: &PodSpec, container: &Container, path: &str, faults: &mut Vec<Fault>) {
    let name = format!("{path}.name");
    if container.name.is_empty() {
        faults.push(Fault::required(name, ""));
    } else if container.name.len() > 63 {
        faults.push(Fault::invalid(name, &container.name, "must be no more than 63 bytes"));
    } else if !is_label(&container.name) {
        faults.push(Fault::invalid(name, &container.name, LABEL));
    }
    if container.image.as_deref().is_none_or(str::is_empty) {
        faults.push(Fault::required(format!("{path}.image"), ""));
    }
    pod_parts::check_ports(container, path, faults);
    pod_parts::check_mounts(spec, container, path, faults);
    if let Some(resources) = &container.resources {
        check_resources(resources, &format!("{path}.resources"), Level::Container, faults);
        pod_parts::check_claims(spec, resources, path, faults);
    }
    let policies = container.resize_policy.as_deref().unwrap_or_default();
    let restart_policy = spec.restart_policy.as_deref().unwrap_or_default();
    check_resize_policies(policies, &format!("{path}.resizePolicy"), restart_policy, faults);
}

/// Whose resources are checked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Container,
    Pod,
}

fn check_resources(resources: &ResourceRequirements, path: &str, level: Level, faults: &mut Vec<Fault>) {
    let limits = read_all(resources.limits.as_ref());
    let requests = read_all(resources.requests.as_ref());
    for (name, limit) in &limits {
        check_amount(name, *limit, &format!("{path}.limits[{name}]"), level, faults);
    }
    for (name, request) in &requests {
        check_amount(name, *request, &format!("{path}.requests[{name}]"), level, faults);
        let overcommits = !name.contains('/') && !is_huge_pages(name);
        let field = format!("{path}.requests");
        match limits.get(name) {
            Some(limit) if !overcommits && request != limit => {
                let detail = format!("must be equal to {name} limit of {limit}");
                faults.push(Fault::invalid(field, request.to_string(), &detail));
            }
            Some(limit) if request > limit => {
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                faults.push(Fault::invalid(field, request.to_string(), &detail));
            }
            None if !overcommits => {
                let detail = "Limit must be set for non overcommitable resources";
                faults.push(Fault::required(format!("{path}.limits"), detail));
            }
            _ => {}
        }
    }
    let mut names = requests.keys().chain(limits.keys());
    let has_plain = names.clone().any(|name| matches!(name.as_str(), "cpu" | "memory"));
    if !has_plain && names.any(|name| is_huge_pages(name)) {
        faults.push(Fault::forbidden(path, "HugePages require cpu or memory"));
    }
}

fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

fn check_amount(name: &str, amount: Amount, field: &str, level: Level, faults: &mut Vec<Fault>) {
    let extended = name.contains('/');
    let plain = matches!(name, "cpu" | "memory") || is_huge_pages(name);
    let known = plain || name == "ephemeral-storage";
    if !extended && !known {
        faults.push(Fault::invalid(field, name, "must be a standard resource type or fully qualified"));
        if level == Level::Container {
            faults.push(Fault::invalid(field, name, "must be a standard resource for containers"));
        }
    } else if level == Level::Pod && !plain {
        faults.push(Fault::not_supported(field, name, &["cpu", "hugepages-", "memory"]));
    }
    if amount.milli() < 0 {
        faults.push(Fault::invalid(field, amount.to_string(), "must be greater than or equal to 0"));
    }
    if extended && amount.milli() % 1_000 != 0 {
        faults.push(Fault::invalid(field, amount.to_string(), "must be an integer"));
    }
    if let Some(page) = name.strip_prefix("hugepages-").and_then(|size| Amount::read(&Quantity(size.to_owned())))
        && (amount.milli() <= 0 || page.milli() <= 0 || amount.milli() % page.milli() != 0)
    {
        let detail = format!("{amount} is not positive integer multiple of {name}");
        faults.push(Fault::invalid(field, amount.to_string(), &detail));
    }
}

fn check_resize_policies(
    policies: &[ContainerResizePolicy],
    path: &str,
    restart_policy: &str,
    faults: &mut Vec<Fault>,
) {
    for (index, policy) in policies.iter().enumerate() {
        if policies[..index].iter().any(|other| other.resource_name == policy.resource_name) {
            faults.push(Fault::duplicate(format!("{path}[{index}]"), &policy.resource_name));
        }
        match policy.resource_name.as_str() {
            "cpu" | "memory" => {}
            "" => faults.push(Fault::required(path, "")),
            other => faults.push(Fault::not_supported(path, other, &["cpu", "memory"])),
        }
        match policy.restart_policy.as_str() {
            "NotRequired" | RESTART => {}
            "" => faults.push(Fault::required(path, "")),
            other => faults.push(Fault::not_supported(path, other, &["NotRequired", RESTART])),
        }
        if restart_policy == "Never" && policy.restart_policy != "NotRequired" {
            let detail = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
            faults.push(Fault::invalid(path, &policy.restart_policy, detail));
        }
    }
}

/// Pod-level resources must have room for those of the containers.
fn check_pod_level(pod: &Pod, spec: &PodSpec, faults: &mut Vec<Fault>) {
    let Some(resources) = &spec.resources else { return };
    check_resources(resources, "spec.resources", Level::Pod, faults);
    let requests = read_all(resources.requests.as_ref());
    for (name, sum) in totals::container_requests(pod, Count::Desired) {
        if let Some(request) = requests.get(&name).filter(|request| sum > **request) {
            let detail = format!("must be greater than or equal to aggregate container requests of {sum}");
            faults.push(Fault::invalid(format!("spec.resources.requests[{name}]"), request.to_string(), &detail));
        }
    }
    let limits = read_all(resources.limits.as_ref());
    for (index, container) in spec.containers.iter().enumerate() {
        for (name, limit) in read_all(container.resources.as_ref().and_then(|r| r.limits.as_ref())) {
            if let Some(most) = limits.get(&name).filter(|most| limit > **most) {
                let field = format!("spec.resources.containers[{index}][{name}].limits");
                let detail = format!("must be less than or equal to pod limits of {most}");
                faults.push(Fault::invalid(field, limit.to_string(), &detail));
            }
        }
    }
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

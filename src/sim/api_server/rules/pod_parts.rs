//! What makes parts of a Pod invalid that have little to do with its size: ports, mounts, tolerations, policies.
//!
//! Rules: k8s.io/kubernetes `pkg/apis/core/validation/validation.go`.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, ResourceRequirements, Toleration};

use super::status::Fault;

const MIRROR: &str = "kubernetes.io/config.mirror";

/// A mirror Pod is on the Node that mirrors it.
pub(super) fn check_annotations(pod: &Pod, faults: &mut Vec<Fault>) {
    let mirror = pod.metadata.annotations.as_ref().and_then(|annotations| annotations.get(MIRROR));
    let is_bound = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref()).is_some_and(|node| !node.is_empty());
    if let Some(mirror) = mirror.filter(|_| !is_bound) {
        let detail = "must set spec.nodeName if mirror pod annotation is set";
        faults.push(Fault::invalid(format!("metadata.annotations[{MIRROR}]"), mirror, detail));
    }
}

/// The ways in which names are resolved.
pub(super) fn check_dns_policy(spec: &PodSpec, faults: &mut Vec<Fault>) {
    const POLICIES: [&str; 4] = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    let policy = spec.dns_policy.as_deref().unwrap_or_default();
    if !POLICIES.contains(&policy) {
        faults.push(Fault::not_supported("spec.dnsPolicy", policy, &POLICIES));
    }
}

/// How a container that is no init container restarts, where it says so itself.
pub(super) fn check_restart_policy(container: &Container, path: &str, faults: &mut Vec<Fault>) {
    const POLICIES: [&str; 3] = ["Always", "Never", "OnFailure"];
    if let Some(policy) = container.restart_policy.as_deref().filter(|policy| !POLICIES.contains(policy)) {
        faults.push(Fault::not_supported(format!("{path}.restartPolicy"), policy, &POLICIES));
    }
}

/// Ports and their numbers.
pub(super) fn check_ports(container: &Container, path: &str, faults: &mut Vec<Fault>) {
    const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
    for (index, port) in container.ports.iter().flatten().enumerate() {
        let path = format!("{path}.ports[{index}]");
        match port.container_port {
            0 => faults.push(Fault::required(format!("{path}.containerPort"), "")),
            number => faults.extend(port_fault(format!("{path}.containerPort"), number)),
        }
        let host_port = port.host_port.filter(|number| *number != 0);
        faults.extend(host_port.and_then(|number| port_fault(format!("{path}.hostPort"), number)));
        match port.protocol.as_deref().unwrap_or_default() {
            "" => faults.push(Fault::required(format!("{path}.protocol"), "")),
            known if PROTOCOLS.contains(&known) => {}
            other => faults.push(Fault::not_supported(format!("{path}.protocol"), other, &PROTOCOLS)),
        }
    }
}

fn port_fault(field: String, number: i32) -> Option<Fault> {
    let detail = "must be between 1 and 65535, inclusive";
    (!(1..=65_535).contains(&number)).then(|| Fault::invalid(field, number, detail))
}

/// What is mounted is a volume of the Pod, and each path is mounted once.
pub(super) fn check_mounts(spec: &PodSpec, container: &Container, path: &str, faults: &mut Vec<Fault>) {
    let mounts = container.volume_mounts.as_deref().unwrap_or_default();
    for (index, mount) in mounts.iter().enumerate() {
        let path = format!("{path}.volumeMounts[{index}]");
        if mount.name.is_empty() {
            faults.push(Fault::required(format!("{path}.name"), ""));
        }
        if !spec.volumes.iter().flatten().any(|volume| volume.name == mount.name) {
            faults.push(Fault::not_found(format!("{path}.name"), &mount.name, ""));
        }
        if mount.mount_path.is_empty() {
            faults.push(Fault::required(format!("{path}.mountPath"), ""));
        }
        if mounts[..index].iter().any(|other| other.mount_path == mount.mount_path) {
            faults.push(Fault::invalid(format!("{path}.mountPath"), &mount.mount_path, "must be unique"));
        }
    }
}

/// The claims that a container uses are those of the Pod.
pub(super) fn check_claims(spec: &PodSpec, resources: &ResourceRequirements, path: &str, faults: &mut Vec<Fault>) {
    let known: Vec<&str> = spec.resource_claims.iter().flatten().map(|claim| claim.name.as_str()).collect();
    for (index, claim) in resources.claims.iter().flatten().enumerate() {
        if !known.contains(&claim.name.as_str()) {
            let which = if known.is_empty() { "which is empty".to_owned() } else { format!("{known:?}") };
            let detail = format!("must be one of the names in pod.spec.resourceClaims {which}");
            faults.push(Fault::not_found(format!("{path}.resources.claims[{index}]"), &claim.name, &detail));
        }
    }
}

/// Tolerations that can be understood.
pub(super) fn check_tolerations(spec: &PodSpec, faults: &mut Vec<Fault>) {
    for (index, toleration) in spec.tolerations.iter().flatten().enumerate() {
        check_toleration(toleration, &format!("spec.tolerations[{index}]"), faults);
    }
}

fn check_toleration(toleration: &Toleration, path: &str, faults: &mut Vec<Fault>) {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let (key, operator) = (text(&toleration.key), text(&toleration.operator));
    let (value, effect) = (text(&toleration.value), text(&toleration.effect));
    let field = format!("{path}.operator");
    if key.is_empty() && operator != "Exists" {
        let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        faults.push(Fault::invalid(&*field, &operator, detail));
    }
    if toleration.toleration_seconds.is_some() && effect != "NoExecute" {
        let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        faults.push(Fault::invalid(format!("{path}.effect"), &effect, detail));
    }
    match operator.as_str() {
        "Exists" if !value.is_empty() => {
            faults.push(Fault::invalid(&*field, &value, "value must be empty when `operator` is 'Exists'"));
        }
        "" | "Equal" | "Exists" => {}
        other => faults.push(Fault::not_supported(&*field, other, &["Equal", "Exists"])),
    }
    const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    if !effect.is_empty() && !EFFECTS.contains(&effect.as_str()) {
        faults.push(Fault::not_supported(format!("{path}.effect"), &effect, &EFFECTS));
    }
}

/// Tokens are those of the Pod's service account, which it must have.
pub(super) fn check_tokens(spec: &PodSpec, faults: &mut Vec<Fault>) {
    if spec.service_account_name.as_ref().is_some_and(|account| !account.is_empty()) {
        return;
    }
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        let sources = volume.projected.iter().filter_map(|projected| projected.sources.as_ref()).flatten();
        for (source, _) in sources.enumerate().filter(|(_, source)| source.service_account_token.is_some()) {
            let field = format!("spec.volumes[{index}].projected.sources[{source}].serviceAccountToken");
            faults.push(Fault::forbidden(field, "must not be specified when serviceAccountName is not set"));
        }
    }
}

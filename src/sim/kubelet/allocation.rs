//! Whether a Node grants what a Pod asks for.
//!
//! Rules: k8s.io/kubernetes v1.37 `pkg/kubelet/allocation` (handlers, allocation manager): first whatever makes a resize
//! Infeasible, then the handlers that also admit new Pods, whose refusal makes it Deferred.

use crate::resources::{QosClass, Resources};

use super::options::KubeletProfile;

/// What the kubelet says to a resize.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Granted,
    /// Not now; it is asked again by itself.
    Deferred(String),
    /// Never on this Node; it is asked again only when the spec changes.
    Infeasible(String),
}

/// What a Pod asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    /// The whole Pod's requests if it is granted.
    pub(super) requests: Resources,
    pub(super) qos: QosClass,
    pub(super) changes_cpu_request: bool,
    pub(super) changes_memory_request: bool,
}

/// What a Node has and how its kubelet is set up.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeRules {
    pub(super) allocatable: Resources,
    pub(super) profile: KubeletProfile,
    pub(super) static_cpu: bool,
    pub(super) static_memory: bool,
    /// Conditions such as `DiskPressure` that hold now.
    pub(super) pressures: Vec<String>,
}

/// A new Pod's refusal: the reason and message of its Failed status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) reason: String,
    pub(super) message: String,
}

/// Judges a resize while the other Pods of the Node hold `used`.
pub(super) fn judge(ask: &Ask, used: Resources, node: &NodeRules) -> Verdict {
    if let Some(message) = infeasible(ask, node) {
        return Verdict::Infeasible(message);
    }
    if let Some(message) = under_pressure(ask.qos, node) {
        return Verdict::Deferred(message);
    }
    shortage(ask.requests, used, node.allocatable).map_or(Verdict::Granted, |(_, message)| Verdict::Deferred(message))
}

/// Judges a new Pod while the other Pods of the Node hold `used`.
pub(super) fn admit(ask: &Ask, used: Resources, node: &NodeRules) -> Result<(), Rejection> {
    let rejected = |reason, message| Err(Rejection { reason, message: format!("Pod was rejected: {message}") });
    if let Some(message) = under_pressure(ask.qos, node) {
        return rejected("Evicted".to_owned(), message);
    }
    match shortage(ask.requests, used, node.allocatable) {
        Some((resource, message)) => rejected(format!("OutOf{resource}"), message),
        None => Ok(()),
    }
}

fn infeasible(ask: &Ask, node: &NodeRules) -> Option<String> {
    let guaranteed = ask.qos == QosClass::Guaranteed;
    if guaranteed && node.static_cpu && ask.changes_cpu_request {
        return Some(pinned("CPU", "static"));
    }
    if guaranteed && node.static_memory && ask.changes_memory_request {
        return Some(pinned("Memory", "Static"));
    }
    match node.profile {
        KubeletProfile::V1_35 => over_capacity(ask.requests, node.allocatable),
        KubeletProfile::V1_37 => None,
    }
}

fn pinned(manager: &str, policy: &str) -> String {
    format!("Resize is infeasible for Guaranteed Pods alongside {manager} Manager policy {policy:?}")
}

/// Memory is named first if both are too much.
fn over_capacity(requests: Resources, allocatable: Resources) -> Option<String> {
    let exceeds = |resource: &str, requested: u64, capacity: Option<u64>| {
        let capacity = capacity.filter(|capacity| requested > *capacity)?;
        Some(format!("Node didn't have enough capacity: {resource}, requested: {requested}, capacity: {capacity}"))
    };
    let memory = exceeds("memory", requests.memory.unwrap_or_default().0, allocatable.memory.map(|m| m.0));
    memory.or_else(|| exceeds("cpu", requests.cpu.unwrap_or_default().0, allocatable.cpu.map(|c| c.0)))
}

/// Memory pressure alone passes every Pod that requests something.
fn under_pressure(qos: QosClass, node: &NodeRules) -> Option<String> {
    let only_memory = node.pressures.iter().all(|pressure| pressure == "MemoryPressure");
    let passes = node.pressures.is_empty() || (only_memory && qos != QosClass::BestEffort);
    (!passes).then(|| format!("The node had condition: [{}]. ", node.pressures.join(" ")))
}

/// The first resource that is short, and the kubelet's words for it (thousandths of a core, bytes).
fn shortage(requests: Resources, used: Resources, allocatable: Resources) -> Option<(&'static str, String)> {
    let short = |resource, requested: Option<u64>, used: Option<u64>, capacity: Option<u64>| {
        let (requested, used) = (requested.filter(|r| *r > 0)?, used.unwrap_or(0));
        let capacity = capacity.filter(|capacity| requested > capacity.saturating_sub(used))?;
        let amounts = format!("requested: {requested}, used: {used}, capacity: {capacity}");
        Some((resource, format!("Node didn't have enough resource: {resource}, {amounts}")))
    };
    let cpu = |resources: Resources| resources.cpu.map(|cpu| cpu.0);
    let memory = |resources: Resources| resources.memory.map(|memory| memory.0);
    short("cpu", cpu(requests), cpu(used), cpu(allocatable))
        .or_else(|| short("memory", memory(requests), memory(used), memory(allocatable)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::resources::{Bytes, MilliCpu};

    const fn both(cpu: u64, memory: u64) -> Resources {
        Resources::new(MilliCpu(cpu), Bytes(memory))
    }

    fn ask(cpu: u64, memory: u64) -> Ask {
        Ask {
            requests: both(cpu, memory),
            qos: QosClass::Burstable,
            changes_cpu_request: true,
            changes_memory_request: true,
        }
    }

    fn node() -> NodeRules {
        NodeRules { allocatable: both(8_000, 100), ..NodeRules::default() }
    }

    fn deferred(message: &str) -> Verdict {
        Verdict::Deferred(message.to_owned())
    }

    fn infeasible(message: &str) -> Verdict {
        Verdict::Infeasible(message.to_owned())
    }

    #[rstest]
    #[case::exactly_full(ask(5_000, 10), Verdict::Granted)]
    #[case::one_too_many(
        ask(5_001, 10),
        deferred("Node didn't have enough resource: cpu, requested: 5001, used: 3000, capacity: 8000")
    )]
    #[case::only_the_first_shortage_is_named(
        ask(6_000, 99),
        deferred("Node didn't have enough resource: cpu, requested: 6000, used: 3000, capacity: 8000")
    )]
    #[case::memory(
        ask(1, 51),
        deferred("Node didn't have enough resource: memory, requested: 51, used: 50, capacity: 100")
    )]
    #[case::larger_than_the_node_is_deferred_too(
        ask(9_000, 1),
        deferred("Node didn't have enough resource: cpu, requested: 9000, used: 3000, capacity: 8000")
    )]
    fn a_resize_is_granted_while_the_node_has_room(#[case] ask: Ask, #[case] verdict: Verdict) {
        assert_eq!(judge(&ask, both(3_000, 50), &node()), verdict);
    }

    #[rstest]
    #[case::cpu(ask(8_001, 1), infeasible("Node didn't have enough capacity: cpu, requested: 8001, capacity: 8000"))]
    #[case::memory_is_named_first(
        ask(9_000, 101),
        infeasible("Node didn't have enough capacity: memory, requested: 101, capacity: 100")
    )]
    #[case::whole_node(ask(8_000, 100), Verdict::Granted)]
    fn up_to_1_35_a_resize_beyond_the_node_is_infeasible(#[case] ask: Ask, #[case] verdict: Verdict) {
        let node = NodeRules { profile: KubeletProfile::V1_35, ..node() };
        assert_eq!(judge(&ask, Resources::default(), &node), verdict);
    }

    #[rstest]
    #[case::pinned(QosClass::Guaranteed, true, true)]
    #[case::memory_only(QosClass::Guaranteed, false, false)]
    #[case::not_pinned(QosClass::Burstable, true, false)]
    fn a_static_cpu_manager_makes_cpu_changes_of_guaranteed_pods_infeasible(
        #[case] qos: QosClass,
        #[case] changes_cpu_request: bool,
        #[case] refused: bool,
    ) {
        let node = NodeRules { static_cpu: true, ..node() };
        let verdict = judge(&Ask { qos, changes_cpu_request, ..ask(100, 1) }, Resources::default(), &node);
        let message = "Resize is infeasible for Guaranteed Pods alongside CPU Manager policy \"static\"";
        assert_eq!(verdict, if refused { infeasible(message) } else { Verdict::Granted });
    }

    #[rstest]
    #[case::disk(&["DiskPressure"], QosClass::Guaranteed, false)]
    #[case::memory(&["MemoryPressure"], QosClass::Burstable, true)]
    #[case::memory_best_effort(&["MemoryPressure"], QosClass::BestEffort, false)]
    #[case::both(&["MemoryPressure", "DiskPressure"], QosClass::Burstable, false)]
    fn pressure_defers_even_a_shrink(#[case] pressures: &[&str], #[case] qos: QosClass, #[case] granted: bool) {
        let node = NodeRules { pressures: pressures.iter().map(|p| (*p).to_owned()).collect(), ..node() };
        let verdict = judge(&Ask { qos, ..ask(1, 1) }, Resources::default(), &node);
        assert_eq!(verdict == Verdict::Granted, granted, "{verdict:?}");
    }

    #[test]
    fn a_new_pod_that_does_not_fit_is_rejected_by_the_name_of_what_is_short() {
        let rejection = admit(&ask(5_001, 10), both(3_000, 50), &node()).unwrap_err();
        assert_eq!(rejection.reason, "OutOfcpu");
        assert!(rejection.message.starts_with("Pod was rejected: Node didn't have enough resource: cpu,"));
    }
}

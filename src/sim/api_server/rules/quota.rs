//! ResourceQuota: what a Pod is charged, and whether the namespace can bear it.
//!
//! Rules: k8s.io/kubernetes `pkg/quota/v1/evaluator/core/pods.go` and k8s.io/apiserver
//! `pkg/admission/plugin/resourcequota`. What is used is summed up from the Pods, so there is no quota controller whose
//! status could lag; what is allowed is `spec.hard`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, Pod, PodAffinityTerm, PodSpec, ResourceQuota, ScopedResourceSelectorRequirement,
};

use super::{
    amount::{self, Amount, Amounts, read_all},
    qos,
    totals::{self, Count},
};
use crate::resources::QosClass;

/// What a Pod is charged, by the names that a quota uses. Nothing but its existence once it has ended.
pub fn usage(pod: &Pod) -> Amounts {
    let mut usage = Amounts::from([("count/pods".to_owned(), Amount::count(1))]);
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
    if !matches!(phase, Some("Succeeded" | "Failed")) {
        let requests = totals::requests(pod, Count::Reserved);
        usage.extend(charges(&requests, &totals::limits(pod, Count::Reserved)));
    }
    usage
}

/// Whether the quotas bear `new`, which replaces `old` or is created; `pods` are those of the namespace, `old` among
/// them. The message says which quota is exceeded and by what.
pub fn admit(new: &Pod, old: Option<&Pod>, quotas: &[ResourceQuota], pods: &[Pod]) -> Result<(), String> {
    let charged: Vec<_> = quotas.iter().filter(|quota| matches(quota, new)).collect();
    for quota in &charged {
        check_named(new, quota)?;
    }
    for quota in charged {
        let mut delta = usage(new);
        if let Some(old) = old.filter(|old| matches(quota, old)) {
            let before = usage(old);
            delta.iter_mut().for_each(|(name, more)| {
                *more = before.get(name).map_or(*more, |before| *more - *before);
            });
        }
        delta.retain(|_, more| *more > Amount::default());
        check_room(quota, &delta, pods)?;
    }
    Ok(())
}

fn check_room(quota: &ResourceQuota, delta: &Amounts, pods: &[Pod]) -> Result<(), String> {
    let hard = hard(quota);
    let mut used: Amounts = hard.keys().map(|name| (name.clone(), Amount::default())).collect();
    for pod in pods.iter().filter(|pod| matches(quota, pod)) {
        amount::add(&mut used, &usage(pod));
    }
    let exceeded = hard.into_iter().filter_map(|(name, limit)| {
        let more = *delta.get(&name)?;
        let used = used.get(&name).copied().unwrap_or_default();
        (used + more > limit).then_some((name, [more, used, limit]))
    });
    let exceeded: Vec<_> = exceeded.collect();
    if exceeded.is_empty() {
        return Ok(());
    }
    let column = |index: usize| {
        exceeded.iter().map(|(name, row)| format!("{name}={}", row[index])).collect::<Vec<_>>().join(",")
    };
    Err(format!(
        "exceeded quota: {}, requested: {}, used: {}, limited: {}",
        name_of(quota),
        column(0),
        column(1),
        column(2)
    ))
}

/// A quota on CPU or memory wants every container to name it.
fn check_named(pod: &Pod, quota: &ResourceQuota) -> Result<(), String> {
    const NAMED: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
    let Some(spec) = &pod.spec else { return Ok(()) };
    if spec.resources.as_ref().is_some_and(qos::is_set) {
        return Ok(());
    }
    let mut lacking: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
        let named = container_charges(container);
        for name in hard(quota).into_keys().filter(|name| NAMED.contains(&name.as_str()) && !named.contains_key(name)) {
            lacking.entry(name).or_default().push(&container.name);
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    let parts = lacking.into_iter().map(|(name, mut containers)| {
        containers.sort_unstable();
        containers.dedup();
        format!("{name} for: {}", containers.join(","))
    });
    let parts = parts.collect::<Vec<_>>().join("; ");
    Err(format!("failed quota: {}: must specify {parts}", name_of(quota)))
}

fn container_charges(container: &Container) -> Amounts {
    let resources = container.resources.as_ref();
    let requests = read_all(resources.and_then(|r| r.requests.as_ref()));
    charges(&requests, &read_all(resources.and_then(|r| r.limits.as_ref())))
}

fn charges(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut charges = Amounts::from([("pods".to_owned(), Amount::count(1))]);
    for (name, request) in requests {
        let native = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
        if native {
            charges.insert(name.clone(), *request);
        }
        if native || name.contains('/') {
            charges.insert(format!("requests.{name}"), *request);
        }
    }
    for (name, limit) in limits {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            charges.insert(format!("limits.{name}"), *limit);
        }
    }
    charges
}

/// The parts of the quota that Pods are charged for.
fn hard(quota: &ResourceQuota) -> Amounts {
    let mut hard = read_all(quota.spec.as_ref().and_then(|s| s.hard.as_ref()));
    hard.retain(|name, _| {
        let bare = name.strip_prefix("requests.").or_else(|| name.strip_prefix("limits.")).unwrap_or(name);
        matches!(bare, "cpu" | "memory" | "ephemeral-storage" | "pods" | "count/pods")
            || bare.starts_with("hugepages-")
            || (name.starts_with("requests.") && bare.contains('/'))
    });
    hard
}

fn matches(quota: &ResourceQuota, pod: &Pod) -> bool {
    let Some(spec) = &quota.spec else { return false };
    let scopes = spec.scopes.iter().flatten().all(|scope| in_scope(scope, None, pod));
    let selectors = spec.scope_selector.iter().filter_map(|s| s.match_expressions.as_ref()).flatten();
    let selected = selectors.into_iter().all(|selector| in_scope(&selector.scope_name, Some(selector), pod));
    !hard(quota).is_empty() && scopes && selected
}

fn in_scope(scope: &str, selector: Option<&ScopedResourceSelectorRequirement>, pod: &Pod) -> bool {
    let spec = pod.spec.as_ref();
    let ends = spec.and_then(|s| s.active_deadline_seconds).is_some_and(|deadline| deadline >= 0);
    let best_effort = qos::of(pod) == QosClass::BestEffort;
    match scope {
        "Terminating" => ends,
        "NotTerminating" => !ends,
        "BestEffort" => best_effort,
        "NotBestEffort" => !best_effort,
        "PriorityClass" => {
            let class = spec.and_then(|s| s.priority_class_name.as_ref()).filter(|class| !class.is_empty());
            let named = |values: &ScopedResourceSelectorRequirement| {
                class.is_some_and(|class| values.values.iter().flatten().any(|value| value == class))
            };
            match selector.map(|s| (s.operator.as_str(), s)) {
                None | Some(("Exists", _)) => class.is_some(),
                Some(("DoesNotExist", _)) => class.is_none(),
                Some(("In", selector)) => named(selector),
                Some((_, selector)) => !named(selector),
            }
        }
        "CrossNamespacePodAffinity" => spec.is_some_and(looks_across_namespaces),
        _ => false,
    }
}

fn looks_across_namespaces(spec: &PodSpec) -> bool {
    let across = |term: &PodAffinityTerm| {
        term.namespaces.as_ref().is_some_and(|n| !n.is_empty()) || term.namespace_selector.is_some()
    };
    let Some(affinity) = &spec.affinity else { return false };
    let (near, far) = (affinity.pod_affinity.as_ref(), affinity.pod_anti_affinity.as_ref());
    let required = near
        .map(|a| &a.required_during_scheduling_ignored_during_execution)
        .into_iter()
        .chain(far.map(|a| &a.required_during_scheduling_ignored_during_execution));
    let preferred = near
        .map(|a| &a.preferred_during_scheduling_ignored_during_execution)
        .into_iter()
        .chain(far.map(|a| &a.preferred_during_scheduling_ignored_during_execution));
    required.flatten().flatten().any(across) || preferred.flatten().flatten().any(|w| across(&w.pod_affinity_term))
}

fn name_of(quota: &ResourceQuota) -> &str {
    quota.metadata.name.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn quota(spec: &Value) -> ResourceQuota {
        serde_json::from_value(json!({ "metadata": { "name": "team" }, "spec": spec })).unwrap()
    }

    fn cpu_quota(hard: &str) -> ResourceQuota {
        quota(&json!({ "hard": { "cpu": hard } }))
    }

    fn pod(name: &str, cpu: &str, status: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "name": name },
            "spec": { "containers": [{ "name": "c1", "resources": { "requests": { "cpu": cpu } } }] },
            "status": status,
        }))
        .unwrap()
    }

    fn running(name: &str, cpu: &str) -> Pod {
        pod(name, cpu, &json!({ "phase": "Running" }))
    }

    #[rstest]
    #[case::just_enough("900m", None)]
    #[case::one_too_many("899m", Some("exceeded quota: team, requested: cpu=300m, used: cpu=600m, limited: cpu=899m"))]
    fn a_new_pod_is_charged_on_top_of_the_others(#[case] hard: &str, #[case] fault: Option<&str>) {
        let pods = [running("a", "300m"), running("b", "300m"), pod("c", "1", &json!({ "phase": "Succeeded" }))];
        let outcome = admit(&running("new", "300m"), None, &[cpu_quota(hard)], &pods);
        assert_eq!(outcome.err().as_deref(), fault);
    }

    #[rstest]
    #[case::growth("600m", Some("exceeded quota: team, requested: cpu=300m, used: cpu=600m, limited: cpu=800m"))]
    #[case::shrink("200m", None)]
    fn only_growth_of_an_old_pod_is_charged(#[case] cpu: &str, #[case] fault: Option<&str>) {
        let pods = [running("a", "300m"), running("b", "300m")];
        let outcome = admit(&running("a", cpu), Some(&pods[0]), &[cpu_quota("800m")], &pods);
        assert_eq!(outcome.err().as_deref(), fault);
    }

    #[test]
    fn shrinking_is_allowed_where_the_quota_is_overdrawn() {
        let pods = [running("a", "3")];
        assert_eq!(admit(&running("a", "2"), Some(&pods[0]), &[cpu_quota("1")], &pods), Ok(()));
    }

    #[test]
    fn a_pod_is_charged_the_largest_of_desired_allocated_and_actual() {
        let mut status = json!({
            "phase": "Running",
            "containerStatuses": [{
                "name": "c1", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "allocatedResources": { "cpu": "500m" }, "resources": { "requests": { "cpu": "700m" } },
            }],
            "conditions": [{ "type": "PodResizePending", "status": "True", "reason": "Deferred" }],
        });
        assert_eq!(usage(&pod("a", "2", &status))["requests.cpu"].milli(), 2_000);
        assert_eq!(usage(&pod("a", "100m", &status))["requests.cpu"].milli(), 700);
        status["conditions"][0]["reason"] = json!("Infeasible");
        assert_eq!(usage(&pod("a", "2", &status))["requests.cpu"].milli(), 700);
    }

    #[test]
    fn all_exceeded_resources_are_named() {
        let quota = quota(&json!({ "hard": { "requests.cpu": "1", "pods": "1", "limits.cpu": "9", "services": "0" } }));
        let mut new = running("new", "2");
        let containers = &mut new.spec.as_mut().unwrap().containers;
        containers[0].resources =
            serde_json::from_value(json!({ "requests": { "cpu": "2" }, "limits": { "cpu": "2" } })).unwrap();
        assert_eq!(
            admit(&new, None, &[quota], &[running("a", "500m")]).unwrap_err(),
            "exceeded quota: team, requested: pods=1,requests.cpu=2, used: pods=1,requests.cpu=500m, \
             limited: pods=1,requests.cpu=1"
        );
    }

    #[test]
    fn every_container_must_name_what_the_quota_counts() {
        let quota =
            quota(&json!({ "hard": { "requests.cpu": "9", "limits.memory": "1Gi", "ephemeral-storage": "1Gi" } }));
        let mut new = running("new", "1");
        let spec = new.spec.as_mut().unwrap();
        spec.init_containers = serde_json::from_value(json!([{ "name": "b0" }])).unwrap();
        assert_eq!(
            admit(&new, None, std::slice::from_ref(&quota), &[]).unwrap_err(),
            "failed quota: team: must specify limits.memory for: b0,c1; requests.cpu for: b0"
        );
        let spec = new.spec.as_mut().unwrap();
        spec.resources = serde_json::from_value(json!({ "requests": { "cpu": "1" } })).unwrap();
        assert_eq!(admit(&new, None, &[quota], &[]), Ok(()), "pod-level resources name it for all");
    }

    #[rstest]
    #[case::terminating(json!({ "scopes": ["Terminating"] }), false)]
    #[case::not_terminating(json!({ "scopes": ["NotTerminating"] }), true)]
    #[case::best_effort(json!({ "scopes": ["BestEffort"] }), false)]
    #[case::not_best_effort(json!({ "scopes": ["NotBestEffort"] }), true)]
    #[case::any_class(json!({ "scopes": ["PriorityClass"] }), true)]
    #[case::this_class(
        json!({
            "scopeSelector": {
                "matchExpressions": [{ "scopeName": "PriorityClass", "operator": "In", "values": ["high"] }],
            },
        }),
        true,
    )]
    #[case::other_class(
        json!({
            "scopeSelector": {
                "matchExpressions": [{ "scopeName": "PriorityClass", "operator": "NotIn", "values": ["high"] }],
            },
        }),
        false,
    )]
    #[case::cross_namespace(json!({ "scopes": ["CrossNamespacePodAffinity"] }), false)]
    fn a_quota_counts_only_pods_in_its_scopes(#[case] mut spec: Value, #[case] counts: bool) {
        spec["hard"] = json!({ "pods": "0" });
        let mut new = running("new", "1");
        new.spec.as_mut().unwrap().priority_class_name = Some("high".to_owned());
        assert_eq!(admit(&new, None, &[quota(&spec)], &[]).is_err(), counts);
    }
}

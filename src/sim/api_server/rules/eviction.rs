//! Whether a Pod may be evicted: `POST pods/{name}/eviction`.
//!
//! Rule: k8s.io/kubernetes `pkg/registry/core/pod/storage/eviction.go`. The budget is asked, and charged, before the
//! preconditions are looked at: a 429 hides a 409, and a 409 has cost the budget a disruption.

use k8s_openapi::{
    api::{
        core::v1::Pod,
        policy::v1::{Eviction, PodDisruptionBudget, PodDisruptionBudgetStatus},
    },
    apimachinery::pkg::apis::meta::v1::{Condition, Status, StatusCause},
};
use kube::core::{Selector, SelectorExt};

use super::status::{self, Subject};

/// How an eviction is to be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Delete the Pod; no budget is touched.
    Delete,
    /// Delete the Pod and take one from `disruptionsAllowed` of this budget, which also remembers the Pod.
    DeleteAndCharge {
        /// The name of the PodDisruptionBudget.
        budget: String,
    },
}

/// More evicted Pods than this, not yet seen gone by the disruption controller, stop further evictions.
const MAX_DISRUPTED_PODS: usize = 2_000;

const CAUSE: &str = "DisruptionBudget";
const TOO_MANY: &str = "Cannot evict pod as it would violate the pod's disruption budget.";
const TWO_BUDGETS: &str =
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";

/// Decides on the eviction of `pod`, given all budgets (those of other namespaces do not matter). The preconditions
/// are looked at later, when a budget has been charged: [`check_preconditions`].
pub fn decide(pod: &Pod, eviction: &Eviction, budgets: &[PodDisruptionBudget]) -> Result<Verdict, Box<Status>> {
    if eviction.metadata.name != pod.metadata.name {
        return Err(status::bad_request("name in URL does not match name in Eviction object"));
    }
    if needs_no_budget(pod) { Ok(Verdict::Delete) } else { ask_budgets(pod, budgets) }
}

/// A Pod that does not run yet, has ended, or is on its way out serves nobody.
fn needs_no_budget(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
    matches!(phase, Some("Pending" | "Succeeded" | "Failed")) || pod.metadata.deletion_timestamp.is_some()
}

fn ask_budgets(pod: &Pod, budgets: &[PodDisruptionBudget]) -> Result<Verdict, Box<Status>> {
    let matching: Vec<_> = budgets.iter().filter(|budget| guards(budget, pod)).collect();
    match matching[..] {
        [] => Ok(Verdict::Delete),
        [budget] if !is_ready(pod) && lets_unhealthy_go(budget) => Ok(Verdict::Delete),
        [budget] => {
            check_budget(budget)?;
            Ok(Verdict::DeleteAndCharge { budget: name_of(budget).to_owned() })
        }
        _ => Err(status::internal_without_reason(TWO_BUDGETS)),
    }
}

fn guards(budget: &PodDisruptionBudget, pod: &Pod) -> bool {
    let selector = budget.spec.as_ref().and_then(|s| s.selector.clone());
    let selector = selector.and_then(|selector| Selector::try_from(selector).ok());
    let labels = pod.metadata.labels.clone().unwrap_or_default();
    budget.metadata.namespace == pod.metadata.namespace && selector.is_some_and(|selector| selector.matches(&labels))
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().filter_map(|s| s.conditions.as_ref()).flatten();
    conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

/// An unready Pod is not counted as healthy, so its end costs the budget nothing.
fn lets_unhealthy_go(budget: &PodDisruptionBudget) -> bool {
    let policy = budget.spec.as_ref().and_then(|s| s.unhealthy_pod_eviction_policy.as_deref());
    let healthy_enough =
        budget.status.as_ref().map(healthy).is_some_and(|(current, desired)| current >= desired && desired > 0);
    policy == Some("AlwaysAllow") || healthy_enough
}

/// How many Pods are healthy, and how many must be.
fn healthy(state: &PodDisruptionBudgetStatus) -> (i32, i32) {
    (state.current_healthy.unwrap_or(0), state.desired_healthy.unwrap_or(0))
}

fn check_budget(budget: &PodDisruptionBudget) -> Result<(), Box<Status>> {
    let name = name_of(budget);
    let unset = PodDisruptionBudgetStatus::default();
    let state = budget.status.as_ref().unwrap_or(&unset);
    if state.observed_generation.unwrap_or(0) < budget.metadata.generation.unwrap_or(0) {
        let message = format!("The disruption budget {name} is still being processed by the server.");
        return Err(status::too_many_requests(TOO_MANY, cause(message), Some(10)));
    }
    let forbidden = |why: &str, message: &str| {
        let subject = Subject { group: "policy", kind: "poddisruptionbudget", name };
        let message = format!("The disruption budget {name} does not allow evicting pods currently: {message}");
        Err(status::forbidden(subject, why, Some(cause(message))))
    };
    let allowed = state.disruptions_allowed.unwrap_or(0);
    if allowed < 0 {
        return forbidden("pdb disruptions allowed is negative", "pdb disruptions allowed is negative");
    }
    if state.disrupted_pods.as_ref().is_some_and(|pods| pods.len() > MAX_DISRUPTED_PODS) {
        return forbidden(
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
            "too many pending evictions not confirmed by PDB controller",
        );
    }
    if allowed == 0 {
        return Err(status::too_many_requests(TOO_MANY, cause(why_none_is_allowed(name, state)), None));
    }
    Ok(())
}

fn why_none_is_allowed(name: &str, state: &PodDisruptionBudgetStatus) -> String {
    let refused = |c: &&Condition| c.type_ == "DisruptionAllowed" && c.status == "False" && !c.message.is_empty();
    let condition = state.conditions.iter().flatten().find(refused);
    let (current, desired) = healthy(state);
    let not_now = format!("The disruption budget {name} does not allow evicting pods currently");
    match condition {
        Some(c) if c.reason == "SyncFailed" => format!("{not_now} because it failed sync: {}", c.message),
        _ if current <= desired => {
            format!("The disruption budget {name} needs {desired} healthy pods and has {current} currently")
        }
        Some(c) => format!("{not_now} ({}): {}", c.reason, c.message),
        None => not_now,
    }
}

/// 409 when the Pod is not the one that was meant.
pub fn check_preconditions(pod: &Pod, eviction: &Eviction) -> Result<(), Box<Status>> {
    let Some(wanted) = eviction.delete_options.as_ref().and_then(|o| o.preconditions.as_ref()) else { return Ok(()) };
    let subject = Subject { group: "", kind: "Pod", name: pod.metadata.name.as_deref().unwrap_or_default() };
    let check = |what: &str, wanted: Option<&String>, found: Option<&String>, then: &str| match wanted {
        Some(wanted) if !wanted.is_empty() && Some(wanted) != found => {
            let found = found.map(String::as_str).unwrap_or_default();
            let why = format!(
                "the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). \
                 The object might have been {then}"
            );
            Err(status::conflict(subject, &why))
        }
        _ => Ok(()),
    };
    let metadata = &pod.metadata;
    check("UID", wanted.uid.as_ref(), metadata.uid.as_ref(), "deleted and then recreated")?;
    check("ResourceVersion", wanted.resource_version.as_ref(), metadata.resource_version.as_ref(), "modified")
}

fn cause(message: String) -> StatusCause {
    StatusCause { reason: Some(CAUSE.to_owned()), message: Some(message), field: None }
}

fn name_of(budget: &PodDisruptionBudget) -> &str {
    budget.metadata.name.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn pod(phase: &str, ready: bool) -> Pod {
        serde_json::from_value(json!({
            "metadata": {
                "name": "web-0", "namespace": "shop", "uid": "u1", "resourceVersion": "7", "labels": { "app": "web" },
            },
            "status": { "phase": phase, "conditions": [
                { "type": "Ready", "status": if ready { "True" } else { "False" } },
            ]},
        }))
        .unwrap()
    }

    fn eviction(preconditions: &Value) -> Eviction {
        let options = json!({ "preconditions": preconditions });
        serde_json::from_value(json!({ "metadata": { "name": "web-0" }, "deleteOptions": options })).unwrap()
    }

    /// A budget for `app: web` that allows one disruption: two of two healthy where one is needed.
    fn budget(changes: &Value) -> PodDisruptionBudget {
        let mut budget = json!({
            "metadata": { "name": "web", "namespace": "shop", "generation": 2 },
            "spec": { "selector": { "matchLabels": { "app": "web" } } },
            "status": {
                "observedGeneration": 2, "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1,
                "expectedPods": 2,
            },
        });
        json_patch::merge(&mut budget, changes);
        serde_json::from_value(budget).unwrap()
    }

    fn none_allowed(more: &Value) -> Value {
        let mut status = json!({ "disruptionsAllowed": 0, "currentHealthy": 1 });
        json_patch::merge(&mut status, more);
        json!({ "status": status })
    }

    fn charged() -> Verdict {
        Verdict::DeleteAndCharge { budget: "web".to_owned() }
    }

    #[rstest]
    #[case::allowed("Running", true, json!({}), charged())]
    #[case::pending("Pending", false, none_allowed(&json!({})), Verdict::Delete)]
    #[case::succeeded("Succeeded", false, none_allowed(&json!({})), Verdict::Delete)]
    #[case::failed("Failed", false, none_allowed(&json!({})), Verdict::Delete)]
    #[case::selects_others(
        "Running",
        true,
        json!({ "spec": { "selector": { "matchLabels": { "app": "db" } } } }),
        Verdict::Delete,
    )]
    #[case::selects_nobody("Running", true, json!({ "spec": { "selector": null } }), Verdict::Delete)]
    #[case::selects_everybody("Running", true, json!({ "spec": { "selector": { "matchLabels": null } } }), charged())]
    #[case::in_another_namespace("Running", true, json!({ "metadata": { "namespace": "bank" } }), Verdict::Delete)]
    #[case::many_disrupted("Running", true, json!({ "status": { "disruptedPods": disrupted(2_000) } }), charged())]
    #[case::unready_and_healthy_enough("Running", false, none_allowed(&json!({})), Verdict::Delete)]
    #[case::unready_always_allowed(
        "Running",
        false,
        json!({
            "spec": { "unhealthyPodEvictionPolicy": "AlwaysAllow" },
            "status": { "disruptionsAllowed": 0, "currentHealthy": 0 },
        }),
        Verdict::Delete,
    )]
    #[case::unready_and_charged_where_nothing_is_desired(
        "Running",
        false,
        json!({ "status": { "desiredHealthy": 0 } }),
        charged(),
    )]
    fn evictions_are_granted(
        #[case] phase: &str,
        #[case] ready: bool,
        #[case] changes: Value,
        #[case] verdict: Verdict,
    ) {
        assert_eq!(decide(&pod(phase, ready), &eviction(&json!(null)), &[budget(&changes)]), Ok(verdict));
    }

    #[test]
    fn a_pod_that_is_being_deleted_needs_no_budget() {
        let mut pod = pod("Running", true);
        pod.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        let budgets = [budget(&none_allowed(&json!({}))), budget(&json!({}))];
        assert_eq!(decide(&pod, &eviction(&json!(null)), &budgets), Ok(Verdict::Delete));
    }

    #[rstest]
    #[case::none_allowed(
        none_allowed(&json!({})),
        "The disruption budget web needs 1 healthy pods and has 1 currently",
        None,
    )]
    #[case::sync_failed(
        none_allowed(&json!({
            "conditions": [{
                "type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "no scale",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }],
        })),
        "The disruption budget web does not allow evicting pods currently because it failed sync: no scale",
        None,
    )]
    #[case::other_condition(
        none_allowed(&json!({
            "currentHealthy": 2,
            "conditions": [{
                "type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": "wait",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }],
        })),
        "The disruption budget web does not allow evicting pods currently (InsufficientPods): wait",
        None,
    )]
    #[case::no_condition(
        none_allowed(&json!({ "currentHealthy": 2 })),
        "The disruption budget web does not allow evicting pods currently",
        None,
    )]
    #[case::not_observed(
        json!({ "metadata": { "generation": 3 } }),
        "The disruption budget web is still being processed by the server.",
        Some(10),
    )]
    fn a_spent_budget_is_429_with_its_cause(
        #[case] changes: Value,
        #[case] message: &str,
        #[case] retry_after: Option<i32>,
    ) {
        let refusal = decide(&pod("Running", true), &eviction(&json!(null)), &[budget(&changes)]).unwrap_err();
        assert_eq!((refusal.code, refusal.reason.as_deref()), (Some(429), Some("TooManyRequests")));
        assert_eq!(refusal.message.as_deref(), Some(TOO_MANY));
        let details = refusal.details.unwrap();
        assert_eq!(details.retry_after_seconds, retry_after);
        assert_eq!(details.causes, Some(vec![cause(message.to_owned())]));
    }

    #[test]
    fn an_unready_pod_is_guarded_while_too_few_are_healthy() {
        let changes = none_allowed(&json!({ "currentHealthy": 0 }));
        let refusal = decide(&pod("Running", false), &eviction(&json!(null)), &[budget(&changes)]).unwrap_err();
        assert_eq!(refusal.code, Some(429));
    }

    fn disrupted(count: usize) -> Value {
        let pods = (0..count).map(|i| (format!("p{i}"), json!("2026-01-01T00:00:00Z")));
        Value::Object(pods.collect())
    }

    #[rstest]
    #[case::negative(json!({ "status": { "disruptionsAllowed": -1 } }), "pdb disruptions allowed is negative")]
    #[case::too_many_disrupted(
        json!({ "status": { "disruptedPods": disrupted(2_001) } }),
        "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
    )]
    fn a_broken_budget_is_403(#[case] changes: Value, #[case] why: &str) {
        let refusal = decide(&pod("Running", true), &eviction(&json!(null)), &[budget(&changes)]).unwrap_err();
        assert_eq!((refusal.code, refusal.reason.as_deref()), (Some(403), Some("Forbidden")));
        let message = format!("poddisruptionbudget.policy \"web\" is forbidden: {why}");
        assert_eq!(refusal.message, Some(message));
        assert_eq!(refusal.details.unwrap().causes.unwrap()[0].reason.as_deref(), Some(CAUSE));
    }

    #[test]
    fn two_budgets_are_a_500_without_reason_or_causes() {
        let budgets = [budget(&json!({})), budget(&json!({ "metadata": { "name": "web2" } }))];
        let refusal = decide(&pod("Running", true), &eviction(&json!(null)), &budgets).unwrap_err();
        assert_eq!((refusal.code, &refusal.reason, &refusal.details), (Some(500), &None, &None));
        assert_eq!(refusal.message.as_deref(), Some(TWO_BUDGETS));
    }

    #[rstest]
    #[case::same_uid(json!({ "uid": "u1" }), None)]
    #[case::same_version(json!({ "resourceVersion": "7" }), None)]
    #[case::other_uid(
        json!({ "uid": "u0" }),
        Some("Operation cannot be fulfilled on Pod \"web-0\": the UID in the precondition (u0) does not match the \
         UID in record (u1). The object might have been deleted and then recreated"),
    )]
    #[case::other_version(
        json!({ "resourceVersion": "6" }),
        Some("Operation cannot be fulfilled on Pod \"web-0\": the ResourceVersion in the precondition (6) does not \
         match the ResourceVersion in record (7). The object might have been modified"),
    )]
    fn preconditions_are_held(#[case] preconditions: Value, #[case] conflict: Option<&str>) {
        let outcome = check_preconditions(&pod("Running", true), &eviction(&preconditions));
        assert_eq!(outcome.is_ok(), conflict.is_none());
        if let Err(refusal) = outcome {
            assert_eq!((refusal.code, refusal.reason.as_deref()), (Some(409), Some("Conflict")));
            assert_eq!(refusal.message.as_deref(), conflict);
        }
    }

    #[test]
    fn another_name_is_a_bad_request() {
        let mut eviction = eviction(&json!(null));
        eviction.metadata.name = Some("web-1".to_owned());
        let refusal = decide(&pod("Running", true), &eviction, &[]).unwrap_err();
        assert_eq!((refusal.code, refusal.reason.as_deref()), (Some(400), Some("BadRequest")));
    }
}

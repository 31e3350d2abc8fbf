//! `pods/eviction`, with budgets whose status is written by hand.

use serde_json::{Value, json};

use super::{
    case::{Case, Request, case, create, get, merge},
    fixture::pod,
    known::GO_TEXT,
};

pub fn cases() -> Vec<Case> {
    let mut cases = without_budgets();
    cases.extend(with_budgets());
    cases.extend(unready());
    cases
}

fn web() -> Value {
    pod("web", &json!({ "metadata": { "labels": { "app": "web" } } }))
}

fn ran(name: &'static str) -> Case {
    case(name).running(&web())
}

fn evict(more: &Value) -> Request {
    let mut eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "web" } });
    json_patch::merge(&mut eviction, more);
    create("pods/web/eviction", &eviction)
}

fn evicted(more: &Value) -> [Request; 3] {
    [evict(more), get("pods/web"), get("policy/v1/poddisruptionbudgets/web")]
}

impl Case {
    fn ask_all<const N: usize>(self, requests: [Request; N]) -> Self {
        requests.into_iter().fold(self, Self::ask)
    }

    /// A budget for `app: web`, and what its controller has found.
    fn budget(self, name: &str, spec: &Value, status: &Value) -> Self {
        let mut budget = json!({
            "metadata": { "name": name },
            "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "web" } } },
        });
        json_patch::merge(&mut budget["spec"], spec);
        let mut found = json!({
            "observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2,
        });
        json_patch::merge(&mut found, status);
        self.given(create("policy/v1/poddisruptionbudgets", &budget))
            .given(merge(&format!("policy/v1/poddisruptionbudgets/{name}/status"), &json!({ "status": found })))
    }

    /// Lets a kubelet report the Pod in another state.
    fn reported(self, status: &Value) -> Self {
        self.given(merge("pods/web/status", &json!({ "status": status })))
    }
}

const OTHER_UID: &str = "11111111-1111-4111-8111-111111111111";

fn without_budgets() -> Vec<Case> {
    let options = |options: &Value| evict(&json!({ "deleteOptions": options }));
    let nothing = json!({});
    vec![
        ran("a-pod-is-evicted").ask(evict(&nothing)).ask(get("pods/web")),
        case("an-unbound-pod-is-evicted").given(create("pods", &web())).ask(evict(&nothing)).ask(get("pods/web")),
        ran("an-evicted-pod-is-evicted-again").given(evict(&nothing)).ask(evict(&nothing)).ask(get("pods/web")),
        ran("an-eviction-with-a-grace-period").ask(options(&json!({ "gracePeriodSeconds": 3 }))).ask(get("pods/web")),
        ran("an-eviction-without-a-grace-period")
            .ask(options(&json!({ "gracePeriodSeconds": 0 })))
            .ask(get("pods/web")),
        ran("an-eviction-in-a-dry-run-by-query").ask(evict(&nothing).query("dryRun=All")).ask(get("pods/web")),
        ran("an-eviction-in-a-dry-run-by-option").ask(options(&json!({ "dryRun": ["All"] }))).ask(get("pods/web")),
        ran("an-eviction-in-two-kinds-of-dry-run").ask(options(&json!({ "dryRun": ["Some"] })).query("dryRun=All")),
        ran("an-eviction-of-another-uid")
            .ask(options(&json!({ "preconditions": { "uid": OTHER_UID } })))
            .ask(get("pods/web")),
        ran("an-eviction-of-a-known-uid")
            .given(get("pods/web"))
            .keep("uid", "/metadata/uid")
            .keep("version", "/metadata/resourceVersion")
            .ask(options(&json!({ "preconditions": { "uid": "{{uid}}" } })))
            .ask(get("pods/web")),
        ran("an-eviction-of-another-version")
            .given(get("pods/web"))
            .keep("version", "/metadata/resourceVersion")
            .ask(options(&json!({ "preconditions": { "resourceVersion": "1" } }))),
        ran("an-eviction-of-a-known-version")
            .given(get("pods/web"))
            .keep("version", "/metadata/resourceVersion")
            .ask(options(&json!({ "preconditions": { "resourceVersion": "{{version}}" } }))),
        ran("an-eviction-of-another-name").ask(evict(&json!({ "metadata": { "name": "other" } }))),
        ran("an-eviction-without-a-name").ask(evict(&json!({ "metadata": null }))),
        ran("an-eviction-of-another-kind")
            .ask(evict(&json!({ "kind": "Pod", "apiVersion": "v1" })))
            .differs("/body/message", GO_TEXT),
        ran("an-eviction-in-the-old-version").ask(evict(&json!({ "apiVersion": "policy/v1beta1" }))),
        case("an-eviction-of-no-pod").ask(evict(&nothing)),
        ran("an-eviction-cannot-be-read").ask(get("pods/web/eviction")),
        ran("an-eviction-cannot-be-patched").ask(merge("pods/web/eviction", &nothing)),
        case("a-finalizer-holds-an-evicted-pod")
            .running(&pod("web", &json!({ "metadata": { "finalizers": ["example.com/hold"] } })))
            .ask(evict(&nothing))
            .ask(get("pods/web")),
    ]
}

fn with_budgets() -> Vec<Case> {
    let nothing = json!({});
    let guarded =
        |name, spec: &Value, status: &Value| ran(name).budget("web", spec, status).ask_all(evicted(&json!({})));
    let none = |more: &Value| {
        let mut status = json!({ "disruptionsAllowed": 0, "currentHealthy": 1 });
        json_patch::merge(&mut status, more);
        status
    };
    let condition = |reason: &str, message: &str| {
        json!({ "conditions": [{
            "type": "DisruptionAllowed", "status": "False", "reason": reason, "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }] })
    };
    let elsewhere = json!({ "selector": { "matchLabels": { "app": "other" } } });
    let healthy = json!({ "currentHealthy": 3, "desiredHealthy": 1 });
    let mut more_healthy = condition("InsufficientPods", "too few");
    json_patch::merge(&mut more_healthy, &healthy);
    vec![
        guarded("a-budget-allows-an-eviction", &nothing, &nothing),
        guarded("a-budget-allows-none", &nothing, &none(&nothing)),
        guarded("a-budget-whose-sync-failed", &nothing, &none(&condition("SyncFailed", "found no controller"))),
        guarded("a-budget-that-gives-its-reason", &nothing, &none(&more_healthy)),
        guarded("a-budget-that-gives-no-reason", &nothing, &none(&healthy)),
        guarded("a-budget-not-yet-looked-at", &nothing, &json!({ "observedGeneration": 0 })),
        guarded("a-budget-for-other-pods", &elsewhere, &none(&nothing)),
        guarded("a-budget-for-all-pods", &json!({ "selector": { "matchLabels": null } }), &none(&nothing)),
        guarded("a-budget-for-no-pods", &json!({ "selector": null }), &none(&nothing)),
        ran("two-budgets-allow-no-eviction")
            .budget("web", &nothing, &nothing)
            .budget("too", &nothing, &nothing)
            .ask_all(evicted(&nothing)),
        ran("one-budget-of-two-counts")
            .budget("web", &nothing, &nothing)
            .budget("too", &elsewhere, &nothing)
            .ask_all(evicted(&nothing)),
        ran("a-budget-is-spent-once")
            .budget("web", &nothing, &nothing)
            .given(evict(&nothing))
            .ask_all(evicted(&nothing)),
        ran("a-budget-is-not-spent-in-a-dry-run")
            .budget("web", &nothing, &nothing)
            .ask(evict(&nothing).query("dryRun=All"))
            .ask(get("policy/v1/poddisruptionbudgets/web")),
        ran("a-budget-is-asked-in-a-dry-run")
            .budget("web", &nothing, &none(&nothing))
            .ask(evict(&nothing).query("dryRun=All")),
        ran("a-budget-hides-a-wrong-uid")
            .budget("web", &nothing, &none(&nothing))
            .ask(evict(&json!({ "deleteOptions": { "preconditions": { "uid": OTHER_UID } } }))),
        ran("a-budget-is-not-spent-on-a-wrong-uid")
            .budget("web", &nothing, &nothing)
            .ask_all(evicted(&json!({ "deleteOptions": { "preconditions": { "uid": OTHER_UID } } }))),
        case("a-pending-pod-needs-no-budget")
            .given(create("pods", &web()))
            .budget("web", &nothing, &none(&nothing))
            .ask_all(evicted(&nothing)),
        ran("a-finished-pod-needs-no-budget")
            .reported(&json!({ "phase": "Succeeded" }))
            .budget("web", &nothing, &none(&nothing))
            .ask_all(evicted(&nothing)),
        ran("a-failed-pod-needs-no-budget")
            .reported(&json!({ "phase": "Failed" }))
            .budget("web", &nothing, &none(&nothing))
            .ask_all(evicted(&nothing)),
        ran("a-budget-s-defaults").budget("web", &nothing, &nothing).ask(get("policy/v1/poddisruptionbudgets/web")),
    ]
}

fn unready() -> Vec<Case> {
    let nothing = json!({});
    let unready = |name, spec: &Value, status: &Value| {
        let conditions = json!([{ "type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z" }]);
        ran(name)
            .reported(&json!({ "conditions": conditions }))
            .budget("web", spec, status)
            .ask_all(evicted(&json!({})))
    };
    let policy = |policy: &str| json!({ "unhealthyPodEvictionPolicy": policy });
    let none = |current: u32, desired: u32| json!({ "disruptionsAllowed": 0, "currentHealthy": current, "desiredHealthy": desired });
    vec![
        unready("an-unready-pod-of-a-healthy-budget", &nothing, &none(2, 2)),
        unready("an-unready-pod-of-an-unhealthy-budget", &nothing, &none(1, 2)),
        unready("an-unready-pod-of-a-budget-that-wants-none", &nothing, &none(0, 0)),
        unready("an-unready-pod-of-a-budget-with-room", &nothing, &json!({ "currentHealthy": 0 })),
        unready("an-unready-pod-may-always-go", &policy("AlwaysAllow"), &none(0, 2)),
        unready("an-unready-pod-may-go-if-others-are-healthy", &policy("IfHealthyBudget"), &none(1, 2)),
    ]
}

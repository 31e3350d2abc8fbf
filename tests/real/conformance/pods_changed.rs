//! Pods that are changed through their main resource, `status` and `binding`, and that go.

use serde_json::{Value, json};

use super::{
    case::{Case, Request, apply, case, create, delete, edit, get, merge, operations, replace, strategic},
    fixture::{container, pod, pod_of, sizes},
    known::GO_TEXT,
};

pub fn cases() -> Vec<Case> {
    let changed = |(name, request): (&'static str, Request)| {
        case(name).given(create("pods", &rich())).ask(request).ask(get("pods/web"))
    };
    let ran = |(name, request): (&'static str, Request)| {
        case(name).running(&pod("web", &json!({}))).ask(request).ask(get("pods/web"))
    };
    let immutable = |(name, request): (&'static str, Request)| {
        let case = case(name).given(create("pods", &rich())).ask(request);
        // Both begin alike, and then show what changed in their own way.
        let case = case.differs("/body/message", GO_TEXT).differs("/body/details/causes/0/message", GO_TEXT);
        case.ask(get("pods/web"))
    };
    let mut cases: Vec<Case> = updates().into_iter().map(changed).collect();
    cases.extend(forbidden_updates().into_iter().map(immutable));
    cases.extend(statuses().into_iter().map(ran));
    cases.extend(bindings());
    cases.extend(deletions());
    cases
}

/// A Pod with something of everything that an update may or may not change.
fn rich() -> Value {
    let mut pod =
        pod_of("web", &[container("app", &sizes(["500m", "256Mi"], ["1", "512Mi"])), container("log", &json!({}))]);
    let more = json!({
        "metadata": { "labels": { "app": "web" }, "annotations": { "note": "a" } },
        "spec": {
            "activeDeadlineSeconds": 3_600,
            "initContainers": [container("first", &json!({}))],
            "schedulingGates": [{ "name": "example.com/wait" }, { "name": "example.com/more" }],
            "tolerations": [{ "key": "a", "operator": "Exists" }],
            "nodeSelector": { "zone": "a" },
        },
    });
    json_patch::merge(&mut pod, &more);
    pod
}

fn one(changes: &Value) -> Request {
    let mut app = json!({ "name": "app" });
    json_patch::merge(&mut app, changes);
    strategic("pods/web", &json!({ "spec": { "containers": [app] } }))
}

fn updates() -> Vec<(&'static str, Request)> {
    let spec = |changes: &Value| merge("pods/web", &json!({ "spec": changes }));
    let put = |edits: &[(&'static str, Value)]| edit("pods/web", "pods/web", edits);
    let op = |op: &str, path: &str, value: &Value| {
        operations("pods/web", &json!([{ "op": op, "path": path, "value": value }]))
    };
    vec![
        (
            "labels-may-change",
            merge("pods/web", &json!({ "metadata": { "labels": { "app": null, "tier": "front" } } })),
        ),
        ("an-image-may-change", one(&json!({ "image": "app:2" }))),
        (
            "an-image-of-an-init-container-may-change",
            strategic(
                "pods/web",
                &json!({
                    "spec": { "initContainers": [{ "name": "first", "image": "first:2" }] },
                }),
            ),
        ),
        ("an-image-may-not-be-empty", one(&json!({ "image": "" }))),
        ("a-deadline-may-come-closer", spec(&json!({ "activeDeadlineSeconds": 60 }))),
        ("a-deadline-may-not-move-away", spec(&json!({ "activeDeadlineSeconds": 7_200 }))),
        ("a-deadline-may-not-go", spec(&json!({ "activeDeadlineSeconds": null }))),
        ("a-toleration-may-come", op("add", "/spec/tolerations/-", &json!({ "key": "b", "operator": "Exists" }))),
        ("a-toleration-may-not-go", op("remove", "/spec/tolerations/0", &json!(null))),
        ("a-gate-may-go", spec(&json!({ "schedulingGates": [{ "name": "example.com/more" }] }))),
        ("a-gate-may-not-come", spec(&json!({ "schedulingGates": [{ "name": "example.com/new" }] }))),
        ("a-gated-pod-may-be-kept-from-more-nodes", spec(&json!({ "nodeSelector": { "disk": "fast" } }))),
        ("a-gated-pod-may-not-be-let-on-more-nodes", spec(&json!({ "nodeSelector": { "zone": "b" } }))),
        ("a-container-may-not-come", put(&[("/spec/containers/-", container("more", &json!({})))])),
        ("a-container-may-not-go", put(&[("/spec/containers/1", json!(null))])),
        ("a-status-is-not-changed-by-update", put(&[("/status/phase", json!("Running"))])),
        ("nothing-changes", put(&[])),
        (
            "system-fields-do-not-change",
            put(&[("/metadata/generation", json!(9)), ("/metadata/creationTimestamp", json!("2001-01-01T00:00:00Z"))]),
        ),
        ("a-stale-version", put(&[("/metadata/resourceVersion", json!("1")), ("/metadata/labels/app", json!("b"))])),
        ("no-version", put(&[("/metadata/resourceVersion", json!(null)), ("/metadata/labels/app", json!("b"))])),
        ("another-uid", put(&[("/metadata/uid", json!("11111111-1111-4111-8111-111111111111"))])),
        ("another-name", put(&[("/metadata/name", json!("other"))])),
        ("no-such-pod-to-replace", replace("pods/other", &pod("other", &json!({})))),
        ("no-such-pod-to-patch", merge("pods/other", &json!({}))),
        ("managed-fields-may-be-forgotten", put(&[("/metadata/managedFields", json!([{}]))])),
        ("a-finalizer-comes", merge("pods/web", &json!({ "metadata": { "finalizers": ["example.com/hold"] } }))),
        ("a-bad-finalizer", merge("pods/web", &json!({ "metadata": { "finalizers": ["hold"] } }))),
        ("a-bad-owner", merge("pods/web", &json!({ "metadata": { "ownerReferences": [{ "name": "a" }] } }))),
        ("a-bad-label-comes", merge("pods/web", &json!({ "metadata": { "labels": { "app": "a b" } } }))),
        ("an-unknown-field-in-a-patch", merge("pods/web", &json!({ "spec": { "colour": "red" } }))),
    ]
}

/// Changes of what nothing but a resize, or nothing at all, may change.
fn forbidden_updates() -> Vec<(&'static str, Request)> {
    let spec = |changes: &Value| merge("pods/web", &json!({ "spec": changes }));
    let put = |edits: &[(&'static str, Value)]| edit("pods/web", "pods/web", edits);
    vec![
        ("resources-may-not-change", one(&json!({ "resources": { "requests": { "cpu": "600m" } } }))),
        (
            "a-resize-policy-may-not-change",
            one(&json!({ "resizePolicy": [
            { "resourceName": "cpu", "restartPolicy": "RestartContainer" },
        ] })),
        ),
        ("a-command-may-not-change", one(&json!({ "command": ["sleep"] }))),
        ("a-container-may-not-be-renamed", put(&[("/spec/containers/1/name", json!("other"))])),
        ("a-node-may-not-be-chosen-by-update", spec(&json!({ "nodeName": "roomy" }))),
        ("a-grace-period-may-not-change", spec(&json!({ "terminationGracePeriodSeconds": 5 }))),
        ("pod-level-resources-may-not-come", spec(&json!({ "resources": { "requests": { "cpu": "2" } } }))),
        (
            "an-unknown-field-in-a-strict-patch",
            merge("pods/web", &json!({ "spec": { "colour": "red" } })).query("fieldValidation=Strict"),
        ),
    ]
}

fn statuses() -> Vec<(&'static str, Request)> {
    let status = |changes: &Value| strategic("pods/web/status", &json!({ "status": changes }));
    vec![
        ("a-phase-is-reported", status(&json!({ "phase": "Succeeded", "reason": "Done", "message": "all is well" }))),
        (
            "conditions-are-merged-by-type",
            status(&json!({ "conditions": [
            { "type": "PodResizePending", "status": "True", "reason": "Deferred", "message": "no room", "observedGeneration": 1 },
        ] })),
        ),
        ("a-condition-is-deleted", status(&json!({ "conditions": [{ "type": "Ready", "$patch": "delete" }] }))),
        ("a-generation-is-observed", status(&json!({ "observedGeneration": 1 }))),
        ("a-negative-generation-is-observed", status(&json!({ "observedGeneration": -1 }))),
        ("a-class-cannot-be-reported", status(&json!({ "qosClass": "Guaranteed" }))),
        ("a-class-cannot-be-dropped", merge("pods/web/status", &json!({ "status": { "qosClass": null } }))),
        (
            "actual-resources-are-reported",
            status(&json!({ "containerStatuses": [{
            "name": "app", "resources": { "requests": { "cpu": "0.25" } }, "allocatedResources": { "cpu": "250m" },
        }] })),
        ),
        (
            "a-status-of-an-unknown-container",
            status(&json!({ "containerStatuses": [{
            "name": "other", "image": "a", "imageID": "", "ready": false, "restartCount": 0,
        }] })),
        ),
        (
            "the-spec-is-not-changed-by-status",
            merge(
                "pods/web/status",
                &json!({
                    "metadata": { "labels": { "app": "x" }, "annotations": { "note": "x" }, "finalizers": ["example.com/hold"] },
                    "spec": { "nodeName": "other", "containers": [] },
                    "status": { "message": "hello" },
                }),
            ),
        ),
        ("a-status-is-replaced", edit("pods/web/status", "pods/web", &[("/status", json!({ "phase": "Failed" }))])),
        (
            "a-status-is-applied",
            apply(
                "pods/web/status",
                "kubelet",
                &json!({
                    "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" }, "status": { "message": "applied" },
                }),
            ),
        ),
        ("a-status-of-no-pod", merge("pods/other/status", &json!({}))),
        ("a-bad-condition", status(&json!({ "conditions": [{ "type": "Ready", "status": "Perhaps" }] }))),
        ("a-status-read-by-itself", get("pods/web/status")),
        ("a-status-cannot-be-created", create("pods/web/status", &pod("web", &json!({})))),
    ]
}

fn bindings() -> Vec<Case> {
    let binding = |more: &Value| {
        let mut binding = json!({ "metadata": { "name": "web" }, "target": { "kind": "Node", "name": "roomy" } });
        json_patch::merge(&mut binding, more);
        create("pods/web/binding", &binding)
    };
    let free = |name, changes: &Value| case(name).given(create("pods", &pod("web", changes)));
    let nothing = json!({});
    vec![
        free("a-pod-is-bound", &nothing).ask(binding(&nothing)).ask(get("pods/web")),
        free("a-pod-is-bound-with-annotations", &nothing)
            .ask(binding(&json!({ "metadata": { "annotations": { "a": "b" }, "labels": { "c": "d" } } })))
            .ask(get("pods/web")),
        free("a-pod-is-bound-once", &nothing).given(binding(&nothing)).ask(binding(&nothing)),
        free("a-gated-pod-is-not-bound", &json!({ "spec": { "schedulingGates": [{ "name": "example.com/a" }] } }))
            .ask(binding(&nothing)),
        free("a-binding-without-a-target", &nothing).ask(binding(&json!({ "target": { "name": null } }))),
        free("a-binding-to-something-else", &nothing).ask(binding(&json!({ "target": { "kind": "Shelf" } }))),
        free("a-binding-of-another-name", &nothing).ask(binding(&json!({ "metadata": { "name": "other" } }))),
        free("a-binding-of-another-uid", &nothing)
            .ask(binding(&json!({ "metadata": { "uid": "11111111-1111-4111-8111-111111111111" } }))),
        free("a-binding-in-a-dry-run", &nothing).ask(binding(&nothing).query("dryRun=All")).ask(get("pods/web")),
        case("a-binding-of-no-pod").ask(binding(&nothing)),
        free("a-binding-cannot-be-read", &nothing).ask(get("pods/web/binding")),
    ]
}

fn deletions() -> Vec<Case> {
    let ran = |name| case(name).running(&pod("web", &json!({})));
    let options = |options: &Value| delete("pods/web").json(options);
    vec![
        case("an-unbound-pod-goes-at-once")
            .given(create("pods", &pod("web", &json!({}))))
            .ask(delete("pods/web"))
            .ask(get("pods/web")),
        ran("a-running-pod-is-given-time").ask(delete("pods/web")).ask(get("pods/web")).ask(delete("pods/web")),
        ran("a-running-pod-goes-at-once-when-asked")
            .ask(options(&json!({ "gracePeriodSeconds": 0 })))
            .ask(get("pods/web")),
        ran("a-grace-period-in-the-query").ask(delete("pods/web").query("gracePeriodSeconds=7")),
        ran("a-grace-period-can-only-shrink")
            .given(options(&json!({ "gracePeriodSeconds": 20 })))
            .ask(options(&json!({ "gracePeriodSeconds": 10 })))
            .ask(options(&json!({ "gracePeriodSeconds": 15 }))),
        ran("a-deletion-of-another-uid")
            .ask(options(&json!({ "preconditions": { "uid": "11111111-1111-4111-8111-111111111111" } }))),
        ran("a-deletion-of-a-known-uid")
            .given(get("pods/web"))
            .keep("uid", "/metadata/uid")
            .ask(options(&json!({ "preconditions": { "uid": "{{uid}}" } }))),
        ran("a-deletion-of-another-version")
            .given(get("pods/web"))
            .keep("version", "/metadata/resourceVersion")
            .ask(options(&json!({ "preconditions": { "resourceVersion": "1" } }))),
        ran("a-deletion-in-a-dry-run").ask(delete("pods/web").query("dryRun=All")).ask(get("pods/web")),
        ran("a-deletion-in-an-unknown-way").ask(options(&json!({ "propagationPolicy": "Sideways" }))),
        case("a-finalizer-holds-a-pod")
            .running(&pod("web", &json!({ "metadata": { "finalizers": ["example.com/hold"] } })))
            .ask(options(&json!({ "gracePeriodSeconds": 0 })))
            .ask(merge("pods/web", &json!({ "metadata": { "finalizers": ["example.com/hold", "example.com/more"] } })))
            .ask(merge("pods/web", &json!({ "metadata": { "finalizers": null } })))
            .ask(get("pods/web")),
        case("a-deletion-of-no-pod").ask(delete("pods/web")),
        ran("all-pods-of-a-namespace-go").ask(delete("pods")).ask(get("pods")),
    ]
}

//! Server-side apply: what it makes, shares, takes and removes.

use serde_json::{Value, json};

use super::{
    case::{Case, Request, apply, case, create, edit, get, merge, operations, replace, strategic},
    fixture::{config_map, deployment, pod, widget},
};

pub fn cases() -> Vec<Case> {
    let mut cases = made();
    cases.extend(shared());
    cases.extend(lists());
    cases.extend(custom());
    cases.extend(parts());
    cases.extend(managers());
    cases.extend(refused());
    cases.extend(refused_metadata());
    cases
}

const SETTINGS: &str = "configmaps/web";
const WIDGET: &str = "example.com/v1/widgets/web";
const DEPLOYMENT: &str = "apps/v1/deployments/web";

fn data(data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web" }, "data": data })
}

fn settings(manager: &str, values: Value) -> Request {
    apply(SETTINGS, manager, &data(values))
}

fn spec(spec: Value) -> Value {
    json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "web" }, "spec": spec })
}

fn widgets(manager: &str, wanted: Value) -> Request {
    apply(WIDGET, manager, &spec(wanted))
}

fn forced(request: Request) -> Request {
    request.query("force=true")
}

fn made() -> Vec<Case> {
    let mut nameless = data(json!({ "a": "1" }));
    nameless["metadata"] = json!({});
    let mut elsewhere = data(json!({ "a": "1" }));
    elsewhere["metadata"]["namespace"] = json!("other");
    let mut here = data(json!({ "a": "1" }));
    here["metadata"]["namespace"] = json!("{{ns}}");
    let mut old = data(json!({ "a": "1" }));
    old["metadata"]["resourceVersion"] = json!("1");
    let mut known = data(json!({ "a": "1" }));
    known["metadata"]["uid"] = json!("11111111-1111-4111-8111-111111111111");
    vec![
        case("an-apply-makes-an-object").ask(settings("one", json!({ "a": "1" }))).ask(get(SETTINGS)),
        case("an-apply-makes-an-object-in-a-dry-run")
            .ask(settings("one", json!({ "a": "1" })).query("dryRun=All"))
            .ask(get(SETTINGS)),
        case("an-apply-makes-a-deployment").ask(apply(DEPLOYMENT, "one", &deployment("web"))).ask(get(DEPLOYMENT)),
        case("an-apply-makes-a-pod").ask(apply("pods/web", "one", &pod("web", &json!({})))).ask(get("pods/web")),
        case("an-apply-makes-a-widget").ask(apply(WIDGET, "one", &widget("web"))).ask(get(WIDGET)),
        case("an-apply-makes-a-lease").ask(apply("coordination.k8s.io/v1/leases/web", "one", &json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "web" },
            "spec": { "holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z" },
        }))),
        case("an-apply-makes-a-budget").ask(apply("policy/v1/poddisruptionbudgets/web", "one", &json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "web" },
            "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "web" } } },
        }))),
        case("an-apply-without-a-name").ask(apply(SETTINGS, "one", &nameless)),
        case("an-apply-in-another-namespace").ask(apply(SETTINGS, "one", &elsewhere)),
        case("an-apply-in-its-namespace").ask(apply(SETTINGS, "one", &here)),
        case("an-apply-of-an-old-version-of-nothing").ask(apply(SETTINGS, "one", &old)),
        case("an-apply-of-a-known-uid-of-nothing").ask(apply(SETTINGS, "one", &known)),
        case("an-apply-in-yaml")
            .ask(settings("one", json!({})).text("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\ndata:\n  a: \"1\"\n"))
            .ask(get(SETTINGS)),
        case("an-apply-in-yaml-with-a-comment-and-null")
            .ask(settings("one", json!({})).text("# settings\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, labels: null}\ndata:\n  a: '1'\n")),
        case("an-apply-with-null-values").ask(apply(SETTINGS, "one", &data(json!({ "a": null, "b": "2" })))),
    ]
}

fn shared() -> Vec<Case> {
    let both = |name: &'static str| case(name).given(settings("one", json!({ "a": "1", "b": "1" })));
    vec![
        both("two-managers-set-different-fields").ask(settings("two", json!({ "c": "1" }))).ask(get(SETTINGS)),
        both("two-managers-agree").ask(settings("two", json!({ "a": "1" }))).ask(get(SETTINGS)),
        both("two-managers-disagree").ask(settings("two", json!({ "a": "2" }))).ask(get(SETTINGS)),
        both("two-managers-disagree-twice").ask(settings("two", json!({ "a": "2", "b": "2" }))),
        both("one-manager-takes-a-field-by-force").ask(forced(settings("two", json!({ "a": "2" })))).ask(get(SETTINGS)),
        both("one-manager-takes-all-fields-by-force")
            .ask(forced(settings("two", json!({ "a": "2", "b": "2" }))))
            .ask(get(SETTINGS)),
        both("a-forced-apply-in-a-dry-run")
            .ask(forced(settings("two", json!({ "a": "2" }))).query("dryRun=All"))
            .ask(get(SETTINGS)),
        both("a-field-is-no-longer-applied").ask(settings("one", json!({ "a": "1" }))).ask(get(SETTINGS)),
        both("nothing-is-applied-any-more").ask(settings("one", json!({}))).ask(get(SETTINGS)),
        both("a-shared-field-is-no-longer-applied")
            .given(settings("two", json!({ "a": "1" })))
            .ask(settings("one", json!({ "b": "1" })))
            .ask(get(SETTINGS)),
        both("a-shared-field-is-applied-by-nobody")
            .given(settings("two", json!({ "a": "1" })))
            .given(settings("one", json!({ "b": "1" })))
            .ask(apply(SETTINGS, "two", &json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web" } })))
            .ask(get(SETTINGS)),
        both("a-shared-field-cannot-be-changed")
            .given(settings("two", json!({ "a": "1" })))
            .ask(settings("one", json!({ "a": "2" }))),
        both("three-managers-disagree")
            .given(settings("two", json!({ "a": "1" })))
            .ask(settings("three", json!({ "a": "2" })))
            .in_any_order(),
        both("an-update-takes-an-applied-field")
            .ask(merge(SETTINGS, &json!({ "data": { "a": "5" } })))
            .ask(settings("one", json!({ "a": "1", "b": "1" }))),
        both("an-update-by-a-named-manager-takes-an-applied-field")
            .given(merge(SETTINGS, &json!({ "data": { "a": "5" } })).query("fieldManager=hand"))
            .ask(settings("one", json!({ "a": "1", "b": "1" })))
            .ask(forced(settings("one", json!({ "a": "1", "b": "1" })))),
        both("an-update-removes-an-applied-field")
            .ask(operations(SETTINGS, &json!([{ "op": "remove", "path": "/data/a" }])))
            .ask(settings("one", json!({ "a": "1", "b": "1" }))),
        case("an-apply-over-an-update")
            .given(create("configmaps", &config_map("web")))
            .ask(settings("one", json!({ "a": "9" }))),
        case("an-apply-beside-an-update")
            .given(create("configmaps", &config_map("web")))
            .ask(settings("one", json!({ "a": "1", "z": "9" })))
            .ask(settings("one", json!({})))
            .ask(get(SETTINGS)),
        both("the-same-manager-applies-and-updates")
            .ask(merge(SETTINGS, &json!({ "data": { "a": "5" } })).query("fieldManager=one"))
            .ask(settings("one", json!({ "a": "1", "b": "1" }))),
        both("labels-and-annotations-are-shared").ask(apply(SETTINGS, "two", &json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "web", "labels": { "a": "b" }, "annotations": { "c": "d" }, "finalizers": ["example.com/two"] },
        }))).ask(apply(SETTINGS, "two", &json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web", "labels": { "e": "f" } } }))).ask(get(SETTINGS)),
        both("owners-are-applied").ask(apply(SETTINGS, "two", &json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "web", "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "11111111-1111-4111-8111-111111111111" }] },
        }))).ask(get(SETTINGS)),
        both("replicas-given-to-another-manager"),
    ]
}

fn containers(containers: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": { "template": { "spec": { "containers": containers } } },
    })
}

fn lists() -> Vec<Case> {
    let on = |name: &'static str| case(name).given(apply(DEPLOYMENT, "one", &deployment("web")));
    let by = |manager: &str, list: Value| apply(DEPLOYMENT, manager, &containers(list));
    let extra = || json!([{ "name": "extra", "image": "registry.example/extra:1" }]);
    let replicas = |replicas: Value| json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": { "replicas": replicas } });
    let mut without_log = deployment("web");
    without_log["spec"]["template"]["spec"]["containers"].as_array_mut().expect("it has containers").truncate(1);
    let mut without_replicas = deployment("web");
    without_replicas["spec"].as_object_mut().expect("it has a spec").remove("replicas");
    let mut swapped = deployment("web");
    swapped["spec"]["template"]["spec"]["containers"].as_array_mut().expect("it has containers").swap(0, 1);
    vec![
        on("a-container-is-added-by-another").ask(by("two", extra())).ask(by("two", json!([]))).ask(get(DEPLOYMENT)),
        on("a-container-is-changed-by-another")
            .ask(by("two", json!([{ "name": "app", "image": "registry.example/app:2" }])))
            .ask(forced(by("two", json!([{ "name": "app", "image": "registry.example/app:2" }])))),
        on("a-container-is-no-longer-applied").ask(apply(DEPLOYMENT, "one", &without_log)).ask(get(DEPLOYMENT)),
        on("a-container-of-another-outlives")
            .given(by("two", extra()))
            .ask(apply(DEPLOYMENT, "one", &without_log))
            .ask(get(DEPLOYMENT)),
        on("containers-are-applied-in-another-order").ask(apply(DEPLOYMENT, "one", &swapped)),
        on("containers-are-applied-around-those-of-another")
            .given(by("two", extra()))
            .ask(apply(DEPLOYMENT, "one", &swapped)),
        on("an-applied-container-without-its-name").ask(by("two", json!([{ "image": "registry.example/app:2" }]))),
        on("a-container-named-twice")
            .ask(by("two", json!([{ "name": "x", "image": "a" }, { "name": "x", "image": "b" }]))),
        on("a-field-of-a-container-is-added")
            .ask(by("two", json!([{ "name": "app", "tty": true }])))
            .ask(by("two", json!([{ "name": "app" }])))
            .ask(by("two", json!([]))),
        on("ports-with-and-without-a-protocol")
            .ask(by("two", json!([{ "name": "app", "ports": [{ "containerPort": 80, "protocol": "UDP" }, { "containerPort": 80, "name": "http" }] }]))),
        on("arguments-are-one-value")
            .ask(by("two", json!([{ "name": "app", "args": ["a"] }])))
            .ask(by("two", json!([{ "name": "app", "args": ["a", "b"] }]))),
        on("environment-is-shared")
            .ask(by("two", json!([{ "name": "app", "env": [{ "name": "B", "value": "2" }] }])))
            .ask(get(DEPLOYMENT)),
        on("replicas-are-left-to-another")
            .given(forced(apply(DEPLOYMENT, "two", &replicas(json!(5)))))
            .ask(apply(DEPLOYMENT, "one", &without_replicas))
            .ask(get(DEPLOYMENT)),
        on("replicas-are-left-to-nobody").ask(apply(DEPLOYMENT, "one", &without_replicas)).ask(get(DEPLOYMENT)),
        on("replicas-set-by-scale")
            .ask(merge("apps/v1/deployments/web/scale", &json!({ "spec": { "replicas": 4 } })))
            .ask(get(DEPLOYMENT))
            .ask(apply(DEPLOYMENT, "one", &deployment("web"))),
        on("amounts-in-other-words")
            .ask(by("two", json!([{ "name": "app", "resources": { "requests": { "cpu": "0.5" } } }]))),
        on("other-amounts").ask(by("two", json!([{ "name": "app", "resources": { "requests": { "cpu": "0.6" } } }]))),
        on("a-text-for-a-number").ask(apply(DEPLOYMENT, "two", &replicas(json!("three")))),
        on("an-unknown-applied-field").ask(by("two", json!([{ "name": "app", "colour": "red" }]))),
        on("an-unknown-applied-field-strictly")
            .ask(by("two", json!([{ "name": "app", "colour": "red" }])).query("fieldValidation=Strict")),
        on("an-invalid-apply").ask(apply(DEPLOYMENT, "two", &replicas(json!(-1))).query("force=true")),
    ]
}

fn custom() -> Vec<Case> {
    let on = |name: &'static str| case(name).given(apply(WIDGET, "one", &widget("web")));
    vec![
        on("custom-parts-are-added-by-another")
            .ask(widgets("two", json!({ "parts": [{ "name": "mid" }, { "name": "left", "port": 81 }] })))
            .ask(widgets("two", json!({})))
            .ask(get(WIDGET)),
        on("custom-parts-in-conflict")
            .ask(widgets("two", json!({ "parts": [{ "name": "left", "note": "x" }] })))
            .ask(forced(widgets("two", json!({ "parts": [{ "name": "left", "note": "x" }] })))),
        on("a-custom-part-with-its-default-key")
            .ask(widgets("two", json!({ "parts": [{ "name": "left", "port": 80, "args": ["a"] }] }))),
        on("a-custom-part-without-its-name").ask(widgets("two", json!({ "parts": [{ "note": "x" }] }))),
        on("a-custom-part-named-twice")
            .ask(widgets("two", json!({ "parts": [{ "name": "x" }, { "name": "x", "port": 80 }] }))),
        on("custom-tags-are-added-by-another")
            .ask(widgets("two", json!({ "tags": ["z", "x"] })))
            .ask(widgets("one", json!({ "size": 2, "tags": ["y"] })))
            .ask(get(WIDGET)),
        on("custom-tags-named-twice").ask(widgets("two", json!({ "tags": ["z", "z"] }))),
        on("custom-steps-are-one-value")
            .ask(widgets("two", json!({ "steps": ["one"] })))
            .ask(forced(widgets("two", json!({ "steps": ["one"] })))),
        on("an-atomic-choice-is-one-value")
            .ask(widgets("two", json!({ "choice": { "b": "1" } })))
            .ask(forced(widgets("two", json!({ "choice": { "b": "1" } })))),
        on("custom-labels-are-shared")
            .ask(widgets("two", json!({ "labels": { "b": "2" } })))
            .ask(widgets("one", json!({})))
            .ask(get(WIDGET)),
        on("custom-defaults-belong-to-nobody")
            .ask(widgets("two", json!({ "mode": "Fast" })))
            .ask(widgets("two", json!({})))
            .ask(get(WIDGET)),
        on("unknown-things-are-shared")
            .ask(widgets("two", json!({ "extra": { "other": 1, "any": { "more": 2 } } })))
            .ask(widgets("one", json!({}))),
        on("a-custom-apply-that-is-wrong").ask(widgets("two", json!({ "size": "big" }))),
        on("a-custom-apply-that-breaks-a-rule").ask(forced(widgets("two", json!({ "size": 50 })))),
        on("a-custom-apply-that-breaks-a-transition").ask(forced(widgets("two", json!({ "fixed": "b" })))),
        on("an-unknown-custom-field-is-applied").ask(widgets("two", json!({ "colour": 1 }))),
        on("an-unknown-custom-field-is-applied-strictly")
            .ask(widgets("two", json!({ "colour": 1 })).query("fieldValidation=Strict")),
        on("a-custom-null-is-applied").ask(widgets("one", json!({ "size": null, "empty": null }))).ask(get(WIDGET)),
        on("a-custom-apply-from-another-version")
            .ask(apply(WIDGET, "two", &json!({ "apiVersion": "example.com/v2", "kind": "Widget", "metadata": { "name": "web" } }))),
        on("a-custom-apply-of-another-kind")
            .ask(apply(WIDGET, "two", &json!({ "apiVersion": "example.com/v1", "kind": "Gadget", "metadata": { "name": "web" } }))),
        on("a-custom-apply-of-the-status-beside")
            .ask(apply(WIDGET, "two", &json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "web" }, "status": { "ready": 3 } }))),
    ]
}

fn parts() -> Vec<Case> {
    let status = |ready: &str, kind: &str| {
        json!({
            "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "web", "labels": { "from": "status" } },
            "spec": { "size": 9 }, "status": { "ready": 1, "conditions": [{ "type": kind, "status": ready }] },
        })
    };
    let at = "example.com/v1/widgets/web/status";
    let budget = |more: Value| {
        let mut status = json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "web" },
            "status": { "conditions": [{ "type": "DisruptionAllowed", "status": "False", "reason": "R", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z" }] } });
        json_patch::merge(&mut status, &more);
        status
    };
    vec![
        case("a-widget-s-status-is-applied")
            .given(create("example.com/v1/widgets", &widget("web")))
            .ask(apply(at, "one", &status("True", "Ready")))
            .ask(apply(at, "two", &status("True", "Other")))
            .ask(apply(at, "one", &status("False", "Ready")))
            .ask(get(WIDGET)),
        case("a-status-in-conflict")
            .given(create("example.com/v1/widgets", &widget("web")))
            .given(apply(at, "one", &status("True", "Ready")))
            .ask(apply(at, "two", &status("False", "Ready")))
            .ask(forced(apply(at, "two", &status("False", "Ready")))),
        case("a-status-of-nothing-is-applied").ask(apply(at, "one", &status("True", "Ready"))),
        case("a-status-written-twice")
            .given(create("example.com/v1/widgets", &widget("web")))
            .ask(merge(at, &json!({ "status": { "ready": 2 } })))
            .ask(apply(at, "one", &status("True", "Ready"))),
        case("a-status-and-a-spec-by-one-manager")
            .given(apply(WIDGET, "one", &widget("web")))
            .ask(apply(at, "one", &status("True", "Ready")))
            .ask(apply(WIDGET, "one", &spec(json!({ "size": 2 })))),
        case("a-budget-s-status-is-applied")
            .given(create("policy/v1/poddisruptionbudgets", &json!({ "metadata": { "name": "web" }, "spec": { "minAvailable": 1 } })))
                .ask(apply("policy/v1/poddisruptionbudgets/web/status", "one", &budget(json!({ "status": { "disruptionsAllowed": 1, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1 } })))),
        case("a-pod-s-status-is-applied")
            .given(create("pods", &pod("web", &json!({}))))
            .ask(apply("pods/web/status", "one", &json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "labels": { "a": "b" } }, "spec": { "nodeName": "x" },
            "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
        }))).ask(get("pods/web")),
        case("a-pod-s-labels-are-applied")
            .given(create("pods", &pod("web", &json!({}))))
            .ask(apply("pods/web", "one", &json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "labels": { "a": "b" } },
        }))).ask(apply("pods/web", "one", &json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" } }))),
        case("a-scale-is-applied")
            .given(create("apps/v1/deployments", &deployment("web")))
            .ask(forced(apply("apps/v1/deployments/web/scale", "one", &json!({
            "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": { "name": "web" }, "spec": { "replicas": 3 },
        })))).ask(get(DEPLOYMENT)),
    ]
}

fn managers() -> Vec<Case> {
    let on = |name: &'static str| case(name).given(settings("one", json!({ "a": "1" })));
    vec![
        on("managers-are-cleared-by-a-merge-patch")
            .ask(merge(SETTINGS, &json!({ "metadata": { "managedFields": [{}] } })))
            .ask(settings("one", json!({ "a": "2" }))),
        on("managers-are-cleared-by-a-json-patch")
            .ask(operations(SETTINGS, &json!([{ "op": "replace", "path": "/metadata/managedFields", "value": [{}] }]))),
        on("managers-are-cleared-and-data-changed")
            .ask(merge(SETTINGS, &json!({ "metadata": { "managedFields": [{}] }, "data": { "b": "1" } })))
            .ask(get(SETTINGS)),
        on("a-replacement-without-managers-keeps-them")
            .ask(edit(SETTINGS, SETTINGS, &[("/metadata/managedFields", json!(null)), ("/data/b", json!("1"))])),
        on("a-replacement-with-managers-emptied-keeps-them")
            .ask(edit(SETTINGS, SETTINGS, &[("/metadata/managedFields", json!([])), ("/data/b", json!("1"))])),
        on("a-manager-is-renamed-by-a-json-patch")
            .ask(operations(SETTINGS, &json!([{ "op": "replace", "path": "/metadata/managedFields/0/manager", "value": "two" }])))
            .ask(settings("one", json!({ "a": "2" }))),
        on("an-operation-of-a-manager-is-changed")
            .ask(operations(SETTINGS, &json!([{ "op": "replace", "path": "/metadata/managedFields/0/operation", "value": "Update" }])))
            .ask(settings("one", json!({ "a": "2" }))),
        on("managers-that-cannot-be-read")
            .ask(operations(SETTINGS, &json!([{ "op": "replace", "path": "/metadata/managedFields/0/fieldsType", "value": "FieldsV7" }]))),
        on("an-operation-that-is-unknown")
            .ask(operations(SETTINGS, &json!([{ "op": "replace", "path": "/metadata/managedFields/0/operation", "value": "Wish" }]))),
        on("a-replacement-by-little-of-what-was-applied").ask(replace(SETTINGS, &data(json!({ "z": "1" })))),
        on("updates-by-two-managers")
            .ask(merge(SETTINGS, &json!({ "data": { "b": "1" } })).query("fieldManager=b"))
            .ask(merge(SETTINGS, &json!({ "data": { "c": "1" } })).query("fieldManager=c"))
            .ask(merge(SETTINGS, &json!({ "data": { "b": null, "c": "2" } })).query("fieldManager=b")),
        on("an-empty-map-is-owned")
            .ask(merge(SETTINGS, &json!({ "metadata": { "annotations": {}, "labels": { "x": "y" } } })))
            .ask(merge(SETTINGS, &json!({ "metadata": { "labels": { "x": null } } }))),
        case("a-strategic-patch-owns-what-it-changed")
            .given(apply(DEPLOYMENT, "one", &deployment("web")))
            .ask(strategic(DEPLOYMENT, &json!({ "spec": { "template": { "spec": { "containers": [{ "name": "app", "image": "registry.example/app:2" }, { "name": "new", "image": "registry.example/new:1" }] } } } })).query("fieldManager=hand")),
    ]
}

fn refused() -> Vec<Case> {
    let mut managed = data(json!({}));
    managed["metadata"]["managedFields"] = json!([]);
    let mut managed_by_some = data(json!({}));
    managed_by_some["metadata"]["managedFields"] = json!([{}]);
    let with = |field: &str, value: Value| {
        let mut object = data(json!({ "a": "1" }));
        object[field] = value;
        object
    };
    let wanted = |object: &Value| apply(SETTINGS, "one", object);
    let long = "m".repeat(129);
    [
        ("an-apply-without-a-manager", settings("", json!({})).without_query()),
        ("an-apply-with-an-empty-manager", settings("", json!({}))),
        ("an-apply-by-a-long-manager", settings(&long, json!({}))),
        ("an-apply-by-an-unprintable-manager", settings("a%09b", json!({}))),
        ("an-apply-with-managers-listed", wanted(&managed)),
        ("an-apply-with-a-manager-listed", wanted(&managed_by_some)),
        ("an-apply-without-a-kind", wanted(&with("kind", json!(null)))),
        ("an-apply-without-a-version", wanted(&with("apiVersion", json!(null)))),
        ("an-apply-of-another-kind", wanted(&with("kind", json!("Secret")))),
        ("an-apply-of-another-version", wanted(&with("apiVersion", json!("v2")))),
        ("an-apply-of-an-unknown-field", wanted(&with("colour", json!("red")))),
        (
            "an-apply-of-an-unknown-field-strictly",
            wanted(&with("colour", json!("red"))).query("fieldValidation=Strict"),
        ),
        ("an-apply-of-an-unknown-field-ignored", wanted(&with("colour", json!("red"))).query("fieldValidation=Ignore")),
        ("an-apply-of-a-text-for-a-map", wanted(&with("data", json!("a")))),
        ("an-apply-of-a-number-for-a-text", wanted(&with("data", json!({ "a": 1 })))),
        ("an-apply-of-a-list", wanted(&json!([]))),
        ("an-apply-of-a-text", wanted(&json!("a"))),
        ("an-apply-of-nothing", wanted(&json!({}))),
        ("an-apply-without-a-body", wanted(&json!({})).text("")),
        ("an-apply-that-is-no-yaml", wanted(&json!({})).text("{ a: [")),
        (
            "an-apply-with-a-key-twice",
            wanted(&json!({}))
                .text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata:\n  z: '1'\n  z: '2'\n"),
        ),
        (
            "an-apply-with-a-key-twice-strictly",
            wanted(&json!({}))
                .text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata:\n  z: '1'\n  z: '2'\n")
                .query("fieldValidation=Strict"),
        ),
        ("an-apply-of-an-unknown-dry-run", wanted(&data(json!({}))).query("dryRun=Some")),
        ("an-apply-with-unknown-force", wanted(&data(json!({}))).query("force=maybe")),
    ]
    .map(over_settings)
    .into()
}

fn over_settings((name, request): (&'static str, Request)) -> Case {
    case(name).given(create("configmaps", &config_map("web"))).ask(request)
}

fn refused_metadata() -> Vec<Case> {
    let wanted = |object: &Value| apply(SETTINGS, "one", object);
    let meta = |field: &str, value: Value| {
        let mut object = data(json!({ "z": "1" }));
        object["metadata"][field] = value;
        wanted(&object)
    };
    [
        ("an-apply-of-another-name", meta("name", json!("other"))),
        ("an-apply-of-another-namespace", meta("namespace", json!("other"))),
        ("an-apply-of-a-stale-version", meta("resourceVersion", json!("1"))),
        ("an-apply-for-another-uid", meta("uid", json!("11111111-1111-4111-8111-111111111111"))),
        ("an-apply-of-a-bad-label", meta("labels", json!({ "a b": "c d" }))),
        ("an-apply-of-a-generation", meta("generation", json!(7))),
        ("an-apply-of-a-creation", meta("creationTimestamp", json!("2020-01-01T00:00:00Z"))),
        ("an-apply-of-a-finalizer", meta("finalizers", json!(["example.com/two"]))),
        ("an-apply-of-a-generated-name", meta("generateName", json!("web-"))),
    ]
    .map(over_settings)
    .into()
}

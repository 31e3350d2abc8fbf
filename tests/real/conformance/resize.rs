//! `pods/resize`: the ways to ask for it, and what it keeps and drops of the request.

use serde_json::{Value, json};

use super::{
    case::{Case, Request, apply, case, create, delete, edit, get, merge, operations, replace, strategic},
    fixture::{DECLARED_NODE, NODE, container, on, pod, pod_of, sizes},
};

pub fn cases() -> Vec<Case> {
    let ran = |(name, request): (&'static str, Request)| {
        let before = case(name).running(&web()).given(get("pods/web")).keep("before", "/metadata/resourceVersion");
        before.ask(request).ask(get("pods/web"))
    };
    let mut cases: Vec<Case> = forms()
        .into_iter()
        .chain(replacements())
        .chain(nothing_changed())
        .chain(bad_forms())
        .chain(dropped())
        .map(ran)
        .collect();
    cases.extend(applied());
    cases.extend(lives());
    cases
}

/// A Burstable Pod with two containers that a resize may grow, and fields that it may not touch.
fn web() -> Value {
    let mut pod = pod_of(
        "web",
        &[
            container("app", &sizes(["500m", "256Mi"], ["1", "512Mi"])),
            container("log", &json!({ "requests": { "cpu": "100m" } })),
        ],
    );
    pod["metadata"]["labels"] = json!({ "app": "web" });
    pod["spec"]["containers"][0]["resizePolicy"] =
        json!([{ "resourceName": "memory", "restartPolicy": "RestartContainer" }]);
    pod["spec"]["containers"][0]["env"] = json!([{ "name": "A", "value": "b" }]);
    pod
}

/// What a strategic or merge patch of `app` alone looks like.
pub fn app(resources: &Value) -> Value {
    json!({ "spec": { "containers": [{ "name": "app", "resources": resources }] } })
}

/// A resize of `app` alone, in the Pod `web`.
pub fn resize(resources: &Value) -> Request {
    strategic("pods/web/resize", &app(resources))
}

/// A case's name, its Pod, and the resize.
pub type Row = (&'static str, Value, Request);

/// Each row's Pod runs, and is resized; the faults of the answer come in any order.
pub fn cases_of(rows: impl IntoIterator<Item = Vec<Row>>) -> Vec<Case> {
    let of = |(name, pod, request): Row| case(name).running(&pod).ask(request).in_any_order();
    rows.into_iter().flatten().map(of).collect()
}

fn grown() -> Value {
    app(&json!({ "requests": { "cpu": "600m" } }))
}

fn forms() -> Vec<(&'static str, Request)> {
    let op = |op: &str, path: &str, value: &Value| {
        operations("pods/web/resize", &json!([{ "op": op, "path": path, "value": value }]))
    };
    const CPU: &str = "/spec/containers/0/resources/requests/cpu";
    let both = json!({ "spec": { "containers": [
        { "name": "app", "resources": sizes(["600m", "300Mi"], ["2", "1Gi"]),
          "resizePolicy": [{ "resourceName": "memory", "restartPolicy": "RestartContainer" }] },
        { "name": "log", "resources": { "requests": { "cpu": "50m" } } },
    ] } });
    let without_policy = json!({ "spec": { "containers": [
        { "name": "app", "resources": sizes(["600m", "300Mi"], ["2", "1Gi"]) },
        { "name": "log", "resources": { "requests": { "cpu": "50m" } } },
    ] } });

    vec![
        ("a-strategic-patch-resizes", strategic("pods/web/resize", &grown())),
        ("a-strategic-patch-resizes-two", strategic("pods/web/resize", &both)),
        (
            "a-strategic-patch-adds-limits",
            strategic(
                "pods/web/resize",
                &json!({ "spec": { "containers": [
            { "name": "log", "resources": { "limits": { "cpu": "1", "memory": "1Gi" } } },
        ] } }),
            ),
        ),
        ("a-merge-patch-resizes", merge("pods/web/resize", &both)),
        ("a-merge-patch-without-the-policy", merge("pods/web/resize", &without_policy)),
        ("a-merge-patch-without-a-container", merge("pods/web/resize", &grown())),
        ("a-json-patch-resizes", op("replace", CPU, &json!("600m"))),
        ("a-json-patch-adds-a-limit", op("add", "/spec/containers/1/resources/limits", &json!({ "cpu": "1" }))),
        (
            "a-json-patch-that-tests",
            operations(
                "pods/web/resize",
                &json!([
                    { "op": "test", "path": CPU, "value": "500m" }, { "op": "replace", "path": CPU, "value": "600m" },
                ]),
            ),
        ),
        ("a-json-patch-whose-test-fails", op("test", CPU, &json!("1"))),
        ("a-json-patch-of-nothing", op("replace", "/spec/containers/7/resources", &json!({}))),
        ("a-json-patch-that-is-none", operations("pods/web/resize", &json!({ "op": "replace" }))),
    ]
}

fn replacements() -> Vec<(&'static str, Request)> {
    let whole = |edits: &[(&'static str, Value)]| edit("pods/web/resize", "pods/web", edits);
    const CPU: &str = "/spec/containers/0/resources/requests/cpu";
    let both = json!({ "spec": { "containers": [
        { "name": "app", "resources": sizes(["600m", "300Mi"], ["2", "1Gi"]),
          "resizePolicy": [{ "resourceName": "memory", "restartPolicy": "RestartContainer" }] },
        { "name": "log", "resources": { "requests": { "cpu": "50m" } } },
    ] } });
    vec![
        ("a-replacement-resizes", whole(&[(CPU, json!("600m"))])),
        ("a-replacement-without-a-version", whole(&[(CPU, json!("600m")), ("/metadata/resourceVersion", json!(null))])),
        (
            "a-replacement-without-the-policy",
            whole(&[(CPU, json!("600m")), ("/spec/containers/0/resizePolicy", json!(null))]),
        ),
        ("a-replacement-without-the-status", whole(&[(CPU, json!("600m")), ("/status", json!(null))])),
        ("a-replacement-without-environment", whole(&[(CPU, json!("600m")), ("/spec/containers/0/env", json!(null))])),
        ("a-replacement-without-the-image", whole(&[(CPU, json!("600m")), ("/spec/containers/0/image", json!(null))])),
        ("a-replacement-by-little", replace("pods/web/resize", &pod("web", &both))),
        ("a-stale-replacement", whole(&[(CPU, json!("600m")), ("/metadata/resourceVersion", json!("1"))])),
        (
            "a-stale-patch",
            strategic("pods/web/resize", &{
                let mut patch = grown();
                patch["metadata"] = json!({ "resourceVersion": "1" });
                patch
            }),
        ),
        (
            "a-patch-for-another-uid",
            strategic("pods/web/resize", &{
                let mut patch = grown();
                patch["metadata"] = json!({ "uid": "11111111-1111-4111-8111-111111111111" });
                patch
            }),
        ),
        (
            "a-patch-for-another-name",
            strategic("pods/web/resize", &{
                let mut patch = grown();
                patch["metadata"] = json!({ "name": "other" });
                patch
            }),
        ),
    ]
}

fn nothing_changed() -> Vec<(&'static str, Request)> {
    let whole = |edits: &[(&'static str, Value)]| edit("pods/web/resize", "pods/web", edits);
    vec![
        ("an-empty-patch", strategic("pods/web/resize", &json!({}))),
        ("the-same-amounts", resize(&json!({ "requests": { "cpu": "500m" } }))),
        ("the-same-amounts-in-other-words", resize(&json!({ "requests": { "cpu": "0.5", "memory": "262144Ki" } }))),
        ("the-same-amounts-by-replacement", whole(&[])),
        ("a-dry-run-of-a-resize", strategic("pods/web/resize?dryRun=All", &grown())),
        (
            "a-dry-run-of-a-bad-resize",
            strategic("pods/web/resize?dryRun=All", &app(&json!({ "requests": { "cpu": "2" } }))),
        ),
    ]
}

fn bad_forms() -> Vec<(&'static str, Request)> {
    let whole = |edits: &[(&'static str, Value)]| edit("pods/web/resize", "pods/web", edits);
    const CPU: &str = "/spec/containers/0/resources/requests/cpu";
    vec![
        ("a-storage-merge-patch", strategic("pods/web/resize", &grown()).content_type("application/json")),
        ("a-patch-of-no-type", strategic("pods/web/resize", &grown()).content_type("")),
        ("a-patch-that-is-no-json", strategic("pods/web/resize", &grown()).text("not json")),
        ("a-patch-with-an-amount-that-cannot-be-read", resize(&json!({ "requests": { "cpu": "much" } }))),
        ("a-patch-with-a-number-for-an-amount", resize(&json!({ "requests": { "cpu": 0.75 } }))),
        ("an-unknown-field-in-a-resize", resize(&json!({ "wishes": { "cpu": "600m" } }))),
        (
            "an-unknown-field-in-a-strict-resize",
            strategic("pods/web/resize?fieldValidation=Strict", &app(&json!({ "wishes": { "cpu": "600m" } }))),
        ),
        (
            "an-unknown-field-in-a-strict-replacement",
            whole(&[(CPU, json!("600m")), ("/spec/colour", json!("red"))]).query("fieldValidation=Strict"),
        ),
        (
            "an-unknown-directive",
            strategic("pods/web/resize", &json!({ "spec": { "containers": [{ "name": "app", "$patch": "shrink" }] } })),
        ),
        (
            "a-container-without-its-name",
            strategic("pods/web/resize", &json!({ "spec": { "containers": [{ "resources": {} }] } })),
        ),
        ("a-resize-is-read", get("pods/web/resize")),
        ("a-resize-cannot-be-created", create("pods/web/resize", &web())),
        ("a-resize-cannot-be-deleted", delete("pods/web/resize")),
    ]
}

fn dropped() -> Vec<(&'static str, Request)> {
    let with = |more: &Value| {
        let mut patch = grown();
        json_patch::merge(&mut patch, more);
        strategic("pods/web/resize", &patch)
    };
    let alone = |patch: &Value| strategic("pods/web/resize", patch);
    vec![
        ("labels-are-dropped", with(&json!({ "metadata": { "labels": { "app": "x" }, "annotations": { "a": "b" } } }))),
        ("labels-alone-are-dropped", alone(&json!({ "metadata": { "labels": { "app": "x" } } }))),
        (
            "finalizers-and-owners-are-dropped",
            with(&json!({ "metadata": {
            "finalizers": ["example.com/hold"],
            "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "11111111-1111-4111-8111-111111111111" }],
        } })),
        ),
        ("a-status-is-dropped", with(&json!({ "status": { "phase": "Failed", "message": "hello" } }))),
        (
            "an-image-is-dropped",
            alone(&json!({ "spec": { "containers": [
            { "name": "app", "image": "other:2", "resources": { "requests": { "cpu": "600m" } } },
        ] } })),
        ),
        (
            "other-fields-of-the-spec-are-dropped",
            with(&json!({ "spec": {
            "activeDeadlineSeconds": 5, "nodeName": "other", "tolerations": [{ "operator": "Exists" }], "priority": 3,
        } })),
        ),
        ("a-bad-field-that-is-dropped", with(&json!({ "spec": { "restartPolicy": "Sometimes" } }))),
    ]
}

fn applied() -> Vec<Case> {
    let wish = |more: &Value| {
        let mut object = grown();
        json_patch::merge(&mut object, &json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" } }));
        json_patch::merge(&mut object, more);
        object
    };
    let tailor = |more: &Value| apply("pods/web/resize", "tailor", &wish(more));
    let ran = |name| case(name).running(&web());
    let nothing = json!({});
    let two = json!({ "spec": { "containers": [{ "name": "app", "resources": { "requests": { "cpu": "600m", "memory": "300Mi" } } }] } });
    let pod_level = json!({ "spec": { "resources": { "requests": { "cpu": "2", "memory": "1Gi" } } } });
    let mut sized = web();
    sized["spec"]["resources"] = json!({ "requests": { "cpu": "1", "memory": "1Gi" } });
    let sized = on(DECLARED_NODE, sized);
    vec![
        ran("an-applied-resize-conflicts-with-the-maker").ask(tailor(&nothing)),
        ran("an-applied-resize-conflicts-in-two-fields").ask(tailor(&two)),
        ran("an-applied-resize-by-force").ask(tailor(&nothing).query("force=true")).ask(get("pods/web")),
        ran("an-applied-resize-to-what-is")
            .ask(tailor(&app(&json!({ "requests": { "cpu": "500m" } }))))
            .ask(get("pods/web")),
        ran("an-applied-resize-is-applied-again")
            .given(tailor(&nothing).query("force=true"))
            .ask(tailor(&nothing))
            .ask(tailor(&app(&json!({ "requests": { "cpu": "700m" } }))))
            .ask(get("pods/web")),
        ran("an-applied-resize-drops-a-request")
            .given(tailor(&two).query("force=true"))
            .ask(tailor(&nothing))
            .ask(get("pods/web")),
        ran("an-applied-resize-with-more-than-resources")
            .ask(tailor(&json!({
                "metadata": { "labels": { "a": "b" } },
                "spec": { "containers": [{ "name": "app", "image": "b:2", "resources": { "requests": { "cpu": "600m" } } }] },
            })).query("force=true"))
            .ask(get("pods/web")),
        ran("an-applied-resize-of-an-unknown-container")
            .ask(tailor(&json!({ "spec": { "containers": [{ "name": "new", "resources": { "requests": { "cpu": "1" } } }] } }))),
        ran("an-applied-resize-without-a-manager").ask(tailor(&nothing).without_query()),
        ran("an-applied-resize-without-a-kind").ask(tailor(&json!({ "kind": null }))),
        ran("an-applied-resize-with-managed-fields").ask(tailor(&json!({ "metadata": { "managedFields": [] } })).query("force=true")),
        ran("an-applied-resize-in-yaml").ask(
            tailor(&nothing)
                .text("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - {name: app, resources: {requests: {cpu: 600m}}}\n")
                .query("force=true"),
        ),
        ran("a-dry-run-of-an-applied-resize").ask(tailor(&nothing).query("force=true&dryRun=All")).ask(get("pods/web")),
        case("an-applied-resize-of-no-pod").ask(tailor(&nothing)),
        ran("an-applied-resize-after-a-patch")
            .given(strategic("pods/web/resize?fieldManager=other", &app(&json!({ "requests": { "cpu": "550m" } }))))
            .ask(tailor(&nothing))
            .ask(get("pods/web")),
        ran("a-patch-after-an-applied-resize")
            .given(tailor(&nothing).query("force=true"))
            .ask(strategic("pods/web/resize?fieldManager=other", &app(&json!({ "requests": { "cpu": "650m" } }))))
            .ask(get("pods/web")),
        case("pod-level-resources-are-applied")
            .running(&sized)
            .ask(tailor(&pod_level).query("force=true"))
            .ask(get("pods/web"))
            .ask(tailor(&nothing)),
        case("pod-level-resources-alone-are-applied")
            .running(&sized)
            .ask(apply("pods/web/resize", "tailor", &json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" },
                "spec": { "resources": { "requests": { "cpu": "2" } } },
            })))
            .ask(get("pods/web")),
    ]
}

fn lives() -> Vec<Case> {
    let grow = || strategic("pods/web/resize", &grown());
    let free = || case("an-unbound-pod-is-resized").given(create("pods", &pod("web", &json!({}))));
    vec![
        free().ask(grow()).ask(get("pods/web")),
        case("a-pod-is-resized-beyond-every-node-before-it-is-bound")
            .given(create("pods", &pod("web", &json!({}))))
            .ask(resize(&sizes(["90", "1Ti"], ["90", "2Ti"]))),
        case("a-bound-pod-without-a-status-is-resized")
            .given(create("pods", &on(NODE, pod("web", &json!({})))))
            .ask(grow()),
        case("a-finished-pod-is-resized")
            .running(&pod("web", &json!({})))
            .given(merge("pods/web/status", &json!({ "status": { "phase": "Succeeded" } })))
            .ask(grow()),
        case("a-pod-that-goes-is-resized")
            .running(&pod("web", &json!({})))
            .given(delete("pods/web"))
            .ask(grow())
            .ask(get("pods/web")),
        case("generations-count-resizes")
            .running(&pod("web", &json!({})))
            .ask(grow())
            .ask(grow())
            .ask(resize(&json!({ "requests": { "cpu": "700m" } })))
            .ask(merge("pods/web/status", &json!({ "status": { "observedGeneration": 2 } })))
            .ask(strategic("pods/web", &json!({ "spec": { "containers": [{ "name": "app", "image": "b:2" }] } })))
            .ask(get("pods/web")),
        case("a-resize-of-no-pod").ask(grow()),
        case("a-resize-in-no-namespace").ask({
            let mut request = grow();
            request.path = "/api/v1/namespaces/nowhere/pods/web/resize".to_owned();
            request
        }),
    ]
}

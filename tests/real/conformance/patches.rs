//! Patches of each kind but server-side apply, on built-in and custom kinds.

use serde_json::{Value, json};

use super::{
    case::{Case, Request, case, create, get, merge, operations, strategic},
    fixture::{config_map, deployment, pod, widget},
};

pub fn cases() -> Vec<Case> {
    let settings = |(name, request): (&'static str, Request)| {
        kept(case(name).given(create("configmaps", &config_map("web"))), "configmaps/web", request)
    };
    let mut cases: Vec<Case> =
        json_patches().into_iter().chain(merge_patches()).chain(options()).map(settings).collect();
    cases.extend(patches_of_containers());
    cases.extend(patches_of_maps_and_lists());
    cases.extend(patches_of_other_fields());
    cases.extend(patches_of_settings());
    cases.extend(custom_patches());
    cases
}

/// Asks, and looks at what became of the object.
fn kept(case: Case, path: &str, request: Request) -> Case {
    case.ask(request).ask(get(path))
}

const SETTINGS: &str = "configmaps/web";

fn json_patches() -> Vec<(&'static str, Request)> {
    let ops = |ops: Value| operations(SETTINGS, &ops);
    let op =
        |op: &str, path: &str, value: Value| operations(SETTINGS, &json!([{ "op": op, "path": path, "value": value }]));
    vec![
        ("json-patch-adds", op("add", "/data/c", json!("3"))),
        ("json-patch-adds-what-is-there", op("add", "/data/a", json!("3"))),
        ("json-patch-adds-below-nothing", op("add", "/binaryData/a", json!("YQ=="))),
        ("json-patch-adds-to-a-list", op("add", "/metadata/finalizers/-", json!("example.com/two"))),
        ("json-patch-inserts-into-a-list", op("add", "/metadata/finalizers/0", json!("example.com/two"))),
        ("json-patch-inserts-behind-a-list", op("add", "/metadata/finalizers/7", json!("example.com/two"))),
        ("json-patch-adds-null", op("add", "/data/c", json!(null))),
        ("json-patch-adds-a-number-for-a-text", op("add", "/data/c", json!(1))),
        ("json-patch-adds-an-unknown-field", op("add", "/colour", json!("red"))),
        ("json-patch-of-an-escaped-key", op("replace", "/metadata/annotations/example.com~1note", json!("y"))),
        ("json-patch-removes", ops(json!([{ "op": "remove", "path": "/data/a" }]))),
        ("json-patch-removes-nothing", ops(json!([{ "op": "remove", "path": "/data/z" }]))),
        ("json-patch-removes-below-nothing", ops(json!([{ "op": "remove", "path": "/binaryData/z" }]))),
        ("json-patch-replaces", op("replace", "/data/a", json!("9"))),
        ("json-patch-replaces-nothing", op("replace", "/data/z", json!("9"))),
        (
            "json-patch-replaces-it-all",
            op("replace", "", json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web" } })),
        ),
        ("json-patch-moves", ops(json!([{ "op": "move", "from": "/data/a", "path": "/data/c" }]))),
        ("json-patch-moves-nothing", ops(json!([{ "op": "move", "from": "/data/z", "path": "/data/c" }]))),
        ("json-patch-copies", ops(json!([{ "op": "copy", "from": "/data/a", "path": "/data/c" }]))),
        ("json-patch-copies-nothing", ops(json!([{ "op": "copy", "from": "/data/z", "path": "/data/c" }]))),
        (
            "json-patch-tests-and-adds",
            ops(
                json!([{ "op": "test", "path": "/data/a", "value": "1" }, { "op": "add", "path": "/data/c", "value": "3" }]),
            ),
        ),
        ("json-patch-tests-in-vain", op("test", "/data/a", json!("2"))),
        ("json-patch-tests-nothing", op("test", "/data/z", json!("2"))),
        ("json-patch-tests-that-nothing-is-there", op("test", "/data/z", json!(null))),
        ("json-patch-tests-below-nothing", op("test", "/binaryData/z", json!("1"))),
        ("json-patch-of-an-unknown-kind", op("increase", "/data/a", json!("2"))),
        ("json-patch-without-a-kind", ops(json!([{ "path": "/data/a", "value": "2" }]))),
        ("json-patch-without-a-path", ops(json!([{ "op": "add", "value": "2" }]))),
        ("json-patch-without-a-value", ops(json!([{ "op": "add", "path": "/data/c" }]))),
        ("json-patch-without-a-source", ops(json!([{ "op": "move", "path": "/data/c" }]))),
        ("json-patch-of-a-path-without-a-slash", op("add", "data/c", json!("2"))),
        ("json-patch-of-no-steps", ops(json!([]))),
        ("json-patch-that-is-a-map", ops(json!({ "data": { "c": "3" } }))),
        ("json-patch-that-is-no-json", operations(SETTINGS, &json!([])).text("[{")),
        ("json-patch-of-the-name", op("replace", "/metadata/name", json!("other"))),
        ("json-patch-of-the-namespace", op("replace", "/metadata/namespace", json!("other"))),
        ("json-patch-of-the-kind", op("replace", "/kind", json!("Secret"))),
        ("json-patch-of-the-version", op("replace", "/apiVersion", json!("v2"))),
        ("json-patch-of-a-stale-version", op("replace", "/metadata/resourceVersion", json!("1"))),
        ("json-patch-of-the-uid", op("replace", "/metadata/uid", json!("11111111-1111-4111-8111-111111111111"))),
    ]
}

fn merge_patches() -> Vec<(&'static str, Request)> {
    let patch = |patch: Value| merge(SETTINGS, &patch);
    vec![
        ("merge-patch-sets", patch(json!({ "data": { "a": "3", "c": "3" } }))),
        ("merge-patch-removes", patch(json!({ "data": { "a": null } }))),
        ("merge-patch-removes-nothing", patch(json!({ "data": { "z": null } }))),
        ("merge-patch-removes-a-map", patch(json!({ "data": null }))),
        ("merge-patch-replaces-a-list", patch(json!({ "metadata": { "finalizers": ["example.com/two"] } }))),
        ("merge-patch-empties-a-list", patch(json!({ "metadata": { "finalizers": [] } }))),
        ("merge-patch-of-nothing", patch(json!({}))),
        ("merge-patch-that-is-null", patch(json!(null))),
        ("merge-patch-that-is-a-list", patch(json!([]))),
        ("merge-patch-that-is-a-number", patch(json!(1))),
        ("merge-patch-that-is-no-json", patch(json!({})).text("{")),
        ("merge-patch-without-a-body", patch(json!({})).text("")),
        ("merge-patch-in-yaml", patch(json!({})).text("data:\n  c: \"3\"\n")),
        ("merge-patch-with-a-number-for-a-text", patch(json!({ "data": { "a": 3 } }))),
        ("merge-patch-with-a-text-for-a-map", patch(json!({ "data": "a" }))),
        ("merge-patch-with-an-unknown-field", patch(json!({ "colour": "red", "data": { "c": "3" } }))),
        ("merge-patch-of-the-name", patch(json!({ "metadata": { "name": "other" } }))),
        ("merge-patch-of-the-name-by-null", patch(json!({ "metadata": { "name": null } }))),
        ("merge-patch-of-the-namespace", patch(json!({ "metadata": { "namespace": "other" } }))),
        ("merge-patch-of-the-kind", patch(json!({ "kind": "Secret" }))),
        ("merge-patch-of-the-kind-by-null", patch(json!({ "kind": null }))),
        ("merge-patch-of-a-stale-version", patch(json!({ "metadata": { "resourceVersion": "1" } }))),
        (
            "merge-patch-of-the-version-by-null",
            patch(json!({ "metadata": { "resourceVersion": null }, "data": { "a": "9" } })),
        ),
        ("merge-patch-of-a-version-that-is-none", patch(json!({ "metadata": { "resourceVersion": "new" } }))),
        ("merge-patch-of-the-uid", patch(json!({ "metadata": { "uid": "11111111-1111-4111-8111-111111111111" } }))),
        (
            "merge-patch-of-the-creation",
            patch(json!({ "metadata": { "creationTimestamp": "2020-01-01T00:00:00Z" }, "data": { "a": "9" } })),
        ),
        ("merge-patch-of-the-deletion", patch(json!({ "metadata": { "deletionTimestamp": "2020-01-01T00:00:00Z" } }))),
        ("merge-patch-of-the-generation", patch(json!({ "metadata": { "generation": 7 } }))),
        ("merge-patch-of-labels", patch(json!({ "metadata": { "labels": { "app": null, "tier": "db" } } }))),
        ("merge-patch-of-a-bad-label", patch(json!({ "metadata": { "labels": { "a b": "c d" } } }))),
        ("merge-patch-of-the-managers", patch(json!({ "metadata": { "managedFields": [{}] } }))),
        ("merge-patch-that-empties-the-managers", patch(json!({ "metadata": { "managedFields": [] } }))),
        ("merge-patch-to-immutable", patch(json!({ "immutable": true }))),
    ]
}

fn options() -> Vec<(&'static str, Request)> {
    let sets = json!({ "data": { "c": "3" } });
    let patch = |query: &str| merge(SETTINGS, &sets).query(query);
    let twice = r#"{ "data": { "c": "3", "c": "4" }, "data": { "d": "5" } }"#;
    let long = "m".repeat(129);
    vec![
        ("patch-in-a-dry-run", patch("dryRun=All")),
        ("patch-in-an-unknown-dry-run", patch("dryRun=Some")),
        ("patch-in-two-dry-runs", patch("dryRun=All&dryRun=All")),
        ("patch-by-a-manager", patch("fieldManager=tester")),
        ("patch-by-a-long-manager", patch(&format!("fieldManager={long}"))),
        ("patch-by-a-manager-with-a-tab", patch("fieldManager=a%09b")),
        ("patch-with-force", patch("force=true")),
        ("patch-with-no-force", patch("force=false")),
        ("patch-with-an-unknown-validation", patch("fieldValidation=Loose")),
        ("merge-patch-with-duplicates", merge(SETTINGS, &sets).text(twice)),
        ("merge-patch-with-duplicates-strictly", merge(SETTINGS, &sets).text(twice).query("fieldValidation=Strict")),
        ("merge-patch-with-duplicates-ignored", merge(SETTINGS, &sets).text(twice).query("fieldValidation=Ignore")),
        (
            "merge-patch-with-an-unknown-field-strictly",
            merge(SETTINGS, &json!({ "colour": 1 })).query("fieldValidation=Strict"),
        ),
        (
            "merge-patch-with-an-unknown-field-ignored",
            merge(SETTINGS, &json!({ "colour": 1 })).query("fieldValidation=Ignore"),
        ),
        (
            "json-patch-with-an-unknown-field-strictly",
            operations(SETTINGS, &json!([{ "op": "add", "path": "/colour", "value": 1 }]))
                .query("fieldValidation=Strict"),
        ),
        ("patch-of-plain-json", patch("").content_type("application/json")),
        ("patch-of-an-unknown-type", patch("").content_type("text/plain")),
        ("patch-of-a-type-with-a-charset", patch("").content_type("application/merge-patch+json; charset=utf-8")),
        ("patch-without-a-type", patch("").content_type("")),
        ("patch-of-the-apply-type-in-cbor", patch("").content_type("application/apply-patch+cbor")),
        ("patch-of-a-status-that-is-not-there", merge("configmaps/web/status", &sets)),
        ("patch-of-nothing-that-is-there", merge("configmaps/none", &sets)),
        ("patch-of-nothing-by-what-is-none", merge("configmaps/none", &sets).text("{")),
        ("json-patch-of-nothing-that-is-there", operations("configmaps/none", &json!([]))),
        ("patch-of-a-collection", merge("configmaps", &sets)),
        ("patch-accepting-yaml", merge(SETTINGS, &sets).accept("application/yaml")),
        (
            "patch-accepting-metadata",
            merge(SETTINGS, &sets).accept("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"),
        ),
        ("patch-accepting-text", merge(SETTINGS, &sets).accept("text/plain")),
    ]
}

pub fn template(containers: Value) -> Value {
    json!({ "spec": { "template": { "spec": { "containers": containers } } } })
}

fn on(name: &'static str, patch: Value) -> Case {
    let given = case(name).given(create("apps/v1/deployments", &deployment("web")));
    kept(given, "apps/v1/deployments/web", strategic("apps/v1/deployments/web", &patch))
}

fn patches_of_containers() -> Vec<Case> {
    vec![
        on(
            "strategic-patch-changes-a-container",
            template(json!([{ "name": "app", "image": "registry.example/app:2" }])),
        ),
        on("strategic-patch-adds-a-container", template(json!([{ "name": "new", "image": "registry.example/new:1" }]))),
        on("strategic-patch-deletes-a-container", template(json!([{ "name": "log", "$patch": "delete" }]))),
        on("strategic-patch-deletes-no-container", template(json!([{ "name": "none", "$patch": "delete" }]))),
        on(
            "strategic-patch-replaces-the-containers",
            template(json!([{ "name": "new", "image": "registry.example/new:1" }, { "$patch": "replace" }])),
        ),
        on(
            "strategic-patch-replaces-a-container",
            template(json!([{ "name": "app", "image": "registry.example/app:2", "$patch": "replace" }])),
        ),
        on(
            "strategic-patch-orders-the-containers",
            json!({ "spec": { "template": { "spec": {
            "$setElementOrder/containers": [{ "name": "log" }, { "name": "app" }],
            "containers": [{ "name": "app", "image": "registry.example/app:2" }],
        } } } }),
        ),
        on(
            "strategic-patch-orders-new-containers",
            json!({ "spec": { "template": { "spec": {
            "$setElementOrder/containers": [{ "name": "new" }, { "name": "log" }, { "name": "app" }],
            "containers": [{ "name": "new", "image": "registry.example/new:1" }],
        } } } }),
        ),
        on(
            "strategic-patch-only-orders",
            json!({ "spec": { "template": { "spec": {
            "$setElementOrder/containers": [{ "name": "log" }, { "name": "app" }],
        } } } }),
        ),
        on(
            "strategic-patch-orders-what-is-not-there",
            json!({ "spec": { "template": { "spec": {
            "$setElementOrder/containers": [{ "name": "log" }],
            "containers": [{ "name": "app", "image": "registry.example/app:2" }],
        } } } }),
        ),
        on("strategic-patch-of-an-item-without-its-key", template(json!([{ "image": "registry.example/app:2" }]))),
        on("strategic-patch-of-a-null-item", template(json!([null]))),
        on("strategic-patch-of-an-unknown-directive", template(json!([{ "name": "app", "$patch": "destroy" }]))),
        on("strategic-patch-of-an-unknown-directive-in-a-map", json!({ "spec": { "$patch": "destroy" } })),
    ]
}

fn patches_of_maps_and_lists() -> Vec<Case> {
    vec![
        on(
            "strategic-patch-replaces-a-map",
            json!({ "metadata": { "labels": { "$patch": "replace", "tier": "db" } } }),
        ),
        on("strategic-patch-deletes-a-map", json!({ "metadata": { "labels": { "$patch": "delete" } } })),
        on(
            "strategic-patch-retains-keys",
            json!({ "spec": { "strategy": { "$retainKeys": ["type"], "type": "Recreate" } } }),
        ),
        on(
            "strategic-patch-retains-too-few-keys",
            json!({ "spec": { "strategy": { "$retainKeys": ["rollingUpdate"], "type": "Recreate" } } }),
        ),
        on("strategic-patch-without-retained-keys", json!({ "spec": { "strategy": { "type": "Recreate" } } })),
        on(
            "strategic-patch-of-the-strategy-by-null",
            json!({ "spec": { "strategy": { "type": "Recreate", "rollingUpdate": null } } }),
        ),
        on(
            "strategic-patch-of-ports",
            template(
                json!([{ "name": "app", "ports": [{ "containerPort": 80, "name": "http" }, { "containerPort": 81 }] }]),
            ),
        ),
        on(
            "strategic-patch-deletes-a-port",
            template(json!([{ "name": "app", "ports": [{ "containerPort": 80, "$patch": "delete" }] }])),
        ),
        on(
            "strategic-patch-of-environment",
            template(
                json!([{ "name": "app", "env": [{ "name": "B", "value": "2" }, { "name": "A", "$patch": "delete" }] }]),
            ),
        ),
    ]
}

fn patches_of_other_fields() -> Vec<Case> {
    let spec = |spec: Value| json!({ "spec": { "template": { "spec": spec } } });
    vec![
        on("strategic-patch-of-arguments", template(json!([{ "name": "app", "args": ["c"] }]))),
        on("strategic-patch-of-tolerations", spec(json!({ "tolerations": [{ "key": "b", "operator": "Exists" }] }))),
        on(
            "strategic-patch-of-volumes",
            spec(
                json!({ "volumes": [{ "name": "two", "emptyDir": {} }, { "name": "one", "$retainKeys": ["name", "configMap"], "configMap": { "name": "x" } }] }),
            ),
        ),
        on("strategic-patch-of-a-list-by-null", spec(json!({ "volumes": null }))),
        on("strategic-patch-of-a-list-by-a-map", spec(json!({ "containers": { "name": "app" } }))),
        on("strategic-patch-of-a-map-by-a-list", json!({ "metadata": { "labels": ["a"] } })),
        on(
            "strategic-patch-of-amounts",
            template(
                json!([{ "name": "app", "resources": { "limits": { "memory": null }, "requests": { "cpu": "2000m" } } }]),
            ),
        ),
        on("strategic-patch-of-replicas-by-text", json!({ "spec": { "replicas": "three" } })),
        on("strategic-patch-of-replicas-below-none", json!({ "spec": { "replicas": -1 } })),
        on("strategic-patch-of-the-selector", json!({ "spec": { "selector": { "matchLabels": { "tier": "db" } } } })),
        on("strategic-patch-of-the-status-beside", json!({ "status": { "replicas": 7 } })),
        on("strategic-patch-of-an-unknown-field", json!({ "spec": { "colour": "red" } })),
    ]
}

fn patches_of_settings() -> Vec<Case> {
    let cm = |name: &'static str, patch: Value| {
        kept(case(name).given(create("configmaps", &config_map("web"))), SETTINGS, strategic(SETTINGS, &patch))
    };
    let mut cases = vec![
        cm(
            "strategic-patch-deletes-from-a-list-of-texts",
            json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["example.com/hold"] } }),
        ),
        cm("strategic-patch-merges-a-list-of-texts", json!({ "metadata": { "finalizers": ["example.com/two"] } })),
        cm(
            "strategic-patch-orders-a-list-of-texts",
            json!({ "metadata": {
            "$setElementOrder/finalizers": ["example.com/two", "example.com/hold"], "finalizers": ["example.com/two"],
        } }),
        ),
        cm("strategic-patch-of-data", json!({ "data": { "a": null, "c": "3" } })),
        cm("strategic-patch-of-nothing", json!({})),
        cm("strategic-patch-that-is-a-list", json!([])),
        cm("strategic-patch-that-is-null", json!(null)),
        cm("strategic-patch-deletes-it-all", json!({ "$patch": "delete" })),
        cm("strategic-patch-replaces-it-all", json!({ "$patch": "replace", "data": { "z": "1" } })),
        cm(
            "strategic-patch-of-owners",
            json!({ "metadata": { "ownerReferences": [{
            "apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "11111111-1111-4111-8111-111111111111",
        }] } }),
        ),
        cm(
            "strategic-patch-of-an-owner-without-a-name",
            json!({ "metadata": { "ownerReferences": [{
            "apiVersion": "v1", "kind": "ConfigMap", "uid": "11111111-1111-4111-8111-111111111111",
        }] } }),
        ),
    ];
    cases.push(node_conditions());
    cases.push(
        case("strategic-patch-of-a-pod-s-metadata")
            .given(create("pods", &pod("web", &json!({}))))
            .ask(strategic("pods/web", &json!({ "metadata": { "annotations": { "example.com/note": "x" } } })))
            .ask(merge("pods/web", &json!({ "metadata": { "annotations": { "example.com/note": null } } }))),
    );
    cases
}

fn node_conditions() -> Case {
    let condition = |kind: &str, status: &str| {
        json!({ "type": kind, "status": status, "reason": "Told", "message": "told",
            "lastHeartbeatTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z" })
    };
    let at = "/api/v1/nodes/{{ns}}/status";
    let patch = |status: Value| strategic(at, &json!({ "status": status }));
    case("strategic-patches-of-a-node-s-status")
        .given(create("/api/v1/nodes", &json!({ "metadata": { "name": "{{ns}}" }, "spec": { "unschedulable": true } })))
        .ask(patch(json!({ "conditions": [condition("Ready", "False"), condition("Told", "True")] })))
        .ask(patch(json!({ "conditions": [condition("Ready", "True")] })))
        .ask(patch(json!({ "conditions": [{ "type": "Told", "$patch": "delete" }] })))
        .ask(patch(json!({ "addresses": [{ "type": "InternalIP", "address": "10.0.0.1" }] })))
            .ask(patch(json!({ "$setElementOrder/conditions": [{ "type": "Told" }, { "type": "Ready" }], "conditions": [condition("Told", "True")] })))
            .ask(strategic(at, &json!({ "spec": { "unschedulable": null }, "metadata": { "labels": { "a": "b" } }, "status": { "capacity": { "cpu": "2" } } })))
            .ask(strategic("/api/v1/nodes/{{ns}}", &json!({ "spec": { "unschedulable": null, "taints": [{ "key": "a", "effect": "NoSchedule" }] }, "status": { "capacity": null } })))
        .ask(get("/api/v1/nodes/{{ns}}"))
}

fn custom_patches() -> Vec<Case> {
    const WIDGET: &str = "example.com/v1/widgets/web";
    let on = |name: &'static str, request: Request| {
        kept(case(name).given(create("example.com/v1/widgets", &widget("web"))), WIDGET, request)
    };
    vec![
        on("merge-patch-of-a-custom-kind", merge(WIDGET, &json!({ "spec": { "size": 5, "tags": ["z"] } }))),
        on("merge-patch-of-a-custom-map", merge(WIDGET, &json!({ "spec": { "labels": { "a": null, "b": "2" } } }))),
        on("merge-patch-of-a-custom-default", merge(WIDGET, &json!({ "spec": { "mode": null } }))),
        on("merge-patch-of-a-custom-kind-with-an-unknown-field", merge(WIDGET, &json!({ "spec": { "colour": 1 } }))),
        on(
            "merge-patch-of-a-custom-kind-with-an-unknown-field-strictly",
            merge(WIDGET, &json!({ "spec": { "colour": 1 } })).query("fieldValidation=Strict"),
        ),
        on("merge-patch-of-a-custom-kind-that-is-wrong", merge(WIDGET, &json!({ "spec": { "size": "big" } }))),
        on("merge-patch-of-a-custom-kind-that-breaks-a-rule", merge(WIDGET, &json!({ "spec": { "size": 50 } }))),
        on("merge-patch-of-an-immutable-custom-field", merge(WIDGET, &json!({ "spec": { "fixed": "b" } }))),
        on("merge-patch-of-nothing-custom", merge(WIDGET, &json!({}))),
        on("merge-patch-of-a-custom-status-beside", merge(WIDGET, &json!({ "status": { "ready": 3 } }))),
        on(
            "merge-patch-of-a-custom-status",
            merge("example.com/v1/widgets/web/status", &json!({ "status": { "ready": 3 }, "spec": { "size": 7 } })),
        ),
        on(
            "merge-patch-of-a-custom-status-and-labels",
            merge(
                "example.com/v1/widgets/web/status",
                &json!({ "status": { "ready": 3 }, "metadata": { "labels": { "a": "b" } } }),
            ),
        ),
        on(
            "json-patch-of-a-custom-kind",
            operations(WIDGET, &json!([{ "op": "add", "path": "/spec/tags/-", "value": "z" }])),
        ),
        on(
            "json-patch-of-a-custom-kind-twice-the-same",
            operations(WIDGET, &json!([{ "op": "add", "path": "/spec/tags/-", "value": "x" }])),
        ),
        on(
            "json-patch-of-a-custom-kind-in-vain",
            operations(WIDGET, &json!([{ "op": "test", "path": "/spec/size", "value": 9 }])),
        ),
        on("strategic-patch-of-a-custom-kind", strategic(WIDGET, &json!({ "spec": { "size": 5 } }))),
        on("a-patch-of-a-custom-kind-of-no-type", merge(WIDGET, &json!({})).content_type("")),
        on(
            "merge-patch-of-a-custom-kind-to-another-version",
            merge(WIDGET, &json!({ "apiVersion": "example.com/v2" })),
        ),
        on("merge-patch-of-a-custom-kind-to-another-kind", merge(WIDGET, &json!({ "kind": "Gadget" }))),
        on("merge-patch-of-a-custom-kind-to-another-name", merge(WIDGET, &json!({ "metadata": { "name": "other" } }))),
        on(
            "merge-patch-of-a-custom-kind-from-a-stale-version",
            merge(WIDGET, &json!({ "metadata": { "resourceVersion": "1" } })),
        ),
        on(
            "merge-patch-of-a-custom-kind-with-a-bad-label",
            merge(WIDGET, &json!({ "metadata": { "labels": { "a b": "c d" } } })),
        ),
    ]
}

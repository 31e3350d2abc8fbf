//! What all objects have in common: names, namespaces, kinds, versions, labels, options.

use serde_json::{Value, json};

use super::{
    case::{Case, Request, case, create, edit, get, merge, replace},
    fixture::{config_map, deployment, widget},
};

pub fn cases() -> Vec<Case> {
    let mut cases = created();
    cases.extend(created_with_metadata());
    cases.extend(created_widgets());
    cases.extend(named());
    cases.extend(labelled());
    cases.extend(replaced());
    cases.extend(replaced_widgets());
    cases.extend(kept_and_counted());
    cases
}

/// The settings `web` with parts of another shape.
pub fn settings(changes: Value) -> Value {
    let mut object =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web" }, "data": { "a": "1" } });
    json_patch::merge(&mut object, &changes);
    object
}

fn metadata(changes: Value) -> Value {
    settings(json!({ "metadata": changes }))
}

fn asked(list: Vec<(&'static str, Request)>) -> Vec<Case> {
    list.into_iter().map(|(name, request)| case(name).ask(request)).collect()
}

fn created() -> Vec<Case> {
    let make = |changes: Value| create("configmaps", &settings(changes));
    let meta = |changes: Value| create("configmaps", &metadata(changes));
    let mut cases = asked(vec![
        ("a-creation", make(json!({}))),
        ("a-creation-without-metadata", make(json!({ "metadata": null }))),
        ("a-creation-without-a-name", meta(json!({ "name": null }))),
        ("a-creation-with-a-generated-name", meta(json!({ "name": null, "generateName": "web-" }))),
        ("a-creation-with-a-name-and-a-generated-one", meta(json!({ "generateName": "web-" }))),
        ("a-creation-with-a-bad-generated-name", meta(json!({ "name": null, "generateName": "Web_" }))),
        ("a-creation-with-a-long-generated-name", meta(json!({ "name": null, "generateName": "w".repeat(80) }))),
        ("a-creation-in-its-namespace", meta(json!({ "namespace": "{{ns}}" }))),
        ("a-creation-in-another-namespace", meta(json!({ "namespace": "other" }))),
        ("a-creation-of-another-kind", make(json!({ "kind": "Secret" }))),
        ("a-creation-of-an-unknown-kind", make(json!({ "kind": "Gadget" }))),
        ("a-creation-in-another-version", make(json!({ "apiVersion": "v2" }))),
        ("a-creation-in-another-group", make(json!({ "apiVersion": "apps/v1" }))),
        ("a-creation-without-a-kind", make(json!({ "kind": null }))),
        ("a-creation-without-a-version", make(json!({ "apiVersion": null }))),
        ("a-creation-without-either", make(json!({ "apiVersion": null, "kind": null }))),
        ("a-creation-in-a-namespace-that-is-not-there", create("/api/v1/namespaces/none/configmaps", &settings(json!({})))),
        ("a-creation-for-all-namespaces", create("/api/v1/configmaps", &settings(json!({})))),
        ("a-creation-at-a-name", create("configmaps/web", &settings(json!({})))),
        ("a-creation-in-a-dry-run", make(json!({})).query("dryRun=All")),
        ("a-creation-in-an-unknown-dry-run", make(json!({})).query("dryRun=Some")),
        ("a-creation-in-two-dry-runs", make(json!({})).query("dryRun=All&dryRun=Some")),
        ("a-creation-in-an-empty-dry-run", make(json!({})).query("dryRun=")),
        ("a-creation-by-a-long-manager", make(json!({})).query(&format!("fieldManager={}", "m".repeat(129)))),
        ("a-creation-by-a-manager", make(json!({})).query("fieldManager=tester")),
        ("a-creation-that-is-indented", make(json!({})).query("pretty=true")),
        ("a-creation-of-an-item-with-nulls", make(json!({ "data": { "a": "1" } })).text(r#"{"metadata":{"name":"web","labels":null,"annotations":{"a":null}},"data":{"a":null,"b":"2"},"binaryData":null}"#)),
    ]);
    cases.push(
        case("a-creation-of-what-is-there")
            .given(make(json!({})))
            .ask(make(json!({})))
            .ask(make(json!({})).query("dryRun=All")),
    );
    cases.push(
        case("a-widget-s-creation-of-what-is-there")
            .given(create("example.com/v1/widgets", &widget("web")))
            .ask(create("example.com/v1/widgets", &widget("web"))),
    );
    cases.push(
        case("a-creation-in-a-dry-run-leaves-nothing")
            .given(make(json!({})).query("dryRun=All"))
            .ask(get("configmaps/web"))
            .ask(get("configmaps")),
    );
    cases
}

fn created_with_metadata() -> Vec<Case> {
    let meta = |changes: Value| create("configmaps", &metadata(changes));
    asked(vec![
        ("a-creation-at-a-version", meta(json!({ "resourceVersion": "5" }))),
        ("a-creation-at-version-zero", meta(json!({ "resourceVersion": "0" }))),
        ("a-creation-with-a-uid", meta(json!({ "uid": "11111111-1111-4111-8111-111111111111" }))),
        (
            "a-creation-with-times",
            meta(
                json!({ "creationTimestamp": "2020-01-01T00:00:00Z", "deletionTimestamp": "2020-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5 }),
            ),
        ),
        ("a-creation-with-a-time-that-is-none", meta(json!({ "creationTimestamp": "yesterday" }))),
        ("a-creation-with-a-generation", meta(json!({ "generation": 7 }))),
        ("a-creation-with-a-link", meta(json!({ "selfLink": "/a/b" }))),
        (
            "a-creation-with-managers",
            meta(
                json!({ "managedFields": [{ "manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": { "f:data": {} } }] }),
            ),
        ),
        ("a-creation-with-finalizers", meta(json!({ "finalizers": ["example.com/hold"] }))),
        ("a-creation-with-a-plain-finalizer", meta(json!({ "finalizers": ["hold"] }))),
        ("a-creation-with-a-bad-finalizer", meta(json!({ "finalizers": ["a b"] }))),
        ("a-creation-with-an-empty-finalizer", meta(json!({ "finalizers": [""] }))),
        ("a-creation-with-both-deletion-finalizers", meta(json!({ "finalizers": ["orphan", "foregroundDeletion"] }))),
        (
            "a-creation-with-an-owner",
            meta(
                json!({ "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "1", "controller": true, "blockOwnerDeletion": false }] }),
            ),
        ),
        (
            "a-creation-with-two-controllers",
            meta(json!({ "ownerReferences": [
            { "apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "1", "controller": true },
            { "apiVersion": "v1", "kind": "Pod", "name": "y", "uid": "2", "controller": true },
        ] })),
        ),
        (
            "a-creation-with-an-owner-twice",
            meta(json!({ "ownerReferences": [
            { "apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "1" }, { "apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "1" },
        ] })),
        ),
        (
            "a-creation-with-an-empty-owner",
            meta(json!({ "ownerReferences": [{ "apiVersion": "", "kind": "", "name": "", "uid": "" }] })),
        ),
        (
            "a-creation-with-an-event-as-owner",
            meta(json!({ "ownerReferences": [{ "apiVersion": "v1", "kind": "Event", "name": "x", "uid": "1" }] })),
        ),
    ])
}

fn created_widgets() -> Vec<Case> {
    let make = |changes: Value| {
        let mut object = widget("web");
        json_patch::merge(&mut object, &changes);
        create("example.com/v1/widgets", &object)
    };
    let meta = |changes: Value| make(json!({ "metadata": changes }));
    asked(vec![
        ("a-widget-s-creation-in-another-version", make(json!({ "apiVersion": "example.com/v2" }))),
        ("a-widget-s-creation-without-a-kind", make(json!({ "kind": null }))),
        ("a-widget-s-creation-without-either", make(json!({ "kind": null, "apiVersion": null }))),
        ("a-widget-s-creation-without-a-name", meta(json!({ "name": null }))),
        ("a-widget-s-creation-in-another-namespace", meta(json!({ "namespace": "other" }))),
        ("a-widget-s-creation-with-a-bad-name", meta(json!({ "name": "Web_1" }))),
        ("a-widget-s-creation-with-metadata-that-is-wrong", meta(json!({ "labels": { "a": 1 } }))),
        ("a-widget-s-creation-with-unknown-metadata", meta(json!({ "colour": "red" }))),
        ("a-widget-s-creation-with-a-generation", meta(json!({ "generation": 7 }))),
        ("a-widget-s-creation-with-a-status", make(json!({ "status": { "ready": 3 } }))),
    ])
}

fn named() -> Vec<Case> {
    let longest = "n".repeat(253);
    let too_long = "n".repeat(254);
    let names = [
        "web-1.a", "Web", "web_1", "-web", "web-", "web.", ".web", "web..a", "a/b", "a%b", ".", "..", "1", &longest,
        &too_long, "wéb", "a b", "",
    ];
    let ask = |name, collection: &'static str, object: &dyn Fn(&str) -> Value, names: &[&str]| {
        names.iter().fold(case(name), |case, name| case.ask(create(collection, &object(name)).query("dryRun=All")))
    };
    let named = |kind: Value| {
        move |name: &str| {
            let mut object = kind.clone();
            object["metadata"]["name"] = json!(name);
            object
        }
    };
    vec![
        ask("names-of-settings", "configmaps", &named(settings(json!({}))), &names),
        ask("names-of-widgets", "example.com/v1/widgets", &named(widget("web")), &names),
        ask("names-of-deployments", "apps/v1/deployments", &named(deployment("web")), &["web.a", "Web", "-web"]),
        ask(
            "names-of-namespaces",
            "/api/v1/namespaces",
            &named(json!({ "metadata": {} })),
            &["web.a", "Web", &"n".repeat(64), "1a", "-a", "a_b"],
        ),
        ask("names-of-nodes", "/api/v1/nodes", &named(json!({ "metadata": {} })), &["web.a", "Web", "-a"]),
        ask(
            "names-of-leases",
            "coordination.k8s.io/v1/leases",
            &named(json!({ "metadata": {} })),
            &["web.a", "Web", "-a"],
        ),
        ask(
            "names-of-budgets",
            "policy/v1/poddisruptionbudgets",
            &named(json!({ "metadata": {}, "spec": {} })),
            &["web.a", "Web", "-a"],
        ),
        ask("names-of-secrets", "secrets", &named(json!({ "metadata": {} })), &["web.a", "Web", "-a"]),
        ask("names-of-service-accounts", "serviceaccounts", &named(json!({ "metadata": {} })), &["web.a", "Web", "-a"]),
        ask("names-of-limit-ranges", "limitranges", &named(json!({ "metadata": {} })), &["web.a", "Web", "-a"]),
        ask("names-of-quotas", "resourcequotas", &named(json!({ "metadata": {} })), &["web.a", "Web", "-a"]),
    ]
}

fn labelled() -> Vec<Case> {
    let meta = |changes: Value| create("configmaps", &metadata(changes)).query("dryRun=All");
    let label = |key: &str, value: Value| {
        let mut labels = json!({});
        labels[key] = value;
        meta(json!({ "labels": labels }))
    };
    let annotation = |key: &str, value: Value| {
        let mut annotations = json!({});
        annotations[key] = value;
        meta(json!({ "annotations": annotations }))
    };
    let keys = ["a", "a/b", "example.com/a", "Ex.com/a", "a/b/c", "/a", "a/", "-a", "a-", "a b", "", "a_b.c-d", "ä"];
    let values = ["", "v", "V_1.a", "-v", "v-", "a b", "a/b", "ä"];
    let long = "a".repeat(64);
    let long_prefix = format!("{}/a", "p".repeat(254));
    let mut keyed = keys.iter().fold(case("label-keys"), |case, key| case.ask(label(key, json!("v"))));
    keyed = keyed.ask(label(&long, json!("v"))).ask(label(&long_prefix, json!("v")));
    let mut valued = values.iter().fold(case("label-values"), |case, value| case.ask(label("a", json!(value))));
    valued = valued
        .ask(label("a", json!(long)))
        .ask(label("a", json!(1)))
        .ask(label("a", json!(true)))
        .ask(label("a", json!({ "b": "c" })));
    let annotated = keys.iter().fold(case("annotation-keys"), |case, key| case.ask(annotation(key, json!("v"))));
    vec![
        keyed,
        valued,
        annotated
            .ask(annotation(&long, json!("v")))
            .ask(annotation("a", json!(1)))
            .ask(annotation("a", json!("x".repeat(262_145)))),
        case("labels-that-are-no-map").ask(meta(json!({ "labels": ["a"] }))).ask(meta(json!({ "labels": "a" }))),
        case("labels-and-names-that-are-wrong")
            .ask(meta(json!({ "name": "W", "labels": { "a b": "c d" }, "annotations": { "c d": "" } }))),
        case("labels-that-are-changed")
            .given(create("configmaps", &settings(json!({}))))
            .ask(merge("configmaps/web", &json!({ "metadata": { "labels": { "a": "b c" } } })))
            .ask(merge("configmaps/web", &json!({ "metadata": { "annotations": { "b c": "a" } } })))
            .ask(merge("configmaps/web", &json!({ "metadata": { "finalizers": ["a b"] } })))
                .ask(merge("configmaps/web", &json!({ "metadata": { "ownerReferences": [{ "apiVersion": "v1", "kind": "", "name": "x", "uid": "1" }] } }))),
    ]
}

fn replaced() -> Vec<Case> {
    let on = |name: &'static str| case(name).given(create("configmaps", &config_map("web")));
    let whole = |edits: &[(&'static str, Value)]| edit("configmaps/web", "configmaps/web", edits);
    let changed = |at: &'static str, value: Value| whole(&[("/data/a", json!("9")), (at, value)]);
    vec![
        on("a-replacement").ask(whole(&[("/data/a", json!("9"))])).ask(get("configmaps/web")),
        on("a-replacement-by-nothing-new").ask(whole(&[])),
        on("a-replacement-without-its-version").ask(changed("/metadata/resourceVersion", json!(null))),
        on("a-replacement-of-version-zero").ask(changed("/metadata/resourceVersion", json!("0"))),
        on("a-replacement-of-a-stale-version").ask(changed("/metadata/resourceVersion", json!("1"))),
        on("a-replacement-of-a-version-that-is-none").ask(changed("/metadata/resourceVersion", json!("new"))),
        on("a-replacement-without-its-uid").ask(changed("/metadata/uid", json!(null))),
        on("a-replacement-for-another-uid")
            .ask(changed("/metadata/uid", json!("11111111-1111-4111-8111-111111111111"))),
        on("a-replacement-without-its-name").ask(changed("/metadata/name", json!(null))),
        on("a-replacement-by-another-name").ask(changed("/metadata/name", json!("other"))),
        on("a-replacement-without-its-namespace").ask(changed("/metadata/namespace", json!(null))),
        on("a-replacement-in-another-namespace").ask(changed("/metadata/namespace", json!("other"))),
        on("a-replacement-by-another-kind").ask(changed("/kind", json!("Secret"))),
        on("a-replacement-without-a-kind").ask(changed("/kind", json!(null))),
        on("a-replacement-in-another-version").ask(changed("/apiVersion", json!("v2"))),
        on("a-replacement-with-another-creation")
            .ask(changed("/metadata/creationTimestamp", json!("2020-01-01T00:00:00Z"))),
        on("a-replacement-without-its-creation").ask(changed("/metadata/creationTimestamp", json!(null))),
        on("a-replacement-with-a-deletion").ask(changed("/metadata/deletionTimestamp", json!("2020-01-01T00:00:00Z"))),
        on("a-replacement-with-a-generation").ask(changed("/metadata/generation", json!(7))),
        on("a-replacement-with-a-generated-name").ask(changed("/metadata/generateName", json!("web-"))),
        on("a-replacement-without-labels").ask(changed("/metadata/labels", json!(null))),
        on("a-replacement-in-a-dry-run")
            .ask(edit("configmaps/web?dryRun=All", "configmaps/web", &[("/data/a", json!("9"))]))
            .ask(get("configmaps/web")),
        on("a-replacement-with-a-uid-and-without-a-version").ask(replace(
            "configmaps/web",
            &settings(json!({ "metadata": { "uid": "11111111-1111-4111-8111-111111111111" } })),
        )),
        case("a-replacement-of-nothing")
            .ask(replace("configmaps/web", &settings(json!({}))))
            .ask(replace("example.com/v1/widgets/web", &widget("web"))),
        case("a-replacement-of-nothing-at-a-version")
            .ask(replace("configmaps/web", &metadata(json!({ "resourceVersion": "5" })))),
        case("a-replacement-of-nothing-with-a-uid")
            .ask(replace("configmaps/web", &metadata(json!({ "uid": "11111111-1111-4111-8111-111111111111" })))),
        case("a-lease-s-replacement-makes-it")
            .ask(replace(
                "coordination.k8s.io/v1/leases/web",
                &json!({ "metadata": { "name": "web" }, "spec": { "holderIdentity": "me" } }),
            ))
            .ask(get("coordination.k8s.io/v1/leases/web")),
    ]
}

fn replaced_widgets() -> Vec<Case> {
    let on_widget = |name: &'static str| case(name).given(create("example.com/v1/widgets", &widget("web")));
    let whole_widget =
        |edits: &[(&'static str, Value)]| edit("example.com/v1/widgets/web", "example.com/v1/widgets/web", edits);
    vec![
        on_widget("a-widget-s-replacement")
            .ask(whole_widget(&[("/spec/size", json!(3))]))
            .ask(whole_widget(&[("/metadata/labels", json!({ "a": "b" }))]))
            .ask(get("example.com/v1/widgets/web")),
        on_widget("a-widget-s-replacement-without-its-version")
            .ask(whole_widget(&[("/metadata/resourceVersion", json!(null))])),
        on_widget("a-widget-s-replacement-of-a-stale-version")
            .ask(whole_widget(&[("/metadata/resourceVersion", json!("1"))])),
        on_widget("a-widget-s-replacement-of-a-version-that-is-none")
            .ask(whole_widget(&[("/metadata/resourceVersion", json!("new"))])),
        on_widget("a-widget-s-replacement-for-another-uid")
            .ask(whole_widget(&[("/metadata/uid", json!("11111111-1111-4111-8111-111111111111"))])),
        on_widget("a-widget-s-replacement-by-another-name").ask(whole_widget(&[("/metadata/name", json!("other"))])),
        on_widget("a-widget-s-replacement-with-another-creation")
            .ask(whole_widget(&[("/metadata/creationTimestamp", json!("2020-01-01T00:00:00Z"))])),
        on_widget("a-widget-s-replacement-with-a-deletion")
            .ask(whole_widget(&[("/metadata/deletionTimestamp", json!("2020-01-01T00:00:00Z"))])),
        on_widget("a-widget-s-replacement-with-a-generation").ask(whole_widget(&[("/metadata/generation", json!(9))])),
        on_widget("a-widget-s-replacement-of-its-status").ask(edit(
            "example.com/v1/widgets/web/status",
            "example.com/v1/widgets/web",
            &[("/status", json!({ "ready": 2 })), ("/spec/size", json!(9)), ("/metadata/labels", json!({ "a": "b" }))],
        )),
    ]
}

fn kept_and_counted() -> Vec<Case> {
    let on = |name: &'static str| case(name).given(create("configmaps", &config_map("web")));
    vec![
        on("immutable-settings")
            .given(merge("configmaps/web", &json!({ "immutable": true })))
            .ask(merge("configmaps/web", &json!({ "data": { "a": "9" } })))
            .ask(merge("configmaps/web", &json!({ "immutable": false })))
            .ask(merge("configmaps/web", &json!({ "metadata": { "labels": { "x": "y" } } }))),
        case("an-immutable-selector").given(create("apps/v1/deployments", &deployment("web"))).ask(edit(
            "apps/v1/deployments/web",
            "apps/v1/deployments/web",
            &[
                ("/spec/selector/matchLabels", json!({ "app": "db" })),
                ("/spec/template/metadata/labels", json!({ "app": "db" })),
            ],
        )),
        case("generations-of-a-deployment")
            .given(create("apps/v1/deployments", &deployment("web")))
            .ask(merge("apps/v1/deployments/web", &json!({ "metadata": { "labels": { "x": "y" } } })))
            .ask(merge("apps/v1/deployments/web", &json!({ "metadata": { "annotations": { "x": "y" } } })))
            .ask(merge("apps/v1/deployments/web", &json!({ "spec": { "replicas": 3 } })))
            .ask(merge(
                "apps/v1/deployments/web/status",
                &json!({ "status": { "observedGeneration": 2, "replicas": 3 } }),
            ))
            .ask(edit("apps/v1/deployments/web", "apps/v1/deployments/web", &[("/metadata/generation", json!(40))])),
        case("generations-of-a-widget")
            .given(create("example.com/v1/widgets", &widget("web")))
            .ask(merge("example.com/v1/widgets/web", &json!({ "metadata": { "labels": { "x": "y" } } })))
            .ask(merge("example.com/v1/widgets/web", &json!({ "spec": { "size": 3 } })))
            .ask(merge("example.com/v1/widgets/web/status", &json!({ "status": { "ready": 2 } })))
            .ask(merge("example.com/v1/widgets/web", &json!({ "metadata": { "generation": 40 } }))),
    ]
}

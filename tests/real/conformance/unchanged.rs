//! Writes that change nothing.

use serde_json::{Value, json};

use super::{
    case::{Case, Request, case, create, edit, merge, operations, strategic},
    fixture::{config_map, deployment, widget},
    patches::template,
};

const SETTINGS: &str = "configmaps/web";

/// What changes nothing keeps the version: a write that names the version from before still succeeds.
pub fn cases() -> Vec<Case> {
    let after = |name: &'static str, collection: &str, object: &Value, request: &dyn Fn(&str) -> Request| {
        let path = format!("{collection}/web");
        let is_current = edit(
            &path,
            &path,
            &[("/metadata/resourceVersion", json!("{{version}}")), ("/metadata/labels", json!({ "current": "yes" }))],
        );
        case(name)
            .given(create(collection, object))
            .keep("version", "/metadata/resourceVersion")
            .ask(request(&path))
            .ask(is_current)
    };
    let mut cases = vec![
        after("an-empty-merge-patch-keeps-the-version", "configmaps", &config_map("web"), &|path| {
            merge(path, &json!({}))
        }),
        after("a-merge-patch-to-the-same-keeps-the-version", "configmaps", &config_map("web"), &|path| {
            merge(path, &json!({ "data": { "a": "1" } }))
        }),
        after("an-empty-json-patch-keeps-the-version", "configmaps", &config_map("web"), &|path| {
            operations(path, &json!([]))
        }),
        after("an-empty-strategic-patch-keeps-the-version", "apps/v1/deployments", &deployment("web"), &|path| {
            strategic(path, &json!({}))
        }),
        after("the-same-amounts-keep-the-version", "apps/v1/deployments", &deployment("web"), &|path| {
            strategic(path, &template(json!([{ "name": "app", "resources": { "requests": { "cpu": "0.5" } } }])))
        }),
        after("the-same-manager-and-patch-keep-the-version", "configmaps", &config_map("web"), &|path| {
            merge(path, &json!({ "data": { "a": "1" } })).query("fieldManager=other")
        }),
        after("an-empty-patch-of-a-custom-kind-keeps-the-version", "example.com/v1/widgets", &widget("web"), &|path| {
            merge(path, &json!({}))
        }),
        after("a-dropped-field-keeps-the-version", "example.com/v1/widgets", &widget("web"), &|path| {
            merge(path, &json!({ "spec": { "colour": "red" } }))
        }),
        after("the-same-replacement-keeps-the-version", "configmaps", &config_map("web"), &|path| {
            edit(path, path, &[])
        }),
        after("the-same-status-keeps-the-version", "example.com/v1/widgets", &widget("web"), &|path| {
            merge(&format!("{path}/status"), &json!({ "status": null }))
        }),
        after("a-dry-run-keeps-the-version", "configmaps", &config_map("web"), &|path| {
            merge(path, &json!({ "data": { "a": "7" } })).query("dryRun=All")
        }),
    ];
    let apply = |path: &str| {
        super::case::apply(
            path,
            "tester",
            &json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web" }, "data": { "z": "1" } }),
        )
    };
    cases.push(
        case("the-same-apply-keeps-the-version")
            .given(apply(SETTINGS))
            .keep("version", "/metadata/resourceVersion")
            .ask(apply(SETTINGS))
            .ask(edit(
                SETTINGS,
                SETTINGS,
                &[("/metadata/resourceVersion", json!("{{version}}")), ("/data/z", json!("2"))],
            )),
    );
    cases
}

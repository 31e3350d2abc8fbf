//! The paths of a resource, with their methods and options.

use serde_json::{Value, json};

use super::{SCHEMAS, root};
use crate::sim::api_server::registry::{Resource, Shape, Subresource};

/// The paths of a resource whose schema is called `schema`.
pub(super) fn paths(resource: &Resource, schema: &str) -> Vec<(String, Value)> {
    let place = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    let all = format!("/{}{place}/{}", root(resource), resource.plural);
    let one = format!("{all}/{{name}}");
    let operation = |action| operation(resource, schema, action);
    if resource.is_review() {
        return vec![(all, path(resource, false, &[("post", operation("post"))]))];
    }
    let mut paths = vec![
        (all, path(resource, false, &[("get", operation("list")), ("post", operation("post"))])),
        (
            one.clone(),
            path(
                resource,
                true,
                &[
                    ("get", operation("get")),
                    ("put", operation("put")),
                    ("patch", operation("patch")),
                    ("delete", operation("delete")),
                ],
            ),
        ),
    ];
    if resource.namespaced {
        let everywhere = format!("/{}/{}", root(resource), resource.plural);
        let list = json!({ "get": operation("list") });
        paths.push((everywhere, list));
    }
    let parts = resource.subresources.iter().filter(|part| matches!(part, Subresource::Status | Subresource::Resize));
    for part in parts {
        let name: &str = part.into();
        let methods = [("get", operation("get")), ("put", operation("put")), ("patch", operation("patch"))];
        paths.push((format!("{one}/{name}"), path(resource, true, &methods)));
    }
    paths
}

fn path(resource: &Resource, of_one: bool, methods: &[(&str, Value)]) -> Value {
    let in_path = |name: &str| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
    let mut parameters = Vec::new();
    parameters.extend(of_one.then(|| in_path("name")));
    parameters.extend(resource.namespaced.then(|| in_path("namespace")));
    let mut path = json!({ "parameters": parameters });
    for (method, operation) in methods {
        path[*method] = operation.clone();
    }
    path
}

fn operation(resource: &Resource, schema: &str, action: &'static str) -> Value {
    let content = json!({ "schema": { "$ref": format!("{SCHEMAS}{schema}") } });
    let options: &[(&str, &str)] = match action {
        "list" => &[
            ("continue", "string"),
            ("fieldSelector", "string"),
            ("labelSelector", "string"),
            ("limit", "integer"),
            ("resourceVersion", "string"),
            ("timeoutSeconds", "integer"),
            ("watch", "boolean"),
        ],
        "post" | "put" => &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")],
        "patch" => {
            &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean")]
        }
        "delete" => &[("dryRun", "string"), ("gracePeriodSeconds", "integer"), ("propagationPolicy", "string")],
        _ => &[],
    };
    let option = |(name, kind): &(&str, &str)| json!({ "name": name, "in": "query", "schema": { "type": kind } });
    let mut operation = json!({
        "parameters": options.iter().map(option).collect::<Vec<_>>(),
        "responses": { "200": { "description": "OK" } },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind":
            { "group": resource.group, "version": resource.version, "kind": resource.kind },
    });
    if action != "list" && action != "delete" {
        operation["responses"]["200"]["content"] = json!({ "application/json": content });
    }
    match action {
        "post" | "put" => operation["requestBody"] = json!({ "content": { "application/json": content } }),
        "patch" => operation["requestBody"] = json!({ "content": patches(resource) }),
        _ => {}
    }
    operation
}

/// The kinds of patches that are taken. By this list clients learn whether lists of the kind merge.
fn patches(resource: &Resource) -> Value {
    let mut content = json!({});
    let strategic = matches!(resource.shape, Shape::Builtin { .. }).then_some("application/strategic-merge-patch+json");
    let others = ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
    for media_type in others.into_iter().chain(strategic) {
        content[media_type] = json!({ "schema": { "type": "object" } });
    }
    content
}

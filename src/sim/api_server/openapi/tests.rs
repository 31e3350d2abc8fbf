use rstest::rstest;

use super::*;

fn core() -> Value {
    document(&Registry::builtin(), "api/v1").unwrap()
}

fn schema<'a>(document: &'a Value, name: &str) -> &'a Value {
    &document["components"]["schemas"][name]
}

#[test]
fn every_group_and_version_has_a_document() {
    let registry = Registry::builtin();
    let index = index(&registry);
    let paths = index["paths"].as_object().unwrap();
    assert!(paths.contains_key("api/v1") && paths.contains_key("apis/apps/v1"), "{paths:?}");
    for path in paths.keys() {
        assert_eq!(paths[path]["serverRelativeURL"], format!("/openapi/v3/{path}"));
        document(&registry, path).unwrap();
    }
    assert_eq!(document(&registry, "apis/apps/v2").unwrap_err().code, Some(404));
}

#[test]
fn nothing_is_referred_to_that_is_not_there() {
    let registry = Registry::builtin();
    for path in index(&registry)["paths"].as_object().unwrap().keys() {
        let document = document(&registry, path).unwrap();
        let text = document.to_string();
        let opening = format!("\"$ref\":\"{SCHEMAS}");
        let references = text.split(&opening).skip(1).map(|rest| rest.split('"').next().unwrap());
        for reference in references {
            assert!(schema(&document, reference).is_object(), "{path}: {reference}");
        }
    }
}

#[rstest]
#[case("PodSpec", "containers", json!("name"), json!("merge"))]
#[case("PodSpec", "volumes", json!("name"), json!("merge,retainKeys"))]
#[case("PodSpec", "tolerations", json!(null), json!(null))]
#[case("Container", "ports", json!("containerPort"), json!("merge"))]
#[case("Container", "env", json!("name"), json!("merge"))]
#[case("Container", "args", json!(null), json!(null))]
#[case("ServiceSpec", "ports", json!("port"), json!("merge"))]
#[case("PodStatus", "conditions", json!("type"), json!("merge"))]
fn lists_are_marked_with_how_they_merge(
    #[case] kind: &str,
    #[case] field: &str,
    #[case] key: Value,
    #[case] strategy: Value,
) {
    let document = core();
    let field = &schema(&document, &format!("io.k8s.api.core.v1.{kind}"))["properties"][field];
    assert_eq!(field["type"], "array");
    assert_eq!((&field["x-kubernetes-patch-merge-key"], &field["x-kubernetes-patch-strategy"]), (&key, &strategy));
}

#[test]
fn clients_learn_from_a_patch_what_it_takes() {
    let document = core();
    let patch = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"], json!({ "group": "", "version": "v1", "kind": "Pod" }));
    assert!(patch["requestBody"]["content"]["application/strategic-merge-patch+json"].is_object());
    let options = patch["parameters"].as_array().unwrap();
    assert!(options.iter().any(|option| option["name"] == "fieldValidation"), "{options:?}");
}

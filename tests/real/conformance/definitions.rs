//! CustomResourceDefinitions, and what a definition does to its objects.

use serde_json::{Value, json};

use super::{
    case::{Case, case, create, delete, edit, get, merge, operations},
    fixture::{widget, widgets},
};

pub fn cases() -> Vec<Case> {
    let mut cases = objects();
    cases.extend(lives());
    cases.extend(shapes());
    cases.extend(refused());
    cases
}

fn made(spec: Value) -> super::case::Request {
    create(
        "example.com/v1/widgets?dryRun=All",
        &json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "web" }, "spec": spec }),
    )
}

fn objects() -> Vec<Case> {
    let all =
        |name: &'static str, specs: &[Value]| specs.iter().fold(case(name), |case, spec| case.ask(made(spec.clone())));
    vec![
        all("widgets-with-defaults", &[json!({}), json!({ "mode": "Fast" }), json!({ "mode": null }), json!({ "parts": [{ "name": "a" }] }), json!({ "empty": null, "size": null }), json!(null)]),
        all("widgets-that-are-pruned", &[json!({ "colour": 1, "extra": { "kept": { "a": [1, null] } } }), json!({ "parts": [{ "name": "a", "weight": 3 }] }), json!({ "labels": { "a": "b" } })]),
        all("widgets-of-wrong-types", &[
            json!({ "size": "1" }), json!({ "size": 1.5 }), json!({ "size": 1.0 }), json!({ "size": true }), json!({ "mode": 1 }), json!({ "labels": { "a": 1 } }), json!({ "labels": [] }),
            json!({ "steps": "a" }), json!({ "steps": [1] }), json!({ "steps": [null] }), json!({ "parts": [1] }), json!({ "share": 1 }), json!({ "share": "1%" }), json!({ "share": 1.5 }), json!({ "share": [] }), json!(1), json!([]), json!("a"),
            json!({ "size": 99_999_999_999_999_999_999.0_f64 }),
        ]),
        all("widgets-of-wrong-values", &[
            json!({ "size": -1 }), json!({ "size": 101 }), json!({ "size": 40 }), json!({ "mode": "Slower" }), json!({ "tags": ["a", "a"] }), json!({ "parts": [{ "note": "x" }] }),
            json!({ "parts": [{ "name": "a" }, { "name": "a", "port": 80 }] }), json!({ "mode": "X", "size": -1, "tags": ["a", "a"], "steps": [1] }),
        ]),
        case("widgets-that-change")
            .given(create("example.com/v1/widgets", &widget("web")))
            .ask(merge("example.com/v1/widgets/web", &json!({ "spec": { "fixed": "b" } })))
            .ask(merge("example.com/v1/widgets/web", &json!({ "spec": { "fixed": null } })))
            .ask(merge("example.com/v1/widgets/web", &json!({ "spec": { "fixed": "c", "size": 45 } })))
            .ask(merge("example.com/v1/widgets/web", &json!({ "spec": null })))
                .ask(operations("example.com/v1/widgets/web", &json!([{ "op": "add", "path": "/spec/parts/-", "value": { "name": "left" } }])))
            .ask(merge("example.com/v1/widgets/web/status", &json!({ "status": { "ready": "x" } })))
            .ask(merge("example.com/v1/widgets/web/status", &json!({ "status": { "conditions": [{ "type": "A" }] } })))
                .ask(merge("example.com/v1/widgets/web/status", &json!({ "status": { "conditions": [{ "type": "A", "status": "x" }, { "type": "A", "status": "y" }] } })))
            .ask(merge("example.com/v1/widgets/web/status", &json!({ "status": { "colour": 1, "ready": 1 } })))
            .ask(get("example.com/v1/widgets/web")),
    ]
}

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn own() -> Value {
    widgets("{{ns}}.example.com")
}

/// Where the case's own definition is, and its objects.
const AT: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{{ns}}.example.com";
const OWN_WIDGETS: &str = "{{ns}}.example.com/v1/widgets";

fn own_widget() -> Value {
    let mut thing = widget("web");
    thing["apiVersion"] = json!("{{ns}}.example.com/v1");
    thing
}

fn lives() -> Vec<Case> {
    let thing = own_widget();
    vec![
        case("a-definition-s-life")
            .given(create(DEFINITIONS, &own()))
            .until(get(OWN_WIDGETS), 200)
            .ask(create(OWN_WIDGETS, &thing))
            .ask(create(DEFINITIONS, &own()))
            .ask(merge(AT, &json!({ "spec": { "group": "other.example.com" } })))
            .ask(merge(AT, &json!({ "spec": { "scope": "Cluster" } })))
            .ask(merge(AT, &json!({ "spec": { "names": { "plural": "gadgets" } } })))
            .ask(get(&format!("{OWN_WIDGETS}/web")))
            .ask(delete(AT))
            .until(get(OWN_WIDGETS), 404),
        case("a-definition-s-status")
            .given(create(DEFINITIONS, &own()))
            .until(get(OWN_WIDGETS), 200)
            .ask(get(AT))
            .ask(merge(&format!("{AT}/status"), &json!({ "spec": { "scope": "Cluster" } }))),
    ]
}

fn shapes() -> Vec<Case> {
    let mut bare = own();
    bare["spec"]["names"] = json!({ "plural": "widgets", "kind": "Widget" });
    bare["spec"]["versions"][0].as_object_mut().expect("it is a version").remove("subresources");
    let mut free = own();
    free["spec"]["versions"][0]["schema"] =
        json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    free["spec"]["versions"][0].as_object_mut().expect("it is a version").remove("selectableFields");
    let thing = own_widget();
    let mut wide = own();
    wide["spec"]["scope"] = json!("Cluster");
    vec![
        case("a-definition-without-parts")
            .given(create(DEFINITIONS, &bare))
            .until(get(OWN_WIDGETS), 200)
            .ask(get(AT))
            .ask(create(OWN_WIDGETS, &{
                let mut t = thing.clone();
                t["status"] = json!({ "ready": 1 });
                t
            }))
            .ask(merge(&format!("{OWN_WIDGETS}/web"), &json!({ "status": { "ready": 2 } })))
            .ask(merge(&format!("{OWN_WIDGETS}/web/status"), &json!({ "status": { "ready": 3 } })))
            .ask(get(&format!("{OWN_WIDGETS}/web/scale"))),
        case("a-definition-that-keeps-all")
            .given(create(DEFINITIONS, &free))
            .until(get(OWN_WIDGETS), 200)
            .ask(create(OWN_WIDGETS, &{
                let mut t = thing.clone();
                t["colour"] = json!("red");
                t["spec"]["tags"] = json!(["a", "a"]);
                t
            }))
            .ask(merge(&format!("{OWN_WIDGETS}/web"), &json!({ "colour": "blue" }))),
        case("a-definition-for-the-cluster")
            .given(create(DEFINITIONS, &wide))
            .until(get("/apis/{{ns}}.example.com/v1/widgets"), 200)
            .ask(create("/apis/{{ns}}.example.com/v1/widgets", &thing))
            .ask(create(OWN_WIDGETS, &thing))
            .ask(get("/apis/{{ns}}.example.com/v1/widgets/web"))
            .ask(get("/apis/{{ns}}.example.com/v1/widgets?fieldSelector=metadata.namespace%3Dx")),
        case("a-definition-that-is-tightened")
            .given(create(DEFINITIONS, &own()))
            .until(get(OWN_WIDGETS), 200)
            .given(create(OWN_WIDGETS, &thing))
            .ask(edit(
                AT,
                AT,
                &[
                    (
                        "/spec/versions/0/additionalPrinterColumns",
                        json!([{ "name": "Size", "type": "integer", "jsonPath": ".spec.size" }]),
                    ),
                    ("/status", json!(null)),
                ],
            )),
    ]
}

fn refused() -> Vec<Case> {
    let with = |at: &str, value: Value| {
        let mut definition = own();
        let (parent, key) = at.rsplit_once('/').expect("pointers have a slash");
        definition.pointer_mut(parent).expect("it is there")[key] = value;
        create(DEFINITIONS, &definition).query("dryRun=All")
    };
    let spec = |value: Value| with("/spec/versions/0/schema/openAPIV3Schema/properties/spec", value);
    let rule = |rule: &str| {
        spec(
            json!({ "type": "object", "properties": { "mode": { "type": "string" }, "n": { "type": "integer" } }, "x-kubernetes-validations": [{ "rule": rule }] }),
        )
    };
    vec![
        case("definitions-that-are-wrong")
            .ask(with("/metadata/name", json!("gadgets.example.com")))
            .ask(with("/spec/scope", json!("Everywhere")))
            .ask(with("/spec/scope", json!(null)))
            .ask(with("/spec/group", json!(null)))
            .ask(with("/spec/versions", json!([])))
            .ask(with("/spec/versions/0/storage", json!(false)))
            .ask(with("/spec/versions/0/name", json!("first")))
            .ask(with("/spec/versions/0/schema", json!(null)))
            .ask(with("/spec/names", json!({})))
            .ask(with("/spec/names/kind", json!("widget_1")))
                .ask(with("/spec/versions/0/subresources", json!({ "scale": { "specReplicasPath": "spec.size", "statusReplicasPath": ".spec.size" } }))),
        case("schemas-that-are-not-structural")
            .ask(spec(json!({})))
            .ask(spec(json!({ "type": "object", "properties": { "a": {} } })))
            .ask(spec(json!({ "type": "array" })))
            .ask(spec(json!({ "type": "thing" })))
            .ask(spec(json!({ "type": "object", "properties": { "mode": { "type": "string", "default": 1 } } })))
                .ask(spec(json!({ "type": "object", "properties": { "mode": { "type": "array", "items": { "type": "object" }, "x-kubernetes-list-type": "map" } } })))
                .ask(spec(json!({ "type": "object", "properties": { "mode": { "type": "array", "items": { "type": "string" }, "x-kubernetes-list-type": "bag" } } })))
            .ask(spec(json!({ "type": "object", "anyOf": [{ "type": "string" }] })))
                .ask(spec(json!({ "type": "object", "additionalProperties": true, "properties": { "a": { "type": "string" } } }))),
        case("rules-that-cannot-be-read")
            .ask(rule("self.mode =="))
            .ask(rule("self.none == 1"))
            .ask(rule("self.n == 'a'"))
            .ask(rule("1"))
            .ask(rule(""))
            .ask(rule("self.n > 1")),
    ]
}

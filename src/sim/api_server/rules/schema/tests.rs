use rstest::rstest;
use serde_json::json;

use super::*;

mod rules;
mod values;

/// A definition of kind `Thing` whose `spec` has this schema.
fn things(spec: &Value) -> Result<Structural, Box<Status>> {
    let crd = json!({
        "metadata": { "name": "things.example.dev" },
        "spec": {
            "group": "example.dev",
            "scope": "Namespaced",
            "names": { "kind": "Thing", "plural": "things" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": spec } } },
            }],
        },
    });
    Structural::from_crd(&serde_json::from_value(crd).unwrap(), "v1")
}

fn thing(spec: &Value) -> Value {
    json!({ "apiVersion": "example.dev/v1", "kind": "Thing", "metadata": { "name": "one" }, "spec": spec })
}

/// The stored `spec`, or each cause as `reason field: message`.
fn admit(schema: &Value, spec: &Value, old: Option<&Value>) -> Result<Value, Vec<String>> {
    let old = old.map(thing);
    let stored = things(schema).unwrap().admit(thing(spec), old.as_ref(), false).map_err(|status| {
        assert_eq!((status.code, status.reason.as_deref()), (Some(422), Some("Invalid")));
        let causes = status.details.unwrap().causes.unwrap();
        let text = |part: Option<String>| part.unwrap();
        causes
            .into_iter()
            .map(|c| format!("{} {}: {}", text(c.reason), text(c.field), text(c.message)))
            .collect::<Vec<_>>()
    })?;
    Ok(stored["spec"].clone())
}

fn object(fields: &Value) -> Value {
    json!({ "type": "object", "properties": fields })
}

#[test]
fn a_schema_can_be_shared_between_tasks() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Structural>();
}

#[rstest]
#[case::unknown_field(&object(&json!({ "a": { "type": "string" } })), json!({ "a": "x", "b": 1 }), json!({ "a": "x" }))]
#[case::unknown_field_in_a_list(
    &object(&json!({ "l": { "type": "array", "items": object(&json!({ "a": { "type": "string" } })) } })),
    json!({ "l": [{ "a": "x", "b": 1 }] }), json!({ "l": [{ "a": "x" }] }))]
#[case::values_of_a_map_are_kept(
    &json!({ "type": "object", "additionalProperties": { "type": "string" } }),
    json!({ "any": "x" }),
    json!({ "any": "x" }),
)]
#[case::preserved(
    &json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true }),
    json!({ "any": { "x": 1 } }),
    json!({ "any": { "x": 1 } }),
)]
#[case::preserved_in_a_list(
    &object(&json!({ "l": { "type": "array", "x-kubernetes-preserve-unknown-fields": true } })),
    json!({ "l": [{ "x": 1 }] }),
    json!({ "l": [{ "x": 1 }] }),
)]
#[case::null_item_with_a_default_is_replaced(
    &object(&json!({ "l": { "type": "array", "items": { "type": "integer", "default": 3 } } })),
    json!({ "l": [1, null] }),
    json!({ "l": [1, 3] }),
)]
#[case::known_fields_below_a_preserving_one_are_pruned_again(
    &json!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "properties": { "a": object(&json!({ "k": { "type": "string" } })) },
    }),
    json!({ "a": { "k": "x", "u": 1 }, "u": 1 }),
    json!({ "a": { "k": "x" }, "u": 1 }),
)]
#[case::embedded_resource_keeps_its_type_and_metadata(
    &json!({ "type": "object", "x-kubernetes-embedded-resource": true, "properties": { "spec": object(&json!({})) } }),
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" }, "spec": { "x": 1 }, "status": {} }),
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" }, "spec": {} }))]
#[case::null_without_a_default_goes(&object(&json!({ "a": { "type": "string" } })), json!({ "a": null }), json!({}))]
#[case::null_with_a_default_is_replaced(
    &object(&json!({ "a": { "type": "string", "default": "d" } })), json!({ "a": null }), json!({ "a": "d" }))]
#[case::nullable_null_stays(
    &object(&json!({ "a": { "type": "string", "nullable": true, "default": "d" } })),
    json!({ "a": null }),
    json!({ "a": null }),
)]
#[case::default_fills_a_gap(
    &object(&json!({ "a": { "type": "integer", "default": 3 } })),
    json!({}),
    json!({ "a": 3 }),
)]
#[case::default_leaves_a_value(
    &object(&json!({ "a": { "type": "integer", "default": 3 } })),
    json!({ "a": 0 }),
    json!({ "a": 0 }),
)]
#[case::default_object_has_its_own_defaults(
    &object(&json!({
        "o": { "type": "object", "default": {}, "properties": { "a": { "type": "integer", "default": 3 } } },
    })),
    json!({}),
    json!({ "o": { "a": 3 } }),
)]
#[case::no_default_below_an_absent_object(
    &object(&json!({ "o": { "type": "object", "properties": { "a": { "type": "integer", "default": 3 } } } })),
    json!({}), json!({}))]
#[case::defaults_in_list_items(
    &object(&json!({
        "l": { "type": "array", "items": object(&json!({ "a": { "type": "integer", "default": 3 } })) },
    })),
    json!({ "l": [{}] }),
    json!({ "l": [{ "a": 3 }] }),
)]
#[case::defaults_in_map_values(
    &json!({ "type": "object", "additionalProperties": object(&json!({ "a": { "type": "integer", "default": 3 } })) }),
    json!({ "k": {} }), json!({ "k": { "a": 3 } }))]
fn objects_are_pruned_and_defaulted(#[case] schema: &Value, #[case] spec: Value, #[case] stored: Value) {
    assert_eq!(admit(schema, &spec, None), Ok(stored));
}

#[test]
fn strict_decoding_lists_unknown_fields_metadata_first() {
    let schema = things(&object(&json!({ "l": { "type": "array", "items": object(&json!({})) } }))).unwrap();
    let mut object = thing(&json!({ "zoo": 1, "l": [{ "deep": 1 }] }));
    object["metadata"]["labelz"] = json!({});
    let status = schema.admit(object.clone(), None, true).unwrap_err();
    assert_eq!((status.code, status.reason.as_deref()), (Some(400), Some("BadRequest")));
    assert_eq!(
        status.message.as_deref(),
        Some(
            "Thing in version \"v1\" cannot be handled as a Thing: strict decoding error: unknown field \
             \"metadata.labelz\", unknown field \"spec.l[0].deep\", unknown field \"spec.zoo\""
        )
    );
    let stored = schema.admit(object, None, false).unwrap();
    assert_eq!(stored, thing(&json!({ "l": [{}] })));
}

#[test]
fn a_whole_refusal_has_the_shape_that_clients_read() {
    let schema = things(&object(&json!({ "n": { "type": "integer", "maximum": 5.0 } }))).unwrap();
    let status = schema.admit(thing(&json!({ "n": 6 })), None, false).unwrap_err();
    assert_eq!(
        serde_json::to_value(&status).unwrap(),
        json!({
            "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "code": 422, "reason": "Invalid",
            "message": "Thing.example.dev \"one\" is invalid: spec.n: Invalid value: 6: \
                        spec.n in body should be less than or equal to 5",
            "details": { "group": "example.dev", "kind": "Thing", "name": "one", "causes": [{
                "reason": "FieldValueInvalid", "field": "spec.n",
                "message": "Invalid value: 6: spec.n in body should be less than or equal to 5",
            }]},
        })
    );
}

#[rstest]
#[case::set(
    json!({ "x-kubernetes-list-type": "set", "items": { "type": "string" } }),
    json!(["a", "b", "a", "a"]),
    Some("FieldValueDuplicate spec.l[2]: Duplicate value: \"a\""),
)]
#[case::map(
    json!({
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
        "items": { "type": "object", "additionalProperties": { "type": "string" } },
    }),
    json!([{ "k": "x", "v": "1" }, { "k": "x", "v": "2" }]),
    Some("FieldValueDuplicate spec.l[1]: Duplicate value: {\"k\":\"x\"}"),
)]
#[case::atomic(json!({ "items": { "type": "string" } }), json!(["a", "a"]), None)]
fn lists_are_kept_unique(#[case] mut list: Value, #[case] value: Value, #[case] fault: Option<&str>) {
    list["type"] = json!("array");
    let outcome = admit(&object(&json!({ "l": list })), &json!({ "l": value }), None);
    assert_eq!(outcome.err(), fault.map(|fault| vec![fault.to_owned()]));
}

#[rstest]
#[case::rule(
    json!({ "type": "object", "x-kubernetes-validations": [{ "rule": "self.(" }] }),
    "spec.versions[0].schema.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule",
)]
#[case::pattern(
    json!({ "type": "string", "pattern": "(" }),
    "spec.versions[0].schema.openAPIV3Schema.properties[spec].pattern",
)]
#[case::no_type(json!({ "description": "?" }), "spec.versions[0].schema.openAPIV3Schema.properties[spec].type")]
fn a_schema_that_cannot_be_used_is_refused_with_its_place(#[case] spec: Value, #[case] field: &str) {
    let status = things(&spec).unwrap_err();
    assert_eq!(status.code, Some(422));
    let causes = status.details.unwrap().causes.unwrap();
    assert_eq!(causes.iter().map(|c| c.field.as_deref().unwrap()).collect::<Vec<_>>(), [field]);
}

#[test]
fn the_wrong_kind_is_named() {
    let schema = things(&object(&json!({}))).unwrap();
    let mut object = thing(&json!({}));
    object["kind"] = json!("Thong");
    let status = schema.admit(object, None, false).unwrap_err();
    assert!(status.message.unwrap().ends_with("kind: Invalid value: \"Thong\": must be Thing"));
}
#[test]
fn the_policy_definition_is_usable_and_refuses_nonsense() {
    use kube::CustomResourceExt;
    let crd = crate::api::VerticalResizePolicy::crd();
    let schema = Structural::from_crd(&crd, "v1alpha1").unwrap();
    let policy = |spec: Value| {
        json!({ "apiVersion": "autoscaling.tailor.dev/v1alpha1", "kind": "VerticalResizePolicy",
                "metadata": { "name": "p" }, "spec": spec })
    };
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" });
    let stored = schema.admit(policy(json!({ "targetRef": target })), None, true).unwrap();
    assert_eq!(stored["spec"]["strategy"], "InPlaceOrRecreate");
    assert_eq!(schema.admit(policy(json!({})), None, true).unwrap_err().code, Some(422));
    assert_eq!(schema.admit(policy(json!({ "targetRef": target, "x": 1 })), None, true).unwrap_err().code, Some(400));
}

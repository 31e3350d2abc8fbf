use rstest::rstest;
use serde_json::json;

use super::*;

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
#[case::known_fields_below_a_preserving_one_are_pruned_again(
    &json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": { "a": object(&json!({ "k": { "type": "string" } })) } }),
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
    &object(&json!({ "o": { "type": "object", "default": {}, "properties": { "a": { "type": "integer", "default": 3 } } } })),
    json!({}),
    json!({ "o": { "a": 3 } }),
)]
#[case::no_default_below_an_absent_object(
    &object(&json!({ "o": { "type": "object", "properties": { "a": { "type": "integer", "default": 3 } } } })),
    json!({}), json!({}))]
#[case::defaults_in_list_items(
    &object(&json!({ "l": { "type": "array", "items": object(&json!({ "a": { "type": "integer", "default": 3 } })) } })),
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
    let mut object = thing(&json!({ "l": [{ "deep": 1 }], "foo": 1 }));
    object["metadata"]["labelz"] = json!({});
    let status = schema.admit(object.clone(), None, true).unwrap_err();
    assert_eq!((status.code, status.reason.as_deref()), (Some(400), Some("BadRequest")));
    assert_eq!(
        status.message.as_deref(),
        Some(
            "Thing in version \"v1\" cannot be handled as a Thing: strict decoding error: unknown field \
             \"metadata.labelz\", unknown field \"spec.foo\", unknown field \"spec.l[0].deep\""
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

const BLOCKED: &str = "FieldValueInvalid <nil>: Invalid value: null: some validation rules were not checked because the \
                       object was invalid; correct the existing errors to complete validation";

#[rstest]
#[case::type_(
    "integer",
    json!("x"),
    Some("FieldValueTypeInvalid spec.f: Invalid value: \"string\": spec.f in body must be of type integer: \"string\""),
    true,
)]
#[case::whole_number_written_as_float("integer", json!(2.0), None, false)]
#[case::fraction_for_an_integer(
    "integer",
    json!(2.5),
    Some("FieldValueTypeInvalid spec.f: Invalid value: \"number\": spec.f in body must be of type integer: \"number\""),
    true,
)]
#[case::integer_for_a_number("number", json!(2), None, false)]
#[case::object_for_a_list(
    "array",
    json!({}),
    Some("FieldValueTypeInvalid spec.f: Invalid value: \"object\": spec.f in body must be of type array: \"object\""),
    true,
)]
fn types_are_checked(#[case] kind: &str, #[case] value: Value, #[case] fault: Option<&str>, #[case] blocks: bool) {
    let schema = object(&json!({ "f": { "type": kind } }));
    let faults = admit(&schema, &json!({ "f": value }), None).err().unwrap_or_default();
    let expected: Vec<_> = fault.into_iter().chain(blocks.then_some(BLOCKED)).collect();
    assert_eq!(faults, expected);
}

#[rstest]
#[case::minimum(
    json!({ "type": "integer", "minimum": 1.0 }),
    json!(0),
    "spec.f: Invalid value: 0: spec.f in body should be greater than or equal to 1",
)]
#[case::exclusive_minimum(
    json!({ "type": "number", "minimum": 1.5, "exclusiveMinimum": true }),
    json!(1.5),
    "spec.f: Invalid value: 1.5: spec.f in body should be greater than 1.5",
)]
#[case::maximum(
    json!({ "type": "integer", "maximum": 1.0 }),
    json!(2),
    "spec.f: Invalid value: 2: spec.f in body should be less than or equal to 1",
)]
#[case::exclusive_maximum(
    json!({ "type": "integer", "maximum": 2.0, "exclusiveMaximum": true }),
    json!(2),
    "spec.f: Invalid value: 2: spec.f in body should be less than 2",
)]
#[case::multiple(
    json!({ "type": "integer", "multipleOf": 2.0 }),
    json!(3),
    "spec.f: Invalid value: 3: spec.f in body should be a multiple of 2",
)]
#[case::int32(
    json!({ "type": "integer", "format": "int32" }),
    json!(3_000_000_000_i64),
    "<nil>: Invalid value: \"\": Checked value must be of type integer with format int32 in spec.f",
)]
#[case::min_length(
    json!({ "type": "string", "minLength": 1 }),
    json!(""),
    "spec.f: Invalid value: \"\": spec.f in body should be at least 1 chars long",
)]
#[case::pattern(
    json!({ "type": "string", "pattern": "^a+$" }),
    json!("b"),
    "spec.f: Invalid value: \"b\": spec.f in body should match '^a+$'",
)]
#[case::min_items(
    json!({ "type": "array", "minItems": 1, "items": { "type": "string" } }),
    json!([]),
    "spec.f: Invalid value: 0: spec.f in body should have at least 1 items",
)]
#[case::unique(
    json!({ "type": "array", "uniqueItems": true, "items": { "type": "string" } }),
    json!(["a", "a"]),
    "spec.f: Invalid value: \"\": spec.f in body shouldn't contain duplicates",
)]
#[case::min_properties(
    json!({ "type": "object", "minProperties": 1 }),
    json!({}),
    "spec.f: Invalid value: 0: spec.f in body should have at least 1 properties",
)]
#[case::not(
    json!({ "type": "string", "not": { "enum": ["x"] } }),
    json!("x"),
    "<nil>: Invalid value: \"\": \"spec.f\" must not validate the schema (not)",
)]
#[case::one_of_two_fit(
    json!({ "type": "integer", "oneOf": [{ "minimum": 1.0 }, { "minimum": 2.0 }] }),
    json!(3),
    "<nil>: Invalid value: \"\": \"spec.f\" must validate one and only one schema (oneOf). Found 2 valid alternatives",
)]
fn values_are_checked(#[case] field: Value, #[case] value: Value, #[case] fault: &str) {
    let schema = object(&json!({ "f": field }));
    assert_eq!(admit(&schema, &json!({ "f": value }), None), Err(vec![format!("FieldValueInvalid {fault}")]));
}

#[rstest]
#[case::required(
    json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "string" } } }),
    json!({}),
    "FieldValueRequired spec.f.a: Required value",
)]
#[case::enumeration(
    json!({ "type": "string", "enum": ["A", "B"] }),
    json!("C"),
    "FieldValueNotSupported spec.f: Unsupported value: \"C\": supported values: \"A\", \"B\"",
)]
#[case::max_length(
    json!({ "type": "string", "maxLength": 1 }),
    json!("ab"),
    "FieldValueTooLong spec.f: Too long: may not be more than 1 byte",
)]
#[case::max_items(
    json!({ "type": "array", "maxItems": 2, "items": { "type": "integer" } }),
    json!([1, 2, 3]),
    "FieldValueTooMany spec.f: Too many: 3: must have at most 2 items",
)]
#[case::max_properties(
    json!({ "type": "object", "maxProperties": 1, "additionalProperties": { "type": "integer" } }),
    json!({ "a": 1, "b": 2 }),
    "FieldValueTooMany spec.f: Too many: 2: must have at most 1 item",
)]
#[case::null_for_an_item(
    json!({ "type": "array", "items": { "type": "integer" } }),
    json!([null]),
    "FieldValueTypeInvalid spec.f[0]: Invalid value: \"null\": spec.f[0] in body must be of type integer: \"null\"",
)]
#[case::format(
    json!({ "type": "string", "format": "date-time" }),
    json!("noon"),
    "FieldValueTypeInvalid spec.f: Invalid value: \"noon\": spec.f in body must be of type date-time: \"noon\"",
)]
#[case::int_or_string(
    json!({ "x-kubernetes-int-or-string": true }),
    json!(true),
    "FieldValueTypeInvalid spec.f: Invalid value: \"boolean\": spec.f in body must be of type integer,string: \
     \"boolean\"",
)]
fn a_wrong_shape_stops_the_rules(#[case] field: Value, #[case] value: Value, #[case] fault: &str) {
    let mut schema = object(&json!({ "f": field }));
    schema["x-kubernetes-validations"] = json!([{ "rule": "false", "message": "never" }]);
    assert_eq!(admit(&schema, &json!({ "f": value }), None), Err(vec![fault.to_owned(), BLOCKED.to_owned()]));
}

#[rstest]
#[case::string_of_int_or_string(
    json!({ "x-kubernetes-int-or-string": true, "anyOf": [{ "type": "integer" }, { "type": "string" }] }),
    json!("250m"),
)]
#[case::integer_of_int_or_string(
    json!({ "x-kubernetes-int-or-string": true, "anyOf": [{ "type": "integer" }, { "type": "string" }] }),
    json!(2),
)]
#[case::pattern_of_int_or_string_ignores_integers(
    json!({ "x-kubernetes-int-or-string": true, "pattern": "^x" }),
    json!(2),
)]
#[case::unknown_format(json!({ "type": "integer", "format": "uint32" }), json!(-1))]
#[case::length_counts_characters(json!({ "type": "string", "maxLength": 2 }), json!("äö"))]
#[case::all_of(json!({ "type": "integer", "allOf": [{ "minimum": 1.0 }, { "maximum": 3.0 }] }), json!(2))]
fn fitting_values_pass(#[case] field: Value, #[case] value: Value) {
    let spec = json!({ "f": value });
    assert_eq!(admit(&object(&json!({ "f": field })), &spec, None), Ok(spec));
}

#[test]
fn any_of_reports_the_branch_that_came_closest() {
    let schema = object(&json!({ "f": {
        "type": "object",
        "properties": { "a": { "type": "string" }, "b": { "type": "string" }, "c": { "type": "string" } },
        "anyOf": [{ "required": ["a", "b"] }, { "required": ["c"] }],
    }}));
    assert_eq!(
        admit(&schema, &json!({ "f": {} }), None),
        Err(vec![
            "FieldValueInvalid <nil>: Invalid value: \"\": \"spec.f\" must validate at least one schema (anyOf)"
                .to_owned(),
            "FieldValueRequired spec.f.c: Required value".to_owned(),
            BLOCKED.to_owned(),
        ])
    );
}

#[rstest]
#[case::set(
    json!({ "x-kubernetes-list-type": "set", "items": { "type": "string" } }),
    json!(["a", "b", "a", "a"]),
    Some("FieldValueDuplicate spec.l[2]: Duplicate value: \"a\""),
)]
#[case::map(
    json!({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": { "type": "object", "additionalProperties": { "type": "string" } } }),
    json!([{ "k": "x", "v": "1" }, { "k": "x", "v": "2" }]),
    Some("FieldValueDuplicate spec.l[1]: Duplicate value: {\"k\":\"x\"}"),
)]
#[case::atomic(json!({ "items": { "type": "string" } }), json!(["a", "a"]), None)]
fn lists_are_kept_unique(#[case] mut list: Value, #[case] value: Value, #[case] fault: Option<&str>) {
    list["type"] = json!("array");
    let outcome = admit(&object(&json!({ "l": list })), &json!({ "l": value }), None);
    assert_eq!(outcome.err(), fault.map(|fault| vec![fault.to_owned()]));
}

/// `spec` has `min` and `max`, a list `containers` keyed by `name`, and these rules; a container has these rules.
fn with_rules(spec_rules: &Value, container_rules: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {
            "min": { "type": "integer" }, "max": { "type": "integer" },
            "containers": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {
                    "type": "object",
                    "properties": { "name": { "type": "string" }, "max": { "type": "integer" } },
                    "x-kubernetes-validations": container_rules,
                },
            },
        },
        "x-kubernetes-validations": spec_rules,
    })
}

#[rstest]
#[case::message(
    json!({ "rule": "self.min <= self.max", "message": " min is above max " }),
    "FieldValueInvalid spec: Invalid value: min is above max",
)]
#[case::no_message(
    json!({ "rule": "self.min <= self.max" }),
    "FieldValueInvalid spec: Invalid value: failed rule: self.min <= self.max",
)]
#[case::message_expression(
    json!({ "rule": "self.min <= self.max", "messageExpression": "'at most ' + string(self.max)" }),
    "FieldValueInvalid spec: Invalid value: at most 1",
)]
#[case::field_path_and_reason(
    json!({ "rule": "self.min <= self.max", "message": "no", "fieldPath": ".min", "reason": "FieldValueForbidden" }),
    "FieldValueForbidden spec.min: Forbidden: no")]
fn a_rule_names_its_place_and_message(#[case] rule: Value, #[case] fault: &str) {
    let schema = with_rules(&json!([rule]), &json!([]));
    assert_eq!(admit(&schema, &json!({ "min": 2, "max": 1 }), None), Err(vec![fault.to_owned()]));
    assert!(admit(&schema, &json!({ "min": 1, "max": 1 }), None).is_ok());
}

#[test]
fn rules_of_list_items_name_the_item_and_all_failures_are_listed_in_order() {
    let schema = with_rules(
        &json!([{ "rule": "size(self.containers) < 2", "message": "too many" }]),
        &json!([{ "rule": "self.max < 10", "message": "too large", "fieldPath": ".max" }]),
    );
    let spec =
        json!({ "containers": [{ "name": "a", "max": 10 }, { "name": "b", "max": 9 }, { "name": "c", "max": 11 }] });
    assert_eq!(
        admit(&schema, &spec, None),
        Err(vec![
            "FieldValueInvalid spec: Invalid value: too many".to_owned(),
            "FieldValueInvalid spec.containers[0].max: Invalid value: too large".to_owned(),
            "FieldValueInvalid spec.containers[2].max: Invalid value: too large".to_owned(),
        ])
    );
}

#[test]
fn a_transition_rule_compares_items_by_key_and_is_silent_on_create() {
    let schema = with_rules(&json!([]), &json!([{ "rule": "self.max >= oldSelf.max", "message": "must not shrink" }]));
    let old = json!({ "containers": [{ "name": "a", "max": 5 }, { "name": "b", "max": 1 }] });
    let new =
        json!({ "containers": [{ "name": "b", "max": 2 }, { "name": "a", "max": 4 }, { "name": "c", "max": 0 }] });
    assert!(admit(&schema, &new, None).is_ok());
    assert_eq!(
        admit(&schema, &new, Some(&old)),
        Err(vec!["FieldValueInvalid spec.containers[1]: Invalid value: must not shrink".to_owned()])
    );
}

#[test]
fn rules_see_defaults_on_both_sides() {
    let schema = json!({
        "type": "object",
        "properties": { "mode": { "type": "string", "default": "A" } },
        "x-kubernetes-validations": [{ "rule": "self.mode == oldSelf.mode", "message": "mode is immutable" }],
    });
    assert_eq!(admit(&schema, &json!({ "mode": "A" }), Some(&json!({}))), Ok(json!({ "mode": "A" })));
    assert!(admit(&schema, &json!({ "mode": "B" }), Some(&json!({}))).is_err());
}

#[test]
fn what_did_not_change_is_not_held_against_an_update() {
    let schema = object(&json!({
        "n": { "type": "integer", "maximum": 5.0 },
        "o": { "type": "object", "properties": { "a": { "type": "integer" } },
               "x-kubernetes-validations": [{ "rule": "self.a < 5", "message": "a is too large" }] },
        "x": { "type": "string" },
    }));
    let stored = json!({ "n": 6, "o": { "a": 6 }, "x": "before" });
    let touched = json!({ "n": 6, "o": { "a": 6 }, "x": "after" });
    assert_eq!(admit(&schema, &touched, Some(&stored)), Ok(touched.clone()));
    assert_eq!(admit(&schema, &touched, None).unwrap_err().len(), 2);
    let worse = json!({ "n": 7, "o": { "a": 7 }, "x": "before" });
    assert_eq!(admit(&schema, &worse, Some(&stored)).unwrap_err().len(), 2);
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

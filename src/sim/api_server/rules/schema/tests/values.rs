//! Types and values.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;

const BLOCKED: &str = "FieldValueInvalid <nil>: Invalid value: null: some validation rules were not checked because \
                       the object was invalid; correct the existing errors to complete validation";

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
    let mut schema = object(&json!({ "f": { "type": kind } }));
    schema["x-kubernetes-validations"] = json!([{ "rule": "true", "message": "always" }]);
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
        ])
    );
}

#[test]
fn where_there_are_no_rules_none_is_said_to_be_left_unchecked() {
    let mut inner = object(&json!({ "a": { "type": "string" } }));
    inner["required"] = json!(["a"]);
    let refused = |inner: &Value| admit(&object(&json!({ "f": inner })), &json!({ "f": {} }), None).unwrap_err();
    let missing = "FieldValueRequired spec.f.a: Required value";
    assert_eq!(refused(&inner), [missing]);
    inner["x-kubernetes-validations"] = json!([{ "rule": "true", "message": "always" }]);
    assert_eq!(refused(&inner), [missing, BLOCKED]);
}

//! CEL rules, and what an update is judged by.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;

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

#[test]
fn a_transition_rule_is_held_against_what_did_not_change() {
    let schema = with_rules(&json!([{ "rule": "self.max > oldSelf.max", "message": "must grow" }]), &json!([]));
    let spec = json!({ "max": 1 });
    assert_eq!(
        admit(&schema, &spec, Some(&spec)),
        Err(vec!["FieldValueInvalid spec: Invalid value: must grow".to_owned()])
    );
}

#[test]
fn rules_inside_all_of_count() {
    let mut schema = with_rules(&json!([]), &json!([]));
    schema["allOf"] = json!([{ "x-kubernetes-validations": [{ "rule": "self.max < 5", "message": "too large" }] }]);
    assert_eq!(
        admit(&schema, &json!({ "max": 5 }), None),
        Err(vec!["FieldValueInvalid spec: Invalid value: too large".to_owned()])
    );
}

#[test]
fn a_list_that_was_not_unique_before_need_not_be_now() {
    let schema = with_rules(&json!([]), &json!([]));
    let twice = |max: i64| json!({ "containers": [{ "name": "a", "max": max }, { "name": "a", "max": 2 }] });
    assert!(admit(&schema, &twice(1), Some(&twice(0))).is_ok());
    assert!(admit(&schema, &twice(1), Some(&json!({}))).is_err());
}

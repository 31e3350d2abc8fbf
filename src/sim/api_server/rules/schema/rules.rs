//! CEL rules (`x-kubernetes-validations`).
//!
//! Expressions are evaluated by `kube::core::cel`, place by place. The walk is our own, since it decides what `oldSelf`
//! is (fields by name, items of map lists by key, nothing else) and must report in a fixed order.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::core::cel::{
    CompilationError, CompiledSchema, ErrorKind, ValidationError, compile_schema, validate_compiled,
};
use serde_json::Value;

use super::{
    Fault, child, lists,
    node::{Additional, Node},
    printed,
};

/// The rules of one place, compiled together with the types below it but with none of the rules below it.
#[derive(Debug, Default)]
pub(super) struct Rules(Option<CompiledSchema>);

impl Rules {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn compile(schema: &JSONSchemaProps, path: &str, faults: &mut Vec<Fault>) -> Self {
        let Some(rules) = schema.x_kubernetes_validations.as_ref().filter(|rules| !rules.is_empty()) else {
            return Self(None);
        };
        let mut bare = schema.clone();
        strip(&mut bare);
        bare.x_kubernetes_validations = Some(rules.clone());
        let compiled = compile_schema(&serde_json::to_value(bare).unwrap_or_default());
        for (index, outcome) in compiled.validations.iter().enumerate() {
            let path = format!("{path}.x-kubernetes-validations[{index}]");
            faults.extend(outcome.as_ref().err().map(|error| does_not_compile(error, &path)));
        }
        Self(Some(compiled))
    }
}

fn does_not_compile(error: &CompilationError, path: &str) -> Fault {
    let detail = format!("compilation failed: {error}");
    match error {
        CompilationError::Parse { rule, .. } => Fault::invalid(format!("{path}.rule"), rule, &detail),
        CompilationError::MessageExpressionParse { message_expression, .. } => {
            Fault::invalid(format!("{path}.messageExpression"), message_expression, &detail)
        }
        _ => Fault::invalid_whole(path, &detail),
    }
}

/// Leaves only what tells how to read a value: no rules, and no defaults, which have been filled in already.
fn strip(schema: &mut JSONSchemaProps) {
    schema.x_kubernetes_validations = None;
    schema.default = None;
    schema.properties.iter_mut().flat_map(|fields| fields.values_mut()).for_each(strip);
    if let Some(JSONSchemaPropsOrBool::Schema(schema)) = &mut schema.additional_properties {
        strip(schema);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(schema)) = &mut schema.items {
        strip(schema);
    }
    for branches in [&mut schema.all_of, &mut schema.any_of, &mut schema.one_of] {
        branches.iter_mut().flatten().for_each(strip);
    }
}

/// What the rules say of an object, given the stored one.
pub(super) fn check(root: &Node, new: &Value, old: Option<&Value>) -> Vec<Fault> {
    let mut faults = Vec::new();
    visit(root, new, old, false, "", &mut faults);
    faults
}

fn visit(node: &Node, value: &Value, old: Option<&Value>, unchanged: bool, path: &str, faults: &mut Vec<Fault>) {
    if value.is_null() {
        return;
    }
    let old = old.filter(|old| !old.is_null());
    let unchanged = unchanged || old == Some(value);
    if let Some(compiled) = &node.rules.0 {
        let failed = validate_compiled(compiled, value, old).err();
        let failures = failed.iter().flatten();
        faults.extend(
            failures
                .filter(|failure| !unchanged || looks_back(compiled, failure))
                .map(|failure| fault(node, value, path, failure)),
        );
    }
    for branch in &node.all_of {
        visit(branch, value, old, unchanged, path, faults);
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let old = old.and_then(|old| old.get(key));
                match (node.properties.get(key), &node.additional) {
                    (Some(field), _) => visit(field, value, old, unchanged, &child(path, key), faults),
                    (None, Additional::Schema(field)) => {
                        visit(field, value, old, unchanged, &format!("{path}[{key}]"), faults);
                    }
                    _ => {}
                }
            }
        }
        Value::Array(items) => {
            let Some(item_node) = &node.items else { return };
            for (index, item) in items.iter().enumerate() {
                let old = lists::old_item(node, old, item);
                visit(item_node, item, old, unchanged, &format!("{path}[{index}]"), faults);
            }
        }
        _ => {}
    }
}

/// Whether the rule is about `oldSelf`: such a rule holds even where nothing changed.
fn looks_back(compiled: &CompiledSchema, failure: &ValidationError) -> bool {
    let mut rules = compiled.validations.iter().flatten();
    rules.any(|rule| rule.is_transition_rule && rule.rule.rule == failure.rule)
}

fn fault(node: &Node, value: &Value, path: &str, failure: &ValidationError) -> Fault {
    let inner = failure.field_path.trim_start_matches('.');
    let field = if inner.is_empty() { path.to_owned() } else { child(path, inner) };
    let field = printed(&field);
    let message = failure.message.trim();
    if failure.kind != ErrorKind::ValidationFailure {
        return Fault::invalid(field, node.types.first().map_or("", String::as_str), message);
    }
    match failure.reason.as_deref() {
        Some("FieldValueForbidden") => Fault::forbidden(field, message),
        Some("FieldValueRequired") => Fault::required(field, message),
        Some("FieldValueDuplicate") => Fault::duplicate(field, value),
        _ if value.is_object() || value.is_array() => Fault::invalid_whole(field, message),
        _ => Fault::invalid(field, value, message),
    }
}

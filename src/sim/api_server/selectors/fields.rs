//! Field selectors: their language, and which objects they select.
//!
//! The grammar follows k8s.io/apimachinery pkg/fields, what can be selected by the kinds' own conversions.

use serde_json::Value;

use crate::sim::api_server::registry::{Resource, Shape};

/// What one term asks of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldRule {
    path: String,
    value: String,
    equal: bool,
}

impl FieldRule {
    /// Whether an object is as it asks.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let found = self.path.split('.').try_fold(object, |value, part| value.get(part));
        let equal = match found {
            Some(Value::String(text)) => *text == self.value,
            Some(Value::Null) | None => self.value == when_absent(&self.path),
            Some(other) => {
                let text = other.to_string();
                text == self.value
            }
        };
        equal == self.equal
    }
}

/// What a field counts as that is not written.
fn when_absent(path: &str) -> &'static str {
    match path {
        "spec.hostNetwork" | "spec.unschedulable" => "false",
        "status.succeeded" => "0",
        _ => "",
    }
}

/// Where a label of a field selector leads, if not where it says.
fn place(path: &str) -> &str {
    match path {
        "source" => "source.component",
        "status.successful" => "status.succeeded",
        other => other,
    }
}

/// Reads a selector; what is wrong with it when it cannot be read or names what cannot be selected by.
pub(super) fn parse(resource: &Resource, selector: &str) -> Result<Vec<FieldRule>, String> {
    let mut terms = terms(selector);
    terms.sort_unstable();
    let mut rules = Vec::new();
    for term in terms.into_iter().filter(|term| !term.is_empty()) {
        let Some((path, value, equal)) = parts(term) else {
            return Err(format!("invalid selector: '{selector}'; can't understand '{term}'"));
        };
        let value = unescaped(value)?;
        rules.push(FieldRule { path: path.to_owned(), value, equal });
    }
    for rule in &mut rules {
        if !resource.selects_by(&rule.path) {
            return Err(unsupported(resource, &rule.path));
        }
        rule.path = place(&rule.path).to_owned();
    }
    Ok(rules)
}

fn terms(selector: &str) -> Vec<&str> {
    let (mut found, mut start, mut is_escaped) = (Vec::new(), 0, false);
    for (at, character) in selector.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            ',' => {
                found.push(&selector[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&selector[start..]);
    found
}

fn parts(term: &str) -> Option<(&str, &str, bool)> {
    let at =
        term.char_indices().map(|(at, _)| at).find(|at| ["!=", "="].iter().any(|op| term[*at..].starts_with(op)))?;
    let (path, rest) = term.split_at(at);
    let (operator, equal) =
        [("!=", false), ("==", true), ("=", true)].into_iter().find(|(op, _)| rest.starts_with(op))?;
    Some((path, &rest[operator.len()..], equal))
}

fn unescaped(value: &str) -> Result<String, String> {
    let mut plain = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ ('\\' | ',' | '=')) => plain.push(escaped),
                other => {
                    let sequence: String = other.into_iter().collect();
                    return Err(format!("invalid field selector: invalid escape sequence: \\{sequence}"));
                }
            },
            // A term ends at a comma, so only this one can be left.
            '=' => return Err("invalid field selector: unescaped character in value: 61".to_owned()),
            other => plain.push(other),
        }
    }
    Ok(plain)
}

fn unsupported(resource: &Resource, path: &str) -> String {
    let has_own = match &resource.shape {
        Shape::Builtin { selectable, .. } => !selectable.is_empty(),
        Shape::Custom { .. } => true,
    };
    match resource.table.as_str() {
        "jobs.batch" => format!("field label {path:?} not supported for Job"),
        _ if has_own => format!("field label not supported: {path}"),
        _ => format!("{path:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""),
    }
}

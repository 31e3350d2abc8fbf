//! docs/fields.md: every field of the policy, from the schema that the API server checks.

use std::fmt::Write;

use kube::CustomResourceExt;
use schemars::{JsonSchema, schema_for};
use serde_json::Value;

use crate::api::{
    AfterDeferral, ClampReason, ContainerMode, ControlledValues, Objective, OnInfeasible, Strategy,
    VerticalResizePolicy,
};

const HEAD: &str = "# Fields of a VerticalResizePolicy

`autoscaling.tailor.dev/v1alpha1`, short name `vrp`. What has no default may be left out, unless it is required. The API server
refuses unknown fields when asked to (`kubectl apply --validate=strict`, its default), and `kubectl explain vrp.spec` shows the same.
This page is written by `make generate`.
";

/// What Kubernetes knows of its own, and this page does not repeat.
const STANDARD: [&str; 2] = ["conditions", "selector"];

/// The page.
pub fn page() -> String {
    let definition = serde_json::to_value(VerticalResizePolicy::crd()).expect("a definition is JSON");
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let mut page = HEAD.to_owned();
    for (part, title) in [("spec", "What you write"), ("status", "What Tailor answers")] {
        write!(page, "\n## {title}\n\n| field | type | default | what it is |\n|---|---|---|---|\n").expect(STRING);
        fields(&mut page, part, &schema[part]);
        rules(&mut page, part, &schema[part]);
    }
    page += "\n## Values\n";
    values::<Strategy>(&mut page, "spec.strategy");
    values::<Objective>(&mut page, "spec.objective");
    values::<ContainerMode>(&mut page, "spec.containers[].mode");
    values::<ControlledValues>(&mut page, "spec.containers[].controlledValues.cpu` and `.memory");
    values::<AfterDeferral>(&mut page, "spec.update.onDeferredTimeout");
    values::<OnInfeasible>(&mut page, "spec.update.onInfeasible");
    values::<ClampReason>(&mut page, "status.workloads[].containers[].clamps[].reason");
    page
}

const STRING: &str = "a String takes all that is written to it";

/// A row for each field below `path`, in the order of the schema.
fn fields(page: &mut String, path: &str, schema: &Value) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let is_required = required.contains(&Value::String(name.clone()));
        let default = match &field["default"] {
            Value::Null if is_required => "required".to_owned(),
            Value::Null => String::new(),
            // Its parts have their own.
            Value::Object(_) => String::new(),
            default => format!("`{default}`").replace('"', ""),
        };
        let about = field["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        writeln!(page, "| `{path}` | {} | {default} | {about}{} |", kind(field), bounds(field)).expect(STRING);
        if STANDARD.contains(&name.as_str()) {
            continue;
        }
        fields(page, &path, field);
        fields(page, &format!("{path}[]"), &field["items"]);
    }
}

fn kind(field: &Value) -> String {
    let is_quantity = field["x-kubernetes-int-or-string"] == true;
    match (field["type"].as_str(), field["enum"].as_array()) {
        (_, Some(values)) => {
            let values = values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`"));
            values.collect::<Vec<_>>().join(", ")
        }
        _ if is_quantity => "number or string".to_owned(),
        (Some("array"), _) if field["items"]["type"] == "object" => "list of objects".to_owned(),
        (Some("array"), _) => format!("list of {}", kind(&field["items"])),
        (Some(kind), _) => kind.to_owned(),
        (None, _) => String::new(),
    }
}

/// The least and the most, where they say something.
fn bounds(field: &Value) -> String {
    let number = |key: &str| field[key].as_f64();
    let length = |key: &str| field[key].as_u64();
    match (number("minimum"), number("maximum"), length("minItems"), length("maxItems")) {
        (Some(least), Some(most), ..) => format!(" From {least} to {most}."),
        (Some(least), None, ..) if least > 0.0 => format!(" At least {least}."),
        (.., Some(least), Some(most)) => format!(" {least} to {most} entries."),
        (.., Some(most)) => format!(" At most {most} entries."),
        _ => String::new(),
    }
}

/// What the API server refuses beyond types, at `path` and below it.
fn rules(page: &mut String, path: &str, schema: &Value) {
    let mut found = Vec::new();
    collect(&mut found, path, schema);
    if !found.is_empty() {
        *page += "\nBeside that the API server says:\n\n";
        for (path, message) in found {
            writeln!(page, "- `{path}`: {message}").expect(STRING);
        }
    }
}

fn collect(found: &mut Vec<(String, String)>, path: &str, schema: &Value) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        found.push((path.to_owned(), rule["message"].as_str().unwrap_or_default().to_owned()));
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        collect(found, &format!("{path}.{name}"), field);
        collect(found, &format!("{path}.{name}[]"), &field["items"]);
    }
}

/// What each value of an enum means.
fn values<T: JsonSchema>(page: &mut String, field: &str) {
    write!(page, "\n`{field}`:\n\n").expect(STRING);
    let schema = schema_for!(T).to_value();
    for value in schema["oneOf"].as_array().into_iter().flatten() {
        let name = value["const"].as_str().unwrap_or_default();
        let about = value["description"].as_str().unwrap_or_default().replace('\n', " ");
        writeln!(page, "- `{name}`: {about}").expect(STRING);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_up_to_date() {
        assert_eq!(include_str!("../../../docs/fields.md"), page(), "run `make generate`");
    }

    #[test]
    fn each_field_says_what_it_is_and_each_value_what_it_means() {
        for row in page().lines().filter(|line| line.starts_with("| `")) {
            let about = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
            assert!(about.ends_with('.'), "{row}");
        }
        for value in page().lines().filter(|line| line.starts_with("- `")) {
            assert!(value.len() > value.find(':').unwrap() + 5, "{value}");
        }
    }
}

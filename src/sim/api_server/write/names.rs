//! Names that objects and labels may have.

use serde_json::Value;

use crate::sim::api_server::{
    meta,
    registry::Resource,
    status::{Cause, Result, invalid},
};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
    '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
    start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
    '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex \
    used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// Checks the name and the labels of an object that is created; 422 when one cannot be.
pub(crate) fn check(resource: &Resource, object: &Value) -> Result<()> {
    let name = meta::name(object);
    let mut causes = Vec::new();
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else if let Some(problem) = name_problem(resource, name) {
        causes.push(Cause::invalid("metadata.name", &format!("{name:?}"), &problem));
    }
    causes.extend(label_problems(object));
    if causes.is_empty() { Ok(()) } else { Err(invalid(resource, name, &causes)) }
}

/// Checks the labels of an object that is updated; 422 when one cannot be.
pub(crate) fn check_labels(resource: &Resource, object: &Value) -> Result<()> {
    let causes: Vec<Cause> = label_problems(object).collect();
    if causes.is_empty() { Ok(()) } else { Err(invalid(resource, meta::name(object), &causes)) }
}

fn name_problem(resource: &Resource, name: &str) -> Option<String> {
    let as_label = matches!(resource.table.as_str(), "namespaces" | "services");
    let longest = if as_label { 63 } else { 253 };
    if name.len() > longest {
        return Some(format!("must be no more than {longest} characters"));
    }
    let fits = if as_label { is_label(name) } else { name.split('.').all(is_label) };
    (!fits).then(|| if as_label { LABEL.to_owned() } else { SUBDOMAIN.to_owned() })
}

fn is_label(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(allowed) && !text.starts_with('-') && !text.ends_with('-')
}

fn label_problems(object: &Value) -> impl Iterator<Item = Cause> {
    let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
    labels.filter_map(|(_, value)| {
        let text = value.as_str().unwrap_or_default();
        let cause = |problem: &str| Cause::invalid("metadata.labels", &format!("{text:?}"), problem);
        if text.len() > 63 {
            return Some(cause("must be no more than 63 characters"));
        }
        (!is_label_value(text)).then(|| cause(LABEL_VALUE))
    })
}

fn is_label_value(text: &str) -> bool {
    let edge = |character: char| character.is_ascii_alphanumeric();
    text.is_empty()
        || (text.chars().all(|character| edge(character) || matches!(character, '-' | '_' | '.'))
            && text.starts_with(edge)
            && text.ends_with(edge))
}

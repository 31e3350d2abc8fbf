//! Names that objects and labels may have, and what else metadata may say.

use serde_json::Value;

use crate::sim::api_server::{
    meta,
    registry::{Resource, Shape},
    status::{Cause, Result, invalid},
};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
    '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
    start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED_NAME: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
    alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
    '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex \
    used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// Checks the metadata of an object that is created; 422 when something cannot be.
pub(crate) fn check(resource: &Resource, object: &Value) -> Result<()> {
    let name = meta::name(object);
    let mut causes = Vec::new();
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else if let Some(problem) = name_problem(resource, name) {
        causes.push(Cause::invalid("metadata.name", &format!("{name:?}"), &problem));
    }
    causes.extend(metadata_problems(resource, object));
    if causes.is_empty() { Ok(()) } else { Err(invalid(resource, name, &causes)) }
}

/// Checks the metadata of an object that is updated, but for its name; 422 when something cannot be.
pub(crate) fn check_metadata(resource: &Resource, object: &Value) -> Result<()> {
    let causes = metadata_problems(resource, object);
    if causes.is_empty() { Ok(()) } else { Err(invalid(resource, meta::name(object), &causes)) }
}

fn metadata_problems(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut causes = label_problems(object);
    let annotations = object["metadata"]["annotations"].as_object().into_iter().flatten();
    for (key, _) in annotations {
        // Of annotations, only the case of the key does not matter.
        let problems = qualified_name_problems(&key.to_lowercase()).into_iter();
        causes.extend(problems.map(|problem| Cause::invalid("metadata.annotations", &format!("{key:?}"), &problem)));
    }
    let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten().enumerate();
    for (index, owner) in owners {
        let missing = ["apiVersion", "kind", "name", "uid"].into_iter();
        let missing = missing.filter(|field| owner[field].as_str().is_none_or(str::is_empty));
        causes.extend(
            missing.map(|field| {
                Cause::required(&format!("metadata.ownerReferences[{index}].{field}"), "must not be empty")
            }),
        );
    }
    let knows_finalizers = matches!(resource.shape, Shape::Builtin { .. });
    for (index, name) in meta::finalizers(object).enumerate().filter(|_| knows_finalizers) {
        let problems = qualified_name_problems(name).into_iter();
        causes.extend(problems.map(|problem| Cause::invalid("metadata.finalizers", &format!("{name:?}"), &problem)));
        if !name.contains('/') && !matches!(name, "kubernetes" | "foregroundDeletion" | "orphan") {
            let problem = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(Cause::invalid(&format!("metadata.finalizers[{index}]"), &format!("{name:?}"), problem));
        }
    }
    causes
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

fn label_problems(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (key, value) in object["metadata"]["labels"].as_object().into_iter().flatten() {
        let mut refuse = |value: &str, problem: &str| {
            causes.push(Cause::invalid("metadata.labels", &format!("{value:?}"), problem));
        };
        qualified_name_problems(key).iter().for_each(|problem| refuse(key, problem));
        let text = value.as_str().unwrap_or_default();
        label_value_problems(text).iter().for_each(|problem| refuse(text, problem));
    }
    causes
}

/// What is wrong with the value of a label.
pub(crate) fn label_value_problems(text: &str) -> Vec<&'static str> {
    let is_long = (text.len() > 63).then_some("must be no more than 63 bytes");
    is_long.into_iter().chain((!is_label_value(text)).then_some(LABEL_VALUE)).collect()
}

/// What is wrong with a name that may have a domain before it: `example.com/name`.
pub(crate) fn qualified_name_problems(text: &str) -> Vec<String> {
    let (prefix, name) = match text.split_once('/') {
        Some((_, name)) if name.contains('/') => {
            return vec![format!(
                "a qualified name {QUALIFIED_NAME} with an optional DNS subdomain prefix and '/' (e.g. \
                 'example.com/MyName')"
            )];
        }
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    let mut problems = Vec::new();
    match prefix {
        Some("") => problems.push("prefix part must be non-empty".to_owned()),
        Some(prefix) if !prefix.split('.').all(is_label) => problems.push(format!("prefix part {SUBDOMAIN}")),
        _ => {}
    }
    match name {
        "" => problems.push("name part must be non-empty".to_owned()),
        name if name.len() > 63 => problems.push("name part must be no more than 63 bytes".to_owned()),
        _ => {}
    }
    if name.is_empty() || !is_label_value(name) {
        problems.push(format!("name part {QUALIFIED_NAME}"));
    }
    problems
}

fn is_label_value(text: &str) -> bool {
    let edge = |character: char| character.is_ascii_alphanumeric();
    text.is_empty()
        || (text.chars().all(|character| edge(character) || matches!(character, '-' | '_' | '.'))
            && text.starts_with(edge)
            && text.ends_with(edge))
}

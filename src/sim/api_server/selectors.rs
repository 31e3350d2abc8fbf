//! Label and field selectors.

use serde_json::Value;

use super::{
    meta,
    registry::Resource,
    status::{Result, bad_request},
};

/// Which objects of a resource a list, watch or deletecollection is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// The namespace, or empty for all.
    pub(super) namespace: String,
    labels: Vec<LabelRule>,
    fields: Vec<FieldRule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum LabelRule {
    Exists(String),
    Missing(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldRule {
    path: String,
    value: String,
    equal: bool,
}

impl Filter {
    /// Reads the selectors of a request; 400 when one cannot be read or names a field that cannot be selected by.
    pub(super) fn new(resource: &Resource, namespace: &str, labels: &str, fields: &str) -> Result<Self> {
        Ok(Self {
            namespace: namespace.to_owned(),
            labels: label_rules(labels)?,
            fields: field_rules(resource, fields)?,
        })
    }

    /// Whether an object is selected.
    pub(super) fn matches(&self, object: &Value) -> bool {
        (self.namespace.is_empty() || self.namespace == meta::namespace(object))
            && self.fields.iter().all(|rule| rule.matches(object))
            && self.labels.iter().all(|rule| rule.matches(&object["metadata"]["labels"]))
    }

    /// Whether everything in the namespace is selected.
    pub(super) fn is_open(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }
}

impl LabelRule {
    fn matches(&self, labels: &Value) -> bool {
        let get = |key: &str| labels.get(key).and_then(Value::as_str);
        match self {
            Self::Exists(key) => get(key).is_some(),
            Self::Missing(key) => get(key).is_none(),
            Self::In(key, values) => get(key).is_some_and(|value| values.iter().any(|one| one == value)),
            Self::NotIn(key, values) => get(key).is_none_or(|value| values.iter().all(|one| one != value)),
        }
    }
}

impl FieldRule {
    fn matches(&self, object: &Value) -> bool {
        let found = self.path.split('.').try_fold(object, |value, part| value.get(part));
        let equal = match found {
            Some(Value::String(text)) => *text == self.value,
            Some(Value::Null) | None => self.value.is_empty(),
            Some(other) => {
                let spelled = other.to_string();
                spelled == self.value
            }
        };
        equal == self.equal
    }
}

fn label_rules(text: &str) -> Result<Vec<LabelRule>> {
    split_outside_parentheses(text).into_iter().map(label_rule).collect()
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn label_rule(text: &str) -> Result<LabelRule> {
    let own = |text: &str| text.trim().to_owned();
    if let Some(key) = text.strip_prefix('!') {
        return Ok(LabelRule::Missing(own(key)));
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Ok(LabelRule::NotIn(own(key), vec![own(value)]));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(LabelRule::In(own(key), vec![own(value)]));
    }
    let Some((head, values)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) else {
        if text.contains(char::is_whitespace) || text.contains(['(', ')']) {
            return Err(bad_request(format!(
                "unable to parse requirement: found {text:?}, expected: in, notin, =, ==, !="
            )));
        }
        return Ok(LabelRule::Exists(own(text)));
    };
    let values = values.split(',').map(own).collect();
    match head.trim().rsplit_once(char::is_whitespace) {
        Some((key, "in")) => Ok(LabelRule::In(own(key), values)),
        Some((key, "notin")) => Ok(LabelRule::NotIn(own(key), values)),
        _ => Err(bad_request(format!("unable to parse requirement: found {text:?}, expected: in, notin"))),
    }
}

fn field_rules(resource: &Resource, text: &str) -> Result<Vec<FieldRule>> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| field_rule(resource, part)).collect()
}

fn field_rule(resource: &Resource, text: &str) -> Result<FieldRule> {
    let (path, value, equal) = match (text.split_once("!="), text.split_once("==").or_else(|| text.split_once('='))) {
        (Some((path, value)), _) => (path, value, false),
        (None, Some((path, value))) => (path, value, true),
        (None, None) => {
            return Err(bad_request(format!("invalid field selector: {text:?}; can't understand {text:?}")));
        }
    };
    if !resource.selects_by(path) {
        return Err(bad_request(format!("field label not supported: {path}")));
    }
    Ok(FieldRule { path: path.to_owned(), value: value.to_owned(), equal })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::equal("app=web", true)]
    #[case::double_equal("app==web", true)]
    #[case::unequal("app!=web", false)]
    #[case::unequal_of_a_missing_key("zone!=a", true)]
    #[case::in_a_set("app in (db, web),tier", true)]
    #[case::not_in_a_set("app notin (db, web)", false)]
    #[case::not_in_a_set_without_the_key("zone notin (a)", true)]
    #[case::exists("tier", true)]
    #[case::missing("!tier", false)]
    #[case::nothing_asked("", true)]
    fn label_selectors_select(#[case] selector: &str, #[case] expected: bool) {
        let labels = json!({ "app": "web", "tier": "front" });
        let rules = label_rules(selector).unwrap();
        assert_eq!(rules.iter().all(|rule| rule.matches(&labels)), expected);
    }

    #[rstest]
    #[case("app within (a)")]
    #[case("app in a")]
    fn label_selectors_that_cannot_be_read_are_refused(#[case] selector: &str) {
        assert_eq!(label_rules(selector).unwrap_err().code, Some(400));
    }
}

//! The JSONPath of printer columns: fields, indices, `[*]`, and filters that compare with one value.
//!
//! Definitions may use no more (k8s.io/apiextensions-apiserver calls it simple JSON paths); ranges, unions and recursive
//! descent are refused.

use serde_json::Value;

/// Why a path cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unrecognized column definition {path:?}")]
pub(in crate::sim::api_server) struct PathError {
    path: String,
}

/// A path into an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    /// From the end when negative.
    Index(i64),
    All,
    Where {
        path: Path,
        equal: bool,
        value: Value,
    },
    Has(Path),
}

impl Path {
    /// Reads a path such as `.status.conditions[?(@.type=="Ready")].status`.
    pub(super) fn read(text: &str) -> Result<Self, PathError> {
        let problem = || PathError { path: text.to_owned() };
        let mut rest = text.trim();
        if !rest.starts_with(['.', '[']) {
            return Err(problem());
        }
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = step(rest).ok_or_else(problem)?;
            steps.extend(step);
            rest = after;
        }
        Ok(Self(steps))
    }

    /// The first value that it leads to.
    pub(super) fn first<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        let mut found = vec![value];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.from(value)).collect();
        }
        found.first().copied()
    }
}

impl Step {
    fn from<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let items = || match value {
            Value::Array(items) => items.iter().collect::<Vec<_>>(),
            Value::Object(fields) => fields.values().collect(),
            _ => vec![],
        };
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let from_end = usize::try_from(index.unsigned_abs()).ok();
                let index = if *index < 0 { from_end.and_then(|back| items.len().checked_sub(back)) } else { from_end };
                index.and_then(|index| items.get(index)).into_iter().collect()
            }
            Self::All => items(),
            Self::Where { path, equal, value } => {
                let is = |item: &&Value| path.first(item).is_some_and(|found| (found == value) == *equal);
                items().into_iter().filter(is).collect()
            }
            Self::Has(path) => items().into_iter().filter(|item| path.first(item).is_some()).collect(),
        }
    }
}

/// One step, or none for a lone `.`, and the rest.
fn step(text: &str) -> Option<(Option<Step>, &str)> {
    if let Some(inner) = text.strip_prefix('[') {
        let (inner, rest) = bracketed(inner)?;
        return Some((Some(bracket(inner.trim())?), rest));
    }
    let text = text.strip_prefix('.')?;
    if text.starts_with('.') {
        return None;
    }
    let mut name = String::new();
    let mut characters = text.char_indices();
    let mut end = text.len();
    while let Some((at, character)) = characters.next() {
        match character {
            '.' | '[' => {
                end = at;
                break;
            }
            // An escaped dot belongs to the name.
            '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
            other => name.push(other),
        }
    }
    let step = match name.as_str() {
        "" => None,
        "*" => Some(Step::All),
        _ => Some(Step::Field(name)),
    };
    Some((step, &text[end..]))
}

/// What stands before the bracket that closes, and what after it. Brackets in quotes close nothing.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let (mut quote, mut depth) = (None, 0);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some((&text[..at], &text[at + 1..])),
            (None, ']') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

fn bracket(inner: &str) -> Option<Step> {
    if inner == "*" {
        return Some(Step::All);
    }
    if let Some(name) = unquoted(inner) {
        return Some(Step::Field(name.to_owned()));
    }
    if let Some(filter) = inner.strip_prefix("?(").and_then(|rest| rest.strip_suffix(')')) {
        return filter_step(filter.trim());
    }
    inner.parse().ok().map(Step::Index)
}

fn filter_step(filter: &str) -> Option<Step> {
    let path = |text: &str| Path::read(text.trim().strip_prefix('@')?).ok();
    for (operator, equal) in [("==", true), ("!=", false)] {
        if let Some((left, right)) = filter.split_once(operator) {
            let right = right.trim();
            let text = || unquoted(right).map(|text| Value::String(text.to_owned()));
            let value = text().or_else(|| serde_json::from_str(right).ok())?;
            return Some(Step::Where { path: path(left)?, equal, value });
        }
    }
    path(filter).map(Step::Has)
}

fn unquoted(text: &str) -> Option<&str> {
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('\'').or_else(|| inside('"'))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(".spec.replicas", json!(3))]
    #[case("['spec']['replicas']", json!(3))]
    #[case(".metadata.labels.app\\.kubernetes\\.io/name", json!("web"))]
    #[case(".metadata.labels['app.kubernetes.io/name']", json!("web"))]
    #[case(".status.conditions[?(@.type==\"Ready\")].status", json!("True"))]
    #[case(".status.conditions[?(@.type == 'Ready')].status", json!("True"))]
    #[case(".status.conditions[?(@.type!='Ready')].status", json!("False"))]
    #[case(".status.conditions[?(@.count==2)].type", json!("Ready"))]
    #[case(".status.conditions[?(@.count)].type", json!("Ready"))]
    #[case::a_bracket_in_a_text(".status.conditions[?(@.type=='a]b')].status", json!(null))]
    #[case(".status.conditions[0].type", json!("Late"))]
    #[case(".status.conditions[-1].type", json!("Ready"))]
    #[case(".status.conditions[*].type", json!("Late"))]
    #[case::too_far(".status.conditions[2].type", json!(null))]
    #[case::absent(".status.nothing.here", json!(null))]
    fn paths_lead_to_the_first_value(#[case] path: &str, #[case] expected: Value) {
        let object = json!({
            "metadata": { "labels": { "app.kubernetes.io/name": "web" } },
            "spec": { "replicas": 3 },
            "status": { "conditions": [
                { "type": "Late", "status": "False" },
                { "type": "Ready", "status": "True", "count": 2 },
            ] },
        });
        let found = Path::read(path).unwrap().first(&object).cloned();
        assert_eq!(found.unwrap_or(Value::Null), expected);
    }

    #[rstest]
    #[case("")]
    #[case("spec")]
    #[case("..spec")]
    #[case(".spec[")]
    #[case(".spec[1:2]")]
    #[case(".spec[?(type==1)]")]
    fn what_is_no_simple_path_is_refused(#[case] path: &str) {
        assert!(Path::read(path).is_err());
    }
}

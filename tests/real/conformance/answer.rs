//! Answers, without what must differ from server to server: UIDs, versions, times, generated names.

use std::{collections::BTreeMap, sync::LazyLock};

use http::{HeaderMap, response::Parts};
use regex::Regex;
use serde_json::{Value, json};

static UID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").expect("it is written here")
});
static TIME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)").expect("it is written here")
});

static AGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\d+s$").expect("it is written here"));

/// An answer as it came.
pub struct Seen {
    /// The HTTP code.
    pub code: u16,
    /// The body: JSON, or a list of JSON values, one a line, or text.
    pub body: Value,
    headers: BTreeMap<&'static str, Vec<String>>,
}

/// An answer that can be compared: `code`, `body`, and the headers that clients act on.
pub type Answer = Value;

impl Seen {
    /// Reads an answer.
    pub fn new(parts: &Parts, body: &[u8]) -> Self {
        let headers = ["retry-after", "warning"].into_iter();
        let headers = headers.map(|name| (name, all(&parts.headers, name))).filter(|(_, values)| !values.is_empty());
        Self { code: parts.status.as_u16(), body: read(body), headers: headers.collect() }
    }

    /// No answer at all, and why.
    pub fn nothing(why: &str) -> Self {
        Self { code: 0, body: why.into(), headers: BTreeMap::new() }
    }

    /// The answer in a form that can be compared. `kept` names texts that are known to differ.
    pub fn normalised(self, kept: &BTreeMap<String, String>) -> Answer {
        let mut answer = json!({ "code": self.code, "body": self.body, "headers": self.headers });
        normalise(&mut answer, "", kept);
        answer
    }
}

fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

fn read(body: &[u8]) -> Value {
    let is_event = |value: &Value| value.get("type").is_some() && value.get("object").is_some();
    if let Ok(value) = serde_json::from_slice(body) {
        return if is_event(&value) { Value::Array(told(vec![value])) } else { value };
    }
    let text = String::from_utf8_lossy(body);
    let lines: Option<Vec<Value>> = text.lines().map(|line| serde_json::from_str(line).ok()).collect();
    lines.map_or_else(|| Value::String(text.into_owned()), |lines| Value::Array(told(lines)))
}

/// Events without the bookmarks that come when time has passed.
fn told(mut events: Vec<Value>) -> Vec<Value> {
    let ends_a_list = |event: &Value| event.pointer("/object/metadata/annotations").is_some();
    events.retain(|event| event["type"] != "BOOKMARK" || ends_a_list(event) || event["object"]["kind"] == "Table");
    events
}

fn normalise(value: &mut Value, key: &str, kept: &BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            if let (Some(prefix), true) = (map.get("generateName").cloned(), map.contains_key("name")) {
                map.insert("name".into(), json!(format!("{}<generated>", prefix.as_str().unwrap_or_default())));
            }
            map.iter_mut().for_each(|(key, part)| normalise(part, key, kept));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|item| normalise(item, key, kept));
            if key == "columnDefinitions" {
                items.iter_mut().for_each(|column| column["description"] = "<words>".into());
            }
            if key == "managedFields" {
                items.sort_by_key(Value::to_string);
            }
        }
        Value::String(text) if key == "resourceVersion" && !matches!(text.as_str(), "" | "0") => {
            // One that was kept tells whether there has been a write since.
            let known = kept.iter().find(|(_, value)| *value == text);
            *text = known.map_or_else(|| "<version>".to_owned(), |(name, _)| format!("<{name}>"));
        }
        Value::String(text) if key == "cells" && AGE.is_match(text) => *text = "<age>".into(),
        Value::String(text) if key == "continue" && !text.is_empty() => *text = "<continue>".into(),
        Value::String(text) => *text = normalised_text(text, kept),
        _ => {}
    }
}

fn normalised_text(text: &str, kept: &BTreeMap<String, String>) -> String {
    let text = UID.replace_all(text, "<uid>");
    let mut text = TIME.replace_all(&text, "<time>").into_owned();
    for (name, value) in kept.iter().filter(|(name, value)| *name != "ns" && !value.is_empty()) {
        // Versions are short numbers: only whole ones are meant.
        let whole = Regex::new(&format!(r"\b{}\b", regex::escape(value))).expect("an escaped text is a pattern");
        text = whole.replace_all(&text, format!("<{name}>")).into_owned();
    }
    text
}

/// The same answer with what it lists in an order of its own: causes, and the parts of a message in brackets.
pub fn in_order(mut answer: Answer) -> Answer {
    if let Some(causes) = answer.pointer_mut("/body/details/causes").and_then(Value::as_array_mut) {
        causes.sort_by_key(Value::to_string);
    }
    if let Some(Value::String(message)) = answer.pointer_mut("/body/message")
        && let Some((before, list)) = message.split_once('[')
        && let Some(list) = list.strip_suffix(']')
    {
        let mut parts: Vec<&str> = list.split(", ").collect();
        parts.sort_unstable();
        *message = format!("{before}[{}]", parts.join(", "));
    }
    answer
}

/// The same answer without the words of decoders and printers, which each language has its own of: only what comes
/// before them is left of a message.
pub fn in_any_words(mut answer: Answer) -> Answer {
    let causes = answer.pointer_mut("/body/details/causes").and_then(Value::as_array_mut);
    for cause in causes.into_iter().flatten() {
        cut(cause.get_mut("message"));
    }
    cut(answer.pointer_mut("/body/message"));
    for warning in answer.pointer_mut("/headers/warning").and_then(Value::as_array_mut).into_iter().flatten() {
        cut(Some(warning));
    }
    answer
}

static WORDS: LazyLock<Regex> = LazyLock::new(|| {
    let begins = [
        r"must be of type \w+\)",
        r"cannot be handled as an? \w+:",
        "error decoding patch",
        "continue key is not valid",
        r#"patch: Invalid value: "\{"#,
        r#"^Invalid value: "\{"#,
        r"406: Not Acceptable",
        "only the following media types are accepted",
        "couldn't get version/kind",
    ];
    Regex::new(&begins.join("|")).expect("it is written here")
});

fn cut(text: Option<&mut Value>) {
    if let Some(Value::String(text)) = text
        && !text.contains("strict decoding error")
        && let Some(found) = WORDS.find(text)
    {
        text.truncate(found.end());
        text.push_str(" ...");
    }
}

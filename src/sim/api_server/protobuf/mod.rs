//! Reads request bodies in Kubernetes' protobuf form, which Go clients send for built-in kinds unless told otherwise.
//!
//! Nothing is answered in it: every client that sends it takes JSON as well. `fields.txt` says which field is what; it is
//! printed by `tests/rig/protobuf` from the Kubernetes types. A body is the four bytes `k8s\0` and a message that holds
//! the type and the object. Rules: k8s.io/apimachinery `pkg/runtime/serializer/protobuf`, protobuf.dev's encoding guide.

mod fields;
mod wire;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use self::{
    fields::{Field, Kind, message},
    wire::{Raw, Wire},
};
use super::status::{Result, bad_request, unsupported_media_type};

/// What such a body is called.
pub(super) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
const MAGIC: &[u8] = b"k8s\0";
/// No object is nested deeper than this.
const DEEPEST: usize = 64;

/// Reads a body into the JSON of its object.
///
/// # Errors
/// 415 for kinds that are not known in this form, 400 for what cannot be read.
pub(super) fn object(body: &[u8]) -> Result<Value> {
    let envelope = body.strip_prefix(MAGIC).ok_or_else(|| broken("it does not begin as it must"))?;
    let (mut head, mut raw): (&[u8], &[u8]) = (&[], &[]);
    for part in Wire::new(envelope) {
        match part? {
            (1, Raw::Bytes(bytes)) => head = bytes,
            (2, Raw::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let (mut api_version, mut kind) = (String::new(), String::new());
    for part in Wire::new(head) {
        match part? {
            (1, Raw::Bytes(bytes)) => api_version = text(bytes)?,
            (2, Raw::Bytes(bytes)) => kind = text(bytes)?,
            _ => {}
        }
    }
    let mut object = fields_of(&root(&api_version, &kind), raw, 0)?;
    object.insert("apiVersion".into(), api_version.into());
    object.insert("kind".into(), kind.into());
    Ok(Value::Object(object))
}

/// The message of a kind: `core/v1.Pod`.
fn root(api_version: &str, kind: &str) -> String {
    if kind == "DeleteOptions" {
        // Every group has it under its own name.
        return "meta/v1.DeleteOptions".to_owned();
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
    format!("{}/{version}.{kind}", group.split('.').next().unwrap_or(group))
}

fn broken(problem: &str) -> super::status::Failure {
    bad_request(format!("the protobuf body cannot be read: {problem}; send it as JSON"))
}

fn text(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| broken("a text is not UTF-8"))
}

fn fields_of(name: &str, bytes: &[u8], depth: usize) -> Result<Map<String, Value>> {
    let known = message(name).ok_or_else(|| unsupported_media_type(&["application/json", "application/yaml"]))?;
    if depth > DEEPEST {
        return Err(broken("it is nested too deep"));
    }
    let mut object = Map::new();
    for part in Wire::new(bytes) {
        let (number, raw) = part?;
        let Some(field) = known.iter().find(|field| field.number == number) else {
            return Err(broken(&format!("field {number} of {name} is not known")));
        };
        insert(&mut object, field, raw, depth)?;
    }
    Ok(object)
}

fn insert(object: &mut Map<String, Value>, field: &Field, raw: Raw<'_>, depth: usize) -> Result<()> {
    match &field.kind {
        Kind::Inline(name) => object.extend(fields_of(name, raw.bytes()?, depth + 1)?),
        Kind::List(kind) => {
            let items = object.entry(field.name).or_insert_with(|| json!([]));
            let item = value(kind, raw, depth)?;
            items.as_array_mut().expect("a field has one kind").push(item);
        }
        Kind::Map(kind) => {
            let entries = object.entry(field.name).or_insert_with(|| json!({}));
            let (key, value) = entry(kind, raw.bytes()?, depth)?;
            entries[key] = value;
        }
        kind => {
            let value = value(kind, raw, depth)?;
            let is_left_out = value.is_null() || (field.left_out_when_empty && is_empty(&value));
            if !is_left_out {
                object.insert(field.name.to_owned(), value);
            }
        }
    }
    Ok(())
}

/// What JSON leaves out where it may. Objects stay, as they do in Go.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(is) => !is,
        _ => false,
    }
}

fn entry(kind: &Kind, bytes: &[u8], depth: usize) -> Result<(String, Value)> {
    let (mut key, mut found) = (String::new(), None);
    for part in Wire::new(bytes) {
        match part? {
            (1, raw) => key = text(raw.bytes()?)?,
            (2, raw) => found = Some(value(kind, raw, depth)?),
            _ => {}
        }
    }
    let otherwise = if matches!(kind, Kind::Text | Kind::Bytes) { json!("") } else { json!({}) };
    Ok((key, found.unwrap_or(otherwise)))
}

fn value(kind: &Kind, raw: Raw<'_>, depth: usize) -> Result<Value> {
    Ok(match kind {
        Kind::Text => text(raw.bytes()?)?.into(),
        Kind::Bytes => STANDARD.encode(raw.bytes()?).into(),
        Kind::Whole => raw.whole()?.cast_signed().into(),
        Kind::Boolean => (raw.whole()? != 0).into(),
        Kind::Real => raw.real()?.into(),
        Kind::Message(name) => message_value(name, raw.bytes()?, depth + 1)?,
        Kind::List(_) | Kind::Map(_) | Kind::Inline(_) => return Err(broken("a list holds a list")),
    })
}

/// Messages whose JSON is not an object of their fields, and all others.
fn message_value(name: &str, bytes: &[u8], depth: usize) -> Result<Value> {
    match name {
        "meta/v1.Time" => time(bytes, "%Y-%m-%dT%H:%M:%SZ"),
        "meta/v1.MicroTime" => time(bytes, "%Y-%m-%dT%H:%M:%S.%6fZ"),
        "resource.Quantity" => Ok(first_bytes(bytes)?.map_or(Ok(json!("0")), |bytes| text(bytes).map(Value::from))?),
        "runtime.RawExtension" | "meta/v1.FieldsV1" => {
            let raw = first_bytes(bytes)?.unwrap_or(b"null");
            serde_json::from_slice(raw).map_err(|_| broken("what is embedded is not JSON"))
        }
        "intstr.IntOrString" => int_or_string(bytes),
        // A list with a name of its own.
        _ if message(name).is_some_and(|fields| matches!(fields, [Field { name: "items", .. }])) => {
            Ok(fields_of(name, bytes, depth)?.remove("items").unwrap_or_else(|| json!([])))
        }
        _ => fields_of(name, bytes, depth).map(Value::Object),
    }
}

fn first_bytes(message: &[u8]) -> Result<Option<&[u8]>> {
    let mut found = None;
    for part in Wire::new(message) {
        if let (1, raw) = part? {
            found = Some(raw.bytes()?);
        }
    }
    Ok(found)
}

/// Seconds and nanoseconds since 1970; `null` when it is not set.
fn time(bytes: &[u8], format: &str) -> Result<Value> {
    let (mut seconds, mut nanos) = (0, 0);
    for part in Wire::new(bytes) {
        match part? {
            (1, raw) => seconds = raw.whole()?.cast_signed(),
            (2, raw) => nanos = i32::try_from(raw.whole()?).unwrap_or(0),
            _ => {}
        }
    }
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let time = Timestamp::new(seconds, nanos).map_err(|_| broken("a time is out of range"))?;
    Ok(time.strftime(format).to_string().into())
}

fn int_or_string(bytes: &[u8]) -> Result<Value> {
    let (mut is_text, mut number, mut words) = (false, 0, String::new());
    for part in Wire::new(bytes) {
        match part? {
            (1, raw) => is_text = raw.whole()? != 0,
            (2, raw) => number = raw.whole()?.cast_signed(),
            (3, raw) => words = text(raw.bytes()?)?,
            _ => {}
        }
    }
    Ok(if is_text { words.into() } else { number.into() })
}

#[cfg(test)]
mod tests;

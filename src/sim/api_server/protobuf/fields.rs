//! Which field of which message is what, read once from `fields.txt`.

use std::{collections::BTreeMap, sync::LazyLock};

/// A field of a message.
#[derive(Debug, PartialEq)]
pub(super) struct Field {
    pub(super) number: u32,
    /// In JSON.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) left_out_when_empty: bool,
}

/// What a field holds.
#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    Text,
    Whole,
    Real,
    Boolean,
    /// In JSON as base64.
    Bytes,
    Message(&'static str),
    /// A message whose fields stand in JSON among those of the message that holds it.
    Inline(&'static str),
    List(Box<Kind>),
    /// By text.
    Map(Box<Kind>),
}

type Messages = BTreeMap<&'static str, Vec<Field>>;

static MESSAGES: LazyLock<Messages> = LazyLock::new(|| {
    let lines = include_str!("fields.txt").lines().map(|line| line.split_once(' ').unwrap_or((line, "")));
    lines.map(|(name, fields)| (name, fields.split(';').filter_map(field).collect())).collect()
});

/// The fields of a message, if it is known.
pub(super) fn message(name: &str) -> Option<&'static [Field]> {
    MESSAGES.get(name).map(Vec::as_slice)
}

/// `7 name ?s`
fn field(text: &'static str) -> Option<Field> {
    let mut parts = text.split(' ');
    let (number, name, written) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    let kind = kind(written.trim_start_matches('?'))?;
    Some(Field { number, name, kind, left_out_when_empty: written.starts_with('?') })
}

fn kind(text: &'static str) -> Option<Kind> {
    Some(match text.split_at_checked(1)? {
        ("s", "") => Kind::Text,
        ("i", "") => Kind::Whole,
        ("f", "") => Kind::Real,
        ("b", "") => Kind::Boolean,
        ("y", "") => Kind::Bytes,
        ("=", name) => Kind::Message(name),
        ("~", name) => Kind::Inline(name.strip_prefix('=')?),
        ("*", inner) => Kind::List(Box::new(kind(inner)?)),
        ("{", inner) => Kind::Map(Box::new(kind(inner)?)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_read_and_every_message_known() {
        const SPECIAL: &[&str] = &[
            "meta/v1.Time",
            "meta/v1.MicroTime",
            "meta/v1.FieldsV1",
            "resource.Quantity",
            "intstr.IntOrString",
            "runtime.RawExtension",
        ];
        let written: usize = include_str!("fields.txt").lines().map(|line| line.matches(';').count()).sum();
        let read: usize = MESSAGES.values().map(|fields| fields.len().saturating_sub(1)).sum();
        assert_eq!(read, written);
        fn refers(kind: &Kind) -> Option<&'static str> {
            match kind {
                Kind::Message(name) | Kind::Inline(name) => Some(name),
                Kind::List(kind) | Kind::Map(kind) => refers(kind),
                _ => None,
            }
        }
        let names = MESSAGES.values().flatten().filter_map(|field| refers(&field.kind));
        let unknown: Vec<_> = names.filter(|name| message(name).is_none() && !SPECIAL.contains(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}

//! Server-side apply: merges what a manager wants, removes what it wants no longer, and guards what others own.
//!
//! Follows sigs.k8s.io/structured-merge-diff: ownership by fields, conflicts only where values differ.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    fields::{Changes, FieldSet},
    managers::{Managers, Operation, Writer, without_server_fields},
    shape::{ListKind, Shape, element, elements},
};
use crate::sim::api_server::status::{Result, apply_conflict, bad_request};

/// What apply makes of an object.
pub(crate) struct Applied {
    /// The object.
    pub(crate) value: Value,
    /// Who owns its fields.
    pub(crate) managers: Managers,
}

/// Applies what a manager wants to an object.
///
/// # Errors
/// 409 when another manager owns a field that would change and `force` is false.
pub(crate) fn apply(
    live: (&Value, &Managers),
    wanted: &Value,
    writer: &Writer,
    shape: Shape<'_>,
    force: bool,
    now: Timestamp,
) -> Result<Applied> {
    let (object, managers) = live;
    let wants = wanted_fields(wanted, writer, shape);
    let mut value = object.clone();
    merge(&mut value, wanted, shape)?;
    let find = |manager: &&super::managers::Manager| manager.writer.is(writer);
    if let Some(last) = managers.0.iter().find(find) {
        let others: Vec<&FieldSet> =
            managers.0.iter().filter(|manager| !manager.writer.is(writer)).map(|manager| &manager.fields).collect();
        // An object has its metadata, whoever wants something of it.
        let mut kept = wants.clone();
        kept.children.entry("f:metadata".to_owned()).or_default();
        prune(&mut value, &last.fields, Some(&kept), &others, shape);
    }
    let changes = Changes::between(object, &value, shape);
    let changes = Changes { set: without_server_fields(changes.set), removed: without_server_fields(changes.removed) };
    if !force {
        check_conflicts(managers, writer, &changes.set)?;
    }
    Ok(Applied { value, managers: owners_after(managers, writer, wants, &changes, now) })
}

/// The fields that an apply claims: through a subresource only those that it may write.
fn wanted_fields(wanted: &Value, writer: &Writer, shape: Shape<'_>) -> FieldSet {
    let mut wants = without_server_fields(FieldSet::of(wanted, shape));
    writer.limit(&mut wants, false);
    wants
}

fn owners_after(before: &Managers, writer: &Writer, wants: FieldSet, changes: &Changes, now: Timestamp) -> Managers {
    let mut managers = before.clone();
    for manager in &mut managers.0 {
        if !manager.writer.is(writer) {
            manager.fields.subtract(&changes.set);
        }
        manager.fields.subtract(&changes.removed);
    }
    let own = managers.entry(writer);
    if !changes.is_empty() {
        own.time = Some(now);
    }
    own.fields = wants;
    own.writer.api_version.clone_from(&writer.api_version);
    managers.tidy();
    managers
}

fn check_conflicts(managers: &Managers, writer: &Writer, set: &FieldSet) -> Result<()> {
    let mut causes = Vec::new();
    let mut texts = Vec::new();
    let mut others: Vec<_> = managers.0.iter().filter(|manager| !manager.writer.is(writer)).collect();
    others.sort_by_key(|other| spelled(&other.writer));
    for other in others {
        let mut paths = Vec::new();
        other.fields.common_paths(set, "", &mut paths);
        let by = spelled(&other.writer);
        if !paths.is_empty() {
            texts.push(format!("conflicts with {by}:"));
        }
        for path in paths {
            texts.push(format!("- {path}"));
            causes.push((format!("conflict with {by}"), path));
        }
    }
    match causes.as_slice() {
        [] => Ok(()),
        [(by, path)] => Err(apply_conflict(format!("Apply failed with 1 conflict: {by}: {path}"), causes.clone())),
        many => {
            let message = format!("Apply failed with {} conflicts: {}", many.len(), texts.join("\n"));
            Err(apply_conflict(message, causes))
        }
    }
}

fn spelled(other: &Writer) -> String {
    let Writer { name, api_version, subresource, operation } = other;
    let through = if subresource.is_empty() { String::new() } else { format!(" with subresource {subresource:?}") };
    match operation {
        Operation::Apply => format!("{name:?}{through}"),
        Operation::Update => format!("{name:?}{through} using {api_version}"),
    }
}

/// Merges what is wanted: maps by field, lists by their kind, everything else as a whole.
fn merge(target: &mut Value, wanted: &Value, shape: Shape<'_>) -> Result<()> {
    match (target, wanted) {
        (Value::Object(target), Value::Object(wanted)) if !shape.is_atomic_map() => {
            for (key, value) in wanted {
                match target.get_mut(key) {
                    Some(part) => merge(part, value, shape.field(key))?,
                    None => _ = target.insert(key.clone(), checked(value, shape.field(key))?),
                }
            }
            Ok(())
        }
        (Value::Array(target), Value::Array(wanted)) => merge_lists(target, wanted, shape),
        (target, wanted) => {
            *target = checked(wanted, shape)?;
            Ok(())
        }
    }
}

/// A value that nothing is merged with; its lists must have their keys all the same.
fn checked(value: &Value, shape: Shape<'_>) -> Result<Value> {
    match value {
        Value::Object(map) => {
            map.iter().try_for_each(|(key, part)| checked(part, shape.field(key)).map(drop))?;
        }
        Value::Array(items) => {
            names(items, &shape.list())?;
            items.iter().try_for_each(|item| checked(item, shape.items()).map(drop))?;
        }
        _ => {}
    }
    Ok(value.clone())
}

/// The names of list items; none for atomic lists.
fn names(items: &[Value], kind: &ListKind) -> Result<Vec<String>> {
    if *kind == ListKind::Atomic {
        return Ok(Vec::new());
    }
    elements(kind, items).ok_or_else(|| {
        bad_request(format!("associative list items must have their keys, each once; kind of list: {kind:?}"))
    })
}

fn merge_lists(target: &mut Vec<Value>, wanted: &[Value], shape: Shape<'_>) -> Result<()> {
    let kind = shape.list();
    if kind == ListKind::Atomic {
        *target = wanted.to_vec();
        return Ok(());
    }
    let wanted_names = names(wanted, &kind)?;
    let live: Vec<(Option<String>, Value)> =
        std::mem::take(target).into_iter().map(|item| (element(&kind, &item), item)).collect();
    let find = |name: &String| live.iter().find(|(one, _)| one.as_ref() == Some(name)).map(|(_, item)| item);
    let mut merged = Vec::new();
    for place in interleaved(&live, &wanted_names) {
        match place {
            Place::Live(at) => merged.push(live[at].1.clone()),
            Place::Wanted(at) => {
                let mut kept = find(&wanted_names[at]).cloned().unwrap_or_default();
                merge(&mut kept, &wanted[at], shape.items())?;
                merged.push(kept);
            }
        }
    }
    *target = merged;
    Ok(())
}

/// Where an item of a merged list comes from.
enum Place {
    Live(usize),
    Wanted(usize),
}

/// The order of a merged list: items that are in both keep the order in which they are wanted, and what is only live stays
/// before the item that it stood before.
fn interleaved(live: &[(Option<String>, Value)], wanted: &[String]) -> Vec<Place> {
    let name = |at: usize| live[at].0.as_ref();
    let is_wanted = |at: usize| name(at).is_some_and(|name| wanted.contains(name));
    let is_live = |name: &&String| live.iter().any(|(one, _)| one.as_ref() == Some(*name));
    let mut shared: VecDeque<&String> = wanted.iter().filter(is_live).collect();
    let (mut places, mut done) = (Vec::new(), BTreeSet::new());
    let (mut left, mut right) = (0, 0);
    while left < live.len() || right < wanted.len() {
        if left < live.len() && right < wanted.len() {
            if name(left) == Some(&wanted[right]) {
                done.insert(&wanted[right]);
                places.push(Place::Wanted(right));
                (left, right) = (left + 1, right + 1);
                shared.pop_front();
                continue;
            }
            if is_wanted(left) && shared.front().is_some_and(|next| name(left) != Some(*next)) {
                left += 1;
                continue;
            }
        }
        if left < live.len() {
            if !is_wanted(left) {
                places.push(Place::Live(left));
                left += 1;
                continue;
            }
            if name(left).is_some_and(|name| done.contains(name)) {
                left += 1;
            }
        }
        if let Some(next) = wanted.get(right) {
            done.insert(next);
            places.push(Place::Wanted(right));
            right += 1;
            if shared.front() == Some(&next) {
                shared.pop_front();
            }
        }
    }
    places
}

/// Removes what the manager owned (`was`), wants no longer (`now`), and nobody else owns.
fn prune(value: &mut Value, was: &FieldSet, now: Option<&FieldSet>, others: &[&FieldSet], shape: Shape<'_>) {
    for (name, inner) in &was.children {
        let now = now.and_then(|now| now.children.get(name));
        let others: Vec<&FieldSet> = others.iter().filter_map(|other| other.children.get(name)).collect();
        if now.is_none() && others.is_empty() {
            remove(value, name, shape);
        } else if let Some((part, shape)) = part(value, name, shape) {
            prune(part, inner, now, &others, shape);
        }
    }
}

fn remove(value: &mut Value, name: &str, shape: Shape<'_>) {
    match value {
        Value::Object(map) => _ = name.strip_prefix("f:").and_then(|key| map.remove(key)),
        Value::Array(items) => {
            let kind = shape.list();
            items.retain(|item| element(&kind, item).as_deref() != Some(name));
        }
        _ => {}
    }
}

fn part<'a>(value: &'a mut Value, name: &'a str, shape: Shape<'a>) -> Option<(&'a mut Value, Shape<'a>)> {
    match value {
        Value::Object(map) => {
            let key = name.strip_prefix("f:")?;
            map.get_mut(key).map(|part| (part, shape.field(key)))
        }
        Value::Array(items) => {
            let kind = shape.list();
            let item = items.iter_mut().find(|item| element(&kind, item).as_deref() == Some(name))?;
            Some((item, shape.items()))
        }
        _ => None,
    }
}

/// What a manager wants, without nulls, which mean nothing to apply.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept: Map<_, _> = map
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, without_nulls(value)))
                .collect();
            Value::Object(kept)
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ROOT: Shape<'_> = Shape::Field("", "");

    fn by(name: &str) -> Writer {
        Writer { operation: Operation::Apply, name: name.into(), api_version: "v1".into(), subresource: "" }
    }

    fn force(live: &Applied, name: &str, wanted: &Value) -> Applied {
        let applied = apply((&live.value, &live.managers), wanted, &by(name), ROOT, true, Timestamp::UNIX_EPOCH);
        applied.unwrap_or_else(|status| panic!("{status:?}"))
    }

    fn nothing() -> Applied {
        Applied { value: json!({}), managers: Managers::default() }
    }

    prop_compose! {
        /// A Pod with some labels and some containers.
        fn wish()(
            labels in prop::collection::btree_map("[a-c]", "[xy]", 0..3),
            containers in prop::collection::btree_map("[a-c]", ("[xy]", any::<bool>()), 0..3),
        ) -> Value {
            let container = |(name, (image, tty))| json!({ "name": name, "image": image, "tty": tty });
            let containers: Vec<Value> = containers.into_iter().map(container).collect();
            json!({ "metadata": { "labels": labels }, "spec": { "containers": containers } })
        }
    }

    proptest! {
        #[test]
        fn applying_twice_is_applying_once(first in wish(), second in wish()) {
            let once = force(&force(&nothing(), "one", &first), "two", &second);
            let twice = force(&once, "two", &second);
            prop_assert_eq!((twice.value, twice.managers), (once.value, once.managers));
        }

        #[test]
        fn what_is_applied_last_holds(first in wish(), second in wish()) {
            let both = force(&force(&nothing(), "one", &first), "two", &second);
            let again = Changes::between(&both.value, &force(&both, "three", &second).value, ROOT);
            prop_assert!(again.is_empty(), "{again:?}");
        }

        #[test]
        fn a_manager_that_wants_nothing_leaves_what_the_other_wants(first in wish(), second in wish()) {
            let both = force(&force(&nothing(), "one", &first), "two", &second);
            let left = force(&both, "one", &json!({}));
            let alone = force(&nothing(), "two", &second);
            let mut lost = FieldSet::of(&alone.value, ROOT);
            lost.subtract(&FieldSet::of(&left.value, ROOT));
            prop_assert!(lost.is_empty(), "{lost:?}");
            let changed = Changes::between(&alone.value, &left.value, ROOT).set;
            prop_assert!(changed.is_empty(), "{changed:?}");
        }
    }
}

//! What goes with a removed object: its dependents, and the owner or namespace that waited for it.
//!
//! The real garbage collector and namespace controller do this a little later; here it is part of the removal.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::delete::{Deletion, FOREGROUND, delete};
use crate::sim::api_server::{
    crd, meta,
    object::Object,
    patch::managers::Managers,
    registry::Resource,
    store::{Location, Store},
};

/// Removes an object and all that goes with it.
pub(crate) fn remove(
    store: &mut Store,
    resource: &Resource,
    last: Value,
    managers: Managers,
    now: Timestamp,
) -> Arc<Object> {
    let object = store.remove(resource, last, managers);
    if resource.is(crd::TABLE) {
        crd::withdraw(store, &object.value, now);
    }
    delete_dependents(store, meta::uid(&object.value), now);
    for owner in meta::owners(&object.value) {
        release_owner(store, owner, now);
    }
    empty_namespace(store, meta::namespace(&object.value), now);
    object
}

/// Deletes the objects whose last owner this was; the others only lose the reference.
pub(crate) fn delete_dependents(store: &mut Store, owner: &str, now: Timestamp) {
    for dependent in store.dependents(owner) {
        let Some((resource, object)) = look_up(store, &dependent) else { continue };
        let has_other = meta::owners(&object.value).any(|other| other != owner && store.find(other).is_some());
        if has_other {
            drop_reference(store, &resource, &object, owner);
        } else {
            // It was just found, and a deletion without preconditions has no other way to fail.
            _ = delete(store, &resource, &dependent.key, &Deletion::default(), now);
        }
    }
}

/// Takes an owner's UID out of its dependents, so that they outlive it.
pub(crate) fn orphan_dependents(store: &mut Store, owner: &str) {
    for dependent in store.dependents(owner) {
        if let Some((resource, object)) = look_up(store, &dependent) {
            drop_reference(store, &resource, &object, owner);
        }
    }
}

/// Deletes a new object whose owners are all gone, as the garbage collector soon would.
pub(crate) fn orphan(store: &mut Store, resource: &Arc<Resource>, object: &Object, now: Timestamp) {
    let mut owners = meta::owners(&object.value).peekable();
    if owners.peek().is_some() && owners.all(|owner| store.find(owner).is_none()) {
        let key = (meta::namespace(&object.value).to_owned(), meta::name(&object.value).to_owned());
        // It was just stored, and a deletion without preconditions has no other way to fail.
        _ = delete(store, resource, &key, &Deletion::default(), now);
    }
}

fn look_up(store: &Store, location: &Location) -> Option<(Arc<Resource>, Arc<Object>)> {
    let object = store.get(&location.table, &location.key)?.clone();
    Some((store.registry.of_table(&location.table)?.clone(), object))
}

fn drop_reference(store: &mut Store, resource: &Resource, object: &Object, owner: &str) {
    let mut value = object.value.clone();
    if let Some(references) = value["metadata"]["ownerReferences"].as_array_mut() {
        references.retain(|reference| reference["uid"] != owner);
    }
    if value["metadata"]["ownerReferences"].as_array().is_some_and(Vec::is_empty) {
        meta::set(&mut value, "ownerReferences", None);
    }
    store.put(resource, value, object.managers.clone());
}

/// Lets an owner go that waited in the foreground for its dependents.
fn release_owner(store: &mut Store, owner: &str, now: Timestamp) {
    let Some((resource, object)) = store.find(owner).cloned().and_then(|location| look_up(store, &location)) else {
        return;
    };
    let waits = meta::is_deleting(&object.value) && meta::finalizers(&object.value).any(|name| name == FOREGROUND);
    if !waits || !store.dependents(owner).is_empty() {
        return;
    }
    let mut value = object.value.clone();
    if let Some(finalizers) = value["metadata"]["finalizers"].as_array_mut() {
        finalizers.retain(|name| name != FOREGROUND);
    }
    let grace = value["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    if meta::finalizers(&value).next().is_some() || grace > 0 {
        store.put(&resource, value, object.managers.clone());
    } else {
        remove(store, &resource, value, object.managers.clone(), now);
    }
}

/// Deletes what is in a namespace that is being deleted, and the namespace once it is empty.
pub(crate) fn empty_namespace(store: &mut Store, namespace: &str, now: Timestamp) {
    let key = (String::new(), namespace.to_owned());
    let is_deleting =
        |store: &Store| store.get("namespaces", &key).is_some_and(|space| meta::is_deleting(&space.value));
    if namespace.is_empty() || !is_deleting(store) {
        return;
    }
    for location in store.contents(namespace) {
        let Some((resource, object)) = look_up(store, &location) else { continue };
        if !meta::is_deleting(&object.value) {
            _ = delete(store, &resource, &location.key, &Deletion::default(), now);
        }
    }
    // A removal inside the loop may have come here before and taken the namespace already.
    if let Some(space) = store.get("namespaces", &key).cloned().filter(|_| store.contents(namespace).is_empty()) {
        let resource = store.registry.of_table("namespaces").cloned().expect("Namespaces are built in");
        let held = meta::finalizers(&space.value).next().is_some();
        if !held {
            remove(store, &resource, space.value.clone(), space.managers.clone(), now);
        }
    }
}

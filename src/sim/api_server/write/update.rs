//! Update and patch.

use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value, json};

use super::{Answer, Outcome, Write, admit, collect, names, pods};
use crate::sim::api_server::{
    crd, meta,
    object::Object,
    patch::{
        Patch, apply, declared, empty,
        fields::Changes,
        managers::{Managers, Operation},
        shape::Shape,
    },
    registry::{Resource, Shape as Kind, Subresource},
    status::{
        Cause, Failure, Result, STALE, bad_request, conflict, failure, invalid, invalid_as, invalid_options, not_found,
    },
};

/// Who owned the fields of an object before a write changes it.
pub(crate) enum Owners {
    /// Those that are stored.
    AsBefore,
    /// Those that the write itself names.
    Named(Managers),
    /// Those that apply has worked out, the write included.
    Applied(Managers),
}

impl Write<'_> {
    /// Replaces an object, or the part of it that the subresource is.
    pub(crate) fn replace(&mut self, object: Value) -> Result<Outcome> {
        if self.target.resource.is_made_by_update() && self.current().is_err() {
            return self.create(object, None);
        }
        let old = self.current()?;
        let resource = &self.target.resource;
        if resource.needs_version() && meta::text(&object, "resourceVersion").is_empty() {
            let cause = Cause::invalid("metadata.resourceVersion", "0", "must be specified for an update");
            return Err(invalid_as(resource, &resource.plural, &self.target.name, &[cause]));
        }
        self.change(&old, object, Owners::AsBefore)
    }

    /// Patches an object. Apply makes it when there is none.
    pub(crate) fn patch(&mut self, patch: &Patch) -> Result<Outcome> {
        let Patch::Apply(wanted) = patch else {
            if self.call.has("force") {
                let cause = Cause::forbidden("force", "may not be specified for non-apply patch");
                return Err(invalid_options("PatchOptions", &cause));
            }
            let old = self.current()?;
            let names_managers = patch.names_managers();
            let base = if names_managers { &old.whole() } else { &old.value };
            let new = patch.applied_to(base, Shape::of(&self.target.resource))?;
            let named = Managers::read(&new["metadata"]["managedFields"]).filter(|_| names_managers);
            let changed = self.change(&old, new.clone(), named.map_or(Owners::AsBefore, Owners::Named));
            return changed.map_err(|failure| patch.blamed(failure, &new));
        };
        self.check_apply(wanted)?;
        if meta::name(wanted).is_empty() {
            return Err(nameless(&self.target.name));
        }
        if !matches!(self.target.subresource, Some(Subresource::Scale)) {
            declared::check(&self.target.resource, wanted)?;
        }
        match self.store.get(&self.target.resource.table, &self.target.key()).cloned() {
            Some(old) => {
                let (value, managers) = self.applied(&old.value, &old.managers, wanted)?;
                self.change(&old, value, Owners::Applied(managers))
            }
            None if self.target.subresource.is_none() => {
                if !meta::uid(wanted).is_empty() {
                    return Err(conflict(
                        &self.target.resource,
                        &self.target.name,
                        "uid mismatch: the provided object specified uid, and no existing object was found",
                    ));
                }
                let (_, managers) = self.applied(&json!({}), &Managers::default(), wanted)?;
                let mut new = wanted.clone();
                meta::set(&mut new, "resourceVersion", None);
                self.create(new, Some(managers))
            }
            None => Err(not_found(&self.target.resource, &self.target.name)),
        }
    }

    fn check_apply(&self, wanted: &Value) -> Result<()> {
        if self.call.option("fieldManager").is_empty() {
            let cause = Cause::required("fieldManager", "is required for apply patch");
            return Err(invalid_options("PatchOptions", &cause));
        }
        let text = |field: &str| wanted[field].as_str().unwrap_or_default();
        if [text("apiVersion"), text("kind")].contains(&"") {
            let version = text("apiVersion");
            let version = if version.contains('/') { version.to_owned() } else { format!("/{version}") };
            return Err(bad_request(format!("invalid object type: {version}, Kind={}", text("kind"))));
        }
        let resource = &self.target.resource;
        if (text("apiVersion"), text("kind")) != (resource.api_version().as_str(), resource.kind.as_str()) {
            let version = text("apiVersion");
            let version = if version.contains('/') { version.to_owned() } else { format!("/{version}") };
            let is_scale = self.target.subresource == Some(Subresource::Scale);
            if !is_scale {
                return Err(bad_request(format!("invalid object type: {version}, Kind={}", text("kind"))));
            }
        }
        if wanted["metadata"]["managedFields"].is_array() {
            return Err(bad_request("metadata.managedFields must be nil"));
        }
        Ok(())
    }

    fn applied(&self, value: &Value, managers: &Managers, wanted: &Value) -> Result<(Value, Managers)> {
        let resource = &self.target.resource;
        let wanted = within_the_part(resource, self.target.subresource, wanted.clone());
        let (writer, shape) = (self.writer(Operation::Apply), Shape::of(resource));
        let applied = apply::apply((value, managers), &wanted, &writer, shape, self.call.is_set("force"), self.now)?;
        Ok((applied.value, applied.managers))
    }

    /// Stores `new` in place of `old`, as far as the rules allow.
    pub(crate) fn change(&mut self, old: &Arc<Object>, new: Value, owners: Owners) -> Result<Outcome> {
        let resource = self.target.resource.clone();
        let dry_run = self.call.is_dry_run()?;
        let mut new = new;
        if meta::name(&new).is_empty() {
            return Err(nameless(&self.target.name));
        }
        admit::identify(&resource, &self.target.namespace, &self.target.name, &mut new)?;
        self.check_identity(&resource, old, &new)?;
        let resets = new["metadata"]["managedFields"] == json!([{}]);
        meta::set(&mut new, "managedFields", None);
        let new = only_the_part(&resource, self.target.subresource, &old.value, new);
        let new = admit::admit(&resource, new, Some(&old.value), self.call)?;
        // What admission sets is nobody's, so it is not yet there.
        let changes = self.changes(&resource, &old.value, &new);
        let new = self.ruled(old, new)?;
        let updated = |managers: &Managers| managers.after_update(&self.writer(Operation::Update), &changes, self.now);
        let managers = match owners {
            Owners::Applied(managers) => managers,
            _ if resets => Managers::default(),
            Owners::Named(managers) => updated(&managers),
            Owners::AsBefore => updated(&old.managers),
        };
        if new == old.value && managers.same_owners(&old.managers) {
            return Ok(Outcome::ok(old.clone(), false));
        }
        if dry_run {
            return Ok(Outcome::ok(Arc::new(Object::new(new, managers, old.version)), false));
        }
        Ok(Outcome { code: 200, body: Answer::Object(self.keep(&resource, old, new, managers)?), changed: true })
    }

    /// 409 or 422 when a write is meant for another object of that name, or was made from an older version.
    fn check_identity(&self, resource: &Resource, old: &Object, new: &Value) -> Result<()> {
        let (uid, version) = (meta::uid(new), meta::text(new, "resourceVersion"));
        let is_patch = self.call.method == Method::PATCH;
        if is_patch && !uid.is_empty() && uid != meta::uid(&old.value) {
            let cause = Cause::invalid("metadata.uid", &format!("{uid:?}"), "field is immutable");
            return Err(invalid(resource, &self.target.name, &[cause]));
        }
        if version.parse::<u64>().is_err() && !version.is_empty() {
            return Err(failure(500, "", format!("strconv.ParseUint: parsing {version:?}: invalid syntax")));
        }
        check_preconditions(resource, old, Some(uid), Some(version))?;
        self.check_deletion(resource, old, new)
    }

    /// 422 when a write says of its own when the object goes.
    fn check_deletion(&self, resource: &Resource, old: &Object, new: &Value) -> Result<()> {
        let mut causes = Vec::new();
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
            let (was, said) = (&old.value["metadata"][field], &new["metadata"][field]);
            if !said.is_null() && said != was {
                causes.push(Cause::invalid(&format!("metadata.{field}"), &said.to_string(), "field is immutable"));
            }
        }
        if causes.is_empty() { Ok(()) } else { Err(invalid(resource, &self.target.name, &causes)) }
    }

    /// The changes that make the writer the owner of fields.
    fn changes(&self, resource: &Resource, old: &Value, new: &Value) -> Changes {
        let writer = self.writer(Operation::Update);
        let has_status = resource.has(Subresource::Status);
        let changes = Changes::beyond(&empty::parts(resource), old, new, Shape::of(resource));
        changes.only(|fields| writer.limit(fields, has_status))
    }

    /// Stores the new version, or removes the object when that was all it waited for.
    fn keep(&mut self, resource: &Resource, old: &Object, mut new: Value, managers: Managers) -> Result<Arc<Object>> {
        let waits = meta::finalizers(&new).next().is_some()
            || new["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) > 0
            || resource.is("namespaces");
        if meta::is_deleting(&new) && !waits {
            // Watches are told of the object as it was stored last, the writer of what has become of it.
            let gone = collect::remove(self.store, resource, old.value.clone(), old.managers.clone(), self.now);
            meta::set(&mut new, "resourceVersion", Some(gone.version.to_string().into()));
            return Ok(Arc::new(Object::new(new, managers, gone.version)));
        }
        let stored = self.store.put(resource, new, managers);
        if resource.is(crd::TABLE) && self.target.subresource.is_none() {
            crd::serve(self.store, &stored.value)?;
        }
        Ok(stored)
    }

    /// The new version as the rules of its resource make it.
    fn ruled(&mut self, old: &Arc<Object>, new: Value) -> Result<Value> {
        let resource = self.target.resource.clone();
        let mut new = match self.target.subresource {
            Some(Subresource::Resize) => pods::resize(self.store, &old.value, &new)?,
            Some(Subresource::Status) if resource.is("pods") => {
                pods::validate_status(&old.value, &new)?;
                new
            }
            None => {
                names::check_metadata(&resource, &new)?;
                match resource.table.as_str() {
                    "pods" => pods::update(&old.value, new)?,
                    crd::TABLE => {
                        crd::check_update(&resource, &old.value, &new)?;
                        crd::establish(new, self.now)?
                    }
                    _ => new,
                }
            }
            Some(_) => new,
        };
        check_finalizers(&resource, &old.value, &new)?;
        keep_system_metadata(&old.value, &mut new);
        count_generation(&resource, &old.value, &mut new);
        Ok(new)
    }
}

/// 409 when a write is meant for another object of that name, or was made from an older version.
pub(crate) fn check_preconditions(
    resource: &Resource,
    old: &Object,
    uid: Option<&str>,
    version: Option<&str>,
) -> Result<()> {
    let (name, current) = (meta::name(&old.value), meta::uid(&old.value));
    if let Some(uid) = uid.filter(|uid| !uid.is_empty() && *uid != current) {
        let key = storage_key(resource, &old.value);
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
             failed: UID in precondition: {uid}, UID in object meta: {current}"
        );
        return Err(conflict(resource, name, &why));
    }
    if version
        .is_some_and(|version| !matches!(version, "" | "0") && version != meta::text(&old.value, "resourceVersion"))
    {
        return Err(conflict(resource, name, STALE));
    }
    Ok(())
}

/// Where the real server would keep an object, which it says in some messages.
fn storage_key(resource: &Resource, object: &Value) -> String {
    let folder = match &resource.shape {
        Kind::Custom { .. } => format!("{}/{}", resource.group, resource.plural),
        Kind::Builtin { .. } => resource.plural.clone(),
    };
    let place = [folder.as_str(), meta::namespace(object), meta::name(object)];
    format!("/registry/{}", place.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"))
}

/// What an apply wants, as far as it may be written here; the rest is neither merged nor owned.
fn within_the_part(resource: &Resource, subresource: Option<Subresource>, mut wanted: Value) -> Value {
    let keep = |map: &mut Map<String, Value>, names: &[&str]| map.retain(|key, _| names.contains(&key.as_str()));
    match subresource {
        Some(Subresource::Status) => {
            let metadata: &[&str] = match writes_metadata_with_status(resource) {
                true => &["name", "namespace", "uid", "resourceVersion", "labels", "annotations"],
                false => &["name", "namespace", "uid", "resourceVersion"],
            };
            keep(meta::fields(&mut wanted), metadata);
            wanted.as_object_mut().into_iter().for_each(|map| keep(map, &["apiVersion", "kind", "metadata", "status"]));
        }
        // Most of it is dropped, but owned all the same.
        Some(Subresource::Resize) => {}
        _ if resource.has(Subresource::Status) => meta::set_part(&mut wanted, "status", None),
        _ => {}
    }
    wanted
}

/// Kubelets write labels and annotations along with the status.
fn writes_metadata_with_status(resource: &Resource) -> bool {
    let tables =
        ["pods", "nodes", "poddisruptionbudgets.policy", "daemonsets.apps", "statefulsets.apps", "resourcequotas"];
    tables.contains(&resource.table.as_str())
}

/// The old version with the part that this request may write taken from the new one.
fn only_the_part(resource: &Resource, subresource: Option<Subresource>, old: &Value, mut new: Value) -> Value {
    match subresource {
        Some(Subresource::Status) => {
            let mut kept = old.clone();
            meta::set_part(&mut kept, "status", new.get("status"));
            if writes_metadata_with_status(resource) {
                for field in ["labels", "annotations", "finalizers"] {
                    meta::set(&mut kept, field, new["metadata"].get(field).cloned());
                }
            }
            if resource.is("pods") {
                pods::keep_status_facts(old, &mut kept);
            }
            kept
        }
        None if resource.has(Subresource::Status) => {
            meta::set_part(&mut new, "status", old.get("status"));
            new
        }
        _ => new,
    }
}

fn keep_system_metadata(old: &Value, new: &mut Value) {
    const SYSTEM: &[&str] = &[
        "uid",
        "creationTimestamp",
        "generation",
        "generateName",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "resourceVersion",
    ];
    for field in SYSTEM {
        meta::set(new, field, old["metadata"].get(field).cloned());
    }
}

/// Counts a change of what is wished for: the spec, or for custom kinds all but the metadata.
fn count_generation(resource: &Resource, old: &Value, new: &mut Value) {
    let changed = match &resource.shape {
        Kind::Builtin { counts_generation: false, .. } => return,
        // A Deployment's annotations are copied to its ReplicaSets.
        Kind::Builtin { .. } if resource.is("deployments.apps") => {
            old["spec"] != new["spec"] || old["metadata"]["annotations"] != new["metadata"]["annotations"]
        }
        Kind::Builtin { .. } => old["spec"] != new["spec"],
        Kind::Custom { .. } => {
            let skips_status = resource.has(Subresource::Status);
            fn wish(object: &Value, skips_status: bool) -> impl Iterator<Item = (&String, &Value)> {
                let fields = object.as_object().into_iter().flatten();
                fields.filter(move |(key, _)| *key != "metadata" && !(skips_status && *key == "status"))
            }
            !wish(old, skips_status).eq(wish(new, skips_status))
        }
    };
    if changed {
        let next = meta::generation(old).unwrap_or(0) + 1;
        meta::set(new, "generation", Some(next.into()));
    }
}

/// 400 for an object without a name where one is.
pub(super) fn nameless(name: &str) -> Failure {
    let message = format!("the name of the object ({name} based on URL) was undeterminable: name must be provided");
    bad_request(message)
}

/// 422 when a deleted object is given something new to wait for.
fn check_finalizers(resource: &Resource, old: &Value, new: &Value) -> Result<()> {
    let added = meta::finalizers(new).find(|name| meta::finalizers(old).all(|known| known != *name));
    let Some(added) = added.filter(|_| meta::is_deleting(old)) else { return Ok(()) };
    let message = "no new finalizers can be added if the object is being deleted, found new finalizers";
    let cause = Cause::forbidden("metadata.finalizers", &format!("{message} []string{{{added:?}}}"));
    Err(invalid(resource, meta::name(old), &[cause]))
}

//! Delete: at once, after a grace period, or when the finalizers are gone.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use serde_json::{Value, json};

use super::{Answer, Outcome, Write, collect};
use crate::sim::api_server::{
    list_options, meta,
    object::Object,
    registry::{Resource, Shape},
    request::Call,
    selectors::Filter,
    status::{Cause, Result, bad_request, conflict_on, deleted, forbidden, invalid_options, not_found},
    store::{Key, Store},
};

/// How an object is to be deleted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deletion {
    grace_seconds: Option<i64>,
    propagation: Propagation,
    uid: Option<String>,
    version: Option<String>,
    dry_run: bool,
}

/// What becomes of the objects that name the deleted one as their owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// They are deleted after it.
    #[default]
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay.
    Orphan,
}

/// Namespaces without which there is no cluster.
const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];

/// The finalizer that holds an owner until its dependents are gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";

impl Deletion {
    /// From the options in the body and in the query; 400 when they cannot be read.
    pub(crate) fn read(call: &Call, body: &[u8]) -> Result<Self> {
        let options: Option<DeleteOptions> = if body.is_empty() {
            None
        } else {
            let mut value = call.object(body)?;
            // `kind` and `apiVersion` say nothing new, and some clients send those of another group.
            if let Some(fields) = value.as_object_mut() {
                fields.retain(|key, value| !matches!(key.as_str(), "kind" | "apiVersion") && !value.is_null());
            }
            let read = serde_json::from_value(value);
            Some(read.map_err(|error| bad_request(format!("DeleteOptions cannot be read: {error}")))?)
        };
        let mut deletion = Self::from_options(options.as_ref());
        if let Some(orphans) = options.as_ref().and_then(|options| options.orphan_dependents) {
            if let Some(policy) = options.as_ref().and_then(|options| options.propagation_policy.as_deref()) {
                let message = "orphanDependents and deletionPropagation cannot be both set";
                let cause = Cause::invalid("propagationPolicy", &format!("{policy:?}"), message);
                return Err(invalid_options("DeleteOptions", &cause));
            }
            deletion.propagation = if orphans { Propagation::Orphan } else { Propagation::Background };
        }
        deletion.dry_run |= call.is_dry_run()?;
        if let Some(seconds) = list_options::number(call, "gracePeriodSeconds")? {
            deletion.grace_seconds = Some(seconds);
        }
        let asked = options.as_ref().and_then(|options| options.propagation_policy.as_deref()).unwrap_or_default();
        for policy in [asked, call.option("propagationPolicy")].into_iter().filter(|policy| !policy.is_empty()) {
            deletion.propagation = Propagation::read(policy)?;
        }
        Ok(deletion)
    }

    /// From options.
    pub(crate) fn from_options(options: Option<&DeleteOptions>) -> Self {
        let Some(options) = options else { return Self::default() };
        let preconditions = options.preconditions.as_ref();
        Self {
            grace_seconds: options.grace_period_seconds,
            propagation: Propagation::default(),
            uid: preconditions.and_then(|preconditions| preconditions.uid.clone()),
            version: preconditions.and_then(|preconditions| preconditions.resource_version.clone()),
            dry_run: options.dry_run.as_ref().is_some_and(|modes| !modes.is_empty()),
        }
    }

    /// The same, whatever object it meets.
    pub(crate) fn without_preconditions(self) -> Self {
        Self { uid: None, version: None, ..self }
    }

    /// 409 when the object is not the one that was meant.
    pub(crate) fn check(&self, resource: &Resource, object: &Object) -> Result<()> {
        let recreated = "The object might have been deleted and then recreated";
        let found = [
            ("UID", &self.uid, "uid", recreated),
            ("ResourceVersion", &self.version, "resourceVersion", "The object might have been modified"),
        ];
        for (what, asked, field, cause) in found {
            let has = meta::text(&object.value, field);
            if let Some(asked) = asked.as_ref().filter(|asked| *asked != has) {
                let why = format!(
                    "the {what} in the precondition ({asked}) does not match the {what} in record ({has}). {cause}"
                );
                let kind = match &resource.shape {
                    Shape::Builtin { .. } => resource.kind.clone(),
                    Shape::Custom { .. } => format!("{}.{}", resource.kind, resource.group),
                };
                return Err(conflict_on(resource, &kind, meta::name(&object.value), &why));
            }
        }
        Ok(())
    }
}

impl Propagation {
    fn read(text: &str) -> Result<Self> {
        match text {
            "Foreground" => Ok(Self::Foreground),
            "Orphan" => Ok(Self::Orphan),
            "Background" => Ok(Self::Background),
            other => {
                let supported = "supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"";
                let message = format!("Unsupported value: {other:?}: {supported}");
                let cause = Cause { reason: "FieldValueNotSupported", field: "propagationPolicy".into(), message };
                Err(invalid_options("DeleteOptions", &cause))
            }
        }
    }
}

/// What a deletion came to.
pub(crate) struct Deleted {
    /// The object as it is now, or was last.
    pub(crate) object: Arc<Object>,
    /// Whether it is gone.
    pub(crate) gone: bool,
    /// Whether anything was changed.
    pub(crate) changed: bool,
}

/// Deletes an object: removes it, or marks it when something still holds it.
pub(crate) fn delete(
    store: &mut Store,
    resource: &Arc<Resource>,
    key: &Key,
    deletion: &Deletion,
    now: Timestamp,
) -> Result<Deleted> {
    let old = store.get(&resource.table, key).cloned().ok_or_else(|| not_found(resource, &key.1))?;
    deletion.check(resource, &old)?;
    if resource.is("namespaces") && IMMORTAL.contains(&key.1.as_str()) {
        return Err(forbidden(resource, &key.1, "this namespace may not be deleted"));
    }
    if deletion.dry_run {
        return Ok(tried(resource, &old, deletion, now));
    }
    if deletion.propagation == Propagation::Orphan {
        collect::orphan_dependents(store, meta::uid(&old.value));
    }
    let grace = grace_seconds(resource, &old.value, deletion);
    let mut new = old.value.clone();
    let holds_dependents =
        deletion.propagation == Propagation::Foreground && !store.dependents(meta::uid(&new)).is_empty();
    if holds_dependents {
        add_finalizer(&mut new, FOREGROUND);
    }
    let held = meta::finalizers(&new).next().is_some() || resource.is("namespaces");
    if grace == 0 && !held {
        if takes_time(resource) {
            mark(&mut new, 0, now);
        }
        let object = collect::remove(store, resource, new, old.managers.clone(), now);
        return Ok(Deleted { object, gone: true, changed: true });
    }
    mark(&mut new, grace, now);
    if resource.is("namespaces") {
        meta::entry(&mut new, "status").insert("phase".into(), "Terminating".into());
    }
    if new == old.value {
        return Ok(Deleted { object: old, gone: false, changed: false });
    }
    let object = store.put(resource, new, old.managers.clone());
    if holds_dependents {
        collect::delete_dependents(store, meta::uid(&object.value), now);
    }
    if resource.is("namespaces") {
        collect::empty_namespace(store, &key.1, now);
    }
    let gone = store.get(&resource.table, key).is_none();
    Ok(Deleted { object, gone, changed: true })
}

/// What a deletion would come to.
fn tried(resource: &Resource, old: &Arc<Object>, deletion: &Deletion, now: Timestamp) -> Deleted {
    if !takes_time(resource) {
        return Deleted { object: old.clone(), gone: true, changed: false };
    }
    let mut marked = old.value.clone();
    mark(&mut marked, grace_seconds(resource, &old.value, deletion), now);
    Deleted { object: Arc::new(Object::new(marked, old.managers.clone(), old.version)), gone: false, changed: false }
}

/// Whether objects of a kind may be given time to stop.
fn takes_time(resource: &Resource) -> bool {
    resource.is("pods")
}

fn add_finalizer(object: &mut Value, finalizer: &str) {
    if meta::finalizers(object).all(|name| name != finalizer) {
        let finalizers = meta::fields(object).entry("finalizers").or_insert_with(|| json!([]));
        _ = finalizers.as_array_mut().map(|finalizers| finalizers.push(finalizer.into()));
    }
}

/// How long a Pod may take to stop: only one that is bound and not finished needs any time.
fn grace_seconds(resource: &Resource, object: &Value, deletion: &Deletion) -> i64 {
    if !takes_time(resource) {
        return 0;
    }
    let is_bound = object["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    let is_finished = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if !is_bound || is_finished {
        return 0;
    }
    let own = || object["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
    // A negative time is read as one second, as on the server.
    let asked = match deletion.grace_seconds.unwrap_or_else(own) {
        seconds if seconds < 0 => 1,
        seconds => seconds,
    };
    match object["metadata"]["deletionGracePeriodSeconds"].as_i64() {
        // A second deletion can only shorten the time.
        Some(running) if meta::is_deleting(object) => deletion.grace_seconds.map_or(running, |_| asked.min(running)),
        _ => asked,
    }
}

/// Says when the object is to be gone. A second deletion only brings that forward, and never into the past.
fn mark(object: &mut Value, mut grace: i64, now: Timestamp) {
    let running = object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    let after = |from: Timestamp, seconds: i64| from.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(from);
    let at = match meta::text(object, "deletionTimestamp").parse::<Timestamp>() {
        Ok(_) if running <= grace => return,
        Ok(end) => {
            let at = after(end, grace - running);
            if at < now && grace > 0 {
                grace = 1;
            }
            at.max(now)
        }
        Err(_) => {
            if let Some(generation) = meta::generation(object) {
                meta::set(object, "generation", Some((generation + 1).into()));
            }
            after(now, grace)
        }
    };
    meta::set(object, "deletionTimestamp", Some(meta::time(at).into()));
    meta::set(object, "deletionGracePeriodSeconds", Some(grace.into()));
}

impl Write<'_> {
    /// Deletes the object.
    pub(crate) fn delete(&mut self, deletion: &Deletion) -> Result<Outcome> {
        let resource = &self.target.resource;
        let Deleted { object, gone, changed } = delete(self.store, resource, &self.target.key(), deletion, self.now)?;
        // Some kinds are answered with the object even when it is gone.
        let shows_object =
            !gone || matches!(resource.table.as_str(), "pods" | "services" | "serviceaccounts" | "resourcequotas");
        let body = if shows_object {
            Answer::Object(object)
        } else {
            Answer::Status(deleted(resource, &self.target.name, meta::uid(&object.value)))
        };
        Ok(Outcome { code: 200, body, changed })
    }

    /// Deletes everything that is selected, and answers with the list of it.
    pub(crate) fn delete_collection(&mut self, filter: &Filter, deletion: &Deletion) -> Result<Outcome> {
        let resource = self.target.resource.clone();
        let table = self.store.table(&resource);
        let found: Vec<Key> = table
            .objects
            .iter()
            .filter(|(_, object)| filter.matches(&object.value))
            .map(|(key, _)| key.clone())
            .collect();
        let mut items = Vec::new();
        let mut changed = false;
        for key in found {
            // They are shown as they were. One deletion may already have taken another object with it.
            let before = self.store.get(&resource.table, &key).cloned();
            let deleted = match delete(self.store, &resource, &key, deletion, self.now) {
                Err(status) if status.code == Some(404) => continue,
                deleted => deleted?,
            };
            changed |= deleted.changed;
            items.push(before.map_or(Value::Null, |object| listed(&resource, &object)));
        }
        let mut list = json!({
            "apiVersion": resource.api_version(),
            "kind": format!("{}List", resource.kind),
            "metadata": { "resourceVersion": self.store.version().to_string() },
            "items": items,
        });
        if matches!(resource.shape, Shape::Custom { .. }) {
            list["metadata"]["continue"] = "".into();
        }
        Ok(Outcome { code: 200, body: Answer::Json(list), changed })
    }
}

/// An object as a list shows it: of built-in kinds without its type.
fn listed(resource: &Resource, object: &Object) -> Value {
    let mut value = object.whole();
    if let (Shape::Builtin { .. }, Some(fields)) = (&resource.shape, value.as_object_mut()) {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    value
}

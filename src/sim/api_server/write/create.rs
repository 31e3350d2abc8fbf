//! Create.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, Outcome, Write, admit, collect, names, pods};
use crate::sim::api_server::{
    crd, meta,
    object::Object,
    patch::{
        empty,
        fields::Changes,
        managers::{Managers, Operation},
        shape::Shape,
    },
    registry::{Resource, Shape as Kind, Subresource},
    status::{Result, already_exists, failure, forbidden, not_found},
};

impl Write<'_> {
    /// Stores a new object. `managers` says who owns its fields; without it the writer owns them all.
    pub(crate) fn create(&mut self, mut object: Value, managers: Option<Managers>) -> Result<Outcome> {
        let resource = self.target.resource.clone();
        admit::identify(&resource, &self.target.namespace, &self.target.name, &mut object)?;
        self.check_namespace(&object)?;
        let dry_run = self.call.is_dry_run()?;
        self.fill_metadata(&resource, &mut object)?;
        reset_status(&resource, &mut object);
        let object = admit::admit(&resource, object, None, self.call)?;
        names::check(&resource, &object)?;
        let key = (meta::namespace(&object).to_owned(), meta::name(&object).to_owned());
        if let Some(there) = self.store.get(&resource.table, &key) {
            let mut refused = already_exists(&resource, &key.1);
            if meta::is_deleting(&there.value) {
                refused.message = refused.message.map(|message| format!("object is being deleted: {message}"));
            }
            return Err(refused);
        }
        // What admission sets is nobody's.
        let managers = managers.unwrap_or_else(|| self.owner_of_all(&object));
        let object = self.prepare(&resource, object)?;
        let stored = if dry_run {
            Arc::new(Object::new(object, managers, 0))
        } else {
            let stored = self.store.put(&resource, object, managers);
            if resource.is(crd::TABLE) {
                crd::serve(self.store, &stored.value)?;
            }
            collect::orphan(self.store, &resource, &stored, self.now);
            stored
        };
        Ok(Outcome { code: 201, body: Answer::Object(stored), changed: !dry_run })
    }

    fn check_namespace(&self, object: &Value) -> Result<()> {
        let namespace = &self.target.namespace;
        if !self.target.resource.namespaced {
            return Ok(());
        }
        let spaces = self.store.registry.of_table("namespaces").expect("Namespaces are built in");
        let space = self.store.get("namespaces", &(String::new(), namespace.clone()));
        match space {
            None => Err(not_found(spaces, namespace)),
            Some(space) if meta::is_deleting(&space.value) => {
                let why =
                    format!("unable to create new content in namespace {namespace} because it is being terminated");
                Err(forbidden(&self.target.resource, meta::name(object), &why))
            }
            Some(_) => Ok(()),
        }
    }

    fn fill_metadata(&mut self, resource: &Resource, object: &mut Value) -> Result<()> {
        if !matches!(meta::text(object, "resourceVersion"), "" | "0") {
            return Err(failure(500, "", "resourceVersion should not be set on objects to be created"));
        }
        let prefix = meta::text(object, "generateName").to_owned();
        if meta::name(object).is_empty() && !prefix.is_empty() {
            let name = self.free_name(resource, &prefix);
            meta::set(object, "name", Some(name.into()));
        }
        let uid = self.store.new_uid();
        let fields = meta::fields(object);
        for field in ["resourceVersion", "managedFields", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"]
        {
            fields.remove(field);
        }
        fields.insert("uid".into(), uid.into());
        fields.insert("creationTimestamp".into(), meta::time(self.now).into());
        match &resource.shape {
            Kind::Builtin { counts_generation: false, .. } => {}
            _ => _ = fields.insert("generation".into(), 1.into()),
        }
        Ok(())
    }

    /// A generated name that is not taken, if one is found in as many tries as the real server makes.
    fn free_name(&mut self, resource: &Resource, prefix: &str) -> String {
        const TRIES: usize = 8;
        let mut name = self.store.new_name(prefix);
        for _ in 1..TRIES {
            let key = (self.target.namespace.clone(), name);
            if self.store.get(&resource.table, &key).is_none() {
                return key.1;
            }
            name = self.store.new_name(prefix);
        }
        name
    }

    /// What single kinds add to a new object.
    fn prepare(&mut self, resource: &Resource, object: Value) -> Result<Value> {
        match resource.table.as_str() {
            "pods" => {
                let pod = pods::prepare_create(self.store, &object, self.now)?;
                pods::doubts(&pod).into_iter().for_each(|doubt| self.call.warn(doubt));
                Ok(pod)
            }
            crd::TABLE => crd::establish(object, self.now),
            _ => Ok(object),
        }
    }

    fn owner_of_all(&self, object: &Value) -> Managers {
        let resource = &self.target.resource;
        let writer = self.writer(Operation::Update);
        let nothing = empty::parts(resource);
        let old = if nothing.is_null() { &json!({}) } else { &nothing };
        let has_status = resource.has(Subresource::Status);
        let changes = Changes::beyond(&nothing, old, object, Shape::of(resource));
        let changes = changes.only(|fields| writer.limit(fields, has_status));
        Managers::default().after_update(&writer, &changes, self.now)
    }
}

/// A new object has no status yet, where that is a part of its own; Nodes alone may bring theirs.
fn reset_status(resource: &Resource, object: &mut Value) {
    if resource.has(Subresource::Status) && !resource.is("nodes") {
        meta::set_part(object, "status", None);
    }
    if resource.is("pods") {
        meta::set_part(object, "status", Some(&json!({ "phase": "Pending" })));
    }
}

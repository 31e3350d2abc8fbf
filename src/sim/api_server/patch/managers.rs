//! Who owns which fields of an object: the contents of `metadata.managedFields`.

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::fields::{Changes, FieldSet};
use crate::sim::api_server::{meta, registry::Subresource};

/// How a manager came to own its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr, strum::EnumString)]
pub(crate) enum Operation {
    /// By server-side apply: a field that it stops applying goes.
    Apply,
    /// By any other write.
    Update,
}

/// Who writes: the identity of an entry of `managedFields`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Writer {
    /// How it writes.
    pub(crate) operation: Operation,
    /// Its name.
    pub(crate) name: String,
    /// The version of the API in which it writes.
    pub(crate) api_version: String,
    /// The subresource it writes through, or empty.
    pub(crate) subresource: &'static str,
}

/// One entry of `managedFields`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manager {
    /// Who.
    pub(crate) writer: Writer,
    /// When it last changed the object; `None` for one that has only applied what was so already.
    pub(crate) time: Option<Timestamp>,
    /// What it owns.
    pub(crate) fields: FieldSet,
}

/// All entries of `managedFields`, ordered as they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Managers(pub(crate) Vec<Manager>);

/// Fields that the server owns, whoever writes them.
const SERVER_OWNED: &[&[&str]] = &[
    &["apiVersion"],
    &["kind"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "uid"],
    &["metadata", "creationTimestamp"],
    &["metadata", "deletionTimestamp"],
    &["metadata", "deletionGracePeriodSeconds"],
    &["metadata", "generation"],
    &["metadata", "resourceVersion"],
    &["metadata", "selfLink"],
    &["metadata", "managedFields"],
];

/// Takes away what the server owns.
pub(crate) fn without_server_fields(mut fields: FieldSet) -> FieldSet {
    for path in SERVER_OWNED {
        fields.cut(path);
    }
    if let Some(metadata) = fields.children.get_mut("f:metadata") {
        metadata.owned = false;
        if metadata.is_empty() {
            fields.children.remove("f:metadata");
        }
    }
    fields
}

impl Writer {
    /// Takes away what the writer cannot change where it writes, and so does not own. `has_status` says whether the
    /// status is a part of its own. A resize owns all that it sends, even what is dropped: in 1.37 the filter that
    /// its strategy has is never asked.
    pub(crate) fn limit(&self, fields: &mut FieldSet, has_status: bool) {
        match self.subresource {
            "resize" => {}
            "status" => {
                fields.cut(&["spec"]);
                fields.cut(&["metadata", "ownerReferences"]);
            }
            _ if has_status => fields.cut(&["status"]),
            _ => {}
        }
    }

    /// Whether both are the same manager. One that applies stays the same when it moves to another version.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let same_version = self.operation == Operation::Apply || self.api_version == other.api_version;
        same_version
            && (self.operation, &self.name, self.subresource) == (other.operation, &other.name, other.subresource)
    }
}

impl Managers {
    /// After a write other than apply: the writer owns what it changed, and nobody what is gone.
    pub(crate) fn after_update(&self, writer: &Writer, changes: &Changes, now: Timestamp) -> Self {
        let set = without_server_fields(changes.set.clone());
        let removed = without_server_fields(changes.removed.clone());
        if set.is_empty() && removed.is_empty() {
            return self.clone();
        }
        let mut managers = self.clone();
        for manager in &mut managers.0 {
            if !manager.writer.is(writer) {
                manager.fields.subtract(&set);
            }
            manager.fields.subtract(&removed);
        }
        let own = managers.entry(writer);
        own.fields.add(&set);
        own.time = Some(now);
        managers.tidy();
        managers
    }

    /// The entry of a writer, made when absent.
    pub(crate) fn entry(&mut self, writer: &Writer) -> &mut Manager {
        let found = self.0.iter().position(|manager| manager.writer.is(writer));
        let index = found.unwrap_or_else(|| {
            self.0.push(Manager { writer: writer.clone(), time: None, fields: FieldSet::default() });
            self.0.len() - 1
        });
        &mut self.0[index]
    }

    /// Drops empty entries and orders the rest.
    pub(crate) fn tidy(&mut self) {
        self.0.retain(|manager| !manager.fields.is_empty());
        self.0.sort_by(|a, b| {
            let key = |manager: &Manager| (manager.writer.operation, manager.time);
            key(a).cmp(&key(b)).then_with(|| a.writer.cmp(&b.writer))
        });
    }

    /// Whether both say the same of who owns what, whenever it was recorded.
    pub(crate) fn same_owners(&self, other: &Self) -> bool {
        let find = |writer: &Writer| other.0.iter().find(|manager| manager.writer == *writer);
        self.0.len() == other.0.len()
            && self.0.iter().all(|one| find(&one.writer).is_some_and(|two| one.fields == two.fields))
    }
}

impl Managers {
    /// Reads `managedFields` as a writer names them; `None` when there are none, or one cannot be read.
    pub(crate) fn read(entries: &Value) -> Option<Self> {
        let entries = entries.as_array().filter(|entries| !entries.is_empty())?;
        entries.iter().map(Manager::read).collect::<Option<_>>().map(Self)
    }
}

impl Manager {
    fn read(entry: &Value) -> Option<Self> {
        let text = |field: &str| entry[field].as_str();
        let subresource = match text("subresource").unwrap_or_default() {
            "" => "",
            name => name.parse::<Subresource>().ok()?.into(),
        };
        let writer = Writer {
            operation: text("operation")?.parse().ok()?,
            name: text("manager")?.to_owned(),
            api_version: text("apiVersion")?.to_owned(),
            subresource,
        };
        let time = text("time").and_then(|time| time.parse().ok());
        Some(Self { writer, time, fields: FieldSet::read(&entry["fieldsV1"])? })
    }
}

impl Serialize for Manager {
    /// As an entry of `managedFields`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let operation: &str = self.writer.operation.into();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("apiVersion", &self.writer.api_version)?;
        map.serialize_entry("fieldsType", "FieldsV1")?;
        map.serialize_entry("fieldsV1", &self.fields)?;
        map.serialize_entry("manager", &self.writer.name)?;
        map.serialize_entry("operation", operation)?;
        if !self.writer.subresource.is_empty() {
            map.serialize_entry("subresource", self.writer.subresource)?;
        }
        if let Some(time) = self.time {
            map.serialize_entry("time", &meta::time(time))?;
        }
        map.end()
    }
}

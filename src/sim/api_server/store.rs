//! What is stored: a table of objects per resource, its log of events, and one counter of versions for all.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tokio::sync::watch;

use super::{
    ServerConfig, meta,
    object::Object,
    patch::managers::Managers,
    registry::{Registry, Resource},
};

/// Where an object is in its table: namespace (empty for the cluster's own) and name.
pub(super) type Key = (String, String);

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Location {
    /// The table of its resource.
    pub(super) table: String,
    /// Its place in the table.
    pub(super) key: Key,
}

/// A change of one object.
#[derive(Debug)]
pub(super) struct Event {
    /// The version that the change made.
    pub(super) version: u64,
    /// The object before it; `None` for a creation.
    pub(super) before: Option<Arc<Object>>,
    /// The object after it; for a deletion its last state, at the version of the deletion.
    pub(super) object: Arc<Object>,
    /// Whether it was a deletion.
    pub(super) deleted: bool,
}

/// The objects of one resource.
#[derive(Debug)]
pub(super) struct Table {
    /// The objects as they are now.
    pub(super) objects: BTreeMap<Key, Arc<Object>>,
    /// The newest changes, oldest first.
    pub(super) log: VecDeque<Event>,
    /// The newest version whose change is no longer in the log.
    pub(super) forgotten: u64,
    /// Tells watches that the log grew.
    pub(super) grown: watch::Sender<u64>,
}

impl Default for Table {
    fn default() -> Self {
        let (objects, log) = (BTreeMap::new(), VecDeque::new());
        Self { objects, log, forgotten: 0, grown: watch::Sender::new(0) }
    }
}

impl Table {
    fn record(&mut self, event: Event, history: usize) {
        let version = event.version;
        self.log.push_back(event);
        while self.log.len() > history {
            self.forgotten = self.log.pop_front().map_or(self.forgotten, |event| event.version);
        }
        self.grown.send_replace(version);
    }

    /// The changes after a version, oldest first; `None` when some of them are forgotten.
    pub(super) fn since(&self, version: u64) -> Option<impl DoubleEndedIterator<Item = &Event>> {
        (version >= self.forgotten).then(|| {
            let start = self.log.partition_point(|event| event.version <= version);
            self.log.range(start..)
        })
    }

    /// The objects as they were at a version; `None` when that is forgotten.
    pub(super) fn at(&self, version: u64) -> Option<BTreeMap<Key, Arc<Object>>> {
        let mut objects = self.objects.clone();
        for event in self.since(version)?.rev() {
            let value = &event.object.value;
            let key = (meta::namespace(value).to_owned(), meta::name(value).to_owned());
            match &event.before {
                Some(before) => objects.insert(key, before.clone()),
                None => objects.remove(&key),
            };
        }
        Some(objects)
    }
}

/// Everything that is stored.
#[derive(Debug)]
pub(super) struct Store {
    /// What was chosen for the server.
    pub(super) config: ServerConfig,
    /// The resources served.
    pub(super) registry: Registry,
    /// Where the objects of each owner's dependents are, by the owner's UID.
    dependents: BTreeMap<String, BTreeSet<Location>>,
    uids: BTreeMap<String, Location>,
    tables: BTreeMap<String, Table>,
    version: u64,
    chance: ChaCha8Rng,
}

impl Store {
    /// An empty store.
    pub(super) fn new(config: ServerConfig) -> Self {
        Self {
            config,
            registry: Registry::builtin(),
            dependents: BTreeMap::new(),
            uids: BTreeMap::new(),
            tables: BTreeMap::new(),
            version: 1,
            chance: ChaCha8Rng::seed_from_u64(config.seed),
        }
    }

    /// The newest version of anything.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The table of a resource.
    pub(super) fn table(&mut self, resource: &Resource) -> &mut Table {
        if !self.tables.contains_key(&resource.table) {
            self.tables.insert(resource.table.clone(), Table::default());
        }
        self.tables.get_mut(&resource.table).expect("it was just inserted")
    }

    /// An object by its table and place.
    pub(super) fn get(&self, table: &str, key: &Key) -> Option<&Arc<Object>> {
        self.tables.get(table)?.objects.get(key)
    }

    /// The objects of a table in a namespace, by name.
    pub(super) fn in_namespace<'a>(&'a self, table: &str, namespace: &'a str) -> impl Iterator<Item = &'a Arc<Object>> {
        let objects = self.tables.get(table).map(|table| &table.objects);
        let from = (namespace.to_owned(), String::new());
        let rest = objects.map(|objects| objects.range(from..)).into_iter().flatten();
        rest.take_while(move |((its, _), _)| its == namespace).map(|(_, object)| object)
    }

    /// Everything in a namespace.
    pub(super) fn contents(&self, namespace: &str) -> Vec<Location> {
        let location = |table: &String, key: &Key| Location { table: table.clone(), key: key.clone() };
        let tables = self.tables.iter();
        let all = tables.flat_map(|(name, table)| table.objects.keys().map(move |key| (name, key)));
        all.filter(|(_, key)| key.0 == namespace).map(|(table, key)| location(table, key)).collect()
    }

    /// Stores an object under the next version and tells the watches.
    pub(super) fn put(&mut self, resource: &Resource, mut value: Value, managers: Managers) -> Arc<Object> {
        self.version += 1;
        let version = self.version;
        meta::set(&mut value, "resourceVersion", Some(version.to_string().into()));
        let key: Key = (meta::namespace(&value).to_owned(), meta::name(&value).to_owned());
        let object = Arc::new(Object::new(value, managers, version));
        let before = self.table(resource).objects.insert(key.clone(), object.clone());
        let location = Location { table: resource.table.clone(), key };
        if let Some(before) = &before {
            self.forget_owners(&location, &before.value);
        }
        for owner in meta::owners(&object.value) {
            self.dependents.entry(owner.to_owned()).or_default().insert(location.clone());
        }
        self.uids.insert(meta::uid(&object.value).to_owned(), location);
        let history = self.config.watch_history;
        self.table(resource).record(Event { version, before, object: object.clone(), deleted: false }, history);
        object
    }

    /// Removes an object under the next version and tells the watches. `last` is its state when it went.
    pub(super) fn remove(&mut self, resource: &Resource, mut last: Value, managers: Managers) -> Arc<Object> {
        self.version += 1;
        let version = self.version;
        meta::set(&mut last, "resourceVersion", Some(version.to_string().into()));
        let key: Key = (meta::namespace(&last).to_owned(), meta::name(&last).to_owned());
        let object = Arc::new(Object::new(last, managers, version));
        let before = self.table(resource).objects.remove(&key);
        let location = Location { table: resource.table.clone(), key };
        if let Some(before) = &before {
            self.forget_owners(&location, &before.value);
        }
        self.uids.remove(meta::uid(&object.value));
        let history = self.config.watch_history;
        self.table(resource).record(Event { version, before, object: object.clone(), deleted: true }, history);
        object
    }

    fn forget_owners(&mut self, location: &Location, object: &Value) {
        for owner in meta::owners(object) {
            if let Some(dependents) = self.dependents.get_mut(owner) {
                dependents.remove(location);
                if dependents.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
    }

    /// The objects that name an owner.
    pub(super) fn dependents(&self, owner: &str) -> Vec<Location> {
        self.dependents.get(owner).into_iter().flatten().cloned().collect()
    }

    /// Where the object with a UID is.
    pub(super) fn find(&self, uid: &str) -> Option<&Location> {
        self.uids.get(uid)
    }

    /// A UID, in the form of a random one, from the seed.
    pub(super) fn new_uid(&mut self) -> String {
        let bits: u128 = self.chance.random();
        let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    /// A name made of a prefix and five characters from the seed; vowels are left out so that no words appear.
    pub(super) fn new_name(&mut self, prefix: &str) -> String {
        const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
        let room = 63 - 5;
        let mut name: String = prefix.chars().take(room).collect();
        for _ in 0..5 {
            name.push(char::from(ALPHABET[self.chance.random_range(0..ALPHABET.len())]));
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::clock::Clock;

    proptest! {
        /// The past that a table gives back is the past that was, as far as it remembers.
        #[test]
        fn a_table_remembers_its_past(
            steps in prop::collection::vec((0_u8..4, any::<bool>()), 1..40),
            history in 1_usize..40,
        ) {
            let mut store = Store::new(ServerConfig { watch_history: history, ..ServerConfig::new(Clock::System, 1) });
            let resource = store.registry.of_table("configmaps").cloned().unwrap();
            let mut past = Vec::new();
            for (name, deletes) in steps {
                let value = json!({ "metadata": { "name": name.to_string(), "uid": name.to_string() } });
                let key = (String::new(), name.to_string());
                match (deletes, store.get("configmaps", &key).is_some()) {
                    (false, _) => _ = store.put(&resource, value, Managers::default()),
                    (true, true) => _ = store.remove(&resource, value, Managers::default()),
                    (true, false) => continue,
                }
                past.push((store.version(), versions(&store.table(&resource).objects)));
            }
            let remembered = past.len().saturating_sub(history + 1);
            for (index, (version, objects)) in past.iter().enumerate() {
                let found = store.table(&resource).at(*version).map(|objects| versions(&objects));
                prop_assert_eq!(found, (index >= remembered).then(|| objects.clone()));
            }
        }
    }

    fn versions(objects: &BTreeMap<Key, Arc<Object>>) -> Vec<(String, u64)> {
        objects.iter().map(|(key, object)| (key.1.clone(), object.version)).collect()
    }
}

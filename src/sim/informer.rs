//! A watch with a cache that is sorted, so that what is decided from it depends on nothing but its contents.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Debug,
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream::BoxStream};
use kube::{
    Api, Resource, ResourceExt,
    runtime::{
        WatchStreamExt,
        utils::Backoff,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;

/// Namespace and name; the namespace is empty for what has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ObjectKey {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl ObjectKey {
    pub(super) fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    pub(super) fn of(object: &impl ResourceExt) -> Self {
        Self::new(object.namespace().unwrap_or_default(), object.name_any())
    }
}

/// What became of one object. `old` is what the cache held before.
#[derive(Clone, Debug)]
pub(super) enum Change<K> {
    Applied { old: Option<Arc<K>>, new: Arc<K> },
    Deleted { old: Arc<K> },
}

impl<K> Change<K> {
    /// The object: as it is, or as it was last.
    pub(super) fn object(&self) -> &Arc<K> {
        match self {
            Self::Applied { new, .. } => new,
            Self::Deleted { old } => old,
        }
    }
}

/// All objects of a kind, followed by a watch.
pub(super) struct Informer<K> {
    events: BoxStream<'static, watcher::Result<Event<K>>>,
    cache: BTreeMap<ObjectKey, Arc<K>>,
    /// What a list that is being received has named so far.
    listed: Option<BTreeMap<ObjectKey, K>>,
    changes: VecDeque<Change<K>>,
    synced: bool,
}

impl<K> Informer<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    pub(super) fn new(api: Api<K>) -> Self {
        Self::selected(api, None)
    }

    /// Only those with these labels.
    pub(super) fn selected(api: Api<K>, labels: Option<&str>) -> Self {
        let config = labels.map_or_else(watcher::Config::default, |labels| watcher::Config::default().labels(labels));
        let events = watcher::watcher(api, config).backoff(EverySecond).boxed();
        Self { events, cache: BTreeMap::new(), listed: None, changes: VecDeque::new(), synced: false }
    }

    /// Waits for the next change. Nothing is lost if the wait is given up.
    pub(super) async fn next(&mut self) -> Change<K> {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return change;
            }
            match self.events.next().await {
                Some(Ok(event)) => self.take(event),
                Some(Err(error)) => tracing::debug!(%error, kind = %K::kind(&()), "watch broke off and starts again"),
                // A watcher never ends.
                None => std::future::pending().await,
            }
        }
    }

    /// Waits until the cache is complete, leaving the changes for [`Informer::next`].
    pub(super) async fn sync(&mut self) {
        while !self.synced {
            match self.events.next().await {
                Some(Ok(event)) => self.take(event),
                Some(Err(error)) => tracing::debug!(%error, kind = %K::kind(&()), "first list failed, trying again"),
                None => std::future::pending().await,
            }
        }
    }

    pub(super) fn get(&self, key: &ObjectKey) -> Option<&Arc<K>> {
        self.cache.get(key)
    }

    /// All objects, by namespace and name.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<K>> {
        self.cache.values()
    }

    /// All objects of a namespace, by name.
    pub(super) fn within<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<K>> {
        let first = ObjectKey::new(namespace, "");
        self.cache.range(first..).take_while(move |(key, _)| key.namespace == namespace).map(|(_, object)| object)
    }

    /// Takes what a write answered into the cache, so that the next decision knows of it before the watch tells.
    pub(super) fn assume(&mut self, object: K) {
        let key = ObjectKey::of(&object);
        if !self.cache.get(&key).is_some_and(|cached| is_newer(cached.as_ref(), &object)) {
            self.cache.insert(key, Arc::new(object));
        }
    }

    fn take(&mut self, event: Event<K>) {
        match event {
            Event::Init => self.listed = Some(BTreeMap::new()),
            Event::InitApply(object) => {
                self.listed.get_or_insert_default().insert(ObjectKey::of(&object), object);
            }
            Event::InitDone => self.replace(),
            Event::Apply(object) => self.apply(object),
            Event::Delete(object) => self.delete(&ObjectKey::of(&object)),
        }
    }

    fn replace(&mut self) {
        let listed = self.listed.take().unwrap_or_default();
        let gone: Vec<_> = self.cache.keys().filter(|key| !listed.contains_key(key)).cloned().collect();
        gone.iter().for_each(|key| self.delete(key));
        listed.into_values().for_each(|object| self.apply(object));
        self.synced = true;
    }

    fn apply(&mut self, object: K) {
        let key = ObjectKey::of(&object);
        if self.cache.get(&key).is_some_and(|cached| is_newer(cached.as_ref(), &object)) {
            return;
        }
        let new = Arc::new(object);
        let old = self.cache.insert(key, Arc::clone(&new));
        self.changes.push_back(Change::Applied { old, new });
    }

    fn delete(&mut self, key: &ObjectKey) {
        if let Some(old) = self.cache.remove(key) {
            self.changes.push_back(Change::Deleted { old });
        }
    }
}

/// Whether `cached` is a later version of the same object than `other`.
fn is_newer<K: Resource>(cached: &K, other: &K) -> bool {
    let version = |object: &K| object.meta().resource_version.as_deref().and_then(|v| v.parse::<u64>().ok());
    cached.meta().uid == other.meta().uid && version(cached) > version(other)
}

/// kube's own back-off is jittered, which would break the seed.
struct EverySecond;

impl Iterator for EverySecond {
    type Item = Duration;
    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}

impl Backoff for EverySecond {
    fn reset(&mut self) {}
}

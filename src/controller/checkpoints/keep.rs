//! Writing what was learnt, while this process leads.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::{
    ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::{
    Read, api, code, contents, for_each, newest, object,
    schedule::{Kept, Occasion, Timetable, key},
};
use crate::{
    actuate::resize::FIELD_MANAGER,
    api::CheckpointedContainer,
    controller::{context::Context, learn::FORGOTTEN_AFTER, owners::WorkloadId, world::Key},
    model::ContainerModel,
};

/// How often it looks what is due.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// At most so many objects are written at a look: ten a second, which is 36,000 workloads an hour.
const MOST_AT_A_LOOK: usize = 100;

/// At most so many objects are removed at a look.
const MOST_REMOVED: usize = 10;

/// At the end so many writes are on their way at a time.
const AT_ONCE_AT_THE_END: usize = 8;

/// Keeps what was learnt, for one term of leading.
pub struct Keeper<'a> {
    context: &'a Context,
    may_keep: bool,
    /// `None` until the objects that there are have been looked at.
    timetable: Mutex<Option<Timetable>>,
}

/// A checkpoint to be written.
struct Due {
    id: WorkloadId,
    since: Timestamp,
    containers: Vec<CheckpointedContainer>,
    kept: Kept,
}

impl<'a> Keeper<'a> {
    /// Has written nothing yet, and never will if it may not.
    pub fn new(context: &'a Context, may_keep: bool) -> Self {
        Self { context, may_keep, timetable: Mutex::default() }
    }

    /// Writes what is due and removes what is forgotten, for ever. It may be dropped at any time.
    pub async fn run(&self) -> Infallible {
        let begun = self.context.clock.now();
        if !self.may_keep || !self.survey(begun).await {
            return std::future::pending().await;
        }
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            for due in self.due(Occasion::Hour).into_iter().take(MOST_AT_A_LOOK) {
                self.write(due).await;
            }
            for key in self.forgotten() {
                self.remove(key).await;
            }
        }
    }

    /// Writes, until `deadline`, what the next process would miss: the process ends.
    pub async fn finish(&self, deadline: Instant) {
        let due = self.due(Occasion::End);
        let all = due.len();
        let writes = stream::iter(due).map(|due| self.write(due)).buffer_unordered(AT_ONCE_AT_THE_END);
        if timeout_at(deadline, writes.collect::<Vec<_>>()).await.is_err() {
            tracing::warn!(all, "not all that was learnt last could be kept in time");
        }
    }

    /// Looks at what objects there are; whether there can be any.
    async fn survey(&self, begun: Timestamp) -> bool {
        let mut timetable = Timetable::new(begun);
        let seen = for_each(self.context, |object| {
            let key = (object.namespace().unwrap_or_default(), object.name_any());
            timetable.kept.insert(key, kept(&object, begun));
        });
        if let Err(error) = seen.await {
            tracing::warn!(%error, "checkpoints cannot be listed, and so none are written");
            return false;
        }
        *self.timetable() = Some(timetable);
        true
    }

    /// What is to be written now, that which has been due for longest first.
    fn due(&self, occasion: Occasion) -> Vec<Due> {
        let now = self.context.clock.now();
        let models = self.context.models();
        let timetable = self.timetable();
        // Models that have not come up to now would look as if they had: what they lack would never be read.
        let Some(timetable) = timetable.as_ref().filter(|_| models.may_lower()) else { return Vec::new() };
        let mut due: Vec<_> =
            models.workloads().filter_map(|(id, models)| due(timetable, id, models, occasion, now)).collect();
        due.sort_by(|a, b| (a.since, &a.id).cmp(&(b.since, &b.id)));
        due
    }

    async fn write(&self, due: Due) {
        let Due { id, containers, kept, .. } = due;
        let object = object(&id, &containers, kept.newest, kept.not_before);
        let (namespace, name) = key(&id);
        let objects = api(&self.context.client, Some(&namespace));
        // Noted before it is sent: a write without an answer may have been done, and is not done again.
        self.note(&(namespace.clone(), name.clone()), Some(kept));
        let params = PatchParams::apply(FIELD_MANAGER).force();
        match objects.patch(&name, &params, &Patch::Apply(object)).await {
            // Its namespace is gone.
            Err(error) if code(&error) != Some(404) => {
                tracing::warn!(%namespace, %name, %error, "what was learnt could not be kept; the next try is in an hour");
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// Objects of which nothing new was heard for as long as models are kept, and that no model is of any more.
    fn forgotten(&self) -> Vec<Key> {
        let now = self.context.clock.now();
        let models = self.context.models();
        let timetable = self.timetable();
        let live: BTreeSet<_> = models.workloads().map(|(id, _)| key(id)).collect();
        let kept = timetable.iter().flat_map(|timetable| &timetable.kept);
        let forgotten =
            kept.filter(|(key, kept)| now.duration_since(kept.newest) >= FORGOTTEN_AFTER && !live.contains(*key));
        forgotten.take(MOST_REMOVED).map(|(key, _)| key.clone()).collect()
    }

    async fn remove(&self, key: Key) {
        let (namespace, name) = &key;
        let removed = api(&self.context.client, Some(namespace)).delete(name, &DeleteParams::default()).await;
        match removed {
            Ok(_) => tracing::debug!(%namespace, %name, "removed what was learnt of a workload that is gone"),
            Err(error) if code(&error) == Some(404) => {}
            Err(error) => tracing::warn!(%namespace, %name, %error, "a checkpoint could not be removed"),
        }
        // If it is still there, the next leader sees it.
        self.note(&key, None);
    }

    fn note(&self, key: &Key, kept: Option<Kept>) {
        if let Some(timetable) = self.timetable().as_mut() {
            match kept {
                Some(kept) => timetable.kept.insert(key.clone(), kept),
                None => timetable.kept.remove(key),
            };
        }
    }

    fn timetable(&self) -> MutexGuard<'_, Option<Timetable>> {
        self.timetable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn due(
    timetable: &Timetable,
    id: &WorkloadId,
    models: &BTreeMap<String, ContainerModel>,
    occasion: Occasion,
    now: Timestamp,
) -> Option<Due> {
    let not_before = timetable.next_after(id, occasion, now)?;
    let containers = contents(models);
    let hash = hash(&containers);
    if containers.is_empty() || timetable.holds(id, hash) {
        return None;
    }
    let kept = Kept { not_before, contents: hash, newest: newest(models, now) };
    Some(Due { id: id.clone(), since: timetable.due(id), containers, kept })
}

/// What is known of an object that was found. Of one that cannot be read, that it is there.
fn kept(object: &DynamicObject, now: Timestamp) -> Kept {
    let created = object.metadata.creation_timestamp.as_ref().map_or(now, |created| created.0);
    match Read::of(object) {
        Ok(read) => Kept { not_before: read.not_before, contents: hash(&read.containers), newest: read.newest },
        Err(_) => Kept { not_before: now, contents: 0, newest: created },
    }
}

fn hash(containers: &[CheckpointedContainer]) -> u64 {
    let mut hasher = DefaultHasher::new();
    containers.hash(&mut hasher);
    hasher.finish()
}

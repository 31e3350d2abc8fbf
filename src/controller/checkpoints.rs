//! What was learnt, kept in the cluster: a `VerticalResizeCheckpoint` for each workload.
//!
//! `restore` reads all of them before the first pass; a [`Keeper`] writes them while this process leads, each workload
//! at a minute of the hour of its own (`schedule`), and removes those that nobody will ask for again. Objects carry no
//! owner reference: what was learnt outlives a workload that is deleted and comes back, for as long as models do.

mod keep;
mod restore;
mod schedule;

use std::collections::BTreeMap;

use flate2::Crc;
use jiff::Timestamp;
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject, ListParams},
};

pub use self::{keep::Keeper, restore::restore};
use super::{context::Context, owners::WorkloadId};
use crate::{
    api::{
        CheckpointedContainer, CheckpointedWorkload, VerticalResizeCheckpoint, VerticalResizeCheckpointSpec,
        checkpoint::MOST_CONTAINERS,
    },
    model::{ContainerModel, checkpoint},
};

/// So many objects are asked for at a time.
const PAGE: u32 = 500;

/// The longest start of an object's name, of 253 bytes that there may be.
const LONGEST_START: usize = 240;

/// Why an object is no checkpoint.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("it is not of the shape that the definition says")]
    Shape(#[from] serde_json::Error),
    #[error("its version is {0}, and this Tailor knows {known} only", known = checkpoint::VERSION)]
    Version(u32),
    #[error("the checkpoint of its workload is called {0}")]
    Misnamed(String),
}

/// What one object holds.
#[derive(Debug)]
struct Read {
    id: WorkloadId,
    not_before: Timestamp,
    newest: Timestamp,
    containers: Vec<CheckpointedContainer>,
}

impl Read {
    fn of(object: &DynamicObject) -> Result<Self, Problem> {
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        let name = object.metadata.name.clone().unwrap_or_default();
        let spec = object.data.get("spec").cloned().unwrap_or_default();
        let spec: VerticalResizeCheckpointSpec = serde_json::from_value(spec)?;
        if spec.version != checkpoint::VERSION {
            return Err(Problem::Version(spec.version));
        }
        let CheckpointedWorkload { group, kind, name: workload } = spec.workload;
        let id = WorkloadId { namespace, group, kind, name: workload };
        let expected = name_of(&id);
        if expected != name {
            return Err(Problem::Misnamed(expected));
        }
        Ok(Self { id, not_before: spec.not_before, newest: spec.newest_sample, containers: spec.containers })
    }
}

/// What the object of a workload is called: readable, and of no other workload of its namespace.
fn name_of(id: &WorkloadId) -> String {
    let start = format!("{}-{}", id.kind, id.name).to_ascii_lowercase();
    let is_allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let start: String = start.chars().filter(is_allowed).take(LONGEST_START).collect();
    format!("{}-{:08x}", start.trim_matches(['-', '.']), hash(id))
}

/// The same in each run and version.
fn hash(id: &WorkloadId) -> u32 {
    let mut sum = Crc::new();
    [&id.group, &id.kind, &id.name, &id.namespace].into_iter().for_each(|part| {
        sum.update(part.as_bytes());
        sum.update(b"/");
    });
    sum.sum()
}

/// The models as the object holds them. What knows nothing is left out.
fn contents(models: &BTreeMap<String, ContainerModel>) -> Vec<CheckpointedContainer> {
    let known = models.iter().filter(|(_, model)| !model.is_empty());
    let container = |(name, model): (&String, &ContainerModel)| CheckpointedContainer {
        name: name.clone(),
        model: checkpoint::encode(model),
    };
    known.take(MOST_CONTAINERS).map(container).collect()
}

/// All objects in the scope, page by page.
async fn for_each(context: &Context, mut look: impl FnMut(DynamicObject)) -> Result<(), kube::Error> {
    let objects = api(&context.client, context.options.namespace.as_deref());
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = objects.list(&page).await?;
        list.items.into_iter().for_each(&mut look);
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = ListParams::default().limit(PAGE).continue_token(&token),
            None => return Ok(()),
        }
    }
}

/// As objects of any shape: one that is odd must not hide the others.
fn api(client: &Client, namespace: Option<&str>) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<VerticalResizeCheckpoint>(&());
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// The HTTP code of a refusal.
fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// The object of a workload of which this is known, as it is written; the next one may follow at once.
pub fn object_of(id: &WorkloadId, models: &BTreeMap<String, ContainerModel>, now: Timestamp) -> serde_json::Value {
    object(id, &contents(models), newest(models, now), now)
}

/// When the newest sample of any container was taken; if there is none, now: then there was a kill.
fn newest(models: &BTreeMap<String, ContainerModel>, now: Timestamp) -> Timestamp {
    models.values().filter_map(ContainerModel::newest_sample).max().unwrap_or(now)
}

/// As it is written.
fn object(
    id: &WorkloadId,
    containers: &[CheckpointedContainer],
    newest: Timestamp,
    not_before: Timestamp,
) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": VerticalResizeCheckpoint::api_version(&()),
        "kind": VerticalResizeCheckpoint::kind(&()),
        "metadata": { "name": name_of(id), "namespace": id.namespace },
        "spec": {
            "workload": { "group": id.group, "kind": id.kind, "name": id.name },
            "version": checkpoint::VERSION,
            "newestSample": newest,
            "notBefore": not_before,
            "containers": containers,
        },
    })
}

#[cfg(test)]
mod tests;

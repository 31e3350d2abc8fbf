//! Reading what was kept.

use jiff::Timestamp;
use kube::{ResourceExt, api::DynamicObject};

use super::{Read, code, for_each};
use crate::{
    controller::{backoff::Doubling, context::Context, learn::FORGOTTEN_AFTER},
    model::checkpoint,
};

/// Gives the models back what was kept of them, once; tries for as long as the API server does not answer. Whether
/// checkpoints may be written from now on: not if there may be some that nobody was allowed to read.
pub async fn restore(context: &Context) -> bool {
    if !context.options.checkpoints {
        return false;
    }
    let mut waits = Doubling::default();
    loop {
        match restore_all(context).await {
            Ok(containers) => {
                tracing::info!(containers, "restored what was learnt");
                return true;
            }
            Err(error) => {
                if let Some(may_keep) = given_up(&error) {
                    return may_keep;
                }
                tokio::time::sleep(waits.next().unwrap_or_default()).await;
            }
        }
    }
}

/// How many containers' models it gives back.
async fn restore_all(context: &Context) -> Result<usize, kube::Error> {
    let now = context.clock.now();
    let mut restored = 0;
    for_each(context, |object| restored += restore_one(context, &object, now)).await?;
    Ok(restored)
}

/// Whether checkpoints may be written though they could not be read; `None` if they may be read the next time.
fn given_up(error: &kube::Error) -> Option<bool> {
    let (may_keep, what) = match code(error) {
        Some(404) => (Some(true), "there are no VerticalResizeCheckpoints; apply crds/verticalresizecheckpoints.yaml"),
        Some(403) => (Some(false), "what was learnt may not be read, and so is not kept; check Tailor's RBAC rights"),
        _ => (None, "cannot read what was learnt; it is tried again"),
    };
    tracing::warn!(%error, "{what}");
    may_keep
}

/// How many containers' models it gives back. What cannot be read is told, and skipped.
fn restore_one(context: &Context, object: &DynamicObject, now: Timestamp) -> usize {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let read = match Read::of(object) {
        Ok(read) => read,
        Err(problem) => {
            let problem = &problem as &dyn std::error::Error;
            tracing::warn!(%namespace, %name, error = problem, "a checkpoint is left alone");
            return 0;
        }
    };
    let mut restored = 0;
    for container in read.containers {
        match checkpoint::decode(&container.model, now) {
            Ok(model) => {
                let is_known = |newest| now.duration_since(newest) < FORGOTTEN_AFTER;
                if model.newest_sample().is_none_or(is_known) {
                    context.models().restore(&read.id, container.name, model);
                    restored += 1;
                }
            }
            Err(error) => {
                tracing::warn!(%namespace, %name, container = container.name, %error, "what was learnt is damaged");
            }
        }
    }
    restored
}

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
    for wait in Doubling::default() {
        let now = context.clock.now();
        let (mut restored, mut objects) = (0_usize, 0_usize);
        let read = for_each(context, |object| {
            objects += 1;
            restored += restore_one(context, object, now);
        });
        match read.await {
            Ok(()) => {
                tracing::info!(objects, containers = restored, "restored what was learnt");
                return true;
            }
            Err(error) if code(&error) == Some(404) => {
                tracing::warn!("there are no VerticalResizeCheckpoints; apply crds/verticalresizecheckpoints.yaml");
                return true;
            }
            Err(error) if code(&error) == Some(403) => {
                tracing::warn!(%error, "checkpoints may not be read, and so none are written; check Tailor's RBAC rights");
                return false;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot read what was learnt; it is tried again");
                tokio::time::sleep(wait).await;
            }
        }
    }
    false
}

/// How many containers' models it gives back. What cannot be read is told, and skipped.
fn restore_one(context: &Context, object: DynamicObject, now: Timestamp) -> usize {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let read = match Read::of(&object) {
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

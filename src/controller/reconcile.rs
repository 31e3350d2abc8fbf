//! One pass over one policy: look, decide, act, say.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use kube::{ResourceExt, runtime::controller};
use tokio::time::Instant;

use super::{
    apply::{Applied, apply},
    backoff::Doubling,
    context::Context,
    decide::decide,
    figures,
    observe::observe,
    publish::publish,
    world::Key,
};
use crate::api::VerticalResizePolicy;

/// A pass is due after so long even if nothing happened: no event is taken for certain.
const LOOK_AGAIN: Duration = Duration::from_mins(5);

/// A pass that could not be finished. It is tried again.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
pub enum Error {
    /// Not all could be read that a pass needs.
    #[strum(serialize = "observe_failed")]
    #[error("policy {policy}: cannot read from the API server; check the connection and Tailor's RBAC rights")]
    Observe {
        /// Namespace and name.
        policy: String,
        /// What the client says.
        source: Box<kube::Error>,
    },
    /// The status could not be written.
    #[strum(serialize = "publish_failed")]
    #[error("policy {policy}: cannot write its status; check Tailor's RBAC rights on verticalresizepolicies/status")]
    Publish {
        /// Namespace and name.
        policy: String,
        /// What the client says.
        source: Box<kube::Error>,
    },
}

/// One pass over one policy.
///
/// # Errors
/// When it could not be finished.
pub async fn reconcile(policy: Arc<VerticalResizePolicy>, context: Arc<Context>) -> Result<controller::Action, Error> {
    let key = (policy.namespace().unwrap_or_default(), policy.name_any());
    let name = format!("{}/{}", key.0, key.1);
    let waits = context.metrics.waits();
    let _pass = context.turnstile.enter(&name).await;
    drop(waits);
    if context.is_stopping() {
        return Ok(controller::Action::await_change());
    }
    let _running = context.health.begins(&name);
    let began = Instant::now();
    let ended = pass(&context, &key, &name).await;
    context.metrics.passed(ended.as_ref().err().map(Into::into), began.elapsed());
    ended
}

async fn pass(context: &Context, key: &Key, name: &str) -> Result<controller::Action, Error> {
    // What it is now, not what it was when the pass was asked for.
    let Some(policy) = context.policy(key) else { return Ok(controller::Action::await_change()) };
    if policy.object.metadata.deletion_timestamp.is_some() {
        context.metrics.keep_policies(|known| known != key);
        return Ok(controller::Action::await_change());
    }
    let uid = policy.object.uid().unwrap_or_default();
    let observe_error = |source| Error::Observe { policy: name.to_owned(), source: Box::new(source) };
    let observed = observe(context, policy).await.map_err(observe_error)?;
    let decided = decide(&observed, context.clock.now());
    let applied = apply(context, &observed, &decided).await;
    figures::tell(context, &applied);
    let publish_error = |source| Error::Publish { policy: name.to_owned(), source: Box::new(source) };
    publish(context, &applied).await.map_err(publish_error)?;
    context.memory().policy(key, &uid).failures = 0;
    Ok(controller::Action::requeue(next_look(&applied, context.clock.now())))
}

/// What follows a pass that failed: another one, later each time.
#[expect(clippy::needless_pass_by_value, reason = "kube-runtime passes both by value")]
pub fn after_error(policy: Arc<VerticalResizePolicy>, error: &Error, context: Arc<Context>) -> controller::Action {
    let key = (policy.namespace().unwrap_or_default(), policy.name_any());
    tracing::warn!(error = error as &dyn std::error::Error, "a pass could not be finished; it is tried again");
    let mut memory = context.memory();
    let remembered = memory.policy(&key, &policy.uid().unwrap_or_default());
    remembered.failures = remembered.failures.saturating_add(1);
    match error {
        Error::Observe { .. } | Error::Publish { .. } => {
            controller::Action::requeue(Doubling::after(remembered.failures))
        }
    }
}

fn next_look(applied: &Applied<'_>, now: Timestamp) -> Duration {
    let wait = applied.look_again.map(|at| at.duration_since(now).max(SignedDuration::from_secs(1)));
    wait.and_then(|wait| Duration::try_from(wait).ok()).map_or(LOOK_AGAIN, |wait| wait.min(LOOK_AGAIN))
}

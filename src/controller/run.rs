//! Starts everything, and stops it.

use std::{sync::Arc, time::Duration};

use futures::{
    StreamExt,
    channel::mpsc::{UnboundedReceiver, unbounded},
    stream,
};
use kube::{
    Client,
    runtime::{
        controller::{self, Controller as Runtime},
        reflector::{self, ObjectRef, Store, store::Writer},
    },
};
use tokio::task::JoinSet;

use super::{
    backoff::Doubling,
    context::Context,
    journal::Journal,
    learn,
    reconcile::{after_error, reconcile},
    sizes::Sizer,
    watches,
};
use crate::{actuate::Admission, api::VerticalResizePolicy, clock::Clock, usage::UsageSource};

/// What a controller is made of.
pub struct Parts {
    /// The API server.
    pub client: Client,
    /// Where usage comes from.
    pub source: Arc<dyn UsageSource>,
    /// The time.
    pub clock: Clock,
    /// Where transitions are recorded, beside Events.
    pub journal: Arc<dyn Journal>,
    /// What the operator chose.
    pub options: Options,
}

/// What the operator chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How often usage is read.
    pub sample_interval: Duration,
    /// How many passes run at a time. With one, each pass sees all writes of those before it, and a simulation depends
    /// on nothing but its input.
    pub concurrency: usize,
    /// The only namespace that is watched; all of them if absent.
    pub namespace: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { sample_interval: Duration::from_mins(1), concurrency: 1, namespace: None }
    }
}

/// A controller that could not start, or not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A watch ended, which happens only while the process ends.
    #[error("a watch ended before it had brought a complete list; is the process being stopped?")]
    WatchEnded,
}

/// The controller.
pub struct Controller {
    context: Arc<Context>,
    store: Store<VerticalResizePolicy>,
    writer: Writer<VerticalResizePolicy>,
    passes: UnboundedReceiver<ObjectRef<VerticalResizePolicy>>,
}

impl Controller {
    /// A controller that has not started.
    pub fn new(parts: Parts) -> Self {
        let (look_at, passes) = unbounded();
        let (store, writer) = reflector::store();
        Self { context: Arc::new(Context::new(parts, look_at)), store, writer, passes }
    }

    /// What gives new Pods their size, from what this controller knows. Until it has started, all Pods stay as they are.
    pub fn admission(&self) -> Arc<Admission> {
        Arc::new(Admission::new(Arc::new(Sizer(Arc::clone(&self.context)))))
    }

    /// Runs until `shutdown` is ready; passes that have begun are finished. Nothing is written before every watch has
    /// brought its first complete list.
    ///
    /// # Errors
    /// When a watch ends by itself.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
        let Self { context, store, writer, passes } = self;
        let mut tasks = JoinSet::new();
        let ready = watches::start(&context, &mut tasks, writer);
        let mut shutdown = Box::pin(shutdown);
        let all_ready = async {
            for mut ready in ready {
                ready.wait_for(|ready| *ready).await.map_err(|_| Error::WatchEnded)?;
            }
            Ok(())
        };
        tokio::select! {
            biased;
            () = &mut shutdown => return Ok(()),
            ready = all_ready => ready?,
        }
        tracing::info!("all watches are complete");
        tasks.spawn(learn::run(Arc::clone(&context)));
        passes_until(context, store, passes, shutdown).await;
        Ok(())
    }
}

async fn passes_until(
    context: Arc<Context>,
    store: Store<VerticalResizePolicy>,
    passes: UnboundedReceiver<ObjectRef<VerticalResizePolicy>>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let waits_for_stop = tokio::spawn(async move {
        shutdown.await;
        drop(stop);
    });
    // Passes are asked for by name alone; the watches know whose turn it is.
    Runtime::for_stream(stream::pending(), store)
        .reconcile_on(passes)
        .trigger_backoff(Doubling::default())
        .graceful_shutdown_on(async move {
            // Dropped, never sent to.
            let _ = stopped.await;
        })
        .run(reconcile, after_error, context)
        .for_each(|done| async {
            if let Err(controller::Error::ObjectNotFound(policy)) = done {
                tracing::debug!(%policy, "is gone");
            }
        })
        .await;
    waits_for_stop.abort();
}

//! Starts everything, and stops it.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, stream};
use kube::{
    Client,
    runtime::{
        controller::{self, Controller as Runtime},
        reflector::{self, Store, store::Writer},
    },
};
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{
    backoff::Doubling,
    checkpoints::{Keeper, restore},
    context::Context,
    journal::Journal,
    leadership::{Leadership, Standing},
    learn,
    lease::{Candidate, LeaseOptions},
    reconcile::{after_error, reconcile},
    sizes::Sizer,
    watches,
};
use crate::{
    actuate::{Admission, Replacements},
    api::VerticalResizePolicy,
    clock::Clock,
    plan::NewPods,
    telemetry::{health::Health, metrics::Metrics},
    usage::UsageSource,
};

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
    /// Whether Nodes are watched. Without, none is known to be too small, and no Pod is evicted.
    pub watch_nodes: bool,
    /// The lease that says whether this process acts; without one it always does, as the only one.
    pub lease: Option<LeaseOptions>,
    /// How long passes that have begun may go on after the end was asked for, and what was learnt last may be kept.
    pub shutdown_grace: Duration,
    /// Whether what was learnt is kept in `VerticalResizeCheckpoint`s, and restored from them at start.
    pub checkpoints: bool,
    /// How far back history is read at start, where nothing is known; zero reads none.
    pub history: Duration,
    /// What new Pods get until [`Controller::replacements`] says otherwise. By default their size, as where
    /// [`Controller::admission`] is asked about each of them.
    pub new_pods: NewPods,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sample_interval: Duration::from_mins(1),
            concurrency: 1,
            namespace: None,
            watch_nodes: true,
            lease: None,
            shutdown_grace: Duration::from_secs(10),
            checkpoints: false,
            history: Duration::ZERO,
            new_pods: NewPods::Sized,
        }
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
    /// Not behind the fence: the lease is kept with it.
    unfenced: Client,
    store: Store<VerticalResizePolicy>,
    writer: Writer<VerticalResizePolicy>,
}

impl Controller {
    /// A controller that has not started. Must be called inside a tokio runtime.
    pub fn new(parts: Parts) -> Self {
        let (store, writer) = reflector::store();
        let standing = if parts.options.lease.is_some() { Standing::Standby } else { Standing::Alone };
        let metrics = Arc::new(Metrics::new(parts.clock));
        let leadership = Leadership::new(standing, parts.clock, Arc::clone(&metrics));
        let unfenced = parts.client.clone();
        Self { context: Arc::new(Context::new(parts, leadership, metrics)), unfenced, store, writer }
    }

    /// What gives new Pods their size, from what this controller knows. Until it has started, all Pods stay as they are.
    pub fn admission(&self) -> Arc<Admission> {
        Arc::new(Admission::new(Arc::new(Sizer(Arc::clone(&self.context)))))
    }

    /// Where it is told whether new Pods get their size. While they do not, no Pod is evicted for its size.
    pub fn replacements(&self) -> Replacements {
        self.context.replacements.clone()
    }

    /// Whether it is alive and ready.
    pub fn health(&self) -> Health {
        self.context.health.clone()
    }

    /// What it counts.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.context.metrics)
    }

    /// Runs until `shutdown` is ready. Then no pass begins any more, those that have begun are finished, and the lease is
    /// given up. Nothing is written before every watch has brought its first complete list.
    ///
    /// # Errors
    /// When a watch ends by itself.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
        let Self { context, unfenced, store, writer } = self;
        let mut tasks = JoinSet::new();
        let ready = watches::start(&context, &mut tasks, writer);
        let shutdown = shutdown.boxed().shared();
        let all_ready = async {
            for mut ready in ready {
                ready.wait_for(|ready| *ready).await.map_err(|_| Error::WatchEnded)?;
            }
            Ok(())
        };
        let known = async { futures::join!(all_ready, restore(&context)) };
        let may_keep = tokio::select! {
            biased;
            () = shutdown.clone() => return Ok(()),
            (ready, may_keep) = known => ready.map(|()| may_keep)?,
        };
        tracing::info!("all watches are complete");
        context.health.is_ready_now();
        tasks.spawn(learn::run(Arc::clone(&context)));
        if context.options.new_pods == NewPods::UnsizedNow {
            let context = Arc::clone(&context);
            tasks.spawn(async move { context.follow_replacements().await });
        }
        let end = stand(&context, unfenced, &mut tasks);
        let finished = act(&context, &store, may_keep, shutdown).await;
        if let Some((end, ended)) = end {
            // Who may still have a write on its way keeps the lease until it runs out.
            let _ = end.send(finished);
            let _ = ended.await;
        }
        context.leadership.set(Standing::Ended);
        Ok(())
    }
}

/// Asks for the lease, if there is one. Sending says that it is to end, and whether to give the lease up.
fn stand(
    context: &Arc<Context>,
    client: Client,
    tasks: &mut JoinSet<()>,
) -> Option<(oneshot::Sender<bool>, oneshot::Receiver<()>)> {
    let options = context.options.lease.clone()?;
    let told = (context.health.clone(), Arc::clone(&context.metrics));
    let candidate = Candidate::new(client, options, context.leadership.clone(), context.clock, told);
    let (end, to_end) = oneshot::channel();
    let (done, ended) = oneshot::channel();
    tasks.spawn(async move {
        candidate.run(to_end).await;
        // Nobody listens any more if everything was dropped.
        let _ = done.send(());
    });
    Some((end, ended))
}

/// Acts whenever this process leads, until `shutdown`; answers whether all passes that had begun were finished.
async fn act(
    context: &Arc<Context>,
    store: &Store<VerticalResizePolicy>,
    may_keep: bool,
    shutdown: impl Future<Output = ()> + Clone + Send + Sync + 'static,
) -> bool {
    loop {
        let term = tokio::select! {
            biased;
            () = shutdown.clone() => return true,
            term = context.leadership.gained() => term,
        };
        tokio::select! {
            biased;
            // All passes are dropped where they are; what they have sent ends with the right to write.
            () = context.leadership.lost(term) => {}
            finished = passes_until(context, store, may_keep, shutdown.clone()) => return finished,
        }
    }
}

/// Runs passes, and keeps what is learnt, until `shutdown`; answers whether passes that had begun then were finished in
/// time.
async fn passes_until(
    context: &Arc<Context>,
    store: &Store<VerticalResizePolicy>,
    may_keep: bool,
    shutdown: impl Future<Output = ()> + Clone + Send + Sync + 'static,
) -> bool {
    // Passes are asked for by name alone; the watches know whose turn it is.
    let passes = Runtime::for_stream(stream::pending(), store.clone())
        .reconcile_on(context.begin())
        .trigger_backoff(Doubling::default())
        .graceful_shutdown_on(shutdown.clone())
        .run(reconcile, after_error, Arc::clone(context))
        .for_each(|done| async {
            if let Err(controller::Error::ObjectNotFound(policy)) = done {
                tracing::debug!(%policy, "is gone");
            }
        });
    let mut passes = Box::pin(passes);
    let keeper = Keeper::new(context, may_keep);
    tokio::select! {
        biased;
        () = shutdown => context.stop(),
        () = &mut passes => return true,
        never = keeper.run() => match never {},
    }
    let grace = context.options.shutdown_grace;
    let deadline = Instant::now() + grace;
    let finished = timeout_at(deadline, passes).await.is_ok();
    keeper.finish(deadline).await;
    if !finished {
        tracing::warn!(?grace, "passes that had begun were not finished in time, and are given up");
    }
    finished
}

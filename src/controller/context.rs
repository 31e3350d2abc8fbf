//! What passes, watches, learner and admission share.
//!
//! Whoever needs several of the locks takes them in the order world, models, memory, latencies, and holds none over an
//! `await`.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use jiff::{SignedDuration, Timestamp};
use kube::{Client, runtime::reflector::ObjectRef};

use super::{
    fence::Fence,
    journal::Journal,
    latency::Latencies,
    leadership::Leadership,
    learn::Models,
    memory::Memory,
    policies::Policy,
    run::Options,
    turnstile::Turnstile,
    world::{Key, Touch, World},
};
use crate::{
    actuate::Replacements,
    api::VerticalResizePolicy,
    clock::Clock,
    plan::NewPods,
    telemetry::{health::Health, metrics::Metrics},
    usage::UsageSource,
};

/// How long an answer about what the API server serves holds: an upgrade may change it.
const SERVED_FOR: SignedDuration = SignedDuration::from_mins(10);

/// What passes, watches, learner and admission share.
pub struct Context {
    /// The API server, behind the [`fence`](super::fence).
    pub client: Client,
    /// Where usage comes from.
    pub source: Arc<dyn UsageSource>,
    /// The time.
    pub clock: Clock,
    /// Where transitions are recorded.
    pub journal: Arc<dyn Journal>,
    /// What the operator chose.
    pub options: Options,
    /// The gate that passes go through.
    pub turnstile: Turnstile,
    /// The right to write.
    pub leadership: Leadership,
    /// Whether new Pods get their size.
    pub replacements: Replacements,
    /// Whether the process is alive and ready.
    pub health: Health,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    world: Mutex<World>,
    models: Mutex<Models>,
    memory: Mutex<Memory>,
    latencies: Mutex<Latencies>,
    /// Where policies go that are to be looked at; nowhere while nobody looks.
    passes: Mutex<Option<UnboundedSender<PolicyRef>>>,
    stopping: AtomicBool,
}

/// A policy by name.
pub type PolicyRef = ObjectRef<VerticalResizePolicy>;

impl Context {
    /// Knows nothing yet. Must be called inside a tokio runtime.
    pub fn new(parts: super::Parts, leadership: Leadership, metrics: Arc<Metrics>) -> Self {
        let now = parts.clock.now();
        Self {
            turnstile: Turnstile::new(parts.options.concurrency),
            client: Fence::around(&parts.client, leadership.clone(), Arc::clone(&metrics)),
            leadership,
            replacements: Replacements::new(parts.options.new_pods),
            health: Health::default(),
            metrics,
            source: parts.source,
            clock: parts.clock,
            journal: parts.journal,
            options: parts.options,
            world: Mutex::default(),
            models: Mutex::default(),
            memory: Mutex::new(Memory::new(now)),
            latencies: Mutex::default(),
            passes: Mutex::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// From now on this process acts, and knows no more than after a restart but what it has seen and learnt: what was
    /// done before is forgotten, for somebody else may have acted since. Answers with the policies to look at, all of
    /// them to begin with.
    pub fn begin(&self) -> UnboundedReceiver<PolicyRef> {
        *self.memory() = Memory::new(self.clock.now());
        let (look_at, passes) = unbounded();
        *locked(&self.passes) = Some(look_at);
        self.trigger(&[Touch::All]);
        passes
    }

    /// From now on no pass begins.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether no pass begins any more.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The picture of the cluster.
    pub fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.world)
    }

    /// What was learnt.
    pub fn models(&self) -> MutexGuard<'_, Models> {
        locked(&self.models)
    }

    /// What was done and met.
    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        locked(&self.memory)
    }

    /// The resizes on their way.
    pub fn latencies(&self) -> MutexGuard<'_, Latencies> {
        locked(&self.latencies)
    }

    /// The policy as it is known now.
    pub fn policy(&self, key: &Key) -> Option<Arc<Policy>> {
        self.world().policies.get(key).cloned()
    }

    /// Has the policies looked at that these changes concern.
    pub fn trigger(&self, touched: &[Touch]) {
        let policies = concerned(&self.world(), touched);
        for (namespace, name) in policies {
            self.look_again(&namespace, &name);
        }
    }

    /// Has one policy looked at.
    pub fn look_again(&self, namespace: &str, name: &str) {
        if let Some(passes) = &*locked(&self.passes) {
            // The receiver is gone while this process stands by, or stops.
            let _ = passes.unbounded_send(ObjectRef::new(name).within(namespace));
        }
    }

    /// Has every policy looked at whenever it is another answer whether new Pods get their size.
    pub async fn follow_replacements(&self) {
        let mut known = self.replacements.now();
        loop {
            known = self.replacements.changed(known).await;
            let is_sized = known == NewPods::Sized;
            tracing::info!(is_sized, "whether new Pods get their size has changed");
            self.trigger(&[Touch::All]);
        }
    }

    /// Whether the API server serves `pods/resize`.
    ///
    /// # Errors
    /// When it does not say, and has not said lately.
    pub async fn resize_served(&self) -> Result<bool, kube::Error> {
        let now = self.clock.now();
        let known = self.memory().resize_served;
        match known {
            Some((served, at)) if now.duration_since(at) < SERVED_FOR => return Ok(served),
            _ => {}
        }
        let served = self.client.list_core_api_resources("v1").await;
        let served = served.map(|list| list.resources.iter().any(|resource| resource.name == "pods/resize"));
        match (served, known) {
            (Ok(served), _) => {
                self.memory().resize_served = Some((served, now));
                Ok(served)
            }
            (Err(_), Some((served, _))) => Ok(served),
            (Err(error), None) => Err(error),
        }
    }
}

/// The policies that changes concern, in order.
fn concerned(world: &World, touched: &[Touch]) -> BTreeSet<Key> {
    let mut workloads = BTreeSet::new();
    for touch in touched {
        match touch {
            Touch::Workload(id) => {
                workloads.insert(id.clone());
            }
            Touch::Node(node) => workloads.extend(world.pods_on(node).filter_map(|pod| world.workload_of(pod))),
            Touch::Namespace(_) | Touch::All => {}
        }
    }
    let by_name = |key: &Key| {
        touched.iter().any(|touch| match touch {
            Touch::Namespace(namespace) => *namespace == key.0,
            Touch::All => true,
            Touch::Workload(_) | Touch::Node(_) => false,
        })
    };
    let is_concerned = |(key, policy): &(&Key, &Arc<Policy>)| {
        by_name(key) || workloads.iter().any(|workload| policy.covers(workload, world))
    };
    world.policies.iter().filter(is_concerned).map(|(key, _)| key.clone()).collect()
}

/// A panic elsewhere must not hide behind a second one here, so a poisoned lock is taken as it is.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `now` and a while more.
pub(super) fn later(now: Timestamp, wait: std::time::Duration) -> Timestamp {
    SignedDuration::try_from(wait).ok().and_then(|wait| now.checked_add(wait).ok()).unwrap_or(Timestamp::MAX)
}

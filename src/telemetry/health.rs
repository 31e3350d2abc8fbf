//! Whether the process is alive, and whether it is ready.
//!
//! Alive: each loop that should go round has done so lately, and no pass is stuck. What is wrong outside (no API server,
//! no usage) never makes it dead: a restart would mend nothing and forget what was learnt. Ready: every cache is
//! complete, and the webhook listens if there is one; one that stands by is ready too.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// A pass that takes longer than this is stuck: its requests are bounded, and each by much less.
const PASS_MAY_TAKE: Duration = Duration::from_mins(15);

/// Said while the first lists are not complete.
const CACHES: &str = "not every watch has brought a complete list yet";

/// The health of one process. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<State>);

#[derive(Debug, Default)]
struct State {
    ready: AtomicBool,
    /// What else there must be, and is not yet.
    missing: Mutex<BTreeSet<&'static str>>,
    /// By name: when the loop went round last, and how long it may take.
    loops: Mutex<BTreeMap<&'static str, (Instant, Duration)>>,
    /// When each pass that has not ended began.
    passes: Mutex<BTreeMap<u64, (String, Instant)>>,
    begun: AtomicU64,
}

/// One pass. Dropping it says that it has ended.
#[derive(Debug)]
pub struct Running(Arc<State>, u64);

impl Health {
    /// Every cache is complete.
    pub fn is_ready_now(&self) {
        self.0.ready.store(true, Ordering::Relaxed);
    }

    /// It is not ready without this; `what` says so in a sentence.
    pub fn waits_for(&self, what: &'static str) {
        lock(&self.0.missing).insert(what);
    }

    /// This is there now.
    pub fn has(&self, what: &'static str) {
        lock(&self.0.missing).remove(what);
    }

    /// Whether every cache is complete, and all else is there.
    pub fn is_ready(&self) -> bool {
        self.missing().is_empty()
    }

    /// What there must be, and is not yet.
    pub fn missing(&self) -> Vec<&'static str> {
        let caches = (!self.0.ready.load(Ordering::Relaxed)).then_some(CACHES);
        caches.into_iter().chain(lock(&self.0.missing).iter().copied()).collect()
    }

    /// The loop has gone round, and does so again within `within`.
    pub fn beat(&self, name: &'static str, within: Duration) {
        lock(&self.0.loops).insert(name, (Instant::now(), within));
    }

    /// The loop has ended as it should.
    pub fn ended(&self, name: &'static str) {
        lock(&self.0.loops).remove(name);
    }

    /// A pass begins.
    pub fn begins(&self, policy: &str) -> Running {
        let number = self.0.begun.fetch_add(1, Ordering::Relaxed);
        lock(&self.0.passes).insert(number, (policy.to_owned(), Instant::now()));
        Running(Arc::clone(&self.0), number)
    }

    /// What is stuck; nothing if it is alive.
    pub fn stuck(&self) -> Vec<String> {
        let loops = lock(&self.0.loops);
        let loops = loops.iter().filter(|(_, (at, within))| at.elapsed() > *within);
        let mut stuck: Vec<_> = loops.map(|(name, (at, _))| told(name, *at)).collect();
        let passes = lock(&self.0.passes);
        let passes = passes.values().filter(|(_, at)| at.elapsed() > PASS_MAY_TAKE);
        stuck.extend(passes.map(|(policy, at)| told(&format!("the pass over {policy}"), *at)));
        stuck
    }
}

fn told(what: &str, since: Instant) -> String {
    format!("{what} has not gone on for {} s", since.elapsed().as_secs())
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.0.passes).remove(&self.1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_does_not_go_round_in_time_is_stuck_until_it_does() {
        let health = Health::default();
        health.beat("learning", MINUTE);
        tokio::time::advance(MINUTE).await;
        assert!(health.stuck().is_empty());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(health.stuck(), ["learning has not gone on for 61 s"]);
        health.beat("learning", MINUTE);
        assert!(health.stuck().is_empty());
        tokio::time::advance(MINUTE * 2).await;
        health.ended("learning");
        assert!(health.stuck().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_that_does_not_end_is_stuck_and_one_that_is_given_up_is_not() {
        let health = Health::default();
        let pass = health.begins("shop/web");
        drop(health.begins("shop/api"));
        tokio::time::advance(PASS_MAY_TAKE).await;
        assert!(health.stuck().is_empty());
        tokio::time::advance(MINUTE).await;
        assert_eq!(health.stuck(), ["the pass over shop/web has not gone on for 960 s"]);
        drop(pass);
        assert!(health.stuck().is_empty());
    }
}

//! What the kubelets saw: usage now, and what it all came to.
//!
//! A kubelet says what holds for a container *from a moment on* ([`Ledger::observe`]) and what happened to it
//! ([`Ledger::count`]); the ledger integrates. The report reads [`Ledger::accounts`], and the simulated metrics source
//! reads [`Ledger::take_usage`]. Sums are kept from the start, and apart from it for the time that is scored.

mod account;
mod book;
mod counters;
mod live;
mod percentile;
mod series;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

pub use account::{AccountReport, Integrals};
pub use counters::Counters;
pub use live::ContainerUsage;
pub use series::{Point, Series};

use crate::resources::{Bytes, NanoCpu, Resources};
use book::Book;

/// A container of a workload, whatever Pods it runs in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct AccountKey {
    /// The workload's namespace.
    pub namespace: String,
    /// The workload's kind, such as `Deployment`; `Pod` for a Pod that nothing owns.
    pub kind: String,
    /// The workload's name.
    pub workload: String,
    /// The container's name.
    pub container: String,
}

/// What holds for a container of a Pod from a moment on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Whether it runs; while it does not, it uses nothing but its request is still reserved.
    pub running: bool,
    /// The CPU that it uses.
    pub cpu: NanoCpu,
    /// The CPU that it wants and does not get.
    pub throttled: NanoCpu,
    /// The memory that it holds.
    pub memory: Bytes,
    /// Requests in the Pod's spec: what the scheduler reserves.
    pub requests: Resources,
    /// Limits in force.
    pub limits: Resources,
}

/// Something that happened to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// It was killed for using more memory than its limit, or than its Node has.
    OomKill,
    /// It was started again, for whatever reason.
    Restart,
    /// A resize was carried out.
    Resize,
}

/// The shared ledger; a clone writes into the same one.
#[derive(Clone, Debug)]
pub struct Ledger {
    book: Arc<Mutex<Book>>,
}

impl Ledger {
    /// An empty ledger that scores what happens from `scoring_starts` on.
    pub fn new(scoring_starts: Timestamp) -> Self {
        Self { book: Arc::new(Mutex::new(Book::new(scoring_starts))) }
    }

    /// Says what the workload's template requests for this container, for the slack without Tailor. Without it, what
    /// the first Pod requested when it was first seen stands in.
    pub fn set_original(&self, key: &AccountKey, requests: Resources) {
        self.lock().set_original(key, requests);
    }

    /// From `at` on, `reading` holds for this container of `pod`.
    pub fn observe(&self, key: &AccountKey, pod: &str, reading: Reading, at: Timestamp) {
        self.lock().observe(key, pod, reading, at);
    }

    /// The container of `pod` is gone, and so is its reservation. Answers what it came to, unless it was gone before.
    pub fn close(&self, key: &AccountKey, pod: &str, at: Timestamp) -> Option<Counters> {
        self.lock().close(key, pod, at)
    }

    /// What the container of `pod` has used up; `None` if it is not there. Looking changes nothing.
    pub fn counters(&self, key: &AccountKey, pod: &str, now: Timestamp) -> Option<Counters> {
        self.lock().counters(key, pod, now)
    }

    /// Something happened to a container.
    pub fn count(&self, key: &AccountKey, happening: Happening, at: Timestamp) {
        self.lock().count(key, happening, at);
    }

    /// Everything up to `now`, sorted by key.
    pub fn accounts(&self, now: Timestamp) -> Vec<(AccountKey, AccountReport)> {
        self.lock().accounts(now)
    }

    /// What every running container uses, averaged since the window began; sorted by namespace, Pod and container.
    pub fn usage_snapshot(&self, now: Timestamp) -> Vec<ContainerUsage> {
        self.lock().usage(now)
    }

    /// As [`Ledger::usage_snapshot`], and the next window begins now.
    pub fn take_usage(&self, now: Timestamp) -> Vec<ContainerUsage> {
        let mut book = self.lock();
        let usage = book.usage(now);
        book.start_window(now);
        usage
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        // Sums stay usable after a panic elsewhere.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

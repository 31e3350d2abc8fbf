//! The pages of the ledger: one account per container of a workload, one instance per Pod in it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    AccountKey, Happening, Reading,
    account::{Account, AccountReport},
    counters::Counters,
    live::{ContainerUsage, Window},
    series::Point,
};
use crate::resources::Resources;

/// One container of one Pod.
#[derive(Clone, Debug)]
struct Instance {
    reading: Reading,
    /// Everything before this moment is accounted for.
    since: Timestamp,
    window: Window,
    counters: Counters,
}

#[derive(Debug)]
struct Page {
    account: Account,
    instances: BTreeMap<String, Instance>,
    /// The chart is drawn up to here.
    drawn: Timestamp,
}

#[derive(Debug)]
pub(super) struct Book {
    scoring_starts: Timestamp,
    pages: BTreeMap<AccountKey, Page>,
    /// Template requests that were given before a container of that workload was seen.
    originals: BTreeMap<AccountKey, Resources>,
}

impl Book {
    pub(super) fn new(scoring_starts: Timestamp) -> Self {
        Self { scoring_starts, pages: BTreeMap::new(), originals: BTreeMap::new() }
    }

    pub(super) fn set_original(&mut self, key: &AccountKey, requests: Resources) {
        self.originals.insert(key.clone(), requests);
        if let Some(page) = self.pages.get_mut(key) {
            page.account.set_original(requests);
        }
    }

    pub(super) fn observe(&mut self, key: &AccountKey, pod: &str, reading: Reading, at: Timestamp) {
        if !self.pages.contains_key(key) {
            let original = self.originals.get(key).copied().unwrap_or(reading.requests);
            let account = Account::new(self.scoring_starts, original, at);
            self.pages.insert(key.clone(), Page { account, instances: BTreeMap::new(), drawn: at });
        }
        let Some(page) = self.pages.get_mut(key) else { return };
        page.draw(at);
        match page.instances.get_mut(pod) {
            Some(instance) => {
                instance.settle(&mut page.account, at);
                if reading.running && !instance.reading.running {
                    instance.counters.restart();
                }
                instance.reading = reading;
                instance.window.hold(reading.memory);
            }
            None => {
                let window = Window::new(reading.memory);
                let instance = Instance { reading, since: at, window, counters: Counters::default() };
                page.instances.insert(pod.to_owned(), instance);
            }
        }
    }

    pub(super) fn close(&mut self, key: &AccountKey, pod: &str, at: Timestamp) -> Option<Counters> {
        let page = self.pages.get_mut(key)?;
        page.draw(at);
        let mut instance = page.instances.remove(pod)?;
        instance.settle(&mut page.account, at);
        Some(instance.counters)
    }

    pub(super) fn counters(&self, key: &AccountKey, pod: &str, now: Timestamp) -> Option<Counters> {
        let instance = self.pages.get(key)?.instances.get(pod)?;
        let mut counters = instance.counters;
        counters.add(&instance.reading, seconds(instance.since, now).max(0.0));
        Some(counters)
    }

    pub(super) fn count(&mut self, key: &AccountKey, happening: Happening, at: Timestamp) {
        if let Some(page) = self.pages.get_mut(key) {
            page.account.count(happening, at);
        }
    }

    pub(super) fn accounts(&mut self, now: Timestamp) -> Vec<(AccountKey, AccountReport)> {
        self.settle(now);
        self.pages.iter().map(|(key, page)| (key.clone(), page.account.report())).collect()
    }

    pub(super) fn usage(&mut self, now: Timestamp) -> Vec<ContainerUsage> {
        self.settle(now);
        let mut usage: Vec<_> = self
            .pages
            .iter()
            .flat_map(|(key, page)| page.instances.iter().map(move |(pod, instance)| (key, pod, instance)))
            .filter(|(_, _, instance)| instance.reading.running)
            .map(|(key, pod, instance)| instance.window.usage(key, pod, &instance.reading))
            .collect();
        usage.sort_by(|a, b| (&a.namespace, &a.pod, &a.container).cmp(&(&b.namespace, &b.pod, &b.container)));
        usage
    }

    pub(super) fn start_window(&mut self, now: Timestamp) {
        self.settle(now);
        for instance in self.pages.values_mut().flat_map(|page| page.instances.values_mut()) {
            instance.window = Window::new(instance.reading.memory);
        }
    }

    /// Accounts for everything up to `now`.
    fn settle(&mut self, now: Timestamp) {
        for page in self.pages.values_mut() {
            page.draw(now);
            for instance in page.instances.values_mut() {
                instance.settle(&mut page.account, now);
            }
        }
    }
}

impl Instance {
    fn settle(&mut self, account: &mut Account, at: Timestamp) {
        if at > self.since {
            account.add(&self.reading, self.since, at);
            self.window.add(&self.reading, seconds(self.since, at));
            self.counters.add(&self.reading, seconds(self.since, at));
            self.since = at;
        }
    }
}

impl Page {
    /// Draws the sum over the Pods into the chart, from where it ends up to `at`.
    fn draw(&mut self, at: Timestamp) {
        if at > self.drawn {
            let readings = self.instances.values().map(|instance| &instance.reading);
            self.account.series.push(self.drawn, at, &Point::sum(readings));
            self.drawn = at;
        }
    }
}

/// The time between two moments.
pub(super) fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

//! How old what Tailor knows is, told by its own clock at the moment of the scrape: a clock elsewhere that is wrong does
//! not look like an outage here.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::{Description, Kind, begin};
use crate::clock::Clock;

const SAMPLES: Description = Description {
    stem: "tailor_usage_samples",
    kind: Kind::Gauge,
    labels: &[],
    help: "How many containers the source of usage told of when it was read last",
};
const SAMPLE_AGE: Description = Description {
    stem: "tailor_usage_newest_sample_age_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "How old the newest sample of any container is; absent before the first",
};
const BLIND: Description = Description {
    stem: "tailor_usage_blind_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "For how long every attempt to read usage has failed or brought nothing; 0 while the source answers",
};
const HEARD: Description = Description {
    stem: "tailor_watch_heard_age_seconds",
    kind: Kind::Gauge,
    labels: &[("resource", "what is watched, such as `pods`")],
    help: "How long ago the watch brought something, or the API server took it up anew, which it has to do every five \
           minutes",
};

/// What is described here.
pub(super) const ALL: [Description; 4] = [SAMPLES, SAMPLE_AGE, BLIND, HEARD];

/// When what was heard.
#[derive(Debug)]
pub(super) struct Ages {
    clock: Clock,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    samples: Option<usize>,
    newest_sample: Option<Timestamp>,
    blind_since: Option<Timestamp>,
    watches: BTreeMap<String, Timestamp>,
}

impl Ages {
    /// Nothing has been heard.
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, heard: Mutex::default() }
    }

    /// The source was read: how many samples it brought, and when the newest of them was taken. None if it failed.
    pub(super) fn read(&self, brought: Option<(usize, Option<Timestamp>)>) {
        let mut heard = self.lock();
        let (samples, newest) = brought.unwrap_or_default();
        heard.samples = Some(samples);
        heard.newest_sample = heard.newest_sample.max(newest);
        heard.blind_since = if samples > 0 { None } else { heard.blind_since.or_else(|| Some(self.clock.now())) };
    }

    /// The watch of `resource` has brought something.
    pub(super) fn heard(&self, resource: &str) {
        self.lock().watches.insert(resource.to_owned(), self.clock.now());
    }

    /// The API server has taken a watch up, which says nothing of what is not watched here.
    pub(super) fn taken_up(&self, resource: &str) {
        if let Some(at) = self.lock().watches.get_mut(resource) {
            *at = self.clock.now();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Ages {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now = self.clock.now();
        let age = |at: Timestamp| now.duration_since(at).as_secs_f64().max(0.0);
        let heard = self.lock();
        let mut samples = begin(&mut encoder, &SAMPLES)?;
        if let Some(count) = heard.samples {
            samples.encode_gauge(&count)?;
        }
        let mut sample = begin(&mut encoder, &SAMPLE_AGE)?;
        if let Some(at) = heard.newest_sample {
            sample.encode_gauge(&age(at))?;
        }
        begin(&mut encoder, &BLIND)?.encode_gauge(&heard.blind_since.map_or(0.0, age))?;
        let mut watches = begin(&mut encoder, &HEARD)?;
        for (resource, at) in &heard.watches {
            watches.encode_family(&[("resource", resource.as_str())])?.encode_gauge(&age(*at))?;
        }
        Ok(())
    }
}

//! Reading history at start: what happened while nobody listened, or before anybody did.
//!
//! Models go on learning what is new, and passes act on them, while this learns the past apart, oldest first, on copies of
//! what was restored. When it has come up to now, the copies learn what came meanwhile and take the models' place.
//! Until then nothing is lowered. If the source fails for good, the models stay as they are: what is new was learnt.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use super::{
    attribution::workload_named,
    backoff::Doubling,
    context::Context,
    learn::Containers,
    owners::WorkloadId,
    policies,
    starts::Starts,
    world::{Key, PodRecord, Touch, World},
};
use crate::{
    model::ContainerModel,
    resources::Bytes,
    usage::{Error, Sample},
};

/// About so many samples are asked for at a time.
const SAMPLES_AT_A_TIME: u64 = 200_000;

/// The longest and the shortest time that is asked for at once, unless the answer to the shortest is still too large.
const LONGEST_CHUNK: SignedDuration = SignedDuration::from_hours(6);
const SHORTEST_CHUNK: SignedDuration = SignedDuration::from_mins(5);
const LEAST: SignedDuration = SignedDuration::from_mins(1);

/// What came in the last minutes is kept for those who will have learnt all before it.
const TAIL: SignedDuration = SignedDuration::from_mins(10);

/// How often one question is asked, if it fails, and how long an answer may take.
const ATTEMPTS: u32 = 5;
const PATIENCE: Duration = Duration::from_mins(2);

/// Nothing is lowered while history is read, so it ends at some time.
const MAY_TAKE: SignedDuration = SignedDuration::from_hours(1);

/// What models have learnt in the last minutes.
#[derive(Debug, Default)]
pub struct Tail {
    samples: VecDeque<(WorkloadId, Sample)>,
    kills: Vec<(WorkloadId, String, Timestamp, Bytes)>,
}

impl Tail {
    /// A sample was learnt.
    pub fn learnt(&mut self, workload: &WorkloadId, sample: &Sample) {
        let is_old = |(_, old): &(_, Sample)| sample.at.duration_since(old.at) > TAIL;
        while self.samples.front().is_some_and(is_old) {
            self.samples.pop_front();
        }
        self.samples.push_back((workload.clone(), sample.clone()));
    }

    /// An OOM kill was learnt.
    pub fn killed(&mut self, workload: &WorkloadId, container: &str, at: Timestamp, memory: Bytes) {
        self.kills.push((workload.clone(), container.to_owned(), at, memory));
    }

    fn teach(self, models: &mut Containers) {
        for (workload, sample) in self.samples {
            let model = models.entry(workload).or_default().entry(sample.container.clone()).or_default();
            model.observe(&sample);
        }
        for (workload, container, at, memory) in self.kills {
            models.entry(workload).or_default().entry(container).or_default().observe_oom(at, memory);
        }
    }
}

/// Models that learn the past.
#[derive(Debug)]
struct Past {
    models: Containers,
    /// Up to when each container's model knew all, before this began.
    known: BTreeMap<WorkloadId, BTreeMap<String, Timestamp>>,
    /// When each Pod of a workload with extra CPU at start was first heard of.
    first_heard: BTreeMap<Key, Timestamp>,
}

impl Past {
    fn new(models: Containers) -> Self {
        let newest = |models: &BTreeMap<String, ContainerModel>| {
            let newest = models.iter().filter_map(|(name, model)| Some((name.clone(), model.newest_sample()?)));
            newest.collect::<BTreeMap<_, _>>()
        };
        let known = models.iter().map(|(workload, models)| (workload.clone(), newest(models))).collect();
        Self { models, known, first_heard: BTreeMap::new() }
    }

    /// From when on there is something to learn of the Pods that are there; `span` back at the longest. A workload that
    /// came while nobody listened is as old as its oldest Pod, unless nothing is known at all.
    fn begins(&self, world: &World, now: Timestamp, span: SignedDuration) -> Timestamp {
        let earliest = now.saturating_sub(span).unwrap_or(Timestamp::MIN);
        if self.known.is_empty() {
            return earliest;
        }
        let of_pod = |pod: &Arc<PodRecord>| {
            let known = world.workload_of(pod).and_then(|workload| self.known.get(&workload));
            let of_container = |name: &String| known.and_then(|known| known.get(name)).copied();
            let containers = pod.view.containers.iter().map(|container| of_container(&container.name));
            containers.map(|known| known.or(pod.view.created).unwrap_or(earliest)).min()
        };
        world.pods().filter_map(of_pod).min().unwrap_or(now).max(earliest)
    }

    /// Learns samples, whatever their order, of Pods that are there or gone.
    fn learn(&mut self, world: &World, mut samples: Vec<Sample>) {
        samples.sort_by(|a, b| {
            (a.at, &a.namespace, &a.pod, &a.container).cmp(&(b.at, &b.namespace, &b.pod, &b.container))
        });
        let starts = Starts::of(world);
        let mut by_name: BTreeMap<Key, Option<WorkloadId>> = BTreeMap::new();
        let mut injected: BTreeMap<(WorkloadId, String), bool> = BTreeMap::new();
        for sample in samples {
            let live = world.pod(&sample.namespace, &sample.pod);
            let live = live.filter(|pod| pod.view.created.is_none_or(|created| created <= sample.at));
            let key = (sample.namespace.clone(), sample.pod.clone());
            let workload = match live {
                Some(pod) => world.workload_of(pod),
                None => by_name.entry(key.clone()).or_insert_with(|| workload_named(world, &key.0, &key.1)).clone(),
            };
            let Some(workload) = workload else { continue };
            // A container that there is no more is not learnt anew.
            let is_in_template = || world.workload(&workload)?.template.get(&sample.container);
            let has_it = is_in_template().is_some()
                || *injected
                    .entry((workload.clone(), sample.container.clone()))
                    .or_insert_with(|| is_in_pods(world, &workload, &sample.container));
            if !has_it {
                continue;
            }
            let known = self.known.get(&workload).and_then(|known| known.get(&sample.container));
            if known.is_some_and(|known| sample.at <= *known) {
                continue;
            }
            let starting = match live {
                Some(pod) => starts.speaks_of_start(world, &workload, &pod.view, sample.at),
                None => self.may_have_been_starting(&starts, world, &workload, key, sample.at),
            };
            let sample = if starting { sample.without_cpu() } else { sample };
            let models = self.models.entry(workload).or_default();
            models.entry(sample.container.clone()).or_default().observe(&sample);
        }
    }

    /// Of a Pod that is gone nobody knows when it was Ready: it was starting for as long as its policy lets it.
    fn may_have_been_starting(
        &mut self,
        starts: &Starts,
        world: &World,
        workload: &WorkloadId,
        pod: Key,
        at: Timestamp,
    ) -> bool {
        if starts.longest().is_zero() {
            return false;
        }
        let age = at.duration_since(*self.first_heard.entry(pod).or_insert(at));
        age <= starts.longest()
            && policies::owner_of(workload, world)
                .and_then(|policy| policy.object.spec.startup.as_ref())
                .is_some_and(|policy| age <= policy.timeout.signed())
    }
}

/// Whether a Pod of the workload has such a container, which is not in the template if it was injected.
fn is_in_pods(world: &World, workload: &WorkloadId, container: &str) -> bool {
    world.pods_of(workload).iter().any(|pod| pod.view.container(container).is_some())
}

/// How much time to ask for at once, so that an answer is of a bounded size, if there is a sample of each container every
/// `interval`.
fn chunk(containers: usize, interval: Duration) -> SignedDuration {
    let containers = u64::try_from(containers).unwrap_or(u64::MAX).max(1);
    let seconds = (SAMPLES_AT_A_TIME / containers).saturating_mul(interval.as_secs());
    let longest = LONGEST_CHUNK.as_secs();
    SignedDuration::from_secs(i64::try_from(seconds).map_or(longest, |seconds| seconds.min(longest)))
        .max(SHORTEST_CHUNK)
}

/// Reads history up to now, from where `known` ends, if there is a source of it, and has the policies looked at when that
/// is over.
pub async fn read(context: &Context, known: Containers) {
    let began = context.clock.now();
    let learnt = past(context, Past::new(known), began).await;
    let mut models = context.models();
    let Some(tail) = models.history_ends() else { return };
    match learnt {
        Ok(Some(mut past)) => {
            tail.teach(&mut past.models);
            models.replace(past.models);
            tracing::info!(since = %began, "history is learnt");
        }
        Ok(None) => tracing::debug!("the source of usage has no history"),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "history cannot be read; what is learnt from now on must do");
        }
    }
    drop(models);
    context.trigger(&[Touch::All]);
}

/// What is known once history has been learnt; `None` if the source has none.
async fn past(context: &Context, mut past: Past, began: Timestamp) -> Result<Option<Past>, Error> {
    let mut from = {
        let world = context.world();
        past.begins(&world, began, SignedDuration::try_from(context.options.history).unwrap_or(SignedDuration::MAX))
    };
    let mut most = LONGEST_CHUNK;
    loop {
        let now = context.clock.now();
        let containers = context.world().pods().map(|pod| pod.view.containers.len()).sum();
        let span = chunk(containers, context.options.sample_interval).min(most);
        let until = from.saturating_add(span).unwrap_or(Timestamp::MAX).min(now);
        let samples = match ask(context, from, until).await {
            // There were more Pods then.
            Err(Error::TooLarge { .. }) if span > LEAST => {
                most = span / 2;
                continue;
            }
            answer => answer?,
        };
        let Some(samples) = samples else { return Ok(None) };
        past.learn(&context.world(), samples);
        if until == now {
            return Ok(Some(past));
        }
        if now.duration_since(began) > MAY_TAKE {
            let problem = format!("after {} minutes it had been read up to {until} only", MAY_TAKE.as_mins());
            return Err(Error::Malformed { source_name: "history".to_owned(), problem });
        }
        from = until;
    }
}

async fn ask(context: &Context, from: Timestamp, until: Timestamp) -> Result<Option<Vec<Sample>>, Error> {
    let mut failures = 0;
    loop {
        let answer = tokio::time::timeout(PATIENCE, context.source.history(from, until)).await;
        let late = |elapsed: tokio::time::error::Elapsed| Error::Unreachable {
            source_name: "history".to_owned(),
            source: elapsed.into(),
        };
        match answer.map_err(late).flatten() {
            Ok(samples) => return Ok(samples),
            Err(error) => {
                failures += 1;
                if failures >= ATTEMPTS || matches!(error, Error::TooLarge { .. }) {
                    return Err(error);
                }
                tracing::debug!(error = &error as &dyn std::error::Error, %from, %until, "history is asked for again");
                tokio::time::sleep(Doubling::after(failures)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;

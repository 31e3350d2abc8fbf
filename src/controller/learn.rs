//! From samples to models: the slow lane.
//!
//! Every `sample_interval` the newest samples are fed to the models of their workloads' containers, and the policies
//! that cover those are looked at. OOM kills are learnt the moment a pass sees them. Models outlive Pods.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{
    context::Context,
    hearing::Hearing,
    history::{self, Tail},
    owners::WorkloadId,
    starts::Starts,
    world::{PodRecord, Touch, World},
};
use crate::{
    model::ContainerModel,
    resources::{Bytes, ContainerView, NanoCpu, PodPhase, PodView, Resources},
    usage::{Error, Sample},
};

/// Models of which nothing new was heard for so long are dropped.
pub(super) const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(24 * 14);

/// An OOM kill older than this was met with another size than the one in force now.
const OOM_TELLS: SignedDuration = SignedDuration::from_hours(1);

/// A sample older than this says nothing about a shortage now.
const USE_TELLS: SignedDuration = SignedDuration::from_mins(5);

/// An OOM kill makes its container urgent for so long.
const OOM_URGENT: SignedDuration = SignedDuration::from_mins(10);

/// From this share of throttled periods, or of time without the CPU that there was work for, CPU is a shortage.
const HELD_BACK: f64 = 0.25;

/// From this share of time in which all work waited for memory on, memory is a shortage for a container that is
/// [`NEAR_PERCENT`] full. Elsewhere pressure is the Node's, and a larger size would not relieve it.
const WAITS_FOR_MEMORY: f64 = 0.1;

/// Of the memory limit.
const NEAR_PERCENT: u64 = 90;

/// The loop's name in [`Health`](crate::telemetry::health::Health).
const LOOP: &str = "learning from usage";

/// A source that does not answer for so long has failed.
const SOURCE_MAY_TAKE: Duration = Duration::from_mins(2);

/// A Pod that has run for so long is in every answer of a source that is well.
const SHOULD_BE_SEEN_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// Models by workload and container.
pub type Containers = BTreeMap<WorkloadId, BTreeMap<String, ContainerModel>>;

/// All that was learnt.
#[derive(Debug, Default)]
pub struct Models {
    containers: Containers,
    /// The newest use, by Pod UID and container.
    uses: BTreeMap<String, BTreeMap<String, Use>>,
    /// The OOM kills that were learnt, by Pod UID and container.
    ooms: BTreeMap<String, BTreeMap<String, Timestamp>>,
    /// What came since history began to be read, until it has been.
    tail: Option<Tail>,
    hearing: Hearing,
}

#[derive(Clone, Copy, Debug)]
struct Use {
    at: Timestamp,
    received: Timestamp,
    cpu: Option<NanoCpu>,
    memory: Option<Bytes>,
    /// The larger of the shares that tell of it.
    held_back: f64,
    memory_pressure: f64,
    /// A process of the container was killed for memory.
    killed: bool,
}

impl Use {
    fn of(sample: &Sample, received: Timestamp) -> Self {
        let Sample { at, cpu, memory, throttled, cpu_pressure, memory_pressure, oom_events, .. } = *sample;
        let held_back = throttled.unwrap_or(0.0).max(cpu_pressure.unwrap_or(0.0));
        let (memory_pressure, killed) = (memory_pressure.unwrap_or(0.0), oom_events.is_some_and(|events| events > 0));
        Self { at, received, cpu, memory, held_back, memory_pressure, killed }
    }

    /// Whether it shows that a container of this size lacks something.
    fn shows_shortage(&self, Resources { cpu, memory }: Resources, limit: Option<Bytes>) -> bool {
        let over_cpu = self.cpu.zip(cpu).is_some_and(|(used, size)| used > size.nano());
        let over_memory = self.memory.zip(memory).is_some_and(|(used, size)| used > size);
        let is_full = self.memory.zip(limit).is_some_and(|(used, limit)| used.0 >= limit.0 / 100 * NEAR_PERCENT);
        let waits = is_full && self.memory_pressure >= WAITS_FOR_MEMORY;
        over_cpu || over_memory || waits || self.killed || self.held_back >= HELD_BACK
    }
}

impl Models {
    /// The models of a workload's containers.
    pub fn of(&self, workload: &WorkloadId) -> Option<&BTreeMap<String, ContainerModel>> {
        self.containers.get(workload)
    }

    /// All models, by workload.
    pub fn workloads(&self) -> impl Iterator<Item = (&WorkloadId, &BTreeMap<String, ContainerModel>)> {
        self.containers.iter()
    }

    /// These models, which have learnt more, take the place of those of the same containers.
    pub fn replace(&mut self, containers: Containers) {
        for (workload, models) in containers {
            self.containers.entry(workload).or_default().extend(models);
        }
    }

    /// What was known of a container before this process began; it is no news to one that has learnt already.
    pub fn restore(&mut self, workload: &WorkloadId, container: String, model: ContainerModel) {
        self.containers.entry(workload.clone()).or_default().entry(container).or_insert(model);
    }

    /// From now on history is read, by copies of what is known until now, and nothing may be lowered.
    pub fn history_begins(&mut self) -> Containers {
        self.tail = Some(Tail::default());
        self.containers.clone()
    }

    /// History is not read any more: what was learnt lately, for those that have read it.
    pub fn history_ends(&mut self) -> Option<Tail> {
        self.tail.take()
    }

    /// Whether enough may be known to lower anything.
    pub fn may_lower(&self) -> bool {
        self.tail.is_none()
    }

    /// How the source of usage fares.
    pub fn hearing(&self) -> &Hearing {
        &self.hearing
    }

    /// Feeds samples, whatever their order, and answers with the workloads that they are about.
    fn learn(&mut self, world: &World, mut samples: Vec<Sample>, now: Timestamp) -> BTreeSet<WorkloadId> {
        samples.sort_by(|a, b| {
            (a.at, &a.namespace, &a.pod, &a.container).cmp(&(b.at, &b.namespace, &b.pod, &b.container))
        });
        let starts = Starts::of(world);
        let mut about = BTreeSet::new();
        for sample in samples {
            let Some(pod) = world.pod(&sample.namespace, &sample.pod) else { continue };
            let Some(workload) = world.workload_of(pod) else { continue };
            // What is older than the Pod is about another one of its name.
            if pod.view.container(&sample.container).is_none() || pod.view.created.is_some_and(|at| sample.at < at) {
                continue;
            }
            self.used(&pod.view.uid, &sample, now);
            let sample = if starts.speaks_of_start(world, &workload, &pod.view, sample.at) {
                sample.without_cpu()
            } else {
                sample
            };
            let models = self.containers.entry(workload.clone()).or_default();
            models.entry(sample.container.clone()).or_default().observe(&sample);
            if let Some(tail) = &mut self.tail {
                tail.learnt(&workload, &sample);
            }
            about.insert(workload);
        }
        about
    }

    fn used(&mut self, uid: &str, sample: &Sample, received: Timestamp) {
        let last = self.uses.entry(uid.to_owned()).or_default();
        if last.get(&sample.container).is_none_or(|last| last.at <= sample.at) {
            last.insert(sample.container.clone(), Use::of(sample, received));
        }
    }

    /// Learns of the Pod's OOM kills, each once.
    pub fn learn_ooms(&mut self, workload: &WorkloadId, pod: &PodRecord, now: Timestamp) {
        for container in &pod.view.containers {
            let Some(at) = container.last_oom else { continue };
            let known = self.ooms.entry(pod.view.uid.clone()).or_default();
            if known.insert(container.name.clone(), at) == Some(at) || now.duration_since(at) > OOM_TELLS {
                continue;
            }
            let limit = container.actual.unwrap_or(container.desired).limits.memory;
            let used = self.last_use(&pod.view.uid, &container.name).and_then(|used| used.memory);
            let Some(memory) = limit.max(used) else { continue };
            let models = self.containers.entry(workload.clone()).or_default();
            models.entry(container.name.clone()).or_default().observe_oom(at, memory);
            if let Some(tail) = &mut self.tail {
                tail.killed(workload, &container.name, at, memory);
            }
        }
    }

    /// Learns of the OOM kills of all Pods. A pass learns of them at once, but while this process stands by there is none.
    fn learn_all_ooms(&mut self, world: &World, now: Timestamp) {
        for pod in world.pods().filter(|pod| pod.view.containers.iter().any(|c| c.last_oom.is_some())) {
            if let Some(workload) = world.workload_of(pod) {
                self.learn_ooms(&workload, pod, now);
            }
        }
    }

    /// When the newest sample of the Pod came in.
    pub fn newest_received(&self, uid: &str) -> Option<Timestamp> {
        self.uses.get(uid)?.values().map(|last| last.received).max()
    }

    /// The newest use of the container, unless it is too old to say anything about now.
    pub fn newest_use(&self, uid: &str, container: &str, now: Timestamp) -> (Option<NanoCpu>, Option<Bytes>) {
        let last = self.last_use(uid, container).filter(|last| now.duration_since(last.at) <= USE_TELLS);
        last.map_or((None, None), |last| (last.cpu, last.memory))
    }

    fn last_use(&self, uid: &str, container: &str) -> Option<&Use> {
        self.uses.get(uid)?.get(container)
    }

    /// Whether the container lacks something now: it or a process in it was OOM-killed, it is throttled, waits for CPU or
    /// memory, or uses more than it requests.
    pub fn is_short(&self, uid: &str, container: &ContainerView, now: Timestamp) -> bool {
        let lately = |at: Timestamp, span| now.duration_since(at) <= span;
        let size = container.actual.unwrap_or(container.desired);
        let killed = container.last_oom.is_some_and(|at| lately(at, OOM_URGENT));
        let last = self.last_use(uid, &container.name).filter(|last| lately(last.at, USE_TELLS));
        killed || last.is_some_and(|last| last.shows_shortage(size.requests, size.limits.memory))
    }

    /// Drops what nobody will ask for again.
    fn forget(&mut self, pods: &BTreeSet<String>, now: Timestamp) {
        self.uses.retain(|uid, _| pods.contains(uid));
        self.ooms.retain(|uid, _| pods.contains(uid));
        let is_known = |model: &ContainerModel| {
            model.newest_sample().is_none_or(|newest| now.duration_since(newest) < FORGOTTEN_AFTER)
        };
        self.containers.retain(|_, models| {
            models.retain(|_, model| is_known(model));
            !models.is_empty()
        });
    }
}

/// Learns for ever, and history first where there is some.
pub async fn run(context: Arc<Context>) {
    if context.options.history.is_zero() {
        return listen(&context).await;
    }
    let known = context.models().history_begins();
    futures::join!(listen(&context), history::read(&context, known));
}

async fn listen(context: &Context) {
    let mut ticks = interval(context.options.sample_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // A source may take its time, and is bounded itself.
        context.health.beat(LOOP, context.options.sample_interval * 3 + SOURCE_MAY_TAKE);
        ticks.tick().await;
        let touched = learn_once(context).await;
        context.trigger(&touched);
    }
}

async fn learn_once(context: &Context) -> Vec<Touch> {
    let asked = Instant::now();
    let samples = ask(context).await;
    let brought = samples.as_ref().ok().map(|samples| (samples.len(), samples.iter().map(|sample| sample.at).max()));
    context.metrics.read_usage(brought, asked.elapsed());
    let now = context.clock.now();
    let world = context.world();
    let mut models = context.models();
    let pods: BTreeSet<_> = world.pods().map(|pod| pod.view.uid.clone()).collect();
    models.forget(&pods, now);
    models.learn_all_ooms(&world, now);
    context.latencies().keep_only(&pods);
    context.memory().keep_only(&pods, &world.policies.keys().cloned().collect());
    let told = models.hearing.told();
    let mut touched = Vec::new();
    match samples.and_then(|samples| if samples.is_empty() { silence(&world, now) } else { Ok(samples) }) {
        Ok(samples) => {
            models.hearing.answered(context.source.fallback(), now);
            touched.extend(models.learn(&world, samples, now).into_iter().map(Touch::Workload));
        }
        Err(error) => {
            if models.hearing.failed(error.to_string(), now) {
                tracing::warn!(error = &error as &dyn std::error::Error, "no usage; nothing is lowered meanwhile");
            }
        }
    }
    touched.extend((models.hearing.told() != told).then_some(Touch::All));
    touched
}

async fn ask(context: &Context) -> Result<Vec<Sample>, Error> {
    let answer = tokio::time::timeout(SOURCE_MAY_TAKE, context.source.samples()).await;
    answer
        .map_err(|elapsed| Error::Unreachable { source_name: "the source".to_owned(), source: elapsed.into() })
        .flatten()
}

/// What an answer without any sample means: that nothing runs, or that the source has lost sight of what does.
fn silence(world: &World, now: Timestamp) -> Result<Vec<Sample>, Error> {
    let is_due = |created: Timestamp| now.duration_since(created) >= SHOULD_BE_SEEN_AFTER;
    let should_be_seen = |pod: &PodView| pod.phase == PodPhase::Running && pod.created.is_some_and(is_due);
    match world.pods().filter(|pod| should_be_seen(&pod.view)).count() {
        0 => Ok(Vec::new()),
        pods => {
            let problem = format!("it has no sample of any container, though {pods} Pods have run for long enough");
            Err(Error::Malformed { source_name: "the source".to_owned(), problem })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::controller::world::Workload;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn after(minutes: i64) -> Timestamp {
        NOW + SignedDuration::from_mins(minutes)
    }

    fn db() -> WorkloadId {
        WorkloadId::new("shop", "apps/v1", "StatefulSet", "db")
    }

    fn pod(oom: Option<Timestamp>) -> PodRecord {
        let ended = oom.map(|at| json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled", "finishedAt": at } }));
        let owner =
            json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "o", "controller": true });
        let size = json!({ "cpu": "100m", "memory": "64Mi" });
        let pod = json!({
            "metadata": { "name": "db-0", "namespace": "shop", "uid": "u1", "creationTimestamp": NOW, "ownerReferences": [owner] },
            "spec": { "containers": [{ "name": "app", "resources": { "requests": size, "limits": size } }] },
            "status": { "containerStatuses": [
                { "name": "app", "image": "", "imageID": "", "ready": true, "restartCount": 1, "lastState": ended },
            ] },
        });
        PodRecord::read(&serde_json::from_value(pod).unwrap()).unwrap()
    }

    fn world() -> World {
        let mut world = World::default();
        world.apply_workload(Workload {
            id: db(),
            api_version: "apps/v1".to_owned(),
            labels: BTreeMap::new(),
            owner: None,
            replicas: Some(1),
            template: BTreeMap::new(),
        });
        world.apply_pod(pod(None), NOW);
        world
    }

    fn sample(pod: &str, minute: i64, cores: f64) -> Sample {
        Sample {
            namespace: "shop".to_owned(),
            pod: pod.to_owned(),
            container: "app".to_owned(),
            at: after(minute),
            cpu: Some(NanoCpu::from_cores(cores)),
            memory: Some(Bytes::mib(32)),
            ..Sample::default()
        }
    }

    #[test]
    fn the_order_in_which_samples_come_does_not_matter() {
        let samples: Vec<_> = (0..10).map(|minute| sample("db-0", minute, 0.05)).collect();
        let mut reversed = samples.clone();
        reversed.reverse();
        let (mut a, mut b) = (Models::default(), Models::default());
        assert_eq!(a.learn(&world(), samples, NOW), BTreeSet::from([db()]));
        b.learn(&world(), reversed, NOW);
        assert_eq!(a.of(&db()), b.of(&db()));
        assert!(a.of(&db()).is_some());
    }

    #[test]
    fn samples_of_unknown_pods_and_of_a_predecessor_teach_nothing() {
        let mut models = Models::default();
        let about = models.learn(&world(), vec![sample("db-7", 1, 1.0), sample("db-0", -1, 1.0)], NOW);
        assert!(about.is_empty() && models.of(&db()).is_none());
    }

    #[test]
    fn an_oom_kill_is_learnt_once() {
        let mut models = Models::default();
        models.learn_ooms(&db(), &pod(Some(after(1))), after(2));
        let once = models.of(&db()).cloned();
        assert!(once.as_ref().is_some_and(|models| !models["app"].is_empty()));
        models.learn_ooms(&db(), &pod(Some(after(1))), after(3));
        assert_eq!(models.of(&db()).cloned(), once);
        models.learn_ooms(&db(), &pod(Some(after(4))), after(4));
        assert_ne!(models.of(&db()).cloned(), once);
    }

    #[test]
    fn use_above_the_request_and_an_oom_kill_are_a_shortage_for_a_while() {
        let (short, mut models) =
            (|m: &Models, pod: &PodRecord, at| m.is_short("u1", &pod.view.containers[0], at), Models::default());
        models.learn(&world(), vec![sample("db-0", 1, 0.1)], NOW);
        assert!(!short(&models, &pod(None), after(1)));
        models.learn(&world(), vec![sample("db-0", 2, 0.101)], NOW);
        assert!(short(&models, &pod(None), after(2)));
        assert!(!short(&models, &pod(None), after(8)), "an old sample says nothing about now");
        assert!(short(&models, &pod(Some(after(8))), after(18)));
        assert!(!short(&models, &pod(Some(after(8))), after(19)));
    }

    #[rstest]
    #[case::nothing(Sample::default(), false)]
    #[case::a_little_throttled(Sample { throttled: Some(0.24), ..Sample::default() }, false)]
    #[case::throttled(Sample { throttled: Some(0.25), ..Sample::default() }, true)]
    #[case::some_cpu_pressure(Sample { cpu_pressure: Some(0.24), ..Sample::default() }, false)]
    #[case::cpu_pressure(Sample { cpu_pressure: Some(0.25), ..Sample::default() }, true)]
    #[case::memory_pressure_of_the_node(Sample { memory_pressure: Some(0.9), memory: Some(Bytes::mib(57)), ..Sample::default() }, false)]
    #[case::memory_pressure_at_the_limit(Sample { memory_pressure: Some(0.1), memory: Some(Bytes::mib(58)), ..Sample::default() }, true)]
    #[case::full_without_pressure(Sample { memory_pressure: Some(0.09), memory: Some(Bytes::mib(64)), ..Sample::default() }, false)]
    #[case::no_process_was_killed(Sample { oom_events: Some(0), ..Sample::default() }, false)]
    #[case::a_process_in_it_was_killed(Sample { oom_events: Some(1), ..Sample::default() }, true)]
    fn signals_of_a_shortage_make_a_container_urgent(#[case] signals: Sample, #[case] is_short: bool) {
        let mut models = Models::default();
        let Sample { namespace, pod: name, container, at, .. } = sample("db-0", 1, 0.0);
        models.learn(&world(), vec![Sample { namespace, pod: name, container, at, ..signals }], NOW);
        assert_eq!(models.is_short("u1", &pod(None).view.containers[0], after(1)), is_short);
    }

    #[test]
    fn models_outlive_pods_but_not_for_ever() {
        let mut models = Models::default();
        models.learn(&world(), vec![sample("db-0", 1, 0.1)], NOW);
        models.forget(&BTreeSet::new(), after(60 * 24 * 13));
        assert!(models.of(&db()).is_some());
        models.forget(&BTreeSet::new(), after(60 * 24 * 15));
        assert!(models.of(&db()).is_none());
    }
}

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
    owners::WorkloadId,
    policies,
    world::{PodRecord, Touch, World},
};
use crate::{
    model::ContainerModel,
    plan::startup,
    resources::{Bytes, ContainerView, NanoCpu, PodView},
    usage::Sample,
};

/// Models of which nothing new was heard for so long are dropped.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(24 * 14);

/// An OOM kill older than this was met with another size than the one in force now.
const OOM_TELLS: SignedDuration = SignedDuration::from_hours(1);

/// A sample older than this says nothing about a shortage now.
const USE_TELLS: SignedDuration = SignedDuration::from_mins(5);

/// An OOM kill makes its container urgent for so long.
const OOM_URGENT: SignedDuration = SignedDuration::from_mins(10);

/// A sample of CPU is an average over at most so much time before it, as metrics pipelines are set up.
const SAMPLE_SPEAKS_OF: SignedDuration = SignedDuration::from_mins(1);

/// From this share of throttled periods on the CPU limit is a shortage.
const THROTTLED: f64 = 0.25;

/// The loop's name in [`Health`](crate::telemetry::health::Health).
const LOOP: &str = "learning from usage";

/// A source that does not answer for so long is stuck.
const SOURCE_MAY_TAKE: Duration = Duration::from_mins(10);

/// Attempts in a row that must fail before policies say so: one may be a restart of the server.
const FAILURES_TOLD: u32 = 3;

/// All that was learnt.
#[derive(Debug, Default)]
pub struct Models {
    containers: BTreeMap<WorkloadId, BTreeMap<String, ContainerModel>>,
    /// The newest use, by Pod UID and container.
    uses: BTreeMap<String, BTreeMap<String, Use>>,
    /// The OOM kills that were learnt, by Pod UID and container.
    ooms: BTreeMap<String, BTreeMap<String, Timestamp>>,
    failures: u32,
    problem: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Use {
    at: Timestamp,
    received: Timestamp,
    cpu: Option<NanoCpu>,
    memory: Option<Bytes>,
    throttled: Option<f64>,
}

impl Models {
    /// The models of a workload's containers.
    pub fn of(&self, workload: &WorkloadId) -> Option<&BTreeMap<String, ContainerModel>> {
        self.containers.get(workload)
    }

    /// Why usage cannot be read, while it cannot.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref().filter(|_| self.failures >= FAILURES_TOLD)
    }

    /// Feeds samples, whatever their order, and answers with the workloads that they are about.
    fn learn(&mut self, world: &World, mut samples: Vec<Sample>, now: Timestamp) -> BTreeSet<WorkloadId> {
        samples.sort_by(|a, b| {
            (a.at, &a.namespace, &a.pod, &a.container).cmp(&(b.at, &b.namespace, &b.pod, &b.container))
        });
        let mut about = BTreeSet::new();
        for sample in samples {
            let Some(pod) = world.pod(&sample.namespace, &sample.pod) else { continue };
            let Some(workload) = world.workload_of(pod) else { continue };
            // What is older than the Pod is about another one of its name.
            if pod.view.container(&sample.container).is_none() || pod.view.created.is_some_and(|at| sample.at < at) {
                continue;
            }
            self.used(&pod.view.uid, &sample, now);
            let sample = if speaks_of_start(world, &workload, &pod.view, sample.at) {
                Sample { cpu: None, throttled: None, ..sample }
            } else {
                sample
            };
            let models = self.containers.entry(workload.clone()).or_default();
            models.entry(sample.container.clone()).or_default().observe(&sample);
            about.insert(workload);
        }
        about
    }

    fn used(&mut self, uid: &str, sample: &Sample, received: Timestamp) {
        let last = self.uses.entry(uid.to_owned()).or_default();
        let Sample { at, cpu, memory, throttled, .. } = *sample;
        if last.get(&sample.container).is_none_or(|last| last.at <= at) {
            last.insert(sample.container.clone(), Use { at, received, cpu, memory, throttled });
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

    /// Whether the container lacks something now: it was OOM-killed, is throttled, or uses more than it requests.
    pub fn is_short(&self, uid: &str, container: &ContainerView, now: Timestamp) -> bool {
        let lately = |at: Timestamp, span| now.duration_since(at) <= span;
        let size = container.actual.unwrap_or(container.desired).requests;
        let killed = container.last_oom.is_some_and(|at| lately(at, OOM_URGENT));
        let last = self.last_use(uid, &container.name).filter(|last| lately(last.at, USE_TELLS));
        let over = last.is_some_and(|last| {
            let cpu = last.cpu.zip(size.cpu).is_some_and(|(used, size)| used > size.nano());
            let memory = last.memory.zip(size.memory).is_some_and(|(used, size)| used > size);
            cpu || memory || last.throttled.is_some_and(|share| share >= THROTTLED)
        });
        killed || over
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

/// Whether the Pod was starting in the time that a sample speaks of, and its policy says that this is out of the
/// ordinary: the CPU of a start says nothing about that of the other Pods, nor of this one later.
fn speaks_of_start(world: &World, workload: &WorkloadId, pod: &PodView, at: Timestamp) -> bool {
    let policy = policies::owner_of(workload, world).and_then(|policy| policy.object.spec.startup.as_ref());
    let earliest = at.saturating_sub(SAMPLE_SPEAKS_OF).unwrap_or(Timestamp::MIN);
    policy.is_some_and(|policy| startup::is_active(policy, pod, earliest))
}

/// Learns for ever.
pub async fn run(context: Arc<Context>) {
    let mut ticks = interval(context.options.sample_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // A source may take its time, and is bounded itself.
        context.health.beat(LOOP, context.options.sample_interval * 3 + SOURCE_MAY_TAKE);
        ticks.tick().await;
        let touched = learn_once(&context).await;
        context.trigger(&touched);
    }
}

async fn learn_once(context: &Context) -> Vec<Touch> {
    let asked = Instant::now();
    let samples = context.source.samples().await;
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
    let was_told = models.problem().is_some();
    match samples {
        Ok(samples) => {
            models.failures = 0;
            models.problem = None;
            let about = models.learn(&world, samples, now);
            let mut touched: Vec<_> = about.into_iter().map(Touch::Workload).collect();
            touched.extend(was_told.then_some(Touch::All));
            touched
        }
        Err(error) => {
            models.failures = models.failures.saturating_add(1);
            if models.failures == 1 {
                tracing::warn!(error = &error as &dyn std::error::Error, "no usage; nothing is lowered meanwhile");
            }
            models.problem = Some(error.to_string());
            (models.failures == FAILURES_TOLD).then_some(Touch::All).into_iter().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
            throttled: None,
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

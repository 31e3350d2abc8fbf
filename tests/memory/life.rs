//! Controllers that come and go on one cluster, with a source of usage that goes up and down, and remembers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{apps::v1::ReplicaSet, core::v1::Pod},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt, Resource,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::admission::{AdmissionRequest, AdmissionResponse},
};
use serde_json::{Value, json};
use tailor::{
    actuate::Admission,
    api::VerticalResizeCheckpoint,
    clock::Clock,
    controller::{Controller, LeaseOptions, Options, Parts, Timing, checkpoints, owners::WorkloadId},
    model::ContainerModel,
    resources::{Bytes, NanoCpu, PodView},
    sim::api_server::MutatingAdmission,
    telemetry::health::Health,
    usage::{Error, Sample, UsageSource, failover::Failover},
};
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

use crate::rig::{Rig, minutes, web_policy};

/// What is wrong with the source of usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    Refuses,
    Empty,
    Hangs,
    HistoryHangs,
    HistoryRefused,
    /// No answer may be about more than an hour.
    HistoryTooLarge,
}

/// How a controller knows what was before it.
#[derive(Clone, Copy, Debug)]
pub struct Remembers {
    pub checkpoints: bool,
    pub history: bool,
}

/// What the one Pod uses: a wave of a day, with a peak of memory an hour long.
fn sample(pod: &str, at: Timestamp) -> Sample {
    let minute = i32::try_from((at.as_second() / 60).rem_euclid(24 * 60)).unwrap();
    let wave = 0.3 + 0.2 * (f64::from(minute) * std::f64::consts::TAU / 1_440.0).sin();
    let jitter = 0.01 * f64::from(minute % 7);
    Sample {
        namespace: "shop".to_owned(),
        pod: pod.to_owned(),
        container: "app".to_owned(),
        at,
        cpu: Some(NanoCpu::from_cores(wave + jitter)),
        memory: Some(Bytes::mib(if (600..660).contains(&minute) { 400 } else { 100 })),
        throttled: None,
        cpu_pressure: None,
        memory_pressure: None,
        oom_events: None,
    }
}

struct Waves {
    clock: Clock,
    fault: Arc<Mutex<Fault>>,
    /// What the rig says in its place, if it says anything.
    rig: Arc<dyn UsageSource>,
}

fn refused() -> Error {
    Error::Malformed { source_name: "the waves".to_owned(), problem: "it is down".to_owned() }
}

#[async_trait]
impl UsageSource for Waves {
    async fn samples(&self) -> Result<Vec<Sample>, Error> {
        let fault = *self.fault.lock().unwrap();
        match fault {
            Fault::Refuses => return Err(refused()),
            Fault::Empty => return Ok(Vec::new()),
            Fault::Hangs => std::future::pending().await,
            Fault::None | Fault::HistoryHangs | Fault::HistoryRefused | Fault::HistoryTooLarge => {}
        }
        let said = self.rig.samples().await?;
        Ok(if said.is_empty() { vec![sample("web-a", self.clock.now())] } else { said })
    }

    async fn history(&self, from: Timestamp, until: Timestamp) -> Result<Option<Vec<Sample>>, Error> {
        let fault = *self.fault.lock().unwrap();
        match fault {
            Fault::HistoryHangs => std::future::pending().await,
            Fault::HistoryRefused => return Err(refused()),
            Fault::HistoryTooLarge if until.duration_since(from) > SignedDuration::from_hours(1) => {
                return Err(Error::TooLarge { source_name: "the waves".to_owned(), problem: "an hour".to_owned() });
            }
            _ => {}
        }
        let first = "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap().max(from);
        let times = (first.as_second().div_euclid(60) + 1..).map(|minute| Timestamp::from_second(minute * 60).unwrap());
        Ok(Some(times.take_while(|at| *at <= until).map(|at| sample("web-a", at)).collect()))
    }
}

struct Hook(Arc<Admission>);

#[async_trait]
impl MutatingAdmission for Hook {
    async fn admit(&self, request: AdmissionRequest<DynamicObject>) -> AdmissionResponse {
        self.0.review(&request)
    }
}

/// The cluster.
pub struct Cluster {
    pub rig: Rig,
    user: Client,
    fault: Arc<Mutex<Fault>>,
}

/// A controller at work.
pub struct Running {
    pub health: Health,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(minutes(1), self.task).await.expect("it stops when it is told to").unwrap();
    }

    pub fn kill(self) {
        self.task.abort();
    }
}

impl Cluster {
    /// A Deployment of one Pod that requests 100m and 64Mi, and a policy for it.
    pub async fn of_one_waving_workload(policy: &Value) -> Self {
        let rig = Rig::prepared().await;
        let user = rig.server.client("user");
        let definitions: Api<CustomResourceDefinition> = Api::all(user.clone());
        definitions.create(&PostParams::default(), &VerticalResizeCheckpoint::crd()).await.unwrap();
        rig.node("n1", "16").await;
        rig.deployment("web").await;
        rig.pod("web", "web-a", "n1", "100m").await;
        rig.policy("fit", &web_policy(policy)).await;
        Self { rig, user, fault: Arc::default() }
    }

    pub async fn controller(&self, name: &'static str, remembers: Remembers) -> Running {
        self.run(self.parts(name, options(remembers, None))).await
    }

    /// One of several.
    pub async fn candidate(&self, name: &'static str, remembers: Remembers) -> Running {
        let lease = LeaseOptions {
            namespace: "shop".to_owned(),
            name: "tailor".to_owned(),
            identity: name.to_owned(),
            timing: Timing::default(),
        };
        self.run(self.parts(name, options(remembers, Some(lease)))).await
    }

    /// One whose second source never fails.
    pub async fn controller_with_fallback(&self) -> Running {
        let parts = self.parts("tailor", Options::default());
        let rig = self.rig.parts(parts.client.clone(), Options::default()).source;
        let second = Waves { fault: Arc::default(), clock: self.rig.clock, rig };
        let source = Failover::new(Arc::clone(&parts.source), Arc::new(second), "metrics.k8s.io", self.rig.clock);
        self.run(Parts { source: Arc::new(source), ..parts }).await
    }

    fn parts(&self, name: &'static str, options: Options) -> Parts {
        let parts = self.rig.parts(self.rig.server.client(name), options);
        let rig = Arc::clone(&parts.source);
        Parts { source: Arc::new(Waves { clock: self.rig.clock, fault: Arc::clone(&self.fault), rig }), ..parts }
    }

    async fn run(&self, parts: Parts) -> Running {
        let controller = Controller::new(parts);
        self.rig.server.set_pod_admission(Arc::new(Hook(controller.admission())));
        let health = controller.health();
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { drop(stopped.await) };
        let task = tokio::spawn(async move { controller.run(stopped).await.unwrap() });
        self.rig.wait(Duration::from_secs(1)).await;
        Running { health, stop, task }
    }

    /// From now on this is wrong with the source.
    pub fn suffers(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// What a new Pod is made to request by the newest controller: thousandths of a core, and bytes.
    pub async fn sizes(&self) -> (u64, u64) {
        let owner = Api::<ReplicaSet>::namespaced(self.user.clone(), "shop").get("web-1").await.unwrap();
        let resources = json!({ "requests": { "cpu": "100m", "memory": "64Mi" } });
        let pod = json!({
            "metadata": {
                "name": "probe", "labels": { "app": "web" },
                "ownerReferences": [owner.controller_owner_ref(&()).unwrap()],
            },
            "spec": { "containers": [{ "name": "app", "image": "a", "resources": resources }] },
        });
        let pods = Api::<Pod>::namespaced(self.user.clone(), "shop");
        let pod = pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
        pods.delete("probe", &DeleteParams::default().grace_period(0)).await.unwrap();
        let requests = PodView::try_from(&pod).unwrap().containers[0].desired.requests;
        (requests.cpu.unwrap().0, requests.memory.unwrap().0)
    }

    /// Somebody makes the Pod request so much CPU.
    pub async fn outgrow(&self, cpu: &str) {
        let pods = Api::<Pod>::namespaced(self.user.clone(), "shop");
        let resources = json!({ "containers": [{ "name": "app", "resources": { "requests": { "cpu": cpu } } }] });
        let patch = Patch::Strategic(json!({ "spec": resources }));
        pods.patch_resize("web-a", &PatchParams::default(), &patch).await.unwrap();
        self.rig.settle("web-a").await;
    }

    fn objects(&self) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<VerticalResizeCheckpoint>(&());
        Api::namespaced_with(self.user.clone(), "shop", &resource)
    }

    pub async fn checkpoints(&self) -> Vec<DynamicObject> {
        self.objects().list(&ListParams::default()).await.unwrap().items
    }

    /// How often this controller has written a checkpoint.
    pub fn checkpoint_writes(&self, name: &str) -> u64 {
        let writes = self.rig.server.writes().into_iter();
        let wanted = writes.filter(|(key, _)| key.user == name && key.resource == "verticalresizecheckpoints");
        wanted.map(|(_, count)| count).sum()
    }

    pub async fn harm_checkpoint(&self, harm: &Value) {
        let name = self.checkpoints().await[0].metadata.name.clone().unwrap();
        self.objects().patch(&name, &PatchParams::default(), &Patch::Merge(harm)).await.unwrap();
    }

    /// So many checkpoints of workloads that are not there, as a controller that knew them would write them.
    pub async fn many_checkpoints(&self, count: usize) {
        let now = self.rig.clock.now();
        let mut model = ContainerModel::new();
        (0..2_000).for_each(|minute| model.observe(&sample("web-a", now - SignedDuration::from_mins(2_000 - minute))));
        let models = BTreeMap::from([("app".to_owned(), model)]);
        for number in 0..count {
            let id = WorkloadId::new("shop", "apps/v1", "Deployment", &format!("web-{number}"));
            let object = checkpoints::object_of(&id, &models, now);
            self.objects().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        }
    }
}

fn options(remembers: Remembers, lease: Option<LeaseOptions>) -> Options {
    let history = if remembers.history { Duration::from_hours(72) } else { Duration::ZERO };
    Options { checkpoints: remembers.checkpoints, history, lease, ..Options::default() }
}

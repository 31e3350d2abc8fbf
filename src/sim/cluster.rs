//! Puts the embedded cluster together and runs a scenario in it.
//!
//! [`rehearse`] shows an API server everything that a scenario will apply, so that what is wrong comes out before
//! anything runs; [`run`] then runs it, with the real controller. Both need a tokio runtime of one thread whose clock is
//! paused ([`runtime`]).

pub mod real;
mod webhook;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::core::v1::Pod, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt,
    api::{DynamicObject, ListParams, PostParams},
    core::admission::{AdmissionRequest, AdmissionResponse},
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
    time::Instant,
};

use super::{
    api_server::{ApiServer, MutatingAdmission, ServerConfig, WriteKey},
    kubelet,
    ledger::{AccountKey, Ledger},
    report::{
        ConditionReport, PolicyReport,
        collect::{Missing, Outcome},
    },
    scenario::{self, Change, Event, Manifest, Nodes, Scenario},
    scheduler,
    usage::KubeletSource,
    user,
    witness::{self, Grants},
    workloads::{self, Refusals, WorkloadKey},
};
use crate::{
    actuate::Admission,
    api::VerticalResizePolicy,
    clock::Clock,
    controller::{Action, Controller, Journal, JournalEntry, Options, Parts},
};

/// Who the API server takes the controller for.
const CONTROLLER: &str = "tailor";
/// Slack is scored from here on: before, the controller cannot know anything.
const UNSCORED: Duration = Duration::from_hours(1);
/// How often progress is told, in simulated time.
const SLICE: Duration = Duration::from_mins(15);

/// Why a run ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the scenario does at some time was refused then.
    #[error("after {after:?} of simulated time the scenario could not go on")]
    Scenario {
        /// When.
        after: Duration,
        /// What was refused.
        source: Box<scenario::Error>,
    },
    /// The embedded API server does not answer as it should.
    #[error("the embedded API server does not answer as it should; this is a bug, please report it")]
    Server(#[source] Box<kube::Error>),
    /// There is no real control plane, or it ended.
    #[error(transparent)]
    ControlPlane(#[from] super::real::Error),
    /// A real control plane could not be made ready.
    #[error("cannot {doing}")]
    Setup {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Whoever asked for it wants no more of it.
    #[error("told to end before its time")]
    Interrupted,
    /// A part of the cluster ended.
    #[error("{part} ended after {after:?} of simulated time; this is a bug, please report it with scenario and seed")]
    Ended {
        /// Which part.
        part: &'static str,
        /// When.
        after: Duration,
    },
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Simulated time.
    pub simulated: Duration,
    /// Resizes so far.
    pub resizes: u64,
    /// Evictions so far.
    pub evictions: u64,
    /// OOM kills so far.
    pub oom_kills: u64,
}

/// A runtime in which a simulated day takes seconds: one thread, and a clock that leaps to the next timer.
///
/// # Errors
/// The operating system refuses.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_time().start_paused(true).build()
}

/// Shows an API server all that `scenario` applies and deletes, in order, and a Pod of each workload; runs nothing.
///
/// # Errors
/// What it does not accept, or no Node could ever hold, with its place.
pub async fn rehearse(scenario: &Scenario) -> Result<(), scenario::Error> {
    let clock = Clock::simulated(scenario.start);
    let client = server(scenario, clock, 0).await.map_err(unlikely)?.client(user::NAME);
    for manifest in &scenario.manifests {
        user::apply(&client, manifest).await?;
    }
    let nodes = Nodes::of(scenario);
    for manifest in &scenario.manifests {
        nodes.check(manifest, user::try_pod(&client, manifest).await?.as_ref())?;
    }
    for event in &scenario.events {
        user::change(&client, &event.change).await?;
        if let Change::Apply(manifest) = &event.change {
            nodes.check(manifest, user::try_pod(&client, manifest).await?.as_ref())?;
        }
    }
    Ok(())
}

/// A server that knows the custom resource.
async fn server(scenario: &Scenario, clock: Clock, seed: u64) -> Result<ApiServer, Box<kube::Error>> {
    let leaves_capacity_to_kubelets = scenario.leaves_capacity_to_kubelets();
    let server = ApiServer::new(ServerConfig { leaves_capacity_to_kubelets, ..ServerConfig::new(clock, seed) });
    let definitions: Api<CustomResourceDefinition> = Api::all(server.client(user::NAME));
    definitions.create(&PostParams::default(), &VerticalResizePolicy::crd()).await?;
    Ok(server)
}

/// The definition is ours, and a test shows that the server takes it.
fn unlikely(source: Box<kube::Error>) -> scenario::Error {
    scenario::Error::Server { source }
}

/// Runs `scenario`, and tells `progress` about it now and then.
///
/// # Errors
/// It could not be run to its end.
pub async fn run(scenario: &Scenario, seed: u64, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, Error> {
    let cluster = Cluster::start(scenario, seed, UNSCORED).await?;
    cluster.populate(scenario).await?;
    cluster.play(scenario, SLICE, &mut Err, progress).await?;
    cluster.finish(scenario, seed).await
}

/// What a cluster is played on.
pub(super) trait Site {
    /// How often the controller has changed something there.
    fn controller_writes(&self) -> u64;

    /// How often it has asked for an eviction, whatever the answer.
    fn evictions_asked(&self) -> u64;
}

impl Site for ApiServer {
    fn controller_writes(&self) -> u64 {
        self.writes().iter().filter(|(key, _)| key.user == CONTROLLER).map(|(_, count)| count).sum()
    }

    fn evictions_asked(&self) -> u64 {
        let asked = |key: &WriteKey| key.user == CONTROLLER && key.subresource == "eviction";
        self.requests().iter().filter(|(key, _)| asked(key)).map(|(_, count)| count).sum()
    }
}

/// What the report tells beside accounts and journal.
struct Seen {
    grants: Grants,
    refusals: Refusals,
    scored_after: Duration,
}

/// The parts of a cluster, running.
pub(super) struct Cluster<S = ApiServer> {
    site: S,
    user: Client,
    clock: Clock,
    started: Instant,
    ledger: Ledger,
    notebook: Arc<Notebook>,
    source: Arc<KubeletSource>,
    seen: Seen,
    parts: Vec<(&'static str, JoinHandle<()>)>,
}

impl Cluster {
    /// Starts the parts, with nothing to work on yet. Slack is scored after `unscored`.
    pub(super) async fn start(scenario: &Scenario, seed: u64, unscored: Duration) -> Result<Self, Error> {
        let clock = Clock::simulated(scenario.start);
        let started = Instant::now();
        let server = server(scenario, clock, seed).await.map_err(Error::Server)?;
        let ledger = ledger(&scenario.manifests, later(scenario.start, unscored));
        let load = Arc::new(scenario.loads.seeded(scenario.start, seed));
        let options = scenario.kubelet_options();
        let kubelets = kubelet::spawn(server.client("kubelet"), clock, seed, load, ledger.clone(), options);
        let source = Arc::new(KubeletSource::new(ledger.clone(), clock));
        let notebook = Arc::new(Notebook::default());
        let options = Options { sample_interval: scenario.sample_interval, ..Options::default() };
        let (client, journal) = (server.client(CONTROLLER), notebook.clone());
        let controller = Controller::new(Parts { client, source: source.clone(), clock, journal, options });
        server.set_pod_admission(Arc::new(Webhook(controller.admission())));
        let (grants, refusals) = (Grants::default(), Refusals::default());
        let workload_controllers = workloads::spawn_noting(server.client("workloads"), clock, refusals.clone());
        let parts = vec![
            ("the kubelets", kubelets),
            ("the scheduler", scheduler::spawn(server.client("scheduler"), clock)),
            ("the workload controllers", workload_controllers),
            ("the witness", witness::spawn(server.client("witness"), clock, grants.clone())),
            ("the controller", tokio::spawn(control(controller))),
        ];
        let user = server.client(user::NAME);
        let seen = Seen { grants, refusals, scored_after: unscored };
        Ok(Self { site: server, user, clock, started, ledger, notebook, source, seen, parts })
    }

    /// Where all of it is stored.
    pub(super) fn server(&self) -> &ApiServer {
        &self.site
    }
}

impl<S: Site> Cluster<S> {
    /// Creates what is there at the start.
    pub(super) async fn populate(&self, scenario: &Scenario) -> Result<(), Error> {
        for manifest in &scenario.manifests {
            user::apply(&self.user, manifest).await.map_err(|error| self.refused(error))?;
        }
        Ok(())
    }

    /// Does what the scenario's user does until it is over, and looks after the parts every `slice`. `refused` says
    /// whether the run goes on after a refusal.
    pub(super) async fn play(
        &self,
        scenario: &Scenario,
        slice: Duration,
        refused: &mut dyn FnMut(Error) -> Result<(), Error>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), Error> {
        let mut events = scenario.events.iter().peekable();
        loop {
            let elapsed = self.elapsed();
            while let Some(event) = events.next_if(|event| event.at <= elapsed && event.at < scenario.duration) {
                self.note_originals(event);
                if let Err(error) = user::change(&self.user, &event.change).await {
                    refused(self.refused(error))?;
                }
            }
            self.check()?;
            progress(self.progress());
            if elapsed >= scenario.duration {
                return Ok(());
            }
            let slice = elapsed + slice;
            let next = events.peek().map_or(slice, |event| event.at.min(slice)).min(scenario.duration);
            tokio::time::sleep_until(self.started + next).await;
        }
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn refused(&self, source: scenario::Error) -> Error {
        Error::Scenario { after: self.elapsed(), source: Box::new(source) }
    }

    /// A workload that is replaced by another is measured against that from then on.
    fn note_originals(&self, event: &Event) {
        if let Change::Apply(manifest) = &event.change {
            set_originals(&self.ledger, manifest);
        }
    }

    /// No part ends before the run does.
    fn check(&self) -> Result<(), Error> {
        match self.parts.iter().find(|(_, part)| part.is_finished()) {
            Some((part, _)) => Err(Error::Ended { part, after: self.elapsed() }),
            None => Ok(()),
        }
    }

    fn progress(&self) -> Progress {
        let accounts = self.ledger.accounts(self.clock.now());
        Progress {
            simulated: self.elapsed(),
            resizes: self.notebook.count(Action::Resize),
            evictions: self.notebook.count(Action::Evict),
            oom_kills: accounts.iter().map(|(_, account)| account.total.oom_kills).sum(),
        }
    }

    /// Ends the parts, and says what it came to.
    pub(super) async fn finish(self, scenario: &Scenario, seed: u64) -> Result<Outcome, Error> {
        let simulated = self.elapsed();
        let accounts = self.ledger.accounts(self.clock.now());
        let pods: Vec<Pod> = self.list().await?;
        let policies: Vec<VerticalResizePolicy> = self.list().await?;
        self.parts.iter().for_each(|(_, part)| part.abort());
        Ok(Outcome {
            seed,
            scenario: scenario.name.clone(),
            start: scenario.start,
            simulated,
            wall: Duration::ZERO,
            pods: pods.len() as u64,
            samples: self.source.given(),
            api_writes: self.site.controller_writes(),
            evictions_asked: self.site.evictions_asked(),
            accounts,
            journal: self.notebook.take(),
            grants: self.seen.grants.all(),
            missing: missing(&pods, &self.seen.refusals),
            policies: policies.iter().filter_map(troubled).collect(),
            scored_after: self.seen.scored_after,
        })
    }

    async fn list<K>(&self) -> Result<Vec<K>, Error>
    where
        K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        let all = Api::<K>::all(self.user.clone()).list(&ListParams::default()).await;
        all.map(|list| list.items).map_err(|source| Error::Server(Box::new(source)))
    }
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| time.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// Pods that no Node has room for, and those that may not be created, by workload.
fn missing(pods: &[Pod], refusals: &Refusals) -> BTreeMap<WorkloadKey, Missing> {
    let refused = refusals.all().into_iter();
    let mut missing: BTreeMap<_, _> = refused
        .map(|(key, refusal)| (key, Missing { pending: 0, refused: refusal.times, message: refusal.message }))
        .collect();
    for pod in pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let unscheduled = conditions.into_iter().find(|c| c.type_ == "PodScheduled" && c.status == "False");
        let Some(unscheduled) = unscheduled else { continue };
        let kubelet::Workload { kind, name } = kubelet::Workload::of(pod);
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let entry = missing.entry((namespace, kind, name)).or_default();
        entry.pending += 1;
        entry.message = unscheduled.message.clone().unwrap_or_default();
    }
    missing
}

/// The conditions of a policy that is not as it should be.
fn troubled(policy: &VerticalResizePolicy) -> Option<PolicyReport> {
    let conditions = policy.status.iter().flat_map(|status| &status.conditions);
    let bad = conditions
        .filter(|c| matches!((c.type_.as_str(), c.status.as_str()), ("Ready", "False") | ("Stalled", "True")));
    let conditions: Vec<_> = bad
        .map(|condition| ConditionReport {
            r#type: condition.type_.clone(),
            status: condition.status.clone(),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
        })
        .collect();
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let (namespace, name) = (name(&policy.metadata.namespace), name(&policy.metadata.name));
    (!conditions.is_empty()).then_some(PolicyReport { namespace, name, conditions })
}

/// Runs a controller for ever.
async fn control(controller: Controller) {
    if let Err(error) = controller.run(std::future::pending()).await {
        tracing::error!(%error, "the controller ended");
    }
}

/// A ledger that knows what the workloads of the start request, and scores from `scored_from` on.
fn ledger(manifests: &[Manifest], scored_from: Timestamp) -> Ledger {
    let ledger = Ledger::new(scored_from);
    manifests.iter().for_each(|manifest| set_originals(&ledger, manifest));
    ledger
}

fn set_originals(ledger: &Ledger, manifest: &Manifest) {
    for (container, requests) in manifest.requests() {
        let key = AccountKey {
            namespace: manifest.namespace().unwrap_or("default").to_owned(),
            kind: manifest.kind().to_owned(),
            workload: manifest.name().to_owned(),
            container,
        };
        ledger.set_original(&key, requests);
    }
}

/// Keeps what the controller did.
#[derive(Debug, Default)]
struct Notebook(Mutex<Vec<JournalEntry>>);

impl Notebook {
    fn count(&self, action: Action) -> u64 {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().filter(|entry| entry.action == action).count() as u64
    }

    fn take(&self) -> Vec<JournalEntry> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Journal for Notebook {
    fn record(&self, entry: JournalEntry) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
}

/// The controller's admission, called without a network.
struct Webhook(Arc<Admission>);

#[async_trait]
impl MutatingAdmission for Webhook {
    async fn admit(&self, request: AdmissionRequest<DynamicObject>) -> AdmissionResponse {
        self.0.review(&request)
    }
}

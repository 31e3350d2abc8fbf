//! A scenario on a real control plane: the same controller, kubelets and events, with the API server, scheduler and
//! workload controllers of Kubernetes.
//!
//! Time is real there, so the controller and the kubelets see it pass `timeScale` times as fast: every duration that
//! either of them knows is scaled alike, and no rule is another. Only what the control plane does itself takes as long
//! as it takes, and what it stamps (creation times) is its own time. The scenario's time begins when the controller
//! reads usage for the first time, as it does on the embedded cluster.

use std::{
    path::Path,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::{Either, pending, select};
use http::{Method, Request};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Config, CustomResourceExt,
    api::PostParams,
    client::{Body, ClientBuilder},
};
use tokio::time::{Instant, sleep};
use tower::util::MapRequestLayer;

use super::{Cluster, Error, Notebook, Progress, Seen, Site, UNSCORED, control, later, ledger, webhook};
use crate::{
    api::VerticalResizePolicy,
    clock::Clock,
    controller::{Controller, Options, Parts},
    sim::{
        kubelet::real::{self as kubelets, Handle, Scope},
        real::{Assets, ControlPlane, ControlPlaneOptions},
        report::collect::Outcome,
        scenario::Scenario,
        serve::{self, pace},
        usage::KubeletSource,
        witness::{self, Grants},
        workloads::Refusals,
    },
    telemetry::http::Told,
};

/// How often progress is told, and Leases are renewed, in real time.
const TOLD_EVERY: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often it is looked whether something has come about.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A control plane of our own, with what plays the rest of the cluster.
struct Outside {
    sent: Arc<Sent>,
    told: Told,
    /// Ends with this.
    _kubelets: Handle,
}

/// What the controller has sent.
#[derive(Default)]
struct Sent {
    writes: AtomicU64,
    evictions: AtomicU64,
}

impl Site for Outside {
    fn controller_writes(&self) -> u64 {
        self.sent.writes.load(Ordering::Relaxed)
    }

    fn evictions_asked(&self) -> u64 {
        self.sent.evictions.load(Ordering::Relaxed)
    }
}

/// Starts a control plane, runs `scenario` on it, and tells `progress` about it now and then. What `interrupted` makes
/// ends the run early when it is ready. To be called outside of any runtime.
///
/// # Errors
/// There is no control plane, or the scenario could not be run to its end.
pub fn run<F: Future<Output = ()>>(
    assets: &Assets,
    scenario: &Scenario,
    seed: u64,
    interrupted: impl Fn() -> F,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    staged(assets, scenario, seed, interrupted, async |_, cluster, scenario| {
        cluster.play(scenario, TOLD_EVERY.mul_f64(scenario.time_scale), &mut Err, progress).await
    })
}

/// What a guest of [`visit`] gets.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// An administrator's kubeconfig.
    pub kubeconfig: &'a Path,
    /// What the controller tells of itself.
    pub told: &'a Told,
}

/// As [`run`], but the cluster is there for as long as `guest` stays, however long the scenario is.
///
/// # Errors
/// There is no control plane, or the scenario could not go on.
pub fn visit(
    assets: &Assets,
    scenario: &Scenario,
    seed: u64,
    guest: impl AsyncFnOnce(Visit<'_>),
) -> Result<Outcome, Error> {
    staged(assets, scenario, seed, pending, async |plane, cluster, scenario| {
        let stays = pin!(guest(Visit { kubeconfig: plane.kubeconfig(), told: &cluster.site.told }));
        let played = async {
            cluster.play(scenario, TOLD_EVERY.mul_f64(scenario.time_scale), &mut Err, &mut |_| {}).await?;
            pending::<Result<(), Error>>().await
        };
        match select(stays, Box::pin(played)).await {
            Either::Left(((), _)) => Ok(()),
            Either::Right((ended, _)) => ended,
        }
    })
}

/// Sets everything up, lets `play` happen at the scenario's pace, and collects what came of it.
fn staged<F: Future<Output = ()>>(
    assets: &Assets,
    scenario: &Scenario,
    seed: u64,
    interrupted: impl Fn() -> F,
    play: impl AsyncFnOnce(&ControlPlane, &Cluster<Outside>, &Scenario) -> Result<(), Error>,
) -> Result<Outcome, Error> {
    // Started in time that is nothing but real; the programs outlive this runtime.
    let plain = tokio::runtime::Runtime::new().map_err(setup("start the asynchronous runtime"))?;
    let plane = plain.block_on(unless(interrupted(), prepare(assets, scenario)))?;
    let paced = serve::runtime().map_err(setup("start the asynchronous runtime"))?;
    let staged = async {
        let cluster = at_pace(1.0, begin(&plane, scenario, seed)).await?;
        let scenario = Scenario { start: cluster.clock.now(), ..scenario.clone() };
        let played = async {
            cluster.populate(&scenario).await?;
            play(&plane, &cluster, &scenario).await?;
            cluster.finish(&scenario, seed).await
        };
        at_pace(scenario.time_scale, played).await
    };
    paced.block_on(async { unless(interrupted(), staged).await })
}

/// Does `work`, unless `interrupted` is ready first.
async fn unless<T>(
    interrupted: impl Future<Output = ()>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        done = work => done,
        () = interrupted => Err(Error::Interrupted),
    }
}

fn setup<E: Into<Box<dyn std::error::Error + Send + Sync>>>(doing: &'static str) -> impl FnOnce(E) -> Error {
    move |source| Error::Setup { doing, source: source.into() }
}

/// Does `work` while time goes `speed` times as fast as outside.
fn at_pace<T>(speed: f64, work: impl Future<Output = T>) -> impl Future<Output = T> {
    let work = Box::pin(work);
    async move {
        match select(work, pin!(pace::keep(speed))).await {
            Either::Left((done, _)) => done,
            Either::Right((never, _)) => match never {},
        }
    }
}

/// A control plane that knows the custom resource.
async fn prepare(assets: &Assets, scenario: &Scenario) -> Result<ControlPlane, Error> {
    let older = scenario.leaves_capacity_to_kubelets().then(|| "PodResizeValidator".to_owned());
    let disabled_admission = older.into_iter().collect();
    let options = ControlPlaneOptions { controllers: true, scheduler: true, disabled_admission, ..Default::default() };
    let plane = ControlPlane::start(assets, options).await?;
    let definitions: Api<CustomResourceDefinition> = Api::all(plane.client());
    let definition = VerticalResizePolicy::crd();
    let name = definition.metadata.name.clone().unwrap_or_default();
    let created = definitions.create(&PostParams::default(), &definition).await;
    created.map_err(setup("create the custom resource's definition"))?;
    let established = kube::runtime::conditions::is_crd_established();
    let established = kube::runtime::wait::await_condition(definitions, &name, established).await;
    established.map_err(setup("wait for the custom resource to be served"))?;
    Ok(plane)
}

/// Starts the controller, and the kubelets when it has read usage for the first time.
async fn begin(plane: &ControlPlane, scenario: &Scenario, seed: u64) -> Result<Cluster<Outside>, Error> {
    let clock = Clock::simulated(Clock::System.now());
    let ledger = ledger(&scenario.manifests, later(clock.now(), UNSCORED));
    let source = Arc::new(KubeletSource::new(ledger.clone(), clock));
    let notebook = Arc::new(Notebook::default());
    let sent = Arc::new(Sent::default());
    let client = counted(plane.config(), sent.clone())?;
    let options = Options { sample_interval: scenario.sample_interval, ..Options::default() };
    let parts = Parts { client, source: source.clone(), clock, journal: notebook.clone(), options };
    let controller = Controller::new(parts);
    let told = Told { health: controller.health(), metrics: controller.metrics() };
    let user = plane.client();
    let webhook = webhook::serve(user.clone(), &controller).await;
    let webhook = webhook.map_err(setup("serve the admission webhook"))?;
    let controller = tokio::spawn(control(controller));
    while source.asked() == 0 && !controller.is_finished() {
        sleep(LOOK_EVERY).await;
    }
    let started = Instant::now();
    let scenario = Scenario { start: clock.now(), ..scenario.clone() };
    let options = kubelets::Options {
        clock,
        seed,
        ledger: ledger.clone(),
        kubelets: scenario.kubelet_options(),
        scope: Scope::All,
        heartbeat: HEARTBEAT.mul_f64(scenario.time_scale.max(1.0)),
        ..kubelets::Options::new("simulate", Vec::new(), Arc::new(scenario.loads.seeded(scenario.start, seed)))
    };
    let kubelets = kubelets::spawn(plane.client(), options).await.map_err(setup("play the Nodes"))?;
    let site = Outside { sent, told, _kubelets: kubelets };
    // Nobody but the real controllers could say which Pods they may not create.
    let seen = Seen { grants: Grants::default(), refusals: Refusals::default(), scored_after: UNSCORED };
    let witness = witness::spawn(plane.client(), clock, seen.grants.clone());
    let parts = vec![("the admission webhook", webhook), ("the witness", witness), ("the controller", controller)];
    Ok(Cluster { site, user, clock, started, ledger, notebook, source, seen, parts })
}

/// A client whose requests to change something are counted, and that leaves it to the controller what is tried again.
fn counted(mut config: Config, sent: Arc<Sent>) -> Result<Client, Error> {
    config.default_retry = false;
    let count = MapRequestLayer::new(move |request: Request<Body>| {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            sent.writes.fetch_add(1, Ordering::Relaxed);
        }
        if request.uri().path().ends_with("/eviction") {
            sent.evictions.fetch_add(1, Ordering::Relaxed);
        }
        request
    });
    let builder = ClientBuilder::try_from(config).map_err(setup("make a client"))?;
    Ok(builder.with_layer(&count).build())
}

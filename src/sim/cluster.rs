//! Puts the embedded cluster together and runs a scenario in it.
//!
//! [`rehearse`] shows an API server everything that a scenario will apply, so that what is wrong comes out before
//! anything runs; [`run`] then runs it, with the real controller. Both need a tokio runtime of one thread whose clock is
//! paused ([`runtime`]).

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::core::v1::Pod,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt,
    api::{ListParams, PostParams},
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
    time::Instant,
};

use super::{
    api_server::{ApiServer, MutatingAdmission, ServerConfig},
    kubelet,
    ledger::{AccountKey, Ledger},
    originals, report::collect::Outcome,
    scenario::{self, Scenario},
    scheduler,
    usage::KubeletSource,
    user, workloads,
};
use crate::{
    api::VerticalResizePolicy,
    clock::Clock,
    controller::{Action, Controller, Journal, JournalEntry, Options, Parts},
};

/// Who the API server takes the controller for.
const CONTROLLER: &str = "tailor";
/// Slack is scored from here on: before, the controller cannot know anything.
const UNSCORED: Duration = Duration::from_hours(1);
/// How often progress is told, in simulated time.
const SLICE: Duration = Duration::from_mins(5);
/// A watch that is this many changes behind starts anew; none is in a cluster without network.
const WATCH_HISTORY: usize = 20_000;

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
    #[error("the embedded API server refused {what}")]
    Server {
        /// What was asked of it.
        what: &'static str,
        /// Its answer.
        source: Box<kube::Error>,
    },
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

/// Shows an API server all that `scenario` applies and deletes, in order, and runs nothing.
///
/// # Errors
/// What it does not accept, with its place.
pub async fn rehearse(scenario: &Scenario) -> Result<(), scenario::Error> {
    let clock = Clock::simulated(scenario.start);
    let client = server(clock, 0).await.map_err(unlikely)?.client(user::NAME);
    for manifest in &scenario.manifests {
        user::apply(&client, manifest).await?;
    }
    for event in &scenario.events {
        user::change(&client, &event.change).await?;
    }
    Ok(())
}

/// A server that knows the custom resource.
async fn server(clock: Clock, seed: u64) -> Result<ApiServer, Box<kube::Error>> {
    let server = ApiServer::new(ServerConfig { clock, seed, watch_history: WATCH_HISTORY });
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
    let cluster = Cluster::start(scenario, seed).await?;
    for manifest in &scenario.manifests {
        user::apply(&cluster.user, manifest).await.map_err(|error| cluster.refused(error))?;
    }
    let mut events = scenario.events.iter().peekable();
    loop {
        let elapsed = cluster.elapsed();
        while let Some(event) = events.next_if(|event| event.at <= elapsed && event.at < scenario.duration) {
            cluster.note_originals(event);
            user::change(&cluster.user, &event.change).await.map_err(|error| cluster.refused(error))?;
        }
        cluster.check()?;
        progress(cluster.progress());
        if elapsed >= scenario.duration {
            break;
        }
        let slice = elapsed + SLICE;
        let next = events.peek().map_or(slice, |event| event.at.min(slice)).min(scenario.duration);
        tokio::time::sleep_until(cluster.started + next).await;
    }
    cluster.finish(scenario, seed).await
}

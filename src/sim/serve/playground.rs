//! A scenario's cluster that real clients can reach while it runs.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, time::Duration};

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

use super::{Error, Served, pace, spawn};
use crate::{
    clock::Clock,
    sim::{
        cluster::{Cluster, Progress},
        report::collect::Outcome,
        scenario::Scenario,
    },
};

/// How often progress is told, in real time.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// A runtime for one [`Playground`]: one thread, sockets, and a clock that stands still until the playground moves it.
///
/// # Errors
/// The operating system refuses.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().start_paused(true).build()
}

/// A cluster with the controller, at some pace, served over HTTP.
pub struct Playground {
    scenario: Scenario,
    seed: u64,
    speed: f64,
    cluster: Cluster,
    served: Served,
    pacer: JoinHandle<Infallible>,
}

impl Playground {
    /// Starts the cluster of `scenario`, whose time begins now and goes `speed` times as fast as real time, and serves
    /// it. To be called in a [`runtime`].
    ///
    /// # Errors
    /// The address cannot be served, or the cluster does not start.
    pub async fn open(mut scenario: Scenario, seed: u64, address: SocketAddr, speed: f64) -> Result<Self, Error> {
        scenario.start = Clock::System.now();
        let pacer = tokio::spawn(pace::keep(speed));
        // Nobody knows how long it will run, so all of it is scored.
        let cluster = Cluster::start(&scenario, seed, Duration::ZERO).await?;
        let served = spawn(cluster.server(), address).await?;
        cluster.populate(&scenario).await?;
        Ok(Self { scenario, seed, speed, cluster, served, pacer })
    }

    /// Where it is reached, and how.
    pub fn served(&self) -> &Served {
        &self.served
    }

    /// Plays the scenario to its end or until `stop` resolves, and tells `progress` about it now and then.
    ///
    /// # Errors
    /// A part of the cluster has ended.
    pub async fn run(
        self,
        stop: impl Future<Output = ()>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Outcome, Error> {
        let slice = TOLD_EVERY.mul_f64(self.speed);
        // Others change the cluster too, so what the scenario does may well be refused, and the play goes on.
        let mut refused = |error| {
            tracing::warn!("{}", super::chain(&error));
            Ok(())
        };
        tokio::select! {
            biased;
            () = stop => {}
            played = self.cluster.play(&self.scenario, slice, &mut refused, progress) => played?,
        }
        self.served.stop().await;
        self.pacer.abort();
        Ok(self.cluster.finish(&self.scenario, self.seed).await?)
    }
}

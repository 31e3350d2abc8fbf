//! The Nodes of the cluster: admits Pods, runs their containers against a [`Load`], and carries out resizes.
//!
//! One task plays the kubelets of all Nodes. It is a client like any other and speaks nothing but the API, so it plays
//! the Nodes of a real API server as well. What it decides is in a state machine (`machine`) that is told the time and
//! answers with writes: nothing polls, for each Pod knows when something happens to it next. The life of a resize is in
//! `resize`, whether it is granted in `allocation`, and how it can fail in `actuation`.

mod actuation;
mod allocation;
mod chance;
mod checkpoint;
mod conditions;
mod container;
mod driver;
mod endpoint;
mod exposition;
mod identity;
mod machine;
mod node;
mod node_status;
mod nodes;
mod options;
mod pod;
pub mod real;
mod resize;
mod resume;
mod scrape;
mod status;

use std::sync::{Arc, Mutex};

use kube::Client;
use tokio::task::JoinHandle;

pub(super) use identity::Workload;
pub use identity::{RUN_SECONDS, SERIES, STARTUP_SECONDS};
pub use options::{Fault, KubeletProfile, Latencies, Options, Target};

use super::{ledger::Ledger, load::Load};
use crate::clock::Clock;
use {
    chance::Chance,
    driver::{Driver, Extent},
    machine::Machine,
    pod::World,
};

/// Starts the kubelets of all Nodes that the API server has. They run until the task is aborted.
pub fn spawn(
    client: Client,
    clock: Clock,
    seed: u64,
    load: Arc<dyn Load>,
    ledger: Ledger,
    options: Options,
) -> JoinHandle<()> {
    let world = World { chance: Chance::new(seed), options, load, ledger };
    let machine = Arc::new(Mutex::new(Machine::new(world)));
    tokio::spawn(Driver::new(client, clock, machine, Extent::default()).run())
}

#[cfg(test)]
mod tests;

//! The kubelets against a real API server: the same machine, with Nodes that it registers, Leases and endpoints.
//!
//! Only Nodes that carry [`LABEL`] with the options' `owner` are played, so that a real Node and its Pods are never
//! touched, unless the whole cluster is the caller's own ([`Scope::All`]).

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use kube::Client;
use tokio::task::JoinHandle;

use super::{
    Options as KubeletOptions,
    chance::Chance,
    driver::{Driver, Extent, SharedMachine},
    endpoint::{Addresses, Endpoints},
    machine::Machine,
    nodes,
    options::Latencies,
    pod::World,
};
pub use super::{
    endpoint::Error as EndpointError,
    nodes::{Error as NodeError, LABEL, NodeSpec},
};
use crate::{
    clock::Clock,
    sim::{ledger::Ledger, load::Load},
};

/// How often a kubelet renews its Node's Lease.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often it is looked whether the parts still run.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many writes are on their way at once: a kubelet for each Node would not wait for the others.
const MORE_WRITES: usize = 15;

/// Which Nodes are played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those whose [`LABEL`] has this value.
    Owned(String),
    /// All that there are, whoever made them: for a cluster of one's own.
    All,
}

/// What to play, and how.
#[derive(Clone)]
pub struct Options {
    /// Where time comes from.
    pub clock: Clock,
    /// What is left to chance.
    pub seed: u64,
    /// What containers use.
    pub load: Arc<dyn Load>,
    /// Where usage is written down.
    pub ledger: Ledger,
    /// How the kubelets behave.
    pub kubelets: KubeletOptions,
    /// Which Nodes are played.
    pub scope: Scope,
    /// Nodes to be registered first.
    pub nodes: Vec<NodeSpec>,
    /// Where the kubelets' endpoints are served, each Node's on a port of its own.
    pub address: IpAddr,
    /// How often Leases are renewed.
    pub heartbeat: Duration,
}

impl Options {
    /// Plays `nodes` on the wall clock, as `owner`, with the latencies of real kubelets.
    pub fn new(owner: impl Into<String>, nodes: Vec<NodeSpec>, load: Arc<dyn Load>) -> Self {
        let clock = Clock::System;
        Self {
            clock,
            seed: 1,
            load,
            ledger: Ledger::new(clock.now()),
            kubelets: KubeletOptions::default(),
            scope: Scope::Owned(owner.into()),
            nodes,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            heartbeat: HEARTBEAT,
        }
    }

    /// The same with [`Latencies::brisk`].
    #[must_use]
    pub fn brisk(mut self) -> Self {
        self.kubelets.latencies = Latencies::brisk();
        self
    }
}

/// Why Nodes cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// They cannot be registered.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Their endpoints cannot be served.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

/// Kubelets that run; they end when this is dropped, and their Nodes stay.
pub struct Handle {
    client: Client,
    scope: Scope,
    ledger: Ledger,
    addresses: Addresses,
    tasks: [JoinHandle<()>; 2],
}

/// Registers the Nodes and starts their kubelets.
///
/// # Errors
/// A Node is somebody else's, the API server refuses, or no port can be served.
pub async fn spawn(client: Client, options: Options) -> Result<Handle, Error> {
    let Options { clock, seed, load, ledger, kubelets, scope, nodes, address, heartbeat } = options;
    let owner = match &scope {
        Scope::Owned(owner) => owner.as_str(),
        Scope::All => "all",
    };
    for node in &nodes {
        nodes::register(&client, node, owner).await?;
    }
    let labels = match &scope {
        Scope::Owned(owner) => Some(format!("{LABEL}={owner}")),
        Scope::All => None,
    };
    let world = World { chance: Chance::new(seed), options: kubelets, load, ledger: ledger.clone() };
    let machine: SharedMachine = Arc::new(Mutex::new(Machine::new(world)));
    let endpoints = Endpoints::new(machine.clone(), clock, address).await?;
    let addresses = endpoints.addresses();
    let extent = Extent { labels: labels.clone(), endpoints: Some(endpoints), more_writes: MORE_WRITES };
    let tasks = [
        tokio::spawn(Driver::new(client.clone(), clock, machine, extent).run()),
        tokio::spawn(nodes::keep_alive(client.clone(), clock, labels, heartbeat)),
    ];
    Ok(Handle { client, scope, ledger, addresses, tasks })
}

impl Handle {
    /// Where the kubelet of each Node serves its metrics, as far as the Nodes have been seen.
    pub fn endpoints(&self) -> BTreeMap<String, SocketAddr> {
        self.addresses.all()
    }

    /// Where usage is written down.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Resolves when a part ends, which none should.
    pub async fn ended(&self) {
        while !self.tasks.iter().any(JoinHandle::is_finished) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends, and deletes the Nodes that were its own.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn withdraw(self) -> Result<(), Error> {
        self.tasks.iter().for_each(JoinHandle::abort);
        match &self.scope {
            Scope::Owned(owner) => Ok(nodes::withdraw(&self.client, owner).await?),
            Scope::All => Ok(()),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

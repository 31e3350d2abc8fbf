//! The workload controllers of the embedded cluster: they keep as many Pods as a workload asks for, so that an evicted
//! Pod comes back, and they keep the budgets that evictions are held to.
//!
//! One plain loop over a sorted queue: the same events give the same writes. Each kind has a file with a function
//! `reconcile(world, key)` that looks at the caches, writes what is missing, and takes the answer into the cache. On
//! purpose there is no CronJob controller, no history of revisions and no clean-up of finished Pods.

mod daemon_set;
mod deployment;
mod disruption;
mod job;
mod pods;
mod refusals;
mod replica_set;
mod retries;
mod stateful_set;
mod world;

use std::collections::BTreeSet;

use kube::Client;
use tokio::task::JoinHandle;

pub use self::refusals::{Refusal, Refusals, WorkloadKey};
use self::world::World;
use super::informer::ObjectKey;
use crate::clock::Clock;

/// The kinds that are reconciled, in the order in which they are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    Job,
    Disruption,
}

/// What is waiting to be looked at.
type Queue = BTreeSet<(Kind, ObjectKey)>;

/// Starts the controllers.
pub fn spawn(client: Client, clock: Clock) -> JoinHandle<()> {
    spawn_noting(client, clock, Refusals::default())
}

/// Starts the controllers; the Pods that they may not create are noted in `refusals`.
pub fn spawn_noting(client: Client, clock: Clock, refusals: Refusals) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut world = World::new(client, clock, refusals);
        world.sync().await;
        let mut queue = Queue::new();
        loop {
            while let Some((kind, key)) = queue.pop_first() {
                match reconcile(&mut world, kind, &key).await {
                    Ok(()) => world.retries.succeeded(kind, &key),
                    Err(error) => {
                        tracing::debug!(?kind, ?key, %error, "write failed");
                        world.retries.failed(kind, &key, tokio::time::Instant::now());
                    }
                }
            }
            Box::pin(world.next_changes(&mut queue)).await;
        }
    })
}

async fn reconcile(world: &mut World, kind: Kind, key: &ObjectKey) -> kube::Result<()> {
    match kind {
        Kind::Deployment => deployment::reconcile(world, key).await,
        Kind::ReplicaSet => replica_set::reconcile(world, key).await,
        Kind::StatefulSet => stateful_set::reconcile(world, key).await,
        Kind::DaemonSet => daemon_set::reconcile(world, key).await,
        Kind::Job => job::reconcile(world, key).await,
        Kind::Disruption => disruption::reconcile(world, key).await,
    }
}

#[cfg(test)]
mod tests;

//! The controller is killed (all that it has in memory is lost, also in the middle of a request) and a fresh one started.
//!
//! Nothing may be doubled, and the end must be the same. *Doubled* means: a Pod (by UID) is evicted twice; a resize asks
//! a Pod for the size that its spec has already; or a workload loses more Pods, or sees another sequence of distinct sizes
//! over the lives of its Pods, than in a run in which nobody was killed.

#[cfg(test)]
#[path = "controller/cluster.rs"]
mod cluster;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cluster::{Cluster, Death, Done, deployment, namespace, node, policy, workload};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

/// What a run came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// Distinct sizes that each workload's Pods were asked to have, in order, and the last that they were created with.
    sizes: BTreeMap<String, Vec<String>>,
    evictions: BTreeMap<String, usize>,
    state: Vec<(String, String, String)>,
}

const RUN: Duration = Duration::from_mins(60);

const MOMENTS: usize = 20;

const SEED: u64 = 5;

/// `web` grows and `idle` shrinks in place; `late` is Deferred until `filler` goes; `big` outgrows its Node, and is evicted
/// once there is one that can hold it.
async fn prepared() -> Cluster {
    let objects = [
        namespace(),
        node("small", "4"),
        node("full", "4"),
        deployment("web", &["small"], "100m"),
        deployment("idle", &["small"], "800m"),
        deployment("big", &["small", "huge"], "200m"),
        deployment("filler", &["full"], "3"),
        deployment("late", &["full"], "500m"),
    ];
    let cpu_only = json!({ "containers": [{ "name": "app", "resources": ["cpu"] }] });
    let policies = ["web", "idle", "big", "late"].map(|name| policy(name, &cpu_only));
    let uses = [("web", 0.6, 100), ("idle", 0.1, 100), ("filler", 0.1, 100), ("late", 1.4, 100), ("big", 6.0, 100)];
    let mut cluster = Cluster::start(1, &uses, &[objects.as_slice(), policies.as_slice()].concat()).await;
    cluster.creates(Duration::from_mins(5), node("huge", "64"));
    cluster.deletes(Duration::from_mins(20), "filler");
    cluster
}

/// A run in which the controller dies so, one after the other, and is back after `away`.
async fn run(deaths: &[Death], away: Duration) -> (Outcome, Cluster) {
    let mut cluster = prepared().await;
    let end = tokio::time::Instant::now() + RUN;
    cluster.start_controller();
    for death in deaths {
        cluster.dies(*death).await;
        tokio::time::sleep(away).await;
        cluster.start_controller();
    }
    tokio::time::sleep_until(end).await;
    let outcome = Outcome::of(&cluster).await;
    (outcome, cluster)
}

impl Outcome {
    /// Panics if anything was doubled on one Pod.
    async fn of(cluster: &Cluster) -> Self {
        let mut outcome = Self { sizes: BTreeMap::new(), evictions: BTreeMap::new(), state: cluster.state().await };
        let mut evicted = BTreeSet::new();
        for done in cluster.done() {
            match done {
                Done::Resized { pod, from, to, uid } => {
                    assert_ne!(from, to, "{pod} ({uid}) has been asked for it already");
                    let sizes = outcome.sizes.entry(workload(&pod)).or_default();
                    if sizes.last() != Some(&to) {
                        sizes.push(to);
                    }
                }
                Done::Evicted { pod, uid, terminating } => {
                    assert!(!terminating && evicted.insert(uid.clone()), "{pod} ({uid}) is evicted twice");
                    *outcome.evictions.entry(workload(&pod)).or_default() += 1;
                }
            }
        }
        for (workload, _, size) in &outcome.state {
            let sizes = outcome.sizes.entry(workload.clone()).or_default();
            if sizes.last() != Some(size) {
                sizes.push(size.clone());
            }
        }
        outcome
    }
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_moment_it_doubles_nothing_and_ends_the_same() {
    let (undisturbed, cluster) = run(&[], Duration::ZERO).await;
    let writes = cluster.writes();
    assert_eq!(undisturbed.evictions, BTreeMap::from([("big".to_owned(), 1)]));
    assert_eq!(undisturbed.sizes.keys().collect::<Vec<_>>(), ["big", "idle", "late", "web"]);
    let mut chance = ChaCha8Rng::seed_from_u64(SEED);
    for moment in 0..MOMENTS {
        let death = match moment % 3 {
            0 => Death::At(Duration::from_millis(chance.random_range(0..1_800_000))),
            1 => Death::Before(chance.random_range(0..writes)),
            _ => Death::After(chance.random_range(0..writes)),
        };
        let away = Duration::from_millis(chance.random_range(0..20_000));
        let (outcome, _) = run(&[death], away).await;
        assert_eq!(outcome, undisturbed, "after {death:?}, away for {away:?}");
    }
}

/// The worst moments: the server has done it, and nobody has heard.
#[tokio::test(start_paused = true)]
async fn killed_before_the_answer_to_any_resize_or_eviction_it_doubles_nothing_and_ends_the_same() {
    let (undisturbed, cluster) = run(&[], Duration::ZERO).await;
    let writes = cluster.writes_to_pods();
    assert_eq!(writes.len(), 5, "four resizes and an eviction");
    for number in writes {
        let (outcome, _) = run(&[Death::After(number)], Duration::ZERO).await;
        assert_eq!(outcome, undisturbed, "after write {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn killed_again_and_again_it_doubles_nothing_and_ends_the_same() {
    let (undisturbed, _) = run(&[], Duration::ZERO).await;
    let (outcome, _) = run(&[Death::After(0); 8], Duration::from_secs(1)).await;
    assert_eq!(outcome, undisturbed);
}

//! The process is killed at random moments and started again: nothing is done twice.

use std::{collections::BTreeMap, fs, ops::Range};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tailor::resources::PodView;
use tokio::task::spawn_blocking;

use super::stage::{Stage, actual_cpu, desired_cpu};
use crate::{process::Tailor, support::until};

/// How often what the Pods need changes.
const LEVELS: usize = 5;
/// How often it is killed while it stays the same.
const MOMENTS: usize = 4;
/// It has started and seen everything at about its 35th line, and resized all Pods at its 55th.
const LINES: Range<usize> = 30..58;
/// Each level is so many times the one before, so that it is worth a resize.
const GROWTH: f64 = 1.5;

/// What was asked of each Pod, in order, and accepted.
fn asked(log: &str) -> BTreeMap<String, Vec<String>> {
    let mut asked = BTreeMap::<String, Vec<String>>::new();
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let object = &event["objectRef"];
        assert_eq!(object["subresource"], "resize", "nothing is evicted: {event}");
        if event["responseStatus"]["code"] == 200 {
            let pod = object["name"].as_str().unwrap().to_owned();
            asked.entry(pod).or_default().push(event["requestObject"]["spec"].to_string());
        }
    }
    asked
}

/// What was done before it was killed is not done again by the one that follows, which knows nothing of it.
#[tokio::test]
async fn killed_at_random_moments_it_resizes_each_pod_once_per_level_and_ends_at_the_right_size() {
    let Some(stage) = Stage::set(3).await else { return };
    let names: Vec<_> = stage.pods().await.into_iter().map(|pod| pod.name).collect();
    let before = uids(&stage.pods().await);
    let mut chance = ChaCha8Rng::seed_from_u64(5);
    let mut cores = 0.2;
    for _ in 0..LEVELS {
        cores *= GROWTH;
        stage.source.says(&names, cores);
        for _ in 0..MOMENTS {
            let (kubeconfig, settings) = (stage.plane.kubeconfig().to_owned(), stage.settings());
            let lines = chance.random_range(LINES);
            let killed = spawn_blocking(move || Tailor::start_and_kill(&kubeconfig, &settings, lines));
            killed.await.unwrap();
        }
    }
    let tailor = stage.tailor();
    until("all Pods to have what they need", async || {
        stage
            .pods()
            .await
            .iter()
            .all(|pod| actual_cpu(pod) as f64 >= cores * 1_000.0 && actual_cpu(pod) == desired_cpu(pod))
    })
    .await;
    drop(tailor);

    assert_eq!(uids(&stage.pods().await), before, "no Pod is replaced");
    let asked = asked(&fs::read_to_string(stage.audit_log()).unwrap());
    assert_eq!(asked.len(), names.len(), "{asked:?}");
    for (pod, sizes) in &asked {
        assert!(sizes.len() <= LEVELS, "{pod} is asked more than once for one level: {sizes:?}");
        assert!(sizes.windows(2).all(|pair| pair[0] != pair[1]), "{pod} is asked twice for one size: {sizes:?}");
    }
    let resizes: usize = asked.values().map(Vec::len).sum();
    assert!(resizes > names.len(), "a run in which it was killed before it did anything shows nothing");
    eprintln!("killed {} times, {resizes} resizes of {} Pods", LEVELS * MOMENTS, names.len());
}

fn uids(pods: &[PodView]) -> Vec<String> {
    pods.iter().map(|pod| pod.uid.clone()).collect()
}

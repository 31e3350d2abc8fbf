//! The process is killed at random moments and started again: nothing is done twice.

use std::{collections::BTreeMap, fs, ops::Range};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::stage::{Stage, actual_cpu, desired_cpu};
use crate::{process::Tailor, support::until};

const MOMENTS: usize = 20;
/// It has started and seen everything at about its 35th line, and resized all Pods at its 55th.
const LINES: Range<usize> = 5..55;
/// Each size that is needed is so many times the one before, so that each is worth a resize.
const GROWTH: f64 = 1.3;

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

/// Each step asks for more than the one before, and the process is killed at a random line of its log.
#[tokio::test]
async fn killed_at_random_moments_it_resizes_each_pod_once_per_size_and_ends_at_the_right_one() {
    let Some(stage) = Stage::set(3).await else { return };
    let names: Vec<_> = stage.pods().await.into_iter().map(|pod| pod.name).collect();
    let mut chance = ChaCha8Rng::seed_from_u64(5);
    let mut cores = 0.2;
    for _ in 0..MOMENTS {
        cores *= GROWTH;
        stage.source.says(&names, cores);
        let (kubeconfig, settings) = (stage.plane.kubeconfig().to_owned(), stage.settings());
        let lines = chance.random_range(LINES);
        let killed = spawn_blocking(move || Tailor::start_and_kill(&kubeconfig, &settings, lines));
        killed.await.unwrap();
    }
    let before = stage.pods().await;
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

    let log = fs::read_to_string(stage.audit_log()).unwrap();
    let asked = asked(&log);
    assert_eq!(asked.len(), names.len(), "{asked:?}");
    for (pod, sizes) in &asked {
        assert!(sizes.windows(2).all(|pair| pair[0] != pair[1]), "{pod} is asked twice for one size: {sizes:?}");
    }
    let after = stage.pods().await;
    let uids = |pods: &[tailor::resources::PodView]| pods.iter().map(|pod| pod.uid.clone()).collect::<Vec<_>>();
    assert_eq!(uids(&after), uids(&before), "no Pod is replaced");
    let resizes: usize = asked.values().map(Vec::len).sum();
    assert!(resizes > names.len(), "a run in which it was killed before it did anything shows nothing");
    eprintln!("killed {MOMENTS} times, {resizes} resizes of {} Pods", names.len());
}

//! How long it takes from a sample to the size that it asked for.

use std::time::{Duration, Instant};

use super::stage::{Stage, actual_cpu, desired_cpu};
use crate::support::until;

/// The sum and the count of a histogram.
fn histogram(metrics: &str, stage: &str) -> Option<(f64, u64)> {
    let value = |suffix: &str| {
        let start = format!("tailor_resize_stage_duration_seconds_{suffix}{{stage=\"{stage}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&start)?.parse::<f64>().ok())
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count is whole")]
    value("sum").zip(value("count").map(|count| count as u64))
}

#[tokio::test]
async fn a_size_is_in_force_within_two_seconds_of_the_sample_that_asked_for_it() {
    let Some(stage) = Stage::set(1).await else { return };
    let names: Vec<_> = stage.pods().await.into_iter().map(|pod| pod.name).collect();
    stage.source.says(&names, 0.09);
    let tailor = stage.tailor();
    until("it is ready", async || matches!(tailor.says("/readyz").await, Some((200, _)))).await;
    until("it leads", async || tailor.says("/metrics").await.is_some_and(|(_, all)| all.contains("tailor_leader 1\n")))
        .await;

    let said = Instant::now();
    stage.source.says(&names, 2.0);
    until("the Pod to have more", async || {
        stage.pods().await.iter().all(|pod| actual_cpu(pod) >= 2_000 && actual_cpu(pod) == desired_cpu(pod))
    })
    .await;
    // The next reading of usage is up to a second away.
    assert!(said.elapsed() < Duration::from_secs(3), "{:?}", said.elapsed());

    let stages = ["sample_to_patch", "patch_to_allocated", "allocated_to_actual"];
    let mut all = Vec::new();
    until("it has seen the end of it", async || {
        let (_, metrics) = tailor.says("/metrics").await.unwrap();
        all = stages.iter().filter_map(|stage| histogram(&metrics, stage)).filter(|(_, count)| *count > 0).collect();
        all.len() == stages.len()
    })
    .await;
    let resizes = all[0].1;
    assert!(all.iter().all(|(_, count)| *count == resizes), "{all:?}");
    let total: f64 = all.iter().map(|(sum, _)| sum).sum();
    eprintln!("{resizes} resizes: {stages:?} took {all:?}");
    assert!(total < 2.0 * resizes as f64, "{all:?}");
}

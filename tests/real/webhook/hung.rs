//! A webhook that takes connections and never says a word.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tailor::sim::real::ControlPlaneOptions;
use tokio::net::TcpListener;

use super::{configuration, configure, dry_run, namespace, pod};
use crate::support::{control_plane, until};

/// The three seconds that the configuration allows, and what the rest of a creation takes on a busy machine.
const LONGEST: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_hung_webhook_delays_a_pod_by_three_seconds_at_most_and_others_not_at_all() {
    let Some(plane) = control_plane(ControlPlaneOptions::default()).await else { return };
    let client = plane.client();
    for name in ["kube-system", "tailor-system", "default"] {
        namespace(&client, name).await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(connection) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            held.push(connection);
        }
    });
    configure(&client, &configuration(&[address])).await;
    until("the webhook is called", async || {
        dry_run(&client, "default", &pod(true)).await;
        calls.load(Ordering::Relaxed) > 0
    })
    .await;

    let began = Instant::now();
    let (code, answer) = dry_run(&client, "default", &pod(true)).await;
    let took = began.elapsed();
    assert_eq!(code, 201, "{answer}");
    assert!(took >= Duration::from_secs(3), "it was called: {took:?}");
    assert!(took < LONGEST, "{took:?}");

    let before = calls.load(Ordering::Relaxed);
    for (namespace, owned) in [("kube-system", true), ("tailor-system", true), ("default", false)] {
        let began = Instant::now();
        assert_eq!(dry_run(&client, namespace, &pod(owned)).await.0, 201);
        assert!(began.elapsed() < Duration::from_secs(2), "{namespace}: {:?}", began.elapsed());
    }
    assert_eq!(calls.load(Ordering::Relaxed), before, "they never reach it");
    eprintln!("a Pod took {took:?} with a hung webhook");
}

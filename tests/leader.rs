//! Several controllers on one API server: one acts at a time, whatever happens to its lease.

#[cfg(test)]
#[path = "controller/rig.rs"]
#[expect(dead_code, reason = "the rig serves other tests too")]
mod rig;

#[cfg(test)]
#[path = "controller/peer.rs"]
mod peer;

use std::time::Duration;

use peer::{Fault, Peer};
use rig::{Rig, cores, minutes, web_policy};
use serde_json::json;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// A workload whose one Pod will soon need more.
async fn prepared() -> Rig {
    let rig = Rig::prepared().await;
    rig.node("n1", "64").await;
    rig.deployment("web").await;
    rig.pod("web", "web-a", "n1", "100m").await;
    rig.policy("fit", &web_policy(&json!({ "containers": [{ "name": "app", "resources": ["cpu"] }] }))).await;
    rig.uses("web-a", cores(0.5), 32);
    rig
}

/// Each minute the Pod needs more than before, so that there always is something to do.
async fn grow(rig: &Rig, from: u32, minutes_long: u32) {
    for minute in 0..minutes_long {
        rig.settle("web-a").await;
        rig.uses("web-a", cores(f64::from(from + minute)), 32);
        rig.wait(minutes(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_controllers_one_acts_and_both_are_ready() {
    let rig = prepared().await;
    let (a, b) = (Peer::start(&rig, "a").await, Peer::start(&rig, "b").await);
    grow(&rig, 1, 10).await;
    assert!(a.health.is_ready() && b.health.is_ready());
    assert!(a.writes().iter().any(|sent| sent.path.ends_with("/resize")));
    assert!(b.writes().is_empty(), "{:?}", b.writes());
    a.stop().await;
    b.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_writes_nothing_after_its_deadline_and_the_other_takes_over() {
    let rig = prepared().await;
    let (a, b) = (Peer::start(&rig, "a").await, Peer::start(&rig, "b").await);
    grow(&rig, 1, 3).await;
    a.suffers(Fault::LeaseSilent);
    grow(&rig, 5, 5).await;
    let deadline = a.last_renewal() + SECOND * 10;
    assert!(a.writes().iter().all(|sent| sent.at < deadline && sent.ended.is_some_and(|at| at <= deadline)));
    let taken = b.sent("/leases").first().cloned().expect("it takes the lease over");
    assert!(taken.at >= a.last_renewal() + SECOND * 15, "the old leader may still think that it leads");
    assert!(taken.at <= a.last_renewal() + SECOND * 18, "it need not wait for longer");
    assert!(b.writes().first().is_some_and(|first| first.at >= taken.at));
    assert!(rig.cpu_request("web-a").await >= 9_000, "the new leader goes on where the old one stopped");
    // The lease is there again, but another one has it.
    a.suffers(Fault::None);
    let before = a.writes().len();
    grow(&rig, 12, 5).await;
    assert_eq!(a.writes().len(), before);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_on_its_way_is_given_up_at_the_deadline() {
    let rig = prepared().await;
    let (a, b) = (Peer::start(&rig, "a").await, Peer::start(&rig, "b").await);
    grow(&rig, 1, 3).await;
    rig.settle("web-a").await;
    rig.wait(SECOND * 5).await;
    rig.uses("web-a", cores(9.0), 32);
    // The next sample comes at a full minute, and then there is something to write.
    let known = a.writes().len();
    a.suffers(Fault::WritesSilent);
    while a.writes().len() == known {
        rig.wait(Duration::from_millis(100)).await;
    }
    rig.wait(minutes(1)).await;
    let deadline = a.last_renewal() + SECOND * 10;
    let last = a.writes().last().cloned().unwrap();
    assert!(last.path.ends_with("/resize"), "{last:?}");
    assert!(last.ended.is_some_and(|at| at > last.at && at <= deadline), "{last:?} {deadline:?}");
    assert!(b.writes().first().is_some_and(|first| first.at > deadline), "it acts");
    assert!(b.sent("/resize").is_empty(), "the server has done it, though nobody has heard");
    a.stop().await;
    b.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_ends_gives_the_lease_up_and_the_other_need_not_wait() {
    let rig = prepared().await;
    let (a, b) = (Peer::start(&rig, "a").await, Peer::start(&rig, "b").await);
    grow(&rig, 1, 3).await;
    a.stop().await;
    let stopped = Instant::now();
    rig.uses("web-a", cores(9.0), 32);
    rig.settle("web-a").await;
    while b.writes().is_empty() {
        rig.wait(Duration::from_millis(100)).await;
    }
    assert!(stopped.elapsed() <= SECOND * 3, "{:?}", stopped.elapsed());
    b.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_standby_has_learnt_what_it_needs_when_it_takes_over() {
    let rig = prepared().await;
    let (a, b) = (Peer::start(&rig, "a").await, Peer::start(&rig, "b").await);
    rig.wait(minutes(3)).await;
    rig.settle("web-a").await;
    // Too large from now on. Whoever has just started would have to look at it for long before it lowers anything.
    rig.uses("web-a", cores(0.1), 32);
    rig.wait(minutes(120)).await;
    rig.no_usage();
    a.stop().await;
    rig.wait(minutes(4)).await;
    let status = rig.status("fit").await;
    assert_ne!(rig::condition(&status, "Ready").map(|(_, reason)| reason), Some("NoSamples"), "{status}");
    b.stop().await;
}

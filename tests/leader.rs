//! Several controllers on one API server: one acts at a time, whatever happens to its lease.

#[cfg(test)]
#[path = "controller/rig.rs"]
#[expect(dead_code, reason = "the rig serves other tests too")]
mod rig;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Method, Request, Response};
use kube::{Client, client::Body};
use rig::{Rig, cores, minutes, web_policy};
use serde_json::json;
use tailor::{
    controller::{Controller, LeaseOptions, Options, Timing},
    sim::api_server::AnswerBody,
    telemetry::health::Health,
};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tower::ServiceExt;

const SECOND: Duration = Duration::from_secs(1);

/// What goes wrong between a controller and the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// No request about the lease is answered any more.
    LeaseSilent,
    /// No write is answered, though the server carries it out; and from the first such on the lease is silent too.
    WritesSilent,
}

/// A write that a controller sent, and when it was given up if it was.
#[derive(Clone, Debug)]
struct Sent {
    at: Instant,
    path: String,
    ended: Option<Instant>,
}

#[derive(Debug)]
struct Wire {
    fault: Fault,
    sent: Vec<Sent>,
}

/// One controller.
struct Peer {
    wire: Arc<Mutex<Wire>>,
    health: Health,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Notes when a request is over, also if that is because nobody waits for it any more.
struct Over(Arc<Mutex<Wire>>, usize);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.lock().unwrap().sent[self.1].ended = Some(Instant::now());
    }
}

impl Peer {
    async fn start(rig: &Rig, name: &'static str) -> Self {
        let wire = Arc::new(Mutex::new(Wire { fault: Fault::None, sent: Vec::new() }));
        let client = client(rig, name, Arc::clone(&wire));
        let lease = LeaseOptions {
            namespace: "shop".to_owned(),
            name: "tailor".to_owned(),
            identity: name.to_owned(),
            timing: Timing::default(),
        };
        let options = Options { lease: Some(lease), ..Options::default() };
        let controller = Controller::new(rig.parts(client, options));
        let health = controller.health();
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { drop(stopped.await) };
        let task = tokio::spawn(async move { controller.run(stopped).await.unwrap() });
        // Those that start at one instant would ask at one instant for ever.
        rig.wait(Duration::from_millis(700)).await;
        Self { wire, health, stop, task }
    }

    fn suffers(&self, fault: Fault) {
        self.wire.lock().unwrap().fault = fault;
    }

    /// Its writes to what is called so.
    fn sent(&self, to: &str) -> Vec<Sent> {
        self.wire.lock().unwrap().sent.iter().filter(|sent| sent.path.contains(to)).cloned().collect()
    }

    /// Its writes, those to the lease apart.
    fn writes(&self) -> Vec<Sent> {
        self.wire.lock().unwrap().sent.iter().filter(|sent| !sent.path.contains("/leases")).cloned().collect()
    }

    /// When its last renewal was sent that it has heard of.
    fn last_renewal(&self) -> Instant {
        let wire = self.wire.lock().unwrap();
        let renewals = wire.sent.iter().filter(|sent| sent.path.contains("/leases") && sent.ended == Some(sent.at));
        renewals.map(|sent| sent.at).max().expect("it has led")
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(minutes(1), self.task).await.expect("it stops when it is told to").unwrap();
    }
}

fn client(rig: &Rig, name: &'static str, wire: Arc<Mutex<Wire>>) -> Client {
    let door = rig.server.door(name);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (door, wire) = (door.clone(), Arc::clone(&wire));
        async move {
            let (path, is_write) = (request.uri().path().to_owned(), *request.method() != Method::GET);
            let about_lease = path.contains("/leases");
            let (fault, over) = {
                let mut seen = wire.lock().unwrap();
                if is_write {
                    seen.sent.push(Sent { at: Instant::now(), path, ended: None });
                }
                (seen.fault, is_write.then(|| Over(Arc::clone(&wire), seen.sent.len() - 1)))
            };
            if about_lease && fault == Fault::LeaseSilent {
                std::future::pending::<()>().await;
            }
            let answer: Result<Response<AnswerBody>, Infallible> = door.oneshot(request).await;
            if is_write && !about_lease && fault == Fault::WritesSilent {
                wire.lock().unwrap().fault = Fault::LeaseSilent;
                std::future::pending::<()>().await;
            }
            drop(over);
            answer
        }
    });
    Client::new(service, "shop")
}

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

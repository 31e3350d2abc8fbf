//! One of several controllers on one API server, and what can go wrong between the two.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Method, Request, Response};
use kube::{Client, client::Body};
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

use crate::rig::{Rig, minutes};

/// What goes wrong between a controller and the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// No request about the lease is answered any more.
    LeaseSilent,
    /// No write is answered, though the server carries it out; and from the first such on the lease is silent too.
    WritesSilent,
}

/// A write that a controller sent, and when it was given up if it was.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Instant,
    pub path: String,
    pub ended: Option<Instant>,
}

#[derive(Debug)]
struct Wire {
    fault: Fault,
    sent: Vec<Sent>,
}

/// One controller.
pub struct Peer {
    wire: Arc<Mutex<Wire>>,
    pub health: Health,
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
    pub async fn start(rig: &Rig, name: &'static str) -> Self {
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

    pub fn suffers(&self, fault: Fault) {
        self.wire.lock().unwrap().fault = fault;
    }

    /// Its writes to what is called so.
    pub fn sent(&self, to: &str) -> Vec<Sent> {
        self.wire.lock().unwrap().sent.iter().filter(|sent| sent.path.contains(to)).cloned().collect()
    }

    /// Its writes, those to the lease apart.
    pub fn writes(&self) -> Vec<Sent> {
        self.wire.lock().unwrap().sent.iter().filter(|sent| !sent.path.contains("/leases")).cloned().collect()
    }

    /// When its last renewal was sent that it has heard of.
    pub fn last_renewal(&self) -> Instant {
        let wire = self.wire.lock().unwrap();
        let renewals = wire.sent.iter().filter(|sent| sent.path.contains("/leases") && sent.ended == Some(sent.at));
        renewals.map(|sent| sent.at).max().expect("it has led")
    }

    pub async fn stop(self) {
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

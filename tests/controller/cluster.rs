//! A whole embedded cluster, kubelets included, with a controller that can be killed at any moment.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, PostParams},
    client::Body,
    core::{
        ApiResource, GroupVersionKind,
        admission::{AdmissionRequest, AdmissionResponse},
    },
};
use serde_json::{Value, json};
use tailor::{
    actuate::Admission,
    api::VerticalResizePolicy,
    clock::Clock,
    controller::{Controller, NoJournal, Options, Parts},
    resources::{Bytes, NanoCpu, PodView},
    sim::{
        api_server::{AnswerBody, ApiServer, Door, MutatingAdmission, ServerConfig},
        kubelet::{self, KubeletProfile},
        ledger::Ledger,
        load::{Demand, Load, LoadKey},
        scheduler,
        usage::KubeletSource,
        workloads,
    },
};
use tokio::{sync::Notify, task::JoinHandle};
use tower::ServiceExt;

const SPACE: &str = "shop";

/// When the controller dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// After so long.
    At(Duration),
    /// Instead of sending this write, counted from zero since it was asked for.
    Before(usize),
    /// After the server has carried out this write, and before its answer comes back.
    After(usize),
}

/// A write of the controller that the server has accepted.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// A Pod was asked to have this size.
    Resized { pod: String, uid: String, from: String, to: String },
    /// A Pod was evicted.
    Evicted { pod: String, uid: String, terminating: bool },
}

#[derive(Default)]
struct Log {
    writes: usize,
    /// How many there were when its death was asked for.
    since: usize,
    done: Vec<Done>,
    /// Which writes those were.
    done_by: Vec<usize>,
    death: Option<Death>,
}

/// What each container uses: cores and mebibytes, by workload.
struct Uses(BTreeMap<&'static str, (f64, u64)>);

impl Load for Uses {
    fn demand(&self, key: &LoadKey<'_>, _: Timestamp) -> Demand {
        let (cores, mib) = self.0[key.workload];
        Demand { cpu: NanoCpu::from_cores(cores), memory: Bytes::mib(mib) }
    }

    fn next_change(&self, _: &LoadKey<'_>, _: Timestamp) -> Option<Timestamp> {
        None
    }
}

struct Hook(Option<Arc<Admission>>);

#[async_trait]
impl MutatingAdmission for Hook {
    async fn admit(&self, request: AdmissionRequest<DynamicObject>) -> AdmissionResponse {
        match &self.0 {
            Some(admission) => admission.review(&request),
            None => AdmissionResponse::from(&request),
        }
    }
}

pub struct Cluster {
    server: ApiServer,
    user: Client,
    clock: Clock,
    source: Arc<KubeletSource>,
    log: Arc<Mutex<Log>>,
    died: Arc<Notify>,
    controller: Option<JoinHandle<()>>,
    parts: Vec<JoinHandle<()>>,
}

impl Cluster {
    /// Nodes and workloads as in `objects`; workloads use what `uses` says.
    pub async fn start(seed: u64, uses: &[(&'static str, f64, u64)], objects: &[Value]) -> Self {
        let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
        let server = ApiServer::new(ServerConfig::new(clock, seed));
        let user = server.client("user");
        let crds: Api<CustomResourceDefinition> = Api::all(user.clone());
        crds.create(&PostParams::default(), &VerticalResizePolicy::crd()).await.unwrap();
        let ledger = Ledger::new(clock.now() + SignedDuration::from_hours(1));
        let load = Uses(uses.iter().map(|(name, cores, mib)| (*name, (*cores, *mib))).collect());
        let options = kubelet::Options { profile: KubeletProfile::V1_37, ..kubelet::Options::default() };
        let kubelets = kubelet::spawn(server.client("kubelet"), clock, seed, Arc::new(load), ledger.clone(), options);
        let parts = vec![
            kubelets,
            scheduler::spawn(server.client("scheduler"), clock),
            workloads::spawn(server.client("workloads"), clock),
        ];
        let source = Arc::new(KubeletSource::new(ledger, clock));
        let (log, died) = (Arc::default(), Arc::default());
        let cluster = Self { server, user, clock, source, log, died, controller: None, parts };
        for object in objects {
            create(&cluster.user, object).await;
        }
        cluster
    }

    /// The user creates this after a while.
    pub fn creates(&mut self, after: Duration, object: Value) {
        let user = self.user.clone();
        self.parts.push(tokio::spawn(async move {
            tokio::time::sleep(after).await;
            create(&user, &object).await;
        }));
    }

    /// The user deletes this Deployment after a while.
    pub fn deletes(&mut self, after: Duration, name: &'static str) {
        let api: Api<Deployment> = Api::namespaced(self.user.clone(), SPACE);
        self.parts.push(tokio::spawn(async move {
            tokio::time::sleep(after).await;
            api.delete(name, &DeleteParams::default()).await.unwrap();
        }));
    }

    /// A fresh controller, which knows nothing.
    pub fn start_controller(&mut self) {
        let parts = Parts {
            client: self.door(),
            source: self.source.clone(),
            clock: self.clock,
            journal: Arc::new(NoJournal),
            options: Options::default(),
        };
        let controller = Controller::new(parts);
        self.server.set_pod_admission(Arc::new(Hook(Some(controller.admission()))));
        self.controller = Some(tokio::spawn(async move { controller.run(std::future::pending()).await.unwrap() }));
    }

    /// The controller dies: all that it has in memory is lost, and whatever it is waiting for.
    pub async fn kill(&mut self) {
        let controller = self.controller.take().unwrap();
        controller.abort();
        let _ = controller.await;
        self.server.set_pod_admission(Arc::new(Hook(None)));
    }

    /// Lets the controller die so, and waits until it has.
    pub async fn dies(&mut self, death: Death) {
        {
            let mut log = self.log.lock().unwrap();
            (log.death, log.since) = (Some(death), log.writes);
        }
        match death {
            Death::At(time) => tokio::time::sleep(time).await,
            Death::Before(_) | Death::After(_) => self.died.notified().await,
        }
        self.kill().await;
        self.log.lock().unwrap().death = None;
    }

    pub fn writes(&self) -> usize {
        self.log.lock().unwrap().writes
    }

    /// Which of its writes resized or evicted a Pod.
    pub fn writes_to_pods(&self) -> Vec<usize> {
        self.log.lock().unwrap().done_by.clone()
    }

    /// What the server has accepted, in order.
    pub fn done(&self) -> Vec<Done> {
        self.log.lock().unwrap().done.clone()
    }

    /// The Pods: workload, Node, requests; sorted.
    pub async fn state(&self) -> Vec<(String, String, String)> {
        let pods: Api<Pod> = Api::namespaced(self.user.clone(), SPACE);
        let pods = pods.list(&ListParams::default()).await.unwrap();
        let mut state: Vec<_> = pods
            .items
            .iter()
            .map(|pod| {
                let view = PodView::try_from(pod).unwrap();
                assert_eq!(view.containers[0].actual, Some(view.containers[0].desired), "{} is at rest", view.name);
                (workload(&view.name), view.node.clone().unwrap_or_default(), size(&view))
            })
            .collect();
        state.sort();
        state
    }

    /// A client whose writes are seen, and that dies as it is told.
    fn door(&self) -> Client {
        let (door, log, died) = (self.server.door("tailor"), Arc::clone(&self.log), Arc::clone(&self.died));
        let user = self.user.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (door, log, died, user) = (door.clone(), Arc::clone(&log), Arc::clone(&died), user.clone());
            async move {
                if *request.method() == Method::GET {
                    return door.oneshot(request).await;
                }
                let (number, death) = {
                    let mut log = log.lock().unwrap();
                    log.writes += 1;
                    (log.writes - 1 - log.since, log.death)
                };
                if death == Some(Death::Before(number)) {
                    died.notify_one();
                    std::future::pending::<()>().await;
                }
                let answer = carried_out(door, &user, &log, request, number).await;
                if death == Some(Death::After(number)) {
                    died.notify_one();
                    std::future::pending::<()>().await;
                }
                Ok::<Response<AnswerBody>, Infallible>(answer)
            }
        });
        Client::new(service, SPACE)
    }
}

async fn create(user: &Client, object: &Value) {
    let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    let kind = ApiResource::from_gvk(&GroupVersionKind::try_from(object.types.clone().unwrap()).unwrap());
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(user.clone(), namespace, &kind),
        None => Api::all_with(user.clone(), &kind),
    };
    api.create(&PostParams::default(), &object).await.unwrap();
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.parts.iter().chain(&self.controller).for_each(JoinHandle::abort);
    }
}

/// Sends it, and notes what it did to which Pod.
async fn carried_out(
    door: Door,
    user: &Client,
    log: &Mutex<Log>,
    request: Request<Body>,
    number: usize,
) -> Response<AnswerBody> {
    let path = request.uri().path().to_owned();
    let mut segments = path.rsplit('/');
    let (what, name) = (segments.next().unwrap_or_default().to_owned(), segments.next().unwrap_or_default().to_owned());
    if what != "resize" && what != "eviction" {
        return door.oneshot(request).await.unwrap();
    }
    let pods: Api<Pod> = Api::namespaced(user.clone(), SPACE);
    let before = pods.get_opt(&name).await.unwrap().map(|pod| PodView::try_from(&pod).unwrap());
    let (parts, body) = door.oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    if parts.status.is_success() {
        let before = before.expect("nothing is done to what is not there");
        let (pod, uid) = (name, before.uid.clone());
        let mut log = log.lock().unwrap();
        log.done_by.push(number);
        log.done.push(if what == "resize" {
            let after: Pod = serde_json::from_slice(&bytes).unwrap();
            Done::Resized { pod, uid, from: size(&before), to: size(&PodView::try_from(&after).unwrap()) }
        } else {
            Done::Evicted { pod, uid, terminating: before.terminating }
        });
    }
    Response::from_parts(parts, Full::new(bytes).boxed_unsync())
}

fn size(view: &PodView) -> String {
    view.containers[0].desired.requests.to_string()
}

/// `web-7d4f-x2z` is of `web`.
pub fn workload(pod: &str) -> String {
    pod.split('-').next().unwrap_or_default().to_owned()
}

pub fn node(name: &str, cpu: &str) -> Value {
    let amounts = json!({ "cpu": cpu, "memory": "32Gi", "pods": "110" });
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": { "size": name } },
        "status": { "capacity": amounts, "allocatable": amounts },
    })
}

pub fn deployment(name: &str, nodes: &[&str], cpu: &str) -> Value {
    let expression = json!({ "key": "size", "operator": "In", "values": nodes });
    let required = json!({ "nodeSelectorTerms": [{ "matchExpressions": [expression] }] });
    let affinity = json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": required } });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": SPACE },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": {
                    "affinity": affinity,
                    "containers": [{ "name": "app", "image": "a", "resources": { "requests": { "cpu": cpu, "memory": "256Mi" } } }],
                },
            },
        },
    })
}

pub fn policy(workload: &str, more: &Value) -> Value {
    let mut spec = json!({ "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": workload } });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({
        "apiVersion": "autoscaling.tailor.dev/v1alpha1", "kind": "VerticalResizePolicy",
        "metadata": { "name": workload, "namespace": SPACE }, "spec": spec,
    })
}

pub fn namespace() -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": SPACE } })
}

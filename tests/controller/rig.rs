//! The embedded API server with a controller on it, and hands to play users, kubelets and usage with.

#[path = "answers.rs"]
mod answers;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::{Event, Namespace, Node, Pod},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt, Resource,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    client::Body,
    core::admission::{AdmissionRequest, AdmissionResponse},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tailor::{
    actuate::{Admission, Replacements},
    api::VerticalResizePolicy,
    clock::Clock,
    controller::{Controller, Journal, JournalEntry, Options, Parts},
    resources::{Bytes, NanoCpu, PodView},
    sim::api_server::{AnswerBody, ApiServer, Door, MutatingAdmission, ServerConfig},
    telemetry::metrics::Metrics,
    usage::{Error, Sample, UsageSource},
};
use tokio::{sync::oneshot, task::JoinHandle};
use tower::ServiceExt;

const SPACE: &str = "shop";

pub fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

pub fn cores(cores: f64) -> NanoCpu {
    NanoCpu::from_cores(cores)
}

/// The spec of a policy for the Deployment `web`.
pub fn web_policy(more: &Value) -> Value {
    let mut spec = json!({ "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" } });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

/// A Deployment of one Pod that requests 100m and 64Mi on a Node of 4 cores, and a policy for its CPU.
pub async fn one_small_pod(more: &Value) -> Rig {
    let rig = Rig::start().await;
    rig.node("n1", "4").await;
    rig.deployment("web").await;
    rig.pod("web", "web-a", "n1", "100m").await;
    let mut spec = web_policy(&json!({ "containers": [{ "name": "app", "resources": ["cpu"] }] }));
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    rig.policy("fit", &spec).await;
    rig
}

/// Status and reason of a condition.
pub fn condition<'a>(status: &'a Value, kind: &str) -> Option<(&'a str, &'a str)> {
    let conditions = status["conditions"].as_array()?;
    let condition = conditions.iter().find(|condition| condition["type"] == kind)?;
    Some((condition["status"].as_str()?, condition["reason"].as_str()?))
}

/// The message of a condition.
pub fn message<'a>(status: &'a Value, kind: &str) -> &'a str {
    let conditions = status["conditions"].as_array().unwrap();
    conditions.iter().find(|condition| condition["type"] == kind).unwrap()["message"].as_str().unwrap()
}

/// A refusal that the API server answers some requests with.
#[derive(Clone)]
struct Refusal {
    path: String,
    status: Value,
}

#[derive(Default)]
struct Shared {
    /// Method, path and body of what the controller sent that was not a read.
    sent: Vec<(String, String, Value)>,
    refusal: Option<Refusal>,
    /// No write to a path that ends so is answered.
    silent: Option<String>,
    /// So late does every watch show what happens.
    watch_delay: Duration,
    /// Discovery says nothing of `pods/resize`.
    without_resize: bool,
    /// CPU and memory of each Pod; `None` when the source is down.
    usage: Option<BTreeMap<String, (NanoCpu, u64)>>,
    journal: Vec<JournalEntry>,
}

type Hands = Arc<Mutex<Shared>>;

struct Notes(Hands);

impl Journal for Notes {
    fn record(&self, entry: JournalEntry) {
        self.0.lock().unwrap().journal.push(entry);
    }
}

struct Usage(Hands, Clock);

#[async_trait]
impl UsageSource for Usage {
    async fn samples(&self) -> Result<Vec<Sample>, Error> {
        let shared = self.0.lock().unwrap();
        let malformed = || Error::Malformed { source_name: "the rig".to_owned(), problem: "it is down".to_owned() };
        let usage = shared.usage.as_ref().ok_or_else(malformed)?;
        let sample = |(pod, (cpu, memory)): (&String, &(NanoCpu, u64))| Sample {
            namespace: SPACE.to_owned(),
            pod: pod.clone(),
            container: "app".to_owned(),
            at: self.1.now(),
            cpu: Some(*cpu),
            memory: Some(Bytes::mib(*memory)),
            ..Sample::default()
        };
        Ok(usage.iter().map(sample).collect())
    }
}

struct Hook(Arc<Admission>);

#[async_trait]
impl MutatingAdmission for Hook {
    async fn admit(&self, request: AdmissionRequest<DynamicObject>) -> AdmissionResponse {
        self.0.review(&request)
    }
}

/// A client whose requests can be seen and refused.
fn watched_client(door: Door, shared: Hands) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let (door, shared) = (door.clone(), Arc::clone(&shared));
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            let path = parts.uri.path().to_owned();
            let is_watch = parts.uri.query().is_some_and(|query| query.contains("watch=true"));
            let is_discovery = path == "/api/v1";
            let (refusal, silent) = {
                let mut shared = shared.lock().unwrap();
                if parts.method != Method::GET {
                    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                    shared.sent.push((parts.method.to_string(), path.clone(), body));
                }
                let silent =
                    parts.method != Method::GET && shared.silent.as_ref().is_some_and(|end| path.ends_with(end));
                (shared.refusal.clone().filter(|refusal| path.ends_with(&refusal.path)), silent)
            };
            if silent {
                std::future::pending::<()>().await;
            }
            if let Some(Refusal { status, .. }) = refusal {
                let code = u16::try_from(status["code"].as_u64().unwrap()).unwrap();
                let body = Full::new(bytes::Bytes::from(status.to_string())).boxed_unsync();
                return Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap());
            }
            let answer: Result<Response<AnswerBody>, Infallible> =
                door.oneshot(Request::from_parts(parts, Body::from(body))).await;
            let answer = answer.unwrap();
            Ok(if is_watch {
                answers::late(answer, shared)
            } else if is_discovery && shared.lock().unwrap().without_resize {
                answers::without_resize(answer).await
            } else {
                answer
            })
        }
    });
    Client::new(service, SPACE)
}

pub struct Rig {
    pub server: ApiServer,
    user: Client,
    pub clock: Clock,
    shared: Hands,
    controller: Option<Controller>,
    metrics: Arc<Metrics>,
    /// Where the controller is told whether new Pods get their size.
    pub replacements: Replacements,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Rig {
    /// A running controller on an empty cluster.
    pub async fn start() -> Self {
        Self::prepared().await.run().await
    }

    /// A controller that does not run yet.
    pub async fn prepared() -> Self {
        Self::prepared_with(Options::default()).await
    }

    /// As [`Rig::prepared`], with these options.
    pub async fn prepared_with(options: Options) -> Self {
        let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
        let server = ApiServer::new(ServerConfig::new(clock, 1));
        let user = server.client("user");
        let shared = Hands::default();
        shared.lock().unwrap().usage = Some(BTreeMap::new());
        let (metrics, replacements) = (Arc::default(), Replacements::new(options.new_pods));
        let mut rig = Self { server, user, clock, shared, controller: None, metrics, replacements, running: None };
        let client = watched_client(rig.server.door("tailor"), Arc::clone(&rig.shared));
        let controller = Controller::new(rig.parts(client, options));
        rig.server.set_pod_admission(Arc::new(Hook(controller.admission())));
        (rig.metrics, rig.replacements) = (controller.metrics(), controller.replacements());
        rig.controller = Some(controller);
        rig.create::<CustomResourceDefinition>(Api::all(rig.user.clone()), json!(VerticalResizePolicy::crd())).await;
        rig.create::<Namespace>(Api::all(rig.user.clone()), json!({ "metadata": { "name": SPACE } })).await;
        rig
    }

    /// What a controller is made of whose requests go through `client`; it reads the rig's usage.
    pub fn parts(&self, client: Client, options: Options) -> Parts {
        Parts {
            client,
            source: Arc::new(Usage(Arc::clone(&self.shared), self.clock)),
            clock: self.clock,
            journal: Arc::new(Notes(Arc::clone(&self.shared))),
            options,
        }
    }

    pub async fn run(mut self) -> Self {
        let (stop, stopped) = oneshot::channel();
        let controller = self.controller.take().unwrap();
        let stopped = async move {
            stopped.await.unwrap();
        };
        let task = tokio::spawn(async move { controller.run(stopped).await.unwrap() });
        self.running = Some((stop, task));
        self.wait(Duration::from_secs(1)).await;
        self
    }

    /// Stops the controller, which must end by itself.
    pub async fn stop(mut self) {
        let (stop, task) = self.running.take().unwrap();
        stop.send(()).unwrap();
        tokio::time::timeout(minutes(1), task).await.expect("it stops when it is told to").unwrap();
    }

    pub async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn api<K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>>(&self) -> Api<K> {
        Api::namespaced(self.user.clone(), SPACE)
    }

    async fn create<K>(&self, api: Api<K>, object: Value) -> K
    where
        K: Clone + DeserializeOwned + Serialize + std::fmt::Debug,
    {
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap()
    }

    pub async fn node(&self, name: &str, cpu: &str) {
        let allocatable = json!({ "cpu": cpu, "memory": "8Gi", "pods": "110" });
        let status = json!({ "allocatable": allocatable, "conditions": [{ "type": "Ready", "status": "True" }] });
        self.create::<Node>(Api::all(self.user.clone()), json!({ "metadata": { "name": name }, "status": status }))
            .await;
    }

    /// A Deployment and its ReplicaSet.
    pub async fn deployment(&self, name: &str) {
        let requests = json!({ "requests": { "cpu": "100m", "memory": "64Mi" } });
        let template = json!({
            "metadata": { "labels": { "app": name } },
            "spec": { "containers": [{ "name": "app", "image": "a", "resources": requests }] },
        });
        let spec = json!({ "replicas": 1, "selector": { "matchLabels": { "app": name } }, "template": template });
        let object = json!({ "metadata": { "name": name }, "spec": spec });
        let deployment: Deployment = self.create(self.api(), object).await;
        let owner = deployment.controller_owner_ref(&()).unwrap();
        let metadata = json!({ "name": format!("{name}-1"), "ownerReferences": [owner] });
        self.create::<ReplicaSet>(self.api(), json!({ "metadata": metadata, "spec": spec })).await;
    }

    /// A running Pod of a Deployment.
    pub async fn pod(&self, deployment: &str, name: &str, node: &str, cpu: &str) {
        let replica_set = self.api::<ReplicaSet>().get(&format!("{deployment}-1")).await.unwrap();
        let requests = json!({ "requests": { "cpu": cpu, "memory": "64Mi" } });
        let metadata = json!({
            "name": name,
            "labels": { "app": deployment },
            "ownerReferences": [replica_set.controller_owner_ref(&()).unwrap()],
        });
        let spec = json!({ "nodeName": node, "containers": [{ "name": "app", "image": "a", "resources": requests }] });
        self.create::<Pod>(self.api(), json!({ "metadata": metadata, "spec": spec })).await;
        self.settle(name).await;
    }

    /// Plays the kubelet: what is asked for is allocated and actual.
    pub async fn settle(&self, name: &str) {
        self.write_status(name, json!({ "running": { "startedAt": self.clock.now() } }), Value::Null).await;
    }

    /// Plays the kubelet: the container has just been killed, and is back.
    pub async fn oom_kill(&self, name: &str) {
        let last = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled", "finishedAt": self.clock.now() } });
        self.write_status(name, json!({ "running": { "startedAt": self.clock.now() } }), last).await;
    }

    async fn write_status(&self, name: &str, state: Value, last: Value) {
        let pod = self.api::<Pod>().get(name).await.unwrap();
        let resources = pod.spec.unwrap().containers[0].resources.clone().unwrap();
        let container = json!({
            "name": "app", "image": "a", "imageID": "a", "ready": true, "restartCount": 0,
            "state": state, "lastState": last,
            "resources": resources, "allocatedResources": resources.requests,
        });
        let status = json!({
            "phase": "Running",
            "observedGeneration": pod.metadata.generation,
            "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": self.clock.now() }],
            "containerStatuses": [container],
        });
        let patch = Patch::Merge(json!({ "status": status }));
        self.api::<Pod>().patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    pub async fn policy(&self, name: &str, spec: &Value) {
        self.create::<VerticalResizePolicy>(self.api(), policy(name, spec)).await;
    }

    pub async fn edit_policy(&self, name: &str, patch: &Value) {
        let policies = self.api::<VerticalResizePolicy>();
        policies.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub async fn delete_policy(&self, name: &str) {
        self.api::<VerticalResizePolicy>().delete(name, &DeleteParams::default()).await.unwrap();
    }

    pub async fn label(&self, deployment: &str, value: &str) {
        let patch = Patch::Merge(json!({ "metadata": { "labels": { "look": value } } }));
        self.api::<Deployment>().patch(deployment, &PatchParams::default(), &patch).await.unwrap();
    }

    pub async fn status(&self, policy: &str) -> Value {
        json!(self.api::<VerticalResizePolicy>().get(policy).await.unwrap().status.unwrap())
    }

    async fn view(&self, pod: &str) -> PodView {
        PodView::try_from(&self.api::<Pod>().get(pod).await.unwrap()).unwrap()
    }

    /// In thousandths of a core.
    pub async fn cpu_request(&self, pod: &str) -> u64 {
        self.view(pod).await.containers[0].desired.requests.cpu.unwrap().0
    }

    /// In bytes.
    pub async fn memory_request(&self, pod: &str) -> u64 {
        self.view(pod).await.containers[0].desired.requests.memory.unwrap().0
    }

    /// Action and type of each Event about an object, by time.
    pub async fn events(&self, about: &str) -> Vec<(String, String)> {
        let events = self.api::<Event>().list(&ListParams::default()).await.unwrap();
        let mut about: Vec<_> =
            events.items.into_iter().filter(|event| event.involved_object.name.as_deref() == Some(about)).collect();
        about.sort_by_key(|event| event.event_time.as_ref().map(|time| time.0));
        about.into_iter().map(|event| (event.action.unwrap(), event.type_.unwrap())).collect()
    }

    /// From now on the Pod uses so much CPU, and so many mebibytes.
    pub fn uses(&self, pod: &str, cpu: NanoCpu, mib: u64) {
        self.shared.lock().unwrap().usage.get_or_insert_default().insert(pod.to_owned(), (cpu, mib));
    }

    /// From now on the source is down.
    pub fn no_usage(&self) {
        self.shared.lock().unwrap().usage = None;
    }

    /// From now on requests to paths that end so are refused.
    pub fn refuse(&self, path: &str, code: u16, cause: &str, message: &str) {
        let causes = if cause.is_empty() { json!([]) } else { json!([{ "reason": cause }]) };
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "code": code, "reason": "", "message": message, "details": { "causes": causes },
        });
        self.shared.lock().unwrap().refusal = Some(Refusal { path: path.to_owned(), status });
    }

    /// From now on every watch shows what happens so late.
    pub fn delay_watches(&self, delay: Duration) {
        self.shared.lock().unwrap().watch_delay = delay;
    }

    /// From now on no write to a path that ends so is answered, or every one is.
    pub fn silence(&self, path: Option<&str>) {
        self.shared.lock().unwrap().silent = path.map(str::to_owned);
    }

    /// Whether the API server says that it serves `pods/resize`.
    pub fn serve_resize(&self, served: bool) {
        self.shared.lock().unwrap().without_resize = !served;
    }

    /// The Node's kubelet is of this version from now on.
    pub async fn kubelet_version(&self, node: &str, version: &str) {
        let mut info = json!({ "kubeletVersion": version });
        for field in [
            "architecture",
            "bootID",
            "containerRuntimeVersion",
            "kernelVersion",
            "kubeProxyVersion",
            "machineID",
            "operatingSystem",
            "osImage",
            "systemUUID",
        ] {
            info[field] = "".into();
        }
        let patch = Patch::Merge(json!({ "status": { "nodeInfo": info } }));
        Api::<Node>::all(self.user.clone()).patch_status(node, &PatchParams::default(), &patch).await.unwrap();
    }

    /// What the controller counts, as text.
    pub fn metrics(&self) -> String {
        self.metrics.text()
    }

    /// From now on nothing is refused.
    pub fn allow(&self) {
        self.shared.lock().unwrap().refusal = None;
    }

    /// The bodies of what the controller sent with this method to paths that end so.
    pub fn requests(&self, method: &str, path: &str) -> Vec<Value> {
        let shared = self.shared.lock().unwrap();
        let sent = shared.sent.iter().filter(|(sent, to, _)| sent == method && to.ends_with(path));
        sent.map(|(_, _, body)| body.clone()).collect()
    }

    /// All that the controller sent, reads apart.
    pub fn all_writes(&self) -> Vec<(String, String, Value)> {
        self.shared.lock().unwrap().sent.clone()
    }

    /// How many requests of the controller changed something.
    pub fn writes(&self) -> u64 {
        self.server.writes().iter().filter(|(key, _)| key.user == "tailor").map(|(_, count)| count).sum()
    }

    pub fn journal(&self) -> Vec<JournalEntry> {
        self.shared.lock().unwrap().journal.clone()
    }
}

fn policy(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "autoscaling.tailor.dev/v1alpha1",
        "kind": "VerticalResizePolicy",
        "metadata": { "name": name },
        "spec": spec,
    })
}

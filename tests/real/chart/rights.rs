//! The controller as the very ServiceAccount that the chart makes, and the API server's audit log of what it asked for.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::{
    apps::v1::Deployment,
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{ConfigMap, Pod, ReplicationController, ServiceAccount},
};
use kube::{
    Api, Client,
    api::{EvictParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tailor::{
    api::VerticalResizePolicy,
    resources::{Bytes, MilliCpu, Resources},
    sim::{
        kubelet::real::{self, NodeSpec, Options},
        load::Demand,
        real::{ControlPlane, ControlPlaneOptions},
    },
};
use tempfile::TempDir;

use super::{Helm, NAMESPACE, RELEASE, Right, folder, granted, objects};
use crate::{
    process::Tailor,
    support::{assets, until},
};

/// What is not brought about here, as group, resource and verb.
const EXCUSED: [(&str, &str, &str); 4] = [
    // An apply that makes an object needs this right, and the log shows the patch alone.
    ("autoscaling.tailor.dev", "verticalresizecheckpoints", "create"),
    // What was learnt is forgotten after two weeks.
    ("autoscaling.tailor.dev", "verticalresizecheckpoints", "delete"),
    // A Pod is read again after a resize was refused because it had changed meanwhile.
    ("", "pods", "get"),
    // The budget of evictions is empty for the first ten minutes. A test of its own shows that the right is the right one.
    ("", "pods/eviction", "create"),
];

/// A control plane that writes down what Tailor's account asks for.
struct Stage {
    plane: ControlPlane,
    helm: Helm,
    folder: TempDir,
}

impl Stage {
    async fn set() -> Option<Self> {
        let assets = assets(&["helm", "kube-controller-manager", "kube-scheduler"])?;
        let folder = tempfile::tempdir().unwrap();
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [
                { "level": "Metadata", "users": [format!("system:serviceaccount:{NAMESPACE}:{RELEASE}")] },
                { "level": "None" },
            ],
        });
        fs::write(folder.path().join("policy.json"), policy.to_string()).unwrap();
        let flag = |name: &str, file: &str| format!("--{name}={}", folder.path().join(file).display());
        let options = ControlPlaneOptions {
            controllers: true,
            scheduler: true,
            api_server_flags: vec![flag("audit-policy-file", "policy.json"), flag("audit-log-path", "audit.log")],
            ..ControlPlaneOptions::default()
        };
        let plane = ControlPlane::start(&assets, options).await.unwrap_or_else(|error| panic!("{error}"));
        let helm = Helm::on(&assets, &plane);
        Some(Self { plane, helm, folder })
    }

    /// Starts Tailor as the chart would, with a token of its account and its settings.
    async fn start_tailor(&self) -> Tailor {
        let maps: Api<ConfigMap> = Api::namespaced(self.plane.client(), NAMESPACE);
        let settings = maps.get(RELEASE).await.unwrap().data.unwrap().remove("tailor.yaml").unwrap();
        let file = self.folder.path().join("tailor.yaml");
        // Other tests may run at the same time.
        fs::write(&file, settings.replace("0.0.0.0:10250", "127.0.0.1:0")).unwrap();
        Tailor::start(&self.kubeconfig().await, &file)
    }

    async fn kubeconfig(&self) -> PathBuf {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.plane.client(), NAMESPACE);
        let request = TokenRequest { spec: Some(TokenRequestSpec::default()), ..TokenRequest::default() };
        let granted = accounts.create_token_request(RELEASE, &PostParams::default(), &request).await.unwrap();
        let mut config: Value = serde_json::from_slice(&fs::read(self.plane.kubeconfig()).unwrap()).unwrap();
        config["users"][0]["user"] = json!({ "token": granted.status.unwrap().token });
        let file = self.folder.path().join("kubeconfig");
        fs::write(&file, config.to_string()).unwrap();
        file
    }

    /// What it has asked for, and what of that was not its right.
    fn asked(&self) -> (BTreeSet<Right>, BTreeSet<Right>) {
        asked(&self.folder.path().join("audit.log"))
    }

    /// What the chart lets it do and it has not done yet, but for what is excused.
    fn unused(&self) -> BTreeSet<Right> {
        let granted = granted(&objects(&self.helm.does(&["get", "manifest", RELEASE])));
        let (asked, _) = self.asked();
        let excused = |(group, resource, verb): &Right| EXCUSED.contains(&(group, resource, verb));
        granted.difference(&asked).filter(|right| !excused(right)).cloned().collect()
    }
}

fn asked(log: &Path) -> (BTreeSet<Right>, BTreeSet<Right>) {
    let (mut asked, mut refused) = (BTreeSet::new(), BTreeSet::new());
    let log = fs::read_to_string(log).unwrap_or_default();
    // The last line may not be whole yet.
    for event in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let object = &event["objectRef"];
        let text = |key: &str| object[key].as_str().unwrap_or_default();
        let resource = match text("subresource") {
            "" => text("resource").to_owned(),
            subresource => format!("{}/{subresource}", text("resource")),
        };
        let right = (text("apiGroup").to_owned(), resource, event["verb"].as_str().unwrap().to_owned());
        if event["annotations"]["authorization.k8s.io/decision"] == "forbid" {
            refused.insert(right.clone());
        }
        if !object.is_null() {
            asked.insert(right);
        }
    }
    (asked, refused)
}

/// A Pod template whose container uses more memory than its limit, so that it is killed and needs more at once.
fn killed(app: &str) -> Value {
    let resources = json!({ "requests": { "cpu": "100m", "memory": "64Mi" }, "limits": { "memory": "64Mi" } });
    json!({
        "metadata": { "labels": { "app": app }, "annotations": { "sim.tailor.dev/memory": "100Mi" } },
        "spec": { "containers": [{ "name": "app", "image": "app:1", "resources": resources }] },
    })
}

async fn deploy(client: &Client, app: &str) {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "default");
    let deployment = json!({
        "metadata": { "name": app },
        "spec": { "replicas": 2, "selector": { "matchLabels": { "app": app } }, "template": killed(app) },
    });
    deployments.create(&PostParams::default(), &serde_json::from_value(deployment).unwrap()).await.unwrap();
}

async fn policy(client: &Client, strategy: &str, (api_version, kind, name): (&str, &str, &str)) {
    let policies: Api<VerticalResizePolicy> = Api::namespaced(client.clone(), "default");
    let policy = json!({
        "apiVersion": "autoscaling.tailor.dev/v1alpha1",
        "kind": "VerticalResizePolicy",
        "metadata": { "name": name },
        "spec": { "strategy": strategy, "targetRef": { "apiVersion": api_version, "kind": kind, "name": name } },
    });
    let policy: VerticalResizePolicy = serde_json::from_value(policy).unwrap();
    let apply = async || {
        let params = PatchParams::apply("test").force();
        policies.patch(name, &params, &Patch::Apply(&policy)).await.is_ok()
    };
    until("the new kind", apply).await;
}

/// Brings about what Tailor does to workloads: it resizes `web`, and asks how many Pods `old` should have.
async fn everything_happens(stage: &Stage) {
    let client = stage.plane.client();
    deploy(&client, "web").await;
    policy(&client, "InPlace", ("apps/v1", "Deployment", "web")).await;
    let controllers: Api<ReplicationController> = Api::namespaced(client.clone(), "default");
    let old =
        json!({ "metadata": { "name": "old" }, "spec": { "selector": { "app": "old" }, "template": killed("old") } });
    controllers.create(&PostParams::default(), &serde_json::from_value(old).unwrap()).await.unwrap();
    policy(&client, "InPlace", ("v1", "ReplicationController", "old")).await;
}

/// What it asked for, was refused, and never used of what the chart grants with `arguments`.
struct Run {
    asked: BTreeSet<Right>,
    refused: BTreeSet<Right>,
    unused: BTreeSet<Right>,
}

/// Lets everything happen, until nothing is unused.
async fn run(arguments: &[&str]) -> Option<Run> {
    let stage = Stage::set().await?;
    let size = Resources::new(MilliCpu(8_000), Bytes::mib(16_384));
    let demand = Demand { cpu: MilliCpu(50).nano(), memory: Bytes::mib(32) };
    let nodes = Options::new("sim", vec![NodeSpec::new("sim-1", size)], Arc::new(demand)).brisk();
    let _kubelets = real::spawn(stage.plane.client(), nodes).await.unwrap();
    let old = r#"rbac.scaleTargets=[{"apiGroup":"","resource":"replicationcontrollers"}]"#;
    stage.helm.upgrade(&[&["--set", "settings.sample-interval=1", "--set-json", old], arguments].concat());
    let mut tailor = stage.start_tailor().await;
    until("it is ready", async || matches!(tailor.says("/readyz").await, Some((200, _)))).await;
    everything_happens(&stage).await;
    // If it never comes true, the test says what is missing.
    let all_used = async {
        while !stage.unused().is_empty() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(60), all_used).await;
    assert!(tailor.terminate().success());
    let (asked, refused) = stage.asked();
    Some(Run { asked, refused, unused: stage.unused() })
}

#[tokio::test]
async fn the_controller_needs_no_right_that_the_chart_does_not_give_and_uses_each_that_it_gives() {
    let Some(Run { refused, unused, .. }) = run(&[]).await else { return };
    assert!(refused.is_empty(), "the chart must grant these too: {refused:#?}");
    assert!(unused.is_empty(), "nothing asked for these, so the chart should not grant them: {unused:#?}");
}

#[tokio::test]
async fn with_one_namespace_and_without_nodes_roles_are_enough() {
    let values = folder().join("ci/namespaced-values.yaml");
    let run = run(&["--values", values.to_str().unwrap()]).await;
    let Some(Run { asked, refused, unused }) = run else { return };
    assert!(refused.is_empty(), "the chart must grant these too: {refused:#?}");
    assert!(unused.is_empty(), "nothing asked for these, so the chart should not grant them: {unused:#?}");
    assert!(!asked.iter().any(|(_, resource, _)| resource == "nodes"));
}

#[tokio::test]
async fn tailor_may_evict_unless_pods_are_resized_in_place_only() {
    let Some(assets) = assets(&["helm"]) else { return };
    let plane = ControlPlane::start(&assets, ControlPlaneOptions::default()).await;
    let plane = plane.unwrap_or_else(|error| panic!("{error}"));
    let helm = Helm::on(&assets, &plane);
    let mut pod: Pod = serde_json::from_value(killed("web")).unwrap();
    pod.metadata.name = Some("web".into());
    let pods: Api<Pod> = Api::namespaced(plane.client(), "default");
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let account = format!("system:serviceaccount:{NAMESPACE}:{RELEASE}");
    let tailors: Api<Pod> = Api::namespaced(plane.client_as(&account, &["system:authenticated"]), "default");
    let post_options = PostParams { dry_run: true, ..PostParams::default() };
    let params = EvictParams { post_options, ..EvictParams::default() };

    helm.upgrade(&[]);
    until("it may evict", async || tailors.evict("web", &params).await.is_ok()).await;
    helm.upgrade(&["--set", "inPlaceOnly=true"]);
    let refused = async || match tailors.evict("web", &params).await {
        Err(kube::Error::Api(status)) => status.is_forbidden(),
        _ => false,
    };
    until("it may not", refused).await;
}

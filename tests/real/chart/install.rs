//! Helm installs, upgrades, tests and uninstalls on a real API server.

use std::{collections::BTreeSet, fs};

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        coordination::v1::Lease,
        core::v1::{Namespace, Pod},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Discovery, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
    discovery::verbs,
};
use serde_json::json;
use tailor::{
    api::VerticalResizePolicy,
    sim::real::{ControlPlane, ControlPlaneOptions},
};

use super::{Helm, NAMESPACE, RELEASE, folder, objects};
use crate::{
    process::Tailor,
    support::{assets, until},
};

async fn stage() -> Option<(ControlPlane, Helm)> {
    let assets = assets(&["helm"])?;
    let plane = ControlPlane::start(&assets, ControlPlaneOptions::default()).await;
    let plane = plane.unwrap_or_else(|error| panic!("{error}"));
    let helm = Helm::on(&assets, &plane);
    Some((plane, helm))
}

/// Every object in the cluster but Events, which end by themselves, as kind, namespace and name.
async fn everything(client: &Client) -> BTreeSet<String> {
    let discovery = Discovery::new(client.clone()).run().await.unwrap();
    let mut all = BTreeSet::new();
    for (resource, capabilities) in discovery.groups().flat_map(|group| group.recommended_resources()) {
        if resource.kind == "Event" || !capabilities.supports_operation(verbs::LIST) {
            continue;
        }
        let api: Api<kube::api::DynamicObject> = Api::all_with(client.clone(), &resource);
        for object in api.list_metadata(&ListParams::default()).await.unwrap() {
            let namespace = object.namespace().unwrap_or_default();
            all.insert(format!("{} {namespace}/{}", resource.kind, object.name_any()));
        }
    }
    all
}

fn web() -> VerticalResizePolicy {
    let policy = json!({
        "apiVersion": "autoscaling.tailor.dev/v1alpha1",
        "kind": "VerticalResizePolicy",
        "metadata": { "name": "web" },
        "spec": { "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" } },
    });
    serde_json::from_value(policy).unwrap()
}

#[tokio::test]
async fn an_upgrade_keeps_what_tailor_wrote_and_an_uninstall_leaves_definitions_and_policies_only() {
    let Some((plane, helm)) = stage().await else { return };
    let before = everything(&plane.client()).await;
    let notes = helm.upgrade(&[]);
    assert!(notes.contains("kubectl -n default get vrp web -w"), "{notes}");
    let policies: Api<VerticalResizePolicy> = Api::namespaced(plane.client(), "default");
    until("the new kind", async || policies.create(&PostParams::default(), &web()).await.is_ok()).await;

    let settings = tempfile::tempdir().unwrap();
    let file = settings.path().join("tailor.yaml");
    fs::write(&file, format!("leader-elect: true\nlease-namespace: {NAMESPACE}\nlease-name: {RELEASE}\n")).unwrap();
    let mut tailor = Tailor::start(plane.kubeconfig(), &file);
    let leases: Api<Lease> = Api::namespaced(plane.client(), NAMESPACE);
    let holder = async || leases.get(RELEASE).await.unwrap().spec.and_then(|spec| spec.holder_identity);
    until("it leads", async || holder().await.is_some()).await;
    let held = holder().await;
    helm.upgrade(&["--set", "replicaCount=3,settings.sample-interval=30,commonLabels.team=a"]);
    assert_eq!(holder().await, held);
    let deployments: Api<Deployment> = Api::namespaced(plane.client(), NAMESPACE);
    assert_eq!(deployments.get(RELEASE).await.unwrap().spec.replicas, Some(3));
    assert!(policies.get("web").await.is_ok());

    assert!(tailor.terminate().success());
    helm.does(&["uninstall", RELEASE]);
    let after = everything(&plane.client()).await;
    let left: Vec<_> = after.difference(&before).map(String::as_str).collect();
    let expected = |left: &&&str| {
        left.starts_with("CustomResourceDefinition /") && left.ends_with(".autoscaling.tailor.dev")
            // The API server's own entry for the definitions.
            || **left == "APIService /v1alpha1.autoscaling.tailor.dev"
            || **left == "VerticalResizePolicy default/web"
            || **left == format!("Namespace /{NAMESPACE}")
    };
    assert!(left.iter().all(|left| expected(&left)), "{left:?}");
    assert!(left.contains(&"VerticalResizePolicy default/web"), "{left:?}");
    // What stays is taken up again.
    helm.upgrade(&[]);
}

#[tokio::test]
async fn with_everything_on_the_api_server_takes_every_object_and_pod_security_the_pods() {
    let Some((plane, helm)) = stage().await else { return };
    let crds = assets(&["kube-schema"]).unwrap().path("schemas").join("crds");
    let definitions: Api<CustomResourceDefinition> = Api::all(plane.client());
    for file in fs::read_dir(crds).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let definition = serde_json::from_value(objects(&text).remove(0)).unwrap();
        definitions.create(&PostParams::default(), &definition).await.unwrap();
    }
    let established = async || {
        let all = definitions.list(&ListParams::default()).await.unwrap();
        all.into_iter().all(|definition| {
            let conditions = definition.status.and_then(|status| status.conditions).unwrap_or_default();
            conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True")
        })
    };
    until("the Prometheus operator's kinds", established).await;
    let namespaces: Api<Namespace> = Api::all(plane.client());
    let restricted = json!({
        "metadata": { "name": NAMESPACE, "labels": { "pod-security.kubernetes.io/enforce": "restricted" } },
    });
    namespaces.create(&PostParams::default(), &serde_json::from_value(restricted).unwrap()).await.unwrap();
    helm.upgrade(&["--values", folder().join("ci/everything-values.yaml").to_str().unwrap()]);

    let deployments: Api<Deployment> = Api::namespaced(plane.client(), NAMESPACE);
    let template = deployments.get("fitter").await.unwrap().spec.template;
    let mut pod: Pod = serde_json::from_value(serde_json::to_value(template).unwrap()).unwrap();
    pod.metadata.name = Some("fitter-0".into());
    let pods: Api<Pod> = Api::namespaced(plane.client(), NAMESPACE);
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    pods.create(&dry_run, &pod).await.unwrap();
    // It does look.
    pod.spec.as_mut().unwrap().host_network = Some(true);
    let refused = pods.create(&dry_run, &pod).await.unwrap_err().to_string();
    assert!(refused.contains("violates PodSecurity"), "{refused}");
}

#[tokio::test]
async fn helm_test_asks_whether_tailor_is_ready() {
    let Some((plane, helm)) = stage().await else { return };
    helm.upgrade(&[]);
    let settings = tempfile::tempdir().unwrap();
    let file = settings.path().join("tailor.yaml");
    fs::write(&file, "leader-elect: false\n").unwrap();
    let tailor = Tailor::start(plane.kubeconfig(), &file);
    let tested = tokio::task::spawn_blocking(move || helm.run(&["test", RELEASE, "--timeout", "60s"]));

    // There is no Node: what its kubelet would do is done here.
    let pods: Api<Pod> = Api::namespaced(plane.client(), NAMESPACE);
    let name = format!("{RELEASE}-test");
    until("the Pod of the test", async || pods.get_opt(&name).await.unwrap().is_some()).await;
    let arguments = pods.get(&name).await.unwrap().spec.unwrap().containers[0].args.clone().unwrap();
    let service = format!("http://{RELEASE}.{NAMESPACE}.svc:8080");
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.replace(&service, &tailor.url)).collect();
    assert!(arguments.iter().any(|argument| argument.starts_with(&tailor.url)), "{arguments:?}");
    let ended = tokio::process::Command::new(env!("CARGO_BIN_EXE_tailor")).args(&arguments).output().await.unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let status = json!({ "status": { "phase": "Succeeded" } });
    pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    let tested = tested.await.unwrap();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
}

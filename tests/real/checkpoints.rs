//! Checkpoints on a real API server: what the definition refuses, how kubectl shows them, and that a controller reads a
//! thousand of them, and writes its own.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tailor::{
    api::VerticalResizeCheckpoint,
    clock::Clock,
    controller::{Controller, NoJournal, Options, Parts, checkpoints, owners::WorkloadId},
    model::ContainerModel,
    resources::{Bytes, NanoCpu},
    sim::{api_server::rules::schema::Structural, real::ControlPlaneOptions},
    usage::{Error, Sample, UsageSource},
};
use tokio::sync::oneshot;

#[path = "../tables/checkpoints.rs"]
mod objects;

use crate::{
    support::{control_plane, until},
    wire::{JSON, create, install, install_definition, kubectl, send},
};
use kube::CustomResourceExt;
use objects::{bad_checkpoints, checkpoint};

const CHECKPOINTS: &str = "/apis/autoscaling.tailor.dev/v1alpha1/namespaces/default/verticalresizecheckpoints";

const MANY: usize = 1_000;

/// Nobody uses anything.
struct Silent;

#[async_trait::async_trait]
impl UsageSource for Silent {
    async fn samples(&self) -> Result<Vec<Sample>, Error> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn the_definition_refuses_and_shows_what_it_does_on_the_embedded_server() {
    let Some(plane) = control_plane(ControlPlaneOptions::default()).await else { return };
    assert_eq!(install(&plane, "verticalresizecheckpoints"), "");
    let client = plane.client();
    let embedded = Structural::from_crd(&VerticalResizeCheckpoint::crd(), "v1alpha1").unwrap();
    let good = create(&client, CHECKPOINTS, &checkpoint("deployment-web-1")).await;
    assert_eq!(good["spec"], checkpoint("a")["spec"]);
    let mut differences = Vec::new();
    for bad in bad_checkpoints() {
        let path = format!("{CHECKPOINTS}?fieldValidation=Strict&dryRun=All");
        let (_, real) = send(&client, Method::POST, &path, JSON, &bad.object).await;
        let here = embedded.admit(bad.object, None, true).unwrap_or_else(|status| json!(status));
        let is_refused = real["message"].as_str().is_some_and(|message| message.contains(bad.message));
        if !is_refused || real != here {
            differences.push(format!("{}:\n  real     {real}\n  embedded {here}", bad.what));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let (table, _) = kubectl(&plane, &["get", "vrc", "-o", "wide"]);
    let header = table.lines().next().unwrap().split("  ").map(str::trim).filter(|cell| !cell.is_empty());
    let expected = ["NAME", "KIND", "WORKLOAD", "NEWEST SAMPLE", "VERSION", "NOT BEFORE", "AGE"];
    assert_eq!(header.collect::<Vec<_>>(), expected, "{table}");
}

fn learnt(now: Timestamp) -> BTreeMap<String, ContainerModel> {
    let mut model = ContainerModel::new();
    for minute in 0..2_000_i32 {
        model.observe(&Sample {
            namespace: "default".to_owned(),
            pod: format!("web-{}", minute % 3),
            container: "app".to_owned(),
            at: now - SignedDuration::from_mins(i64::from(2_000 - minute)),
            cpu: Some(NanoCpu::from_cores(0.2 + 0.02 * f64::from(minute % 40))),
            memory: Some(Bytes::mib(100)),
            throttled: None,
            cpu_pressure: None,
            memory_pressure: None,
            oom_events: None,
        });
    }
    BTreeMap::from([("app".to_owned(), model)])
}

fn object(number: usize, models: &BTreeMap<String, ContainerModel>, now: Timestamp) -> Value {
    let id = WorkloadId::new("default", "apps/v1", "Deployment", &format!("web-{number}"));
    checkpoints::object_of(&id, models, now)
}

#[tokio::test]
async fn a_thousand_checkpoints_are_restored_in_less_than_a_second() {
    let Some(plane) = control_plane(ControlPlaneOptions::default()).await else { return };
    install_definition(&plane);
    install(&plane, "verticalresizecheckpoints");
    let client = plane.client();
    let now = Timestamp::now();
    let models = learnt(now);
    for number in 0..MANY {
        create(&client, CHECKPOINTS, &object(number, &models, now)).await;
    }
    let options = Options { checkpoints: true, ..Options::default() };
    let parts = Parts {
        client: client.clone(),
        source: Arc::new(Silent),
        clock: Clock::System,
        journal: Arc::new(NoJournal),
        options,
    };
    let began = Instant::now();
    let controller = Controller::new(parts);
    let health = controller.health();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(controller.run(async move { drop(stopped.await) }));
    until("the controller is ready", async || health.is_ready()).await;
    let took = began.elapsed();
    eprintln!("ready after {took:?} with {MANY} checkpoints");
    assert!(took < Duration::from_secs(1), "{took:?}");
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    let (table, _) = kubectl(&plane, &["get", "vrc", "--no-headers"]);
    assert_eq!(table.lines().count(), MANY);
}

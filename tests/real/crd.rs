//! The CustomResourceDefinition on a real API server: what it refuses, with which words, and how kubectl shows it. The
//! embedded API server must answer word for word the same.

use http::Method;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::{Client, CustomResourceExt};
use serde_json::{Value, json};
use tailor::{
    api::VerticalResizePolicy,
    sim::{
        api_server::rules::schema::Structural,
        real::{ControlPlane, ControlPlaneOptions},
    },
};

#[path = "../tables/policies.rs"]
mod policies;

use crate::{
    support::control_plane,
    wire::{APPLY, JSON, install_definition, kubectl, send},
};
use policies::{
    Bad, all_defaults, bad_specs, bad_statuses, everything, good_containers, good_status, nulls, policy, target,
};

const POLICIES: &str = "/apis/autoscaling.tailor.dev/v1alpha1/namespaces/default/verticalresizepolicies";

#[tokio::test]
async fn the_definition_does_on_a_real_server_what_it_does_on_the_embedded_one() {
    let Some(plane) = control_plane(ControlPlaneOptions::default()).await else { return };
    the_definition_is_taken_without_a_warning(&plane);
    let both = Both { client: plane.client(), embedded: embedded() };
    both.store_good_policies_alike().await;
    let mut differences = both.answers_to_bad_specs().await;
    differences.extend(both.answers_to_bad_statuses().await);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    the_status_is_written_apart_and_merged_by_condition(&both.client).await;
    kubectl_prints_the_columns(&plane);
    kubectl_explains_and_applies(&plane);
}

fn the_definition_is_taken_without_a_warning(plane: &ControlPlane) {
    assert_eq!(install_definition(plane), "");
    let name = "verticalresizepolicies.autoscaling.tailor.dev";
    let problem = "jsonpath={.status.conditions[?(@.type==\"NonStructuralSchema\")].message}";
    assert_eq!(kubectl(plane, &["get", "crd", name, "-o", problem]).0, "");
}

fn embedded() -> Structural {
    Structural::from_crd(&VerticalResizePolicy::crd(), "v1alpha1").unwrap()
}

/// One definition on two servers.
struct Both {
    client: Client,
    embedded: Structural,
}

impl Both {
    async fn create(&self, object: &Value) -> (u16, Value) {
        send(&self.client, Method::POST, &format!("{POLICIES}?fieldValidation=Strict&dryRun=All"), JSON, object).await
    }

    async fn store_good_policies_alike(&self) {
        let defaulted = [json!({ "targetRef": target() }), nulls()].map(|spec| (spec, all_defaults()));
        let containers = good_containers().into_iter().map(|container| {
            let spec = json!({ "selector": {}, "containers": [container] });
            let stored = self.embedded.admit(policy("good", &spec), None, true).unwrap();
            (spec, stored["spec"].clone())
        });
        let whole = (everything(), everything());
        for (spec, stored) in defaulted.into_iter().chain(containers).chain([whole]) {
            let (code, answer) = self.create(&policy("good", &spec)).await;
            assert_eq!((code, &answer["spec"]), (201, &stored), "{spec}: {answer}");
        }
    }

    async fn answers_to_bad_specs(&self) -> Vec<String> {
        let mut differences = Vec::new();
        for bad in bad_specs() {
            let object = policy("bad", &bad.part);
            let (_, answer) = self.create(&object).await;
            differences.extend(difference(&bad, &answer, self.embedded.admit(object, None, true)));
        }
        differences
    }

    async fn answers_to_bad_statuses(&self) -> Vec<String> {
        let mut differences = Vec::new();
        let (code, old) = send(&self.client, Method::POST, POLICIES, JSON, &policy("bad", &everything())).await;
        assert_eq!(code, 201, "{old}");
        for bad in bad_statuses() {
            let mut new = old.clone();
            new["status"] = bad.part.clone();
            let path = format!("{POLICIES}/bad/status?dryRun=All");
            let (_, answer) = send(&self.client, Method::PUT, &path, JSON, &new).await;
            differences.extend(difference(&bad, &answer, self.embedded.admit(new, Some(&old), false)));
        }
        differences
    }
}

/// What is wrong with the real server's refusal, or with the embedded one, which must say the same.
fn difference(bad: &Bad, real: &Value, embedded: Result<Value, Box<Status>>) -> Option<String> {
    let embedded = embedded.unwrap_or_else(|status| serde_json::to_value(status).unwrap());
    let message = real["message"].as_str().unwrap_or_default();
    let refused = real["kind"] == "Status" && message.contains(bad.message);
    (!refused || embedded != *real).then(|| format!("{}:\n  real     {real}\n  embedded {embedded}", bad.what))
}

async fn the_status_is_written_apart_and_merged_by_condition(client: &Client) {
    let path = format!("{POLICIES}/web");
    let mut object = policy("web", &json!({ "targetRef": target() }));
    object["status"] = good_status();
    let (code, stored) = send(client, Method::POST, POLICIES, JSON, &object).await;
    assert_eq!((code, &stored["status"]), (201, &Value::Null), "{stored}");

    let apply = async |manager: &str, status: Value| {
        let mut object = policy("web", &json!({ "strategy": "Off" }));
        object["status"] = status;
        let path = format!("{path}/status?fieldManager={manager}");
        send(client, Method::PATCH, &path, APPLY, &object).await
    };
    let (code, stored) = apply("tailor", good_status()).await;
    assert_eq!((code, &stored["status"]), (200, &good_status()), "{stored}");
    assert_eq!(stored["spec"], all_defaults(), "a status write changes no spec");
    assert_eq!(stored["metadata"]["generation"], 1);

    let mut other = good_status()["conditions"][0].clone();
    other["type"] = json!("Audited");
    let (code, stored) = apply("auditor", json!({ "conditions": [other] })).await;
    let types: Vec<_> = stored["status"]["conditions"].as_array().into_iter().flatten().map(|c| &c["type"]).collect();
    assert_eq!((code, json!(types)), (200, json!(["Ready", "Audited"])), "{stored}");
    let (code, refused) = apply("auditor", json!({ "observedGeneration": 2 })).await;
    assert_eq!((code, &refused["reason"]), (409, &json!("Conflict")), "{refused}");
}

fn kubectl_explains_and_applies(plane: &ControlPlane) {
    let (explained, _) = kubectl(plane, &["explain", "vrp"]);
    assert!(explained.contains("Fits the CPU and memory of a workload's running Pods to what they use"), "{explained}");
    let (explained, _) = kubectl(plane, &["explain", "vrp.spec"]);
    for description in ["How a recommendation reaches the Pods.", "When and how Pods are changed."] {
        assert!(explained.contains(description), "{explained}");
    }
    let (explained, _) = kubectl(plane, &["explain", "vrp.spec.update.minReplicas"]);
    assert!(explained.contains("FIELD: minReplicas <integer>"), "{explained}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    let write = |spec: Value| std::fs::write(&file, policy("kubectl", &spec).to_string()).unwrap();
    let apply = |flags: &[&str]| kubectl(plane, &[&["apply", "-f", file.to_str().unwrap()], flags].concat());
    let done = |what: &str| (format!("verticalresizepolicy.autoscaling.tailor.dev/kubectl {what}\n"), String::new());
    write(json!({ "targetRef": target() }));
    assert_eq!(apply(&[]), done("created"));
    assert_eq!(apply(&[]), done("unchanged"));
    write(json!({ "targetRef": target(), "strategy": "Initial" }));
    assert_eq!(apply(&[]), done("configured"));
    assert_eq!(apply(&["--server-side"]), done("serverside-applied"));
    let strategy = ["get", "vrp", "kubectl", "-o", "jsonpath={.spec.strategy} {.spec.update.minReplicas}"];
    assert_eq!(kubectl(plane, &strategy).0, "Initial 1");
}

fn kubectl_prints_the_columns(plane: &ControlPlane) {
    let columns = |flags: &[&str]| -> Vec<Vec<String>> {
        let (table, _) = kubectl(plane, &[&["get", "vrp", "web"], flags].concat());
        // Two blanks at least stand between columns; a header may hold one.
        let cells =
            |line: &str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
        table.lines().map(cells).collect()
    };
    let narrow = columns(&[]);
    assert_eq!(narrow[0], ["NAME", "STRATEGY", "TARGET", "CPU", "MEMORY", "READY", "AGE"]);
    assert_eq!(narrow[1][..6], ["web", "InPlaceOrRecreate", "web", "250m", "160Mi", "True"]);
    let wide = columns(&["-o", "wide"]);
    let more = ["OBJECTIVE", "PODS", "FITTED", "DEFERRED", "INFEASIBLE", "REASON", "LAST ACTION", "AGE"];
    assert_eq!(wide[0][6..], more);
    assert_eq!(wide[1][6..12], ["Balanced", "3", "2", "0", "0", "Fits"]);
}

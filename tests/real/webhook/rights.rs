//! The rights that docs/running.md lists suffice, and the probe believes nothing but the whole way.

use http::Method;
use kube::Client;
use serde_json::{Value, json};
use tailor::{plan::NewPods, sim::real::ControlPlaneOptions, webhook::rotation::Lives};

use super::{CONFIGURATIONS, configuration, configure, namespace, replica::Replica};
use crate::{
    support::{control_plane, until},
    wire::{create, send},
};

const USER: &str = "system:serviceaccount:tailor-system:tailor";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const JSON_PATCH: &str = "application/json-patch+json";

#[tokio::test]
async fn with_its_few_rights_it_keeps_certificates_and_knows_whether_new_pods_get_their_size() {
    let Some(plane) = control_plane(ControlPlaneOptions::default()).await else { return };
    let client = plane.client();
    namespace(&client, "tailor-system").await;
    // What the chart makes.
    create(&client, "/api/v1/namespaces/tailor-system/secrets", &named("tailor-webhook")).await;
    create(&client, "/apis/coordination.k8s.io/v1/namespaces/tailor-system/leases", &named("tailor")).await;
    grant(&client).await;
    let replica = Replica::start(&plane.client_as(USER, &["system:authenticated"]), Lives::default()).await;
    assert_eq!(replica.replacements.now(), NewPods::UnsizedNow, "nobody has asked yet");

    configure(&client, &configuration(&[replica.webhook.address])).await;
    let becomes = async |new_pods| {
        until(&format!("{new_pods:?}"), async || replica.replacements.now() == new_pods).await;
    };
    becomes(NewPods::Sized).await;
    let path = "/apis/coordination.k8s.io/v1/namespaces/tailor-system/leases/tailor";
    let (_, lease) = send(&client, Method::GET, path, "", &Value::Null).await;
    assert_eq!(lease["metadata"]["labels"], Value::Null, "the probe stores nothing");

    let url = |url: String| json!([{ "op": "replace", "path": "/webhooks/0/clientConfig/url", "value": url }]);
    let address = replica.webhook.address;
    change(&client, &url(format!("https://{address}/elsewhere"))).await;
    becomes(NewPods::UnsizedNow).await;
    change(&client, &url(format!("https://{address}/admit"))).await;
    becomes(NewPods::Sized).await;
    let (code, _) = send(&client, Method::DELETE, &format!("{CONFIGURATIONS}/tailor"), "", &Value::Null).await;
    assert_eq!(code, 200);
    becomes(NewPods::UnsizedNow).await;
}

fn named(name: &str) -> Value {
    json!({ "metadata": { "name": name } })
}

async fn change(client: &Client, patch: &Value) {
    let path = format!("{CONFIGURATIONS}/tailor");
    let (code, answer) = send(client, Method::PATCH, &path, JSON_PATCH, patch).await;
    assert_eq!(code, 200, "{answer}");
}

/// Rights to the three objects, and to nothing else.
async fn grant(client: &Client) {
    let rule = |group: &str, resource: &str, name: &str, verbs: &[&str]| json!({ "apiGroups": [group], "resources": [resource], "resourceNames": [name], "verbs": verbs });
    let subjects = json!([{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER }]);
    let configurations = rule(
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        "tailor",
        &["get", "list", "watch", "patch"],
    );
    let secrets = rule("", "secrets", "tailor-webhook", &["list", "watch", "update"]);
    let leases = rule("coordination.k8s.io", "leases", "tailor", &["update"]);
    let own = format!("{RBAC}/namespaces/tailor-system");
    for (path, kind, rules) in
        [(RBAC, "ClusterRole", json!([configurations])), (own.as_str(), "Role", json!([secrets, leases]))]
    {
        let role = json!({ "metadata": { "name": "tailor" }, "rules": rules });
        create(client, &format!("{path}/{}s", kind.to_lowercase()), &role).await;
        let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "tailor" });
        let binding = json!({ "metadata": { "name": "tailor" }, "roleRef": role, "subjects": subjects });
        create(client, &format!("{path}/{}bindings", kind.to_lowercase()), &binding).await;
    }
}

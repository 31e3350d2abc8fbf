//! Finding a Prometheus by its Service in a real API server.

use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::{Api, Client, api::PostParams};
use serde_json::json;
use tailor::{
    sim::real::ControlPlaneOptions,
    usage::{Error, prometheus::discovery::find},
};

use crate::support::control_plane;

async fn service(client: &Client, namespace: &str, name: &str, labels: &[(&str, &str)], port: (&str, i32)) {
    let space = json!({ "metadata": { "name": namespace } });
    let spaces: Api<Namespace> = Api::all(client.clone());
    if spaces.get_opt(namespace).await.unwrap().is_none() {
        spaces.create(&PostParams::default(), &serde_json::from_value(space).unwrap()).await.unwrap();
    }
    let labels: serde_json::Map<_, _> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    let service = json!({
        "metadata": { "name": name, "labels": labels },
        "spec": { "ports": [{ "name": port.0, "port": port.1 }] },
    });
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    services.create(&PostParams::default(), &serde_json::from_value(service).unwrap()).await.unwrap();
}

#[tokio::test]
async fn the_first_known_kind_of_service_is_taken_and_two_of_it_are_refused() {
    let Some(plane) = control_plane(ControlPlaneOptions::default()).await else { return };
    let client = plane.client();
    assert_eq!(find(&client, None).await.unwrap(), None);
    let vm = [("app.kubernetes.io/name", "vmselect")];
    service(&client, "vm", "vmselect", &vm, ("http", 8481)).await;
    assert_eq!(find(&client, None).await.unwrap().unwrap(), "http://vmselect.vm.svc:8481/select/0/prometheus");
    let stack = [("app", "kube-prometheus-stack-prometheus")];
    service(&client, "monitoring", "stack", &stack, ("http-web", 9090)).await;
    let found = "http://stack.monitoring.svc:9090";
    assert_eq!(find(&client, None).await.unwrap().unwrap(), found);
    service(&client, "other", "stack", &stack, ("http-web", 9090)).await;
    let error = find(&client, None).await.unwrap_err();
    assert!(
        matches!(error, Error::NoSource { .. }) && error.to_string().contains("http://stack.other.svc:9090"),
        "{error}"
    );
    assert_eq!(find(&client, Some("monitoring")).await.unwrap().unwrap(), found);
    assert_eq!(find(&client, Some("elsewhere")).await.unwrap(), None);

    let stranger = plane.client_as("stranger", &["system:authenticated"]);
    assert!(matches!(find(&stranger, None).await, Err(Error::Unreachable { .. })), "it may not list Services");
}

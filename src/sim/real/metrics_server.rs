//! metrics-server beside the control plane, and what makes the API server ask it for `metrics.k8s.io`.
//!
//! There is no cluster network, so the Service that the APIService names is an `ExternalName` of this machine, which the
//! API server resolves by itself as long as it does not route to endpoints.

use std::ffi::OsString;

use k8s_openapi::{api::core::v1::Service, kube_aggregator::pkg::apis::apiregistration::v1::APIService};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    Error,
    child::Program,
    site::{Site, flag, free_ports},
};

/// What the program, its user and its Service are called.
pub(super) const NAME: &str = "metrics-server";

/// Where the Service is.
const NAMESPACE: &str = "kube-system";

/// Who the API server says it is when it asks for somebody else.
const PROXY: &str = "front-proxy";

/// Makes the API server pass requests on, in the names of those who asked.
pub(super) fn api_server_flags(site: &Site) -> Result<Vec<OsString>, Error> {
    let (certificate, key) = site.write_user(PROXY)?;
    Ok(vec![
        flag("requestheader-client-ca-file", site.authority_file()),
        flag("requestheader-allowed-names", PROXY),
        flag("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
        flag("requestheader-group-headers", "X-Remote-Group"),
        flag("requestheader-username-headers", "X-Remote-User"),
        flag("proxy-client-cert-file", certificate),
        flag("proxy-client-key-file", key),
    ])
}

/// Starts it, and tells the API server where it is. It is served as soon as both know each other.
pub(super) async fn start(site: &Site, client: &Client) -> Result<Program, Error> {
    let [port] = free_ports()?;
    let kubeconfig = site.write_kubeconfig(NAME, Some("system:masters"))?;
    let flags = vec![
        flag("kubeconfig", &kubeconfig),
        flag("authentication-kubeconfig", &kubeconfig),
        flag("authorization-kubeconfig", &kubeconfig),
        flag("bind-address", "127.0.0.1"),
        flag("secure-port", port.to_string()),
        flag("cert-dir", site.path(NAME)),
        // The simulated Nodes serve on this machine, with certificates that nobody has signed.
        "--kubelet-insecure-tls".into(),
        "--kubelet-use-node-status-port".into(),
        flag("kubelet-preferred-address-types", "InternalIP"),
        // The shortest that it takes; it wants a scrape to be over before the next one.
        flag("metric-resolution", "10s"),
        flag("kubelet-request-timeout", "5s"),
    ];
    let program = site.start(NAME, flags)?;
    let unlikely = |error: kube::Error| Error::Client(Box::new(error));
    let params = PatchParams::apply("tailor-rig");
    let services: Api<Service> = Api::namespaced(client.clone(), NAMESPACE);
    services.patch(NAME, &params, &Patch::Apply(service(port))).await.map_err(unlikely)?;
    let registered: Api<APIService> = Api::all(client.clone());
    let name = "v1beta1.metrics.k8s.io";
    registered.patch(name, &params, &Patch::Apply(api_service(name, port))).await.map_err(unlikely)?;
    Ok(program)
}

fn service(port: u16) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": NAME },
        "spec": { "type": "ExternalName", "externalName": "localhost", "ports": [{ "name": "https", "port": port }] },
    })
}

fn api_service(name: &str, port: u16) -> Value {
    json!({
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": { "name": name },
        "spec": {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": true,
            "service": { "name": NAME, "namespace": NAMESPACE, "port": port },
        },
    })
}

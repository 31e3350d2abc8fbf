//! Requests as they go over the wire, so that answers can be compared as they come.

use http::{Method, Request};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use serde_json::Value;
use tailor::sim::real::ControlPlane;

/// The content type of most requests.
pub const JSON: &str = "application/json";
/// The content type of a merge patch.
pub const MERGE: &str = "application/merge-patch+json";
/// The content type of a server-side apply.
pub const APPLY: &str = "application/apply-patch+yaml";

/// The status code and the answer.
pub async fn send(client: &Client, method: Method, path: &str, kind: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
    let request = Request::builder().method(method).uri(path).header("Content-Type", kind);
    let response = client.send(request.body(Body::from(body)).unwrap()).await.unwrap();
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap())
}

/// Creates `object`, which must be taken.
pub async fn create(client: &Client, path: &str, object: &Value) -> Value {
    let (code, answer) = send(client, Method::POST, path, JSON, object).await;
    assert_eq!(code, 201, "{answer}");
    answer
}

/// Runs kubectl, which must succeed; what it wrote to standard output, and to standard error.
pub fn kubectl(plane: &ControlPlane, arguments: &[&str]) -> (String, String) {
    let output = plane.kubectl().args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "kubectl {arguments:?}: {stderr}");
    (stdout, stderr)
}

/// Installs the policy's definition, and waits until it is served; what the server warns of.
pub fn install_definition(plane: &ControlPlane) -> String {
    install(plane, "verticalresizepolicies")
}

/// Installs the definition of this plural.
pub fn install(plane: &ControlPlane, plural: &str) -> String {
    let file = format!("{}/crds/{plural}.yaml", env!("CARGO_MANIFEST_DIR"));
    let (_, warnings) = kubectl(plane, &["apply", "-f", &file]);
    let name = format!("crd/{plural}.autoscaling.tailor.dev");
    kubectl(plane, &["wait", "--for=condition=Established", "--timeout=60s", &name]);
    warnings
}

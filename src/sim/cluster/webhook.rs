//! The controller's admission as a webhook, for an API server that is another process.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::{
    Api, Client,
    api::{DynamicObject, PostParams},
    core::admission::{AdmissionRequest, AdmissionReview},
};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::{actuate::Admission, tls};

const NAME: &str = "sizes.tailor.dev";

/// Serves `admission` on a loopback port for as long as the task runs, and has the API server ask it about new Pods.
pub(super) async fn serve(
    client: Client,
    admission: Arc<Admission>,
) -> Result<JoinHandle<()>, Box<dyn std::error::Error + Send + Sync>> {
    let host = Ipv4Addr::LOCALHOST;
    let (tls, certificate) = tls::self_signed::<Box<dyn std::error::Error + Send + Sync>>([host.to_string()]).await?;
    let (listener, at) = tls::listen(host.into())?;
    let server = axum_server::from_tcp_rustls(listener, tls)?;
    let router = Router::new().route("/", post(review)).with_state(admission);
    let task = tokio::spawn(async move {
        if let Err(error) = server.serve(router.into_make_service()).await {
            tracing::error!(%error, "the admission webhook ended");
        }
    });
    register(client, at, &certificate).await?;
    Ok(task)
}

async fn review(
    State(admission): State<Arc<Admission>>,
    Json(review): Json<AdmissionReview<DynamicObject>>,
) -> Result<Json<AdmissionReview<DynamicObject>>, StatusCode> {
    let request: AdmissionRequest<DynamicObject> = review.try_into().map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(Json(admission.review(&request).into_review()))
}

async fn register(
    client: Client,
    at: SocketAddr,
    certificate: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let configuration: MutatingWebhookConfiguration = serde_json::from_value(json!({
        "metadata": { "name": NAME },
        "webhooks": [{
            "name": NAME,
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Ignore",
            "timeoutSeconds": 5,
            "clientConfig": { "url": format!("https://{at}/"), "caBundle": STANDARD.encode(certificate) },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"] }],
        }],
    }))
    .map_err(io::Error::other)?;
    Api::all(client).create(&PostParams::default(), &configuration).await?;
    Ok(())
}

//! The controller's admission as a webhook, for an API server that is another process.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::{Api, Client, api::PostParams};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    controller::Controller,
    tls,
    webhook::{
        certificates::for_oneself,
        reviews::{PATH, Reviews},
        server::{self, Bounds},
    },
};

const NAME: &str = "sizes.tailor.dev";

/// Serves `controller`'s admission on a loopback port for as long as the task runs, and has the API server ask it about
/// new Pods.
pub(super) async fn serve(
    client: Client,
    controller: &Controller,
) -> Result<JoinHandle<()>, Box<dyn std::error::Error + Send + Sync>> {
    tls::use_ring();
    let host = Ipv4Addr::LOCALHOST;
    let (shown, authority) = for_oneself(&host.to_string())?;
    let listener = TcpListener::bind((host, 0)).await?;
    let at = listener.local_addr()?;
    let reviews = Reviews {
        admission: controller.admission(),
        health: controller.health(),
        metrics: controller.metrics(),
        namespace: String::new(),
    };
    let task = tokio::spawn(async move {
        if let Err(error) = server::serve(listener, shown, Arc::new(reviews), Bounds::default()).await {
            tracing::error!(%error, "the admission webhook ended");
        }
    });
    register(client, at, &authority).await?;
    Ok(task)
}

async fn register(
    client: Client,
    at: SocketAddr,
    authority: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let configuration: MutatingWebhookConfiguration = serde_json::from_value(json!({
        "metadata": { "name": NAME },
        "webhooks": [{
            "name": NAME,
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Ignore",
            "timeoutSeconds": 5,
            "clientConfig": { "url": format!("https://{at}{PATH}"), "caBundle": STANDARD.encode(authority) },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"] }],
        }],
    }))
    .map_err(io::Error::other)?;
    Api::all(client).create(&PostParams::default(), &configuration).await?;
    Ok(())
}

//! HTTP/1.1 over TCP, in front of the API server's door.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use axum::{Router, body::Body, extract::Request, response::Response, serve::ListenerExt};
use futures::StreamExt;
use http::{HeaderMap, header, uri::Authority};
use http_body_util::{BodyStream, StreamBody};
use kube::config::Kubeconfig;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tower::{Service, service_fn};

use super::Error;
use crate::sim::{
    api_server::{AnswerBody, ApiServer, Door, refusal},
    user,
};

/// The largest body of a request, as on the real server.
const LARGEST_BODY: usize = 3 * 1024 * 1024;
/// What the kubeconfig calls cluster, user and context.
const CONTEXT: &str = "tailor";

/// An API server that is being served. Dropped or stopped, it is served no longer.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    stopped: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Serves `server` on a loopback address; port 0 takes any that is free. Every client is the cluster's one user.
///
/// # Errors
/// The address is not one of the loopback, or cannot be listened on.
pub async fn spawn(server: &ApiServer, address: SocketAddr) -> Result<Served, Error> {
    if !address.ip().is_loopback() {
        return Err(Error::NotLoopback { address });
    }
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (stopped, stop) = watch::channel(false);
    let door = server.door(user::NAME).with_warnings();
    let answers = stop.clone();
    let service = service_fn(move |request| answer(door.clone(), request, answers.clone()));
    // An event of a watch is a small packet that nobody wants to wait for.
    let listener = listener.tap_io(|connection| _ = connection.set_nodelay(true));
    let serving = axum::serve(listener, Router::new().fallback_service(service)).with_graceful_shutdown(until(stop));
    let task = tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the API is served no longer");
        }
    });
    Ok(Served { address, stopped, task })
}

impl Served {
    /// Where it is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How kubectl and client libraries find it, as YAML.
    pub fn kubeconfig(&self) -> String {
        let address = self.address;
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {CONTEXT}\nclusters:\n- name: {CONTEXT}\n  cluster: {{server: \
             \"http://{address}\"}}\nusers:\n- name: {CONTEXT}\n  user: {{}}\ncontexts:\n- name: {CONTEXT}\n  context: \
             {{cluster: {CONTEXT}, user: {CONTEXT}, namespace: default}}\n"
        )
    }

    /// A client of it over HTTP.
    ///
    /// # Errors
    /// kube refuses the configuration.
    pub async fn client(&self) -> Result<kube::Client, kube::Error> {
        let failed = |error: kube::config::KubeconfigError| kube::Error::Service(Box::new(error));
        let kubeconfig = Kubeconfig::from_yaml(&self.kubeconfig()).map_err(failed)?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.map_err(failed)?;
        kube::Client::try_from(config)
    }

    /// Ends all watches, answers what has been asked, and closes every connection.
    pub async fn stop(self) {
        self.stopped.send_replace(true);
        // It does not fail, and is not cancelled by others.
        _ = self.task.await;
    }
}

/// Resolves when serving is to end: when told so, or when nobody could tell any more.
async fn until(mut stop: watch::Receiver<bool>) {
    _ = stop.wait_for(|stopped| *stopped).await;
}

async fn answer(mut door: Door, request: Request, stop: watch::Receiver<bool>) -> Result<Response, Infallible> {
    let (parts, body) = request.into_parts();
    if !names_loopback(&parts.headers) {
        let message = "the Host header does not name a loopback address";
        return Ok(refusal(403, "Forbidden", message).map(Body::new));
    }
    let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
        let message = format!("Request entity too large: limit is {LARGEST_BODY}");
        return Ok(refusal(413, "RequestEntityTooLarge", &message).map(Body::new));
    };
    let answer = door.call(Request::from_parts(parts, body.into())).await?;
    Ok(answer.map(|body| ending(body, stop)))
}

/// A web page that had its own name resolve to the loopback address could otherwise use the API from a browser.
fn names_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host.and_then(|host| host.parse::<Authority>().ok()) else { return false };
    let host = host.host().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A body that ends when serving does, as that of a watch would not by itself.
fn ending(body: AnswerBody, stop: watch::Receiver<bool>) -> Body {
    Body::new(StreamBody::new(BodyStream::new(body).take_until(until(stop))))
}

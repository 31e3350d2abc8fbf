//! What the kubelets serve over HTTPS: for each Node a port of its own, with usage for metrics-server and Prometheus.
//!
//! Nothing is asked of who reads: there is nothing in it but made-up usage, and the address is loopback unless the user
//! says otherwise.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use axum_server::{Handle, tls_rustls::RustlsConfig};

use super::{
    driver::{SharedMachine, locked},
    exposition,
    scrape::NodeReading,
};
use crate::{clock::Clock, tls};

/// Why endpoints cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No certificate could be made.
    #[error("cannot make a certificate for the kubelets' endpoints")]
    Certificate(#[from] rcgen::Error),
    /// TLS refuses it.
    #[error("cannot set up TLS for the kubelets' endpoints")]
    Tls(#[from] io::Error),
}

/// Where the kubelet of each Node listens; clones are the same list.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses(Arc<Mutex<BTreeMap<String, SocketAddr>>>);

impl Addresses {
    pub(super) fn all(&self) -> BTreeMap<String, SocketAddr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, SocketAddr>)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The servers of all Nodes that are played. They end when this is dropped.
pub(super) struct Endpoints {
    machine: SharedMachine,
    clock: Clock,
    address: IpAddr,
    tls: RustlsConfig,
    addresses: Addresses,
    servers: BTreeMap<String, Handle<SocketAddr>>,
}

impl Endpoints {
    /// Servers to be opened on `address`, all with one certificate that nobody has signed.
    pub(super) async fn new(machine: SharedMachine, clock: Clock, address: IpAddr) -> Result<Self, Error> {
        let (tls, _) = tls::self_signed::<Error>([address.to_string(), "localhost".to_owned()]).await?;
        Ok(Self { machine, clock, address, tls, addresses: Addresses::default(), servers: BTreeMap::new() })
    }

    pub(super) fn addresses(&self) -> Addresses {
        self.addresses.clone()
    }

    /// Opens a port for a Node. One that gets none is played all the same.
    pub(super) fn open(&mut self, node: &str) -> Option<SocketAddr> {
        match self.listen(node) {
            Ok(at) => Some(at),
            Err(error) => {
                tracing::error!(%error, node, "no port for the kubelet's metrics: nobody can read this Node's usage");
                None
            }
        }
    }

    fn listen(&mut self, node: &str) -> io::Result<SocketAddr> {
        let (listener, at) = tls::listen(self.address)?;
        let view = View { machine: self.machine.clone(), clock: self.clock, node: node.into() };
        let handle = Handle::new();
        let server = axum_server::from_tcp_rustls(listener, self.tls.clone())?.handle(handle.clone());
        tokio::spawn(server.serve(view.router().into_make_service()));
        self.addresses.change(|all| _ = all.insert(node.to_owned(), at));
        self.servers.insert(node.to_owned(), handle);
        Ok(at)
    }

    pub(super) fn close(&mut self, node: &str) {
        self.addresses.change(|all| _ = all.remove(node));
        if let Some(handle) = self.servers.remove(node) {
            handle.shutdown();
        }
    }
}

impl Drop for Endpoints {
    fn drop(&mut self) {
        self.servers.values().for_each(Handle::shutdown);
    }
}

/// One Node, seen from outside.
#[derive(Clone)]
struct View {
    machine: SharedMachine,
    clock: Clock,
    node: Arc<str>,
}

impl View {
    fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/metrics/resource", get(|State(view): State<Self>| async move { view.page(exposition::resource) }))
            .route("/metrics/cadvisor", get(|State(view): State<Self>| async move { view.page(exposition::cadvisor) }))
            .with_state(self)
    }

    fn page(&self, write: fn(&NodeReading) -> String) -> impl IntoResponse + use<> {
        let reading = locked(&self.machine).reading(&self.node, self.clock.now());
        match reading {
            Some(reading) => Ok(([(http::header::CONTENT_TYPE, exposition::CONTENT_TYPE)], write(&reading))),
            None => Err((StatusCode::NOT_FOUND, "this Node is not played any more\n")),
        }
    }
}

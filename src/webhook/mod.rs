//! Admission as a webhook of this process: an HTTPS [`server`] that answers [`reviews`] of new Pods, with a
//! certificate that Tailor keeps itself ([`keeper`], [`rotation`]) or that others do ([`files`]), and a [`probe`] that
//! says whether it works, without which nothing is evicted for its size.
//!
//! All replicas serve it, leader or not: they know the same.

pub mod certificates;
pub mod files;
pub mod keeper;
pub mod probe;
pub mod reviews;
pub mod rotation;
pub mod server;

use std::{io, net::SocketAddr, sync::Arc};

use kube::Client;
use tokio::{net::TcpListener, task::JoinSet};

use self::{
    certificates::Shown,
    files::Files,
    keeper::{Keeper, Objects},
    probe::Probe,
    reviews::Reviews,
    server::Bounds,
};
use crate::{clock::Clock, controller::Controller, tls};

/// What it waits for until it is ready, in [`Health`](crate::telemetry::health::Health).
const LISTENER: &str = "the webhook does not listen yet";

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Tailor makes it, and has the API server trust it.
    Own(Objects),
    /// Somebody else does both.
    Files(Files),
}

/// What the operator chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Tailor's own namespace.
    pub namespace: String,
    /// The Lease there that the probe asks with.
    pub lease: String,
    /// The MutatingWebhookConfiguration that the probe is about.
    pub configuration: String,
    /// Where the certificate comes from.
    pub source: Source,
    /// What bounds the server.
    pub bounds: Bounds,
}

/// Why there is no webhook.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be had.
    #[error("cannot listen on {address}; see --webhook-listen")]
    Listen {
        /// Which one.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The files are of no use.
    #[error("cannot use the files of --webhook-certificate and --webhook-key")]
    Files(#[source] certificates::Error),
}

/// The webhook, being served. It ends when it is dropped.
#[derive(Debug)]
pub struct Webhook {
    /// Where it listens.
    pub address: SocketAddr,
    _tasks: JoinSet<()>,
}

/// Serves the controller's admission, and tells the controller whether it works.
///
/// # Errors
/// The address cannot be had, or the files not be used.
pub async fn start(controller: &Controller, client: Client, clock: Clock, options: Options) -> Result<Webhook, Error> {
    tls::use_ring();
    let (health, metrics) = (controller.health(), controller.metrics());
    health.waits_for(LISTENER);
    let failed = |source| Error::Listen { address: options.listen, source };
    let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let mut tasks = JoinSet::new();
    let shown = Arc::new(Shown::default());
    match options.source {
        Source::Own(objects) => {
            let told = keeper::Told { shown: Arc::clone(&shown), metrics: Arc::clone(&metrics) };
            tasks.spawn(Keeper::new(client.clone(), objects, clock, told).run());
        }
        Source::Files(files) => {
            let pair = files.show(&shown, &metrics).await.map_err(Error::Files)?;
            tasks.spawn(files.follow(pair, Arc::clone(&shown), Arc::clone(&metrics)));
        }
    }
    let probe = Probe::new(client, &options.namespace, &options.lease, &options.configuration);
    let (replacements, counted) = (controller.replacements(), Arc::clone(&metrics));
    tasks.spawn(async move { probe.run(&replacements, &counted).await });
    let reviews =
        Reviews { admission: controller.admission(), health: health.clone(), metrics, namespace: options.namespace };
    tasks.spawn(async move {
        if let Err(error) = server::serve(listener, shown, Arc::new(reviews), options.bounds).await {
            tracing::error!(%error, "the webhook is not served any more");
        }
    });
    health.has(LISTENER);
    Ok(Webhook { address, _tasks: tasks })
}

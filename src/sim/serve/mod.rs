//! Opens the embedded cluster to real clients: kubectl, client libraries, and whatever else speaks HTTP.
//!
//! [`spawn`] serves an [`ApiServer`](super::api_server::ApiServer) on a loopback address. A [`Playground`] is a whole
//! cluster behind it, in which time passes as it does outside, or faster (`pace`).

mod http;
pub(super) mod pace;
mod playground;

use std::{io, net::SocketAddr};

pub use http::{Served, spawn};
pub use playground::{Playground, runtime};

use super::cluster;

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others than the machine's own users could reach it.
    #[error(
        "{address} is not a loopback address, and whoever reaches the embedded API server may do anything with it; \
         serve it on 127.0.0.1:{port} or [::1]:{port}", port = .address.port()
    )]
    NotLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address is taken, or may not be used.
    #[error("cannot listen on {address}; choose another port, or 0 for any that is free")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The cluster behind it does not start, or has ended.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

//! Opens the embedded cluster to real clients: kubectl, client libraries, and whatever else speaks HTTP.
//!
//! [`spawn`] serves an [`ApiServer`](super::api_server::ApiServer) on a loopback address, and is all that a test needs.

mod http;

use std::{io, net::SocketAddr};

pub use http::{Served, spawn};

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
}

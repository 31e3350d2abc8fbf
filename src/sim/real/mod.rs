//! A real control plane as child processes: etcd, kube-apiserver and, if asked for, kube-controller-manager and
//! kube-scheduler and metrics-server, on free loopback ports with certificates of their own. There are no Nodes; the simulated kubelets
//! can play them. And a Prometheus, if asked for.
//!
//! The programs are those that `make rig` builds, or the user's own ([`Assets`]). They end with the value that started
//! them: when it is dropped, when its thread panics, and when its process is killed.

mod assets;
mod certificates;
mod child;
mod control_plane;
mod metrics_server;
mod prometheus;
mod site;

use std::{io, path::PathBuf, time::Duration};

pub use self::{
    assets::Assets,
    certificates::{Authority, Pair},
    control_plane::{ControlPlane, ControlPlaneOptions},
    prometheus::{PrometheusOptions, PrometheusServer, backfill},
};

/// Why there is no control plane.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder that the user names does not have a program in it.
    #[error("KUBEBUILDER_ASSETS names {}, which has no program {program}; run `make rig`, or unset it", folder.display())]
    Incomplete {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        program: &'static str,
    },
    /// A program that was asked for is not there.
    #[error("there is no {program} in {}; `make rig` builds it", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        program: &'static str,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A file could not be written, a port not be had, or a program not be started.
    #[error("cannot {doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why not.
        source: io::Error,
    },
    /// A client could not be made from our own kubeconfig.
    #[error("cannot make a client for the API server")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A program ended.
    #[error("{program} ended by itself; the end of its log:\n{log}")]
    Ended {
        /// Which one.
        program: &'static str,
        /// The end of what it wrote.
        log: String,
    },
    /// Something did not come up in time.
    #[error("{what} is not ready after {after:?}; the end of the log of {program}:\n{log}")]
    NotReady {
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
        /// Whose log is shown.
        program: &'static str,
        /// The end of what it wrote.
        log: String,
    },
}

impl Error {
    fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { doing: doing.into(), source }
    }
}

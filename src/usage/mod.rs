//! Where usage comes from.
//!
//! A [`UsageSource`] answers with [`Sample`]s and decides nothing. Absent is not zero: a source leaves out what it has
//! not measured, and answers [`enum@Error`] when it could not look.

pub mod average;
pub mod failover;
pub mod metrics_api;
pub mod prometheus;
pub mod trace;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::resources::{Bytes, NanoCpu};

/// What one container used, as measured once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// The Pod's namespace.
    pub namespace: String,
    /// The Pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// The end of the interval that `cpu` is the average of, and the moment of `memory`.
    pub at: Timestamp,
    /// Average CPU over the interval that ends at `at`.
    pub cpu: Option<NanoCpu>,
    /// Memory working set at `at`, or its peak over the interval where the source knows it.
    pub memory: Option<Bytes>,
    /// Share of CFS periods in which the container was throttled, 0 to 1, where the source knows it.
    pub throttled: Option<f64>,
    /// Share of the time in which the container had work and got no CPU, 0 to 1, where the source knows it.
    pub cpu_pressure: Option<f64>,
    /// Share of the time in which all of the container's work waited for memory, 0 to 1, where the source knows it.
    pub memory_pressure: Option<f64>,
    /// How many of the container's processes were killed for memory in the interval, where the source knows it. One
    /// that is not the container's first leaves no trace in the Pod's status.
    pub oom_events: Option<u32>,
}

impl Sample {
    /// Without what it tells of CPU: the CPU of a start says nothing about that of the time after it.
    #[must_use]
    pub fn without_cpu(self) -> Self {
        Self { cpu: None, throttled: None, cpu_pressure: None, ..self }
    }
}

/// Why a source could not answer.
#[derive(Debug, Error)]
pub enum Error {
    /// The server could not be reached, or answered with an error.
    #[error("cannot read usage from {source_name}; check that it is up and that its address is right")]
    Unreachable {
        /// Which server.
        source_name: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server answered something else than usage.
    #[error("usage from {source_name} cannot be understood: {problem}")]
    Malformed {
        /// Which server.
        source_name: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// The server does not want to answer, or cannot.
    #[error("{source_name} refuses to tell usage: {problem}")]
    Refused {
        /// Which server.
        source_name: String,
        /// What it says.
        problem: String,
    },
    /// Nobody says which server to ask.
    #[error("it is not known where to read usage: {problem}")]
    NoSource {
        /// What was looked for, and what to do.
        problem: String,
    },
    /// The server answered that there is nothing. That is an outage of whoever feeds it, and not idleness.
    #[error("{source_name} answers, but knows of no container's use: {problem}")]
    Blind {
        /// Which server.
        source_name: String,
        /// What may be the reason.
        problem: String,
    },
    /// The answer is larger than Tailor reads, however it is asked.
    #[error("usage from {source_name} is more than may be read: {problem}")]
    TooLarge {
        /// Which server.
        source_name: String,
        /// Which bound, and what to do.
        problem: String,
    },
    /// The source did not answer, nor the one that answers in its place.
    #[error("{first}; {second}")]
    Neither {
        /// Why the source itself did not.
        first: Box<Error>,
        /// Why the other one did not.
        second: Box<Error>,
    },
}

/// That a source does not answer, and another one does in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The one that answers.
    pub source_name: String,
    /// Since when.
    pub since: Timestamp,
    /// Why not the other one.
    pub why: String,
}

/// Something that knows what containers use.
#[async_trait]
pub trait UsageSource: Send + Sync {
    /// The newest sample of every container that the source knows, in any order.
    async fn samples(&self) -> Result<Vec<Sample>, Error>;

    /// Whether the last samples came from another source in place of this one.
    fn fallback(&self) -> Option<Fallback> {
        None
    }

    /// What it would have answered at each sample interval after `from` and up to `until`, the oldest first. `None` if
    /// it has no memory. All is held in memory at once, so ask for an hour or a few at a time.
    async fn history(&self, _from: Timestamp, _until: Timestamp) -> Result<Option<Vec<Sample>>, Error> {
        Ok(None)
    }
}

//! Logs, on standard error: text for people, JSON for collectors.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A filter that cannot be understood, or a second start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a filter.
    #[error("cannot understand the log filter `{filter}`; write a level, or `tailor=debug,kube=warn`")]
    Filter {
        /// As it was given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logs were started before.
    #[error("logs are started already")]
    Started(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What is logged by default: of a watch that breaks we tell ourselves, and once.
pub const DEFAULT: &str = "info,kube_runtime::watcher=error";

/// Starts logging what passes `filter`, such as `info` or `tailor=debug`.
///
/// # Errors
/// When `filter` is none, or logs were started before.
pub fn start(format: LogFormat, filter: &str) -> Result<(), Error> {
    let filter = EnvFilter::try_new(filter).map_err(|source| Error::Filter { filter: filter.to_owned(), source })?;
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
    .map_err(Error::Started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_told_with_its_cure() {
        let error = start(LogFormat::Text, "tailor=loud").unwrap_err();
        assert!(error.to_string().contains("`tailor=loud`; write a level"), "{error}");
    }
}

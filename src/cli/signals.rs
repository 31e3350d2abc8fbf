//! Being told to end.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// Resolves at Ctrl-C and when the process is asked to end. Both are listened for from now on. Must be called inside a
/// tokio runtime.
pub(super) fn told_to_end() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for the signal to end")?;
    Ok(async move {
        tokio::select! {
            biased;
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

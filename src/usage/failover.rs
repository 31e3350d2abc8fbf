//! Two sources, of which the second answers while the first does not.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Error, Fallback, Sample, UsageSource};
use crate::clock::Clock;

/// The second takes over when the first has failed so often in a row: a restart or a lost query is no reason.
const TAKES_OVER_AFTER: u32 = 3;

/// How long the first may take while the second answers, so that asking it holds nothing up.
const PROBED_FOR: Duration = Duration::from_secs(10);

/// Asks the first source always, and the second from the moment the first fails, so that it knows the last minutes by
/// the time it takes over. The first takes back as soon as it answers. An answer without any sample is none.
pub struct Failover {
    first: Arc<dyn UsageSource>,
    second: Arc<dyn UsageSource>,
    second_name: String,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    fallback: Option<Fallback>,
}

impl Failover {
    /// Begins with the first. The second is called `second_name` in messages.
    pub fn new(first: Arc<dyn UsageSource>, second: Arc<dyn UsageSource>, second_name: &str, clock: Clock) -> Self {
        Self { first, second, second_name: second_name.to_owned(), clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the first source answers, or why it does not.
    async fn first(&self) -> Result<Vec<Sample>, Error> {
        let is_replaced = self.state().fallback.is_some();
        let answer = if is_replaced {
            let late = |elapsed: tokio::time::error::Elapsed| Error::Unreachable {
                source_name: "the first source of usage".to_owned(),
                source: elapsed.into(),
            };
            tokio::time::timeout(PROBED_FOR, self.first.samples()).await.map_err(late).flatten()?
        } else {
            self.first.samples().await?
        };
        if answer.is_empty() {
            let problem = "it answered with no sample".to_owned();
            return Err(Error::Malformed { source_name: "the first source of usage".to_owned(), problem });
        }
        Ok(answer)
    }
}

#[async_trait]
impl UsageSource for Failover {
    async fn samples(&self) -> Result<Vec<Sample>, Error> {
        let first = match self.first().await {
            Ok(samples) => {
                if self.state().fallback.is_some() {
                    tracing::info!("usage comes from the first source again");
                }
                *self.state() = State::default();
                return Ok(samples);
            }
            Err(first) => first,
        };
        let second = self.second.samples().await;
        let now = self.clock.now();
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        match second {
            Ok(samples) if state.failures >= TAKES_OVER_AFTER && !samples.is_empty() => {
                if state.fallback.is_none() {
                    let (source, error) = (&self.second_name, &first as &dyn std::error::Error);
                    tracing::warn!(source, error, "usage comes from the second source");
                }
                let since = state.fallback.as_ref().map_or(now, |fallback| fallback.since);
                let (source_name, why) = (self.second_name.clone(), first.to_string());
                state.fallback = Some(Fallback { source_name, since, why });
                Ok(samples)
            }
            Ok(_) => Err(first),
            Err(second) if state.failures >= TAKES_OVER_AFTER => {
                state.fallback = None;
                Err(Error::Neither { first: Box::new(first), second: Box::new(second) })
            }
            Err(_) => Err(first),
        }
    }

    async fn history(&self, from: Timestamp, until: Timestamp) -> Result<Option<Vec<Sample>>, Error> {
        self.first.history(from, until).await
    }

    fn fallback(&self) -> Option<Fallback> {
        self.state().fallback.clone()
    }
}

#[cfg(test)]
mod tests;

//! Usage from a Prometheus-compatible server (Prometheus, Thanos, Mimir, VictoriaMetrics).
//!
//! A reading is one instant query for each [`Queries`] that is not empty, however many Pods there are: two tell of use,
//! the others of shortage. When an answer passes a bound ([`Caps`]), the queries are split by Pod (`shards`), and stay
//! so until the parts are small again. All are asked for the same moment, and one that fails fails the reading: half of
//! what is known is not what is known.

mod answer;
mod body;
mod connection;
pub mod discovery;
mod history;
mod queries;
mod samples;
mod shards;

use std::{
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use prometheus_http_query::Client;
use strum::IntoEnumIterator;

pub use self::{
    answer::Caps,
    connection::{Access, ClientFiles},
    queries::{
        BY, CPU_PRESSURE_QUERY, CPU_QUERY, Labels, MEMORY_PRESSURE_QUERY, MEMORY_QUERY, OOM_QUERY, Queries, SELECTOR,
        THROTTLED_QUERY, WINDOW,
    },
};
use self::{
    answer::{Answer, Bound, Kind, Problem},
    connection::Connection,
    queries::{Filling, Signal},
    samples::{Join, Moments},
    shards::{MOST_SHARDS, Shard},
};
use super::{Error, Sample, UsageSource};
use crate::clock::Clock;

/// A value whose time is further than this from the one that was asked for, in seconds, is no sample: a cache between
/// here and the server answered, or clocks differ.
const STALE_AFTER: i64 = 300;

/// How many queries are on their way at once: the server has others to serve.
const AT_ONCE: usize = 3;

/// How long a whole reading, or one piece of history, may take, however many queries it is split into.
const READING_MAY_TAKE: Duration = Duration::from_secs(100);

/// Parts whose fullest is emptier than this are put together again.
const SPARSE: f64 = 0.2;

/// What is asked, how, and how much is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The PromQL.
    pub queries: Queries,
    /// How the labels are called.
    pub labels: Labels,
    /// More matchers for [`SELECTOR`].
    pub matchers: String,
    /// What stands for [`WINDOW`]. At least two scrapes must fall into it.
    pub window: Duration,
    /// How long a query may take.
    pub timeout: Duration,
    /// How far apart the samples of [`UsageSource::history`] are, in whole seconds.
    pub step: Duration,
    /// How much is read of one answer.
    pub caps: Caps,
    /// What the server asks of who reads it.
    pub access: Access,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queries: Queries::default(),
            labels: Labels::default(),
            matchers: String::new(),
            window: Duration::from_mins(2),
            timeout: Duration::from_secs(30),
            step: Duration::from_mins(1),
            caps: Caps::default(),
            access: Access::default(),
        }
    }
}

/// A Prometheus-compatible server.
pub struct Prometheus {
    connection: Connection,
    queries: Queries,
    filling: Filling,
    step: i64,
    caps: Caps,
    clock: Clock,
    /// Into how many parts queries are split now.
    shards: AtomicUsize,
    /// Into how many at least, for the server itself refused fewer.
    least_shards: AtomicUsize,
    /// What was last said of answers that lack something.
    told: Mutex<String>,
}

impl Prometheus {
    /// The server at `url`. A TLS provider must have been installed.
    ///
    /// # Errors
    /// When `url` or a label is none, a file of [`Access`] cannot be used, or TLS cannot be set up.
    pub fn new(url: &str, settings: Settings, clock: Clock) -> Result<Self, Error> {
        let Settings { queries, labels, matchers, window, timeout, step, caps, access } = settings;
        if let Some(problem) = labels.problem() {
            return Err(Error::NoSource { problem });
        }
        if queries.of(Signal::Cpu).or(queries.of(Signal::Memory)).is_none() {
            return Err(Error::NoSource { problem: "there is neither a query for CPU nor one for memory".to_owned() });
        }
        Ok(Self {
            connection: Connection::new(url, access, timeout)?,
            queries,
            filling: Filling { labels, matchers, window },
            step: i64::try_from(step.as_secs()).unwrap_or(i64::MAX).max(1),
            caps,
            clock,
            shards: AtomicUsize::new(1),
            least_shards: AtomicUsize::new(1),
            told: Mutex::default(),
        })
    }

    /// Into how many parts queries are split now.
    pub fn shards(&self) -> usize {
        self.shards.load(Ordering::Relaxed)
    }

    /// Asks for all signals at `moments`, split into `shards`.
    async fn read(&self, moments: Moments, shards: usize) -> Result<Read, Stop> {
        let (client, headers) = (self.connection.client()?, self.connection.headers()?);
        let asks = Signal::iter().filter_map(|signal| Some((signal, self.queries.of(signal)?)));
        let asks = asks.flat_map(|(signal, query)| {
            let shards = if queries::is_divisible(query) { shards } else { 1 };
            Shard::all(shards).map(move |shard| (signal, self.filling.fill(query, shard)))
        });
        let asks: Vec<_> = asks.collect();
        let mut answers = stream::iter(asks)
            .map(|(signal, query)| {
                let (client, headers) = (client.clone(), headers.clone());
                async move { Ok::<_, Stop>((signal, self.ask(client, headers, &query, moments).await?)) }
            })
            .buffered(AT_ONCE);
        let mut read = Read::new(moments);
        while let Some((signal, answer)) = answers.try_next().await? {
            let Answer { series, unlabelled, warnings, fullness } = answer;
            read.warnings.extend(warnings);
            read.unlabelled += unlabelled;
            read.fullness = read.fullness.max(fullness);
            if !series.is_empty() {
                read.found.push(signal);
            }
            read.join.add(signal, series);
        }
        Ok(read)
    }

    /// Sends one query and reads the answer.
    async fn ask(&self, client: Client, headers: HeaderMap, query: &str, moments: Moments) -> Result<Answer, Stop> {
        // The server gives up when nobody waits any more.
        let patience = i64::try_from(self.connection.timeout().as_millis()).unwrap_or(i64::MAX);
        let kind = if moments.count == 1 { Kind::Vector } else { Kind::Matrix };
        let sent = if kind == Kind::Vector {
            let query = client.query(query).at(moments.first).timeout(patience);
            with(headers, query, |query, (name, value)| query.header(name, value)).post_raw().await
        } else {
            #[expect(clippy::cast_precision_loss, reason = "a step is no longer than an hour")]
            let query = client.query_range(query, moments.first, moments.last(), moments.step as f64).timeout(patience);
            with(headers, query, |query, (name, value)| query.header(name, value)).post_raw().await
        };
        let mut response = sent.map_err(|error| self.connection.unreachable(error))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(self.refused("it sends Tailor elsewhere, which is not followed; check the URL").into());
        }
        let (feed, body) = body::channel();
        let (labels, caps) = (self.filling.labels.clone(), self.caps);
        let reader = tokio::task::spawn_blocking(move || answer::read(body, kind, &labels, caps));
        while let Some(part) = response.chunk().await.transpose() {
            let is_broken = part.is_err();
            // Who has read enough does not listen any more.
            if feed.send(part.map_err(io::Error::other)).await.is_err() || is_broken {
                break;
            }
        }
        drop(feed);
        let read = reader.await.map_err(|error| self.connection.unreachable(error))?;
        self.judge(status, read, query)
    }

    fn judge(&self, status: StatusCode, read: Result<Answer, Problem>, query: &str) -> Result<Answer, Stop> {
        match read {
            Ok(answer) if status.is_success() => Ok(answer),
            Err(Problem::TooLarge(bound)) if status.is_success() => Err(Stop::TooLarge(bound)),
            Err(Problem::Refused(text)) if asks_too_much(&text) => Err(Stop::TooLarge(Bound::Servers)),
            Err(Problem::Refused(text)) => Err(self.refused(&format!("{text} (to `{query}`)")).into()),
            Err(Problem::Malformed(problem)) if status.is_success() => {
                let problem = format!("{problem} (to `{query}`)");
                Err(Error::Malformed { source_name: self.connection.name().to_owned(), problem }.into())
            }
            Err(Problem::Broken(error)) => Err(self.connection.unreachable(error).into()),
            Ok(_) | Err(Problem::Malformed(_) | Problem::TooLarge(_)) => {
                let hint = match status {
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "check the token, certificate and headers",
                    StatusCode::NOT_FOUND => "there is no query API at this address; check the path in the URL",
                    _ => "see the server's log",
                };
                Err(self.refused(&format!("{status}; {hint}")).into())
            }
        }
    }

    fn refused(&self, problem: &str) -> Error {
        Error::Refused { source_name: self.connection.name().to_owned(), problem: problem.to_owned() }
    }

    /// Says once what answers lack, and once that they lack nothing any more.
    fn tell(&self, read: &Read) {
        let mut lack: Vec<_> = read.warnings.first().map(|text| format!("it warns: {text}")).into_iter().collect();
        for (signal, name) in [(Signal::Cpu, "CPU"), (Signal::Memory, "memory")] {
            if !read.found.contains(&signal) && self.queries.of(signal).is_some() && !read.found.is_empty() {
                lack.push(format!("the query for {name} finds nothing"));
            }
        }
        let lack = lack.join("; ");
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != lack {
            let server = self.connection.name();
            if lack.is_empty() {
                tracing::info!(%server, "usage is complete again");
            } else {
                tracing::warn!(%server, %lack, "usage is incomplete; nothing that is missing is lowered");
            }
            *told = lack;
        }
    }

    /// Splits further, if that helps.
    fn split(&self, shards: usize, bound: Bound) -> Result<usize, Error> {
        let mut queries = Signal::iter().filter_map(|signal| self.queries.of(signal));
        let problem = if shards >= MOST_SHARDS {
            format!("a {MOST_SHARDS}th of an answer passes {bound}; raise --prometheus-max-series, or ask for less")
        } else if let Some(query) = queries.find(|query| !queries::is_divisible(query)) {
            format!("an answer passes {bound}, and `{query}` has no {SELECTOR} to split it by")
        } else {
            self.shards.store(shards * 2, Ordering::Relaxed);
            if bound == Bound::Servers {
                self.least_shards.store(shards * 2, Ordering::Relaxed);
            }
            tracing::info!(server = self.connection.name(), %bound, shards = shards * 2, "queries are split");
            return Ok(shards * 2);
        };
        Err(Error::TooLarge { source_name: self.connection.name().to_owned(), problem })
    }

    async fn sample(&self) -> Result<Vec<Sample>, Error> {
        let first = self.clock.now().as_second();
        let moments = Moments { first, step: self.step, count: 1, slack: STALE_AFTER };
        let mut shards = self.shards();
        let read = loop {
            match self.read(moments, shards).await {
                Ok(read) => break read,
                Err(Stop::TooLarge(bound)) => shards = self.split(shards, bound)?,
                Err(Stop::Failed(error)) => return Err(error),
            }
        };
        self.tell(&read);
        if shards > self.least_shards.load(Ordering::Relaxed) && read.fullness < SPARSE {
            self.shards.store(shards / 2, Ordering::Relaxed);
        }
        if read.join.count() == 0 {
            return Err(Error::Blind { source_name: self.connection.name().to_owned(), problem: self.why(&read) });
        }
        Ok(read.join.into_samples())
    }

    /// Why a server that answers may know nothing.
    fn why(&self, Read { join, unlabelled, .. }: &Read) -> String {
        let Labels { namespace, pod, container } = &self.filling.labels;
        if join.elsewhen > 0 {
            format!("its values are not of now but of more than {STALE_AFTER} s before or after; compare the clocks")
        } else if join.odd > 0 {
            "its values are NaN, infinite, negative, or more than any machine has".to_owned()
        } else if *unlabelled > 0 {
            format!(
                "{unlabelled} series lack the labels {namespace}, {pod} and {container}; see --prometheus-pod-label and \
                 those beside it"
            )
        } else {
            format!(
                "no query found a series of the last {:?}; check that it scrapes /metrics/cadvisor of the kubelets, at \
                 least twice in that time, and what the queries say",
                self.filling.window
            )
        }
    }

    async fn in_time<T>(&self, reading: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let read = tokio::time::timeout(READING_MAY_TAKE, reading).await;
        read.unwrap_or_else(|late| Err(self.connection.unreachable(late)))
    }
}

/// All answers of one reading.
struct Read {
    join: Join,
    unlabelled: usize,
    /// How much of what may be read the largest answer took.
    fullness: f64,
    /// The signals that are there at all.
    found: Vec<Signal>,
    /// Why something may be missing.
    warnings: Vec<String>,
}

impl Read {
    fn new(moments: Moments) -> Self {
        Self { join: Join::new(moments), unlabelled: 0, fullness: 0.0, found: Vec::new(), warnings: Vec::new() }
    }
}

/// Why a reading ended early.
enum Stop {
    TooLarge(Bound),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Adds headers to a query.
fn with<Q>(headers: HeaderMap, query: Q, mut add: impl FnMut(Q, (http::HeaderName, http::HeaderValue)) -> Q) -> Q {
    let mut name = None;
    headers.into_iter().fold(query, |query, (next, value)| {
        // Only the first of several values of a header comes with its name.
        name = next.or_else(|| name.take());
        let name = name.clone().expect("the first header has a name");
        add(query, (name, value))
    })
}

/// Whether the server refuses because it would have to look at too much, and not because the query is wrong. The words
/// are Prometheus' and Thanos' (`too many samples`), Mimir's (`exceeded the maximum`) and VictoriaMetrics' (`-search.max…`).
fn asks_too_much(text: &str) -> bool {
    ["too many samples", "exceeded maximum resolution", "exceeded the maximum", "exceeds the limit", "-search.max"]
        .iter()
        .any(|words| text.contains(words))
}

#[async_trait]
impl UsageSource for Prometheus {
    async fn samples(&self) -> Result<Vec<Sample>, Error> {
        self.in_time(self.sample()).await
    }

    async fn history(&self, from: Timestamp, until: Timestamp) -> Result<Option<Vec<Sample>>, Error> {
        self.in_time(self.recall(from, until)).await.map(Some)
    }
}

#[cfg(test)]
mod tests;

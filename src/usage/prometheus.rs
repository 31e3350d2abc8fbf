//! Usage from a Prometheus-compatible server (Prometheus, Thanos, Mimir, VictoriaMetrics).
//!
//! Three instant queries, of which one is optional; each answers with series labelled `namespace`, `pod`, `container`.
//! The queries are the operator's: nothing that users of the cluster write ever becomes part of one.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use futures::future::try_join3;
use jiff::Timestamp;
use prometheus_http_query::{Client, response::InstantVector};

use super::{Error, Sample, UsageSource};
use crate::resources::{Bytes, NanoCpu};

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// CPU in cores, averaged over two minutes. Twins of a series (two scrapers) count once.
pub const CPU_QUERY: &str = "sum by (namespace, pod, container) (max by (namespace, pod, container, cpu) \
    (rate(container_cpu_usage_seconds_total{container!=\"\",container!=\"POD\"}[2m])))";

/// The highest working set of the last two minutes, in bytes.
pub const MEMORY_QUERY: &str = "max by (namespace, pod, container) \
    (max_over_time(container_memory_working_set_bytes{container!=\"\",container!=\"POD\"}[2m]))";

/// The share of CFS periods that were throttled.
pub const THROTTLED_QUERY: &str = "max by (namespace, pod, container) \
    (rate(container_cpu_cfs_throttled_periods_total{container!=\"\"}[2m]) \
    / rate(container_cpu_cfs_periods_total{container!=\"\"}[2m]))";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queries {
    /// CPU in cores.
    pub cpu: String,
    /// Memory in bytes.
    pub memory: String,
    /// Throttled share, 0 to 1, if it is wanted.
    pub throttled: Option<String>,
}

impl Default for Queries {
    fn default() -> Self {
        Self { cpu: CPU_QUERY.to_owned(), memory: MEMORY_QUERY.to_owned(), throttled: Some(THROTTLED_QUERY.to_owned()) }
    }
}

/// A Prometheus-compatible server.
pub struct Prometheus {
    client: Client,
    name: String,
    queries: Queries,
}

impl Prometheus {
    /// The server at `url`. A TLS provider must have been installed.
    ///
    /// # Errors
    /// When `url` is none, or TLS cannot be set up.
    pub fn new(url: &str, queries: Queries) -> Result<Self, Error> {
        let name = format!("Prometheus at {url}");
        let unreachable =
            |source: Box<dyn std::error::Error + Send + Sync>| Error::Unreachable { source_name: name.clone(), source };
        // Redirects are off: the server's answer must not choose whom Tailor talks to.
        let http = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build();
        let http = http.map_err(|error| unreachable(error.into()))?;
        let client = Client::from(http, url).map_err(|error| unreachable(error.into()))?;
        Ok(Self { client, name, queries })
    }

    async fn ask(&self, query: Option<&String>) -> Result<Vec<InstantVector>, Error> {
        let Some(query) = query else { return Ok(Vec::new()) };
        let answer = self.client.query(query).post().await;
        let answer =
            answer.map_err(|source| Error::Unreachable { source_name: self.name.clone(), source: Box::new(source) })?;
        answer.into_inner().0.into_vector().map_err(|_| Error::Malformed {
            source_name: self.name.clone(),
            problem: format!("`{query}` must answer with a vector"),
        })
    }
}

#[async_trait]
impl UsageSource for Prometheus {
    async fn samples(&self) -> Result<Vec<Sample>, Error> {
        let Queries { cpu, memory, throttled } = &self.queries;
        let answers = try_join3(self.ask(Some(cpu)), self.ask(Some(memory)), self.ask(throttled.as_ref())).await?;
        let samples = join(answers);
        if samples.is_empty() {
            let problem = "neither query found a series labelled namespace, pod and container; check that cAdvisor is \
                           scraped and what --prometheus-cpu-query and --prometheus-memory-query say";
            return Err(Error::Malformed { source_name: self.name.clone(), problem: problem.to_owned() });
        }
        Ok(samples)
    }
}

type Container = (String, String, String);

/// One sample per container. NaN, infinite and negative values are absent, of twins the larger counts.
fn join((cpu, memory, throttled): (Vec<InstantVector>, Vec<InstantVector>, Vec<InstantVector>)) -> Vec<Sample> {
    let mut samples: BTreeMap<Container, Sample> = BTreeMap::new();
    fill(&mut samples, &cpu, |sample, cores| sample.cpu = sample.cpu.max(Some(NanoCpu::from_cores(cores))));
    fill(&mut samples, &memory, |sample, bytes| sample.memory = sample.memory.max(Some(whole_bytes(bytes))));
    // A share alone is no sample.
    let mut shares = samples.clone();
    fill(&mut shares, &throttled, |sample, share| {
        sample.throttled = Some(sample.throttled.unwrap_or(0.0).max(share.min(1.0)));
    });
    shares.retain(|container, _| samples.contains_key(container));
    shares.into_values().collect()
}

fn fill(samples: &mut BTreeMap<Container, Sample>, series: &[InstantVector], mut note: impl FnMut(&mut Sample, f64)) {
    for vector in series {
        let label = |name: &str| vector.metric().get(name).filter(|value| !value.is_empty()).cloned();
        let (Some(namespace), Some(pod), Some(container)) = (label("namespace"), label("pod"), label("container"))
        else {
            continue;
        };
        let (value, Some(at)) = (vector.sample().value(), time(vector.sample().timestamp())) else { continue };
        if !value.is_finite() || value < 0.0 {
            continue;
        }
        let sample = samples.entry((namespace, pod, container)).or_insert_with_key(|(namespace, pod, container)| {
            let (namespace, pod, container) = (namespace.clone(), pod.clone(), container.clone());
            Sample { namespace, pod, container, at, cpu: None, memory: None, throttled: None }
        });
        sample.at = sample.at.max(at);
        note(sample, value);
    }
}

fn time(seconds: f64) -> Option<Timestamp> {
    let since = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
    Timestamp::from_duration(since).ok()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to int casts saturate")]
fn whole_bytes(bytes: f64) -> Bytes {
    Bytes(bytes.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn series(pod: &str, value: &str) -> Value {
        json!({ "metric": { "namespace": "shop", "pod": pod, "container": "app" }, "value": [1_800_000_000.5, value] })
    }

    fn vectors(series: &[Value]) -> Vec<InstantVector> {
        serde_json::from_value(series.into()).unwrap()
    }

    fn joined(cpu: &[Value], memory: &[Value], throttled: &[Value]) -> Vec<Sample> {
        join((vectors(cpu), vectors(memory), vectors(throttled)))
    }

    #[test]
    fn the_answers_become_one_sample_per_container() {
        let samples = joined(
            &[series("b", "0.25"), series("a", "1.5")],
            &[series("a", "1048575.5")],
            &[series("a", "0.5"), series("ghost", "0.1")],
        );
        let [a, b] = &samples[..] else { panic!("{samples:?}") };
        assert_eq!((a.cpu, a.memory, a.throttled), (Some(NanoCpu(1_500_000_000)), Some(Bytes(1_048_576)), Some(0.5)));
        assert_eq!((b.cpu, b.memory, b.throttled), (Some(NanoCpu(250_000_000)), None, None));
        assert_eq!(a.at, Timestamp::constant(1_800_000_000, 500_000_000));
    }

    #[test]
    fn what_is_no_measurement_is_absent_and_not_zero() {
        let odd = ["NaN", "+Inf", "-1"].map(|value| series("a", value));
        assert_eq!(joined(&odd, &odd, &odd), []);
        let unlabelled = json!({ "metric": { "namespace": "shop", "pod": "a" }, "value": [1.0, "1"] });
        let empty = json!({ "metric": { "namespace": "shop", "pod": "a", "container": "" }, "value": [1.0, "1"] });
        assert_eq!(joined(&[unlabelled, empty], &[], &[]), []);
    }

    #[test]
    fn of_twins_the_larger_counts() {
        let samples = joined(&[series("a", "0.2"), series("a", "0.3"), series("a", "0.1")], &[], &[]);
        assert_eq!(samples.len(), 1);
        assert_eq!(samples[0].cpu, Some(NanoCpu(300_000_000)));
    }
}

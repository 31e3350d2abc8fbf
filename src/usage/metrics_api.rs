//! Usage from `metrics.k8s.io` (metrics-server): what every cluster has, with no history and no throttling.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use serde::Deserialize;

use super::{Error, Sample, UsageSource, average::Averages};
use crate::{
    api::Period,
    clock::Clock,
    resources::{Bytes, NanoCpu},
};

/// Who answers, for messages.
pub const NAME: &str = "metrics.k8s.io";

/// A sample older than this says nothing about now: metrics-server keeps the last one of a Node that is away.
const STALE_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a window is taken to be that is not told, as metrics-server is set up by default.
const USUAL_WINDOW: SignedDuration = SignedDuration::from_mins(1);

/// The metrics API of a cluster. CPU is averaged over two minutes, as from Prometheus.
pub struct MetricsApi {
    client: Client,
    clock: Clock,
    path: String,
    averages: Mutex<Averages>,
}

impl MetricsApi {
    /// Reads the Pods of `namespace`, or of all.
    pub fn new(client: Client, clock: Clock, namespace: Option<&str>) -> Self {
        let scope = namespace.map_or_else(String::new, |namespace| format!("/namespaces/{namespace}"));
        Self { client, clock, path: format!("/apis/metrics.k8s.io/v1beta1{scope}/pods"), averages: Mutex::default() }
    }
}

#[async_trait]
impl UsageSource for MetricsApi {
    async fn samples(&self) -> Result<Vec<Sample>, Error> {
        let unreachable = |source| Error::Unreachable { source_name: NAME.to_owned(), source };
        let request = Request::get(&self.path).body(Vec::new()).map_err(|error| unreachable(error.into()))?;
        let answer = tokio::time::timeout(PATIENCE, self.client.request_text(request)).await;
        let text = answer.map_err(|error| unreachable(error.into()))?.map_err(|error| unreachable(error.into()))?;
        let now = self.clock.now();
        let mut averages = self.averages.lock().unwrap_or_else(PoisonError::into_inner);
        averages.forget(now);
        let mut samples = parse(&text, now)?;
        samples.iter_mut().for_each(|(sample, window)| averages.widen(sample, *window));
        Ok(samples.into_iter().map(|(sample, _)| sample).collect())
    }
}

#[derive(Deserialize)]
struct List {
    items: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct PodMetrics {
    metadata: Metadata,
    timestamp: Timestamp,
    window: Option<serde_json::Value>,
    containers: Vec<ContainerMetrics>,
}

#[derive(Deserialize)]
struct Metadata {
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct ContainerMetrics {
    name: String,
    usage: Usage,
}

#[derive(Deserialize)]
struct Usage {
    cpu: Option<String>,
    memory: Option<String>,
}

/// Reads a list of PodMetrics, each sample with the window that its CPU is over. A Pod that cannot be understood is left out; an amount that cannot is absent.
fn parse(text: &str, now: Timestamp) -> Result<Vec<(Sample, SignedDuration)>, Error> {
    let malformed =
        |problem: serde_json::Error| Error::Malformed { source_name: NAME.to_owned(), problem: problem.to_string() };
    let list: List = serde_json::from_str(text).map_err(malformed)?;
    let pods = list.items.into_iter().filter_map(|item| serde_json::from_value::<PodMetrics>(item).ok());
    let fresh = pods.filter(|pod| now.duration_since(pod.timestamp) <= STALE_AFTER);
    Ok(fresh.flat_map(samples_of).collect())
}

fn samples_of(pod: PodMetrics) -> impl Iterator<Item = (Sample, SignedDuration)> {
    let PodMetrics { metadata: Metadata { namespace, name }, timestamp, window, containers } = pod;
    let window = window.and_then(|window| serde_json::from_value::<Period>(window).ok());
    let window = window.map_or(USUAL_WINDOW, Period::signed);
    let samples = containers.into_iter().map(move |container| Sample {
        namespace: namespace.clone(),
        pod: name.clone(),
        container: container.name,
        at: timestamp,
        cpu: container.usage.cpu.and_then(|cpu| cpu.parse::<NanoCpu>().ok()),
        memory: container.usage.memory.and_then(|memory| memory.parse::<Bytes>().ok()),
        ..Sample::default()
    });
    samples.filter(|sample| sample.cpu.is_some() || sample.memory.is_some()).map(move |sample| (sample, window))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    const AT: &str = "2026-01-01T00:00:00Z";

    fn pod(name: &str, usage: &Value) -> Value {
        json!({
            "metadata": { "namespace": "shop", "name": name, "labels": {} },
            "timestamp": AT,
            "window": "15s",
            "containers": [{ "name": "app", "usage": usage }],
        })
    }

    fn parsed(items: &[Value], minutes: i64) -> Vec<Sample> {
        let now = AT.parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes);
        let samples = parse(&json!({ "kind": "PodMetricsList", "items": items }).to_string(), now).unwrap();
        samples.into_iter().map(|(sample, _)| sample).collect()
    }

    #[test]
    fn amounts_are_read_as_finely_as_they_come() {
        let samples = parsed(&[pod("web-0", &json!({ "cpu": "1234567n", "memory": "2Mi" }))], 0);
        let [sample] = &samples[..] else { panic!("{samples:?}") };
        assert_eq!((sample.cpu, sample.memory), (Some(NanoCpu(1_234_567)), Some(Bytes::mib(2))));
        assert_eq!(sample.at, AT.parse().unwrap());
    }

    #[test]
    fn what_is_odd_is_absent_and_spoils_nothing_else() {
        let pods = [
            pod("a", &json!({ "cpu": "-1", "memory": "1Mi" })),
            pod("b", &json!({ "cpu": "many", "memory": null })),
            json!({ "metadata": {} }),
            pod("c", &json!({ "cpu": "1" })),
        ];
        let samples = parsed(&pods, 0);
        let seen: Vec<_> = samples.iter().map(|s| (s.pod.as_str(), s.cpu.is_some(), s.memory.is_some())).collect();
        assert_eq!(seen, [("a", false, true), ("c", true, false)]);
    }

    #[rstest]
    #[case::as_metrics_server_writes_it(json!("14.997s"), SignedDuration::from_millis(14_997))]
    #[case::minutes(json!("1m0.5s"), SignedDuration::from_millis(60_500))]
    #[case::not_told(Value::Null, USUAL_WINDOW)]
    #[case::odd(json!(["soon"]), USUAL_WINDOW)]
    fn the_window_is_read_and_spoils_nothing(#[case] window: Value, #[case] read: SignedDuration) {
        let mut pod = pod("a", &json!({ "cpu": "1" }));
        pod["window"] = window;
        let samples = parse(&json!({ "items": [pod] }).to_string(), AT.parse().unwrap()).unwrap();
        assert_eq!(samples.iter().map(|(_, window)| *window).collect::<Vec<_>>(), [read]);
    }

    #[test]
    fn stale_samples_are_left_out() {
        let pods = [pod("a", &json!({ "cpu": "1" }))];
        assert_eq!(parsed(&pods, 5).len(), 1);
        assert_eq!(parsed(&pods, 6).len(), 0);
    }

    #[test]
    fn an_answer_that_is_no_list_is_an_error_and_not_idleness() {
        for text in ["", "[]", "{\"kind\":\"Status\"}"] {
            assert!(matches!(parse(text, Timestamp::UNIX_EPOCH), Err(Error::Malformed { .. })), "{text}");
        }
    }
}

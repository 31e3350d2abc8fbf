//! Metrics as kubelets serve them, in Prometheus' text format.
//!
//! Names, labels and timestamps: k8s.io/kubernetes v1.37 `pkg/kubelet/metrics/collectors/resource_metrics.go`, and
//! cAdvisor v0.60 `metrics/prometheus.go` with the labels that the kubelet adds.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::scrape::{ContainerReading, NodeReading, PodReading};
use crate::resources::{Bytes, MilliCpu, QosClass};

/// The `Content-Type` of the format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The length of a CFS period in microseconds.
const CFS_PERIOD: f64 = 100_000.0;
/// CFS periods in a second.
const PERIODS_PER_SECOND: f64 = 10.0;

/// What is measured: a container, a Pod with all that it had, or a whole Node.
struct Cgroup<'a> {
    labels: String,
    cpu: f64,
    memory: Bytes,
    container: Option<&'a ContainerReading>,
}

struct Metric {
    name: &'static str,
    is_counter: bool,
    help: &'static str,
    /// Whether its values say of which moment they are.
    is_timed: bool,
    /// Its value for a cgroup, if it has one.
    value: fn(&Cgroup<'_>) -> Option<f64>,
}

const fn counter(name: &'static str, help: &'static str, value: fn(&Cgroup<'_>) -> Option<f64>) -> Metric {
    Metric { name, is_counter: true, help, is_timed: true, value }
}

const fn gauge(name: &'static str, help: &'static str, value: fn(&Cgroup<'_>) -> Option<f64>) -> Metric {
    Metric { name, is_counter: false, help, is_timed: true, value }
}

const NODE: [Metric; 2] = [
    counter("node_cpu_usage_seconds_total", "Cumulative cpu time consumed by the node in core-seconds", |c| {
        Some(c.cpu)
    }),
    gauge("node_memory_working_set_bytes", "Current working set of the node in bytes", |c| Some(number(c.memory))),
];

const PODS: [Metric; 2] = [
    counter("pod_cpu_usage_seconds_total", "Cumulative cpu time consumed by the pod in core-seconds", |c| Some(c.cpu)),
    gauge("pod_memory_working_set_bytes", "Current working set of the pod in bytes", |c| Some(number(c.memory))),
];

const CONTAINERS: [Metric; 3] = [
    Metric {
        is_timed: false,
        ..gauge("container_start_time_seconds", "Start time of the container since unix epoch in seconds", started)
    },
    counter(
        "container_cpu_usage_seconds_total",
        "Cumulative cpu time consumed by the container in core-seconds",
        |c| Some(c.cpu),
    ),
    gauge("container_memory_working_set_bytes", "Current working set of the container in bytes", |c| {
        Some(number(c.memory))
    }),
];

const SCRAPES: [Metric; 2] = [error_gauge("resource_scrape_error"), error_gauge("scrape_error")];

const fn error_gauge(name: &'static str) -> Metric {
    let help = "1 if there was an error while getting container metrics, 0 otherwise";
    Metric { is_timed: false, ..gauge(name, help, |_| Some(0.0)) }
}

/// `/metrics/resource`: what metrics-server reads.
pub(super) fn resource(node: &NodeReading) -> String {
    let plain =
        |labels: &[(&str, &str)], cpu, memory| Cgroup { labels: rendered(labels), cpu, memory, container: None };
    let pods =
        node.pods.iter().map(|pod| plain(&[("namespace", &pod.namespace), ("pod", &pod.name)], pod.cpu, pod.memory));
    let containers = node.pods.iter().flat_map(|pod| pod.containers.iter().map(move |container| (pod, container)));
    let containers = containers.map(|(pod, container)| {
        let labels = [("container", container.name.as_str()), ("namespace", &pod.namespace), ("pod", &pod.name)];
        let (labels, cpu) = (rendered(&labels), container.counters.cpu);
        Cgroup { labels, cpu, memory: container.memory, container: Some(container) }
    });
    let whole = [plain(&[], node.cpu, node.memory)];
    let mut text = String::new();
    write(&mut text, &CONTAINERS, &containers.collect::<Vec<_>>(), node.at);
    write(&mut text, &NODE, &whole, node.at);
    write(&mut text, &PODS, &pods.collect::<Vec<_>>(), node.at);
    write(&mut text, &SCRAPES, &whole, node.at);
    text
}

const CADVISOR: [Metric; 14] = [
    counter("container_cpu_cfs_periods_total", "Number of elapsed enforcement period intervals.", |c| {
        c.limited().map(|container| (container.counters.limited * PERIODS_PER_SECOND).floor())
    }),
    counter("container_cpu_cfs_throttled_periods_total", "Number of throttled period intervals.", |c| {
        c.limited().map(|container| (container.counters.throttled * PERIODS_PER_SECOND).floor())
    }),
    counter(
        "container_cpu_cfs_throttled_seconds_total",
        "Total time duration the container has been throttled.",
        |c| c.limited().map(|container| container.counters.throttled),
    ),
    counter("container_cpu_usage_seconds_total", "Cumulative cpu time consumed in seconds.", |c| Some(c.cpu)),
    gauge("container_memory_cache", "Number of bytes of page cache memory.", |_| Some(0.0)),
    gauge("container_memory_rss", "Size of RSS in bytes.", |c| Some(number(c.memory))),
    gauge("container_memory_usage_bytes", "Current memory usage in bytes, whenever it was accessed.", |c| {
        Some(number(c.memory))
    }),
    gauge("container_memory_working_set_bytes", "Current working set in bytes.", |c| Some(number(c.memory))),
    counter("container_oom_events_total", "Count of out of memory events observed for the container", |c| {
        c.container.map(|container| f64::from(container.oom_kills))
    }),
    gauge("container_spec_cpu_period", "CPU period of the container.", |c| c.container.map(|_| CFS_PERIOD)),
    gauge("container_spec_cpu_quota", "CPU quota of the container.", |c| {
        c.limited()?.limits.cpu.map(|limit| limit.nano().cores() * CFS_PERIOD)
    }),
    gauge("container_spec_cpu_shares", "CPU share of the container.", |c| {
        let MilliCpu(request) = c.container?.requests.cpu.unwrap_or_default();
        Some(number(Bytes((request * 1_024 / 1_000).clamp(2, 262_144))))
    }),
    gauge("container_spec_memory_limit_bytes", "Memory limit for the container.", |c| {
        c.container.map(|container| number(container.limits.memory.unwrap_or_default()))
    }),
    gauge("container_start_time_seconds", "Start time of the container since unix epoch in seconds.", started),
];

/// `/metrics/cadvisor`: what Prometheus scrapes. Beside the containers it has the Pods' own cgroups and the root, whose
/// `container` is empty, so that a query that forgets to leave them out counts twice here too.
pub(super) fn cadvisor(node: &NodeReading) -> String {
    let group = |labels: [&str; 6], cpu, memory, container| {
        let names = ["container", "id", "image", "name", "namespace", "pod"];
        let labels: Vec<_> = names.into_iter().zip(labels).collect();
        Cgroup { labels: rendered(&labels), cpu, memory, container }
    };
    let mut groups = vec![group(["", "/", "", "", "", ""], node.cpu, node.memory, None)];
    for pod in &node.pods {
        let path = path_of(pod);
        groups.push(group(["", &path, "", "", &pod.namespace, &pod.name], pod.cpu, pod.memory, None));
        for container in &pod.containers {
            let ContainerReading { name, image, id, counters, memory, .. } = container;
            let labels = [name.as_str(), &format!("{path}/{id}"), image, id, &pod.namespace, &pod.name];
            groups.push(group(labels, counters.cpu, *memory, Some(container)));
        }
    }
    let mut text = String::new();
    write(&mut text, &CADVISOR, &groups, node.at);
    text
}

impl Cgroup<'_> {
    /// The container, if it has a CPU limit.
    fn limited(&self) -> Option<&ContainerReading> {
        self.container.filter(|container| container.limits.cpu.is_some())
    }
}

fn path_of(pod: &PodReading) -> String {
    match pod.qos {
        QosClass::Guaranteed => format!("/kubepods/pod{}", pod.uid),
        QosClass::Burstable => format!("/kubepods/burstable/pod{}", pod.uid),
        QosClass::BestEffort => format!("/kubepods/besteffort/pod{}", pod.uid),
    }
}

fn started(group: &Cgroup<'_>) -> Option<f64> {
    group.container.map(|container| container.since.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "2^53 bytes are eight pebibytes")]
fn number(Bytes(bytes): Bytes) -> f64 {
    bytes as f64
}

fn rendered(labels: &[(&str, &str)]) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
    if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) }
}

fn write(text: &mut String, metrics: &[Metric], groups: &[Cgroup<'_>], at: Timestamp) {
    for Metric { name, is_counter, help, is_timed, value } in metrics {
        let kind = if *is_counter { "counter" } else { "gauge" };
        _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for group in groups {
            let Some(value) = value(group) else { continue };
            _ = write!(text, "{name}{} {value}", group.labels);
            if *is_timed {
                _ = write!(text, " {}", at.as_millisecond());
            }
            text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        resources::{NanoCpu, Resources},
        sim::ledger::Counters,
    };

    fn node(limits: Resources) -> NodeReading {
        let container = ContainerReading {
            name: "app".to_owned(),
            image: "a\"b\\c".to_owned(),
            id: "u-app-1".to_owned(),
            since: Timestamp::UNIX_EPOCH,
            counters: Counters { cpu: 1.5, cpu_before: 2.0, limited: 10.25, throttled: 3.0 },
            memory: Bytes(7),
            requests: Resources { cpu: Some(NanoCpu(1_000_000_000).milli_ceil()), memory: None },
            limits,
            oom_kills: 1,
        };
        let pod = PodReading {
            namespace: "shop".to_owned(),
            name: "web-0".to_owned(),
            uid: "u".to_owned(),
            qos: QosClass::Burstable,
            cpu: 3.5,
            memory: Bytes(7),
            containers: vec![container],
        };
        NodeReading { at: Timestamp::UNIX_EPOCH, cpu: 4.0, memory: Bytes(7), pods: vec![pod] }
    }

    #[test]
    fn counters_of_a_container_begin_with_it_and_those_of_its_pod_and_node_do_not() {
        let text = resource(&node(Resources::default()));
        for line in [
            r#"container_cpu_usage_seconds_total{container="app",namespace="shop",pod="web-0"} 1.5 0"#,
            r#"pod_cpu_usage_seconds_total{namespace="shop",pod="web-0"} 3.5 0"#,
            "node_cpu_usage_seconds_total 4 0",
            "resource_scrape_error 0",
        ] {
            assert!(text.lines().any(|known| known == line), "no {line} in\n{text}");
        }
    }

    #[test]
    fn labels_are_escaped() {
        let text = cadvisor(&node(Resources::default()));
        assert!(text.contains(r#"image="a\"b\\c",name="u-app-1""#), "{text}");
        assert!(text.contains(r#"id="/kubepods/burstable/podu/u-app-1""#), "{text}");
    }

    #[test]
    fn only_a_container_with_a_cpu_limit_has_periods() {
        let samples = |limits| {
            let text = cadvisor(&node(limits));
            let of_cfs =
                |line: &&str| line.starts_with("container_cpu_cfs") || line.starts_with("container_spec_cpu_quota");
            text.lines().filter(of_cfs).map(|line| line.rsplit(' ').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert!(samples(Resources::default()).is_empty());
        let limited = Resources { cpu: Some(MilliCpu(500)), memory: None };
        assert_eq!(samples(limited), ["102", "30", "3", "50000"]);
    }
}

//! What the simulation needs to know of a Pod besides its resources: whose it is, and how it behaves.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Pod;

use crate::{resources::MilliCpu, sim::load::Demand};

/// Seconds from a container's start until it is ready; [`super::Latencies::readiness`] if absent.
pub const STARTUP_SECONDS: &str = "sim.tailor.dev/startup-seconds";
/// Seconds of work after which the Pod's containers end well; they run for ever if absent.
pub const RUN_SECONDS: &str = "sim.tailor.dev/run-seconds";
/// Which series of a trace the Pod's containers follow; that named after their workload if absent.
pub const SERIES: &str = "sim.tailor.dev/series";
/// The CPU that each container of the Pod wants, in place of its load. With a container's name behind it
/// (`sim.tailor.dev/cpu.app`), it is about that container only. It may be changed while the Pod runs.
pub const CPU: &str = "sim.tailor.dev/cpu";
/// The memory that each container of the Pod wants, as [`CPU`].
pub const MEMORY: &str = "sim.tailor.dev/memory";

/// The workload that a Pod belongs to: the one that people write, not what it makes to manage its Pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sim) struct Workload {
    pub(in crate::sim) kind: String,
    pub(in crate::sim) name: String,
}

impl Workload {
    /// Read from the Pod alone, so that no other watch is needed: a ReplicaSet of a Deployment and a Job of a CronJob
    /// carry the name of their owner and a suffix of known form.
    pub(in crate::sim) fn of(pod: &Pod) -> Self {
        let name = pod.metadata.name.clone().unwrap_or_default();
        let owner = pod.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let Some(owner) = owner else { return Self { kind: "Pod".to_owned(), name } };
        let hash = pod.metadata.labels.as_ref().and_then(|labels| labels.get("pod-template-hash"));
        let parent = match owner.kind.as_str() {
            "ReplicaSet" => hash
                .and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'))
                .map(|name| ("Deployment", name)),
            "Job" => {
                owner.name.rsplit_once('-').filter(|(_, minute)| is_minute(minute)).map(|(name, _)| ("CronJob", name))
            }
            _ => None,
        };
        let (kind, name) = parent.unwrap_or((&owner.kind, &owner.name));
        Self { kind: kind.to_owned(), name: name.to_owned() }
    }
}

/// Jobs of a CronJob are named after the minute they are for, counted from 1970.
fn is_minute(text: &str) -> bool {
    text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// How the Pod's containers behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    pub(super) startup: Option<SignedDuration>,
    pub(super) work: Option<SignedDuration>,
}

impl Pace {
    pub(super) fn of(pod: &Pod) -> Self {
        let annotations = pod.metadata.annotations.as_ref();
        Self {
            startup: annotations.and_then(|a| seconds(a, STARTUP_SECONDS)),
            work: annotations.and_then(|a| seconds(a, RUN_SECONDS)),
        }
    }
}

/// What the Pod itself says that a container wants, in place of what it would want otherwise.
pub(super) fn demand(pod: &Pod, container: &str, otherwise: Demand) -> Demand {
    let Some(annotations) = &pod.metadata.annotations else { return otherwise };
    Demand {
        cpu: amount::<MilliCpu>(annotations, CPU, container).map_or(otherwise.cpu, MilliCpu::nano),
        memory: amount(annotations, MEMORY, container).unwrap_or(otherwise.memory),
    }
}

fn amount<T: FromStr<Err: Display>>(annotations: &BTreeMap<String, String>, key: &str, container: &str) -> Option<T> {
    let own = format!("{key}.{container}");
    let (key, text) = annotations.get_key_value(&own).or_else(|| annotations.get_key_value(key))?;
    let amount = text.parse().inspect_err(|error| tracing::warn!(key, %text, %error, "annotation is ignored"));
    amount.ok()
}

fn seconds(annotations: &BTreeMap<String, String>, key: &str) -> Option<SignedDuration> {
    let text = annotations.get(key)?;
    let seconds = text.parse().ok().filter(|seconds| *seconds >= 0.0);
    let duration = seconds.and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok());
    if duration.is_none() {
        tracing::warn!(key, %text, "annotation is not a number of seconds and is ignored");
    }
    duration
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::resources::Bytes;

    #[rstest]
    #[case::of_a_deployment("ReplicaSet", "web-5d4f", Some("5d4f"), "Deployment", "web")]
    #[case::bare_replica_set("ReplicaSet", "web-5d4f", None, "ReplicaSet", "web-5d4f")]
    #[case::of_a_cron_job("Job", "report-29500000", None, "CronJob", "report")]
    #[case::bare_job("Job", "import-3", None, "Job", "import-3")]
    #[case::stateful_set("StatefulSet", "db", None, "StatefulSet", "db")]
    fn a_pod_belongs_to_what_people_wrote(
        #[case] owner: &str,
        #[case] owner_name: &str,
        #[case] hash: Option<&str>,
        #[case] kind: &str,
        #[case] name: &str,
    ) {
        let labels = hash.map_or(json!({}), |hash| json!({ "pod-template-hash": hash }));
        let owner = json!({ "apiVersion": "v1", "kind": owner, "name": owner_name, "uid": "u", "controller": true });
        let pod = json!({ "metadata": { "name": "p", "labels": labels, "ownerReferences": [owner] } });
        let workload = Workload::of(&serde_json::from_value(pod).unwrap());
        assert_eq!((workload.kind.as_str(), workload.name.as_str()), (kind, name));
    }

    #[rstest]
    #[case::of_the_pod("app", (2_000, 1 << 20))]
    #[case::of_the_container("log", (50, 1 << 20))]
    fn a_pod_may_say_what_its_containers_want(#[case] container: &str, #[case] (cpu, memory): (u64, u64)) {
        let annotations = json!({ CPU: "2", "sim.tailor.dev/cpu.log": "50m", MEMORY: "1Mi" });
        let pod = serde_json::from_value(json!({ "metadata": { "annotations": annotations } })).unwrap();
        let expected = Demand { cpu: MilliCpu(cpu).nano(), memory: Bytes(memory) };
        assert_eq!(demand(&pod, container, Demand::default()), expected);
    }

    #[rstest]
    #[case::nothing_is_said(json!({}))]
    #[case::it_is_no_amount(json!({ CPU: "much", MEMORY: "-1" }))]
    #[case::it_is_about_another_container(json!({ "sim.tailor.dev/cpu.log": "50m" }))]
    fn a_load_holds_unless_the_pod_says_otherwise(#[case] annotations: serde_json::Value) {
        let pod = serde_json::from_value(json!({ "metadata": { "annotations": annotations } })).unwrap();
        let load = Demand { cpu: MilliCpu(7).nano(), memory: Bytes(7) };
        assert_eq!(demand(&pod, "app", load), load);
    }

    #[rstest]
    #[case("30", Some(30.0))]
    #[case("0.5", Some(0.5))]
    #[case("-1", None)]
    #[case("NaN", None)]
    #[case("soon", None)]
    fn paces_are_read_from_annotations(#[case] text: &str, #[case] seconds: Option<f64>) {
        let pod = json!({ "metadata": { "annotations": { RUN_SECONDS: text } } });
        let pace = Pace::of(&serde_json::from_value(pod).unwrap());
        assert_eq!((pace.startup, pace.work.map(|work| work.as_secs_f64())), (None, seconds));
    }
}

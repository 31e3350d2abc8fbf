//! How long a resize takes from the sample that asked for it until it is in force, stage by stage.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    plan::{ContainerChange, ResizeState},
    resources::{ContainerResources, ContainerView, PodView, Resources},
    telemetry::metrics::Stage,
};

/// The resizes that are not in force yet, by Pod UID.
#[derive(Debug, Default)]
pub struct Latencies(BTreeMap<String, OnItsWay>);

#[derive(Debug)]
struct OnItsWay {
    generation: i64,
    wanted: Vec<(String, ContainerResources)>,
    patched: Timestamp,
    allocated: Option<Timestamp>,
}

impl Latencies {
    /// A resize was accepted, and the Pod has this generation since. One before it counts no more.
    pub fn patched(&mut self, uid: &str, generation: i64, changes: &[ContainerChange], now: Timestamp) {
        let wanted = changes.iter().map(|change| (change.container.clone(), change.to)).collect();
        self.0.insert(uid.to_owned(), OnItsWay { generation, wanted, patched: now, allocated: None });
    }

    /// The stages that end with what the Pod shows now.
    pub fn seen(&mut self, pod: &PodView, now: Timestamp) -> Vec<(Stage, Duration)> {
        let Some(resize) = self.0.get_mut(&pod.uid) else { return Vec::new() };
        if pod.generation > resize.generation || pod.terminating {
            // Somebody else has resized it since, or it goes.
            self.0.remove(&pod.uid);
            return Vec::new();
        }
        let mut ended = Vec::new();
        if resize.allocated.is_none() && resize.is_allocated(pod) {
            resize.allocated = Some(now);
            ended.push((Stage::PatchToAllocated, between(resize.patched, now)));
        }
        if let Some(allocated) = resize.allocated
            && resize.is_actual(pod)
        {
            ended.push((Stage::AllocatedToActual, between(allocated, now)));
            self.0.remove(&pod.uid);
        }
        ended
    }

    /// Drops those of Pods that are gone.
    pub fn keep_only(&mut self, pods: &BTreeSet<String>) {
        self.0.retain(|uid, _| pods.contains(uid));
    }
}

/// Never less than nothing, whatever the clock does.
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

impl OnItsWay {
    /// The kubelet says what it has allocated; where it does not, it has when nothing is pending of this generation.
    fn is_allocated(&self, pod: &PodView) -> bool {
        if pod.observed_generation.is_some_and(|observed| observed < self.generation) {
            return false;
        }
        let pending = matches!(ResizeState::of(pod), ResizeState::Deferred(_) | ResizeState::Infeasible);
        !pending && self.all(pod, |wanted, has| has.allocated.is_none_or(|has| covers(has, wanted.requests)))
    }

    fn is_actual(&self, pod: &PodView) -> bool {
        pod.generation == self.generation
            && self.all(pod, |wanted, has| {
                has.actual.is_some_and(|has| covers(has.requests, wanted.requests) && covers(has.limits, wanted.limits))
            })
    }

    fn all(&self, pod: &PodView, holds: impl Fn(&ContainerResources, &ContainerView) -> bool) -> bool {
        self.wanted.iter().all(|(name, wanted)| pod.container(name).is_some_and(|has| holds(wanted, has)))
    }
}

/// Whether all that is wanted is there, amount by amount.
fn covers(has: Resources, wanted: Resources) -> bool {
    wanted.cpu.is_none_or(|cpu| has.cpu == Some(cpu)) && wanted.memory.is_none_or(|memory| has.memory == Some(memory))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::resources::{ContainerKind, MilliCpu};

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn after(millis: i64) -> Timestamp {
        NOW + jiff::SignedDuration::from_millis(millis)
    }

    /// A Pod that wants 200m, as generation 2.
    fn pod(observed: Option<i64>, allocated: Option<&str>, actual: &str, conditions: &Value) -> PodView {
        let requests = |cpu: &str| json!({ "cpu": cpu });
        let pod = json!({
            "metadata": { "name": "web-0", "namespace": "shop", "uid": "u1", "generation": 2 },
            "spec": { "nodeName": "n", "containers": [{ "name": "app", "resources": { "requests": requests("200m") } }] },
            "status": {
                "phase": "Running", "observedGeneration": observed, "conditions": conditions,
                "containerStatuses": [{
                    "name": "app", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                    "allocatedResources": allocated.map(requests), "resources": { "requests": requests(actual) },
                }],
            },
        });
        PodView::try_from(&serde_json::from_value::<k8s_openapi::api::core::v1::Pod>(pod).unwrap()).unwrap()
    }

    fn patched() -> Latencies {
        let to = Resources { cpu: Some(MilliCpu(200)), memory: None };
        let change = ContainerChange {
            container: "app".to_owned(),
            kind: ContainerKind::App,
            from: ContainerResources::default(),
            to: ContainerResources { requests: to, limits: Resources::default() },
        };
        let mut latencies = Latencies::default();
        latencies.patched("u1", 2, &[change], NOW);
        latencies
    }

    const NONE: &Value = &Value::Null;

    #[test]
    fn each_stage_is_told_once_when_the_pod_shows_its_end() {
        let mut latencies = patched();
        assert_eq!(latencies.seen(&pod(Some(1), Some("100m"), "100m", NONE), after(100)), []);
        let allocated = latencies.seen(&pod(Some(2), Some("200m"), "100m", NONE), after(300));
        assert_eq!(allocated, [(Stage::PatchToAllocated, Duration::from_millis(300))]);
        assert_eq!(latencies.seen(&pod(Some(2), Some("200m"), "100m", NONE), after(400)), []);
        let actual = latencies.seen(&pod(Some(2), Some("200m"), "200m", NONE), after(1_300));
        assert_eq!(actual, [(Stage::AllocatedToActual, Duration::from_secs(1))]);
        assert_eq!(latencies.seen(&pod(Some(2), Some("200m"), "200m", NONE), after(1_400)), []);
    }

    #[test]
    fn a_kubelet_that_does_not_tell_what_is_allocated_has_when_nothing_is_pending() {
        let mut latencies = patched();
        let deferred = json!([{ "type": "PodResizePending", "status": "True", "reason": "Deferred" }]);
        assert_eq!(latencies.seen(&pod(Some(1), None, "100m", NONE), after(100)), [], "it has not looked yet");
        assert_eq!(latencies.seen(&pod(Some(2), None, "100m", &deferred), after(200)), []);
        let both = latencies.seen(&pod(Some(2), None, "200m", NONE), after(300));
        assert_eq!(
            both.iter().map(|(stage, _)| *stage).collect::<Vec<_>>(),
            [Stage::PatchToAllocated, Stage::AllocatedToActual]
        );
    }

    #[test]
    fn a_resize_that_another_follows_is_not_told() {
        let mut latencies = patched();
        let mut newer = pod(Some(3), Some("300m"), "300m", NONE);
        newer.generation = 3;
        assert_eq!(latencies.seen(&newer, after(100)), []);
        assert!(latencies.0.is_empty());
        let mut latencies = patched();
        latencies.keep_only(&BTreeSet::new());
        assert!(latencies.0.is_empty());
    }
}

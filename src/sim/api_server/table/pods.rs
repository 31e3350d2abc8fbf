//! The row of a Pod: what its containers do is summed up in one word.

use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::{Look, age, look::NONE};

pub(super) const COLUMNS: &[&str] =
    &["Name", "Ready", "Status", "Restarts", "Age", "*IP", "*Node", "*Nominated Node", "*Readiness Gates"];

pub(super) fn cells(pod: &Look<'_>) -> Vec<Value> {
    let Summary { ready, total, status, restarts, last_restart } = Summary::of(pod);
    let restarts = match (restarts, last_restart.is_empty()) {
        (0, _) | (_, true) => restarts.to_string(),
        _ => format!("{restarts} ({} ago)", age::since(last_restart, pod.now)),
    };
    vec![
        pod.name().into(),
        format!("{ready}/{total}").into(),
        status.into(),
        restarts.into(),
        pod.age().into(),
        pod.text_or("/status/podIPs/0/ip", NONE).into(),
        pod.text_or("/spec/nodeName", NONE).into(),
        pod.text_or("/status/nominatedNodeName", NONE).into(),
        readiness_gates(pod).into(),
    ]
}

fn readiness_gates(pod: &Look<'_>) -> String {
    let gates = pod.list("/spec/readinessGates");
    if gates.len() == 0 {
        return NONE.to_owned();
    }
    let total = gates.len();
    let open = gates.filter(|gate| pod.condition(gate.text("/conditionType")) == "True").count();
    format!("{open}/{total}")
}

/// Rows of Pods that have ended are marked, so that clients may hide them.
pub(super) fn completed(pod: &Look<'_>) -> Option<Value> {
    let (reason, message) = match pod.text("/status/phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!({ "type": "Completed", "status": "True", "reason": reason, "message": message }))
}

/// A Pod in short.
#[derive(Default)]
struct Summary<'a> {
    ready: usize,
    total: usize,
    status: String,
    restarts: i64,
    /// When the container that was restarted last had ended; empty if none was.
    last_restart: &'a str,
}

impl<'a> Summary<'a> {
    fn of(pod: &Look<'a>) -> Self {
        let phase = pod.text("/status/phase");
        let mut summary = Self {
            total: pod.list("/spec/containers").len() + pod.list("/spec/initContainers").filter(is_sidecar).count(),
            status: pod.text_or("/status/reason", phase).to_owned(),
            ..Self::default()
        };
        let gated = |condition: Look<'_>| {
            condition.text("/type") == "PodScheduled" && condition.text("/reason") == "SchedulingGated"
        };
        if pod.list("/status/conditions").any(gated) {
            "SchedulingGated".clone_into(&mut summary.status);
        }
        let initializing = summary.add_init_containers(pod);
        if !initializing || pod.condition("Initialized") == "True" {
            summary.add_containers(pod);
        }
        if pod.is_deleting() && pod.text("/status/reason") == "NodeLost" {
            "Unknown".clone_into(&mut summary.status);
        } else if pod.is_deleting() && !matches!(phase, "Succeeded" | "Failed") {
            "Terminating".clone_into(&mut summary.status);
        }
        summary
    }

    /// Counts a container's restarts.
    fn count(&mut self, container: &Look<'a>) {
        self.restarts += container.number("/restartCount");
        // Times of one form compare as texts do.
        self.last_restart = self.last_restart.max(container.text("/lastState/terminated/finishedAt"));
    }

    /// Whether one of them is still to be waited for, or has failed.
    fn add_init_containers(&mut self, pod: &Look<'a>) -> bool {
        let total = pod.list("/spec/initContainers").len();
        for (index, container) in pod.list("/status/initContainerStatuses").enumerate() {
            self.count(&container);
            let sidecar = pod.list("/spec/initContainers").any(|spec| is_sidecar(&spec) && spec.name_is(&container));
            match init_status(&container, sidecar, index, total) {
                ControlFlow::Continue(()) => {
                    let is_ready = sidecar && container.at("/ready") == true && container.at("/started") == true;
                    self.ready += usize::from(is_ready);
                }
                ControlFlow::Break(status) => {
                    self.status = status;
                    return true;
                }
            }
        }
        false
    }

    fn add_containers(&mut self, pod: &Look<'a>) {
        // The restarts of init containers that have done their work are over.
        (self.restarts, self.last_restart) = (0, "");
        for container in pod.list("/status/initContainerStatuses") {
            if pod.list("/spec/initContainers").any(|spec| is_sidecar(&spec) && spec.name_is(&container)) {
                self.count(&container);
            }
        }
        let (mut running, mut failed) = (false, None);
        for container in pod.list("/status/containerStatuses").rev() {
            self.count(&container);
            let waiting = container.text("/state/waiting/reason");
            if !waiting.is_empty() {
                waiting.clone_into(&mut self.status);
            } else if container.at("/state/terminated").is_object() {
                self.status = ended(&container);
                if container.number("/state/terminated/exitCode") != 0 {
                    failed = Some(self.status.clone());
                }
            } else if container.at("/ready") == true && container.at("/state/running").is_object() {
                running = true;
                self.ready += 1;
            }
        }
        if self.status == "Completed" {
            self.status = match failed {
                _ if running && pod.condition("Ready") == "True" => "Running".to_owned(),
                Some(failed) => failed,
                None if running => "NotReady".to_owned(),
                None => "Completed".to_owned(),
            };
        }
    }
}

impl Look<'_> {
    fn name_is(&self, other: &Look<'_>) -> bool {
        self.text("/name") == other.text("/name")
    }
}

fn is_sidecar(container: &Look<'_>) -> bool {
    container.text("/restartPolicy") == "Always"
}

/// What the Pod's status is while an init container is not done; going on when it is.
fn init_status(container: &Look<'_>, sidecar: bool, index: usize, total: usize) -> ControlFlow<String> {
    let terminated = container.at("/state/terminated").is_object();
    let waiting = container.text("/state/waiting/reason");
    let succeeded = terminated && container.number("/state/terminated/exitCode") == 0;
    if succeeded || (sidecar && container.at("/started") == true) {
        ControlFlow::Continue(())
    } else if terminated {
        ControlFlow::Break(format!("Init:{}", ended(container)))
    } else if !waiting.is_empty() && waiting != "PodInitializing" {
        ControlFlow::Break(format!("Init:{waiting}"))
    } else {
        ControlFlow::Break(format!("Init:{index}/{total}"))
    }
}

/// How a container ended.
fn ended(container: &Look<'_>) -> String {
    let end = |field: &str| container.number(&format!("/state/terminated/{field}"));
    match (container.text("/state/terminated/reason"), end("signal")) {
        ("", 0) => format!("ExitCode:{}", end("exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

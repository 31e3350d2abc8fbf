//! What is wanted, in force and used, policy by policy: what dashboards of workloads are made of.
//!
//! A pass replaces all that is told of its policy (`Fits::shows`); a policy that is gone takes its series with it, and
//! a process that does not lead tells of none, so that the sum over replicas of Tailor is right.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet},
};
use strum::{EnumCount, IntoEnumIterator};

use super::{Description, Kind, begin};

const NAMESPACE: (&str, &str) = ("namespace", "that of policy and workload");
const POLICY: (&str, &str) = ("policy", "the name of the policy");
const REASON: (&str, &str) = ("reason", "why, as in Events and in the log");
/// Of what is told of each container.
const CONTAINER: [(&str, &str); 5] = [
    NAMESPACE,
    POLICY,
    ("workload_kind", "the kind of the workload"),
    ("workload", "the name of the workload"),
    ("container", "the name of the container"),
];

const INFO: Description = Description {
    stem: "tailor_policy",
    kind: Kind::Info,
    labels: &[
        NAMESPACE,
        POLICY,
        ("strategy", "the policy's `spec.strategy`"),
        ("objective", "the policy's `spec.objective`"),
    ],
    help: "Which policies there are",
};
const READY: Description = Description {
    stem: "tailor_policy_ready",
    kind: Kind::Gauge,
    labels: &[NAMESPACE, POLICY, ("reason", "that of the policy's condition Ready")],
    help: "1 while the policy's condition Ready is True, else 0",
};
const PODS: Description = Description {
    stem: "tailor_pods",
    kind: Kind::Gauge,
    labels: &[
        NAMESPACE,
        POLICY,
        ("state", "`fitted`, `in_progress`, `deferred`, `infeasible`, `error`, `evicted`, `waiting`"),
    ],
    help: "Live Pods by the state of their resize; those that wait for samples, a period or a budget, or must be left alone, are `waiting`",
};
const REASONS: Description = Description {
    stem: "tailor_pod_reasons",
    kind: Kind::Gauge,
    labels: &[NAMESPACE, POLICY, REASON],
    help: "Live Pods by the reason of what was last done about them, or not done",
};
const ACTIONS: Description = Description {
    stem: "tailor_actions",
    kind: Kind::Counter,
    labels: &[
        NAMESPACE,
        POLICY,
        ("action", "`Resize`, `Evict`"),
        (
            "outcome",
            "`Applied`, `Evicted`, `NoRoomEver`, `Refused`, `BudgetRefused`, `TwoBudgets`, `Conflict`, `Gone`, `Retry`, \
             `Unanswered`",
        ),
        REASON,
    ],
    help: "Resizes and evictions that were sent, by what the API server said and why they were sent",
};

/// An amount that is told of each container, for CPU and for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumCount)]
pub enum Figure {
    /// What a Pod should request.
    Target,
    /// Requests below this are likely to hurt.
    Lower,
    /// Requests above this are likely to be waste.
    Upper,
    /// The smallest request in force.
    Request,
    /// The smallest limit in force.
    Limit,
    /// The newest use of the replica that uses most.
    UsageMax,
    /// The newest use, on average over the replicas.
    UsageMean,
    /// The requests of all replicas.
    Reserved,
    /// What of that is not used.
    Slack,
    /// What the template would request more.
    Saved,
}

const fn gauge(stem: &'static str, help: &'static str) -> Description {
    Description { stem, kind: Kind::Gauge, labels: &CONTAINER, help }
}

/// In the order of [`Figure`]; each for CPU, then for memory.
const FIGURES: [[Description; 2]; Figure::COUNT] = [
    [
        gauge("tailor_recommendation_target_cpu_cores", "CPU that each Pod should request"),
        gauge("tailor_recommendation_target_memory_bytes", "Memory that each Pod should request"),
    ],
    [
        gauge("tailor_recommendation_lower_cpu_cores", "A CPU request below this is likely to hurt"),
        gauge("tailor_recommendation_lower_memory_bytes", "A memory request below this is likely to hurt"),
    ],
    [
        gauge(
            "tailor_recommendation_upper_cpu_cores",
            "A CPU request above this is likely to be waste; absent while fresh samples are too few, and then nothing is \
             lowered",
        ),
        gauge(
            "tailor_recommendation_upper_memory_bytes",
            "A memory request above this is likely to be waste; absent while fresh samples are too few, and then nothing \
             is lowered",
        ),
    ],
    [
        gauge("tailor_container_request_cpu_cores", "The smallest CPU request among the Pods"),
        gauge("tailor_container_request_memory_bytes", "The smallest memory request among the Pods"),
    ],
    [
        gauge("tailor_container_limit_cpu_cores", "The smallest CPU limit among the Pods"),
        gauge("tailor_container_limit_memory_bytes", "The smallest memory limit among the Pods"),
    ],
    [
        gauge("tailor_container_usage_max_cpu_cores", "The newest CPU use of the Pod that uses most"),
        gauge("tailor_container_usage_max_memory_bytes", "The newest memory use of the Pod that uses most"),
    ],
    [
        gauge("tailor_container_usage_mean_cpu_cores", "The newest CPU use, on average over the Pods"),
        gauge("tailor_container_usage_mean_memory_bytes", "The newest memory use, on average over the Pods"),
    ],
    [
        gauge("tailor_container_reserved_cpu_cores", "The CPU requests of all Pods together"),
        gauge("tailor_container_reserved_memory_bytes", "The memory requests of all Pods together"),
    ],
    [
        gauge(
            "tailor_container_slack_cpu_cores",
            "What of the reserved CPU is not used, over all Pods; below 0 where more is used. A Pod whose use is not known \
             has none",
        ),
        gauge(
            "tailor_container_slack_memory_bytes",
            "What of the reserved memory is not used, over all Pods; below 0 where more is used. A Pod whose use is not \
             known has none",
        ),
    ],
    [
        gauge(
            "tailor_container_saved_cpu_cores",
            "How much less CPU all Pods together request than by the workload's template; below 0 where it is more",
        ),
        gauge(
            "tailor_container_saved_memory_bytes",
            "How much less memory all Pods together request than by the workload's template; below 0 where it is more",
        ),
    ],
];

/// What is described here, but for the figures.
pub(super) const OF_POLICIES: [Description; 5] = [INFO, READY, PODS, REASONS, ACTIONS];

/// The figures, one after the other.
pub(super) const OF_CONTAINERS: &[Description] = FIGURES.as_flattened();

/// CPU in cores and memory in bytes, each where it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amounts {
    /// Cores.
    pub cpu: Option<f64>,
    /// Bytes.
    pub memory: Option<f64>,
}

/// What is told of one container of one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerFits {
    /// The workload's kind.
    pub kind: String,
    /// The workload's name.
    pub workload: String,
    /// The container's name.
    pub container: String,
    figures: [Amounts; Figure::COUNT],
}

impl ContainerFits {
    /// Nothing is known of it yet.
    pub fn new(kind: &str, workload: &str, container: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            workload: workload.to_owned(),
            container: container.to_owned(),
            figures: [Amounts::default(); Figure::COUNT],
        }
    }

    /// Sets one figure.
    pub fn set(&mut self, figure: Figure, amounts: Amounts) {
        self.figures[figure as usize] = amounts;
    }

    /// One figure.
    pub fn get(&self, figure: Figure) -> Amounts {
        self.figures[figure as usize]
    }
}

/// What is told of one policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyFits {
    /// Its strategy.
    pub strategy: &'static str,
    /// Its objective.
    pub objective: &'static str,
    /// Whether it is Ready.
    pub ready: bool,
    /// Why, or why not.
    pub verdict: &'static str,
    /// Pods by state, each state.
    pub pods: Vec<(&'static str, u32)>,
    /// Pods by reason, those that there are.
    pub reasons: BTreeMap<&'static str, u32>,
    /// The containers that it covers.
    pub containers: Vec<ContainerFits>,
}

/// What was done, as it is counted: action, outcome, reason.
pub type Deed = (&'static str, &'static str, &'static str);

/// All policies.
#[derive(Debug, Default)]
pub(super) struct Fits(Mutex<Shown>);

#[derive(Debug, Default)]
struct Shown {
    leads: bool,
    /// By namespace and name.
    policies: BTreeMap<(String, String), PolicyFits>,
    actions: BTreeMap<(String, String), BTreeMap<Deed, u64>>,
}

impl Fits {
    /// Whether this process acts; one that does not tells nothing.
    pub(super) fn leads(&self, leads: bool) {
        let mut shown = self.lock();
        shown.leads = leads;
        if !leads {
            shown.policies.clear();
        }
    }

    /// What a pass over the policy has seen and done.
    pub(super) fn shows(&self, policy: &(String, String), fits: PolicyFits) {
        let mut shown = self.lock();
        if shown.leads {
            shown.policies.insert(policy.clone(), fits);
        }
    }

    /// Something was sent.
    pub(super) fn acted(&self, policy: &(String, String), deed: Deed) {
        *self.lock().actions.entry(policy.clone()).or_default().entry(deed).or_default() += 1;
    }

    /// Drops policies.
    pub(super) fn keep_only(&self, is_there: impl Fn(&(String, String)) -> bool) {
        let mut shown = self.lock();
        shown.policies.retain(|policy, _| is_there(policy));
        shown.actions.retain(|policy, _| is_there(policy));
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Fits {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let shown = self.lock();
        let mut info = begin(&mut encoder, &INFO)?;
        for ((namespace, policy), fits) in &shown.policies {
            let labels = [
                ("namespace", namespace.as_str()),
                ("policy", policy),
                ("strategy", fits.strategy),
                ("objective", fits.objective),
            ];
            info.encode_info(&labels)?;
        }
        let mut ready = begin(&mut encoder, &READY)?;
        for ((namespace, policy), fits) in &shown.policies {
            tell(&mut ready, &of_policy(namespace, policy, "reason", fits.verdict), f64::from(u8::from(fits.ready)))?;
        }
        let mut pods = begin(&mut encoder, &PODS)?;
        for ((namespace, policy), fits) in &shown.policies {
            for (state, count) in &fits.pods {
                tell(&mut pods, &of_policy(namespace, policy, "state", state), f64::from(*count))?;
            }
        }
        let mut reasons = begin(&mut encoder, &REASONS)?;
        for ((namespace, policy), fits) in &shown.policies {
            for (reason, count) in &fits.reasons {
                tell(&mut reasons, &of_policy(namespace, policy, "reason", reason), f64::from(*count))?;
            }
        }
        shown.encode_actions(&mut encoder)?;
        shown.encode_figures(&mut encoder)
    }
}

impl Shown {
    fn encode_actions(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut actions = begin(encoder, &ACTIONS)?;
        for ((namespace, policy), deeds) in &self.actions {
            for ((action, outcome, reason), count) in deeds {
                let labels = [
                    ("namespace", namespace.as_str()),
                    ("policy", policy),
                    ("action", action),
                    ("outcome", outcome),
                    ("reason", reason),
                ];
                actions.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(count, None)?;
            }
        }
        Ok(())
    }

    fn encode_figures(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let amount: [fn(Amounts) -> Option<f64>; 2] = [|amounts| amounts.cpu, |amounts| amounts.memory];
        for figure in Figure::iter() {
            for (description, amount) in FIGURES[figure as usize].iter().zip(amount) {
                let mut gauge = begin(encoder, description)?;
                for ((namespace, policy), fits) in &self.policies {
                    for container in &fits.containers {
                        let Some(amount) = amount(container.get(figure)) else { continue };
                        tell(&mut gauge, &of_container(namespace, policy, container), amount)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn of_policy<'a>(
    namespace: &'a str,
    policy: &'a str,
    label: &'static str,
    value: &'a str,
) -> [(&'static str, &'a str); 3] {
    [("namespace", namespace), ("policy", policy), (label, value)]
}

fn of_container<'a>(namespace: &'a str, policy: &'a str, of: &'a ContainerFits) -> [(&'static str, &'a str); 5] {
    [
        ("namespace", namespace),
        ("policy", policy),
        ("workload_kind", &of.kind),
        ("workload", &of.workload),
        ("container", &of.container),
    ]
}

fn tell(gauge: &mut MetricEncoder<'_>, labels: &impl EncodeLabelSet, value: f64) -> fmt::Result {
    gauge.encode_family(labels)?.encode_gauge(&value)
}

//! The metrics of Tailor itself, in Prometheus' conventions: base units, `_total` on counters, few label values.
//!
//! Each metric is described once, in [`ALL`]; it is registered from there, and docs/metrics.md is made of it. No label
//! ever names a Pod, so that the number of series does not grow with the cluster. A new metric is an entry in [`ALL`], a
//! field of [`Metrics`] and a method that records it. What is known of each policy is in [`fits`], and what is read at
//! the moment of a scrape in a collector of its own: ages, and what the kernel knows of the process.

mod admission;
mod ages;
pub mod fits;
mod process;

use std::{
    collections::BTreeSet,
    fmt::{self, Write},
    sync::Arc,
    time::Duration,
};

use http::{Method, Uri};
use jiff::Timestamp;
use prometheus_client::{
    encoding::{DescriptorEncoder, MetricEncoder, text::encode},
    metrics::{
        MetricType,
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
        info::Info,
    },
    registry::{Metric, Registry},
};

pub use self::admission::ReviewOutcome;
use self::{
    admission::Admission,
    ages::Ages,
    fits::{Deed, Fits, PolicyFits},
    process::Process,
};
use crate::clock::Clock;

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Kind {
    /// Goes up only.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets.
    Histogram,
    /// Says something in its labels, and is always 1.
    Info,
}

/// One metric, as it is registered and documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its name without what its kind appends (`_total`, `_info`).
    pub stem: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels, each with the values that it can have.
    pub labels: &'static [(&'static str, &'static str)],
    /// What it tells.
    pub help: &'static str,
}

impl Description {
    /// Its name, as queries write it.
    pub fn name(&self) -> String {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        format!("{}{suffix}", self.stem)
    }
}

const BUILD: Description = Description {
    stem: "tailor_build",
    kind: Kind::Info,
    labels: &[("version", "the version of the binary")],
    help: "Which build runs",
};
const LEADER: Description = Description {
    stem: "tailor_leader",
    kind: Kind::Gauge,
    labels: &[],
    help: "1 while this process may write, 0 while it stands by",
};
const PASSES: Description = Description {
    stem: "tailor_passes",
    kind: Kind::Counter,
    labels: &[("outcome", "`finished`, `observe_failed`, `publish_failed`")],
    help: "Passes over a policy, by what became of them",
};
const WRITES: Description = Description {
    stem: "tailor_api_writes",
    kind: Kind::Counter,
    labels: &[
        ("target", "`resize`, `eviction`, `status`, `checkpoint`, `event`, `lease`, `other`"),
        ("outcome", "`accepted`, `conflict`, `refused`, `throttled`, `server_error`, `unanswered`, `fenced`"),
    ],
    help: "Writes to the API server, by what was written and what the server said; `fenced` were never sent",
};
const STAGES: Description = Description {
    stem: "tailor_resize_stage_duration_seconds",
    kind: Kind::Histogram,
    labels: &[("stage", "`sample_to_patch`, `patch_to_allocated`, `allocated_to_actual`")],
    help: "How long each stage of a resize took: from the newest sample of the Pod to the accepted patch, from there \
           until the kubelet had allocated it, and from there until it was in force",
};
const WAITING: Description = Description {
    stem: "tailor_passes_waiting",
    kind: Kind::Gauge,
    labels: &[],
    help: "Policies whose pass is due and waits for its turn",
};
const PASS_DURATION: Description = Description {
    stem: "tailor_pass_duration_seconds",
    kind: Kind::Histogram,
    labels: &[],
    help: "How long passes took, from their turn on",
};
const REQUESTS: Description = Description {
    stem: "tailor_api_request_duration_seconds",
    kind: Kind::Histogram,
    labels: &[
        ("verb", "`get`, `list`, `watch`, `create`, `patch`, `update`, `delete`"),
        ("outcome", "what became of the request, as of `tailor_api_writes_total`"),
    ],
    help: "How long the API server took to answer, to the head of the answer; without the lease's requests",
};
const READS: Description = Description {
    stem: "tailor_usage_reads",
    kind: Kind::Counter,
    labels: &[("outcome", "`answered`, `empty`, `failed`")],
    help: "Attempts to read usage; an empty answer is an outage, not idleness",
};
const READ_DURATION: Description = Description {
    stem: "tailor_usage_read_duration_seconds",
    kind: Kind::Histogram,
    labels: &[],
    help: "How long it took to read usage, whatever came of it",
};

/// What is described in this file.
const HERE: &[Description] =
    &[WRITES, BUILD, LEADER, PASSES, STAGES, WAITING, PASS_DURATION, REQUESTS, READS, READ_DURATION];

/// Every metric.
pub const ALL: [&[Description]; 6] =
    [HERE, &fits::OF_POLICIES, fits::OF_CONTAINERS, &admission::ALL, &ages::ALL, &process::ALL];

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum WriteTarget {
    /// `pods/resize`
    Resize,
    /// `pods/eviction`
    Eviction,
    /// The status of a policy.
    Status,
    /// What was learnt of a workload.
    Checkpoint,
    /// An Event.
    Event,
    /// The lease of the leader.
    Lease,
    /// Anything else.
    Other,
}

impl WriteTarget {
    /// What a request with this path writes.
    pub fn of_path(path: &str) -> Self {
        let segments: Vec<_> = path.trim_matches('/').split('/').collect();
        match segments[..] {
            [.., "pods", _, "resize"] => Self::Resize,
            [.., "pods", _, "eviction"] => Self::Eviction,
            [.., "verticalresizepolicies", _, "status"] => Self::Status,
            [.., "verticalresizecheckpoints", _] => Self::Checkpoint,
            [.., "events"] => Self::Event,
            [.., "leases"] | [.., "leases", _] => Self::Lease,
            _ => Self::Other,
        }
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum RequestOutcome {
    /// Done.
    Accepted,
    /// The object has changed (409).
    Conflict,
    /// Refused (other 4xx).
    Refused,
    /// Not now (429), by a PodDisruptionBudget or for too many requests.
    Throttled,
    /// 5xx.
    ServerError,
    /// No answer came, or none in time: it may have been done.
    Unanswered,
    /// Not sent, for this process does not lead.
    Fenced,
}

impl Verb {
    /// What this request does. Those that only read are named after what they read.
    pub fn of(method: &Method, uri: &Uri) -> Self {
        match method.as_str() {
            "POST" => Self::Create,
            "PATCH" => Self::Patch,
            "PUT" => Self::Update,
            "DELETE" => Self::Delete,
            _ if uri.query().is_some_and(|query| query.split('&').any(|part| part == "watch=true")) => Self::Watch,
            _ if uri.query().is_some_and(|query| query.split('&').any(|part| part.starts_with("limit="))) => Self::List,
            _ => Self::Get,
        }
    }
}

impl RequestOutcome {
    /// What this answer means.
    pub fn of_status(code: u16) -> Self {
        match code {
            409 => Self::Conflict,
            429 => Self::Throttled,
            400..=499 => Self::Refused,
            500.. => Self::ServerError,
            _ => Self::Accepted,
        }
    }
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum Verb {
    /// Reads one object, or asks for something else than objects.
    Get,
    /// Reads a collection.
    List,
    /// Follows a collection.
    Watch,
    /// POST
    Create,
    /// PATCH
    Patch,
    /// PUT
    Update,
    /// DELETE
    Delete,
}

/// What came of an attempt to read usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum UsageRead {
    /// There are samples.
    Answered,
    /// There is none.
    Empty,
    /// There was no answer.
    Failed,
}

/// A stage of a resize.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum Stage {
    /// From the newest sample of the Pod to the accepted patch.
    SampleToPatch,
    /// From the accepted patch until the kubelet had allocated it.
    PatchToAllocated,
    /// From then until it was in force.
    AllocatedToActual,
}

type Labels = Vec<(&'static str, &'static str)>;

/// Seconds, from what a pass takes that has nothing to do to what a Deferred resize waits.
const SECONDS: [f64; 18] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 1_800.0];

#[derive(Clone, Copy, Debug)]
struct InSeconds;

impl MetricConstructor<Histogram> for InSeconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(SECONDS)
    }
}

/// The metrics of one controller.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    leader: Gauge,
    passes: Family<Labels, Counter>,
    waiting: Gauge,
    pass_duration: Histogram,
    writes: Family<Labels, Counter>,
    requests: Family<Labels, Histogram, InSeconds>,
    stages: Family<Labels, Histogram, InSeconds>,
    reads: Family<Labels, Counter>,
    read_duration: Histogram,
    admission: Admission,
    fits: Arc<Fits>,
    ages: Arc<Ages>,
}

impl Default for Metrics {
    /// Ages are told by the machine's clock.
    fn default() -> Self {
        Self::new(Clock::System)
    }
}

impl Metrics {
    /// Nothing has happened yet. Ages are told by `clock`.
    pub fn new(clock: Clock) -> Self {
        let metrics = Self {
            registry: Registry::default(),
            leader: Gauge::default(),
            passes: Family::default(),
            waiting: Gauge::default(),
            pass_duration: InSeconds.new_metric(),
            writes: Family::default(),
            requests: Family::new_with_constructor(InSeconds),
            stages: Family::new_with_constructor(InSeconds),
            reads: Family::default(),
            read_duration: InSeconds.new_metric(),
            admission: Admission::default(),
            fits: Arc::default(),
            ages: Arc::new(Ages::new(clock)),
        };
        metrics.registered()
    }

    fn registered(mut self) -> Self {
        let build: Info<Labels> = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        register(&mut self.registry, BUILD, build);
        register(&mut self.registry, LEADER, self.leader.clone());
        register(&mut self.registry, PASSES, self.passes.clone());
        register(&mut self.registry, WAITING, self.waiting.clone());
        register(&mut self.registry, PASS_DURATION, self.pass_duration.clone());
        register(&mut self.registry, WRITES, self.writes.clone());
        register(&mut self.registry, REQUESTS, self.requests.clone());
        register(&mut self.registry, STAGES, self.stages.clone());
        register(&mut self.registry, READS, self.reads.clone());
        register(&mut self.registry, READ_DURATION, self.read_duration.clone());
        self.admission.register(&mut self.registry);
        self.registry.register_collector(Box::new(Arc::clone(&self.fits)));
        self.registry.register_collector(Box::new(Arc::clone(&self.ages)));
        self.registry.register_collector(Box::new(Process));
        self
    }

    /// Whether this process may write now.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
        self.fits.leads(leads);
    }

    /// A pass is due. Until what this returns is dropped, it waits for its turn.
    pub fn waits(&self) -> Waiting {
        self.waiting.inc();
        Waiting(self.waiting.clone())
    }

    /// A pass has ended, so long after its turn had come; `failure` is the reason if it could not be finished.
    pub fn passed(&self, failure: Option<&'static str>, took: Duration) {
        self.passes.get_or_create(&vec![("outcome", failure.unwrap_or("finished"))]).inc();
        self.pass_duration.observe(took.as_secs_f64());
    }

    /// A write has ended.
    pub fn wrote(&self, target: WriteTarget, outcome: RequestOutcome) {
        self.writes.get_or_create(&vec![("target", target.into()), ("outcome", outcome.into())]).inc();
    }

    /// The API server has answered, or has not.
    pub fn asked(&self, verb: Verb, outcome: RequestOutcome, took: Duration) {
        let labels = vec![("verb", verb.into()), ("outcome", outcome.into())];
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A stage of a resize has ended.
    pub fn staged(&self, stage: Stage, took: Duration) {
        self.stages.get_or_create(&vec![("stage", stage.into())]).observe(took.as_secs_f64());
    }

    /// Usage was read: how many samples came and when the newest was taken, or none if that failed.
    pub fn read_usage(&self, brought: Option<(usize, Option<Timestamp>)>, took: Duration) {
        let read = match brought {
            Some((0, _)) => UsageRead::Empty,
            Some(_) => UsageRead::Answered,
            None => UsageRead::Failed,
        };
        self.reads.get_or_create(&vec![("outcome", read.into())]).inc();
        self.read_duration.observe(took.as_secs_f64());
        self.ages.read(brought);
    }

    /// The watch of `resource` (`pods`) has brought something.
    pub fn heard(&self, resource: &str) {
        self.ages.heard(resource);
    }

    /// The API server has taken up a watch of `resource`.
    pub fn watch_taken_up(&self, resource: &str) {
        self.ages.taken_up(resource);
    }

    /// What a pass over a policy (namespace and name) has seen.
    pub fn shows(&self, policy: &(String, String), fits: PolicyFits) {
        self.fits.shows(policy, fits);
    }

    /// A resize or an eviction of this policy was sent.
    pub fn acted(&self, policy: &(String, String), deed: Deed) {
        self.fits.acted(policy, deed);
    }

    /// Tells nothing more of policies that are not there.
    pub fn keep_policies(&self, is_there: impl Fn(&(String, String)) -> bool) {
        self.fits.keep_only(is_there);
    }

    /// All of it, as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes all that is written to it");
        text
    }
}

/// A pass that waits.
#[derive(Debug)]
pub struct Waiting(Gauge);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn register(registry: &mut Registry, description: Description, metric: impl Metric) {
    registry.register(description.stem, description.help, metric);
}

/// Begins a metric in a collector, as [`register`] would.
fn begin<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    description: &'static Description,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    let kind = match description.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
        Kind::Info => MetricType::Info,
    };
    encoder.encode_descriptor(description.stem, &format!("{}.", description.help), None, kind)
}

/// docs/metrics.md
pub fn reference() -> String {
    let mut page = String::from(
        "# Metrics\n\nTailor serves these at `/metrics` of `--listen`, as OpenMetrics text. No label names a Pod, so the \
         number of series\ndoes not grow with the cluster. For each covered container there are at most 20, and for each \
         policy 9, one for each\nreason that its Pods have now, and one for each kind of action that was taken; a policy that \
         is deleted leaves none. All\nothers are fixed. The leader alone tells of policies.\n\nLabels are those of the object \
         that a series is about, so let Prometheus keep them (`honor_labels: true`); otherwise\n`namespace` and `container` \
         are those of Tailor's own Pod. This page is written by `make generate`.\n\n| metric | type | labels | what it tells \
         |\n|---|---|---|---|\n",
    );
    let mut all = ALL.concat();
    all.sort_by_key(Description::name);
    let mut meanings = BTreeSet::new();
    for metric in &all {
        let labels = metric.labels.iter().map(|(name, values)| match values.starts_with('`') {
            true => format!("`{name}`: {values}"),
            false => format!("`{name}`"),
        });
        let labels = labels.collect::<Vec<_>>().join("; ");
        writeln!(page, "| `{}` | {} | {labels} | {}. |", metric.name(), metric.kind, metric.help)
            .expect("a String takes all that is written to it");
        meanings.extend(metric.labels.iter().filter(|(_, values)| !values.starts_with('`')));
    }
    page += "\n| label | what it is |\n|---|---|\n";
    for (label, meaning) in meanings {
        writeln!(page, "| `{label}` | {meaning} |").expect("a String takes all that is written to it");
    }
    page
}

#[cfg(test)]
mod tests;

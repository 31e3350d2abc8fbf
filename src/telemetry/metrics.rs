//! The metrics of Tailor itself, in Prometheus' conventions: base units, `_total` on counters, few label values.
//!
//! Each metric is described once, in [`ALL`]; it is registered from there, and docs/metrics.md is made of it. No label
//! ever names a Pod, so that the number of series does not grow with the cluster. A new metric is an entry in [`ALL`], a
//! field of [`Metrics`] and a method that records it.

use std::{fmt::Write, time::Duration};

use jiff::Timestamp;
use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
        info::Info,
    },
    registry::{Metric, Registry},
};

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
        ("target", "`resize`, `eviction`, `status`, `event`, `lease`, `other`"),
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

const REVIEWS: Description = Description {
    stem: "tailor_admission_reviews",
    kind: Kind::Counter,
    labels: &[("outcome", "`sized`, `left_alone`, `probe`, `bad_request`, `too_large`, `too_slow`")],
    help: "What the admission webhook was sent, by what became of it",
};
const REVIEW_DURATION: Description = Description {
    stem: "tailor_admission_review_duration_seconds",
    kind: Kind::Histogram,
    labels: &[],
    help: "How long the admission webhook took from the head of a request to its answer",
};
const ADMISSION: Description = Description {
    stem: "tailor_admission_available",
    kind: Kind::Gauge,
    labels: &[],
    help: "1 while new Pods get their size, 0 while they do not and nothing is evicted for its size",
};
const CERTIFICATE: Description = Description {
    stem: "tailor_webhook_certificate_expiry_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "When the certificate that the admission webhook shows expires; 0 while it has none",
};

/// Every metric, by name.
pub const ALL: [Description; 9] =
    [WRITES, BUILD, LEADER, PASSES, STAGES, REVIEWS, REVIEW_DURATION, ADMISSION, CERTIFICATE];

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
            [.., "events"] => Self::Event,
            [.., "leases"] | [.., "leases", _] => Self::Lease,
            _ => Self::Other,
        }
    }
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum WriteOutcome {
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

impl WriteOutcome {
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

/// What became of what the admission webhook was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum ReviewOutcome {
    /// A Pod got another size.
    Sized,
    /// A Pod stays as it is.
    LeftAlone,
    /// It was asked whether the webhook works.
    Probe,
    /// Not a review.
    BadRequest,
    /// Too many bytes.
    TooLarge,
    /// It did not come in time.
    TooSlow,
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

/// Seconds, from what a patch takes to what a Deferred resize waits.
const SECONDS: [f64; 15] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 1_800.0];

#[derive(Clone, Copy, Debug)]
struct InSeconds;

impl MetricConstructor<Histogram> for InSeconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(SECONDS)
    }
}

/// Seconds, from what an answer takes to what a webhook may.
const REVIEW_SECONDS: [f64; 9] = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 0.5, 2.0];

/// The metrics of one controller.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    leader: Gauge,
    passes: Family<Labels, Counter>,
    writes: Family<Labels, Counter>,
    stages: Family<Labels, Histogram, InSeconds>,
    reviews: Family<Labels, Counter>,
    review_duration: Histogram,
    admission: Gauge,
    certificate: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            leader: Gauge::default(),
            passes: Family::default(),
            writes: Family::default(),
            stages: Family::new_with_constructor(InSeconds),
            reviews: Family::default(),
            review_duration: Histogram::new(REVIEW_SECONDS),
            admission: Gauge::default(),
            certificate: Gauge::default(),
        };
        let build: Info<Labels> = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        register(&mut metrics.registry, BUILD, build);
        register(&mut metrics.registry, LEADER, metrics.leader.clone());
        register(&mut metrics.registry, PASSES, metrics.passes.clone());
        register(&mut metrics.registry, WRITES, metrics.writes.clone());
        register(&mut metrics.registry, STAGES, metrics.stages.clone());
        register(&mut metrics.registry, REVIEWS, metrics.reviews.clone());
        register(&mut metrics.registry, REVIEW_DURATION, metrics.review_duration.clone());
        register(&mut metrics.registry, ADMISSION, metrics.admission.clone());
        register(&mut metrics.registry, CERTIFICATE, metrics.certificate.clone());
        metrics
    }
}

fn register(registry: &mut Registry, description: Description, metric: impl Metric) {
    registry.register(description.stem, description.help, metric);
}

impl Metrics {
    /// Whether this process may write now.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// A pass has ended; `failure` is the reason if it could not be finished.
    pub fn passed(&self, failure: Option<&'static str>) {
        self.passes.get_or_create(&vec![("outcome", failure.unwrap_or("finished"))]).inc();
    }

    /// A write has ended.
    pub fn wrote(&self, target: WriteTarget, outcome: WriteOutcome) {
        self.writes.get_or_create(&vec![("target", target.into()), ("outcome", outcome.into())]).inc();
    }

    /// A stage of a resize has ended.
    pub fn staged(&self, stage: Stage, took: Duration) {
        self.stages.get_or_create(&vec![("stage", stage.into())]).observe(took.as_secs_f64());
    }

    /// A review was answered.
    pub fn reviewed(&self, outcome: ReviewOutcome, took: Duration) {
        self.turned_away(outcome);
        self.review_duration.observe(took.as_secs_f64());
    }

    /// What was sent to the webhook got no answer that took any time.
    pub fn turned_away(&self, outcome: ReviewOutcome) {
        self.reviews.get_or_create(&vec![("outcome", outcome.into())]).inc();
    }

    /// Whether new Pods get their size now.
    pub fn admits(&self, admits: bool) {
        self.admission.set(i64::from(admits));
    }

    /// When the certificate that the webhook shows expires.
    pub fn certificate_expires(&self, at: Timestamp) {
        self.certificate.set(at.as_second());
    }

    /// All of it, as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes all that is written to it");
        text
    }
}

/// docs/metrics.md
pub fn reference() -> String {
    let mut page = String::from(
        "# Metrics\n\nTailor serves these at `/metrics` of `--listen`, as OpenMetrics text. No label names a Pod, so the \
         number of series\ndoes not grow with the cluster. This page is written by `make generate`.\n\n| metric | type | \
         labels | what it tells |\n|---|---|---|---|\n",
    );
    let mut all = ALL.to_vec();
    all.sort_by_key(Description::name);
    for metric in all {
        let labels = metric.labels.iter().map(|(name, values)| format!("`{name}`: {values}"));
        let labels = labels.collect::<Vec<_>>().join("; ");
        writeln!(page, "| `{}` | {} | {labels} | {}. |", metric.name(), metric.kind, metric.help)
            .expect("a String takes all that is written to it");
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use strum::IntoEnumIterator;

    use super::*;

    /// Every metric with every label value.
    fn full() -> String {
        let metrics = Metrics::default();
        metrics.leads(true);
        for failure in [None, Some("observe_failed"), Some("publish_failed")] {
            metrics.passed(failure);
        }
        for target in WriteTarget::iter() {
            WriteOutcome::iter().for_each(|outcome| metrics.wrote(target, outcome));
        }
        Stage::iter().for_each(|stage| metrics.staged(stage, Duration::from_millis(300)));
        ReviewOutcome::iter().for_each(|outcome| metrics.reviewed(outcome, Duration::from_millis(1)));
        metrics.text()
    }

    /// The labels of each series name, and their values.
    fn seen(text: &str) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
        let mut seen: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let known = seen.entry(name.to_owned()).or_default();
            for label in labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()) {
                let (label, value) = label.split_once('=').unwrap();
                known.entry(label.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
            }
        }
        seen
    }

    #[test]
    fn what_is_served_is_what_is_described() {
        let text = full();
        let seen = seen(&text);
        for metric in ALL {
            let name = if metric.kind == Kind::Histogram { format!("{}_count", metric.name()) } else { metric.name() };
            let labels = seen.get(&name).unwrap_or_else(|| panic!("{name} is not served:\n{text}"));
            let described: BTreeSet<_> = metric.labels.iter().map(|(label, _)| (*label).to_owned()).collect();
            assert_eq!(labels.keys().cloned().collect::<BTreeSet<_>>(), described, "labels of {name}");
            for (label, values) in metric.labels.iter().filter(|(_, values)| values.starts_with('`')) {
                let described: BTreeSet<_> = values.split(", ").map(|v| v.trim_matches('`').to_owned()).collect();
                assert_eq!(labels[*label], described, "values of {label} of {name}");
            }
        }
        let families = text.lines().filter(|line| line.starts_with("# TYPE")).count();
        assert_eq!(families, ALL.len(), "each is described");
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn names_keep_to_the_conventions() {
        for metric in ALL {
            let name = metric.name();
            assert!(name.starts_with("tailor_") && !name.contains("__"), "{name}");
            assert!(metric.kind != Kind::Histogram || name.ends_with("_seconds"), "{name} has no unit");
            assert!(!metric.labels.iter().any(|(label, _)| *label == "pod"), "{name} grows with the cluster");
            assert!(!metric.help.ends_with('.'), "the text format adds the full stop of {name}");
        }
    }

    #[test]
    fn the_page_is_up_to_date() {
        let page = include_str!("../../docs/metrics.md");
        assert_eq!(page, reference(), "run `make generate`");
    }

    #[test]
    fn a_write_is_known_by_its_path() {
        for (path, target) in [
            ("/api/v1/namespaces/shop/pods/web-0/resize", WriteTarget::Resize),
            ("/api/v1/namespaces/shop/pods/web-0/eviction", WriteTarget::Eviction),
            ("/apis/autoscaling.tailor.dev/v1alpha1/namespaces/a/verticalresizepolicies/b/status", WriteTarget::Status),
            ("/api/v1/namespaces/shop/events", WriteTarget::Event),
            ("/apis/coordination.k8s.io/v1/namespaces/a/leases/tailor", WriteTarget::Lease),
            ("/api/v1/namespaces/shop/pods/web-0", WriteTarget::Other),
        ] {
            assert_eq!(WriteTarget::of_path(path), target, "{path}");
        }
    }
}

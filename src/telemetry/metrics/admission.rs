//! What the admission webhook is sent and makes of it, and whether new Pods get their size.

use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::{Description, Kind, Labels, register};

const REVIEWS: Description = Description {
    stem: "tailor_admission_reviews",
    kind: Kind::Counter,
    labels: &[("outcome", "`sized`, `left_alone`, `probe`, `bad_request`, `too_large`, `too_slow`")],
    help: "What the admission webhook was sent, by what became of it",
};
const DURATION: Description = Description {
    stem: "tailor_admission_review_duration_seconds",
    kind: Kind::Histogram,
    labels: &[],
    help: "How long the admission webhook took from the head of a request to its answer",
};
const AVAILABLE: Description = Description {
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

/// What is described in this file.
pub(super) const ALL: [Description; 4] = [REVIEWS, DURATION, AVAILABLE, CERTIFICATE];

/// An answer is a matter of milliseconds; nobody waits for longer than three seconds.
const SECONDS: [f64; 9] = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 0.5, 2.0];

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

/// The metrics of admission.
#[derive(Debug)]
pub(super) struct Admission {
    reviews: Family<Labels, Counter>,
    duration: Histogram,
    available: Gauge,
    certificate: Gauge,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            reviews: Family::default(),
            duration: Histogram::new(SECONDS),
            available: Gauge::default(),
            certificate: Gauge::default(),
        }
    }
}

impl Admission {
    pub(super) fn register(&self, registry: &mut Registry) {
        register(registry, REVIEWS, self.reviews.clone());
        register(registry, DURATION, self.duration.clone());
        register(registry, AVAILABLE, self.available.clone());
        register(registry, CERTIFICATE, self.certificate.clone());
    }
}

impl super::Metrics {
    /// A review was answered.
    pub fn reviewed(&self, outcome: ReviewOutcome, took: Duration) {
        self.turned_away(outcome);
        self.admission.duration.observe(took.as_secs_f64());
    }

    /// What was sent to the webhook got no answer that took any time.
    pub fn turned_away(&self, outcome: ReviewOutcome) {
        self.admission.reviews.get_or_create(&vec![("outcome", outcome.into())]).inc();
    }

    /// Whether new Pods get their size now.
    pub fn admits(&self, admits: bool) {
        self.admission.available.set(i64::from(admits));
    }

    /// When the certificate that the webhook shows expires.
    pub fn certificate_expires(&self, at: Timestamp) {
        self.admission.certificate.set(at.as_second());
    }
}

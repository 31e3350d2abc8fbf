//! Conditions in the standard shape: `Ready` always, `Reconciling` and `Stalled` only while they hold (kstatus), and
//! likewise `Degraded`, while all is done but on less than should be known.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::observe::Observed;
use crate::{api::PodCounts, plan::Why};

/// The longest message: a status is bounded whatever an error says.
const LONGEST_MESSAGE: usize = 512;

/// How a policy fares: the reason of its conditions, spelled as users read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::IntoStaticStr, strum::EnumIter)]
pub enum Verdict {
    /// All is well.
    Fitting,
    /// The policy cannot mean what it says.
    InvalidSpec,
    /// There is no such workload.
    TargetNotFound,
    /// Another policy owns a workload that this one covers too.
    Conflict,
    /// The cluster cannot resize Pods in place.
    ResizeUnsupported,
    /// Nodes of its Pods cannot resize them in place.
    NodesTooOld,
    /// Usage cannot be read.
    UsageUnavailable,
    /// Nothing is known yet of what the workloads use.
    NoSamples,
    /// Pods that should be evicted are not, for new ones do not get their size now.
    AdmissionUnavailable,
    /// Pods that should be evicted are not, for nothing is set up to give new ones their size.
    AdmissionOff,
}

impl Verdict {
    /// How the policy fares, and what that means in a sentence.
    pub fn of(observed: &Observed, pods: PodCounts, held_by_admission: Option<Why>) -> (Self, String) {
        let policy = &observed.policy;
        let (namespace, _) = policy.key();
        if let Some(problem) = &policy.problem {
            return (Self::InvalidSpec, problem.clone());
        }
        if let Some((workload, other)) = observed.owned_by_others.first() {
            let more = match observed.owned_by_others.len() - 1 {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            return (
                Self::Conflict,
                format!("{workload}{more} is owned by the older policy {other}; only one may act"),
            );
        }
        if observed.workloads.is_empty() {
            let what = match &policy.object.spec.target_ref {
                Some(target) => {
                    format!("there is no {} {namespace}/{} ({})", target.kind, target.name, target.api_version)
                }
                None => format!("spec.selector selects no workload in namespace {namespace}"),
            };
            return (Self::TargetNotFound, what);
        }
        if observed.lacks_resize() {
            let message = "the API server does not serve pods/resize (Kubernetes 1.33 or newer does); use strategy \
                           Initial, Recreate or Off";
            return (Self::ResizeUnsupported, message.to_owned());
        }
        if let Some(message) = nodes_too_old(observed) {
            return (Self::NodesTooOld, message);
        }
        if let Some(problem) = &observed.usage_problem {
            return (Self::UsageUnavailable, problem.clone());
        }
        let mut fits = observed.workloads.iter().flat_map(|workload| workload.fits.values());
        if fits.all(|fit| !fit.is_known) {
            return (Self::NoSamples, "nothing is known yet of what the workloads use".to_owned());
        }
        if let Some(why) = held_by_admission {
            let verdict = if why == Why::AdmissionOff { Self::AdmissionOff } else { Self::AdmissionUnavailable };
            return (verdict, format!("Pods wait to be evicted. {} See docs/admission.md", why.describe()));
        }
        (Self::Fitting, fitting(pods))
    }

    /// Whether only somebody's edit helps.
    fn is_stalled(self) -> bool {
        match self {
            Self::InvalidSpec | Self::Conflict | Self::ResizeUnsupported | Self::NodesTooOld | Self::AdmissionOff => {
                true
            }
            Self::Fitting
            | Self::TargetNotFound
            | Self::UsageUnavailable
            | Self::NoSamples
            | Self::AdmissionUnavailable => false,
        }
    }

    /// Whether it needs somebody's attention (and so is worth an Event).
    pub fn is_warning(self) -> bool {
        self.is_stalled() || matches!(self, Self::TargetNotFound | Self::UsageUnavailable | Self::AdmissionUnavailable)
    }
}

/// How far the Pods are.
fn fitting(pods: PodCounts) -> String {
    let PodCounts { total, fitted, in_progress, deferred, infeasible, error, evicted, waiting } = pods;
    if fitted == total {
        return "all covered Pods have the size that is wanted".to_owned();
    }
    let others = [
        (in_progress, "in progress"),
        (deferred, "deferred"),
        (infeasible, "infeasible"),
        (error, "failing"),
        (evicted, "evicted"),
        (waiting, "waiting"),
    ];
    let others = others.iter().filter(|(count, _)| *count > 0).map(|(count, state)| format!("{count} {state}"));
    let others = others.collect::<Vec<_>>().join(", ");
    format!("{fitted} of {total} covered Pods have the size that is wanted; {others}")
}

/// Which of the Nodes of the policy's Pods are too old for what it does, if any are.
fn nodes_too_old(observed: &Observed) -> Option<String> {
    let old: Vec<_> = observed.nodes.values().map(|used| &used.node).filter(|node| !node.resizes_in_place()).collect();
    let first = old.first().filter(|_| observed.resizes_in_place())?;
    let is_there = |name: &Option<String>| old.iter().any(|node| Some(&node.name) == name.as_ref());
    let pods = observed.workloads.iter().flat_map(|workload| &workload.pods);
    let (there, all) =
        pods.fold((0, 0), |(there, all), pod| (there + u32::from(is_there(&pod.record.view.node)), all + 1));
    Some(format!(
        "{there} of {all} Pods run on Nodes whose kubelet is older than 1.33 and resizes nothing in place ({} runs {}); \
         they are left alone until the Nodes are upgraded, or use strategy Initial, Recreate or Off",
        first.name, first.kubelet_version
    ))
}

/// What conditions tell beside the verdict.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// Whether a Pod is being resized.
    pub resizes_in_progress: bool,
    /// Since when and why usage comes from another source than it should, while it does.
    pub usage_fallback: Option<&'a str>,
}

/// The conditions; one that has not changed its status keeps its time.
pub fn conditions(
    old: &[Condition],
    (verdict, message): (Verdict, &str),
    beside: &Beside<'_>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let condition = |kind: &str, status: bool, reason: &str, message: &str| {
        let status = if status { "True" } else { "False" };
        let before = old.iter().find(|condition| condition.type_ == kind && condition.status == status);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: shortened(message),
            observed_generation: generation,
            last_transition_time: before.map_or_else(|| Time(now), |before| before.last_transition_time.clone()),
        }
    };
    let reason: &str = verdict.into();
    let mut conditions = vec![condition("Ready", verdict == Verdict::Fitting, reason, message)];
    if verdict == Verdict::NoSamples {
        conditions.push(condition("Reconciling", true, reason, message));
    } else if beside.resizes_in_progress {
        conditions.push(condition("Reconciling", true, "ResizeInProgress", "resizes are in progress"));
    }
    if verdict.is_stalled() {
        conditions.push(condition("Stalled", true, reason, message));
    }
    if let Some(why) = beside.usage_fallback {
        conditions.push(condition("Degraded", true, "UsageFallback", why));
    }
    conditions
}

/// The text, cut at a character if it is too long.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use rstest::rstest;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn later() -> Timestamp {
        NOW + SignedDuration::from_hours(1)
    }

    fn of(verdict: Verdict, in_progress: bool) -> Vec<Condition> {
        let beside = Beside { resizes_in_progress: in_progress, usage_fallback: None };
        conditions(&[], (verdict, "text"), &beside, Some(3), NOW)
    }

    #[rstest]
    #[case::well(Verdict::Fitting, false, &[("Ready", "True", "Fitting")])]
    #[case::at_work(Verdict::Fitting, true, &[("Ready", "True", "Fitting"), ("Reconciling", "True", "ResizeInProgress")])]
    #[case::starting(Verdict::NoSamples, false, &[("Ready", "False", "NoSamples"), ("Reconciling", "True", "NoSamples")])]
    #[case::missing(Verdict::TargetNotFound, false, &[("Ready", "False", "TargetNotFound")])]
    #[case::stuck(Verdict::Conflict, false, &[("Ready", "False", "Conflict"), ("Stalled", "True", "Conflict")])]
    fn only_what_holds_is_there(
        #[case] verdict: Verdict,
        #[case] in_progress: bool,
        #[case] expected: &[(&str, &str, &str)],
    ) {
        let conditions = of(verdict, in_progress);
        let seen: Vec<_> =
            conditions.iter().map(|c| (c.type_.as_str(), c.status.as_str(), c.reason.as_str())).collect();
        assert_eq!(seen, expected);
        assert!(conditions.iter().all(|condition| condition.observed_generation == Some(3)));
    }

    #[test]
    fn the_time_moves_only_when_the_status_does() {
        let first = of(Verdict::TargetNotFound, false);
        let other_reason = conditions(&first, (Verdict::Conflict, "x"), &Beside::default(), Some(4), later());
        assert_eq!(other_reason[0].last_transition_time, Time(NOW));
        assert_eq!(other_reason[0].reason, "Conflict");
        let well = conditions(&other_reason, (Verdict::Fitting, "x"), &Beside::default(), Some(4), later());
        assert_eq!(well[0].last_transition_time, Time(later()));
    }

    #[test]
    fn another_source_is_told_beside_how_the_policy_fares() {
        let beside = Beside { usage_fallback: Some("it is down"), ..Beside::default() };
        let told = conditions(&[], (Verdict::Fitting, "text"), &beside, None, NOW);
        let seen: Vec<_> = told.iter().map(|c| (c.type_.as_str(), c.reason.as_str())).collect();
        assert_eq!(seen, [("Ready", "Fitting"), ("Degraded", "UsageFallback")]);
    }

    #[test]
    fn a_message_is_bounded() {
        let long = conditions(&[], (Verdict::InvalidSpec, &"ä".repeat(100_000)), &Beside::default(), None, NOW);
        assert!(long[0].message.len() < 2_000);
    }
}

//! The `eviction` subresource.
//!
//! Rule: k8s.io/kubernetes `pkg/registry/core/pod/storage/eviction.go`. The UID goes along as a precondition, so a Pod
//! that has been replaced under the same name is never the victim. (`Api::evict` of kube 5.0 writes the precondition
//! under a name that the API server ignores, so the object is posted as it is.)

use std::time::Duration;

use k8s_openapi::{
    api::{core::v1::Pod, policy::v1::Eviction},
    apimachinery::pkg::apis::meta::v1::{DeleteOptions, ObjectMeta, Preconditions},
};
use kube::{Api, Client, api::PostParams, core::Status};

use super::{Error, PodKey, causes, retry_after};

/// Said when two budgets match.
const TWO_BUDGETS: &str = "more than one PodDisruptionBudget matches the Pod, and the API server evicts none such";

/// What became of an eviction.
#[derive(Clone, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantNames)]
pub enum EvictOutcome {
    /// The Pod is being deleted.
    Evicted,
    /// A PodDisruptionBudget allows none now; try again later.
    BudgetRefused(Duration, String),
    /// More than one PodDisruptionBudget matches the Pod, which the server never allows.
    TwoBudgets,
    /// There is no such Pod any more, or another one under its name.
    Gone,
    /// Refused for good: rights, or an admission policy.
    Refused(String),
    /// Not now; try again later (5xx).
    Retry(Duration),
}

/// Asks for the eviction of exactly this Pod.
///
/// # Errors
/// When there was no answer at all.
pub async fn evict(client: &Client, pod: PodKey<'_>) -> Result<EvictOutcome, Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), pod.namespace);
    let answer = pods.create_subresource("eviction", pod.name, &PostParams::default(), &eviction(pod)).await;
    match answer {
        Ok(serde_json::Value::Object(_)) => Ok(EvictOutcome::Evicted),
        Ok(_) => Ok(EvictOutcome::Retry(super::RETRY_AFTER)),
        Err(kube::Error::Api(status)) => Ok(outcome(&status)),
        Err(source) => Err(Error::new("evict", pod, source)),
    }
}

fn eviction(pod: PodKey<'_>) -> Eviction {
    let preconditions = Preconditions { uid: Some(pod.uid.to_owned()), resource_version: None };
    Eviction {
        metadata: ObjectMeta {
            name: Some(pod.name.to_owned()),
            namespace: Some(pod.namespace.to_owned()),
            ..ObjectMeta::default()
        },
        delete_options: Some(DeleteOptions { preconditions: Some(preconditions), ..DeleteOptions::default() }),
    }
}

fn outcome(status: &Status) -> EvictOutcome {
    let budget = || causes(status).any(|cause| cause == "DisruptionBudget");
    match status.code {
        404 | 409 => EvictOutcome::Gone,
        429 => EvictOutcome::BudgetRefused(retry_after(status), status.message.clone()),
        403 if budget() => EvictOutcome::BudgetRefused(retry_after(status), status.message.clone()),
        // The only sign of it is the text: reason and causes are empty.
        500 if status.message.contains("more than one PodDisruptionBudget") => EvictOutcome::TwoBudgets,
        500.. => EvictOutcome::Retry(retry_after(status)),
        _ => EvictOutcome::Refused(status.message.clone()),
    }
}

impl EvictOutcome {
    /// What the server says to it, where it says something.
    pub fn said(&self) -> &str {
        match self {
            Self::BudgetRefused(_, message) | Self::Refused(message) => message,
            Self::TwoBudgets => TWO_BUDGETS,
            Self::Evicted | Self::Gone | Self::Retry(_) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const POD: PodKey<'_> = PodKey { namespace: "shop", name: "web-0", uid: "u1", resource_version: "7" };
    const TWO: &str =
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    const LATER: Duration = Duration::from_secs(10);

    #[test]
    fn the_victim_is_named_by_uid() {
        let body = serde_json::to_value(eviction(POD)).unwrap();
        assert_eq!(body["deleteOptions"]["preconditions"]["uid"], "u1");
        assert_eq!(body["metadata"]["name"], "web-0");
    }

    #[rstest]
    #[case::budget_without_retry_after(429, "no", EvictOutcome::BudgetRefused(LATER, "no".to_owned()))]
    #[case::two_budgets_are_final(500, TWO, EvictOutcome::TwoBudgets)]
    #[case::other_server_error(500, "etcd", EvictOutcome::Retry(LATER))]
    #[case::gone(404, "", EvictOutcome::Gone)]
    #[case::replaced_under_its_name(409, "", EvictOutcome::Gone)]
    #[case::no_rights(403, "rbac", EvictOutcome::Refused("rbac".to_owned()))]
    fn answers_are_read_by_code(#[case] code: u16, #[case] message: &str, #[case] expected: EvictOutcome) {
        assert_eq!(outcome(&Status::failure(message, "").with_code(code)), expected);
    }
}

//! Does a new Pod get its size? Asked of the API server itself.
//!
//! A dry-run update of the leader's Lease, with a label of its own, is sent to the API server. An entry of the webhook
//! configuration matches nothing but that label, and the webhook refuses the Lease with [`ANSWER`]. So whoever gets that
//! answer knows that this API server finds the webhook by the configuration, reaches it over its own network, trusts its
//! certificate, and that the one who answers is ready. That the same holds for Pods is known because another entry of
//! the same configuration sends Pods to the same place. Anything else that comes back says what is wrong.
//!
//! Nothing is ever stored: it is a dry run, the webhook refuses it, and without a version the API server would too. The
//! only rights that it takes are to update the Lease, which the leader needs anyway, and to read the configuration.

use std::time::Duration;

use k8s_openapi::api::{
    admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations},
    coordination::v1::Lease,
};
use kube::{
    Api, Client,
    api::{DynamicObject, ObjectMeta, PostParams},
    core::admission::{AdmissionRequest, Operation},
};
use tokio::time::{sleep, timeout};

use crate::{actuate::Replacements, plan::NewPods, telemetry::metrics::Metrics};

/// The label that the Lease is known by.
pub const LABEL: &str = "autoscaling.tailor.dev/admission-probe";
/// The word that it is refused with.
pub const ANSWER: &str = "tailor gives new Pods their size";

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(15);
/// How often it is asked until it is well, for it may be at any moment.
const EVERY_UNTIL_WELL: Duration = Duration::from_secs(3);
/// How long a good answer holds while nothing else is heard.
const HOLDS: Duration = Duration::from_secs(45);
/// The API server gives the webhook up after three seconds.
const TAKES: Duration = Duration::from_secs(10);

/// Whether a review is about the Lease.
pub fn is_probe(request: &AdmissionRequest<DynamicObject>) -> bool {
    let labels = request.object.as_ref().and_then(|object| object.metadata.labels.as_ref());
    request.kind.kind == "Lease"
        && request.kind.group == "coordination.k8s.io"
        && matches!(request.operation, Operation::Create | Operation::Update)
        && labels.is_some_and(|labels| labels.contains_key(LABEL))
}

/// Asks.
#[derive(Clone, Debug)]
pub struct Probe {
    leases: Api<Lease>,
    configurations: Api<MutatingWebhookConfiguration>,
    lease: Lease,
    configuration: String,
}

impl Probe {
    /// Asks with this Lease whether this configuration works.
    pub fn new(client: Client, namespace: &str, lease: &str, configuration: &str) -> Self {
        let metadata = ObjectMeta {
            name: Some(lease.to_owned()),
            labels: Some([(LABEL.to_owned(), "true".to_owned())].into()),
            ..ObjectMeta::default()
        };
        Self {
            leases: Api::namespaced(client.clone(), namespace),
            configurations: Api::all(client),
            lease: Lease { metadata, ..Lease::default() },
            configuration: configuration.to_owned(),
        }
    }

    /// Asks again and again, and passes on what it hears.
    pub async fn run(&self, replacements: &Replacements, metrics: &Metrics) {
        let mut told = None;
        loop {
            let answer = timeout(TAKES, self.ask()).await;
            let answer = answer.unwrap_or_else(|_| Err(format!("the API server did not answer within {TAKES:?}")));
            metrics.admits(answer.is_ok());
            match answer {
                Ok(()) => {
                    replacements.are_sized_for(HOLDS);
                    told = None;
                }
                Err(problem) => {
                    replacements.are_unsized();
                    if told.as_ref() != Some(&problem) {
                        tracing::warn!(%problem, "new Pods do not get their size; none is evicted for it meanwhile");
                    }
                    told = Some(problem);
                }
            }
            sleep(if replacements.now() == NewPods::Sized { EVERY } else { EVERY_UNTIL_WELL }).await;
        }
    }

    /// Asks once.
    ///
    /// # Errors
    /// Why a new Pod would not get its size.
    pub async fn ask(&self) -> Result<(), String> {
        let name = &self.configuration;
        let configuration = self.configurations.get_opt(name).await;
        let configuration =
            configuration.map_err(|error| format!("cannot read MutatingWebhookConfiguration {name}: {error}"))?;
        let configuration = configuration.ok_or_else(|| format!("there is no MutatingWebhookConfiguration {name}"))?;
        let entries =
            entries(&configuration).map_err(|problem| format!("MutatingWebhookConfiguration {name}: {problem}"))?;
        let params = PostParams { dry_run: true, ..PostParams::default() };
        let lease = self.lease.metadata.name.as_deref().unwrap_or_default();
        match self.leases.replace(lease, &params, &self.lease).await {
            Err(kube::Error::Api(status)) if is_answer(&status.message, &entries) => Ok(()),
            // What the Lease would meet behind admission: it has no version.
            Ok(_) => Err(NOT_ASKED.to_owned()),
            Err(kube::Error::Api(status)) if [409, 422].contains(&status.code) => Err(NOT_ASKED.to_owned()),
            Err(kube::Error::Api(status)) => Err(status.message),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Said when the Lease went past the webhook.
const NOT_ASKED: &str = "the API server did not ask the webhook, or the replica that answered is not ready yet";

/// Whether one of the entries has refused the Lease as this process would.
fn is_answer(message: &str, entries: &[&str]) -> bool {
    message.contains(ANSWER) && entries.iter().any(|entry| message.contains(&format!("{entry:?}")))
}

/// The names of the entries that the Lease is sent to the place by where Pods are sent as well.
fn entries(configuration: &MutatingWebhookConfiguration) -> Result<Vec<&str>, &'static str> {
    let all = || configuration.webhooks.iter().flatten();
    let takes = |entry: &MutatingWebhook, group: &str, resource: &str, operation: &str| {
        entry.rules.iter().flatten().any(|rule| covers(rule, group, resource, operation))
    };
    let pods: Vec<_> = all().filter(|entry| takes(entry, "", "pods", "CREATE")).collect();
    if pods.is_empty() {
        return Err("no entry is about the creation of Pods");
    }
    let is_same = |entry: &&MutatingWebhook| pods.iter().all(|pods| pods.client_config == entry.client_config);
    let probes = all().filter(|entry| takes(entry, "coordination.k8s.io", "leases", "UPDATE")).filter(is_same);
    match probes.map(|entry| entry.name.as_str()).collect::<Vec<_>>() {
        none if none.is_empty() => Err("no entry sends the probe to where Pods are sent, with the same caBundle"),
        probes => Ok(probes),
    }
}

fn covers(rule: &RuleWithOperations, group: &str, resource: &str, operation: &str) -> bool {
    let has = |list: &Option<Vec<String>>, wanted: &str| {
        list.iter().flatten().any(|item| item == wanted || item == "*" || item == "*/*")
    };
    has(&rule.api_groups, group) && has(&rule.resources, resource) && has(&rule.operations, operation)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn configuration(change: impl FnOnce(&mut Value)) -> MutatingWebhookConfiguration {
        let text = include_str!("../../docs/admission/webhook.yaml");
        let mut value: Value = serde_saphyr::from_str(text).unwrap();
        change(&mut value["webhooks"]);
        serde_json::from_value(value).unwrap()
    }

    #[rstest]
    #[case::as_documented(|_: &mut Value| {}, Ok(vec!["probe.tailor.dev"]))]
    #[case::no_pods(
        |entries: &mut Value| _ = entries.as_array_mut().unwrap().remove(0),
        Err("no entry is about the creation of Pods")
    )]
    #[case::pods_are_sent_elsewhere(
        |entries: &mut Value| entries[0]["clientConfig"]["service"]["path"] = json!("/other"),
        Err("no entry sends the probe to where Pods are sent, with the same caBundle")
    )]
    #[case::pods_go_to_one_who_is_not_trusted(
        |entries: &mut Value| entries[0]["clientConfig"]["caBundle"] = json!("eA=="),
        Err("no entry sends the probe to where Pods are sent, with the same caBundle")
    )]
    #[case::no_probe(
        |entries: &mut Value| _ = entries.as_array_mut().unwrap().remove(1),
        Err("no entry sends the probe to where Pods are sent, with the same caBundle")
    )]
    #[case::nothing(|entries: &mut Value| *entries = json!([]), Err("no entry is about the creation of Pods"))]
    fn a_probe_counts_only_where_pods_go_the_same_way(
        #[case] change: fn(&mut Value),
        #[case] expected: Result<Vec<&str>, &str>,
    ) {
        assert_eq!(entries(&configuration(change)), expected);
    }

    #[test]
    fn only_the_own_entry_can_give_the_answer() {
        let answered = |by: &str, word: &str| format!("admission webhook \"{by}\" denied the request: {word}");
        assert!(is_answer(&answered("probe.tailor.dev", ANSWER), &["probe.tailor.dev"]));
        assert!(!is_answer(&answered("other.example.com", ANSWER), &["probe.tailor.dev"]));
        assert!(!is_answer(&answered("probe.tailor.dev", "no"), &["probe.tailor.dev"]));
        assert!(!is_answer("Post \"https://x\": connection refused", &["probe.tailor.dev"]));
    }
}

//! What makes the Pod template of a workload invalid, whatever workload it is.
//!
//! Rules: k8s.io/kubernetes `pkg/apis/apps/validation/validation.go` and `pkg/apis/batch/validation/validation.go`. What
//! only the workload itself has (its strategy, its replicas) is not looked at.

use k8s_openapi::{
    api::core::v1::{Pod, PodTemplateSpec},
    apimachinery::pkg::apis::meta::v1::{LabelSelector, Status},
};
use kube::core::{Selector, SelectorExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    amount::Amount,
    pod_defaults, pod_spec,
    status::{self, Fault, Subject},
};

/// The kinds that make Pods, with their groups and where their template stands.
const KINDS: [(&str, &str, &[&str]); 6] = [
    ("Deployment", "apps", &["spec", "template"]),
    ("ReplicaSet", "apps", &["spec", "template"]),
    ("StatefulSet", "apps", &["spec", "template"]),
    ("DaemonSet", "apps", &["spec", "template"]),
    ("Job", "batch", &["spec", "template"]),
    ("CronJob", "batch", &["spec", "jobTemplate", "spec", "template"]),
];

/// Where the Pod template of a workload of `kind` stands; `None` if it makes no Pods.
pub fn path(kind: &str) -> Option<&'static [&'static str]> {
    KINDS.iter().find(|(known, ..)| *known == kind).map(|(.., path)| *path)
}

/// The Pod that `workload` makes, as far as its template says: without a name of its own, and with what the server fills
/// in. `None` if it makes no Pods, or has no template that can be read.
pub fn pod(workload: &Value) -> Option<Pod> {
    let mut template: Value = part(workload, path(workload["kind"].as_str()?)?)?;
    pod_defaults::fill_in(&mut template);
    let template: PodTemplateSpec = serde_json::from_value(template).ok()?;
    let mut pod = Pod { metadata: template.metadata.unwrap_or_default(), spec: template.spec, status: None };
    pod.metadata.name = Some("template".to_owned());
    Some(pod)
}

/// The first amount in the template that is not a quantity: its field, and what stands there.
pub fn unreadable(workload: &Value) -> Option<(String, String)> {
    let path = path(workload["kind"].as_str()?)?;
    let spec = part::<PodTemplateSpec>(workload, path)?.spec?;
    let lists = [("containers", &spec.containers), ("initContainers", &spec.init_containers.unwrap_or_default())];
    for (list, containers) in lists {
        for (index, container) in containers.iter().enumerate() {
            let resources = container.resources.clone().unwrap_or_default();
            for (part, amounts) in [("requests", resources.requests), ("limits", resources.limits)] {
                let bad = amounts.into_iter().flatten().find(|(_, amount)| Amount::read(amount).is_none());
                if let Some((name, amount)) = bad {
                    return Some((
                        format!("{}.spec.{list}[{index}].resources.{part}.{name}", path.join(".")),
                        amount.0,
                    ));
                }
            }
        }
    }
    None
}

/// 422 for a workload whose Pod template is at fault.
pub fn check(workload: &Value) -> Result<(), Box<Status>> {
    let kind = workload["kind"].as_str().unwrap_or_default();
    let Some((kind, group, path)) = KINDS.iter().find(|(known, ..)| *known == kind) else { return Ok(()) };
    let Some(pod) = pod(workload) else { return Ok(()) };
    let at = path.join(".");
    let mut faults = selector_faults(workload, kind, &pod, &at);
    let in_template = pod_spec::check(&pod, None).into_iter();
    faults.extend(in_template.map(|fault| Fault { field: format!("{at}.{}", fault.field), ..fault }));
    faults.extend(restart_fault(kind, &pod, &at));
    let name = workload["metadata"]["name"].as_str().unwrap_or_default();
    status::check(Subject { group, kind, name }, &faults)
}

fn selector_faults(workload: &Value, kind: &str, pod: &Pod, at: &str) -> Vec<Fault> {
    if matches!(kind, "Job" | "CronJob") {
        return Vec::new();
    }
    let Some(selector) = part::<LabelSelector>(workload, &["spec", "selector"]) else {
        return vec![Fault::required("spec.selector", "")];
    };
    let labels = pod.metadata.labels.clone();
    let Ok(selector) = Selector::try_from(selector) else { return Vec::new() };
    if selector.selects_all() || selector.matches(&labels.clone().unwrap_or_default()) {
        return Vec::new();
    }
    let detail = "`selector` does not match template `labels`";
    vec![Fault::invalid(format!("{at}.metadata.labels"), labels, detail)]
}

fn restart_fault(kind: &str, pod: &Pod, at: &str) -> Option<Fault> {
    let policy = pod.spec.as_ref()?.restart_policy.as_deref()?;
    let field = format!("{at}.spec.restartPolicy");
    match (kind, policy) {
        ("Job" | "CronJob", "Always") => Some(Fault::required(field, "valid values: \"OnFailure\", \"Never\"")),
        ("Job" | "CronJob", _) | (_, "Always") => None,
        _ => Some(Fault::not_supported(field, policy, &["Always"])),
    }
}

fn part<T: DeserializeOwned>(workload: &Value, path: &[&str]) -> Option<T> {
    let value = path.iter().try_fold(workload, |value, key| value.get(key))?;
    serde_json::from_value(value.clone()).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn workload(kind: &str, labels: &Value, spec: &Value) -> Value {
        let template = json!({ "metadata": { "labels": labels }, "spec": spec });
        let spec = json!({ "selector": { "matchLabels": { "app": "web" } }, "template": template });
        json!({ "kind": kind, "metadata": { "name": "web" }, "spec": spec })
    }

    fn container(resources: &Value) -> Value {
        json!({ "containers": [{ "name": "app", "image": "i", "resources": resources }] })
    }

    fn said(workload: &Value) -> String {
        check(workload).err().and_then(|status| status.message).unwrap_or_default()
    }

    #[rstest]
    #[case::fine(json!({ "requests": { "cpu": 1 }, "limits": { "cpu": 2 } }), "")]
    #[case::negative(
        json!({ "requests": { "cpu": "-1" } }),
        "spec.template.spec.containers[0].resources.requests[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"
    )]
    #[case::limit_below_request(
        json!({ "requests": { "cpu": 2 }, "limits": { "cpu": 1 } }),
        "spec.template.spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"
    )]
    fn a_template_is_judged_as_a_pod(#[case] resources: Value, #[case] fault: &str) {
        let message = said(&workload("Deployment", &json!({ "app": "web" }), &container(&resources)));
        let expected =
            if fault.is_empty() { String::new() } else { format!("Deployment.apps \"web\" is invalid: {fault}") };
        assert_eq!(message, expected);
    }

    #[test]
    fn a_selector_that_misses_the_template_is_refused() {
        let message = said(&workload("StatefulSet", &json!({ "app": "api" }), &container(&json!({}))));
        let detail = "spec.template.metadata.labels: Invalid value: {\"app\":\"api\"}: `selector` does not match template `labels`";
        assert_eq!(message, format!("StatefulSet.apps \"web\" is invalid: {detail}"));
    }

    #[rstest]
    #[case::never("Deployment", Some("Never"), "Unsupported value: \"Never\": supported values: \"Always\"")]
    #[case::by_default("Job", None, "Required value: valid values: \"OnFailure\", \"Never\"")]
    #[case::fine("Job", Some("Never"), "")]
    fn pods_restart_as_their_workload_needs(#[case] kind: &str, #[case] policy: Option<&str>, #[case] fault: &str) {
        let mut spec = container(&json!({}));
        spec["restartPolicy"] = policy.into();
        let message = said(&workload(kind, &json!({ "app": "web" }), &spec));
        assert!(message.ends_with(fault) && message.is_empty() == fault.is_empty(), "{message}");
    }

    #[test]
    fn what_is_no_quantity_is_named_with_its_field() {
        let bad = workload("Deployment", &json!({}), &container(&json!({ "limits": { "cpu": "one" } })));
        let (field, value) = unreadable(&bad).unwrap();
        assert_eq!((field.as_str(), value.as_str()), ("spec.template.spec.containers[0].resources.limits.cpu", "one"));
    }
}

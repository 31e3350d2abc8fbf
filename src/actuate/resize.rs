//! The `resize` subresource.
//!
//! Rules: k8s.io/kubernetes `pkg/registry/core/pod` (`ResizeREST`), `plugin/pkg/admission/podresize`. A strategic merge
//! patch is keyed by container name, so it can name only what changes; a JSON merge patch would replace the list.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    core::Status,
};
use serde_json::{Map, Value, json};

use super::{Error, PodKey, causes, retry_after};
use crate::{
    plan::ContainerChange,
    resources::{ContainerKind, ContainerResources, Resources},
};

/// Who Tailor is among the managers of a Pod's fields.
pub const FIELD_MANAGER: &str = "tailor";

/// What became of a resize.
#[derive(Clone, Debug, PartialEq, strum::IntoStaticStr, strum::VariantNames)]
pub enum ResizeOutcome {
    /// The spec says so now; the Pod as the server returned it.
    Applied(Box<Pod>),
    /// The Pod's Node can never hold it (403 `NodeCapacity`, `UnsupportedPlatform`).
    NoRoomEver(String),
    /// Refused, and it will be again unless something changes: validation (422), quota, LimitRange or rights (403).
    Refused(String),
    /// There is no such Pod any more.
    Gone,
    /// The Pod has changed since the decision (409): look again and decide anew.
    Conflict,
    /// Not now; try again later (429, 5xx).
    Retry(Duration),
}

/// Asks for `changes`, and for nothing else, unless the Pod is no longer the one that they were decided for.
///
/// # Errors
/// When there was no answer at all.
pub async fn resize(client: &Client, pod: PodKey<'_>, changes: &[ContainerChange]) -> Result<ResizeOutcome, Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), pod.namespace);
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match pods.patch_resize(pod.name, &params, &Patch::Strategic(patch(pod, changes))).await {
        Ok(resized) => Ok(ResizeOutcome::Applied(Box::new(resized))),
        Err(kube::Error::Api(status)) => Ok(outcome(&status)),
        Err(source) => Err(Error::new("resize", pod, source)),
    }
}

/// The patch: containers that change, resources that change, and the version that must still hold.
fn patch(pod: PodKey<'_>, changes: &[ContainerChange]) -> Value {
    let of = |kind: ContainerKind| -> Vec<Value> {
        let changes = changes.iter().filter(|change| change.kind == kind);
        changes.map(|change| json!({ "name": change.container, "resources": requirements(&change.to) })).collect()
    };
    let lists = [("containers", of(ContainerKind::App)), ("initContainers", of(ContainerKind::Sidecar))];
    let spec: Map<String, Value> = lists
        .into_iter()
        .filter(|(_, containers)| !containers.is_empty())
        .map(|(name, containers)| (name.to_owned(), containers.into()))
        .collect();
    json!({ "metadata": { "resourceVersion": pod.resource_version }, "spec": spec })
}

/// Requests and limits as a Pod's spec writes them, without what is absent.
pub(super) fn requirements(resources: &ContainerResources) -> Value {
    let present = |amounts: Resources| amounts != Resources::default();
    let lists = [("requests", resources.requests), ("limits", resources.limits)];
    let lists = lists.into_iter().filter(|(_, amounts)| present(*amounts));
    Value::Object(lists.map(|(name, amounts)| (name.to_owned(), json!(amounts))).collect())
}

fn outcome(status: &Status) -> ResizeOutcome {
    let never = || causes(status).any(|cause| cause == "NodeCapacity" || cause == "UnsupportedPlatform");
    match status.code {
        404 => ResizeOutcome::Gone,
        409 => ResizeOutcome::Conflict,
        403 if never() => ResizeOutcome::NoRoomEver(status.message.clone()),
        // The server's own caches are not filled yet.
        403 if status.message.contains("not yet ready to handle request") => ResizeOutcome::Retry(retry_after(status)),
        429 | 500.. => ResizeOutcome::Retry(retry_after(status)),
        _ => ResizeOutcome::Refused(status.message.clone()),
    }
}

impl ResizeOutcome {
    /// What the server says to it, where it says something.
    pub fn said(&self) -> &str {
        match self {
            Self::NoRoomEver(message) | Self::Refused(message) => message,
            Self::Applied(_) | Self::Gone | Self::Conflict | Self::Retry(_) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::response::{StatusCause, StatusDetails};
    use rstest::rstest;

    use super::*;
    use crate::resources::{Bytes, MilliCpu};

    const POD: PodKey<'_> = PodKey { namespace: "shop", name: "web-0", uid: "u1", resource_version: "7" };

    fn change(container: &str, kind: ContainerKind, to: ContainerResources) -> ContainerChange {
        ContainerChange { container: container.to_owned(), kind, from: ContainerResources::default(), to }
    }

    #[test]
    fn a_patch_names_only_what_changes() {
        let cpu = Resources { cpu: Some(MilliCpu(250)), memory: None };
        let memory = Resources { cpu: None, memory: Some(Bytes::mib(64)) };
        let changes = [
            change("app", ContainerKind::App, ContainerResources { requests: cpu, limits: Resources::default() }),
            change("mesh", ContainerKind::Sidecar, ContainerResources { requests: memory, limits: memory }),
        ];
        let sidecar = json!({ "requests": { "memory": "64Mi" }, "limits": { "memory": "64Mi" } });
        let expected = json!({
            "metadata": { "resourceVersion": "7" },
            "spec": {
                "containers": [{ "name": "app", "resources": { "requests": { "cpu": "250m" } } }],
                "initContainers": [{ "name": "mesh", "resources": sidecar }],
            },
        });
        assert_eq!(patch(POD, &changes), expected);
        assert_eq!(patch(POD, &changes[..1])["spec"].as_object().unwrap().len(), 1);
    }

    fn status(code: u16, message: &str, cause: &str) -> Status {
        let causes = vec![StatusCause { reason: cause.to_owned(), message: String::new(), field: String::new() }];
        let details = StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes,
            retry_after_seconds: 0,
        };
        Status::failure(message, "").with_code(code).with_details(details)
    }

    #[rstest]
    #[case::node_too_small(403, "", "NodeCapacity", ResizeOutcome::NoRoomEver(String::new()))]
    #[case::windows(403, "", "UnsupportedPlatform", ResizeOutcome::NoRoomEver(String::new()))]
    #[case::quota(403, "exceeded quota", "", ResizeOutcome::Refused("exceeded quota".to_owned()))]
    #[case::server_starting(403, "not yet ready to handle request", "", ResizeOutcome::Retry(Duration::from_secs(10)))]
    #[case::invalid(422, "QOS", "FieldValueInvalid", ResizeOutcome::Refused("QOS".to_owned()))]
    #[case::gone(404, "", "", ResizeOutcome::Gone)]
    #[case::changed(409, "", "", ResizeOutcome::Conflict)]
    #[case::throttled(429, "", "", ResizeOutcome::Retry(Duration::from_secs(10)))]
    #[case::server_error(503, "", "", ResizeOutcome::Retry(Duration::from_secs(10)))]
    fn answers_are_read_by_code_and_cause(
        #[case] code: u16,
        #[case] message: &str,
        #[case] cause: &str,
        #[case] expected: ResizeOutcome,
    ) {
        assert_eq!(outcome(&status(code, message, cause)), expected);
    }
}

//! The user of the embedded cluster: creates, replaces and deletes what a scenario says.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Client,
    api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams},
    core::{Status, response::StatusSummary},
    discovery::{self, ApiCapabilities, Scope},
};
use serde_json::Value;

use super::{
    api_server::rules::template,
    scenario::{Change, Error, Manifest, Place, format::ObjectRef},
};

/// Who the API server takes the user for.
pub(super) const NAME: &str = "user";

/// Does what an event says.
///
/// # Errors
/// The API server refuses it.
pub(super) async fn change(client: &Client, change: &Change) -> Result<(), Error> {
    match change {
        Change::Apply(manifest) => apply(client, manifest).await,
        Change::Delete { object, place } => delete(client, object, place).await,
    }
}

/// Creates the object, or replaces it. Unknown fields are refused, as `kubectl` has the server do.
///
/// # Errors
/// The API server refuses it.
pub(super) async fn apply(client: &Client, manifest: &Manifest) -> Result<(), Error> {
    let refused = |error: &kube::Error| refusal(manifest, error);
    let kind = gvk(manifest.api_version(), manifest.kind());
    let (resource, capabilities) = discovery::pinned_kind(client, &kind).await.map_err(|_| Error::Refused {
        place: manifest.place_of("apiVersion"),
        object: manifest.object(),
        message: format!("it serves no {} of {}; correct apiVersion or kind", manifest.kind(), manifest.api_version()),
    })?;
    let namespace = manifest.namespace().unwrap_or("default");
    let api = api(client, &resource, &capabilities, namespace);
    let there = api.get_opt(manifest.name()).await.map_err(|error| refused(&error))?;
    let mut object = manifest.value.clone();
    let (method, path) = match there {
        Some(there) => {
            // Custom resources are replaced by none that does not say what it replaces.
            object["metadata"]["resourceVersion"] = there.metadata.resource_version.into();
            (http::Method::PUT, format!("{}/{}", api.resource_url(), manifest.name()))
        }
        None => (http::Method::POST, api.resource_url().to_owned()),
    };
    let uri = format!("{path}?fieldValidation=Strict&fieldManager={NAME}");
    let request = http::Request::builder()
        .method(method)
        .uri(uri)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(object.to_string().into_bytes());
    let request = request.map_err(|error| refused(&kube::Error::HttpError(error)))?;
    client.request::<Value>(request).await.map_err(|error| refused(&error))?;
    Ok(())
}

/// Has the server judge a Pod of the workload, as far as can be told without the workload's controllers; `None` for what
/// makes no Pods. The Pod is not kept.
///
/// # Errors
/// The template is at fault, or the namespace's LimitRanges and ResourceQuotas let no such Pod pass.
pub(super) async fn try_pod(client: &Client, manifest: &Manifest) -> Result<Option<Pod>, Error> {
    let Some(path) = template::path(manifest.kind()) else { return Ok(None) };
    if let Some((field, value)) = template::unreadable(&manifest.value) {
        let problem = format!("{field}: `{value}` is not a quantity; write 250m or 2 for CPU, 64Mi or 1Gi for memory");
        return Err(Error::Invalid { place: manifest.place_of(&field), problem });
    }
    if let Err(status) = template::check(&manifest.value) {
        return Err(refusal(manifest, &kube::Error::Api(Box::new(in_kubes_terms(&status)))));
    }
    let Some(mut pod) = template::pod(&manifest.value) else { return Ok(None) };
    pod.metadata.name = None;
    pod.metadata.generate_name = Some(format!("{}-", manifest.name()));
    let pods = Api::<Pod>::namespaced(client.clone(), manifest.namespace().unwrap_or("default"));
    let admitted = pods.create(&PostParams { dry_run: true, ..PostParams::default() }, &pod).await;
    admitted.map(Some).map_err(|error| Error::Refused {
        place: manifest.place_of(&format!("{}.spec.containers", path.join("."))),
        object: format!("the Pods of {}", manifest.object()),
        message: words(&error),
    })
}

/// The two types say the same.
fn in_kubes_terms(status: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Status) -> Status {
    let value = serde_json::to_value(status).unwrap_or_default();
    serde_json::from_value(value).unwrap_or_default()
}

async fn delete(client: &Client, object: &ObjectRef, place: &Place) -> Result<(), Error> {
    let ObjectRef { api_version, kind, namespace, name } = object;
    let refused = |error: kube::Error| Error::Refused {
        place: place.clone(),
        object: format!("the deletion of {kind} {namespace}/{name}"),
        message: words(&error),
    };
    let (resource, capabilities) = discovery::pinned_kind(client, &gvk(api_version, kind)).await.map_err(refused)?;
    api(client, &resource, &capabilities, namespace).delete(name, &Default::default()).await.map_err(refused)?;
    Ok(())
}

fn api(client: &Client, resource: &ApiResource, capabilities: &ApiCapabilities, namespace: &str) -> Api<DynamicObject> {
    match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), namespace, resource),
    }
}

fn gvk(api_version: &str, kind: &str) -> GroupVersionKind {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    GroupVersionKind::gvk(group, version, kind)
}

fn refusal(manifest: &Manifest, error: &kube::Error) -> Error {
    let message = words(error);
    let field = match error {
        kube::Error::Api(status) => cause(status).or_else(|| unknown_field(&message)),
        _ => None,
    };
    let message = curable(&message);
    Error::Refused { place: manifest.place_of(field.as_deref().unwrap_or("")), object: manifest.object(), message }
}

/// What the server adds to other faults, and what says nothing to people.
const NOT_ALL_CHECKED: &str = "<nil>: Invalid value: null: some validation rules were not checked because the object was \
                               invalid; correct the existing errors to complete validation";

/// What to do about faults that the server names and says no more of.
const CURES: [(&str, &str); 4] = [
    (
        "must be of type string: \"boolean\"",
        "YAML may read Off, On, Yes and No as true and false; quote it, as \"Off\"",
    ),
    ("(ms|s|m|h))+$'", "write a length of time, such as 90s, 10m or 1h30m"),
    ("unknown field", "correct its name or its place, or leave it out"),
    ("Unsupported value", "write one of the supported values"),
];

/// The server's words for people who read one line: without what follows from the rest, and with what to do.
fn curable(message: &str) -> String {
    let mut text = message.replace(&format!(", {NOT_ALL_CHECKED}"), "");
    if text != message && !text.contains(", spec") {
        // One fault needs no brackets.
        text = text.replacen(": [", ": ", 1).trim_end_matches(']').to_owned();
    }
    for (_, cure) in CURES.iter().filter(|(fault, _)| message.contains(fault)) {
        text = format!("{text}; {cure}");
    }
    text
}

fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.status == Some(StatusSummary::Failure) => status.message.clone(),
        other => other.to_string(),
    }
}

/// The field that the server names as the cause.
fn cause(status: &Status) -> Option<String> {
    let causes = &status.details.as_ref()?.causes;
    causes.iter().map(|cause| cause.field.clone()).find(|field| !field.is_empty())
}

/// Strict decoding names the field in its message only: `unknown field "spec.x"`.
fn unknown_field(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("unknown field \"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::enumeration(
        "P \"p\" is invalid: [spec.strategy: Unsupported value: \"No\": supported values: \"Off\", <nil>: Invalid value: \
         null: some validation rules were not checked because the object was invalid; correct the existing errors to \
         complete validation]",
        "P \"p\" is invalid: spec.strategy: Unsupported value: \"No\": supported values: \"Off\"; write one of the supported \
         values"
    )]
    #[case::boolean(
        "spec.strategy in body must be of type string: \"boolean\"",
        "spec.strategy in body must be of type string: \"boolean\"; YAML may read Off, On, Yes and No as true and false; \
         quote it, as \"Off\""
    )]
    #[case::plain("it is full", "it is full")]
    fn refusals_say_what_to_do(#[case] message: &str, #[case] expected: &str) {
        assert_eq!(curable(message), expected);
    }
}

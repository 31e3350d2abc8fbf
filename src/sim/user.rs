//! The user of the embedded cluster: creates, replaces and deletes what a scenario says.

use kube::{
    Client,
    api::{Api, ApiResource, DynamicObject, GroupVersionKind},
    core::{Status, response::StatusSummary},
    discovery::{self, ApiCapabilities, Scope},
};
use serde_json::Value;

use super::scenario::{Change, Error, Manifest, Place, format::ObjectRef};

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
    Error::Refused { place: manifest.place_of(field.as_deref().unwrap_or("")), object: manifest.object(), message }
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

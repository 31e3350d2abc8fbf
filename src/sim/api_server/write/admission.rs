//! The mutating webhook in the process: sees each Pod before it is created.

use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::api::authentication::v1::UserInfo;
use kube::core::{
    DynamicObject, GroupVersionKind, GroupVersionResource, TypeMeta,
    admission::{AdmissionRequest, AdmissionResponse, Operation},
};
use serde_json::Value;

use crate::sim::api_server::{
    meta,
    status::{Result, failure},
    write::Target,
};

/// A mutating webhook without the network.
#[async_trait]
pub trait MutatingAdmission: Send + Sync {
    /// Judges a request, and may answer it with a JSON patch.
    async fn admit(&self, request: AdmissionRequest<DynamicObject>) -> AdmissionResponse;
}

/// What the hook makes of a new object. A patch that does not fit is ignored, as with `failurePolicy: Ignore`.
///
/// # Errors
/// What the hook denies.
pub(crate) async fn admitted(
    hook: &Arc<dyn MutatingAdmission>,
    target: &Target,
    user: &str,
    dry_run: bool,
    uid: String,
    object: Value,
) -> Result<Value> {
    let Some(request) = request(target, user, dry_run, uid, &object) else { return Ok(object) };
    let response = hook.admit(request).await;
    if !response.allowed {
        let code = match response.result.code {
            0 => 403,
            code => code,
        };
        let message = format!("admission webhook denied the request: {}", response.result.message);
        return Err(failure(code, "Forbidden", message));
    }
    let Some(patch) = response.patch else { return Ok(object) };
    let Ok(patch) = serde_json::from_slice::<json_patch::Patch>(&patch) else { return Ok(object) };
    let mut patched = object.clone();
    match json_patch::patch(&mut patched, &patch) {
        Ok(()) => Ok(patched),
        Err(_) => Ok(object),
    }
}

fn request(
    target: &Target,
    user: &str,
    dry_run: bool,
    uid: String,
    object: &Value,
) -> Option<AdmissionRequest<DynamicObject>> {
    let resource = &target.resource;
    let kind = GroupVersionKind::gvk(&resource.group, &resource.version, &resource.kind);
    let plural = GroupVersionResource::gvr(&resource.group, &resource.version, &resource.plural);
    Some(AdmissionRequest {
        types: TypeMeta { api_version: "admission.k8s.io/v1".into(), kind: "AdmissionReview".into() },
        uid,
        kind: kind.clone(),
        resource: plural.clone(),
        sub_resource: None,
        request_kind: Some(kind),
        request_resource: Some(plural),
        request_sub_resource: None,
        name: meta::name(object).to_owned(),
        namespace: Some(target.namespace.clone()),
        operation: Operation::Create,
        user_info: UserInfo { username: Some(user.to_owned()), ..UserInfo::default() },
        object: Some(serde_json::from_value(object.clone()).ok()?),
        old_object: None,
        dry_run,
        options: None,
    })
}

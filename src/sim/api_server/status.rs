//! Errors as the server says them: `Status` objects with code, reason, details and causes.
//!
//! Shapes follow k8s.io/apimachinery pkg/api/errors, so that clients print what they print on a real server.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Status, StatusCause, StatusDetails};

use super::registry::Resource;

/// What every step of a request may fail with.
pub(super) type Failure = Box<Status>;
/// The result of a step of a request.
pub(super) type Result<T> = std::result::Result<T, Failure>;

/// One field that made an object invalid.
pub(super) struct Cause {
    /// `FieldValueInvalid`, `FieldValueRequired`, `FieldValueForbidden` ...
    pub(super) reason: &'static str,
    /// The path of the field, `metadata.name`.
    pub(super) field: String,
    /// What is wrong, with its type first: `Invalid value: "A": ...`.
    pub(super) message: String,
}

impl Cause {
    /// A value that is not allowed.
    pub(super) fn invalid(field: &str, value: &str, message: &str) -> Self {
        let message = format!("Invalid value: {value}: {message}");
        Self { reason: "FieldValueInvalid", field: field.into(), message }
    }

    /// A value that is missing.
    pub(super) fn required(field: &str, message: &str) -> Self {
        Self { reason: "FieldValueRequired", field: field.into(), message: format!("Required value: {message}") }
    }

    /// A field that may not be set here.
    pub(super) fn forbidden(field: &str, message: &str) -> Self {
        Self { reason: "FieldValueForbidden", field: field.into(), message: format!("Forbidden: {message}") }
    }
}

/// A failure without details.
pub(super) fn failure(code: u16, reason: &str, message: impl Into<String>) -> Failure {
    Box::new(Status {
        code: Some(code.into()),
        message: Some(message.into()),
        reason: (!reason.is_empty()).then(|| reason.into()),
        status: Some("Failure".into()),
        ..Status::default()
    })
}

fn about(mut status: Failure, resource: &Resource, kind: &str, name: &str) -> Failure {
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    status.details = Some(StatusDetails {
        name: filled(name),
        group: filled(&resource.group),
        kind: filled(kind),
        ..StatusDetails::default()
    });
    status
}

/// 404 for an object.
pub(super) fn not_found(resource: &Resource, name: &str) -> Failure {
    let status = failure(404, "NotFound", format!("{} {name:?} not found", resource.table));
    about(status, resource, &resource.plural, name)
}

/// 404 for a path that no resource serves.
pub(super) fn no_such_path() -> Failure {
    with_no_details(failure(404, "NotFound", "the server could not find the requested resource"))
}

/// 404 in plain text: nothing that is said in JSON is near the path.
pub(super) fn no_page() -> Failure {
    Box::new(Status { code: Some(404), message: Some("404 page not found\n".into()), ..Status::default() })
}

/// 409 for a name that is taken.
pub(super) fn already_exists(resource: &Resource, name: &str) -> Failure {
    let status = failure(409, "AlreadyExists", format!("{} {name:?} already exists", resource.table));
    about(status, resource, &resource.plural, name)
}

/// 409 for a write that was made from something older, or whose preconditions do not hold.
pub(super) fn conflict(resource: &Resource, name: &str, why: &str) -> Failure {
    conflict_on(resource, &resource.table, name, why)
}

/// 409 on a subresource, spelled by `what` (`pods/binding`).
pub(super) fn conflict_on(resource: &Resource, what: &str, name: &str, why: &str) -> Failure {
    let status = failure(409, "Conflict", format!("Operation cannot be fulfilled on {what} {name:?}: {why}"));
    about(status, resource, what.split('.').next().unwrap_or(what), name)
}

/// What a stale `resourceVersion` is answered with.
pub(super) const STALE: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// 409 of server-side apply: each cause is a field that another manager owns.
pub(super) fn apply_conflict(message: String, causes: Vec<(String, String)>) -> Failure {
    let mut status = failure(409, "Conflict", message);
    let cause = |(message, field)| StatusCause {
        reason: Some("FieldManagerConflict".into()),
        message: Some(message),
        field: Some(field),
    };
    let causes = causes.into_iter().map(cause).collect();
    status.details = Some(StatusDetails { causes: Some(causes), ..StatusDetails::default() });
    status
}

/// 422 for an object that breaks the rules of its kind.
pub(super) fn invalid(resource: &Resource, name: &str, causes: &[Cause]) -> Failure {
    invalid_as(resource, &resource.kind, name, causes)
}

/// The same, with another word for the kind.
pub(super) fn invalid_as(resource: &Resource, kind: &str, name: &str, causes: &[Cause]) -> Failure {
    let shown = if resource.group.is_empty() { kind.to_owned() } else { format!("{kind}.{}", resource.group) };
    let texts: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
    let text = if texts.len() == 1 { texts.concat() } else { format!("[{}]", texts.join(", ")) };
    let status = failure(422, "Invalid", format!("{shown} {name:?} is invalid: {text}"));
    let mut status = about(status, resource, kind, name);
    let details = status.details.get_or_insert_default();
    let cause = |cause: &Cause| StatusCause {
        reason: Some(cause.reason.into()),
        message: Some(cause.message.clone()),
        field: Some(cause.field.clone()),
    };
    details.causes = Some(causes.iter().map(cause).collect());
    status
}

/// 422 for a scale that breaks the rules.
pub(super) fn invalid_scale(name: &str, cause: &Cause) -> Failure {
    let text = format!("Scale.autoscaling {name:?} is invalid: {}: {}", cause.field, cause.message);
    let mut status = failure(422, "Invalid", text);
    status.details = Some(StatusDetails {
        name: Some(name.into()),
        group: Some("autoscaling".into()),
        kind: Some("Scale".into()),
        causes: Some(vec![StatusCause {
            reason: Some(cause.reason.into()),
            message: Some(cause.message.clone()),
            field: Some(cause.field.clone()),
        }]),
        ..StatusDetails::default()
    });
    status
}

/// 422 for options of a request, as `PatchOptions.meta.k8s.io "" is invalid: ...`.
pub(super) fn invalid_options(kind: &str, cause: &Cause) -> Failure {
    refused_options(kind, std::slice::from_ref(cause))
}

/// The same for several causes.
pub(super) fn refused_options(kind: &str, causes: &[Cause]) -> Failure {
    let texts: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
    let text = if texts.len() == 1 { texts.concat() } else { format!("[{}]", texts.join(", ")) };
    let mut status = failure(422, "Invalid", format!("{kind}.meta.k8s.io \"\" is invalid: {text}"));
    let cause = |cause: &Cause| StatusCause {
        reason: Some(cause.reason.into()),
        message: Some(cause.message.clone()),
        field: Some(cause.field.clone()),
    };
    status.details = Some(StatusDetails {
        group: Some("meta.k8s.io".into()),
        kind: Some(kind.into()),
        causes: Some(causes.iter().map(cause).collect()),
        ..StatusDetails::default()
    });
    status
}

/// 400 for a request that cannot be understood.
pub(super) fn bad_request(message: impl Into<String>) -> Failure {
    failure(400, "BadRequest", message)
}

/// 403 for a request that is understood and refused.
pub(super) fn forbidden(resource: &Resource, name: &str, why: &str) -> Failure {
    let status = failure(403, "Forbidden", format!("{} {name:?} is forbidden: {why}", resource.table));
    about(status, resource, &resource.plural, name)
}

/// 405 for a method that the resource does not serve.
pub(super) fn method_not_allowed() -> Failure {
    let message = "the server does not allow this method on the requested resource";
    with_no_details(failure(405, "MethodNotAllowed", message))
}

fn with_no_details(mut status: Failure) -> Failure {
    status.details = Some(StatusDetails::default());
    status
}

/// 415 for a patch in a form that the resource does not take.
pub(super) fn unsupported_patch_type() -> Failure {
    with_no_details(failure(415, "UnsupportedMediaType", "415: Unsupported Media Type"))
}

/// 422 for a JSON patch that does not fit the object.
pub(super) fn rejected_patch() -> Failure {
    let message = "the server rejected our request due to an error in our request";
    with_no_details(failure(422, "Invalid", message))
}

/// 422 for a patch that makes something that is no object of its kind.
pub(super) fn invalid_patch(patch: &str, problem: &str) -> Failure {
    let cause = Cause::invalid("patch", &format!("{patch:?}"), problem);
    let mut status = failure(422, "Invalid", format!(" \"\" is invalid: {}: {}", cause.field, cause.message));
    let causes =
        vec![StatusCause { reason: Some(cause.reason.into()), message: Some(cause.message), field: Some(cause.field) }];
    status.details = Some(StatusDetails { causes: Some(causes), ..StatusDetails::default() });
    status
}

/// 406 for a client that takes nothing that is served.
pub(super) fn not_acceptable(message: &str) -> Failure {
    failure(406, "NotAcceptable", message)
}

/// 410 for a resource version or a continue token that is too old.
pub(super) fn expired(message: impl Into<String>) -> Failure {
    failure(410, "Expired", message)
}

/// 415 for a body or patch in a form that is not accepted.
pub(super) fn unsupported_media_type(accepted: &[&str]) -> Failure {
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: {}",
        accepted.join(", ")
    );
    failure(415, "UnsupportedMediaType", message)
}

/// 504 for a resource version that this server has not reached.
pub(super) fn too_large_version(asked: u64, current: u64) -> Failure {
    let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
    let mut status = failure(504, "Timeout", message);
    status.details = Some(StatusDetails {
        retry_after_seconds: Some(1),
        causes: Some(vec![StatusCause {
            reason: Some("ResourceVersionTooLarge".into()),
            message: Some("Too large resource version".into()),
            field: None,
        }]),
        ..StatusDetails::default()
    });
    status
}

/// 200 for a deletion whose object is gone.
pub(super) fn deleted(resource: &Resource, name: &str, uid: &str) -> Failure {
    let status = Box::new(Status { status: Some("Success".into()), ..Status::default() });
    let mut status = about(status, resource, &resource.plural, name);
    status.details.get_or_insert_default().uid = Some(uid.to_owned());
    status
}

/// 201 for an action that returns no object (binding, eviction).
pub(super) fn done() -> Failure {
    Box::new(Status { status: Some("Success".into()), code: Some(201), ..Status::default() })
}

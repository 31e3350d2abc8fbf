//! Refusals in the shape that clients parse.
//!
//! Rules: k8s.io/apimachinery `pkg/api/errors` and `pkg/util/validation/field`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Status, StatusCause, StatusDetails};
use serde::Serialize;
use serde_json::Value;

/// How one field is wrong: the `reason` of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub enum FaultKind {
    /// A value is missing.
    #[strum(serialize = "FieldValueRequired")]
    Required,
    /// A value that must be unique is not.
    #[strum(serialize = "FieldValueDuplicate")]
    Duplicate,
    /// A value breaks a rule.
    #[strum(serialize = "FieldValueInvalid")]
    Invalid,
    /// A value is not one of the known ones.
    #[strum(serialize = "FieldValueNotSupported")]
    NotSupported,
    /// A value that could be right is not allowed here.
    #[strum(serialize = "FieldValueForbidden")]
    Forbidden,
    /// A text has too many bytes.
    #[strum(serialize = "FieldValueTooLong")]
    TooLong,
    /// A list or map has too many entries.
    #[strum(serialize = "FieldValueTooMany")]
    TooMany,
    /// A name that nothing has.
    #[strum(serialize = "FieldValueNotFound")]
    NotFound,
    /// A value has the wrong type.
    #[strum(serialize = "FieldValueTypeInvalid")]
    TypeInvalid,
}

impl FaultKind {
    const fn title(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::NotFound => "Not found",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
        }
    }
}

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How it is wrong.
    pub kind: FaultKind,
    /// Where, as in `spec.containers[0].image`; `[]` and `<nil>` are how the server prints "the object itself".
    pub field: String,
    /// What the server says about it, without the field.
    pub message: String,
}

impl Fault {
    fn new(kind: FaultKind, field: impl Into<String>, value: Option<&Value>, detail: &str) -> Self {
        let mut message = kind.title().to_owned();
        for part in [value.map(Value::to_string).as_deref(), Some(detail)].into_iter().flatten() {
            if !part.is_empty() {
                message.push_str(": ");
                message.push_str(part);
            }
        }
        Self { kind, field: field.into(), message }
    }

    /// `value` breaks a rule that `detail` tells.
    pub fn invalid(field: impl Into<String>, value: impl Serialize, detail: &str) -> Self {
        Self::new(FaultKind::Invalid, field, Some(&shown(value)), detail)
    }

    /// As [`Fault::invalid`] for an object or a list, which the server does not print.
    pub fn invalid_whole(field: impl Into<String>, detail: &str) -> Self {
        Self::new(FaultKind::Invalid, field, None, detail)
    }

    /// `value` has the wrong type.
    pub fn type_invalid(field: impl Into<String>, value: impl Serialize, detail: &str) -> Self {
        Self::new(FaultKind::TypeInvalid, field, Some(&shown(value)), detail)
    }

    /// The change is not allowed.
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::new(FaultKind::Forbidden, field, None, detail)
    }

    /// The field is missing.
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        Self::new(FaultKind::Required, field, None, detail)
    }

    /// `value` is there already.
    pub fn duplicate(field: impl Into<String>, value: impl Serialize) -> Self {
        Self::new(FaultKind::Duplicate, field, Some(&shown(value)), "")
    }

    /// Nothing is called `value`; `detail` may say what is.
    pub fn not_found(field: impl Into<String>, value: impl Serialize, detail: &str) -> Self {
        Self::new(FaultKind::NotFound, field, Some(&shown(value)), detail)
    }

    /// `value` is none of `supported`.
    pub fn not_supported<S: AsRef<str>>(field: impl Into<String>, value: impl Serialize, supported: &[S]) -> Self {
        let quoted: Vec<_> = supported.iter().map(|s| format!("{:?}", s.as_ref())).collect();
        let detail = format!("supported values: {}", quoted.join(", "));
        Self::new(FaultKind::NotSupported, field, Some(&shown(value)), &detail)
    }

    /// The text has more than `max` bytes.
    pub fn too_long(field: impl Into<String>, max: u64) -> Self {
        let bytes = if max == 1 { "byte" } else { "bytes" };
        Self::new(FaultKind::TooLong, field, None, &format!("may not be more than {max} {bytes}"))
    }

    /// There are `actual` entries where `max` are allowed.
    pub fn too_many(field: impl Into<String>, actual: usize, max: u64) -> Self {
        let items = if max == 1 { "item" } else { "items" };
        Self::new(FaultKind::TooMany, field, Some(&actual.into()), &format!("must have at most {max} {items}"))
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

fn shown(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// API group, empty for the core group.
    pub group: &'a str,
    /// Kind (`Pod`) for faults in the object, resource (`pods`) for everything else.
    pub kind: &'a str,
    /// Name of the object.
    pub name: &'a str,
}

impl Subject<'_> {
    fn qualified(self) -> String {
        if self.group.is_empty() { self.kind.to_owned() } else { format!("{}.{}", self.kind, self.group) }
    }

    fn details(self, causes: Vec<StatusCause>) -> StatusDetails {
        StatusDetails {
            group: Some(self.group.to_owned()).filter(|g| !g.is_empty()),
            kind: Some(self.kind.to_owned()),
            name: Some(self.name.to_owned()),
            causes: Some(causes).filter(|c| !c.is_empty()),
            ..StatusDetails::default()
        }
    }
}

/// Several messages as one: bare when alone, else in brackets, each once.
pub fn aggregate<S: ToString>(messages: impl IntoIterator<Item = S>) -> String {
    let mut unique: Vec<String> = Vec::new();
    for message in messages {
        let message = message.to_string();
        if !unique.contains(&message) {
            unique.push(message);
        }
    }
    if unique.len() == 1 { unique.remove(0) } else { format!("[{}]", unique.join(", ")) }
}

fn failure(code: i32, reason: &str, message: String, details: Option<StatusDetails>) -> Box<Status> {
    Box::new(Status {
        status: Some("Failure".to_owned()),
        code: Some(code),
        reason: Some(reason.to_owned()).filter(|r| !r.is_empty()),
        message: Some(message),
        details,
        ..Status::default()
    })
}

/// 422: the object is wrong in these fields, all of them listed.
pub fn invalid(subject: Subject<'_>, faults: &[Fault]) -> Box<Status> {
    let mut causes: Vec<StatusCause> = Vec::new();
    for fault in faults {
        let cause = StatusCause {
            reason: Some(<&str>::from(fault.kind).to_owned()),
            field: Some(fault.field.clone()),
            message: Some(fault.message.clone()),
        };
        // What is wrong twice in the same way is said once.
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    let message = format!("{} {:?} is invalid: {}", subject.qualified(), subject.name, aggregate(faults));
    failure(422, "Invalid", message, Some(subject.details(causes)))
}

/// Nothing wrong, or the 422 for what is.
pub fn check(subject: Subject<'_>, faults: &[Fault]) -> Result<(), Box<Status>> {
    if faults.is_empty() { Ok(()) } else { Err(invalid(subject, faults)) }
}

/// 403 by an admission rule; a `cause` carries its type, and a message only where the server gives one.
pub fn forbidden(subject: Subject<'_>, why: &str, cause: Option<StatusCause>) -> Box<Status> {
    let message = format!("{} {:?} is forbidden: {why}", subject.qualified(), subject.name);
    failure(403, "Forbidden", message, Some(subject.details(cause.into_iter().collect())))
}

/// 409: the object is not the one that was meant.
pub fn conflict(subject: Subject<'_>, why: &str) -> Box<Status> {
    let message = format!("Operation cannot be fulfilled on {} {:?}: {why}", subject.qualified(), subject.name);
    failure(409, "Conflict", message, Some(subject.details(Vec::new())))
}

/// 400: the request cannot be understood.
pub fn bad_request(message: impl Into<String>) -> Box<Status> {
    failure(400, "BadRequest", message.into(), None)
}

/// 404: nothing is served here.
pub fn no_such_resource() -> Box<Status> {
    failure(404, "NotFound", "the server could not find the requested resource".to_owned(), None)
}

/// 429; without `retry_after_seconds` no Retry-After header is sent.
pub fn too_many_requests(message: &str, cause: StatusCause, retry_after_seconds: Option<i32>) -> Box<Status> {
    let details = StatusDetails { causes: Some(vec![cause]), retry_after_seconds, ..StatusDetails::default() };
    failure(429, "TooManyRequests", message.to_owned(), Some(details))
}

/// 500 with an empty reason: a `Status` that a handler returned as if it were its result.
pub fn internal_without_reason(message: &str) -> Box<Status> {
    failure(500, "", message.to_owned(), None)
}

//! The options of lists and watches: which go together, and what they say.
//!
//! Rules: k8s.io/apimachinery pkg/apis/meta/internalversion/validation.

use super::{
    request::Call,
    status::{Cause, Failure, Result, bad_request, failure, refused_options},
};

/// 422 when the options of a list do not go together.
pub(super) fn check_list(call: &Call) -> Result<()> {
    let matching = call.option("resourceVersionMatch");
    let mut causes = Vec::new();
    let forbidden = |message: &str| Cause::forbidden("resourceVersionMatch", message);
    if !matching.is_empty() {
        if call.option("resourceVersion").is_empty() {
            causes.push(forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
        causes.extend(with_continuation(call));
        if !matches!(matching, "Exact" | "NotOlderThan") {
            causes.push(unsupported(matching, r#""Exact", "NotOlderThan", """#));
        }
        if matching == "Exact" && call.option("resourceVersion") == "0" {
            causes.push(forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
        }
    }
    if call.has("sendInitialEvents") {
        causes.push(Cause::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    answered(&causes)
}

/// 422 when the options of a watch do not go together.
pub(super) fn check_watch(call: &Call) -> Result<()> {
    let (matching, streams) = (call.option("resourceVersionMatch"), call.has("sendInitialEvents"));
    let mut causes = Vec::new();
    let forbidden = |message: &str| Cause::forbidden("resourceVersionMatch", message);
    if streams && matching != "NotOlderThan" {
        causes.push(forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    }
    if !matching.is_empty() {
        if !streams {
            causes.push(forbidden("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
        }
        if matching != "NotOlderThan" {
            causes.push(unsupported(matching, r#""NotOlderThan""#));
        }
        causes.extend(with_continuation(call));
    }
    answered(&causes)
}

fn with_continuation(call: &Call) -> Option<Cause> {
    let message = "resourceVersionMatch is forbidden when continue is provided";
    (!call.option("continue").is_empty()).then(|| Cause::forbidden("resourceVersionMatch", message))
}

fn unsupported(matching: &str, supported: &str) -> Cause {
    let message = format!("Unsupported value: {matching:?}: supported values: {supported}");
    Cause { reason: "FieldValueNotSupported", field: "resourceVersionMatch".into(), message }
}

fn answered(causes: &[Cause]) -> Result<()> {
    if causes.is_empty() { Ok(()) } else { Err(refused_options("ListOptions", causes)) }
}

/// A number in the query, if it is given; 400 when it is none.
pub(super) fn number(call: &Call, name: &str) -> Result<Option<i64>> {
    match call.option(name) {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| bad_request(not_parsed("ParseInt", text))),
    }
}

/// The version that a list is asked for; 400 when it is none.
pub(super) fn list_version(call: &Call) -> Result<Option<u64>> {
    version(call, |problem| bad_request(format!("invalid resource version: {problem}")))
}

/// The version that a watch or a read begins with; 500 when it is none, as on the real server.
pub(super) fn first_version(call: &Call) -> Result<Option<u64>> {
    version(call, |problem| failure(500, "", problem))
}

fn version(call: &Call, refused: impl Fn(String) -> Failure) -> Result<Option<u64>> {
    let text = call.option("resourceVersion");
    if text.is_empty() {
        return Ok(None);
    }
    let problem = || format!("resourceVersion: Invalid value: {text:?}: {}", not_parsed("ParseUint", text));
    text.parse().map(Some).map_err(|_| refused(problem()))
}

fn not_parsed(how: &str, text: &str) -> String {
    format!("strconv.{how}: parsing {text:?}: invalid syntax")
}

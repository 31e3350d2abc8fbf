//! Answers: bodies and their media types.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use serde::Serialize;

use super::status::{Failure, failure};

/// The body of an answer.
pub type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

const JSON: &str = "application/json";

/// An answer of any kind.
pub(super) fn response(code: u16, media_type: &'static str, body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// JSON that is encoded already.
pub(super) fn encoded(code: u16, bytes: Bytes) -> Response<AnswerBody> {
    response(code, JSON, Full::new(bytes).boxed_unsync())
}

/// JSON.
pub(super) fn json(code: u16, value: &impl Serialize) -> Response<AnswerBody> {
    encoded(code, serde_json::to_vec(value).expect("answers always encode").into())
}

/// All groups with their resources in one document.
pub(super) fn aggregated(value: &serde_json::Value) -> Response<AnswerBody> {
    let media_type = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    response(200, media_type, Full::new(value.to_string().into()).boxed_unsync())
}

/// Plain text.
pub(super) fn text(text: &'static str) -> Response<AnswerBody> {
    response(200, "text/plain", Full::new(Bytes::from_static(text.as_bytes())).boxed_unsync())
}

/// A failure.
pub(super) fn refused(status: &Failure) -> Response<AnswerBody> {
    let code = status.code.and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
    if let (None, Some(message)) = (&status.status, &status.message) {
        return response(code, "text/plain", Full::new(Bytes::from(message.clone())).boxed_unsync());
    }
    let mut response = json(code, status);
    let wait = status.details.as_ref().and_then(|details| details.retry_after_seconds);
    if let Some(seconds) = wait.filter(|seconds| *seconds > 0) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// What is answered to a request that does not come as far as a door.
pub(in crate::sim) fn refusal(code: u16, reason: &str, message: &str) -> Response<AnswerBody> {
    refused(&failure(code, reason, message))
}

/// Adds warnings, as kubectl shows them.
pub(super) fn warned(mut response: Response<AnswerBody>, warnings: &[String]) -> Response<AnswerBody> {
    for warning in warnings {
        let quoted = warning.replace('\\', r"\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    response
}

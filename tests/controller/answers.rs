//! What becomes of an answer on its way to the controller.

use std::convert::Infallible;

use futures::StreamExt;
use http::Response;
use http_body_util::{BodyExt, Full, StreamBody};
use serde_json::Value;
use tailor::sim::api_server::AnswerBody;

use super::Hands;

/// Each event comes as late as is said when it happens.
pub(super) fn late(answer: Response<AnswerBody>, shared: Hands) -> Response<AnswerBody> {
    let (parts, mut body) = answer.into_parts();
    let (events, mut shown) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(frame)) = body.frame().await {
            let at = tokio::time::Instant::now() + shared.lock().unwrap().watch_delay;
            if events.send((at, frame)).is_err() {
                return;
            }
        }
    });
    let frames = futures::stream::poll_fn(move |context| shown.poll_recv(context)).then(|(at, frame)| async move {
        tokio::time::sleep_until(at).await;
        Ok::<_, Infallible>(frame)
    });
    Response::from_parts(parts, StreamBody::new(frames).boxed_unsync())
}

/// Discovery that does not know of `pods/resize`.
pub(super) async fn without_resize(answer: Response<AnswerBody>) -> Response<AnswerBody> {
    let (mut parts, body) = answer.into_parts();
    let mut list: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
    list["resources"].as_array_mut().unwrap().retain(|resource| resource["name"] != "pods/resize");
    parts.headers.remove(http::header::CONTENT_LENGTH);
    Response::from_parts(parts, Full::new(bytes::Bytes::from(list.to_string())).boxed_unsync())
}

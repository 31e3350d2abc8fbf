//! The gate in front of the API server: no write passes without the right to write.
//!
//! Everything that a pass does goes through a client over this service, so no call can forget to ask. A write may take as
//! long as the right to write lasts: then it is given up here, and the server is told to give it up too (`timeout` in
//! the query, which kube-apiserver makes the deadline of the request). Another process takes over no earlier than
//! `lease_duration - renew_deadline` after that. Reads pass always.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use http::{Method, Request, Response, Uri};
use kube::{Client, client::Body};
use tokio::time::Instant;
use tower::{BoxError, Service};

use super::leadership::Leadership;
use crate::telemetry::metrics::{Metrics, RequestOutcome, Verb, WriteTarget};

/// A write that was not sent, or that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fenced {
    /// Another process may lead.
    #[error("not sent, for this process does not hold the lease")]
    NotLeading,
    /// It may have been done.
    #[error("no answer within {0:?}")]
    TooLate(Duration),
}

/// The service under the client of all passes.
#[derive(Clone)]
pub struct Fence {
    client: Client,
    leadership: Leadership,
    metrics: Arc<Metrics>,
}

impl Fence {
    /// A client whose writes need the right to write. Must be called inside a tokio runtime.
    pub fn around(client: &Client, leadership: Leadership, metrics: Arc<Metrics>) -> Client {
        let namespace = client.default_namespace().to_owned();
        let fence = Self { client: client.clone(), leadership, metrics };
        Client::new(fence, namespace)
    }

    async fn read(self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let verb = Verb::of(request.method(), request.uri());
        let path = request.uri().path().to_owned();
        let sent = Instant::now();
        let answer = self.client.send(request).await;
        let outcome = match &answer {
            Ok(response) => RequestOutcome::of_status(response.status().as_u16()),
            Err(_) => RequestOutcome::Unanswered,
        };
        self.metrics.asked(verb, outcome, sent.elapsed());
        if (verb, outcome) == (Verb::Watch, RequestOutcome::Accepted) {
            self.metrics.watch_taken_up(path.rsplit('/').next().unwrap_or_default());
        }
        Ok(answer?)
    }

    async fn write(self, mut request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let target = WriteTarget::of_path(request.uri().path());
        let verb = Verb::of(request.method(), request.uri());
        let Some(left) = self.leadership.time_to_write() else {
            self.metrics.wrote(target, RequestOutcome::Fenced);
            return Err(Fenced::NotLeading.into());
        };
        *request.uri_mut() = within(request.uri(), left);
        let sent = Instant::now();
        let answer = tokio::time::timeout(left, self.client.send(request)).await;
        let outcome = match &answer {
            Ok(Ok(response)) => RequestOutcome::of_status(response.status().as_u16()),
            Ok(Err(_)) | Err(_) => RequestOutcome::Unanswered,
        };
        self.metrics.wrote(target, outcome);
        self.metrics.asked(verb, outcome, sent.elapsed());
        Ok(answer.map_err(|_| Fenced::TooLate(left))??)
    }
}

impl Service<Request<Body>> for Fence {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let fence = self.clone();
        if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
            return fence.read(request).boxed();
        }
        fence.write(request).boxed()
    }
}

/// The address with a deadline for the server.
fn within(uri: &Uri, left: Duration) -> Uri {
    let timeout = format!("timeout={}ms", left.as_millis().max(1));
    let path = match uri.query() {
        Some(query) if !query.is_empty() => format!("{}?{query}&{timeout}", uri.path()),
        _ => format!("{}?{timeout}", uri.path()),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Mutex};

    use http_body_util::Full;
    use jiff::Timestamp;
    use k8s_openapi::api::core::v1::Pod;
    use kube::{Api, api::DeleteParams};

    use super::*;
    use crate::{
        clock::Clock,
        controller::leadership::{Moment, Standing},
    };

    const SECOND: Duration = Duration::from_secs(1);

    struct Bench {
        clock: Clock,
        leadership: Leadership,
        metrics: Arc<Metrics>,
        pods: Api<Pod>,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Bench {
        /// A server that answers each request after `takes`.
        fn new(takes: Duration) -> Self {
            let clock = Clock::simulated(Timestamp::constant(1_800_000_000, 0));
            let asked: Arc<Mutex<Vec<String>>> = Arc::default();
            let server = tower::service_fn({
                let asked = Arc::clone(&asked);
                move |request: Request<Body>| {
                    let asked = Arc::clone(&asked);
                    async move {
                        asked.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
                        tokio::time::sleep(takes).await;
                        let pod = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-0"}}"#;
                        Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::from_static(pod.as_bytes()))))
                    }
                }
            });
            let metrics: Arc<Metrics> = Arc::default();
            let leadership = Leadership::new(Standing::Standby, clock, Arc::clone(&metrics));
            let client = Fence::around(&Client::new(server, "shop"), leadership.clone(), Arc::clone(&metrics));
            Self { clock, leadership, metrics, pods: Api::namespaced(client, "shop"), asked }
        }

        fn lead(&self, left: Duration) {
            self.leadership.set(Standing::Leading { term: 1, until: Moment::now(&self.clock).after(left) });
        }

        async fn delete(&self) -> Result<(), Option<Fenced>> {
            match self.pods.delete("web-0", &DeleteParams::default()).await {
                Ok(_) => Ok(()),
                Err(kube::Error::Service(error)) => Err(error.downcast::<Fenced>().ok().map(|fenced| *fenced)),
                Err(_) => Err(None),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_standby_reads_and_writes_nothing() {
        let bench = Bench::new(Duration::ZERO);
        assert!(bench.pods.get("web-0").await.is_ok());
        assert_eq!(bench.delete().await, Err(Some(Fenced::NotLeading)));
        assert_eq!(*bench.asked.lock().unwrap(), ["GET /api/v1/namespaces/shop/pods/web-0"]);
        let counted = r#"tailor_api_writes_total{target="other",outcome="fenced"} 1"#;
        assert!(bench.metrics.text().contains(counted), "{}", bench.metrics.text());
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_writes_until_its_time_is_over_and_tells_the_server_when_that_is() {
        let bench = Bench::new(SECOND);
        bench.lead(SECOND * 10);
        assert_eq!(bench.delete().await, Ok(()));
        assert_eq!(bench.asked.lock().unwrap()[0], "DELETE /api/v1/namespaces/shop/pods/web-0?timeout=10000ms");
        tokio::time::advance(SECOND * 9).await;
        assert_eq!(bench.delete().await, Err(Some(Fenced::NotLeading)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_on_its_way_ends_with_the_right_to_write() {
        let bench = Bench::new(SECOND * 60);
        bench.lead(SECOND * 4);
        let began = Moment::now(&bench.clock);
        assert_eq!(bench.delete().await, Err(Some(Fenced::TooLate(SECOND * 4))));
        assert_eq!(Moment::now(&bench.clock).since(began), SECOND * 4);
    }
}

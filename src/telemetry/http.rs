//! `/livez`, `/healthz`, `/readyz` and `/metrics` over HTTP. Nothing can be changed through it.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use super::{health::Health, metrics::Metrics};

/// OpenMetrics text, as the encoder writes it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is told.
#[derive(Clone, Debug)]
pub struct Told {
    /// Whether the process is alive and ready.
    pub health: Health,
    /// Its metrics.
    pub metrics: Arc<Metrics>,
}

/// Takes the address.
///
/// # Errors
/// The address cannot be had: it is in use, or not of this machine.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers until it is dropped.
///
/// # Errors
/// The listener fails for good.
pub async fn serve(listener: TcpListener, told: Told) -> io::Result<()> {
    axum::serve(listener, router(told)).await
}

fn router(told: Told) -> Router {
    let routes = Router::new()
        .route("/livez", get(alive))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics));
    routes.with_state(told)
}

async fn alive(State(told): State<Told>) -> (StatusCode, String) {
    match told.health.stuck() {
        stuck if stuck.is_empty() => (StatusCode::OK, "ok\n".to_owned()),
        stuck => (StatusCode::INTERNAL_SERVER_ERROR, stuck.join("\n") + "\n"),
    }
}

async fn ready(State(told): State<Told>) -> (StatusCode, String) {
    match told.health.missing() {
        missing if missing.is_empty() => (StatusCode::OK, "ok\n".to_owned()),
        missing => (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n"),
    }
}

async fn metrics(State(told): State<Told>) -> Response {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], told.metrics.text()).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::{Body, to_bytes};
    use http::Request;
    use rstest::rstest;
    use tower::ServiceExt;

    use super::*;

    async fn ask(told: &Told, method: &str, path: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = router(told.clone()).oneshot(request).await.unwrap();
        let code = answer.status().as_u16();
        (code, String::from_utf8(to_bytes(answer.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap())
    }

    fn told() -> Told {
        Told { health: Health::default(), metrics: Arc::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_ready_once_its_caches_are_and_alive_until_something_is_stuck() {
        let told = told();
        assert_eq!(ask(&told, "GET", "/readyz").await.0, 503);
        told.health.is_ready_now();
        told.health.waits_for("nobody listens");
        assert_eq!(ask(&told, "GET", "/readyz").await, (503, "nobody listens\n".to_owned()));
        told.health.has("nobody listens");
        assert_eq!(ask(&told, "GET", "/readyz").await, (200, "ok\n".to_owned()));
        told.health.beat("learning", Duration::from_secs(1));
        assert_eq!(ask(&told, "GET", "/livez").await.0, 200);
        tokio::time::advance(Duration::from_secs(2)).await;
        let (code, text) = ask(&told, "GET", "/healthz").await;
        assert_eq!((code, text.as_str()), (500, "learning has not gone on for 2 s\n"));
        assert_eq!(ask(&told, "GET", "/readyz").await.0, 200, "a restart is asked for, and nothing else");
    }

    #[tokio::test]
    async fn metrics_are_served() {
        let (code, text) = ask(&told(), "GET", "/metrics").await;
        assert_eq!(code, 200);
        assert!(text.contains("tailor_build_info{version=\""), "{text}");
    }

    #[rstest]
    #[case("POST", "/livez", 405)]
    #[case("GET", "/", 404)]
    #[tokio::test]
    async fn nothing_else_is_served(#[case] method: &str, #[case] path: &str, #[case] code: u16) {
        assert_eq!(ask(&told(), method, path).await.0, code);
    }
}

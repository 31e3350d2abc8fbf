//! The HTTPS server, bounded in every direction: connections, time for a handshake, a head, a body and an answer, and
//! bytes. Whoever holds a connection and sends nothing loses it; whoever sends too much is told so.
//!
//! HTTP/1.1 only: the API server takes it as well as HTTP/2, and there is less in it to bound.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::certificates::Shown;

/// What bounds a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at a time. More wait to be accepted, and those that ask nothing make way.
    pub connections: usize,
    /// The time for a handshake.
    pub handshake: Duration,
    /// The time from the handshake to the end of the first request's head.
    pub first_head: Duration,
    /// The time from one request to the end of the next one's head. Longer than an API server keeps a connection that it
    /// does not use (90 s), so that none is closed on it in the middle of a request.
    pub idle: Duration,
    /// The time for a request's body and its answer.
    pub request: Duration,
    /// The bytes of a body. An API server takes no larger objects.
    pub body: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 256,
            handshake: Duration::from_secs(3),
            first_head: Duration::from_secs(5),
            idle: Duration::from_mins(2),
            request: Duration::from_secs(2),
            body: 3 * 1024 * 1024,
        }
    }
}

/// What to answer: a code, the type of the body, and the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The code.
    pub code: StatusCode,
    /// The type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A text for people.
    pub fn text(code: StatusCode, text: impl Into<String>) -> Self {
        Self { code, content_type: "text/plain; charset=utf-8", body: Bytes::from(text.into() + "\n") }
    }
}

/// What goes wrong before there is a body to answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Not a `POST`, or not to the path.
    Elsewhere,
    /// Too many bytes.
    TooLarge,
    /// It did not come in time, or not whole.
    TooSlow,
}

/// Answers requests.
pub trait Answers: Send + Sync + 'static {
    /// Where they are sent to.
    fn path(&self) -> &str;
    /// The answer to one; `began` is when its head was there.
    fn answer(&self, body: &[u8], began: Instant) -> Answer;
    /// A request was turned away.
    fn turned_away(&self, why: Unread);
}

/// Serves until it is dropped.
///
/// # Errors
/// The listener fails for good.
pub async fn serve(
    listener: TcpListener,
    shown: Arc<Shown>,
    answers: Arc<impl Answers>,
    bounds: Bounds,
) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(Arc::new(configuration(shown)));
    let (places, crowded) = (Arc::new(Semaphore::new(bounds.connections)), watch::Sender::new(false));
    // Dropped with this future, and all connections with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            // Out of file descriptors, or the other side was faster: neither is the listener's end.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the webhook");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let place = place(&places, &crowded).await?;
        let (acceptor, answers, crowded) = (acceptor.clone(), Arc::clone(&answers), crowded.subscribe());
        connections.spawn(async move {
            if let Some(stream) = handshake(stream, from, &acceptor, bounds).await {
                connection(stream, answers, crowded, bounds).await;
            }
            drop(place);
        });
    }
}

fn configuration(shown: Arc<Shown>) -> ServerConfig {
    let mut configuration = ServerConfig::builder().with_no_client_auth().with_cert_resolver(shown);
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    configuration
}

/// A place for one more connection. While there is none, those that have one are told that it is crowded.
async fn place(places: &Arc<Semaphore>, crowded: &watch::Sender<bool>) -> io::Result<OwnedSemaphorePermit> {
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return Ok(place);
    }
    crowded.send_replace(true);
    let place = Arc::clone(places).acquire_owned().await;
    crowded.send_replace(false);
    place.map_err(io::Error::other)
}

async fn handshake(
    stream: TcpStream,
    from: SocketAddr,
    acceptor: &TlsAcceptor,
    bounds: Bounds,
) -> Option<TlsStream<TcpStream>> {
    let _ = stream.set_nodelay(true);
    match timeout(bounds.handshake, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => tracing::debug!(%from, %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%from, "a TLS handshake took too long"),
    }
    None
}

/// Answers on one connection until it ends. When it is `crowded`, one that has been answered makes way.
async fn connection(
    stream: TlsStream<TcpStream>,
    answers: Arc<impl Answers>,
    mut crowded: watch::Receiver<bool>,
    bounds: Bounds,
) {
    let asked = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let (asked, crowded) = (Arc::clone(&asked), crowded.clone());
        move |request| {
            asked.store(true, Ordering::Relaxed);
            let (answers, crowded) = (Arc::clone(&answers), crowded.clone());
            async move {
                let response = respond(request, &*answers, bounds).await;
                let is_last = *crowded.borrow();
                Ok::<_, Infallible>(if is_last { closing(response) } else { response })
            }
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(bounds.idle).max_buf_size(64 * 1024);
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut first_head = std::pin::pin!(sleep(bounds.first_head));
    let mut is_new = true;
    loop {
        tokio::select! {
            biased;
            // How it ends is the other side's affair.
            _ = &mut serving => return,
            Ok(()) = crowded.changed() => {
                // One whose first request may be on its way is let be: the time for that is short.
                if *crowded.borrow() && asked.load(Ordering::Relaxed) {
                    serving.as_mut().graceful_shutdown();
                }
            }
            () = &mut first_head, if is_new => {
                if !asked.load(Ordering::Relaxed) {
                    return;
                }
                is_new = false;
            }
        }
    }
}

async fn respond(request: Request<Incoming>, answers: &impl Answers, bounds: Bounds) -> Response<Full<Bytes>> {
    let began = Instant::now();
    let (head, body) = request.into_parts();
    if head.uri.path() != answers.path() || head.method != Method::POST {
        answers.turned_away(Unread::Elsewhere);
        let code =
            if head.uri.path() == answers.path() { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::NOT_FOUND };
        return closing(response(Answer::text(code, format!("POST an AdmissionReview to {}", answers.path()))));
    }
    let too_large = || {
        answers.turned_away(Unread::TooLarge);
        let text = format!("the body is larger than {} bytes", bounds.body);
        closing(response(Answer::text(StatusCode::PAYLOAD_TOO_LARGE, text)))
    };
    if usize::try_from(body.size_hint().lower()).is_ok_and(|announced| announced > bounds.body) {
        return too_large();
    }
    match timeout(bounds.request, Limited::new(body, bounds.body).collect()).await {
        Ok(Ok(body)) => response(answers.answer(&body.to_bytes(), began)),
        Ok(Err(error)) if error.is::<LengthLimitError>() => too_large(),
        Ok(Err(_)) | Err(_) => {
            answers.turned_away(Unread::TooSlow);
            closing(response(Answer::text(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")))
        }
    }
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    response
}

/// The last answer on its connection: what was not read of the request is not waited for.
fn closing(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

//! A server on this machine, and clients of it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tailor::{
    tls,
    webhook::{
        certificates::{Pair, Shown, certificates},
        server::{Answer, Answers, Bounds, Unread, serve},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub const BRIEF: Duration = Duration::from_millis(200);
/// What a busy machine does not exceed, and a test that hangs does.
pub const ENOUGH: Duration = Duration::from_secs(30);

/// Short times, but for those that a test is not about.
pub const BOUNDS: Bounds =
    Bounds { connections: 8, handshake: ENOUGH, first_head: ENOUGH, idle: ENOUGH, request: ENOUGH, body: 1_000 };

/// Answers with the number of bytes that came.
pub struct Counts;

impl Answers for Counts {
    fn path(&self) -> &'static str {
        "/admit"
    }

    fn answer(&self, body: &[u8], _: Instant) -> Answer {
        Answer { code: StatusCode::OK, content_type: "text/plain", body: Bytes::from(format!("{} bytes", body.len())) }
    }

    fn turned_away(&self, _: Unread) {}
}

pub struct Served {
    pub address: SocketAddr,
    pub shown: Arc<Shown>,
    pub pair: Pair,
}

pub fn pair() -> Pair {
    Pair::issue(&["localhost".to_owned()], Timestamp::now(), Duration::from_hours(1)).unwrap()
}

pub async fn served(bounds: Bounds) -> Served {
    tls::use_ring();
    let (pair, shown) = (pair(), Arc::new(Shown::default()));
    shown.show(pair.certified().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Arc::clone(&shown);
    tokio::spawn(async move { serve(listener, server, Arc::new(Counts), bounds).await });
    Served { address, shown, pair }
}

impl Served {
    pub async fn connect(&self) -> TlsStream<TcpStream> {
        self.connect_trusting(&self.pair).await.unwrap()
    }

    pub async fn connect_trusting(&self, pair: &Pair) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates(&pair.authority).unwrap());
        let configuration = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(configuration));
        let stream = TcpStream::connect(self.address).await?;
        connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
    }
}

pub fn post(path: &str, length: u64) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n")
}

/// Everything until the server closes the connection.
pub async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut all = Vec::new();
    // That the other side is gone without a word is an end, too.
    let _ = tokio::time::timeout(ENOUGH, stream.read_to_end(&mut all)).await.expect("it closes the connection");
    String::from_utf8(all).unwrap()
}

/// The answer to a request with this body; the connection stays.
pub async fn ask(stream: &mut TlsStream<TcpStream>, body: &str) -> String {
    stream.write_all((post("/admit", body.len() as u64) + body).as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with("bytes") {
        let mut buffer = [0; 1_024];
        let read = stream.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "{answer}");
        answer += std::str::from_utf8(&buffer[..read]).unwrap();
    }
    answer
}

//! The embedded API as clients outside the process reach it.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    api::{PostParams, WatchEvent, WatchParams},
};
use rstest::rstest;
use tailor::{
    clock::Clock,
    sim::{
        api_server::{ApiServer, ServerConfig},
        serve::{self, Error, Served},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(20);

async fn served() -> Served {
    let server = ApiServer::new(ServerConfig::new(Clock::System, 1));
    serve::spawn(&server, "127.0.0.1:0".parse().expect("an address")).await.expect("a free port")
}

fn config_map(name: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map
}

fn config_maps(client: &Client) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), "default")
}

#[tokio::test]
async fn a_client_library_creates_and_watches_over_http() {
    let served = served().await;
    let maps = config_maps(&served.client().await.unwrap());
    let mut events = maps.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    for name in ["one", "two"] {
        maps.create(&PostParams::default(), &config_map(name)).await.unwrap();
        // An event is sent when it happens, not when a buffer is full.
        match timeout(PATIENCE, events.try_next()).await.unwrap().unwrap() {
            Some(WatchEvent::Added(map)) => assert_eq!(map.name_any(), name),
            other => panic!("{other:?}"),
        }
    }
    served.stop().await;
}

#[tokio::test]
async fn stopping_ends_watches_and_frees_the_address() {
    let served = served().await;
    let address = served.address();
    let maps = config_maps(&served.client().await.unwrap());
    let mut events = maps.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    timeout(PATIENCE, served.stop()).await.expect("it does not wait for watches");
    assert!(timeout(PATIENCE, events.next()).await.unwrap().is_none_or(|event| event.is_err()));
    assert!(TcpStream::connect(address).await.is_err());
}

#[rstest]
#[case::every_address("0.0.0.0:0")]
#[case::another_machine("192.0.2.1:8001")]
#[case::every_address_of_ipv6("[::]:0")]
#[tokio::test]
async fn addresses_that_others_can_reach_are_refused(#[case] address: &str) {
    let server = ApiServer::new(ServerConfig::new(Clock::System, 1));
    let error = serve::spawn(&server, address.parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::NotLoopback { .. }), "{error}");
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
}

/// Sends bytes and gives the head of the answer.
async fn raw(served: &Served, request: &str, body: &[u8]) -> String {
    let mut connection = TcpStream::connect(served.address()).await.expect("it is served");
    connection.write_all(request.as_bytes()).await.expect("it reads");
    // The server may have answered and closed before it has read everything.
    _ = connection.write_all(body).await;
    let mut answer = vec![0; 4_096];
    let length =
        timeout(PATIENCE, connection.read(&mut answer)).await.expect("it answers in time").expect("it answers");
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[tokio::test]
async fn a_body_of_more_than_three_mebibytes_is_refused() {
    let served = served().await;
    let size = 3 * 1024 * 1024 + 1;
    let head = format!(
        "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {size}\r\n\r\n"
    );
    let answer = raw(&served, &head, &vec![b' '; size]).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("limit is 3145728"), "{answer}");
}

#[rstest]
#[case("127.0.0.1:8001", "200")]
#[case("localhost", "200")]
#[case("[::1]:8001", "200")]
#[case("rebound.example:8001", "403")]
#[case("127.0.0.1.example", "403")]
#[tokio::test]
async fn only_those_who_name_the_loopback_are_answered(#[case] host: &str, #[case] code: &str) {
    let served = served().await;
    let answer = raw(&served, &format!("GET /version HTTP/1.1\r\nhost: {host}\r\n\r\n"), b"").await;
    assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
}

//! The webhook's server against clients that mean it ill, and while its certificate changes.

#[cfg(test)]
#[path = "webhook/stage.rs"]
mod stage;

use std::sync::Arc;

use stage::{BOUNDS, BRIEF, Counts, ENOUGH, Served, ask, pair, post, rest, served};
use tailor::webhook::{
    certificates::Shown,
    server::{Bounds, serve},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_unread() {
    let mut stream = served(BOUNDS).await.connect().await;
    stream.write_all(post("/admit", 1 << 40).as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("larger than 1000 bytes"), "{answer}");
}

#[tokio::test]
async fn a_body_that_goes_on_for_ever_is_cut_off() {
    let mut stream = served(BOUNDS).await.connect().await;
    let head = "POST /admit HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    stream.write_all((head.to_owned() + &chunk).as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_body_of_just_the_size_is_read() {
    let mut stream = served(BOUNDS).await.connect().await;
    let answer = ask(&mut stream, &"x".repeat(1_000)).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("1000 bytes"), "{answer}");
}

#[tokio::test]
async fn a_connection_that_never_begins_tls_is_closed() {
    let server = served(Bounds { handshake: BRIEF, ..BOUNDS }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let mut stream = served(Bounds { first_head: BRIEF, ..BOUNDS }).await.connect().await;
    let (mut reads, mut writes) = tokio::io::split(&mut stream);
    let dribble = async {
        while writes.write_all(b"x").await.is_ok() && writes.flush().await.is_ok() {
            tokio::time::sleep(BRIEF / 20).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = rest(&mut reads) => assert_eq!(answer, ""),
        () = dribble => {}
    }
}

#[tokio::test]
async fn a_second_head_is_not_waited_for_either() {
    let mut stream = served(Bounds { idle: BRIEF, ..BOUNDS }).await.connect().await;
    ask(&mut stream, "one").await;
    stream.write_all(b"POST /admit HT").await.unwrap();
    assert!(!rest(&mut stream).await.contains("200"));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_told_so() {
    let mut stream = served(Bounds { request: BRIEF, ..BOUNDS }).await.connect().await;
    stream.write_all((post("/admit", 10) + "x").as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn many_who_hold_connections_do_not_keep_others_out_for_long() {
    let server = served(Bounds { connections: 2, handshake: BRIEF, ..BOUNDS }).await;
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(TcpStream::connect(server.address).await.unwrap());
    }
    let answer = tokio::time::timeout(ENOUGH, async { ask(&mut server.connect().await, "late").await }).await;
    assert!(answer.unwrap().ends_with("4 bytes"));
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_those_that_ask() {
    let server = served(Bounds { connections: 1, ..BOUNDS }).await;
    let mut first = server.connect().await;
    first.write_all((post("/admit", 2) + "x").as_bytes()).await.unwrap();
    let mut second = Box::pin(server.connect());
    assert!(tokio::time::timeout(BRIEF, &mut second).await.is_err(), "the place is taken");
    first.write_all(b"x").await.unwrap();
    assert!(rest(&mut first).await.ends_with("2 bytes"), "it was answered before it had to go");
    let mut second = tokio::time::timeout(ENOUGH, second).await.expect("there is a place now");
    ask(&mut second, "two").await;
}

#[tokio::test]
async fn connections_that_ask_nothing_make_way() {
    let server = served(Bounds { connections: 2, ..BOUNDS }).await;
    let (mut idle, mut begun) = (server.connect().await, server.connect().await);
    ask(&mut idle, "one").await;
    ask(&mut begun, "two").await;
    begun.write_all(b"POST /admit HT").await.unwrap();
    let mut third = tokio::time::timeout(ENOUGH, server.connect()).await.expect("there is a place for it");
    ask(&mut third, "three").await;
}

#[tokio::test]
async fn what_is_sent_elsewhere_is_told_where_to_go() {
    let server = served(BOUNDS).await;
    let get = "GET /admit HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned();
    for (request, code) in [(post("/other", 0), "404"), (get, "405")] {
        let mut stream = server.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")) && answer.contains("to /admit"), "{answer}");
    }
}

#[tokio::test]
async fn connections_last_while_the_certificate_changes() {
    let server = served(BOUNDS).await;
    let mut before = server.connect().await;
    ask(&mut before, "one").await;
    let new = pair();
    server.shown.show(new.certified().unwrap());
    ask(&mut before, "two").await;
    let mut after = server.connect_trusting(&new).await.unwrap();
    ask(&mut after, "three").await;
    assert!(server.connect_trusting(&server.pair).await.is_err(), "the old one is shown no more");
}

#[tokio::test]
async fn a_server_with_nothing_to_show_refuses_the_handshake_and_no_more() {
    let server = served(BOUNDS).await;
    let shown = Arc::new(Shown::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bare = Served { address: listener.local_addr().unwrap(), shown: Arc::clone(&shown), pair: server.pair };
    tokio::spawn(async move { serve(listener, shown, Arc::new(Counts), BOUNDS).await });
    assert!(bare.connect_trusting(&bare.pair).await.is_err());
    bare.shown.show(bare.pair.certified().unwrap());
    ask(&mut bare.connect().await, "now").await;
}

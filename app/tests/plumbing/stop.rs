use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::server::{Limits, Server};

const SLOW: &str = "GET /v1/slow?ms=2000 HTTP/1.1\r\nhost: test\r\n\r\n";

#[tokio::test]
async fn what_is_in_flight_is_finished_and_nothing_new_begun() {
    let server = Server::start(Limits::default());
    let (mut busy, mut idle, mut half) = (server.connect().await, server.connect().await, server.connect().await);
    idle.send("GET /v1/things/1 HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert_eq!(idle.answer().await.status, 200);
    half.send("GET /v1/things/1 HTTP/1.1\r\nho").await;
    busy.send(SLOW).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.stop.cancel();
    let stopped = Instant::now();
    idle.assert_closed().await;
    assert!(stopped.elapsed() < Duration::from_millis(500), "idle: {:?}", stopped.elapsed());
    half.assert_closed().await;
    assert!(stopped.elapsed() < Duration::from_secs(1), "half: {:?}", stopped.elapsed());
    assert!(TcpStream::connect(server.address).await.is_err(), "a new connection was taken");
    let answer = busy.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    busy.assert_closed().await;
    assert_eq!(server.drained.await.unwrap().cut, 0);
    assert!(stopped.elapsed() < Duration::from_secs(4), "all: {:?}", stopped.elapsed());
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut() {
    let server = Server::start(Limits { drain: Duration::from_millis(500), ..Limits::default() });
    let mut busy = server.connect().await;
    busy.send(SLOW).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.stop.cancel();
    busy.assert_closed().await;
    assert_eq!(server.drained.await.unwrap().cut, 1);
}

#[tokio::test]
async fn a_full_server_stops_too() {
    let server = Server::start(Limits { connections: 1, ..Limits::default() });
    let mut only = server.connect().await;
    only.send("GET /v1/things/1 HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert_eq!(only.answer().await.status, 200);
    let _waiting = server.connect().await;
    server.stop.cancel();
    let drained = tokio::time::timeout(Duration::from_secs(3), server.drained).await;
    assert_eq!(drained.expect("still running").unwrap().cut, 0);
}

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

use super::{Acceptor, Source};

/// Fails with each error in turn, then accepts for real.
struct Failing {
    listener: TcpListener,
    errors: Vec<io::ErrorKind>,
    calls: AtomicU32,
}

impl Source for Failing {
    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) as usize;
        async move {
            match self.errors.get(call) {
                Some(kind) => Err(io::Error::from(*kind)),
                None => self.listener.accept().await,
            }
        }
    }
}

async fn failing(errors: Vec<io::ErrorKind>) -> (Acceptor<Failing>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (Acceptor::new(Failing { listener, errors, calls: AtomicU32::new(0) }, 1), client)
}

#[tokio::test]
async fn pauses_grow_while_no_connection_can_be_had() {
    let (acceptor, client) = failing(vec![io::ErrorKind::Other; 4]).await;
    let started = Instant::now();
    let accepted = acceptor.accept().await;
    // 50 + 100 + 200 + 400 ms.
    assert!(started.elapsed() >= Duration::from_millis(750), "{:?}", started.elapsed());
    assert_eq!(acceptor.source.calls.load(Ordering::SeqCst), 5);
    assert_eq!(accepted.peer, client.local_addr().unwrap());
    assert!(accepted.stream.nodelay().unwrap());
}

#[tokio::test]
async fn a_connection_that_broke_early_costs_no_pause() {
    let (acceptor, _client) = failing(vec![io::ErrorKind::ConnectionAborted; 50]).await;
    let started = Instant::now();
    acceptor.accept().await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(acceptor.source.calls.load(Ordering::SeqCst), 51);
}

#[tokio::test]
async fn the_unspecified_ipv6_address_takes_ipv4_too() {
    let acceptor = Acceptor::bind("[::]:0".parse().unwrap(), 2).unwrap();
    let port = acceptor.local_addr().unwrap().port();
    let _client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let accepted = acceptor.accept().await;
    assert!(accepted.peer.is_ipv4(), "{}", accepted.peer);
    if let Ok(_client) = TcpStream::connect(("::1", port)).await {
        assert!(acceptor.accept().await.peer.is_ipv6());
    }
}

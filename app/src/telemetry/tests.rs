use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{STOP_MAX, Telemetry};
use crate::config::Config;

fn settings(endpoint: &str) -> crate::config::Telemetry {
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_SERVICE_NAME", "pointsman-under-test")];
    Config::from_vars(variables).unwrap().telemetry
}

/// A collector that answers 200 to everything and passes on what it was sent.
#[expect(clippy::disallowed_methods, reason = "ends with the runtime of the test")]
async fn collector() -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut part = [0; 4096];
                while let Ok(read) = stream.read(&mut part).await {
                    request.extend_from_slice(&part[..read]);
                    if read == 0 || is_whole(&request) {
                        break;
                    }
                }
                sender.send(String::from_utf8_lossy(&request).into_owned()).unwrap();
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
    (address, received)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some(head_end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    request.len() >= head_end + 4 + length.unwrap_or(0)
}

// Each test starts a log of its own, which only works once in a process: nextest gives each test a process.
#[tokio::test(flavor = "multi_thread")]
async fn spans_and_metrics_reach_the_collector_at_the_latest_at_the_end() {
    let (address, mut received) = collector().await;
    let telemetry = Telemetry::start(&settings(&address), "9.9.9").unwrap();
    tracing::info_span!("span_under_test").in_scope(|| tracing::info!("inside"));
    telemetry.metrics().locks_held(7);
    telemetry.stop().await;
    let mut posts = vec![received.recv().await.unwrap(), received.recv().await.unwrap()];
    posts.sort();
    assert!(posts[0].starts_with("POST /v1/metrics"), "{posts:?}");
    assert!(posts[0].contains("pointsman.locks.held") && posts[0].contains("pointsman-under-test"), "{posts:?}");
    assert!(posts[1].starts_with("POST /v1/traces"), "{posts:?}");
    assert!(posts[1].contains("span_under_test") && posts[1].contains("9.9.9"), "{posts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_collector_does_not_delay_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let telemetry = Telemetry::start(&settings(&address), "9.9.9").unwrap();
    tracing::info_span!("span_under_test").in_scope(|| ());
    telemetry.metrics().locks_held(7);
    assert!(telemetry.metrics().render().unwrap().contains("pointsman_locks_held 7"));
    let started = Instant::now();
    telemetry.stop().await;
    assert!(started.elapsed() < STOP_MAX + Duration::from_secs(1), "{:?}", started.elapsed());
}

use std::time::{Duration, Instant};

use crate::server::{Limits, Server};

fn impatient() -> Limits {
    Limits { read: Duration::from_secs(1), keep_alive: Duration::from_secs(1), ..Limits::default() }
}

const GET: &str = "GET /v1/things/1 HTTP/1.1\r\nhost: test\r\n\r\n";

#[tokio::test]
async fn half_sent_heads_and_silent_connections_are_cut() {
    let server = Server::start(impatient());
    for beginning in ["", "GET /v1/thi", "GET /v1/things/1 HTTP/1.1\r\nhost: te"] {
        let started = Instant::now();
        let mut client = server.connect().await;
        client.send(beginning).await;
        client.assert_closed().await;
        let waited = started.elapsed();
        assert!(waited >= Duration::from_millis(900) && waited < Duration::from_secs(4), "{beginning:?}: {waited:?}");
    }
}

#[tokio::test]
async fn a_head_that_trickles_is_cut_all_the_same() {
    let server = Server::start(impatient());
    let mut client = server.connect().await;
    let started = Instant::now();
    client.send("GET /v1/things/1 HTTP/1.1\r\n").await;
    let (mut read, mut write) = client.stream.into_split();
    let trickle = tokio::spawn(async move {
        while tokio::io::AsyncWriteExt::write_all(&mut write, b"x-a: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut byte = [0];
    let read = tokio::io::AsyncReadExt::read(&mut read, &mut byte).await;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    trickle.await.unwrap();
}

#[tokio::test]
async fn a_stalled_body_is_cut_and_one_that_moves_is_not() {
    let server = Server::start(impatient());
    let head = "POST /v1/notes HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n";
    let mut client = server.connect().await;
    client.send(head).await;
    client.send(r#"{"text":"#).await;
    client.assert_closed().await;
    let mut client = server.connect().await;
    client.send(head).await;
    let started = Instant::now();
    for part in [r#"{"te"#, r#"xt":"#, r#""ab"#, r#"c"}"#] {
        tokio::time::sleep(Duration::from_millis(500)).await;
        client.send(part).await;
    }
    assert_eq!(client.answer().await.json(), 3);
    assert!(started.elapsed() > Duration::from_secs(1));
}

#[tokio::test]
async fn a_slow_answer_is_not_taken_for_a_silent_client() {
    let server = Server::start(impatient());
    let mut client = server.connect().await;
    client.send("GET /v1/slow?ms=2500 HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    client.send(GET).await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn an_answer_that_nobody_takes_in_is_cut() {
    let server = Server::start(impatient());
    let mut client = server.connect().await;
    client.send("GET /v1/large HTTP/1.1\r\nhost: test\r\n\r\n").await;
    // The answer is far larger than what the sockets can hold between them, and the client doesn't read.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !server.metrics.render().unwrap().contains("pointsman_http_connections 0") {
        assert!(Instant::now() < deadline, "the connection is still open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_a_while_and_then_closed() {
    let server = Server::start(impatient());
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send(GET).await;
        assert_eq!(client.answer().await.status, 200);
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let started = Instant::now();
    client.assert_closed().await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_client_answered_early_gets_the_answer_though_it_goes_on_sending() {
    const BYTES: usize = 8 * 1024 * 1024;
    for _ in 0..5 {
        let server = Server::start(Limits::default());
        let head = format!("POST /v1/notes HTTP/1.1\r\nhost: test\r\ncontent-length: {BYTES}\r\n\r\n");
        let mut client = server.connect().await;
        client.send(&head).await;
        client.send(&"x".repeat(BYTES)).await;
        assert_eq!(client.answer().await.status, 413);
    }
}

/// A request whose head has exactly so many bytes.
fn head_of(bytes: usize) -> String {
    let head = GET.replace("\r\n\r\n", "\r\nx: \r\n\r\n");
    head.replace("x: ", &format!("x: {}", "y".repeat(bytes - head.len())))
}

/// A request of so many headers.
fn headers_of(number: usize) -> String {
    GET.replace("\r\n\r\n", &format!("\r\n{}\r\n", "x: y\r\n".repeat(number - 1)))
}

#[tokio::test]
async fn what_is_no_request_or_has_too_large_a_head_is_answered_with_a_status_alone() {
    const HEAD_BYTES_MAX: usize = 64 * 1024;
    const HEADERS_MAX: usize = 100;
    let server = Server::start(Limits::default());
    for request in [head_of(HEAD_BYTES_MAX), headers_of(HEADERS_MAX)] {
        assert_eq!(server.ask(&request).await.status, 200);
    }
    let garbage = "\u{1}\u{2}no request\r\n\r\n".to_owned();
    for (request, status) in [(head_of(HEAD_BYTES_MAX + 1), 431), (headers_of(HEADERS_MAX + 1), 431), (garbage, 400)] {
        let mut client = server.connect().await;
        client.send(&request).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.len(), answer.header("x-request-id")), (status, 0, None));
        client.assert_closed().await;
    }
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_order() {
    let server = Server::start(Limits::default());
    let mut client = server.connect().await;
    let requests: String = (0..20).map(|id| GET.replace("/1 ", &format!("/{id} "))).collect();
    client.send(&requests).await;
    for id in 0..20 {
        assert_eq!(client.answer().await.json(), id);
    }
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_a_place() {
    let server = Server::start(Limits { connections: 2, ..Limits::default() });
    let (mut first, mut second, mut third) = (server.connect().await, server.connect().await, server.connect().await);
    for client in [&mut first, &mut second] {
        client.send(GET).await;
        assert_eq!(client.answer().await.status, 200);
    }
    third.send(GET).await;
    let early = tokio::time::timeout(Duration::from_millis(500), third.answer()).await;
    assert!(early.is_err(), "a third connection was served");
    drop(first);
    assert_eq!(third.answer().await.status, 200);
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_request() {
    let server = Server::start(Limits::default());
    let mut client = server.connect().await;
    client.send("GET /v1/slow?ms=15000 HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !server.metrics.render().unwrap().contains("pointsman_http_connections 1") {
        assert!(Instant::now() < deadline, "the connection was not counted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(client);
    while !server.metrics.render().unwrap().contains(r#"status="499"} 1"#) {
        assert!(Instant::now() < deadline, "the request goes on without its client");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(target_os = "linux")]
mod without_files {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpStream;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::GET;
    use crate::server::{Limits, Server};

    const CHILD: &str = "connections::without_files::server_that_runs_out_of_files";

    #[tokio::test]
    #[ignore = "runs as a child of the test below"]
    async fn server_that_runs_out_of_files() {
        let server = Server::start(Limits { connections: 10_000, ..Limits::default() });
        tracing_subscriber::fmt().with_ansi(false).init();
        let mut out = std::io::stdout();
        writeln!(out, "\nlistening on {}", server.address).unwrap();
        out.flush().unwrap();
        server.drained.await.unwrap();
    }

    /// Clock ticks of processor time the process has used.
    fn ticks(pid: u32) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    fn ask(stream: &mut TcpStream) -> std::io::Result<String> {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(GET.as_bytes())?;
        let mut answer = [0; 15];
        stream.read_exact(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    #[test]
    fn a_server_without_free_files_rests_and_recovers() {
        let limited = "ulimit -n 40; exec \"$0\" --exact --ignored --nocapture \"$1\"";
        let mut child = Command::new("sh")
            .args(["-c", limited])
            .arg(std::env::current_exe().unwrap())
            .arg(CHILD)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.strip_prefix("listening on ")?.to_owned())).unwrap();
        let mut streams: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(&address).unwrap()).collect();
        assert!(ask(&mut streams[0]).unwrap().starts_with("HTTP/1.1 200"));
        std::thread::sleep(Duration::from_millis(500));
        let before = ticks(child.id());
        std::thread::sleep(Duration::from_secs(2));
        let used = ticks(child.id()) - before;
        // Spinning would use the whole of a processor: 200 ticks.
        assert!(used < 40, "{used} ticks in 2 s at the descriptor limit");
        streams.truncate(5);
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let answered = TcpStream::connect(&address).and_then(|mut stream| ask(&mut stream));
            if answered.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                break;
            }
            assert!(Instant::now() < deadline, "the server did not recover");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let complaints = lines.filter(|line| line.contains("cannot accept connections")).count();
        assert!((1..100).contains(&complaints), "{complaints} lines in the log");
    }
}

use super::*;
use chrono::DateTime;
use domain::ids::FactId;
use domain::webhooks::address::Network;
use domain::webhooks::signing::SigningSecret;
use std::sync::Mutex;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use uuid::Uuid;

const TIMEOUT: Duration = Duration::from_millis(600);

/// What a target does with a call once it has read it.
#[derive(Clone)]
enum Manner {
    Answers(String),
    /// Answers, and goes on for ever.
    Babbles,
    /// Answers the head, and nothing after it.
    Stops,
    Hangs,
}

/// Somebody who is called.
struct Place {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<String>>>,
    _listening: JoinSet<()>,
}

impl Place {
    async fn open(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let mut listening = JoinSet::new();
        let noted = calls.clone();
        listening.spawn(async move {
            let mut talking = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                talking.spawn(talk(stream, manner.clone(), noted.clone()));
            }
        });
        Self { address, calls, _listening: listening }
    }

    fn url(&self) -> String {
        format!("http://{}/in?x=1", self.address)
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

async fn talk(mut stream: TcpStream, manner: Manner, calls: Arc<Mutex<Vec<String>>>) {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    while !is_whole(&read) {
        match stream.read(&mut piece).await {
            Ok(length @ 1..) => read.extend_from_slice(&piece[..length]),
            _ => return,
        }
    }
    calls.lock().unwrap().push(String::from_utf8(read).unwrap());
    match manner {
        Manner::Answers(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
        Manner::Babbles => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
            let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
            while stream.write_all(chunk.as_bytes()).await.is_ok() {}
        }
        Manner::Stops => {
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            std::future::pending::<()>().await;
        }
        Manner::Hangs => std::future::pending::<()>().await,
    }
}

/// Whether the head and all of the body are there.
fn is_whole(read: &[u8]) -> bool {
    let text = String::from_utf8_lossy(read);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    body.len() >= length.parse().unwrap()
}

fn answer(status: &str, headers: &str) -> Manner {
    Manner::Answers(format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n{headers}\r\nok"))
}

fn sender(rules: AddressRules) -> HttpWebhookSender {
    // Tests of one process share it, and the first has installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    HttpWebhookSender::new(rules, TIMEOUT).unwrap()
}

fn here() -> AddressRules {
    let networks = ["127.0.0.0/8", "::1"].map(|text| Network::parse(text).unwrap());
    AddressRules { hosts: Vec::new(), networks: networks.to_vec() }
}

fn dispatch(url: &str) -> Dispatch {
    let secret = |byte| SigningSecret::try_new(vec![byte; 32]).unwrap();
    Dispatch {
        target: Target::parse(url).unwrap(),
        id: FactId::new(Uuid::from_u128(42)),
        at: DateTime::from_timestamp(1_614_265_330, 999).unwrap(),
        secrets: vec![secret(1), secret(2)],
        body: r#"{"test": 2432232314}"#.to_owned(),
    }
}

#[test]
fn signatures_are_those_of_standard_webhooks() {
    let secret = base64::engine::general_purpose::STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    // As the standard's own libraries have it for this call.
    let signed = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    let long: Vec<u8> = (0..64).collect();
    let id = "fct_0000000000000000000000000000002a";
    let signed = sign(&long, id, "1614265330", r#"{"test": 2432232314}"#);
    assert_eq!(signed, "v1,aRrHZdwFXdHqfB4uAz5tP8sG33JPxPYgOuh/4AarKY0=");
}

#[tokio::test]
async fn a_call_carries_id_time_and_a_signature_for_each_secret() {
    let place = Place::open(answer("200 OK", "")).await;
    let dispatch = dispatch(&place.url());
    assert_eq!(sender(here()).send(&dispatch).await, Outcome::Answered { status: 200 });
    let call = place.calls().remove(0);
    assert!(call.starts_with("POST /in?x=1 HTTP/1.1\r\n"), "{call}");
    assert!(call.ends_with(&format!("\r\n\r\n{}", dispatch.body)), "{call}");
    let id = dispatch.id.to_string();
    let signatures = dispatch.secrets.iter().map(|secret| sign(secret.bytes(), &id, "1614265330", &dispatch.body));
    let signatures = signatures.collect::<Vec<_>>().join(" ");
    for header in [
        format!("webhook-id: {id}"),
        "webhook-timestamp: 1614265330".to_owned(),
        format!("webhook-signature: {signatures}"),
        "content-type: application/json".to_owned(),
    ] {
        assert!(call.contains(&format!("\r\n{header}\r\n")), "{header} in {call}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let inner = Place::open(answer("200 OK", "")).await;
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let place = Place::open(answer(status, &format!("location: {}\r\n", inner.url()))).await;
        let outcome = sender(here()).send(&dispatch(&place.url())).await;
        assert_eq!(outcome, Outcome::Answered { status: status[..3].parse().unwrap() });
        assert_eq!(place.calls().len(), 1);
    }
    assert_eq!(inner.calls().len(), 0);
}

#[tokio::test]
async fn whoever_does_not_answer_is_waited_for_so_long_and_no_longer() {
    let place = Place::open(Manner::Hangs).await;
    let began = Instant::now();
    assert_eq!(sender(here()).send(&dispatch(&place.url())).await, Outcome::TimedOut);
    let took = began.elapsed();
    assert!(took >= TIMEOUT && took < 3 * TIMEOUT, "{took:?}");
}

#[tokio::test]
async fn an_answer_is_read_up_to_a_limit_and_its_status_counts() {
    for (manner, status) in [(Manner::Babbles, 200), (Manner::Stops, 204), (answer("410 Gone", ""), 410)] {
        let place = Place::open(manner).await;
        let began = Instant::now();
        assert_eq!(sender(here()).send(&dispatch(&place.url())).await, Outcome::Answered { status });
        assert!(began.elapsed() < TIMEOUT, "{status}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn an_address_of_our_own_is_refused_before_anything_is_sent_to_it() {
    let place = Place::open(answer("200 OK", "")).await;
    let port = place.address.port();
    let sender = sender(AddressRules::default());
    for url in
        [format!("https://127.0.0.1:{port}/"), format!("https://[::1]:{port}/"), format!("http://127.0.0.1:{port}/")]
    {
        let outcome = sender.send(&dispatch(&url)).await;
        assert!(matches!(outcome, Outcome::AddressRefused { .. }), "{url}: {outcome:?}");
        assert!(sender.check(&Target::parse(&url).unwrap()).await.is_err(), "{url}");
    }
    assert_eq!(place.calls().len(), 0);
}

/// A name can stand for another address than when it was checked: what counts is what is connected to.
#[tokio::test]
async fn a_name_that_stands_for_an_address_of_our_own_is_refused_when_it_is_connected_to() {
    let place = Place::open(answer("200 OK", "")).await;
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://localhost:{}/", place.address.port());
        let outcome = sender(AddressRules::default()).send(&dispatch(&url)).await;
        assert!(matches!(outcome, Outcome::AddressRefused { .. }), "{outcome:?}");
    }
    assert_eq!(place.calls().len(), 0);
    let url = format!("http://localhost:{}/", place.address.port());
    assert_eq!(sender(here()).check(&Target::parse(&url).unwrap()).await, Ok(()));
    assert_eq!(sender(here()).send(&dispatch(&url)).await, Outcome::Answered { status: 200 });
    let named = AddressRules { hosts: vec!["localhost".to_owned()], networks: Vec::new() };
    assert_eq!(sender(named).send(&dispatch(&url)).await, Outcome::Answered { status: 200 });
}

#[tokio::test]
async fn nobody_there_is_told_apart_from_no_such_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let outcome = sender(here()).send(&dispatch(&url)).await;
    assert!(matches!(&outcome, Outcome::Unreachable { detail } if detail.contains("refused")), "{outcome:?}");
    let outcome = sender(here()).send(&dispatch("https://nobody.invalid/")).await;
    assert!(matches!(outcome, Outcome::Unresolved { .. } | Outcome::TimedOut), "{outcome:?}");
    assert!(sender(here()).check(&Target::parse("https://nobody.invalid/").unwrap()).await.is_err());
}

#[tokio::test]
async fn a_target_without_tls_behind_https_gets_nothing() {
    let place = Place::open(answer("200 OK", "")).await;
    let url = place.url().replace("http:", "https:");
    let outcome = sender(here()).send(&dispatch(&url)).await;
    assert!(matches!(outcome, Outcome::Unreachable { .. } | Outcome::TimedOut), "{outcome:?}");
    assert_eq!(place.calls().len(), 0);
}

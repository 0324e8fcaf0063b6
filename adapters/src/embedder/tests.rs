use super::*;
use crate::fixed::CountedIds;
use domain::memory::vector::VectorSpace;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const SOON: Duration = Duration::from_millis(400);
const LATER: Duration = Duration::from_secs(20);

/// An endpoint that has these answers, one after the other, and then vectors of two numbers. An empty answer is none.
struct Endpoint {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _listening: JoinSet<()>,
}

impl Endpoint {
    async fn open(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
        let (mut listening, noted) = (JoinSet::new(), asked.clone());
        listening.spawn(async move {
            let mut talking = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                talking.spawn(talk(stream, answers.clone(), noted.clone()));
            }
        });
        Self { address, asked, _listening: listening }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn bodies(&self) -> Vec<Value> {
        let body = |asked: &String| serde_json::from_str(asked.split_once("\r\n\r\n").unwrap().1).unwrap();
        self.asked().iter().map(body).collect()
    }

    fn options(&self) -> EmbedderOptions {
        EmbedderOptions {
            url: format!("http://{}/v1/", self.address),
            model: ModelName::parse("some/model").unwrap(),
            api_key: None,
            dimension: None,
            batch_size: 2,
            timeout: Duration::from_secs(5),
        }
    }

    fn embedder(&self) -> HttpEmbedder {
        made(self.options())
    }
}

fn made(options: EmbedderOptions) -> HttpEmbedder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    HttpEmbedder::new(options, Arc::new(CountedIds::default())).unwrap()
}

async fn talk(mut stream: TcpStream, answers: Arc<Mutex<VecDeque<String>>>, asked: Arc<Mutex<Vec<String>>>) {
    let mut read = Vec::new();
    let mut piece = vec![0; 65_536];
    loop {
        while !is_whole(&read) {
            match stream.read(&mut piece).await {
                Ok(length @ 1..) => read.extend_from_slice(&piece[..length]),
                _ => return,
            }
        }
        let request = String::from_utf8(std::mem::take(&mut read)).unwrap();
        let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        asked.lock().unwrap().push(request);
        let next = answers.lock().unwrap().pop_front();
        let answer = next.unwrap_or_else(|| ok(&vectors(body["input"].as_array().unwrap().len(), 2)));
        if answer.is_empty() {
            std::future::pending::<()>().await;
        }
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn is_whole(read: &[u8]) -> bool {
    let text = String::from_utf8_lossy(read);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// An answer with as many vectors, the last first.
fn vectors(texts: usize, dimension: usize) -> Value {
    let row = |index: u16| json!({"index": index, "embedding": vec![f32::from(index) + 1.0; dimension]});
    let texts = u16::try_from(texts).unwrap();
    json!({"data": (0..texts).rev().map(row).collect::<Vec<_>>(), "usage": {"total_tokens": 7}})
}

fn ok(body: &Value) -> String {
    status("200 OK", "", &body.to_string())
}

fn status(line: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {line}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("text {number}")).collect()
}

fn unavailable(error: &EmbedError) -> bool {
    matches!(error, EmbedError::Unavailable { .. })
}

#[tokio::test]
async fn texts_go_in_batches_and_their_vectors_come_in_their_order() {
    let first = json!({"data": [{"index": 1, "embedding": [0.0, 1.0]}, {"index": 0, "embedding": [1.0, 0.0]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 5}});
    let second = json!({"data": [{"embedding": [-1.0, 0.0]}]});
    let endpoint = Endpoint::open(vec![ok(&first), ok(&second)]).await;
    let embedder = endpoint.embedder();
    assert_eq!((embedder.dimension(), embedder.state()), (None, EmbedderState::Unknown));
    let made = embedder.embed(&texts(3), LATER).await.unwrap();
    let numbers: Vec<Vec<i8>> = made.iter().map(|vector| vector.numbers().collect()).collect();
    assert_eq!(numbers, [[127, 0], [0, 127], [-127, 0]]);
    assert_eq!(endpoint.bodies()[0], json!({"model": "some/model", "input": ["text 0", "text 1"]}));
    assert_eq!(endpoint.bodies()[1]["input"], json!(["text 2"]));
    assert!(endpoint.asked()[0].starts_with("POST /v1/embeddings HTTP/1.1\r\n"));
    assert_eq!(embedder.costs(), EmbedderCosts { requests: 2, errors: 0, tokens: 5, texts: 3 });
    assert_eq!((embedder.dimension(), embedder.state()), (Some(2), EmbedderState::Reachable));
    assert_eq!(VectorSpace::of(embedder.model(), &made[0]).key(), "2/some/model");
    assert!(embedder.embed(&[], LATER).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let busy = status("503 Service Unavailable", "", "");
    let endpoint = Endpoint::open(vec![status("500 Oops", "", "{}"), busy]).await;
    let embedder = endpoint.embedder();
    assert_eq!(embedder.embed(&texts(1), LATER).await.unwrap().len(), 1);
    assert_eq!(embedder.costs(), EmbedderCosts { requests: 3, errors: 2, tokens: 7, texts: 1 });
    assert_eq!(embedder.state(), EmbedderState::Reachable);
}

#[tokio::test]
async fn it_is_not_asked_again_before_it_wants_to_be() {
    let full = |headers: &str| status("429 Too Many Requests", headers, "");
    let endpoint = Endpoint::open(vec![full("retry-after: 1\r\n")]).await;
    let began = Instant::now();
    assert!(endpoint.embedder().embed(&texts(1), LATER).await.is_ok());
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());

    let dated = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:50:37 GMT\r\n";
    let endpoint = Endpoint::open(vec![full(dated)]).await;
    let embedder = endpoint.embedder();
    let began = Instant::now();
    let error = embedder.embed(&texts(1), LATER).await.unwrap_err();
    let minute = Some(Duration::from_mins(1));
    assert!(matches!(error, EmbedError::Unavailable { retry_after, .. } if retry_after == minute), "{error:?}");
    assert_eq!(embedder.embed(&texts(1), LATER).await.unwrap_err(), error);
    assert_eq!(endpoint.asked().len(), 1, "it was asked again at once");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn whoever_does_not_answer_is_not_waited_for_for_ever() {
    let endpoint = Endpoint::open(vec![String::new()]).await;
    let embedder = endpoint.embedder();
    let began = Instant::now();
    assert!(unavailable(&embedder.embed(&texts(1), SOON).await.unwrap_err()));
    assert!(began.elapsed() < SOON * 3, "{:?}", began.elapsed());
    assert!(matches!(embedder.state(), EmbedderState::Unreachable { .. }));
    assert!(unavailable(&embedder.embed(&texts(1), SOON).await.unwrap_err()));
    assert_eq!(endpoint.asked().len(), 1, "it was asked again at once");
    assert!(embedder.embed(&texts(1), LATER).await.is_ok(), "whoever waits longer may have an answer");
    assert_eq!(embedder.state(), EmbedderState::Reachable);
}

#[tokio::test]
async fn where_nobody_listens_is_told_without_the_address() {
    let endpoint = Endpoint::open(Vec::new()).await;
    let gone = EmbedderOptions { url: "http://127.0.0.1:1/v1".to_owned(), ..endpoint.options() };
    let error = made(gone).embed(&texts(1), SOON).await.unwrap_err();
    assert!(unavailable(&error) && !error.to_string().contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn a_refusal_is_final_and_says_whose_fault_it_is() {
    for (line, is_of_the_texts) in [
        ("400 Bad Request", true),
        ("413 Too Large", true),
        ("422 Unprocessable", true),
        ("401 Unauthorized", false),
        ("403 Forbidden", false),
        ("404 Not Found", false),
        ("302 Found", false),
    ] {
        let there = Endpoint::open(Vec::new()).await;
        let location = format!("location: http://{}/v1/embeddings\r\n", there.address);
        let endpoint = Endpoint::open(vec![status(line, &location, "the texts")]).await;
        let embedder = endpoint.embedder();
        let error = embedder.embed(&texts(1), LATER).await.unwrap_err();
        assert_eq!(matches!(error, EmbedError::Refused { .. }), is_of_the_texts, "{line}: {error}");
        assert_eq!(matches!(error, EmbedError::Misconfigured { .. }), !is_of_the_texts, "{line}: {error}");
        assert_eq!((endpoint.asked().len(), there.asked().len()), (1, 0), "{line}");
        assert_eq!(embedder.state() == EmbedderState::Unknown, is_of_the_texts, "{line}");
    }
}

#[tokio::test]
async fn vectors_of_another_dimension_are_refused() {
    let endpoint = Endpoint::open(vec![ok(&vectors(2, 2)), ok(&vectors(1, 3))]).await;
    let error = endpoint.embedder().embed(&texts(3), LATER).await.unwrap_err();
    assert_eq!(error, EmbedError::Dimension { wanted: 2, given: 3 });

    let endpoint = Endpoint::open(vec![ok(&vectors(1, 3))]).await;
    let embedder = made(EmbedderOptions { dimension: Some(2), ..endpoint.options() });
    let error = embedder.embed(&texts(1), LATER).await.unwrap_err();
    assert_eq!(error, EmbedError::Dimension { wanted: 2, given: 3 });
    assert_eq!((&endpoint.bodies()[0]["dimensions"], embedder.dimension()), (&json!(2), Some(2)));
}

#[tokio::test]
async fn nonsense_is_refused() {
    let row = |index: usize, embedding: Value| json!({"index": index, "embedding": embedding});
    for answer in [
        json!({"data": []}),
        json!({"data": [row(0, json!([1.0])), row(0, json!([1.0]))]}),
        json!({"data": [row(0, json!([1.0])), row(2, json!([1.0]))]}),
        json!({"data": [row(0, json!([0.0, 0.0])), row(1, json!([1.0]))]}),
        json!({"data": [row(0, json!([])), row(1, json!([]))]}),
        json!({"data": [row(0, json!([1e39])), row(1, json!([1.0]))]}),
        json!({"data": [row(0, json!(["a"])), row(1, json!([1.0]))]}),
        json!({"error": "some words of a text"}),
        json!({"data": [row(0, json!([1.0])), row(1, json!([1.0]))], "more": "x".repeat(400_000)}),
    ] {
        let endpoint = Endpoint::open(vec![ok(&answer)]).await;
        let error = endpoint.embedder().embed(&texts(2), LATER).await.unwrap_err();
        assert!(matches!(error, EmbedError::Nonsense { .. }), "{error:?}");
        assert!(!error.to_string().contains("words of a text"), "{error}");
    }
}

#[tokio::test]
async fn the_key_goes_along_and_long_texts_are_cut() {
    let endpoint = Endpoint::open(Vec::new()).await;
    let key = Some("key-number-one".to_owned());
    let embedder = made(EmbedderOptions { api_key: key, batch_size: 100, ..endpoint.options() });
    embedder.embed(&["é".repeat(TEXT_CHARS_MAX + 1)], LATER).await.unwrap();
    assert!(endpoint.asked()[0].contains("authorization: Bearer key-number-one\r\n"));
    assert_eq!(endpoint.bodies()[0]["input"][0], "é".repeat(TEXT_CHARS_MAX));

    let long = vec!["x".repeat(TEXT_CHARS_MAX); 66];
    assert_eq!(embedder.embed(&long, LATER).await.unwrap().len(), 66);
    let sizes: Vec<usize> = endpoint.bodies().iter().map(|body| body["input"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [1, 65, 1]);
}

#[test]
fn what_is_no_address_or_key_makes_no_embedder() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = |url: &str, key: &str| EmbedderOptions {
        url: url.to_owned(),
        model: ModelName::parse("m").unwrap(),
        api_key: Some(key.to_owned()),
        dimension: None,
        batch_size: 1,
        timeout: SOON,
    };
    let made = |url, key| HttpEmbedder::new(options(url, key), Arc::new(CountedIds::default()));
    assert!(made("https://a.example/v1", "key").is_ok());
    assert!(matches!(made("a.example", "key"), Err(NoEmbedder::Address)));
    assert!(matches!(made("ftp://a.example", "key"), Err(NoEmbedder::Address)));
    assert!(matches!(made("https://a.example/v1", "two\nlines"), Err(NoEmbedder::Key)));
}

#[test]
fn rests_double_up_to_a_limit_and_differ() {
    let at = |attempts, chance| rest(attempts, None, domain::work::retry::Chance(chance));
    assert_eq!((at(0, 0), at(0, 999)), (Duration::from_millis(125), Duration::from_micros(249_875)));
    assert_eq!((at(3, 0), at(60, 0)), (Duration::from_secs(1), Duration::from_secs(5)));
    let wanted = rest(0, Some(Duration::from_secs(9)), domain::work::retry::Chance(999));
    assert_eq!(wanted, Duration::from_micros(9_124_875));
}

//! A model behind an endpoint as `OpenAI`'s: a real HTTP server with vectors that tell words and their likes apart.

use crate::Outcome;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How many numbers its vectors have, unless it is told otherwise.
pub const DIMENSION: usize = 64;

/// Words of one meaning.
const LIKES: [&[&str]; 3] =
    [&["automobile", "car", "vehicle"], &["mended", "fixed", "repaired"], &["quarrel", "conflict", "dispute"]];

/// What it does with a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Answers with vectors of so many numbers.
    Answers(usize),
    /// Answers with this status.
    Status(u16),
    /// Answers 429, and wants to be left alone for so many seconds.
    Busy(u64),
    /// Never answers.
    Hangs,
    /// Answers short questions and does not take texts that hold this word.
    Dislikes(&'static str),
}

/// A question.
#[derive(Debug, Clone)]
pub struct Question {
    /// The model it was for.
    pub model: String,
    /// What was to be embedded.
    pub texts: Vec<String>,
    /// `authorization`.
    pub key: String,
    /// Whether it was answered with vectors.
    pub is_answered: bool,
    /// When it came.
    pub at: Instant,
}

#[derive(Debug, Default)]
struct Story {
    mood: Option<Mood>,
    questions: Vec<Question>,
}

/// The endpoint. It goes on listening until it is dropped.
#[derive(Debug)]
pub struct Embedder {
    address: SocketAddr,
    story: Arc<Mutex<Story>>,
    _listening: JoinSet<()>,
}

impl Embedder {
    /// Opens one that answers.
    pub async fn open() -> Outcome<Self> {
        Self::open_at("127.0.0.1:0".parse()?).await
    }

    /// Opens one at an address, such as one that was closed.
    pub async fn open_at(address: SocketAddr) -> Outcome<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let story: Arc<Mutex<Story>> = Arc::default();
        let told = story.clone();
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            let mut talking = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let told = told.clone();
                talking.spawn(async move { talk(stream, &told).await.unwrap_or_default() });
                while talking.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, story, _listening: listening })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, as it is configured.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// From now on it does this.
    pub fn becomes(&self, mood: Mood) {
        lock(&self.story).mood = Some(mood);
    }

    /// The questions so far.
    pub fn questions(&self) -> Vec<Question> {
        lock(&self.story).questions.clone()
    }

    /// How often a text that holds these words was embedded.
    pub fn times(&self, words: &str) -> usize {
        let answered = self.questions().into_iter().filter(|question| question.is_answered);
        answered.map(|question| question.texts.iter().filter(|text| text.contains(words)).count()).sum()
    }
}

fn lock(story: &Mutex<Story>) -> MutexGuard<'_, Story> {
    story.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn talk(mut stream: TcpStream, story: &Mutex<Story>) -> std::io::Result<()> {
    let mut read = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    let (head, body) = loop {
        let length = stream.read(&mut piece).await?;
        read.extend_from_slice(&piece[..length]);
        if let Some(whole) = whole(&String::from_utf8_lossy(&read)) {
            break whole;
        }
        if length == 0 {
            return Ok(());
        }
    };
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let texts: Vec<String> =
        body["input"].as_array().into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_owned())).collect();
    let key = head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default().to_owned();
    let model = body["model"].as_str().unwrap_or_default().to_owned();
    let mood = {
        let mut story = lock(story);
        let mood = story.mood.unwrap_or(Mood::Answers(DIMENSION));
        let is_answered = match mood {
            Mood::Answers(_) => true,
            Mood::Dislikes(word) => !texts.iter().any(|text| text.contains(word)),
            Mood::Status(_) | Mood::Busy(_) | Mood::Hangs => false,
        };
        let question = Question { model: model.clone(), texts: texts.clone(), key, is_answered, at: Instant::now() };
        story.questions.push(question);
        if is_answered {
            Ok(if let Mood::Answers(dimension) = mood { dimension } else { DIMENSION })
        } else {
            Err(mood)
        }
    };
    let (status, more, answer) = match mood {
        Ok(dimension) => (200, String::new(), vectors(&model, &texts, dimension).to_string()),
        Err(Mood::Hangs) => return std::future::pending().await,
        Err(Mood::Busy(seconds)) => (429, format!("retry-after: {seconds}\r\n"), String::new()),
        Err(Mood::Status(status)) => (status, String::new(), String::new()),
        Err(_) => (400, String::new(), String::new()),
    };
    let length = answer.len();
    let head = format!("HTTP/1.1 {status} X\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(format!("{head}{answer}").as_bytes()).await
}

fn whole(read: &str) -> Option<(String, String)> {
    let (head, body) = read.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    (body.len() >= length.unwrap_or(0)).then(|| (head.to_owned(), body.to_owned()))
}

fn vectors(model: &str, texts: &[String], dimension: usize) -> Value {
    let rows = texts.iter().enumerate();
    let rows: Vec<Value> =
        rows.map(|(index, text)| json!({ "index": index, "embedding": vector(model, text, dimension) })).collect();
    json!({ "data": rows, "usage": { "total_tokens": texts.iter().map(|text| text.split(' ').count()).sum::<usize>() } })
}

/// One for each place of a word, where words of one meaning have one place; each model has its own places.
fn vector(model: &str, text: &str, dimension: usize) -> Vec<f32> {
    let mut numbers = vec![0.0; dimension];
    // So that no text points nowhere.
    numbers[0] = 0.01;
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = word.to_lowercase();
        let meaning = LIKES.iter().find(|likes| likes.contains(&word.as_str())).map_or(word.as_str(), |likes| likes[0]);
        let hash = model
            .bytes()
            .chain(meaning.bytes())
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let place = usize::try_from((hash >> 20) % dimension as u64).unwrap_or(0);
        numbers[place] += 1.0;
    }
    numbers
}

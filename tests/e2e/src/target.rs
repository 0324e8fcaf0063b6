//! A place that webhooks are told to: a real HTTP server that notes every call and answers as a story has it.

use crate::Outcome;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a target does with a call.
#[derive(Debug, Clone)]
pub enum Manner {
    /// Answers with this status.
    Status(u16),
    /// Sends the caller somewhere else.
    Redirect(String),
    /// Answers 200 after a while.
    Slow(Duration),
    /// Never answers.
    Hang,
}

/// A call.
#[derive(Debug, Clone)]
pub struct Call {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: String,
    /// `webhook-signature`.
    pub signature: String,
    /// The body as it came.
    pub text: String,
    /// The body, read.
    pub body: Value,
    /// Whether it was answered with 200.
    pub is_taken: bool,
    /// When it came.
    pub at: Instant,
}

impl Call {
    /// What happened.
    pub fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default()
    }

    /// To what.
    pub fn subject(&self) -> &str {
        self.body["subject"].as_str().unwrap_or_default()
    }

    /// Whether one of the signatures is that of a secret as it was shown, `whsec_…`.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let bytes = secret.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
        let signed = hmac_sha256(&bytes, format!("{}.{}.{}", self.id, self.timestamp, self.text).as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(signed));
        self.signature.split(' ').any(|signature| signature == expected)
    }
}

/// HMAC as RFC 2104 writes it down.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

type Answering = Arc<dyn Fn(&Call, &[Call]) -> Manner + Send + Sync>;

/// The place. It goes on listening until it is dropped.
#[derive(Debug)]
pub struct Target {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    _listening: JoinSet<()>,
}

impl Target {
    /// Opens one that answers as this says, given the call and all before it.
    pub async fn open(answer: impl Fn(&Call, &[Call]) -> Manner + Send + Sync + 'static) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let (noted, answer): (_, Answering) = (calls.clone(), Arc::new(answer));
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            let mut talking = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (noted, answer) = (noted.clone(), answer.clone());
                talking.spawn(async move { talk(stream, &noted, &answer).await.unwrap_or_default() });
                while talking.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, calls, _listening: listening })
    }

    /// Opens one that takes everything.
    pub async fn taking() -> Outcome<Self> {
        Self::open(|_, _| Manner::Status(200)).await
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/in", self.address)
    }

    /// The calls so far, in the order in which they came.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// The calls it took, each fact once, in the order in which it took them first.
    pub fn taken(&self) -> Vec<Call> {
        let mut taken: Vec<Call> = Vec::new();
        for call in self.calls().into_iter().filter(|call| call.is_taken) {
            if taken.iter().all(|known| known.id != call.id) {
                taken.push(call);
            }
        }
        taken
    }
}

fn lock(calls: &Mutex<Vec<Call>>) -> MutexGuard<'_, Vec<Call>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn talk(mut stream: TcpStream, calls: &Mutex<Vec<Call>>, answer: &Answering) -> std::io::Result<()> {
    let mut read = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    let (head, text) = loop {
        let length = stream.read(&mut piece).await?;
        read.extend_from_slice(&piece[..length]);
        if let Some(whole) = whole(&String::from_utf8_lossy(&read)) {
            break whole;
        }
        if length == 0 {
            return Ok(());
        }
    };
    let header = |name: &str| {
        let value = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_default().to_owned()
    };
    let call = Call {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body: serde_json::from_str(&text).unwrap_or_default(),
        text,
        is_taken: false,
        at: Instant::now(),
    };
    let manner = {
        let mut calls = lock(calls);
        let manner = answer(&call, &calls);
        let is_taken = matches!(manner, Manner::Status(200..=299) | Manner::Slow(_));
        calls.push(Call { is_taken, ..call });
        manner
    };
    let (status, more) = match manner {
        Manner::Status(status) => (status, String::new()),
        Manner::Redirect(to) => (307, format!("location: {to}\r\n")),
        Manner::Slow(time) => {
            tokio::time::sleep(time).await;
            (200, String::new())
        }
        Manner::Hang => return std::future::pending().await,
    };
    stream
        .write_all(format!("HTTP/1.1 {status} X\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n").as_bytes())
        .await
}

/// The head and the body, once both are there.
fn whole(read: &str) -> Option<(String, String)> {
    let (head, body) = read.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    (body.len() >= length.parse().ok()?).then(|| (head.to_owned(), body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hmac_is_that_of_rfc_4231() {
        let hex = |bytes: [u8; 32]| bytes.map(|byte| format!("{byte:02x}")).concat();
        let short = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex(short), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let long = hmac_sha256(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(hex(long), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }
}

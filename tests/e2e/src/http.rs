//! HTTP by hand, for requests that no proper client sends.

use crate::{Fault, Outcome};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A bare connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// Connects to `host:port`.
    pub async fn open(address: &str) -> Outcome<Self> {
        Ok(Self { stream: TcpStream::connect(address).await? })
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Outcome {
        self.stream.write_all(bytes.as_ref()).await?;
        Ok(self.stream.flush().await?)
    }

    /// Everything until the server closes the connection; a fault if it keeps it open for longer.
    pub async fn rest(&mut self, within: Duration) -> Outcome<String> {
        let mut bytes = Vec::new();
        match tokio::time::timeout(within, self.stream.read_to_end(&mut bytes)).await {
            // A reset is a close in haste; what came before it counts.
            Ok(_) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(_) => Err(Fault::new(format!("the connection was still open after {within:?}"))),
        }
    }
}

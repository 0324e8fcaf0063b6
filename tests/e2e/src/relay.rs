//! A relay between two ends of TCP connections that can keep back what comes from the far one: for stopping the world
//! between two messages.

use crate::{Fault, Outcome};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Everything passes until somebody watches; then each piece from the far end needs leave.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    is_watched: Arc<AtomicBool>,
    asking: mpsc::Receiver<oneshot::Sender<()>>,
    _accepting: JoinSet<()>,
}

impl Relay {
    /// A relay to `host:port`.
    pub async fn open(to: &str) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let is_watched = Arc::new(AtomicBool::new(false));
        let (ask, asking) = mpsc::channel(1);
        let (to, watched) = (to.to_owned(), is_watched.clone());
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            // They end with the relay.
            let mut pumps = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(&to).await else { continue };
                let ((near_reader, near_writer), (far_reader, far_writer)) = (near.into_split(), far.into_split());
                pumps.spawn(forth(near_reader, far_writer));
                pumps.spawn(back(far_reader, near_writer, watched.clone(), ask.clone()));
            }
        });
        Ok(Self { address, is_watched, asking, _accepting: accepting })
    }

    /// Where it listens: `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Asks before each piece from the far end whether it is time. Once it is, this piece and all others stay where
    /// they are.
    pub async fn keep_back_when(&mut self, mut is_time: impl AsyncFnMut() -> Outcome<bool>) -> Outcome {
        self.is_watched.store(true, Ordering::SeqCst);
        loop {
            let leave = self.asking.recv().await.ok_or_else(|| Fault::new("the relay has ended"))?;
            if is_time().await? {
                return Ok(());
            }
            // Whoever asked may have gone.
            let _ = leave.send(());
        }
    }
}

async fn forth(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // A connection that breaks ends: the other side sees that.
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn back(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    is_watched: Arc<AtomicBool>,
    ask: mpsc::Sender<oneshot::Sender<()>>,
) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if is_watched.load(Ordering::SeqCst) {
            let (leave, given) = oneshot::channel();
            if ask.send(leave).await.is_err() || given.await.is_err() {
                // Not even the end of the connection is told.
                return std::future::pending().await;
            }
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Somebody who says one letter for each that it hears, one greater.
    async fn echo() -> (String, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut far = JoinSet::new();
        far.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            while let Ok(letter) = stream.read_u8().await {
                stream.write_u8(letter + 1).await.unwrap();
            }
        });
        (address, far)
    }

    #[tokio::test]
    async fn everything_passes_until_it_is_time() {
        let (address, _far) = echo().await;
        let mut relay = Relay::open(&address).await.unwrap();
        let mut near = TcpStream::connect(relay.address()).await.unwrap();
        near.write_u8(1).await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), 2);
        let mut asked = 0;
        let watching = relay.keep_back_when(async || {
            asked += 1;
            Ok(asked == 2)
        });
        let talking = async {
            near.write_u8(3).await.unwrap();
            let first = near.read_u8().await.unwrap();
            near.write_u8(5).await.unwrap();
            (first, tokio::time::timeout(Duration::from_millis(200), near.read_u8()).await.is_err())
        };
        let (watched, (first, is_kept_back)) = tokio::join!(watching, talking);
        watched.unwrap();
        assert_eq!((first, is_kept_back, asked), (4, true, 2));
    }
}

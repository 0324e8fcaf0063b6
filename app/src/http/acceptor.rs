//! Taking in connections: as many as allowed, from both address families, and calmly when the system runs out of files.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections the operating system keeps for us until we accept them.
const BACKLOG: i32 = 1024;
/// How long a peer may be silent before the system asks whether it is still there.
const PEER_PROBE_AFTER: Duration = Duration::from_mins(1);
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Where connections come from; a listener, but for tests.
pub trait Source: Send + Sync {
    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

impl Source for TcpListener {
    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send {
        Self::accept(self)
    }
}

/// Accepts connections up to a limit.
pub struct Acceptor<S = TcpListener> {
    source: S,
    permits: Arc<Semaphore>,
}

/// A connection and its place among those allowed, which is free again when this is dropped.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: TcpStream,
    /// Who is at the other end.
    pub peer: SocketAddr,
    /// The place it takes.
    pub permit: OwnedSemaphorePermit,
}

impl Acceptor {
    /// Listens on `address` for at most `connections_max` connections at a time; the rest wait unaccepted. `[::]` takes
    /// IPv4 as well, and stands for `0.0.0.0` where the system has no IPv6.
    ///
    /// # Errors
    ///
    /// If the address can't be listened on.
    pub fn bind(address: SocketAddr, connections_max: usize) -> io::Result<Self> {
        let listener = match listen(address) {
            Err(error) if address.is_ipv6() && address.ip().is_unspecified() && is_family_missing(&error) => {
                tracing::warn!("this system has no IPv6; listening on IPv4 alone");
                listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))?
            }
            listener => listener?,
        };
        Ok(Self::new(listener, connections_max))
    }

    /// The address listened on, with the port the system chose.
    ///
    /// # Errors
    ///
    /// If the system doesn't tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.local_addr()
    }
}

impl<S: Source> Acceptor<S> {
    /// As [`Acceptor::bind`], from any source.
    pub fn new(source: S, connections_max: usize) -> Self {
        Self { source, permits: Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS))) }
    }

    /// The next connection. Waits while the limit is reached; pauses, a second at most, while the system can't give us
    /// one, so that it neither spins nor gives up. Dropping the future loses nothing.
    pub async fn accept(&self) -> Accepted {
        let permit = self.place().await;
        let mut pause = PAUSE_MIN;
        loop {
            match self.source.accept().await {
                Ok((stream, peer)) => {
                    configure(&stream);
                    return Accepted { stream, peer: SocketAddr::new(peer.ip().to_canonical(), peer.port()), permit };
                }
                Err(error) if is_of_one_connection(&error) => {
                    tracing::debug!(%error, "a connection broke before it was accepted");
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    tracing::error!(%error, pause_ms = pause.as_millis(), "cannot accept connections; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn place(&self) -> OwnedSemaphorePermit {
        let permits = || Arc::clone(&self.permits);
        if let Ok(permit) = permits().try_acquire_owned() {
            return permit;
        }
        tracing::warn!("the connection limit is reached; further connections wait (API_MAX_CONNECTIONS)");
        match permits().acquire_owned().await {
            Ok(permit) => permit,
            // Nobody closes the semaphore, so this never comes; waiting is what a full server does.
            Err(_) => std::future::pending().await,
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A server that starts again must not wait for the last one's connections to be forgotten.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Answers are small and must leave at once; a peer that vanished without a word must be noticed in the end.
fn configure(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(PEER_PROBE_AFTER);
    let configured = stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = configured {
        tracing::debug!(%error, "a connection could not be configured");
    }
}

fn is_family_missing(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.kind() == io::ErrorKind::Unsupported
        || (cfg!(target_os = "linux") && error.raw_os_error() == Some(EAFNOSUPPORT))
}

/// Whether only the connection that was to be accepted is at fault.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use poem::http::HeaderValue;
use poem::http::header::CONNECTION;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

mod activity;
mod watched;

use activity::Activity;
use watched::{WatchedAnswer, WatchedStream, watch_request};

/// How long a client may keep us waiting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the head of a request as a whole, for each part of a body, and for each part of an answer to be taken in.
    pub(super) read: Duration,
    /// For the next request on an open connection.
    pub(super) idle: Duration,
}

/// The tokens that end connections.
#[derive(Debug, Clone)]
pub(super) struct Ends {
    /// Finish the request in flight, then close.
    pub(super) stopping: CancellationToken,
    /// Close now.
    pub(super) cut: CancellationToken,
}

/// Bytes of a request's head at most, from the request line to the empty line; more is answered 431.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Deadlines are looked at this often, which costs less than moving a timer with each request.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bytes of a body that nobody read which come with the head as a rule, so that they are passed over and the connection
/// goes on. After a longer one it ends, and the client must know, or its next request is lost on it.
const PASSED_OVER_BYTES_MAX: u64 = 4 * 1024;
/// How long a client that was answered early may go on sending.
const LINGER_MAX: Duration = Duration::from_secs(1);
const LINGER_BUFFER_BYTES: usize = 16 * 1024;
/// What the head of a request that has just begun still gets once the server stops.
const HEAD_GRACE: Duration = Duration::from_millis(250);

/// Serves HTTP/1 on one connection until it ends, is idle for too long, keeps us waiting for too long, or the server stops.
pub(super) async fn drive<E>(stream: TcpStream, peer: SocketAddr, endpoint: Arc<E>, patience: Patience, ends: Ends)
where
    E: Endpoint + 'static,
{
    let activity = Arc::new(Activity::new());
    let remote = RemoteAddr(peer.into());
    let local = LocalAddr(stream.local_addr().map(Into::into).unwrap_or_default());
    let service = {
        let activity = Arc::clone(&activity);
        service_fn(move |request: hyper::Request<Incoming>| {
            let endpoint = Arc::clone(&endpoint);
            let activity = Arc::clone(&activity);
            let has_body = !request.body().is_end_stream();
            let is_long = request.body().size_hint().upper().is_none_or(|bytes| bytes > PASSED_OVER_BYTES_MAX);
            let mut request = Request::from((request, local.clone(), remote.clone(), Scheme::HTTP));
            activity.request_arrived(has_body);
            if has_body {
                watch_request(&mut request, Arc::clone(&activity));
            }
            // Boxed, because only a connection that can be moved gives its stream back in the end.
            Box::pin(async move {
                let mut response: hyper::Response<_> = endpoint.get_response(request).await.into();
                if is_long && activity.has_body_unread() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response.map(|body| WatchedAnswer::new(body, activity)))
            })
        })
    };
    let stream = TokioIo::new(WatchedStream::new(stream, Arc::clone(&activity)));
    // The size of the buffer alone would let heads through that come in larger parts.
    let mut connection = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .serve_connection(stream, service);
    let look_every = LOOK_EVERY.min(patience.read / 2).min(patience.idle / 2);
    let mut look = pin!(sleep_until(Instant::now() + look_every));
    let mut head_patience = patience.read;
    let mut is_stopping = false;
    loop {
        tokio::select! {
            biased;
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, %peer, "a connection broke");
                }
                break;
            }
            () = ends.cut.cancelled() => return,
            () = ends.stopping.cancelled(), if !is_stopping => {
                is_stopping = true;
                head_patience = head_patience.min(HEAD_GRACE);
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                look.as_mut().reset(Instant::now() + HEAD_GRACE);
            }
            () = look.as_mut() => {
                if let Some(fault) = activity.overdue(head_patience, patience) {
                    tracing::debug!(%peer, ?fault, "a connection is cut");
                    return;
                }
                let every = if is_stopping { HEAD_GRACE } else { look_every };
                look.as_mut().reset(Instant::now() + every);
            }
        }
    }
    let stream = connection.into_parts().io.into_inner().into_inner();
    close(stream, activity.left_body_unread()).await;
}

/// Closes in good order. A client that is still sending what we won't read would lose our answer to the reset that a
/// plain close brings, so it is given a moment to take the answer in.
async fn close(mut stream: TcpStream, is_unread: bool) {
    if stream.shutdown().await.is_err() || !is_unread {
        return;
    }
    let mut discarded = vec![0; LINGER_BUFFER_BYTES];
    let drained = async { while matches!(stream.read(&mut discarded).await, Ok(read) if read > 0) {} };
    // Past the deadline the reset is deserved.
    let _ = tokio::time::timeout(LINGER_MAX, drained).await;
}

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Request};
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

/// Bytes of a request's head at most; more is answered 431.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Deadlines are looked at this often, which costs less than moving a timer with each request.
const LOOK_EVERY: Duration = Duration::from_secs(1);
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
            let mut request = Request::from((request, local.clone(), remote.clone(), Scheme::HTTP));
            activity.request_arrived(has_body);
            if has_body {
                watch_request(&mut request, Arc::clone(&activity));
            }
            async move {
                let response: hyper::Response<_> = endpoint.get_response(request).await.into();
                Ok::<_, Infallible>(response.map(|body| WatchedAnswer::new(body, activity)))
            }
        })
    };
    let stream = TokioIo::new(WatchedStream::new(stream, Arc::clone(&activity)));
    let mut connection =
        pin!(http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).serve_connection(stream, service));
    let look_every = LOOK_EVERY.min(patience.read / 2).min(patience.idle / 2);
    let mut look = pin!(sleep_until(Instant::now() + look_every));
    let mut head_patience = patience.read;
    let mut is_stopping = false;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, %peer, "a connection broke");
                }
                return;
            }
            () = ends.cut.cancelled() => return,
            () = ends.stopping.cancelled(), if !is_stopping => {
                is_stopping = true;
                head_patience = head_patience.min(HEAD_GRACE);
                connection.as_mut().graceful_shutdown();
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
}

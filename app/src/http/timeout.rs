//! A limit on how long a request may take.

use std::sync::Arc;
use std::time::Duration;

use poem::{Endpoint, IntoResponse, Request, Response, Result};

use super::problem::{Problem, kinds};

/// How long requests may take.
#[derive(Debug, Clone)]
pub struct TimeLimits {
    /// Any request.
    pub request: Duration,
    /// What requests to a path in `waiting_paths` get on top: the longest `wait_seconds` they may ask for.
    pub wait_max: Duration,
    /// Paths whose requests may wait on purpose, exactly as they stand in the URL.
    pub waiting_paths: Arc<[&'static str]>,
}

impl TimeLimits {
    fn of(&self, path: &str) -> Duration {
        let may_wait = self.waiting_paths.iter().any(|waiting| *waiting == path.trim_end_matches('/'));
        if may_wait { self.request + self.wait_max } else { self.request }
    }
}

/// Gives up requests that take longer, with 503 `timeout`: 503 and not 504, because no gateway is involved, and because
/// clients repeat it.
pub fn time_limit<E>(inner: E, limits: TimeLimits) -> TimeLimited<E> {
    TimeLimited { inner, limits }
}

/// See [`time_limit`].
pub struct TimeLimited<E> {
    inner: E,
    limits: TimeLimits,
}

impl<E: Endpoint> Endpoint for TimeLimited<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        const RETRY_AFTER_MS: u64 = 1000;
        let limit = self.limits.of(request.uri().path());
        match tokio::time::timeout(limit, self.inner.call(request)).await {
            Ok(result) => result.map(IntoResponse::into_response),
            Err(_) => Err(Problem::new(&kinds::TIMEOUT)
                .caused_by(format_args!("not done within {} s", limit.as_secs_f32()))
                .retryable_after_ms(RETRY_AFTER_MS)
                .into()),
        }
    }
}

//! A limit on request bodies, whether they say their length or not.

use poem::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use poem::{Body, Endpoint, IntoResponse, Request, Response, Result};

use super::problem::{Problem, kinds};

/// Bytes of a request body at most.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a request body at most where many things are handed in at once.
pub const LARGE_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The paths whose bodies may be large.
const LARGE_PATHS: &[&str] = &["/v1/memories/import", "/v1/tasks"];

/// Refuses longer bodies with 413 `body-too-large`: at once where the length is given, else when it is passed.
pub fn body_limit<E>(inner: E) -> BodyLimited<E> {
    BodyLimited { inner }
}

/// See [`body_limit`].
pub struct BodyLimited<E> {
    inner: E,
}

impl<E: Endpoint> Endpoint for BodyLimited<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let bytes_max = bytes_max(request.uri().path());
        let headers = request.headers();
        let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|declared| declared > bytes_max as u64) {
            return Err(refusal(bytes_max).into());
        }
        // The connection holds a body to its declared length; only one without needs counting.
        if headers.contains_key(TRANSFER_ENCODING) {
            let bytes = request.take_body().into_bytes_limit(bytes_max).await?;
            request.set_body(Body::from_bytes(bytes));
        }
        self.inner.call(request).await.map(IntoResponse::into_response)
    }
}

fn bytes_max(path: &str) -> usize {
    if LARGE_PATHS.contains(&path) { LARGE_BODY_BYTES_MAX } else { BODY_BYTES_MAX }
}

fn refusal(bytes_max: usize) -> Problem {
    Problem::new(&kinds::BODY_TOO_LARGE).detail(format!("the limit is {bytes_max} bytes"))
}

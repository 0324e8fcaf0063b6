//! The request's id and trace, from its headers or made anew.

use std::sync::Arc;

use poem::http::HeaderMap;

/// What ties an answer, the log, the audit and the caller's trace together. Handlers find it as request data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    /// The id in `X-Request-Id`, of the request if it was acceptable and of the answer always.
    pub request_id: Arc<str>,
    /// The trace, 32 hexadecimal digits, if the caller sent one or traces are being recorded.
    pub trace_id: Option<Arc<str>>,
}

/// The header that carries the id both ways.
pub const REQUEST_ID: &str = "x-request-id";
/// Characters of an id at most.
pub const REQUEST_ID_CHARS_MAX: usize = 128;

/// The id the caller gave, if it is 1 to 128 letters, digits, dots, underscores and dashes.
pub(super) fn given(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let fits = (1..=REQUEST_ID_CHARS_MAX).contains(&id.len());
    let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    (fits && is_plain).then_some(id)
}

#[cfg(test)]
mod tests {
    use poem::http::{HeaderMap, HeaderValue};

    use super::{REQUEST_ID, given};

    #[test]
    fn only_plain_ids_are_taken_over() {
        let taken = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(id.as_bytes()).unwrap());
            given(&headers).map(str::to_owned)
        };
        assert_eq!(taken("a.B_c-9").as_deref(), Some("a.B_c-9"));
        assert_eq!(taken(&"x".repeat(128)).map(|id| id.len()), Some(128));
        for bad in ["", "a b", "a\"b", "é", &"x".repeat(129)] {
            assert_eq!(taken(bad), None, "{bad}");
        }
        assert_eq!(given(&HeaderMap::new()), None);
    }
}

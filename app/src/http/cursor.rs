//! Opaque cursors of pages: whatever a listing needs to go on, as text that clients pass back unread.

use crate::http::problem::Problem;
use crate::http::problem::kinds::INVALID_VALUE;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::page::{InvalidPageSize, PageSize};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The greatest length of a cursor in bytes.
pub const BYTES_MAX: usize = 2_048;

/// Writes a cursor.
pub fn encode(cursor: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_vec(cursor).map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).map_err(Problem::internal)
}

/// Reads a cursor that a client sent back.
pub fn decode<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let bytes = (text.len() <= BYTES_MAX).then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten();
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(|| {
        Problem::new(&INVALID_VALUE).detail("`cursor` is not one this listing gave: send `next_cursor` as it came")
    })
}

/// Reads the number of rows a client asked for.
pub fn page_size(limit: Option<u32>) -> Result<PageSize, Problem> {
    limit.map_or(Ok(PageSize::DEFAULT), |rows| {
        PageSize::try_new(rows).map_err(|error: InvalidPageSize| Problem::new(&INVALID_VALUE).detail(error.to_string()))
    })
}

use std::fmt::Write;

use poem::{Endpoint, Response, Result, endpoint::make_sync, error::NotFoundError};

use super::kinds::find;
use super::{Kind, SLUGS};

/// `docs/problems.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Problems\n\n\
         <!-- Written by `pointsman docs problems`; edit app/src/http/problem/kinds.rs instead. -->\n\n\
         Every error is answered as `application/problem+json` (RFC 9457). `type` is `/problems/` and one of the names \
         below, `status` repeats the HTTP status, `request_id` is the same as in the `X-Request-Id` header and in the \
         server's log. `retryable` says whether the same request may succeed later; `retry_after_ms` says when, as does \
         the `Retry-After` header in whole seconds. A refusal (below 500) was an answer: under the same `Idempotency-Key` \
         it is replayed for 24 h, so that trying again takes a new one. After a 500 or 503 the same one is right.\n\n\
         Two kinds of answer are given before there is a request. They have no body and no `X-Request-Id`, and the \
         connection is closed after them: 400 for what is not HTTP, and 431 for a head (the request line and the headers) \
         of more than 64 KiB or more than 100 headers.\n",
    );
    for kind in SLUGS {
        page.push('\n');
        page.push_str(&section(kind));
    }
    page
}

fn section(kind: &Kind) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "## {}\n\n**{}: {}.** {}\n\nWhat to do: {}\n",
        kind.slug, kind.status, kind.title, kind.meaning, kind.remedy
    );
    text
}

/// The page of one problem, to be mounted at `/problems/:slug`: the text its `type` leads to.
pub fn pages() -> impl Endpoint<Output = Response> + 'static {
    make_sync(|request| -> Result<Response> {
        let slug: String = request.path_params()?;
        let kind = find(&slug).ok_or(NotFoundError)?;
        Ok(Response::builder().content_type("text/markdown; charset=utf-8").body(section(kind)))
    })
}

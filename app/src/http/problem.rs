//! Every error answer: RFC 9457 problem details, one type for all of them.
//!
//! A handler returns `Result<_, Problem>`. [`answer`] is the middleware that turns everything else that failed into a
//! problem too, writes the request id into the body and the cause into the log.

use std::fmt;

use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Object};

use crate::handoffs::obstacles::{NotMovedView, TakerView};
use crate::locks::obstacles::{ConflictView, CycleStepView, StaleView};
use crate::work::obstacles::{HasView, StaleClaimView};

mod answer;
mod framework;
/// The table of problems.
pub mod kinds;
mod pages;

pub use answer::{Answered, answer};
pub use framework::from_framework;
pub use kinds::SLUGS;
pub use pages::{markdown, pages};

/// What the problem table says of one kind of problem.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its stable name: the last part of `type`.
    pub slug: &'static str,
    /// The status it is answered with.
    pub status: u16,
    /// One line for people, always the same.
    pub title: &'static str,
    /// When it happens, in Markdown.
    pub meaning: &'static str,
    /// What a client does about it, in Markdown.
    pub remedy: &'static str,
}

/// One fault of one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct FieldError {
    /// Where the field stands, such as `keys[0].path`, or the parameter's name.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Problem details (RFC 9457).
#[derive(Debug, Clone, Object)]
#[oai(rename = "Problem", skip_serializing_if_is_none)]
pub struct ProblemBody {
    /// `/problems/` and the problem's stable name; a page of the server tells more.
    #[oai(rename = "type")]
    pub kind: String,
    /// One line for people, the same for each problem of this type.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time.
    pub detail: Option<String>,
    /// The request's id, as in `X-Request-Id` and in the server's log.
    pub request_id: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// How long to wait before trying again, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// What to do now.
    pub hint: Option<String>,
    /// Everything that stands in the way.
    pub conflicts: Option<Vec<ConflictView>>,
    /// What became of each token, and who holds its key now.
    pub stale: Option<Vec<StaleView>>,
    /// What became of the claim, and who has the task now.
    pub claim: Option<StaleClaimView>,
    /// Who works on the task.
    pub held_by: Option<HasView>,
    /// What is not held by the caller and so cannot be handed over.
    pub not_held: Option<Vec<NotMovedView>>,
    /// Who took the handoff.
    pub taken_by: Option<TakerView>,
    /// What keeps the place in line until the next call presents it.
    pub ticket: Option<String>,
    /// The place in line, 1 for the next to be served.
    pub position: Option<u32>,
    /// Who waits for whom, as a closed circle.
    pub cycle: Option<Vec<CycleStepView>>,
    /// The faults of the request, field by field.
    pub errors: Option<Vec<FieldError>>,
}

/// An error answer in the making.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: &'static Kind,
    body: Box<ProblemBody>,
    cause: Option<String>,
    allow: Option<HeaderValue>,
}

impl Problem {
    /// A problem of this kind, with nothing said about this time.
    pub fn new(kind: &'static Kind) -> Self {
        let body = ProblemBody {
            kind: format!("/problems/{}", kind.slug),
            title: kind.title.to_owned(),
            status: kind.status,
            detail: None,
            request_id: None,
            retryable: false,
            retry_after_ms: None,
            hint: None,
            conflicts: None,
            stale: None,
            claim: None,
            held_by: None,
            not_held: None,
            taken_by: None,
            ticket: None,
            position: None,
            cycle: None,
            errors: None,
        };
        Self { kind, body: Box::new(body), cause: None, allow: None }
    }

    /// A defect: the client is told nothing but the request id, the log gets `cause`.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(&kinds::INTERNAL).caused_by(cause)
    }

    /// One value of the request that cannot be taken: 422, naming the field.
    pub fn invalid(field: &str, reason: &impl ToString) -> Self {
        let reason = reason.to_string();
        let fault = FieldError { field: field.to_owned(), reason: reason.clone() };
        Self::new(&kinds::INVALID_VALUE).detail(reason).errors(vec![fault])
    }

    /// What went wrong this time, for the client. Answers of 500 and above leave it out.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.body.detail = Some(shorten(detail.into()));
        self
    }

    /// What to do now. Answers of 500 and above leave it out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hint = Some(hint.into());
        self
    }

    /// What the log says once; the client never sees it.
    #[must_use]
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// The same request may succeed at any time.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.body.retryable = true;
        self
    }

    /// The same request may succeed after this many milliseconds; also sent as `Retry-After`, in whole seconds rounded up.
    #[must_use]
    pub fn retryable_after_ms(mut self, retry_after_ms: u64) -> Self {
        self.body.retry_after_ms = Some(retry_after_ms);
        self.retryable()
    }

    /// Everything that stands in the way.
    #[must_use]
    pub fn conflicts(mut self, conflicts: Vec<ConflictView>) -> Self {
        self.body.conflicts = Some(conflicts);
        self
    }

    /// What became of each token.
    #[must_use]
    pub fn stale(mut self, stale: Vec<StaleView>) -> Self {
        self.body.stale = Some(stale);
        self
    }

    /// What became of the claim.
    #[must_use]
    pub fn claim(mut self, claim: StaleClaimView) -> Self {
        self.body.claim = Some(claim);
        self
    }

    /// Who works on the task.
    #[must_use]
    pub fn held_by(mut self, holder: HasView) -> Self {
        self.body.held_by = Some(holder);
        self
    }

    /// What is not held by the caller.
    #[must_use]
    pub fn not_held(mut self, not_held: Vec<NotMovedView>) -> Self {
        self.body.not_held = Some(not_held);
        self
    }

    /// Who took the handoff.
    #[must_use]
    pub fn taken_by(mut self, taker: TakerView) -> Self {
        self.body.taken_by = Some(taker);
        self
    }

    /// What keeps the place in line.
    #[must_use]
    pub fn ticket(mut self, ticket: impl Into<String>) -> Self {
        self.body.ticket = Some(ticket.into());
        self
    }

    /// The place in line, 1 for the next to be served.
    #[must_use]
    pub fn position(mut self, position: u32) -> Self {
        self.body.position = Some(position);
        self
    }

    /// Who waits for whom.
    #[must_use]
    pub fn cycle(mut self, cycle: Vec<CycleStepView>) -> Self {
        self.body.cycle = Some(cycle);
        self
    }

    /// The faults of the request, field by field.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.body.errors = Some(errors);
        self
    }

    /// Methods the resource knows, for `Allow`.
    #[must_use]
    pub(crate) fn allow(mut self, methods: HeaderValue) -> Self {
        self.allow = Some(methods);
        self
    }

    /// The kind of problem.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// The body as it would be sent.
    pub fn body(&self) -> &ProblemBody {
        &self.body
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The body with `request_id` in it; above 500 it says little else.
    fn json(&self, request_id: Option<&str>) -> String {
        let mut body = self.body.clone();
        body.request_id = request_id.map(str::to_owned);
        if self.status().is_server_error() {
            body.detail = None;
            body.hint = None;
        }
        body.to_json_string()
    }
}

const MEDIA_TYPE: &str = "application/problem+json";
const MS_PER_SECOND: u64 = 1000;
const DETAIL_CHARS_MAX: usize = 400;

/// Cuts a detail that quotes the client at length.
fn shorten(mut detail: String) -> String {
    if let Some((end, _)) = detail.char_indices().nth(DETAIL_CHARS_MAX) {
        detail.truncate(end);
        detail.push('…');
    }
    detail
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = Response::builder()
            .status(status)
            .content_type(MEDIA_TYPE)
            .header(header::CACHE_CONTROL, "no-store")
            .body(self.json(None));
        let headers = response.headers_mut();
        if let Some(retry_after_ms) = self.body.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_ms.div_ceil(MS_PER_SECOND)));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"pointsman\""));
        }
        if let Some(allow) = self.allow.clone() {
            headers.insert(header::ALLOW, allow);
        }
        // The problem travels along, so that `answer` can put the request id into the body.
        response.set_data(self);
        response
    }
}

impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        let mut error = Self::from_response(problem.clone().into_response());
        // Turned back into an answer, an error keeps its own data and drops that of the answer inside.
        error.set_data(problem);
        error
    }
}

impl ApiResponse for Problem {
    /// One for all, since the framework drops schemas that nothing refers to: every operation may be answered 500. The
    /// others come from the table of `docs_page`.
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: MEDIA_TYPE, schema: ProblemBody::schema_ref() }];
        let response =
            MetaResponse { description: "", status: Some(500), status_range: None, content, headers: Vec::new() };
        MetaResponses { responses: vec![response] }
    }

    fn register(registry: &mut Registry) {
        ProblemBody::register(registry);
    }
}

#[cfg(test)]
mod tests;

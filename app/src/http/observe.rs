//! One span, one set of counts and, if wanted, one log line for each request.

use std::sync::Arc;
use std::time::Instant;

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use poem::PathPattern;
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method};
use poem::{Endpoint, Request, Response, Result};
use tracing::field::Empty;
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::problem::Problem;
use super::request_id::{REQUEST_ID, RequestContext, given};
use crate::telemetry::Metrics;

/// What the route label says where no route matched.
pub const UNMATCHED: &str = "unmatched";
/// What the status label says where the client went away before the answer.
const CLIENT_GONE: u16 = 499;

/// Observes `inner`, and gives each request its [`RequestContext`]. `request_ids` makes ids for those that bring none.
pub fn observe<E>(
    inner: E,
    metrics: Metrics,
    access_log: bool,
    request_ids: Arc<dyn Fn() -> String + Send + Sync>,
) -> Observed<E> {
    Observed { inner, metrics, access_log, request_ids, propagator: TraceContextPropagator::new() }
}

/// See [`observe`].
pub struct Observed<E> {
    inner: E,
    metrics: Metrics,
    access_log: bool,
    request_ids: Arc<dyn Fn() -> String + Send + Sync>,
    propagator: TraceContextPropagator,
}

impl<E: Endpoint> Endpoint for Observed<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let method = label(request.method());
        let request_id: Arc<str> = match given(request.headers()) {
            Some(id) => id.into(),
            None => (self.request_ids)().into(),
        };
        let span = tracing::info_span!(
            "http.request",
            otel.name = Empty,
            otel.kind = "server",
            otel.status_code = Empty,
            http.request.method = method,
            http.route = Empty,
            http.response.status_code = Empty,
            request_id = &*request_id,
        );
        let Trace { id: trace_id, is_recorded } = self.join_trace(&span, request.headers());
        let remote = self.access_log.then(|| request.remote_addr().to_string());
        request.set_data(RequestContext { request_id: Arc::clone(&request_id), trace_id });
        let pending = Pending { metrics: &self.metrics, method, started: Instant::now(), is_answered: false };
        let mut response = self.inner.get_response(request).instrument(span.clone()).await;
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert(HeaderName::from_static(REQUEST_ID), id);
        }
        let status = response.status().as_u16();
        let route = response.data::<PathPattern>().map_or(UNMATCHED, |pattern| &pattern.0);
        let seconds = pending.answered(route, status);
        if let Some(problem) = response.data::<Problem>() {
            self.metrics.refusal(problem.kind().slug);
        }
        // For the trace alone: nothing is logged in this span from here on but the line below.
        if is_recorded {
            span.record("otel.name", format_args!("{method} {route}").to_string());
            span.record("http.route", route);
            span.record("http.response.status_code", status);
            if status >= 500 {
                span.record("otel.status_code", "ERROR");
            }
        }
        if let Some(remote) = remote {
            tracing::info!(parent: &span, method, route, status, seconds, remote, "answered");
        }
        Ok(response)
    }
}

impl<E> Observed<E> {
    /// Makes the span part of the caller's trace, if the headers name one, and tells which trace it is in.
    fn join_trace(&self, span: &Span, headers: &HeaderMap) -> Trace {
        let parent = self.propagator.extract(&TraceHeaders(headers));
        let caller = parent.span().span_context().clone();
        if caller.is_valid() {
            // Fails only where no traces are recorded, and then there is nothing to join.
            let _ = span.set_parent(parent);
        }
        let own = span.context().span().span_context().clone();
        let id = [&own, &caller].into_iter().find(|context| context.is_valid());
        Trace { id: id.map(|context| context.trace_id().to_string().into()), is_recorded: own.is_valid() }
    }
}

/// The trace a request is in.
struct Trace {
    id: Option<Arc<str>>,
    /// Whether it is sent anywhere.
    is_recorded: bool,
}

struct TraceHeaders<'a>(&'a HeaderMap);

impl Extractor for TraceHeaders<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// Counts a request even if its future is dropped, which is what happens when the client goes away.
struct Pending<'a> {
    metrics: &'a Metrics,
    method: &'static str,
    started: Instant,
    is_answered: bool,
}

impl Pending<'_> {
    fn answered(mut self, route: &str, status: u16) -> f64 {
        self.is_answered = true;
        let seconds = self.started.elapsed().as_secs_f64();
        self.metrics.request(self.method, route, status, seconds);
        seconds
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.metrics.request(self.method, UNMATCHED, CLIENT_GONE, self.started.elapsed().as_secs_f64());
        }
    }
}

/// The method as a label: clients may make up methods, labels must stay few.
fn label(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("OTHER")
}

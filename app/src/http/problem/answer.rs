use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use poem::PathPattern;
use poem::{Endpoint, IntoResponse, Request, Response, Result};

use super::{Problem, from_framework};
use crate::http::methods::Methods;
use crate::http::request_id::RequestContext;

/// Makes every failure of `inner` a problem: framework errors and panics alike.
///
/// The request id is written into each problem's body, and the cause of each is logged, once. `methods` supplies `Allow`.
pub fn answer<E>(inner: E, methods: Arc<Methods>) -> Answered<E> {
    Answered { inner, methods }
}

/// See [`answer`].
pub struct Answered<E> {
    inner: E,
    methods: Arc<Methods>,
}

impl<E: Endpoint> Endpoint for Answered<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let context = request.data::<RequestContext>().cloned();
        let called = AssertUnwindSafe(self.inner.call(request)).catch_unwind().await;
        let mut response = match called {
            Ok(Ok(output)) => output.into_response(),
            Ok(Err(error)) if error.is_from_response() => error.into_response(),
            Ok(Err(error)) => {
                let pattern = error.data::<PathPattern>().cloned();
                let mut response = from_framework(&error, pattern.as_ref(), &self.methods).into_response();
                if let Some(pattern) = pattern {
                    response.set_data(pattern);
                }
                response
            }
            Err(panic) => {
                Problem::internal(format_args!("a handler panicked: {}", message(panic.as_ref()))).into_response()
            }
        };
        // Counted and logged under the documented path, not under the framework's own spelling.
        if let Some(template) = response.data::<PathPattern>().and_then(|pattern| self.methods.template(&pattern.0)) {
            response.set_data(PathPattern(template));
        }
        if let Some(problem) = response.data::<Problem>().cloned() {
            log(&problem);
            if let Some(context) = context {
                response.set_body(problem.json(Some(&context.request_id)));
            }
        }
        Ok(response)
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

fn log(problem: &Problem) {
    let slug = problem.kind.slug;
    match &problem.cause {
        Some(cause) if problem.kind.status == 500 => tracing::error!(problem = slug, %cause, "the request failed"),
        Some(cause) => tracing::warn!(problem = slug, %cause, "the request was not served"),
        None => tracing::debug!(problem = slug, "the request was refused"),
    }
}

//! What must not be broken off half-way, though nobody waits for it any more.

use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;

/// A future that goes on to its end by itself if it is dropped while it is under way. Its output is dropped then.
///
/// A BEGIN needs it: dropped between the question and its answer, sqlx takes it for one that never happened, and the
/// connection goes back to its pool with a transaction open. Whoever has it next would be told of commits that are none.
pub(super) struct CarriedOn<T: Send + 'static> {
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    /// Where it goes on, once it has begun.
    runtime: Option<Handle>,
}

impl<T: Send + 'static> CarriedOn<T> {
    pub(super) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { future: Some(Box::pin(future)), runtime: None }
    }
}

impl<T: Send + 'static> Future for CarriedOn<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.runtime.get_or_insert_with(Handle::current);
        let Some(future) = &mut self.future else { return Poll::Pending };
        let polled = future.as_mut().poll(context);
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for CarriedOn<T> {
    fn drop(&mut self) {
        if let (Some(future), Some(runtime)) = (self.future.take(), &self.runtime) {
            // It ends with the answer of the server, or with the connection; a runtime that stops closes that.
            drop(runtime.spawn(async move { drop(future.await) }));
        }
    }
}

//! Waiting for something without guessing how long it takes.

use crate::{Fault, Outcome};
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until `look` finds something, and fails in words when that takes longer than `within`.
#[track_caller]
pub fn until<T, L, F>(what: &str, within: Duration, look: L) -> impl Future<Output = Outcome<T>>
where
    L: FnMut() -> F,
    F: Future<Output = Outcome<Option<T>>>,
{
    let overdue = Fault::new(format!("{what}: not within {within:?}"));
    until_or(overdue, within, look)
}

async fn until_or<T, L, F>(overdue: Fault, within: Duration, mut look: L) -> Outcome<T>
where
    L: FnMut() -> F,
    F: Future<Output = Outcome<Option<T>>>,
{
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            return Err(overdue);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

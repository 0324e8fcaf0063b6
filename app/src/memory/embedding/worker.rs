//! The loop that gives memories their vectors.
//!
//! Every server runs one. A batch is claimed before it is sent, so that no two servers make the same vectors, and comes
//! free by itself if its server dies. Which model and dimension are in use is whatever the server that started last has
//! set: the others see it, and leave the vectors of memories to it, or two models would replace each other's for ever.
//! When the endpoint fails, everything waits where it is, and words find memories meanwhile.

use super::Embedding;
use super::batch::Undone;
use crate::refusal::chain;
use domain::memory::vector::VectorSpace;
use ports::embedder::EmbedError;
use ports::store::{Store, StoreError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Between two looks for memories that wait. Memories are there to be found by their words at once.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Between two counts of how many wait.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);

/// Between two looks whether the database can find vectors sooner, and does.
const PREPARE_INTERVAL: Duration = Duration::from_mins(5);

/// The shortest and the longest rest when the endpoint fails.
const REST_MIN: Duration = Duration::from_secs(2);
const REST_MAX: Duration = Duration::from_mins(1);

/// What the loop remembers.
#[derive(Default)]
struct State {
    /// What this server has set as the space in use.
    set: Option<VectorSpace>,
    counted_at: Option<Instant>,
    prepared_at: Option<Instant>,
    failures: u32,
}

impl Embedding {
    /// Gives memories their vectors until `stopping` is cancelled.
    pub async fn run(&self, store: &dyn Store, stopping: &CancellationToken) {
        let mut state = State::default();
        while !stopping.is_cancelled() {
            let rest = match self.round(store, &mut state, stopping).await {
                Ok(done) => {
                    if std::mem::take(&mut state.failures) > 0 {
                        tracing::info!(worker = "embedding", "works again");
                    }
                    if done > 0 { Duration::ZERO } else { LOOK_INTERVAL }
                }
                Err(error) => failed(&error, &mut state),
            };
            self.count_now_and_then(store, &mut state).await;
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Sees to some that wait. Answers how many there were.
    async fn round(&self, store: &dyn Store, state: &mut State, stopping: &CancellationToken) -> Result<usize, Undone> {
        let space = tokio::select! {
            () = stopping.cancelled() => return Ok(0),
            space = self.space() => space?,
        };
        let is_overtaken = self.is_overtaken(store, &space, state).await?;
        self.note(|standing| standing.is_overtaken = is_overtaken);
        if is_overtaken {
            return Ok(0);
        }
        if state.prepared_at.is_none_or(|at| at.elapsed() >= PREPARE_INTERVAL) {
            let prepared = tokio::select! {
                () = stopping.cancelled() => return Ok(0),
                prepared = store.prepare_vectors(space.dimension) => prepared,
            };
            // Without it vectors are found too, only later.
            if let Err(error) = prepared {
                tracing::warn!(error = chain(&error), "there is no index of vectors; all of them are compared");
            }
            state.prepared_at = Some(Instant::now());
        }
        self.batch(store, &space, stopping).await
    }

    /// Sets the space in use, once; later it is looked whether another server has set another one.
    async fn is_overtaken(
        &self,
        store: &dyn Store,
        space: &VectorSpace,
        state: &mut State,
    ) -> Result<bool, StoreError> {
        let in_use = store.begin_glance().await?.vector_space().await?;
        let is_ours = in_use.as_ref().is_some_and(|(key, _)| *key == space.key());
        if state.set.as_ref() == Some(space) {
            if !is_ours && !self.standing().is_overtaken {
                let in_use = in_use.map(|(key, _)| key).unwrap_or_default();
                tracing::warn!(ours = space.key(), in_use, "another server embeds memories with another model");
            }
            return Ok(!is_ours);
        }
        if !is_ours {
            let mut uow = store.begin().await?;
            let now = uow.now().await?;
            uow.vector_space_set(space, now).await?;
            uow.commit().await?;
            tracing::info!(space = space.key(), "memories are embedded with this model from now on");
        }
        state.set = Some(space.clone());
        Ok(false)
    }

    async fn count_now_and_then(&self, store: &dyn Store, state: &mut State) {
        if state.counted_at.is_some_and(|at| at.elapsed() < COUNT_INTERVAL) {
            return;
        }
        state.counted_at = Some(Instant::now());
        if let Err(error) = self.count(store).await {
            tracing::debug!(error = chain(&error), "memories that wait for vectors were not counted");
        }
    }

    /// Counts those that wait for a vector of the space that is known.
    async fn count(&self, store: &dyn Store) -> Result<(), StoreError> {
        let Some(dimension) = self.embedder.dimension() else { return Ok(()) };
        let space = VectorSpace { model: self.embedder.model().clone(), dimension };
        let mut uow = store.begin_glance().await?;
        let waiting = uow.memory_vectors_waiting(&space).await?;
        let now = uow.now().await?;
        let age = waiting.oldest.map(|oldest| (now - oldest).to_std().unwrap_or_default());
        let oldest_seconds = age.unwrap_or_default().as_secs_f64();
        self.note(|standing| (standing.waiting, standing.oldest_seconds) = (waiting, oldest_seconds));
        Ok(())
    }
}

/// Tells of a failure, once until it works again, and answers how long to rest.
fn failed(error: &Undone, state: &mut State) -> Duration {
    if state.failures == 0 {
        tracing::warn!(worker = "embedding", error = chain(error), "failed, and will try again; words find memories");
    } else {
        tracing::debug!(worker = "embedding", error = chain(error), "still fails");
    }
    let doubled = REST_MIN.saturating_mul(1_u32.checked_shl(state.failures).unwrap_or(u32::MAX)).min(REST_MAX);
    state.failures = state.failures.saturating_add(1);
    match error {
        Undone::Embed(EmbedError::Unavailable { retry_after: Some(wanted), .. }) => doubled.max(*wanted),
        Undone::Embed(_) => doubled,
        Undone::Store(_) => REST_MIN,
    }
}

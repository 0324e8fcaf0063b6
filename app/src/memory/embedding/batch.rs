//! Some memories that wait: taken in hand, turned into vectors outside of any unit of work, and stored if their words are
//! still the same.

use super::Embedding;
use crate::refusal::{CallError, chain};
use chrono::TimeDelta;
use domain::ids::MemoryId;
use domain::memory::content::Content;
use domain::memory::realm::Realm;
use domain::memory::vector::VectorSpace;
use ports::embedder::EmbedError;
use ports::memory::vectors::{Embedded, Unembedded};
use ports::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How much longer than its requests may take a batch is held. What a server that died had in hand is free then.
const HELD_BEYOND: Duration = Duration::from_secs(30);

/// What is asked for to see whether the model answers at all.
const PROBE: &str = "pointsman";

/// Why a batch did not get done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undone {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Embed(#[from] EmbedError),
}

impl From<CallError> for Undone {
    fn from(error: CallError) -> Self {
        Self::Store(StoreError::Failed(Box::new(error)))
    }
}

impl Embedding {
    /// How long a batch may take: it is one request, tried again if it fails soon.
    fn patience(&self) -> Duration {
        self.request_timeout.saturating_mul(2)
    }

    /// The space of the model's vectors. It is asked for one, if that is how to know.
    pub(super) async fn space(&self) -> Result<VectorSpace, EmbedError> {
        let model = self.embedder.model();
        if let Some(dimension) = self.embedder.dimension() {
            return Ok(VectorSpace { model: model.clone(), dimension });
        }
        let probe = self.embedder.embed(&[PROBE.to_owned()], self.patience()).await?;
        let vector = probe.first().ok_or_else(|| EmbedError::Nonsense { detail: "no vector".to_owned() })?;
        Ok(VectorSpace::of(model, vector))
    }

    /// Sees to some that wait. Answers how many there were. What is under way when the server is to stop is given back.
    pub(super) async fn batch(
        &self,
        store: &dyn Store,
        space: &VectorSpace,
        stopping: &CancellationToken,
    ) -> Result<usize, Undone> {
        if store.begin_glance().await?.memory_vectors_waiting(space).await?.count == 0 {
            return Ok(0);
        }
        let claimed = self.claim(store, space).await?;
        let texts = texts(store, &claimed).await?;
        // Whoever has no words any more waits no more either.
        let (claimed, texts): (Vec<Unembedded>, Vec<String>) = claimed
            .into_iter()
            .filter_map(|it| Some((it.clone(), texts.get(&(it.realm.clone(), it.id))?.clone())))
            .unzip();
        if claimed.is_empty() {
            return Ok(0);
        }
        let Outcome { embedded, left, error } = tokio::select! {
            () = stopping.cancelled() => Outcome { left: claimed.clone(), ..Outcome::default() },
            outcome = self.turn(&claimed, &texts) => outcome,
        };
        if !embedded.is_empty() {
            let mut uow = store.begin().await?;
            uow.memory_vectors_save(space, &embedded).await?;
            uow.commit().await?;
        }
        if !left.is_empty() {
            // If this fails too, they are free again by themselves.
            if let Err(error) = release(store, &left).await {
                tracing::debug!(error = chain(&error), "memories that wait for vectors were not given back");
            }
        }
        error.map_or(Ok(claimed.len()), |error| Err(error.into()))
    }

    async fn claim(&self, store: &dyn Store, space: &VectorSpace) -> Result<Vec<Unembedded>, StoreError> {
        let held = TimeDelta::from_std(self.patience() + HELD_BEYOND).unwrap_or(TimeDelta::minutes(10));
        let mut uow = store.begin().await?;
        let now = uow.now().await?;
        let claimed = uow.memory_vectors_claim(space, now, now + held, self.batch_size).await?;
        uow.commit().await?;
        Ok(claimed)
    }

    async fn turn(&self, claimed: &[Unembedded], texts: &[String]) -> Outcome {
        let error = match self.embedder.embed(texts, self.patience()).await {
            Ok(vectors) => {
                let embedded = claimed.iter().zip(vectors);
                let embedded = embedded.map(|(of, vector)| Embedded { of: of.clone(), vector: Some(vector) });
                return Outcome { embedded: embedded.collect(), left: Vec::new(), error: None };
            }
            Err(error) => error,
        };
        match error {
            EmbedError::Refused { .. } => self.turn_each(claimed, texts, error).await,
            _ => Outcome { embedded: Vec::new(), left: claimed.to_vec(), error: Some(error) },
        }
    }

    /// One by one, to find the one that is not liked, if the model likes anything.
    async fn turn_each(&self, claimed: &[Unembedded], texts: &[String], refusal: EmbedError) -> Outcome {
        let mut outcome = Outcome::default();
        if let Err(error) = self.embedder.embed(&[PROBE.to_owned()], self.patience()).await {
            let error = if matches!(error, EmbedError::Refused { .. }) { refusal } else { error };
            return Outcome { left: claimed.to_vec(), error: Some(error), ..outcome };
        }
        for (of, text) in claimed.iter().zip(texts) {
            if outcome.error.is_some() {
                outcome.left.push(of.clone());
                continue;
            }
            match self.embedder.embed(std::slice::from_ref(text), self.patience()).await {
                Ok(mut vectors) => outcome.embedded.push(Embedded { of: of.clone(), vector: vectors.pop() }),
                Err(EmbedError::Refused { status }) => {
                    tracing::warn!(memory = %of.id, status, "the embedder does not take a memory; words find it still");
                    outcome.embedded.push(Embedded { of: of.clone(), vector: None });
                }
                Err(error) => {
                    outcome.left.push(of.clone());
                    outcome.error = Some(error);
                }
            }
        }
        outcome
    }
}

/// What became of a batch.
#[derive(Default)]
struct Outcome {
    embedded: Vec<Embedded>,
    left: Vec<Unembedded>,
    error: Option<EmbedError>,
}

async fn release(store: &dyn Store, left: &[Unembedded]) -> Result<(), StoreError> {
    let mut uow = store.begin().await?;
    let now = uow.now().await?;
    uow.memory_vectors_release(left, now).await?;
    uow.commit().await
}

/// What these memories say, of those that say anything.
async fn texts(store: &dyn Store, claimed: &[Unembedded]) -> Result<BTreeMap<(Realm, MemoryId), String>, StoreError> {
    let realms: BTreeSet<Realm> = claimed.iter().map(|it| it.realm.clone()).collect();
    let realms: Vec<Realm> = realms.into_iter().collect();
    let ids: Vec<MemoryId> = claimed.iter().map(|it| it.id).collect();
    let loaded = store.begin_glance().await?.memories_load(&realms, &ids).await?;
    let text = |content: &Content| content.texts().join("\n");
    Ok(loaded
        .into_iter()
        .filter_map(|memory| Some(((memory.realm(), memory.id), text(memory.content.as_ref()?))))
        .collect())
}

//! The loops of a pulse.

use super::{BEAT_GAP, LOOK_INTERVAL, Pulse, TELL_GAP};
use crate::refusal::chain;
use domain::ids::ProjectId;
use ports::bell::{Bell, Word};
use ports::store::{Store, StoreError};
use std::sync::PoisonError;
use tokio_util::sync::CancellationToken;

impl Pulse {
    /// Looks at the store as long as anybody listens. Ends when `stopping` is cancelled.
    pub async fn watch(&self, store: &dyn Store, stopping: &CancellationToken) {
        let mut failing = false;
        loop {
            let projects: Vec<ProjectId> = self.listened().keys().cloned().collect();
            if projects.is_empty() {
                tokio::select! {
                    () = stopping.cancelled() => return,
                    () = self.poked.notified() => continue,
                }
            }
            match self.look(store, &projects).await {
                Ok(()) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!("new facts are noticed again");
                    }
                }
                Err(error) => {
                    // Told once, not every round, while the database is away.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(error = chain(&error), "new facts of other servers cannot be noticed");
                    }
                }
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
        }
    }

    async fn look(&self, store: &dyn Store, projects: &[ProjectId]) -> Result<(), StoreError> {
        let newest = store.begin_read().await?.facts_newest(projects).await?;
        let mut listened = self.listened();
        for (project, newest) in newest {
            let Some(here) = listened.get_mut(&project) else { continue };
            // At the first look nobody knows what whoever listens has seen.
            if here.newest.is_none_or(|before| newest > before) {
                here.newest = Some(newest);
                here.beat();
            }
        }
        Ok(())
    }

    /// Beats where a beat came too early. Ends when `stopping` is cancelled.
    pub async fn catch_up(&self, stopping: &CancellationToken) {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = self.has_late.notified() => {}
            }
            tokio::time::sleep(BEAT_GAP).await;
            for here in self.listened().values_mut().filter(|here| here.is_late) {
                here.beat();
            }
        }
    }

    /// Tells the other servers what was committed here, as long as there is something. Ends when `stopping` is cancelled.
    /// Where they cannot be told, they find it by looking.
    pub async fn tell(&self, bell: &dyn Bell, stopping: &CancellationToken) {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = self.has_untold.notified() => {}
            }
            let untold = std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner));
            if untold.is_empty() {
                continue;
            }
            if let Err(error) = bell.tell(&Word::Facts(untold)).await {
                // The watcher, which tells of news in the same way, says it louder.
                tracing::debug!(error = chain(&error), "other servers cannot be told of facts");
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(TELL_GAP) => {}
            }
        }
    }

    /// Passes on what another server told.
    pub fn heard(&self, word: &Word) {
        match word {
            // Whatever is news for those who wait was committed with facts.
            Word::Facts(projects) | Word::Projects(projects) => {
                for project in projects {
                    self.beat(project);
                }
            }
            Word::Anywhere => self.beat_everywhere(),
        }
    }
}

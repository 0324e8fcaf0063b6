//! The loops of a watcher.

use super::{LOOK_INTERVAL, Watcher};
use crate::events::pulse::Pulse;
use crate::refusal::chain;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::ProjectId;
use ports::bell::{Bell, Word};
use ports::store::{Store, StoreError};
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The shortest time between two looks, however much word comes in.
const LOOK_GAP: Duration = Duration::from_millis(50);

/// The shortest time between two words to the other servers, in which what is committed is gathered.
const TELL_GAP: Duration = Duration::from_millis(20);

/// After how long it is tried again to hear the other servers; doubled each time, up to [`HEAR_PAUSE_MAX`].
const HEAR_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause before it is tried again to hear the other servers.
const HEAR_PAUSE_MAX: Duration = Duration::from_secs(10);

impl Watcher {
    /// Looks at the store as long as anybody waits, and rings. Ends when `stopping` is cancelled.
    pub async fn watch(&self, store: &dyn Store, stopping: &CancellationToken) {
        let (mut since, mut failing) = (None, false);
        loop {
            let projects: Vec<ProjectId> = self.watched().keys().cloned().collect();
            let looked = Instant::now();
            let rest = if projects.is_empty() {
                since = None;
                None
            } else {
                match self.look(store, &projects, &mut since).await {
                    Ok(rest) => {
                        if std::mem::take(&mut failing) {
                            tracing::info!("those who wait are told of news again");
                        }
                        Some(rest)
                    }
                    Err(error) => {
                        // Told once, not every round, while the database is away.
                        if !std::mem::replace(&mut failing, true) {
                            tracing::warn!(error = chain(&error), "those who wait cannot be told of news");
                        }
                        Some(LOOK_INTERVAL)
                    }
                }
            };
            let rested = async {
                match rest {
                    Some(rest) => tokio::time::sleep(rest).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stopping.cancelled() => return,
                () = rested => {}
                () = self.poked.notified() => {}
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep_until(looked + LOOK_GAP) => {}
            }
        }
    }

    /// Looks once and rings where something changed; answers how long to rest.
    async fn look(
        &self,
        store: &dyn Store,
        projects: &[ProjectId],
        since: &mut Option<DateTime<Utc>>,
    ) -> Result<Duration, StoreError> {
        let mut uow = store.begin_read().await?;
        let now = uow.now().await?;
        let looks = uow.lock_tables_look(projects, since.unwrap_or(now)).await?;
        let mut dues = Vec::with_capacity(looks.len());
        for look in &looks {
            dues.push(uow.tasks_next_due(&look.project).await?);
        }
        drop(uow);
        *since = Some(now);
        let mut rest = LOOK_INTERVAL;
        for (look, due) in looks.into_iter().zip(dues) {
            let is_over = |at: &DateTime<Utc>| *at <= now;
            let has_ended = look.next_end.as_ref().is_some_and(is_over);
            let has_come_due = due.as_ref().is_some_and(is_over);
            let mut watched = self.watched();
            let Some(watched) = watched.get_mut(&look.project) else { continue };
            let is_newer = watched.version.is_some_and(|told| look.version > told);
            watched.version = watched.version.max(Some(look.version));
            // What was told to be due may stay so for a while, until somebody has seen to it.
            let is_newly_due = has_come_due && watched.told_due.is_none_or(|told| Some(told) != due);
            watched.told_due = due.filter(is_over);
            if is_newer || has_ended || is_newly_due {
                self.ring(&look.project);
            }
            if has_ended || is_newly_due {
                // What comes after it was not asked for.
                rest = Duration::ZERO;
            }
            for at in [look.next_end, due].into_iter().flatten().filter(|at| *at > now) {
                rest = rest.min(until(at, now));
            }
        }
        Ok(rest)
    }

    /// Tells the other servers what was committed here, as long as there is something. Ends when `stopping` is cancelled.
    pub async fn tell(&self, bell: &dyn Bell, stopping: &CancellationToken) {
        let mut failing = false;
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = self.has_untold.notified() => {}
            }
            let untold = std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner));
            if untold.is_empty() {
                continue;
            }
            match bell.tell(&Word::Projects(untold)).await {
                Ok(()) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!("other servers are told of news again");
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(
                            error = chain(&error),
                            "other servers cannot be told of news; they see it when they look"
                        );
                    }
                }
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(TELL_GAP) => {}
            }
        }
    }

    /// Listens to the other servers. Ends when `stopping` is cancelled.
    pub async fn hear(&self, bell: &dyn Bell, pulse: &Pulse, stopping: &CancellationToken) {
        let (mut pause, mut failing, mut failed_at) = (HEAR_PAUSE, false, None);
        loop {
            let heard = tokio::select! {
                () = stopping.cancelled() => return,
                heard = bell.hear() => heard,
            };
            match heard {
                Ok(word) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!("other servers are heard again");
                    }
                    self.heard(&word);
                    pulse.heard(&word);
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(
                            error = chain(&error),
                            "other servers are not heard; their news is seen by looking for it"
                        );
                    }
                    // A line that stood for a while was a good one, and is tried again soon.
                    if failed_at.replace(Instant::now()).is_none_or(|at: Instant| at.elapsed() > 2 * HEAR_PAUSE_MAX) {
                        pause = HEAR_PAUSE;
                    }
                    tokio::select! {
                        () = stopping.cancelled() => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (2 * pause).min(HEAR_PAUSE_MAX);
                }
            }
        }
    }

    fn heard(&self, word: &Word) {
        let concerns_us = match word {
            Word::Projects(projects) => {
                let watched = self.watched();
                projects.iter().any(|project| watched.contains_key(project))
            }
            Word::Facts(_) => false,
            Word::Anywhere => true,
        };
        if concerns_us {
            self.poked.notify_one();
        }
    }
}

/// A millisecond on top, so that nothing is looked at just before it happens.
fn until(at: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (at - now + TimeDelta::milliseconds(1)).to_std().unwrap_or_default()
}

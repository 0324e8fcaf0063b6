//! The one who reads for all followers of a project.

use super::{Core, LINGER, PAGE_FACTS_MAX, Page, READ_GAP};
use crate::events::pulse::{LOOK_INTERVAL, Listener};
use crate::refusal::chain;
use domain::events::Position;
use domain::ids::ProjectId;
use ports::store::StoreError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::Instant;

/// How soon it is looked again for facts that are committed but held back; doubled each time, up to [`LOOK_INTERVAL`].
const UNSETTLED_PAUSE: Duration = Duration::from_millis(15);

/// Reads a project's facts and hands them out.
pub(super) struct Reader {
    core: Arc<Core>,
    project: ProjectId,
    pages: broadcast::Sender<Arc<Page>>,
    tail: Arc<Mutex<Position>>,
    position: Position,
    listener: Listener,
    /// Since when nobody has followed.
    alone_since: Option<Instant>,
}

/// What a read came to.
enum Read {
    /// There may be more.
    Full,
    /// There is more, which is held back.
    Unsettled,
    /// That was all.
    All,
}

impl Reader {
    /// One that begins after a position, up to which `tail` stands.
    pub(super) fn new(
        core: Arc<Core>,
        project: ProjectId,
        pages: broadcast::Sender<Arc<Page>>,
        tail: Arc<Mutex<Position>>,
        position: Position,
    ) -> Self {
        let listener = core.executor.pulse().listen(&project);
        Self { core, project, pages, tail, position, listener, alone_since: None }
    }

    /// Reads until nobody has followed for a while, or the server stops.
    pub(super) async fn run(mut self) {
        let stopping = self.core.stopping.clone();
        tokio::select! {
            () = stopping.cancelled() => {}
            () = self.read_on() => {}
        }
    }

    async fn read_on(&mut self) {
        let (mut failing, mut pause) = (false, UNSETTLED_PAUSE);
        loop {
            match self.read().await {
                Ok(read) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!(project = self.project.as_str(), "followers are told of new facts again");
                    }
                    match read {
                        Read::Full => continue,
                        Read::Unsettled => {
                            tokio::time::sleep(pause).await;
                            pause = (2 * pause).min(LOOK_INTERVAL);
                        }
                        Read::All => {
                            pause = UNSETTLED_PAUSE;
                            tokio::time::sleep(READ_GAP).await;
                            // Whoever goes away is noticed without a beat as well.
                            let _ = tokio::time::timeout(LINGER, self.listener.beat()).await;
                        }
                    }
                }
                Err(error) => {
                    // Told once, not every time, while the database is away.
                    if !std::mem::replace(&mut failing, true) {
                        let project = self.project.as_str();
                        tracing::warn!(project, error = chain(&error), "followers cannot be told of new facts");
                    }
                    tokio::time::sleep(LOOK_INTERVAL).await;
                }
            }
            if self.is_over() {
                return;
            }
        }
    }

    async fn read(&mut self) -> Result<Read, StoreError> {
        let mut uow = self.core.store().begin_read().await?;
        let facts = uow.facts_after(&self.project, Some(self.position), PAGE_FACTS_MAX).await?;
        let is_full = facts.len() >= PAGE_FACTS_MAX as usize;
        let is_unsettled = !is_full && uow.facts_unsettled(&self.project).await?;
        drop(uow);
        for page in Page::write(facts, self.core.write) {
            let Some(last) = page.last() else { continue };
            let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
            // An error means that nobody follows at this moment.
            let _ = self.pages.send(Arc::new(page));
            *tail = last;
            self.position = last;
        }
        Ok(match (is_full, is_unsettled) {
            (true, _) => Read::Full,
            (_, true) => Read::Unsettled,
            _ => Read::All,
        })
    }

    /// Whether nobody has followed for a while; then nobody can join any more.
    fn is_over(&mut self) -> bool {
        let mut feeds = self.core.feeds();
        if self.pages.receiver_count() > 0 {
            self.alone_since = None;
            return false;
        }
        let is_over = self.alone_since.get_or_insert_with(Instant::now).elapsed() >= LINGER;
        if is_over {
            feeds.remove(&self.project);
        }
        is_over
    }
}

//! The facts of a project as they are committed, for any number of followers.
//!
//! One reader per project reads new facts from the store, as long as anybody follows, and hands each page of them to all
//! followers of this server. Whoever comes from further back, or cannot keep up, reads from the store by itself until it
//! has caught up with the reader: nothing is kept for it, and nothing is skipped.

mod follower;
mod limits;
mod page;
mod reader;

pub use follower::{Facts, Follower, Gap, GapCause, News};
pub use limits::{Crowded, FOLLOWERS_MAX, FOLLOWERS_PER_AGENT_MAX};
pub use page::{PAGE_BYTES_MAX, Page, Told, Write};

use crate::call::Call;
use crate::executor::Executor;
use crate::refusal::{CallError, Refusal};
use domain::events::{FactFilter, Position};
use domain::identity::principal::{Action, authorize};
use domain::identity::project::ProjectRefusal;
use domain::ids::ProjectId;
use limits::Places;
use ports::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many facts are read at once.
pub const PAGE_FACTS_MAX: u32 = 200;

/// How many pages a follower may be behind before it has to read by itself.
pub const PAGES_MAX: usize = 64;

/// How many followers may read by themselves at the same moment, so that a crowd that comes back does not take all
/// connections to the database.
pub const CATCH_UPS_MAX: usize = 4;

/// The shortest time between two reads for a project that did not fill a page.
const READ_GAP: Duration = Duration::from_millis(50);

/// How long it is read on for a project after its last follower went away.
const LINGER: Duration = Duration::from_secs(5);

/// Where a follower begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// With what is committed from now on.
    Now,
    /// With the oldest fact that is kept.
    Start,
    /// After a position that was given out before.
    After(Position),
}

/// The feeds of this server.
#[derive(Clone)]
pub struct Feeds {
    core: Arc<Core>,
}

struct Core {
    executor: Executor,
    /// How a fact is written for followers: each once, whatever their number.
    write: Write,
    stopping: CancellationToken,
    readers: TaskTracker,
    feeds: Mutex<BTreeMap<ProjectId, Feed>>,
    catch_ups: Semaphore,
    places: Arc<Places>,
}

/// The feed of a project. It ends with its reader, who has the only strong end of it.
struct Feed {
    pages: broadcast::WeakSender<Arc<Page>>,
    /// Up to where pages were handed out. Locked while one is.
    tail: Arc<Mutex<Position>>,
}

impl Feed {
    /// All pages from here on, and where here is; `None` if nobody reads any more.
    fn join(&self) -> Option<(broadcast::Receiver<Arc<Page>>, Position)> {
        let pages = self.pages.upgrade()?;
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        Some((pages.subscribe(), *tail))
    }
}

impl Feeds {
    /// No feeds yet. `write` is how a fact is written for followers; readers end when `stopping` is cancelled.
    pub fn new(executor: Executor, write: Write, stopping: CancellationToken) -> Self {
        let (readers, feeds, catch_ups) = (TaskTracker::new(), Mutex::default(), Semaphore::new(CATCH_UPS_MAX));
        Self { core: Arc::new(Core { executor, write, stopping, readers, feeds, catch_ups, places: Arc::default() }) }
    }

    /// Follows the caller's project, be it archived or not. Any role may.
    pub async fn follow(&self, call: &Call, from: Beginning, filter: FactFilter) -> Result<Follower, FollowError> {
        authorize(&call.principal, Action::UseLocks).map_err(Refusal::Denied).map_err(CallError::from)?;
        let place = self.core.places.take(&call.project, &call.principal.agent)?;
        let mut uow = self.core.store().begin_read().await.map_err(CallError::from)?;
        if uow.project_find(&call.project).await.map_err(CallError::from)?.is_none() {
            let unknown = ProjectRefusal::Unknown { id: call.project.clone() };
            return Err(CallError::from(Refusal::Project(unknown)).into());
        }
        let horizon = uow.facts_horizon().await.map_err(CallError::from)?;
        drop(uow);
        Ok(Follower::new(Arc::clone(&self.core), call.project.clone(), (from, horizon), filter, place))
    }
}

impl Core {
    fn store(&self) -> &dyn Store {
        self.executor.store()
    }

    fn feeds(&self) -> MutexGuard<'_, BTreeMap<ProjectId, Feed>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the feed of a project, or begins it.
    async fn join(
        self: &Arc<Self>,
        project: &ProjectId,
    ) -> Result<(broadcast::Receiver<Arc<Page>>, Position), StoreError> {
        if let Some(joined) = self.feeds().get(project).and_then(Feed::join) {
            return Ok(joined);
        }
        let horizon = self.store().begin_read().await?.facts_horizon().await?;
        let mut feeds = self.feeds();
        if let Some(joined) = feeds.get(project).and_then(Feed::join) {
            return Ok(joined);
        }
        let (pages, receiver) = broadcast::channel(PAGES_MAX);
        let tail = Arc::new(Mutex::new(horizon));
        feeds.insert(project.clone(), Feed { pages: pages.downgrade(), tail: Arc::clone(&tail) });
        let reader = reader::Reader::new(Arc::clone(self), project.clone(), pages, tail, horizon);
        self.readers.spawn(reader.run());
        Ok((receiver, horizon))
    }
}

/// Why nobody follows.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// There are too many already.
    #[error(transparent)]
    Crowded(#[from] Crowded),
    /// As any call.
    #[error(transparent)]
    Call(#[from] CallError),
}

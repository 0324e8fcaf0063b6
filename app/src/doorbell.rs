//! Wakes those who wait in this process as soon as something they wait for may be had.
//!
//! It is only a hint: whoever waits looks again by itself every now and then, because things also change on other
//! servers and by the passing of time.

use domain::ids::ProjectId;
use domain::locks::changes::Changes as LockChanges;
use domain::locks::key::LockKey;
use domain::locks::wants::Wants;
use domain::work::changes::Changes as WorkChanges;
use domain::work::claim::ClaimFilter;
use domain::work::name::TaskType;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::broadcast;

/// How many rings a slow listener may miss before it is told that it missed some.
const RINGS_MAX: usize = 1_024;

#[derive(Debug)]
struct Ring {
    project: ProjectId,
    news: News,
}

/// What others may have been waiting for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// These changed.
    Some {
        /// Keys that became freer.
        freed: Vec<LockKey>,
        /// Kinds of tasks that can be claimed now.
        readied: BTreeSet<TaskType>,
        /// Whether fewer tasks of a concurrency key run than before.
        is_less_running: bool,
    },
    /// Nobody knows what changed.
    Anything,
}

impl News {
    /// What the changes of a batch mean for others.
    pub fn of(locks: &LockChanges, work: &WorkChanges) -> Self {
        Self::Some { freed: locks.freed(), readied: work.readied(), is_less_running: !work.freed_keys().is_empty() }
    }

    /// Whether nobody can have waited for this.
    pub fn is_none(&self) -> bool {
        match self {
            Self::Some { freed, readied, is_less_running } => {
                freed.is_empty() && readied.is_empty() && !is_less_running
            }
            Self::Anything => false,
        }
    }

    fn helps_lock(&self, wants: &Wants) -> bool {
        match self {
            Self::Some { freed, .. } => freed.iter().any(|key| wants.keys().any(|wanted| wanted.overlaps(key))),
            Self::Anything => true,
        }
    }

    fn helps_claim(&self, filter: &ClaimFilter, was_passed_over: bool) -> bool {
        match self {
            Self::Some { freed, readied, is_less_running } => {
                let types = filter.types();
                let is_wanted = |readied: &TaskType| types.is_empty() || types.contains(readied);
                // A task whose key is full is no candidate, so that nobody knows of having been passed over.
                *is_less_running || readied.iter().any(is_wanted) || (was_passed_over && !freed.is_empty())
            }
            Self::Anything => true,
        }
    }
}

/// The bell of this process.
#[derive(Debug, Clone)]
pub struct Doorbell {
    rings: broadcast::Sender<Arc<Ring>>,
}

impl Default for Doorbell {
    fn default() -> Self {
        Self { rings: broadcast::Sender::new(RINGS_MAX) }
    }
}

impl Doorbell {
    /// Tells everyone here. To be called after the commit.
    pub fn ring(&self, project: &ProjectId, news: News) {
        if !news.is_none() {
            // An error means that nobody listens.
            let _ = self.rings.send(Arc::new(Ring { project: project.clone(), news }));
        }
    }

    /// Listens from now on. To be called before looking, so that no ring is missed.
    pub fn listen(&self) -> Listener {
        Listener { rings: self.rings.subscribe() }
    }
}

/// Somebody who waits.
#[derive(Debug)]
pub struct Listener {
    rings: broadcast::Receiver<Arc<Ring>>,
}

impl Listener {
    /// Waits until something that overlaps the wanted keys became freer, or rings were missed.
    pub async fn heard_of_locks(&mut self, project: &ProjectId, wants: &Wants) {
        self.heard(project, |news| news.helps_lock(wants)).await;
    }

    /// Waits until there may be something to claim, or rings were missed. Whoever was passed over at the last look also
    /// hears of locks that became free.
    pub async fn heard_of_work(&mut self, project: &ProjectId, filter: &ClaimFilter, was_passed_over: bool) {
        self.heard(project, |news| news.helps_claim(filter, was_passed_over)).await;
    }

    async fn heard(&mut self, project: &ProjectId, helps: impl Fn(&News) -> bool) {
        loop {
            match self.rings.recv().await {
                Ok(ring) if ring.project == *project && helps(&ring.news) => return,
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

//! Wakes those who wait here for what happens on other servers and by the passing of time.
//!
//! What is committed here rings the [`Doorbell`] at once. For the rest, one look at the store serves all who wait,
//! whatever they wait for: every [`LOOK_INTERVAL`], at the instant something is due, and as soon as another server sends
//! word. While nobody waits there is none. So waiting costs next to nothing, and nothing depends on word arriving.

mod rounds;

use crate::doorbell::{Doorbell, News};
use chrono::{DateTime, Utc};
use domain::ids::ProjectId;
use domain::locks::lease::Waiter;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How often the store is looked at as long as anybody waits. News from other servers must not take longer than a second.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// How often whoever waits tries again without being woken. All do so at the same moment, so that one unit of work serves
/// them. It keeps places in line and sessions, and mends what might have been missed.
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(5);

const _: () = assert!(2 * REFRESH_INTERVAL.as_secs() < Waiter::KEPT_SECONDS.unsigned_abs(), "places would be lost");

/// Knows who waits where, and what they have been told.
#[derive(Debug)]
pub struct Watcher {
    doorbell: Doorbell,
    watched: Mutex<BTreeMap<ProjectId, Watched>>,
    /// There is a reason to look now.
    poked: Notify,
    /// The projects with news that the other servers have not been told of.
    untold: Mutex<BTreeSet<ProjectId>>,
    has_untold: Notify,
    began: Instant,
}

/// A project that somebody waits in.
#[derive(Debug, Default)]
struct Watched {
    waiting: usize,
    /// The news those who wait here have been told of.
    version: Option<i64>,
    /// The due tasks they have been told of.
    told_due: Option<DateTime<Utc>>,
}

/// What a batch did, as far as it concerns those who wait.
#[derive(Debug, Clone, Copy)]
pub struct Committed {
    /// The project's version before.
    pub version: i64,
    /// Whether it raised the version.
    pub is_news: bool,
    /// Whether a task of it will be due before the next look.
    pub is_due_soon: bool,
}

impl Watcher {
    /// A watcher that rings this bell.
    pub fn new(doorbell: Doorbell) -> Self {
        Self {
            doorbell,
            watched: Mutex::default(),
            poked: Notify::new(),
            untold: Mutex::default(),
            has_untold: Notify::new(),
            began: Instant::now(),
        }
    }

    /// Watches a project for somebody, until the answer is dropped. To be called before looking, so that nothing is
    /// missed.
    pub fn wait_in(self: &Arc<Self>, project: &ProjectId) -> Waiting {
        let mut watched = self.watched();
        let is_new = !watched.contains_key(project);
        watched.entry(project.clone()).or_default().waiting += 1;
        if is_new {
            self.poked.notify_one();
        }
        Waiting { watcher: Arc::clone(self), project: project.clone() }
    }

    /// Notes a commit of this server. What it has for those who wait here, they are told by whoever calls this; what
    /// others have committed in between, by the watcher.
    pub fn committed(&self, project: &ProjectId, committed: Committed) {
        let Committed { version: before, is_news, is_due_soon } = committed;
        if is_news {
            self.untold.lock().unwrap_or_else(PoisonError::into_inner).insert(project.clone());
            self.has_untold.notify_one();
        }
        let after = before + i64::from(is_news);
        let mut watched = self.watched();
        let Some(watched) = watched.get_mut(project) else { return };
        let told = watched.version.unwrap_or(before);
        watched.version = Some(told.max(after));
        // Others were first, or came right after and a look found it before this was noted: whoever was looking with
        // this very batch has not seen that.
        if before > told || told > after {
            self.ring(project);
        }
        if is_due_soon {
            self.poked.notify_one();
        }
    }

    fn ring(&self, project: &ProjectId) {
        self.doorbell.ring(project, News::Anything);
    }

    fn watched(&self) -> MutexGuard<'_, BTreeMap<ProjectId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits in a project.
#[derive(Debug)]
pub struct Waiting {
    watcher: Arc<Watcher>,
    project: ProjectId,
}

impl Waiting {
    /// Until when to try again without being woken.
    pub fn until_refresh(&self) -> Duration {
        let interval = REFRESH_INTERVAL.as_secs();
        let running = self.watcher.began.elapsed();
        Duration::from_secs(interval) - Duration::new(running.as_secs() % interval, running.subsec_nanos())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut watched = self.watcher.watched();
        if let Some(here) = watched.get_mut(&self.project) {
            here.waiting -= 1;
            if here.waiting == 0 {
                watched.remove(&self.project);
            }
        }
    }
}

#[cfg(test)]
#[path = "watcher_tests.rs"]
mod tests;

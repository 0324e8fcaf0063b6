//! Tells whoever listens in a project that something was committed there.
//!
//! Of what is committed here it tells at once, and the other servers soon after, each gathering what comes in quick
//! succession. For the rest, one look at the store serves all who listen, every [`LOOK_INTERVAL`]; while nobody listens
//! there is none. So listening costs next to nothing, and nothing depends on word arriving.

mod rounds;

use domain::events::Position;
use domain::ids::ProjectId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// How often the store is looked at as long as anybody listens.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// The shortest time between two beats of a project here. What comes too early beats when it is over.
pub const BEAT_GAP: Duration = Duration::from_millis(20);

/// The shortest time between two words to the other servers, in which what is committed is gathered.
pub const TELL_GAP: Duration = Duration::from_millis(50);

/// Knows who listens where.
#[derive(Debug, Default)]
pub struct Pulse {
    listened: Mutex<BTreeMap<ProjectId, Listened>>,
    /// Somebody listens, after nobody did.
    poked: Notify,
    /// There is a beat that had to wait.
    has_late: Notify,
    /// The projects with facts that the other servers have not been told of.
    untold: Mutex<BTreeSet<ProjectId>>,
    has_untold: Notify,
}

/// A project that somebody listens in.
#[derive(Debug)]
struct Listened {
    listeners: usize,
    beats: watch::Sender<()>,
    beaten_at: Option<Instant>,
    is_late: bool,
    /// The newest fact at the last look.
    newest: Option<Position>,
}

impl Listened {
    fn beat(&mut self) {
        self.is_late = false;
        self.beaten_at = Some(Instant::now());
        self.beats.send_replace(());
    }

    /// Beats now or when the gap is over; whether it is to be seen to later.
    fn beat_soon(&mut self) -> bool {
        if self.beaten_at.is_none_or(|at| at.elapsed() >= BEAT_GAP) {
            self.beat();
            return false;
        }
        self.is_late = true;
        true
    }
}

impl Pulse {
    /// Notes facts that were committed here in a project. `is_told` says that the other servers hear of it anyway.
    pub fn committed(&self, project: &ProjectId, is_told: bool) {
        if !is_told {
            let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
            if !untold.contains(project) {
                untold.insert(project.clone());
                self.has_untold.notify_one();
            }
        }
        self.beat(project);
    }

    /// Listens in a project from now on. To be called before looking, so that nothing is missed.
    pub fn listen(self: &Arc<Self>, project: &ProjectId) -> Listener {
        let mut listened = self.listened();
        if listened.is_empty() {
            self.poked.notify_one();
        }
        let here = listened.entry(project.clone()).or_insert_with(|| Listened {
            listeners: 0,
            beats: watch::Sender::new(()),
            beaten_at: None,
            is_late: false,
            newest: None,
        });
        here.listeners += 1;
        Listener { pulse: Arc::clone(self), project: project.clone(), beats: here.beats.subscribe() }
    }

    fn beat(&self, project: &ProjectId) {
        if self.listened().get_mut(project).is_some_and(Listened::beat_soon) {
            self.has_late.notify_one();
        }
    }

    fn beat_everywhere(&self) {
        self.listened().values_mut().for_each(Listened::beat);
    }

    fn listened(&self) -> MutexGuard<'_, BTreeMap<ProjectId, Listened>> {
        self.listened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who listens in a project.
#[derive(Debug)]
pub struct Listener {
    pulse: Arc<Pulse>,
    project: ProjectId,
    beats: watch::Receiver<()>,
}

impl Listener {
    /// Waits until something may have been committed in the project since it was last waited for, or since listening
    /// began. It may also be nothing, or of no concern: it is only a hint to look. What others committed it tells within
    /// [`LOOK_INTERVAL`] and a little, also without a word from them. May be given up and called again at any time.
    pub async fn beat(&mut self) {
        if self.beats.changed().await.is_err() {
            // The other end is kept for as long as this one is.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listened = self.pulse.listened();
        if let Some(here) = listened.get_mut(&self.project) {
            here.listeners -= 1;
            if here.listeners == 0 {
                listened.remove(&self.project);
            }
        }
    }
}

#[cfg(test)]
#[path = "pulse_tests.rs"]
mod tests;

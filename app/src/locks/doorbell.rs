//! Wakes those who wait in this process as soon as something they wait for may be free.
//!
//! It is only a hint: whoever waits looks again by itself every now and then, because locks also become free on other
//! servers and by the passing of time.

use domain::ids::ProjectId;
use domain::locks::key::LockKey;
use domain::locks::wants::Wants;
use std::sync::Arc;
use tokio::sync::broadcast;

/// How many rings a slow listener may miss before it is told that it missed some.
const RINGS_MAX: usize = 1_024;

#[derive(Debug)]
struct Ring {
    project: ProjectId,
    freed: Vec<LockKey>,
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
    /// Tells everyone here that keys became freer. To be called after the commit.
    pub fn ring(&self, project: &ProjectId, freed: &[LockKey]) {
        if !freed.is_empty() {
            // An error means that nobody listens.
            let _ = self.rings.send(Arc::new(Ring { project: project.clone(), freed: freed.to_vec() }));
        }
    }

    /// Listens from now on. To be called before looking at the locks, so that no ring is missed.
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
    pub async fn heard(&mut self, project: &ProjectId, wants: &Wants) {
        loop {
            match self.rings.recv().await {
                Ok(ring) => {
                    let overlaps = |key: &LockKey| wants.keys().any(|wanted| wanted.overlaps(key));
                    if ring.project == *project && ring.freed.iter().any(overlaps) {
                        return;
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

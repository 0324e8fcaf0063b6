//! How much there is to read for the agents that call, kept at hand: no call waits for it.
//!
//! Whoever called lately is looked up once a second, all agents of a project in one question. So what is told is up to a
//! second old, and nothing is told to an agent before it was looked up for the first time.

use crate::messages::recipients;
use domain::ids::{AgentId, ProjectId};
use domain::messages::listing::Unread;
use ports::store::{Store, StoreError};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How long an agent is looked up after its last call.
const ASKED_FOR: Duration = Duration::from_secs(10);

/// How long a count is told without having been looked up again. Then it is better to say nothing.
const TOLD_FOR: Duration = Duration::from_secs(5);

/// The most agents that are looked up.
pub const AGENTS_MAX: usize = 10_000;

/// The most agents in one question.
const ROWS_MAX: usize = 500;

/// What is known of an agent.
#[derive(Debug)]
struct Known {
    /// When it last called, in milliseconds since the board began.
    asked_at_ms: AtomicU64,
    unread: Option<(Unread, Instant)>,
}

/// The counts that are known.
#[derive(Debug)]
pub struct UnreadBoard {
    began: Instant,
    known: RwLock<HashMap<ProjectId, HashMap<AgentId, Known>>>,
}

impl Default for UnreadBoard {
    fn default() -> Self {
        Self { began: Instant::now(), known: RwLock::default() }
    }
}

impl UnreadBoard {
    /// What to tell an agent that calls; `None` as long as it is not known.
    pub fn told(&self, project: &ProjectId, agent: &AgentId) -> Option<String> {
        {
            let all = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = all.get(project).and_then(|agents| agents.get(agent)) {
                known.asked_at_ms.store(self.now_ms(), Ordering::Relaxed);
                let fresh = known.unread.filter(|(_, at)| at.elapsed() < TOLD_FOR);
                return fresh.map(|(Unread { unread, urgent }, _)| format!("{unread}; urgent={urgent}"));
            }
        }
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if all.values().map(HashMap::len).sum::<usize>() < AGENTS_MAX {
            let known = Known { asked_at_ms: AtomicU64::new(self.now_ms()), unread: None };
            all.entry(project.clone()).or_default().insert(agent.clone(), known);
        }
        None
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Looks up whoever called lately.
    pub async fn refresh(&self, store: &dyn Store) -> Result<(), StoreError> {
        for (project, agents) in self.asked() {
            for slice in agents.chunks(ROWS_MAX) {
                let mut uow = store.begin_read().await?;
                let now = uow.now().await?;
                let asks = recipients::asks(uow.as_mut(), &project, slice).await?;
                let counts = uow.unread_counts(&project, &asks, now).await?;
                self.note(&project, slice, &counts);
            }
        }
        Ok(())
    }

    fn asked(&self) -> BTreeMap<ProjectId, Vec<AgentId>> {
        let asked_for = u64::try_from(ASKED_FOR.as_millis()).unwrap_or(u64::MAX);
        let since = self.now_ms().saturating_sub(asked_for);
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, agents| {
            agents.retain(|_, known| known.asked_at_ms.load(Ordering::Relaxed) >= since);
            !agents.is_empty()
        });
        all.iter().map(|(project, agents)| (project.clone(), agents.keys().cloned().collect())).collect()
    }

    fn note(&self, project: &ProjectId, agents: &[AgentId], counts: &BTreeMap<AgentId, Unread>) {
        let now = Instant::now();
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = all.get_mut(project) else { return };
        for agent in agents {
            if let Some(known) = known.get_mut(agent) {
                known.unread = Some((counts.get(agent).copied().unwrap_or_default(), now));
            }
        }
    }
}

//! How many may follow.

use domain::ids::{AgentId, ProjectId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many may follow on one server at the same time, streams and waiting requests together.
pub const FOLLOWERS_MAX: usize = 5_000;

/// How many of them may be of one agent.
pub const FOLLOWERS_PER_AGENT_MAX: usize = 100;

/// Too many follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Crowded {
    /// On this server.
    #[error("{FOLLOWERS_MAX} follow events on this server already")]
    Server,
    /// Of this agent.
    #[error("this agent follows events {FOLLOWERS_PER_AGENT_MAX} times on this server already")]
    Agent,
}

/// Who follows.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: Mutex<BTreeMap<(ProjectId, AgentId), usize>>,
}

impl Places {
    /// Takes a place, until the answer is dropped.
    pub(super) fn take(self: &Arc<Self>, project: &ProjectId, agent: &AgentId) -> Result<Place, Crowded> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of = (project.clone(), agent.clone());
        if taken.get(&of).is_some_and(|own| *own >= FOLLOWERS_PER_AGENT_MAX) {
            return Err(Crowded::Agent);
        }
        if taken.values().sum::<usize>() >= FOLLOWERS_MAX {
            return Err(Crowded::Server);
        }
        *taken.entry(of.clone()).or_default() += 1;
        Ok(Place { places: Arc::clone(self), of })
    }
}

/// The place of a follower.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    of: (ProjectId, AgentId),
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.of) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_takes_no_more_than_its_share_and_all_no_more_than_there_is() {
        let (places, project) = (Arc::new(Places::default()), ProjectId::parse("p").unwrap());
        let agent = |number: usize| AgentId::parse(&format!("agent-{number}")).unwrap();
        let mut held = Vec::new();
        for number in 0..FOLLOWERS_MAX / FOLLOWERS_PER_AGENT_MAX {
            for _ in 0..FOLLOWERS_PER_AGENT_MAX {
                held.push(places.take(&project, &agent(number)).unwrap());
            }
            assert_eq!(places.take(&project, &agent(number)).unwrap_err(), Crowded::Agent);
        }
        assert_eq!(places.take(&project, &agent(FOLLOWERS_MAX)).unwrap_err(), Crowded::Server);
        held.pop();
        held.push(places.take(&project, &agent(FOLLOWERS_MAX)).unwrap());
        drop(held);
        assert!(places.taken.lock().unwrap().is_empty(), "who is gone is not kept");
    }
}

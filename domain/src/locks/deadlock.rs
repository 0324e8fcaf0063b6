//! Circles of waiting, found before they close.

use crate::ids::SessionId;
use crate::locks::conflict::{Conflict, conflicts};
use crate::locks::lease::{Holder, Lease, Waiter};
use crate::locks::refusal::CycleStep;
use std::collections::BTreeSet;

/// The circle that would close if `holder`, whom `obstacles` stand in the way, began to wait.
///
/// Depth-first search over the wait-for graph: a session waits for every session that stands in its way. Each session
/// is looked at once, so the cost is bounded by the length of the line.
pub fn cycle(leases: &[Lease], waiters: &[Waiter], holder: &Holder, obstacles: &[Conflict]) -> Option<Vec<CycleStep>> {
    let mut path = Vec::new();
    let mut seen = BTreeSet::new();
    follow(leases, waiters, holder, holder, obstacles, &mut seen, &mut path).then_some(path)
}

fn follow(
    leases: &[Lease],
    waiters: &[Waiter],
    origin: &Holder,
    from: &Holder,
    obstacles: &[Conflict],
    seen: &mut BTreeSet<SessionId>,
    path: &mut Vec<CycleStep>,
) -> bool {
    for obstacle in obstacles {
        path.push(CycleStep {
            agent: from.agent.clone(),
            session: from.session.clone(),
            waits_for: obstacle.wanted.clone(),
            held_by: obstacle.agent.clone(),
            held_by_session: obstacle.session.clone(),
        });
        if obstacle.session == origin.session {
            return true;
        }
        if seen.insert(obstacle.session.clone()) {
            let next = Holder { agent: obstacle.agent.clone(), session: obstacle.session.clone() };
            let further: Vec<Conflict> = waiters
                .iter()
                .filter(|waiter| waiter.holder.session == obstacle.session)
                .flat_map(|waiter| conflicts(leases, waiters, &waiter.holder, &waiter.wants, waiter.place))
                .collect();
            if follow(leases, waiters, origin, &next, &further, seen, path) {
                return true;
            }
        }
        path.pop();
    }
    false
}

//! Why a lock command was refused.

use crate::ids::{AgentId, SessionId, TicketId};
use crate::locks::conflict::Conflict;
use crate::locks::key::LockKey;
use crate::locks::lease::{EndedLease, Lease, Token, Waiter};
use serde::{Deserialize, Serialize};

/// One step of a circle of waiting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CycleStep {
    /// Who waits.
    pub agent: AgentId,
    /// In which session.
    pub session: SessionId,
    /// For which key.
    pub waits_for: LockKey,
    /// Which agent stands in the way.
    pub held_by: AgentId,
    /// In which session; the next step is about this one.
    pub held_by_session: SessionId,
}

/// A place kept in line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// What to present to take the place up again.
    pub ticket: TicketId,
    /// How many come first, plus one.
    pub position: u32,
}

/// A token that stands for nothing any more, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaleToken {
    /// The token that was presented.
    pub token: Token,
    /// The lease it stood for and how that ended.
    pub ended: EndedLease,
    /// Who holds something that overlaps its key now.
    pub holders_now: Vec<Lease>,
}

/// Why a lock command changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum LockRefusal {
    /// Somebody holds it, or stands in line first.
    #[error("{} of the wanted locks cannot be had now", conflicts.len())]
    Held {
        /// Each reason, one by one.
        conflicts: Vec<Conflict>,
        /// The place that is kept, if there was a wait.
        place: Option<Place>,
    },
    /// Waiting would never end.
    #[error("waiting would close a circle of {} sessions that wait for each other", cycle.len())]
    Deadlock {
        /// The circle, starting with the caller.
        cycle: Vec<CycleStep>,
    },
    /// The line of the project is full, or the caller's session has too many places in it.
    #[error(
        "the line is full: a project has at most {} places, a session {} of them",
        Waiter::PER_PROJECT_MAX,
        Waiter::PER_SESSION_MAX
    )]
    LineFull,
    /// The ticket's place was lost.
    #[error("the place of ticket `{ticket}` is gone: ask again without it")]
    TicketExpired {
        /// The ticket that was presented.
        ticket: TicketId,
    },
    /// The ticket is for something else, or somebody else's.
    #[error("ticket `{ticket}` was given to another session")]
    TicketNotYours {
        /// The ticket that was presented.
        ticket: TicketId,
    },
    /// The ticket was given for other keys or modes.
    #[error("ticket `{ticket}` was given for other keys or modes")]
    TicketMismatch {
        /// The ticket that was presented.
        ticket: TicketId,
    },
    /// The tokens' leases have ended.
    #[error("{} of the tokens stand for nothing any more", stale.len())]
    Stale {
        /// Each of them, and what became of it.
        stale: Vec<StaleToken>,
    },
    /// The lease belongs to another session.
    #[error("token {} belongs to session `{session}` of `{agent}`", token.value())]
    NotHolder {
        /// The token that was presented.
        token: Token,
        /// The agent it belongs to.
        agent: AgentId,
        /// The session it belongs to.
        session: SessionId,
    },
    /// No lease of this project ever had the token, or it ended long ago.
    #[error("token {} is not known in this project", token.value())]
    UnknownToken {
        /// The token that was presented.
        token: Token,
    },
    /// No more tokens can be drawn.
    #[error("the tokens of this project are used up")]
    TokensUsedUp,
}

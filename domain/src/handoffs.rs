//! Handoffs: what one agent leaves to the next, in words, and with them the locks and tasks it works under.
//!
//! A handoff is written once. It is a record for everybody, or an offer: to an agent, to whoever can do something, or to
//! whoever comes next. An offer is taken by one session, and what was named with it goes over in the same commit, under
//! new tokens. It stands until an instant, whether anybody notices or not.

pub mod content;
mod handing;
pub mod listing;
mod moving;
mod offer;
mod refusal;

pub use moving::{Held, InvalidToMove, Moved, MovedLock, MovedTask, Named, NotMoved, Passage, Stays, ToMove};
pub use offer::{Candidate, InvalidOfferLength, Offer, OfferLength};
pub use refusal::HandoffRefusal;

use crate::handoffs::content::Summary;
use crate::ids::{AgentId, HandoffId, SessionId};
use crate::locks::lease::{Holder, Reason};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Who wrote a handoff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Giver {
    /// The agent.
    pub agent: AgentId,
    /// In which of its sessions, if it was in one.
    pub session: Option<SessionId>,
}

/// A handoff, without its lists, which can be long and stand apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handoff {
    /// Its id.
    pub id: HandoffId,
    /// Who wrote it.
    pub from: Giver,
    /// Where the work stands.
    pub summary: Summary,
    /// To whom it is offered.
    pub offer: Offer,
    /// What goes over to whoever takes it.
    pub to_move: ToMove,
    /// When it was written.
    pub written_at: DateTime<Utc>,
    /// Until when the offer stands, exclusive; `None` of a record.
    pub expires_at: Option<DateTime<Utc>>,
    /// What became of it.
    pub state: State,
    /// Rises with each change: whoever saves must have read the latest.
    pub revision: u64,
}

/// What became of a handoff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum State {
    /// It is a record, offered to nobody.
    Written,
    /// Somebody may take it. Past its end it is as good as expired: see [`Handoff::as_of`].
    Offered,
    /// Somebody took it.
    Accepted {
        /// Who.
        by: Holder,
        /// When.
        at: DateTime<Utc>,
        /// What went over.
        moved: Moved,
    },
    /// The agent it was offered to does not want it.
    Declined {
        /// Who.
        by: AgentId,
        /// When.
        at: DateTime<Utc>,
        /// Why.
        reason: Option<Reason>,
    },
    /// Nobody took it in time.
    Expired {
        /// When.
        at: DateTime<Utc>,
    },
    /// Its giver took it back.
    Withdrawn {
        /// When.
        at: DateTime<Utc>,
        /// Why.
        reason: Option<Reason>,
    },
}

/// The six words for what became of a handoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A record.
    Written,
    /// To be taken.
    Offered,
    /// Taken.
    Accepted,
    /// Not wanted.
    Declined,
    /// Not taken in time.
    Expired,
    /// Taken back.
    Withdrawn,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Written, Self::Offered, Self::Accepted, Self::Declined, Self::Expired, Self::Withdrawn];

    /// The name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Offered => "offered",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A handoff to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The id it will have.
    pub id: HandoffId,
    /// Who writes it.
    pub from: Giver,
    /// Where the work stands.
    pub summary: Summary,
    /// To whom it is offered.
    pub offer: Offer,
    /// What goes over to whoever takes it; of a record, nothing does.
    pub to_move: ToMove,
    /// How long the offer stands; not looked at for a record.
    pub length: OfferLength,
}

/// What came of declining.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declined {
    /// The offer is over.
    Ended(Box<Handoff>),
    /// It still stands for others, and is not shown to this agent any more.
    Hidden,
}

impl Handoff {
    /// Writes a handoff, if its giver holds all it names.
    pub fn write(draft: Draft, held: &Held, now: DateTime<Utc>) -> Result<Self, HandoffRefusal> {
        let Draft { id, from, summary, offer, mut to_move, length } = draft;
        let not_held = held.missing(&to_move, from.session.as_ref(), now);
        if !not_held.is_empty() {
            return Err(HandoffRefusal::NotHeld { not_held });
        }
        let with_tasks = held.of_tasks(&to_move);
        to_move.locks.retain(|token| !with_tasks.contains(token));
        let is_made = offer.is_made();
        let state = if is_made { State::Offered } else { State::Written };
        let expires_at = is_made.then(|| length.end(now));
        Ok(Self { id, from, summary, offer, to_move, written_at: now, expires_at, state, revision: 1 })
    }

    /// As it is at an instant: an offer that nobody took in time has expired.
    #[must_use]
    pub fn as_of(&self, now: DateTime<Utc>) -> Self {
        self.expire(now).unwrap_or_else(|| self.clone())
    }

    /// What became of it, in a word, as it is stored.
    pub const fn status(&self) -> Status {
        match self.state {
            State::Written => Status::Written,
            State::Offered => Status::Offered,
            State::Accepted { .. } => Status::Accepted,
            State::Declined { .. } => Status::Declined,
            State::Expired { .. } => Status::Expired,
            State::Withdrawn { .. } => Status::Withdrawn,
        }
    }

    /// Since when nothing can become of it any more; `None` while it can be taken.
    pub fn over_since(&self) -> Option<DateTime<Utc>> {
        match &self.state {
            State::Written => Some(self.written_at),
            State::Offered => None,
            State::Accepted { at, .. }
            | State::Declined { at, .. }
            | State::Expired { at }
            | State::Withdrawn { at, .. } => Some(*at),
        }
    }

    /// Whether it is offered to this agent by name.
    pub fn is_offered_by_name_to(&self, agent: &AgentId) -> bool {
        matches!(&self.offer, Offer::Agent { agent: named } if named == agent)
    }

    /// The agent that took it.
    pub fn taker(&self) -> Option<&AgentId> {
        match &self.state {
            State::Accepted { by, .. } => Some(&by.agent),
            _ => None,
        }
    }

    /// Whether somebody could take it, as it is stored.
    pub fn is_open_to(&self, candidate: &Candidate) -> bool {
        self.state == State::Offered
            && self.offer.is_for(&candidate.agent, &candidate.capabilities)
            && (self.from.session.is_none() || self.from.session != candidate.session)
    }

    /// Whether somebody may take it now. What moves is for the tables to say; then [`Self::accepted`] writes it down.
    /// `Ok(false)` if this very session took it before, so that nothing is left to do.
    pub fn accept(&self, taker: &Candidate, now: DateTime<Utc>) -> Result<bool, HandoffRefusal> {
        if let State::Accepted { by, .. } = &self.state
            && Some(&by.session) == taker.session.as_ref()
        {
            return Ok(false);
        }
        self.open(taker, now)?;
        if self.from.session.is_some() && self.from.session == taker.session {
            return Err(HandoffRefusal::OwnSession { id: self.id });
        }
        Ok(true)
    }

    /// The handoff once it is taken.
    #[must_use]
    pub fn accepted(&self, by: Holder, moved: Moved, now: DateTime<Utc>) -> Self {
        self.changed(State::Accepted { by, at: now, moved })
    }

    /// Somebody it is offered to does not want it. Of an offer to one agent that is the end.
    pub fn decline(
        &self,
        by: &Candidate,
        reason: Option<Reason>,
        now: DateTime<Utc>,
    ) -> Result<Declined, HandoffRefusal> {
        self.open(by, now)?;
        if !self.offer.ends_when_declined() {
            return Ok(Declined::Hidden);
        }
        let state = State::Declined { by: by.agent.clone(), at: now, reason };
        Ok(Declined::Ended(Box::new(self.changed(state))))
    }

    /// Its giver takes it back, from any of its sessions.
    pub fn withdraw(&self, by: &AgentId, reason: Option<Reason>, now: DateTime<Utc>) -> Result<Self, HandoffRefusal> {
        if self.from.agent != *by {
            return Err(HandoffRefusal::NotGiver { id: self.id, giver: self.from.agent.clone() });
        }
        self.stands(now)?;
        Ok(self.changed(State::Withdrawn { at: now, reason }))
    }

    /// Writes down that nobody took it in time; `None` if it is no offer any more, or stands.
    pub fn expire(&self, now: DateTime<Utc>) -> Option<Self> {
        let at = self.expires_at.filter(|at| self.state == State::Offered && *at <= now)?;
        Some(self.changed(State::Expired { at }))
    }

    fn open(&self, to: &Candidate, now: DateTime<Utc>) -> Result<(), HandoffRefusal> {
        self.stands(now)?;
        if self.offer.is_for(&to.agent, &to.capabilities) {
            Ok(())
        } else {
            Err(HandoffRefusal::NotForYou { id: self.id })
        }
    }

    /// Whether it can still be taken by anybody.
    fn stands(&self, now: DateTime<Utc>) -> Result<(), HandoffRefusal> {
        let id = self.id;
        let current = self.as_of(now);
        match current.state {
            State::Offered => Ok(()),
            State::Written => Err(HandoffRefusal::NotOffered { id }),
            State::Accepted { by, at, .. } => Err(HandoffRefusal::Taken { id, by, at }),
            State::Declined { .. } | State::Expired { .. } | State::Withdrawn { .. } => {
                Err(HandoffRefusal::Over { id, status: current.status() })
            }
        }
    }

    fn changed(&self, state: State) -> Self {
        Self { state, revision: self.revision.saturating_add(1), ..self.clone() }
    }
}

#[cfg(test)]
#[path = "handoffs_tests.rs"]
mod tests;

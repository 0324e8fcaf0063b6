//! Handing locks over: the lease goes from one session to another in one step, so that nobody who waits comes in between.

use super::LockTable;
use crate::handoffs::{Passage, Stays};
use crate::locks::event::LockEvent;
use crate::locks::lease::{EndedLease, Ending, Lease, Token, Ttl};
use crate::locks::refusal::LockRefusal;

impl LockTable {
    /// Refuses unless so many tokens can still be drawn, so that what draws several does not fail halfway.
    pub fn has_room_for(&self, tokens: usize) -> Result<(), LockRefusal> {
        let room = Token::MAX - self.last_token;
        if i64::try_from(tokens).is_ok_and(|tokens| tokens <= room) { Ok(()) } else { Err(LockRefusal::TokensUsedUp) }
    }

    /// Draws the token of a claim that goes over.
    pub(crate) fn draw_for_claim(&mut self) -> Result<Token, LockRefusal> {
        self.draw_token()
    }

    /// The lease of a token, if it can go over: its giver holds it, the taker does not hold the key, and the giver keeps
    /// nothing that only one session may hold together with it.
    pub fn handable(&self, token: Token, passage: &Passage) -> Result<&Lease, Stays> {
        let Passage { from, to, leaving, .. } = passage;
        let Some(lease) = self.leases.iter().find(|lease| lease.token == token) else {
            let is_known = self.ended.iter().any(|ended| ended.lease.token == token);
            return Err(if is_known { Stays::Ended } else { Stays::Unknown });
        };
        if lease.holder.session != *from {
            return Err(Stays::WithOther { holder: lease.holder.clone() });
        }
        let is_takers = |other: &&Lease| other.holder.session == to.holder.session && other.key == lease.key;
        if let Some(other) = self.leases.iter().find(is_takers) {
            return Err(Stays::TakerHolds { key: other.key.clone(), token: other.token });
        }
        let is_tied = |other: &&Lease| {
            let is_kept = other.holder.session == *from && other.token != token && !leaving.contains(&other.token);
            is_kept && !other.mode.agrees_with(lease.mode) && other.key.overlaps(&lease.key)
        };
        match self.leases.iter().find(is_tied) {
            Some(other) => Err(Stays::Tied { key: other.key.clone(), token: other.token }),
            None => Ok(lease),
        }
    }

    /// Hands a lock over; nothing if it cannot go. The taker has it under a new token, for at least a whole TTL from now;
    /// the giver's token is stale from then on. The line stays as it is: whoever waited for the giver waits for the taker.
    pub fn hand_over(&mut self, token: Token, ttl: Ttl, passage: &Passage) -> Result<Option<Lease>, LockRefusal> {
        let Ok(before) = self.handable(token, passage).cloned() else { return Ok(None) };
        let to = &passage.to.holder;
        let lease = Lease {
            holder: to.clone(),
            token: self.draw_token()?,
            granted_at: self.now,
            expires_at: before.expires_at.max(ttl.end(self.now)),
            ..before.clone()
        };
        self.leases.retain(|other| other.token != token);
        self.changes.leases_put.retain(|other| other.token != token);
        let ending = Ending::HandedOver { to: to.agent.clone(), handoff: passage.handoff };
        let ended = EndedLease { lease: before, ended_at: self.now, ending };
        self.record_end(LockEvent::HandedOver { ended: ended.clone(), lease: lease.clone() }, ended);
        self.put(lease.clone());
        Ok(Some(lease))
    }
}

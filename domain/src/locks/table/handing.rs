//! Handing locks over: the lease goes from one session to another in one step, so that nobody who waits comes in between.

use super::LockTable;
use crate::handoffs::Stays;
use crate::ids::{HandoffId, SessionId};
use crate::locks::event::LockEvent;
use crate::locks::lease::{EndedLease, Ending, Holder, Lease, Token, Ttl};
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

    /// The lease of a token, if one session can hand it over to another.
    pub fn handable(&self, token: Token, from: &SessionId, to: &SessionId) -> Result<&Lease, Stays> {
        let Some(lease) = self.leases.iter().find(|lease| lease.token == token) else {
            let is_known = self.ended.iter().any(|ended| ended.lease.token == token);
            return Err(if is_known { Stays::Ended } else { Stays::Unknown });
        };
        if lease.holder.session != *from {
            return Err(Stays::WithOther { holder: lease.holder.clone() });
        }
        match self.leases.iter().find(|own| own.holder.session == *to && own.key == lease.key) {
            Some(own) => Err(Stays::TakerHolds { key: own.key.clone(), token: own.token }),
            None => Ok(lease),
        }
    }

    /// Hands a lock over. The taker has it under a new token, for at least a whole TTL from now; the giver's token is
    /// stale from then on. The line stays as it is: whoever waited for the giver waits for the taker.
    pub fn hand_over(
        &mut self,
        token: Token,
        from: &SessionId,
        to: &Holder,
        ttl: Ttl,
        handoff: HandoffId,
    ) -> Result<Result<Lease, Stays>, LockRefusal> {
        let before = match self.handable(token, from, &to.session) {
            Ok(lease) => lease.clone(),
            Err(stays) => return Ok(Err(stays)),
        };
        let lease = Lease {
            holder: to.clone(),
            token: self.draw_token()?,
            granted_at: self.now,
            expires_at: before.expires_at.max(ttl.end(self.now)),
            ..before.clone()
        };
        self.leases.retain(|other| other.token != token);
        self.changes.leases_put.retain(|other| other.token != token);
        let ending = Ending::HandedOver { to: to.agent.clone(), handoff };
        let ended = EndedLease { lease: before, ended_at: self.now, ending };
        self.record_end(LockEvent::HandedOver { ended: ended.clone(), lease: lease.clone() }, ended);
        self.put(lease.clone());
        Ok(Ok(lease))
    }
}

//! The locks of tasks: taken with the claim, extended and freed with it, under tokens of the same counter.

use super::LockTable;
use crate::locks::conflict::Conflict;
use crate::locks::event::LockEvent;
use crate::locks::key::LockKey;
use crate::locks::lease::{Ending, Holder, Lease, Reason, Token, Ttl};
use crate::locks::refusal::LockRefusal;
use crate::locks::wants::Wants;

/// How it went with the locks of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskLocks {
    /// All are held now.
    Taken {
        /// The token of the claim itself.
        token: Token,
        /// The locks, by key; empty for a task that needs none.
        leases: Vec<Lease>,
    },
    /// Nothing is held, for these reasons.
    InTheWay(Vec<Conflict>),
}

impl LockTable {
    /// What stands in the way of a task getting its locks.
    ///
    /// Unlike for an acquire, what `holder` itself has locked counts too: a session never holds one key, or two that
    /// do not agree, for two things at once. So overlapping tasks stay apart within one session, and the end of a task
    /// never frees what the session had locked before. `None` stands for anybody.
    pub fn task_obstacles(&self, holder: Option<&Holder>, wants: &Wants) -> Vec<Conflict> {
        let mut found = match holder {
            Some(holder) => self.conflicts(holder, wants, i64::MAX),
            None => self.in_the_way_of_anybody(wants),
        };
        if let Some(holder) = holder {
            for want in wants.iter() {
                let own = self.leases.iter().filter(|lease| lease.holder.session == holder.session);
                let clash = own.filter(|lease| {
                    lease.key == want.key || (!lease.mode.agrees_with(want.mode) && lease.key.overlaps(&want.key))
                });
                found.extend(clash.map(|lease| Conflict::with_holder(&want.key, lease)));
            }
        }
        found
    }

    fn in_the_way_of_anybody(&self, wants: &Wants) -> Vec<Conflict> {
        let mut found = Vec::new();
        for want in wants.iter() {
            let held =
                self.leases.iter().filter(|lease| !lease.mode.agrees_with(want.mode) && lease.key.overlaps(&want.key));
            found.extend(held.map(|lease| Conflict::with_holder(&want.key, lease)));
            for waiter in &self.waiters {
                let ahead = waiter
                    .wants
                    .iter()
                    .filter(|other| !other.mode.agrees_with(want.mode) && other.key.overlaps(&want.key));
                found.extend(ahead.map(|other| Conflict::with_waiter(&want.key, waiter, other)));
            }
        }
        found
    }

    /// Draws the token of a claim and takes the locks of the task, all or nothing. Never waits.
    pub fn take_for_task(
        &mut self,
        holder: &Holder,
        wants: Option<&Wants>,
        ttl: Ttl,
        reason: Option<&Reason>,
    ) -> Result<TaskLocks, LockRefusal> {
        let in_the_way = wants.map(|wants| self.task_obstacles(Some(holder), wants)).unwrap_or_default();
        if !in_the_way.is_empty() {
            return Ok(TaskLocks::InTheWay(in_the_way));
        }
        // So that no draw below can fail halfway.
        if Token::MAX - self.last_token <= i64::try_from(Wants::KEYS_MAX + 1).unwrap_or(i64::MAX) {
            return Err(LockRefusal::TokensUsedUp);
        }
        let token = self.draw_token()?;
        let mut leases = Vec::new();
        for want in wants.into_iter().flat_map(Wants::iter) {
            let lease = Lease {
                key: want.key.clone(),
                mode: want.mode,
                holder: holder.clone(),
                token: self.draw_token()?,
                granted_at: self.now,
                expires_at: ttl.end(self.now),
                reason: reason.cloned(),
            };
            self.put(lease.clone());
            self.changes.events.push(LockEvent::Acquired(lease.clone()));
            leases.push(lease);
        }
        Ok(TaskLocks::Taken { token, leases })
    }

    /// Lets the locks of a task last longer; answers the tokens that stand for nothing any more.
    pub fn extend_for_task(&mut self, tokens: &[Token], ttl: Ttl) -> Vec<Token> {
        let mut lost = Vec::new();
        for token in tokens {
            match self.leases.iter().find(|lease| lease.token == *token).cloned() {
                Some(lease) => {
                    self.extend(lease, ttl, None);
                }
                None => lost.push(*token),
            }
        }
        lost
    }

    /// Ends the locks of a task, as far as they are still held; answers their keys.
    pub fn free_for_task(&mut self, tokens: &[Token], ending: &Ending) -> Vec<LockKey> {
        let mut freed = Vec::new();
        for token in tokens {
            if let Some(lease) = self.leases.iter().find(|lease| lease.token == *token).cloned() {
                self.end(&lease, ending.clone());
                freed.push(lease.key);
            }
        }
        freed
    }
}

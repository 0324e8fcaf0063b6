//! The lock table of a project: everything a command touches, and the decisions on it.

mod handing;
mod line;
pub mod tasks;

use crate::ids::{AgentId, SessionId, TicketId};
use crate::locks::changes::{Changes, Loaded};
use crate::locks::conflict::{self, Conflict, Obstacle};
use crate::locks::deadlock;
use crate::locks::event::LockEvent;
use crate::locks::key::LockKey;
use crate::locks::lease::{EndedLease, Ending, Holder, Lease, Reason, Token, Ttl, Waiter};
use crate::locks::refusal::{LockRefusal, Place, StaleToken};
use crate::locks::wants::{Want, Wants};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// What to do when the locks cannot be had at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// Refuse.
    Refuse,
    /// Stand in line, under this ticket if there is no place yet.
    Wait(TicketId),
}

/// The command to take locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquire {
    /// For whom.
    pub holder: Holder,
    /// What.
    pub wants: Wants,
    /// For how long.
    pub ttl: Ttl,
    /// What for.
    pub reason: Option<Reason>,
    /// A place taken earlier.
    pub ticket: Option<TicketId>,
    /// What to do when they cannot be had.
    pub on_conflict: OnConflict,
}

/// How an acquire came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// All of it is held now.
    Granted(Vec<Lease>),
    /// Nothing is held; the caller stands in line.
    InLine {
        /// Where.
        place: Place,
        /// Behind whom.
        conflicts: Vec<Conflict>,
    },
}

/// A released lease, or one that its holder had released before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The lease as it ended.
    pub ended: EndedLease,
    /// Whether it had been released already; then nothing changed.
    pub already: bool,
}

/// The lock table of one project, as far as a command needs it.
#[derive(Debug, Clone)]
pub struct LockTable {
    now: DateTime<Utc>,
    last_token: i64,
    leases: Vec<Lease>,
    waiters: Vec<Waiter>,
    ended: Vec<EndedLease>,
    /// The ends of the sessions that hold something, as loaded.
    session_ends: BTreeMap<SessionId, DateTime<Utc>>,
    changes: Changes,
}

impl LockTable {
    /// Takes what was loaded; what has run out meanwhile ends here.
    pub fn new(loaded: Loaded) -> Self {
        let Loaded { now, last_token, mut leases, mut waiters, ended } = loaded;
        leases.sort_by(|a, b| (&a.lease.key, a.lease.token).cmp(&(&b.lease.key, b.lease.token)));
        waiters.sort_by_key(|stored| stored.waiter.place);
        let mut table = Self {
            now,
            last_token,
            leases: Vec::new(),
            waiters: Vec::new(),
            ended,
            session_ends: BTreeMap::new(),
            changes: Changes::default(),
        };
        for stored in leases {
            if stored.is_live(now) {
                table.session_ends.insert(stored.lease.holder.session.clone(), stored.session_until);
                table.leases.push(stored.lease);
            } else {
                let ended = stored.into_ended();
                table.record_end(LockEvent::Lapsed(ended.clone()), ended);
            }
        }
        for stored in waiters {
            if stored.is_live(now) {
                table.waiters.push(stored.waiter);
            } else {
                table.record_gone(LockEvent::PlaceLost(stored.waiter.clone()), &stored.waiter);
            }
        }
        table
    }

    /// The store's clock as loaded.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// What has to be saved.
    pub fn into_changes(self) -> Changes {
        self.changes
    }

    /// What has to be saved so far.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Takes several locks, all or nothing, or stands in line for them.
    pub fn acquire(&mut self, command: &Acquire) -> Result<Acquired, LockRefusal> {
        let known = command.ticket.map(|ticket| self.place_of(ticket, command)).transpose()?;
        let place = known.as_ref().map_or(i64::MAX, |waiter| waiter.place);
        let obstacles = self.conflicts(&command.holder, &command.wants, place);
        if obstacles.is_empty() {
            return self.grant(command, known).map(Acquired::Granted);
        }
        let would_wait = known.is_some() || matches!(command.on_conflict, OnConflict::Wait(_));
        if would_wait && let Some(cycle) = deadlock::cycle(&self.leases, &self.waiters, &command.holder, &obstacles) {
            if let Some(waiter) = known {
                self.remove_waiter(waiter.ticket);
            }
            return Err(LockRefusal::Deadlock { cycle });
        }
        match (known, command.on_conflict) {
            (Some(waiter), OnConflict::Wait(_)) => Ok(self.stay(waiter, obstacles)),
            (Some(waiter), OnConflict::Refuse) => match self.stay(waiter, obstacles) {
                Acquired::InLine { place, conflicts } => Err(LockRefusal::Held { conflicts, place: Some(place) }),
                granted @ Acquired::Granted(_) => Ok(granted),
            },
            (None, OnConflict::Wait(ticket)) => self.join(command, ticket, obstacles),
            (None, OnConflict::Refuse) => Err(LockRefusal::Held { conflicts: obstacles, place: None }),
        }
    }

    /// What would stand in the way of a new request, without making it.
    pub fn check(&self, holder: &Holder, wants: &Wants) -> Vec<Conflict> {
        self.conflicts(holder, wants, i64::MAX)
    }

    /// Lets leases last longer, all or none. A lease never gets shorter.
    pub fn renew(&mut self, holder: &Holder, tokens: &BTreeSet<Token>, ttl: Ttl) -> Result<Vec<Lease>, LockRefusal> {
        let found = self.held(holder, tokens)?;
        Ok(found.into_iter().map(|lease| self.extend(lease, ttl, None)).collect())
    }

    /// Gives leases back, all or none. What the same session had given back before is told and left alone.
    pub fn release(&mut self, holder: &Holder, tokens: &BTreeSet<Token>) -> Result<Vec<Released>, LockRefusal> {
        let (again, live): (Vec<Token>, Vec<Token>) =
            tokens.iter().partition(|token| self.released_before(holder, **token).is_some());
        let found = self.held(holder, &live.into_iter().collect())?;
        let mut released: Vec<Released> = again
            .into_iter()
            .filter_map(|token| self.released_before(holder, token).cloned())
            .map(|ended| Released { ended, already: true })
            .collect();
        for lease in found {
            released.push(Released { ended: self.end(&lease, Ending::Released), already: false });
        }
        Ok(released)
    }

    /// Gives everything of a session back and takes it out of the line.
    pub fn release_session(&mut self, session: &SessionId, ending: &Ending) -> Vec<EndedLease> {
        let held: Vec<Lease> = self.leases.iter().filter(|lease| lease.holder.session == *session).cloned().collect();
        let waiting: Vec<TicketId> = self
            .waiters
            .iter()
            .filter(|waiter| waiter.holder.session == *session)
            .map(|waiter| waiter.ticket)
            .collect();
        for ticket in waiting {
            self.remove_waiter(ticket);
        }
        held.iter().map(|lease| self.end(lease, ending.clone())).collect()
    }

    /// Takes a lock away from whoever holds it under this very token.
    pub fn force_release(&mut self, token: Token, by: AgentId, reason: Reason) -> Result<EndedLease, LockRefusal> {
        match self.leases.iter().find(|lease| lease.token == token).cloned() {
            Some(lease) => Ok(self.end(&lease, Ending::Forced { by, reason })),
            None => Err(self.gone(&[token])),
        }
    }

    /// The live leases that overlap a key, and the line for it.
    pub fn around(&self, key: &LockKey) -> (Vec<Lease>, Vec<Waiter>) {
        let leases = self.leases.iter().filter(|lease| lease.key.overlaps(key)).cloned().collect();
        let waits = |waiter: &&Waiter| waiter.wants.keys().any(|wanted| wanted.overlaps(key));
        (leases, self.waiters.iter().filter(waits).cloned().collect())
    }

    fn conflicts(&self, holder: &Holder, wants: &Wants, place: i64) -> Vec<Conflict> {
        let mut found = conflict::conflicts(&self.leases, &self.waiters, holder, wants, place);
        for Conflict { session, obstacle, .. } in &mut found {
            if let (Obstacle::Holder { until, .. }, Some(end)) = (obstacle, self.session_ends.get(session)) {
                *until = (*until).min(*end);
            }
        }
        found
    }

    fn grant(&mut self, command: &Acquire, known: Option<Waiter>) -> Result<Vec<Lease>, LockRefusal> {
        let room = Token::MAX - self.last_token;
        if room <= i64::try_from(Wants::KEYS_MAX).unwrap_or(i64::MAX) {
            return Err(LockRefusal::TokensUsedUp);
        }
        if let Some(waiter) = known {
            self.waiters.retain(|other| other.ticket != waiter.ticket);
            self.changes.waiters_put.retain(|other| other.ticket != waiter.ticket);
            self.changes.waiters_removed.push(waiter.ticket);
        }
        command.wants.iter().map(|want| self.grant_one(command, want)).collect()
    }

    fn grant_one(&mut self, command: &Acquire, want: &Want) -> Result<Lease, LockRefusal> {
        let is_own = |lease: &&Lease| lease.key == want.key && lease.holder.session == command.holder.session;
        let own = self.leases.iter().find(is_own).cloned();
        if let Some(lease) = &own
            && lease.mode >= want.mode
        {
            return Ok(self.extend(lease.clone(), command.ttl, command.reason.as_ref()));
        }
        let token = self.draw_token()?;
        let kept = own.as_ref().map(|lease| self.end(lease, Ending::Replaced).lease);
        let until = command.ttl.end(self.now);
        let lease = Lease {
            key: want.key.clone(),
            mode: want.mode,
            holder: command.holder.clone(),
            token,
            granted_at: self.now,
            expires_at: kept.as_ref().map_or(until, |before| before.expires_at.max(until)),
            reason: command.reason.clone().or_else(|| kept.and_then(|before| before.reason)),
        };
        self.put(lease.clone());
        self.changes.events.push(LockEvent::Acquired(lease.clone()));
        Ok(lease)
    }

    fn draw_token(&mut self) -> Result<Token, LockRefusal> {
        let token = Token::try_new(self.last_token + 1).map_err(|_| LockRefusal::TokensUsedUp)?;
        self.last_token = token.value();
        self.changes.last_token = Some(self.last_token);
        Ok(token)
    }

    fn extend(&mut self, before: Lease, ttl: Ttl, reason: Option<&Reason>) -> Lease {
        let mut after = before.clone();
        after.expires_at = before.expires_at.max(ttl.end(self.now));
        if let Some(reason) = reason {
            after.reason = Some(reason.clone());
        }
        self.put(after.clone());
        self.changes.events.push(LockEvent::Renewed { before, after: after.clone() });
        after
    }

    fn put(&mut self, lease: Lease) {
        self.leases.retain(|other| other.token != lease.token);
        self.changes.leases_put.retain(|other| other.token != lease.token);
        self.leases.push(lease.clone());
        self.changes.leases_put.push(lease);
    }

    fn end(&mut self, lease: &Lease, ending: Ending) -> EndedLease {
        self.leases.retain(|other| other.token != lease.token);
        self.changes.leases_put.retain(|other| other.token != lease.token);
        let ended = EndedLease { lease: lease.clone(), ended_at: self.now, ending };
        self.record_end(LockEvent::Ended(ended.clone()), ended.clone());
        ended
    }

    fn record_end(&mut self, event: LockEvent, ended: EndedLease) {
        self.changes.leases_ended.push(ended.clone());
        self.changes.events.push(event);
        self.ended.push(ended);
    }

    /// The live leases of the tokens, if each is the holder's own.
    fn held(&self, holder: &Holder, tokens: &BTreeSet<Token>) -> Result<Vec<Lease>, LockRefusal> {
        let mut found = Vec::new();
        let mut gone = Vec::new();
        for token in tokens {
            match self.leases.iter().find(|lease| lease.token == *token) {
                Some(lease) if lease.holder.session == holder.session => found.push(lease.clone()),
                Some(lease) => {
                    let Holder { agent, session } = lease.holder.clone();
                    return Err(LockRefusal::NotHolder { token: *token, agent, session });
                }
                None => gone.push(*token),
            }
        }
        if gone.is_empty() { Ok(found) } else { Err(self.gone(&gone)) }
    }

    fn gone(&self, tokens: &[Token]) -> LockRefusal {
        let mut stale = Vec::new();
        for token in tokens {
            let Some(ended) = self.ended.iter().rev().find(|ended| ended.lease.token == *token) else {
                return LockRefusal::UnknownToken { token: *token };
            };
            let holders_now =
                self.leases.iter().filter(|lease| lease.key.overlaps(&ended.lease.key)).cloned().collect();
            stale.push(StaleToken { token: *token, ended: ended.clone(), holders_now });
        }
        LockRefusal::Stale { stale }
    }

    fn released_before(&self, holder: &Holder, token: Token) -> Option<&EndedLease> {
        self.ended.iter().find(|ended| {
            ended.lease.token == token
                && ended.ending == Ending::Released
                && ended.lease.holder.session == holder.session
        })
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;

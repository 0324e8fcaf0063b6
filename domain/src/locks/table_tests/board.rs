//! A lock table that lives from command to command, and a short way to write commands.
//!
//! Keys are separated by blanks; `~` before a key means shared. `ann/1` is session `ann/1` of agent `ann`.

use crate::ids::{AgentId, SessionId, TicketId};
use crate::locks::changes::{Changes, Loaded};
use crate::locks::conflict::{Conflict, Obstacle};
use crate::locks::key::LockKey;
use crate::locks::lease::{EndedLease, Ending, Holder, Lease, Mode, Reason, Token, Ttl, Waiter};
use crate::locks::refusal::{CycleStep, LockRefusal, Place};
use crate::locks::stored::{StoredLease, StoredWaiter};
use crate::locks::table::{Acquire, Acquired, LockTable, OnConflict, Released};
use crate::locks::wants::{Want, Wants};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;
use uuid::Uuid;

pub(super) const TTL_SECONDS: u32 = 60;

pub(super) struct Board {
    pub(super) now: DateTime<Utc>,
    pub(super) last_token: i64,
    pub(super) leases: BTreeMap<Token, Lease>,
    pub(super) ended: BTreeMap<Token, EndedLease>,
    pub(super) waiters: BTreeMap<TicketId, Waiter>,
    /// When sessions end; those that are not named here live for ever.
    pub(super) session_ends: BTreeMap<SessionId, DateTime<Utc>>,
    /// What the last command changed.
    pub(super) changes: Changes,
    tickets: u128,
}

pub(super) fn board() -> Board {
    Board {
        now: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        last_token: 0,
        leases: BTreeMap::new(),
        ended: BTreeMap::new(),
        waiters: BTreeMap::new(),
        session_ends: BTreeMap::new(),
        changes: Changes::default(),
        tickets: 0,
    }
}

impl Board {
    /// Loads everything, runs one command and saves what it changed, refused or not.
    pub(super) fn run<T>(&mut self, command: impl FnOnce(&mut LockTable) -> T) -> T {
        let mut table = LockTable::new(Loaded {
            now: self.now,
            last_token: self.last_token,
            leases: self.leases.values().map(|lease| self.stored(lease)).collect(),
            waiters: self.waiters.values().map(|waiter| self.stored_waiter(waiter)).collect(),
            ended: self.ended.values().cloned().collect(),
        });
        let answer = command(&mut table);
        self.changes = table.into_changes();
        self.last_token = self.changes.last_token.unwrap_or(self.last_token);
        for lease in &self.changes.leases_put {
            self.leases.insert(lease.token, lease.clone());
        }
        for ended in &self.changes.leases_ended {
            self.leases.remove(&ended.lease.token);
            self.ended.insert(ended.lease.token, ended.clone());
        }
        for waiter in &self.changes.waiters_put {
            self.waiters.insert(waiter.ticket, waiter.clone());
        }
        for ticket in &self.changes.waiters_removed {
            self.waiters.remove(ticket);
        }
        answer
    }

    fn stored(&self, lease: &Lease) -> StoredLease {
        StoredLease { lease: lease.clone(), session_until: self.session_until(&lease.holder) }
    }

    fn stored_waiter(&self, waiter: &Waiter) -> StoredWaiter {
        StoredWaiter { waiter: waiter.clone(), session_until: self.session_until(&waiter.holder) }
    }

    fn session_until(&self, holder: &Holder) -> DateTime<Utc> {
        self.session_ends.get(&holder.session).copied().unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// The session will be dead in so many seconds.
    pub(super) fn dies_in(&mut self, who: &str, seconds: i64) {
        self.session_ends.insert(holder(who).session, self.now + TimeDelta::seconds(seconds));
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        self.now += TimeDelta::seconds(seconds);
    }

    pub(super) fn acquire(&mut self, command: &Acquire) -> Result<Acquired, LockRefusal> {
        self.run(|table| table.acquire(command))
    }

    /// Asks without waiting.
    pub(super) fn take(&mut self, who: &str, keys: &str) -> Result<Vec<Lease>, LockRefusal> {
        self.acquire(&command(who, keys)).map(granted)
    }

    /// Asks for one key, which must be had.
    pub(super) fn hold(&mut self, who: &str, key: &str) -> Lease {
        self.take(who, key).unwrap().remove(0)
    }

    /// Asks and stands in line.
    pub(super) fn wait(&mut self, who: &str, keys: &str) -> Result<Acquired, LockRefusal> {
        let ticket = self.fresh_ticket();
        self.acquire(&Acquire { on_conflict: OnConflict::Wait(ticket), ..command(who, keys) })
    }

    /// Asks for what cannot be had, and stands in line.
    pub(super) fn stand(&mut self, who: &str, keys: &str) -> Place {
        in_line(self.wait(who, keys).unwrap())
    }

    /// Asks again from a place in line.
    pub(super) fn retry(&mut self, who: &str, keys: &str, ticket: TicketId) -> Result<Acquired, LockRefusal> {
        let fresh = self.fresh_ticket();
        let waiting = OnConflict::Wait(fresh);
        self.acquire(&Acquire { ticket: Some(ticket), on_conflict: waiting, ..command(who, keys) })
    }

    pub(super) fn release(&mut self, who: &str, tokens: &[Token]) -> Result<Vec<Released>, LockRefusal> {
        self.run(|table| table.release(&holder(who), &tokens.iter().copied().collect()))
    }

    pub(super) fn renew(&mut self, who: &str, token: Token, seconds: u32) -> Result<Lease, LockRefusal> {
        let renewed = self.run(|table| table.renew(&holder(who), &[token].into(), ttl(seconds)));
        renewed.map(|mut leases| leases.remove(0))
    }

    pub(super) fn force(&mut self, token: Token) -> Result<EndedLease, LockRefusal> {
        self.run(|table| table.force_release(token, agent("boss"), reason("stuck")))
    }

    pub(super) fn end_session(&mut self, who: &str) -> Vec<EndedLease> {
        self.run(|table| table.release_session(&holder(who).session, &Ending::SessionEnded))
    }

    fn fresh_ticket(&mut self) -> TicketId {
        self.tickets += 1;
        ticket(self.tickets)
    }
}

pub(super) fn ticket(number: u128) -> TicketId {
    TicketId::new(Uuid::from_u128(number))
}

pub(super) fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

pub(super) fn holder(who: &str) -> Holder {
    let (name, _) = who.split_once('/').unwrap();
    Holder { agent: agent(name), session: SessionId::parse(who).unwrap() }
}

pub(super) fn key(text: &str) -> LockKey {
    LockKey::parse(text).unwrap()
}

pub(super) fn reason(words: &str) -> Reason {
    Reason::parse(words).unwrap()
}

pub(super) fn ttl(seconds: u32) -> Ttl {
    Ttl::try_new(seconds).unwrap()
}

pub(super) fn wants(keys: &str) -> Wants {
    let want = |text: &str| match text.strip_prefix('~') {
        Some(shared) => Want { key: key(shared), mode: Mode::Shared },
        None => Want { key: key(text), mode: Mode::Exclusive },
    };
    Wants::try_new(keys.split(' ').map(want).collect()).unwrap()
}

/// Without a ticket, a reason or waiting.
pub(super) fn command(who: &str, keys: &str) -> Acquire {
    Acquire {
        holder: holder(who),
        wants: wants(keys),
        ttl: ttl(TTL_SECONDS),
        reason: None,
        ticket: None,
        on_conflict: OnConflict::Refuse,
    }
}

pub(super) fn granted(acquired: Acquired) -> Vec<Lease> {
    match acquired {
        Acquired::Granted(leases) => leases,
        Acquired::InLine { place, .. } => panic!("stands in line at {place:?}"),
    }
}

pub(super) fn in_line(acquired: Acquired) -> Place {
    match acquired {
        Acquired::InLine { place, .. } => place,
        Acquired::Granted(leases) => panic!("was granted {leases:?}"),
    }
}

/// The conflicts of a refusal.
pub(super) fn held(answer: Result<Vec<Lease>, LockRefusal>) -> Vec<Conflict> {
    match answer {
        Err(LockRefusal::Held { conflicts, .. }) => conflicts,
        other => panic!("not refused as held: {other:?}"),
    }
}

/// The conflicts as `wanted < key of session`, with `…` after those who only came first.
pub(super) fn told(conflicts: &[Conflict]) -> Vec<String> {
    let line = |conflict: &Conflict| {
        let mark = match conflict.obstacle {
            Obstacle::Holder { .. } => "",
            Obstacle::AheadInLine { .. } => "…",
        };
        format!("{} < {} of {}{mark}", conflict.wanted, conflict.key, conflict.session)
    };
    conflicts.iter().map(line).collect()
}

/// The circle as `session > key > session`.
pub(super) fn circle<T: std::fmt::Debug>(answer: Result<T, LockRefusal>) -> Vec<String> {
    match answer {
        Err(LockRefusal::Deadlock { cycle }) => {
            let step = |step: &CycleStep| format!("{} > {} > {}", step.session, step.waits_for, step.held_by_session);
            cycle.iter().map(step).collect()
        }
        other => panic!("not refused as a deadlock: {other:?}"),
    }
}

//! How an agent is, judged from what there is to see when it is asked for. Nothing of this is stored, so nothing of it
//! can be out of date.

use crate::agents::SessionTtl;
use crate::agents::record::AgentRecord;
use crate::ids::SessionId;
use chrono::{DateTime, Utc};

/// How an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It lives and does a task, or holds a lock and waits for none.
    Working,
    /// It lives, stands in line for locks, and does no task.
    Waiting,
    /// It lives and holds nothing.
    Idle,
    /// It may live, but has been silent for long, or has never been heard from.
    Unreachable,
    /// No session of it lives, or it is deregistered.
    Dead,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Working, Self::Waiting, Self::Idle, Self::Unreachable, Self::Dead];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::Idle => "idle",
            Self::Unreachable => "unreachable",
            Self::Dead => "dead",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// How many things of a kind a session has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub count: u32,
    /// Since when it has the one it has had longest.
    pub since: Option<DateTime<Utc>>,
}

/// What there is to see of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSigns {
    /// Its name.
    pub id: SessionId,
    /// How long it lives after a sign of life.
    pub ttl: SessionTtl,
    /// When it was first used.
    pub started_at: DateTime<Utc>,
    /// The last sign of life that was written down.
    pub last_seen_at: DateTime<Utc>,
    /// Until when it lives, exclusive, unless it is heard from before. Of an ended session, when it ended.
    pub live_until: DateTime<Utc>,
    /// When it ended, once that was written down.
    pub ended_at: Option<DateTime<Utc>>,
    /// Tasks it is doing, whose leases hold.
    pub tasks: Held,
    /// Locks it has, that hold.
    pub locks: Held,
    /// Places in line for locks, that are kept.
    pub places: Held,
}

impl SessionSigns {
    /// Whether it lives at this instant, whatever was written down.
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.ended_at.is_none() && now < self.live_until
    }

    /// Whether it was silent for longer than half of its TTL. Signs of life are written down every tenth of it.
    pub fn is_silent(&self, now: DateTime<Utc>) -> bool {
        now - self.last_seen_at > self.ttl.length() / 2
    }
}

/// What there is to see of an agent: its sessions whose end is not written down, of many those heard from last, and the
/// one that ended last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signs {
    /// In no particular order.
    pub sessions: Vec<SessionSigns>,
}

impl Signs {
    /// The most sessions of an agent that are looked at, beside the one that ended last.
    pub const SESSIONS_MAX: u32 = 100;

    /// The last sign of life of any of its sessions.
    pub fn last_seen_at(&self) -> Option<DateTime<Utc>> {
        self.sessions.iter().map(|session| session.last_seen_at).max()
    }
}

/// One thing that a status is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroundKind {
    /// It is deregistered.
    Deregistered,
    /// It is registered, and no session of it was ever there.
    NeverSeen,
    /// A session lives; `at` is its last sign of life.
    SessionLive,
    /// A session lives, but was silent for longer than half of its TTL; `at` is its last sign of life.
    SessionSilent,
    /// A session has ended or died; `at` is when.
    SessionEnded,
    /// A live session does tasks; `at` is since when.
    Task,
    /// A live session has locks; `at` is since when.
    Lock,
    /// A live session stands in line for locks; `at` is since when.
    Line,
}

impl GroundKind {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deregistered => "deregistered",
            Self::NeverSeen => "never_seen",
            Self::SessionLive => "session_live",
            Self::SessionSilent => "session_silent",
            Self::SessionEnded => "session_ended",
            Self::Task => "task",
            Self::Lock => "lock",
            Self::Line => "line",
        }
    }
}

/// What a status is based on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// What it is.
    pub kind: GroundKind,
    /// Of which session.
    pub session: Option<SessionId>,
    /// When it was so, or since when it is.
    pub at: DateTime<Utc>,
    /// Until when a session lives unless it is heard from before.
    pub until: Option<DateTime<Utc>>,
    /// How many tasks, locks or places there are; 1 of everything else.
    pub count: u32,
}

/// How an agent is, and why that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How it is.
    pub status: Status,
    /// What that is based on, the most telling first.
    pub grounds: Vec<Ground>,
    /// The last sign of life of any session, written down every tenth of its TTL.
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// Judges how an agent is.
///
/// Who holds a task is working, whatever else it does; who stands in line without one is waiting, also with locks in its
/// hands. Silence of all its sessions outweighs what they hold: it says who holds on, not who is there.
pub fn judge(record: &AgentRecord, signs: &Signs, now: DateTime<Utc>) -> Verdict {
    let last_seen_at = signs.last_seen_at();
    let verdict = |status, grounds| Verdict { status, grounds, last_seen_at };
    if let Some(at) = record.deregistered_at {
        return verdict(Status::Dead, vec![bare(GroundKind::Deregistered, at)]);
    }
    let live: Vec<&SessionSigns> = signs.sessions.iter().filter(|session| session.is_live(now)).collect();
    let has = |of: fn(&SessionSigns) -> Held| live.iter().any(|session| of(session).count > 0);
    let status = match signs.sessions.iter().max_by_key(|session| (session.live_until, &session.id)) {
        None => return verdict(Status::Unreachable, vec![bare(GroundKind::NeverSeen, record.registered_at)]),
        Some(last) if live.is_empty() => return verdict(Status::Dead, vec![ended(last)]),
        Some(_) if live.iter().all(|session| session.is_silent(now)) => Status::Unreachable,
        Some(_) if has(|session| session.tasks) => Status::Working,
        Some(_) if has(|session| session.places) => Status::Waiting,
        Some(_) if has(|session| session.locks) => Status::Working,
        Some(_) => Status::Idle,
    };
    let mut grounds: Vec<Ground> = live.iter().flat_map(|session| grounds_of(session, now)).collect();
    grounds.sort_by_key(|ground| std::cmp::Reverse((weight(status, ground.kind), ground.at)));
    verdict(status, grounds)
}

/// How much a ground tells about a status.
fn weight(status: Status, kind: GroundKind) -> u32 {
    match (status, kind) {
        (Status::Unreachable, GroundKind::SessionSilent) | (Status::Working, GroundKind::Task) => 3,
        (Status::Working, GroundKind::Lock) | (Status::Waiting, GroundKind::Line) => 2,
        (_, GroundKind::SessionLive | GroundKind::SessionSilent) => 1,
        _ => 0,
    }
}

fn grounds_of(session: &SessionSigns, now: DateTime<Utc>) -> impl Iterator<Item = Ground> {
    let kind = if session.is_silent(now) { GroundKind::SessionSilent } else { GroundKind::SessionLive };
    let id = Some(session.id.clone());
    let alive =
        Ground { kind, session: id.clone(), at: session.last_seen_at, until: Some(session.live_until), count: 1 };
    let held =
        [(GroundKind::Task, session.tasks), (GroundKind::Lock, session.locks), (GroundKind::Line, session.places)];
    let held = held.into_iter().filter(|(_, held)| held.count > 0).map(move |(kind, held)| {
        let at = held.since.unwrap_or(now);
        Ground { kind, session: id.clone(), at, until: None, count: held.count }
    });
    std::iter::once(alive).chain(held)
}

fn ended(session: &SessionSigns) -> Ground {
    Ground { session: Some(session.id.clone()), ..bare(GroundKind::SessionEnded, session.live_until) }
}

const fn bare(kind: GroundKind, at: DateTime<Utc>) -> Ground {
    Ground { kind, session: None, at, until: None, count: 1 }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;

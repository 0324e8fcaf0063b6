//! Who lives, known from the answers alone.

use super::Ledger;
use crate::model::Stored;
use crate::model::command::{Command, DEFAULT_SPEAKER, SPEAKERS, able, speaker_of};
use crate::samples::{agent, session_id};
use chrono::{DateTime, TimeDelta, Utc};
use domain::agents::{Session, SessionRefusal, SessionTtl};
use domain::ids::SessionId;
use domain::locks::lease::{Ending, Holder};
use std::collections::BTreeMap;

/// A session as far as it was told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Life {
    ttl: SessionTtl,
    capabilities: usize,
    started: DateTime<Utc>,
    seen: DateTime<Utc>,
    until: DateTime<Utc>,
    is_closed: bool,
}

fn name(who: usize, incarnation: u32) -> SessionId {
    session_id(&format!("{who}.{incarnation}"))
}

fn seconds(ttl: SessionTtl) -> TimeDelta {
    TimeDelta::seconds(i64::from(ttl.seconds()))
}

impl Ledger {
    /// Whether a session can hold anything. One that was never heard of cannot.
    pub(super) fn lives(&self, session: &SessionId) -> bool {
        self.lives.get(session).is_some_and(|life| self.now < life.until)
    }

    pub(crate) fn is_started(&self, session: &SessionId) -> bool {
        self.lives.contains_key(session)
    }

    /// Who it is when a speaker calls now. The default session is made anew for whoever has lost his.
    pub(crate) fn speaker(&self, who: usize) -> Holder {
        let incarnation = self.incarnations[who];
        let current = name(who, incarnation);
        let is_lost = who == DEFAULT_SPEAKER && self.is_started(&current) && !self.lives(&current);
        let session = if is_lost { name(who, incarnation + 1) } else { current };
        Holder { agent: agent(SPEAKERS[who]), session }
    }

    /// How long a speaker's session lives without being heard from; not at all if there is none.
    pub(crate) fn life_left(&self, who: usize) -> TimeDelta {
        let life = self.lives.get(&name(who, self.incarnations[who]));
        life.map_or_else(TimeDelta::zero, |life| (life.until - self.now).max(TimeDelta::zero()))
    }

    /// Takes a new name, if the speaker has one to choose.
    pub(crate) fn restart(&mut self, who: usize) -> Option<()> {
        (who != DEFAULT_SPEAKER).then(|| self.incarnations[who] += 1)
    }

    /// A command came through: its session lives, and was heard.
    pub(super) fn heard(&mut self, command: &Command) {
        let Some(Holder { session, .. }) = command.holder().cloned() else { return };
        let who = speaker_of(&session);
        if who == DEFAULT_SPEAKER && session != name(who, self.incarnations[who]) {
            // Making a new one tells of the end of the old one.
            self.lives.get_mut(&name(who, self.incarnations[who])).unwrap().is_closed = true;
            self.incarnations[who] += 1;
        }
        let now = self.now;
        let chosen = match command {
            Command::Register(_, ttl, capabilities) => Some((*ttl, *capabilities)),
            _ => None,
        };
        let Some(life) = self.lives.get_mut(&session) else {
            let is_heartbeat = matches!(command, Command::Heartbeat(_));
            assert!(!is_heartbeat, "a heartbeat has started a session");
            let (ttl, capabilities) = chosen.unwrap_or_default();
            let until = now + seconds(ttl);
            let life = Life { ttl, capabilities, started: now, seen: now, until, is_closed: false };
            self.lives.insert(session, life);
            return;
        };
        assert!(now < life.until, "{session} was revived");
        let is_new = chosen.is_some_and(|chosen| chosen != (life.ttl, life.capabilities));
        if is_new || (now - life.seen) * 10 >= seconds(life.ttl) {
            (life.ttl, life.capabilities) = chosen.unwrap_or((life.ttl, life.capabilities));
            life.seen = now;
            life.until = life.until.max(now + seconds(life.ttl));
        }
    }

    /// A session was refused: it must be dead, or never heard of.
    pub(super) fn judge_no_session(&self, command: &Command, refusal: &SessionRefusal) {
        let id = command.holder().unwrap().session.clone();
        let expected = match self.lives.get(&id) {
            Some(life) if self.now < life.until => panic!("{command:?} was refused: {refusal:?}"),
            Some(life) => SessionRefusal::Ended { id, ended_at: life.until },
            None if matches!(command, Command::Heartbeat(_)) => SessionRefusal::Unknown { id },
            None => panic!("{command:?} was refused: {refusal:?}"),
        };
        assert_eq!(*refusal, expected);
    }

    pub(super) fn close(&mut self, session: &SessionId) {
        let now = self.now;
        let life = self.lives.get_mut(session).unwrap();
        life.until = now;
        life.is_closed = true;
    }

    pub(super) fn judge_reaped(&mut self, reaped: &[Session]) {
        let now = self.now;
        let dead = self.lives.iter_mut().filter(|(_, life)| !life.is_closed && life.until <= now);
        let expected: BTreeMap<SessionId, DateTime<Utc>> = dead
            .map(|(id, life)| {
                life.is_closed = true;
                (id.clone(), life.until)
            })
            .collect();
        let told = reaped.iter().map(|session| (session.id.clone(), session.ended_at.unwrap())).collect();
        assert_eq!(expected, told, "each death is told once, at its instant");
    }

    pub(super) fn judge_life(&self, session: &Session) {
        let life = self.lives[&session.id];
        assert_eq!((session.ttl, session.last_seen_at, session.live_until), (life.ttl, life.seen, life.until));
        assert_eq!(session.offers, able(life.capabilities));
    }

    /// Compares with what the stores hold.
    pub(super) fn compare_sessions(&self, stored: &Stored) {
        let told: BTreeMap<SessionId, Life> = stored
            .sessions
            .iter()
            .map(|session| {
                let Session { id, ttl, offers, started_at, last_seen_at, live_until, ended_at, .. } = session.clone();
                let capabilities = offers.capabilities.len();
                assert_eq!(offers, able(capabilities));
                assert!(ended_at.is_none_or(|at| at == live_until), "{session:?}");
                assert_eq!(session.is_default, speaker_of(&id) == DEFAULT_SPEAKER);
                assert_eq!(session.is_live(self.now), self.lives(&id));
                let is_closed = ended_at.is_some();
                let (started, seen, until) = (started_at, last_seen_at, live_until);
                (id, Life { ttl, capabilities, started, seen, until, is_closed })
            })
            .collect();
        assert_eq!(told, self.lives, "the stores know of the sessions there were");
        for one in &stored.leases {
            assert_eq!(one.session_until, self.lives[&one.lease.holder.session].until);
        }
        for one in &stored.line {
            assert_eq!(one.session_until, self.lives[&one.waiter.holder.session].until);
        }
        for past in &stored.ended {
            let died = self.lives[&past.lease.holder.session].until;
            match past.ending {
                Ending::Expired => assert!(past.ended_at == past.lease.expires_at && past.ended_at <= died, "{past:?}"),
                Ending::SessionEnded => assert_eq!(past.ended_at, died, "{past:?}"),
                Ending::Released | Ending::Replaced | Ending::HandedOver { .. } | Ending::Forced { .. } => {
                    assert!(past.ended_at <= died, "what the dead held cannot be given back: {past:?}");
                }
            }
        }
    }
}

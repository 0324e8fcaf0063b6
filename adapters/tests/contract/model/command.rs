//! The commands of a sequence, how the server runs them, and what they answer.

use crate::driver::{self, Touches, Voice};
use crate::samples::*;
use domain::agents::{Offers, Registration, Session, SessionRefusal, SessionRequest, SessionTtl};
use domain::handoffs::{Passage, Stays};
use domain::ids::{HandoffId, ProjectId, SessionId, TicketId};
use domain::locks::key::LockKey;
use domain::locks::lease::{EndedLease, Ending, Holder, Lease, Token, Ttl};
use domain::locks::refusal::LockRefusal;
use domain::locks::table::{Acquire, Acquired, LockTable, Released};
use domain::work::requires::{Claimant, Trust};
use ports::store::{Store, StoreError};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The speakers of a sequence: two of one agent among them.
pub(crate) const SPEAKERS: [&str; 4] = ["ann", "ann", "bob", "cat"];
/// The one who names no session.
pub(crate) const DEFAULT_SPEAKER: usize = 2;
/// The handoff that locks go over with.
const HANDOFF: HandoffId = HandoffId::new(Uuid::from_u128(7));
/// The most rows of a sweep or a reaping.
const ROWS_MAX: u32 = 100;

/// What a command answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Acquired(Result<Acquired, LockRefusal>),
    Renewed(Result<Vec<Lease>, LockRefusal>),
    Released(Result<Vec<Released>, LockRefusal>),
    Forced(Result<EndedLease, LockRefusal>),
    HandedOver(Result<Lease, Stays>),
    Left(Result<bool, LockRefusal>),
    Ended(Vec<EndedLease>),
    Swept(BTreeSet<Token>),
    Reaped(Vec<Session>, BTreeSet<Token>),
    /// The session is registered, or heard.
    Lives(Session),
    /// The session cannot be used, so that nothing happened.
    NoSession(SessionRefusal),
}

/// A command, with everything that was picked for it. A holder is who the speaker ought to be.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    Acquire(Acquire),
    Renew(Holder, BTreeSet<Token>, Ttl),
    Release(Holder, BTreeSet<Token>),
    Force(Token),
    /// To whoever speaks, from a session.
    HandOver(Holder, SessionId, Token, Ttl),
    Leave(Holder, TicketId),
    EndSession(Holder),
    /// With a TTL, and so many capabilities.
    Register(Holder, SessionTtl, usize),
    Heartbeat(Holder),
    Sweep,
    Reap,
}

/// Which speaker a session is or was of.
pub(crate) fn speaker_of(session: &SessionId) -> usize {
    let (who, _) = session.as_str().split_once('.').unwrap();
    who.parse().unwrap()
}

/// What an agent offers that has so many capabilities.
pub(crate) fn able(capabilities: usize) -> Offers {
    offers(&["rust", "gpu"][..capabilities])
}

impl Command {
    /// Who asks; nobody when a lease is taken away or swept.
    pub(crate) fn holder(&self) -> Option<&Holder> {
        match self {
            Self::Acquire(acquire) => Some(&acquire.holder),
            Self::Renew(holder, ..)
            | Self::Release(holder, _)
            | Self::Leave(holder, _)
            | Self::EndSession(holder)
            | Self::HandOver(holder, ..)
            | Self::Register(holder, ..)
            | Self::Heartbeat(holder) => Some(holder),
            Self::Force(_) | Self::Sweep | Self::Reap => None,
        }
    }

    fn voice(&self, project: &ProjectId) -> Option<Voice> {
        let Holder { agent, session } = self.holder()?.clone();
        let project = project.clone();
        Some(match self {
            Self::Register(_, ttl, capabilities) => {
                let (ttl, offers) = (*ttl, able(*capabilities));
                Voice::Registration(Registration { project, agent, id: session, ttl, offers })
            }
            Self::Heartbeat(_) => Voice::Heartbeat(agent, session),
            _ => {
                let named = (speaker_of(&session) != DEFAULT_SPEAKER).then(|| session.clone());
                let agent_type = able(0).agent_type;
                Voice::Call(SessionRequest { project, agent, agent_type, named }, session)
            }
        })
    }

    fn touches(&self) -> Touches {
        match self {
            Self::Acquire(acquire) => Touches::Keys(acquire.wants.keys().cloned().collect()),
            Self::Renew(_, tokens, _) | Self::Release(_, tokens) => Touches::Tokens(tokens.clone()),
            Self::Force(token) => Touches::Tokens([*token].into()),
            Self::HandOver(_, _, token, _) => Touches::Handed(*token),
            Self::EndSession(holder) => Touches::Sessions(vec![holder.session.clone()]),
            Self::Leave(..) | Self::Register(..) | Self::Heartbeat(_) | Self::Reap => Touches::Keys(Vec::new()),
            Self::Sweep => Touches::Expired(ROWS_MAX),
        }
    }

    fn decide(&self, table: &mut LockTable) -> Answer {
        match self {
            Self::Acquire(acquire) => Answer::Acquired(table.acquire(acquire)),
            Self::Renew(holder, tokens, ttl) => Answer::Renewed(table.renew(holder, tokens, *ttl)),
            Self::Release(holder, tokens) => Answer::Released(table.release(holder, tokens)),
            Self::Force(token) => Answer::Forced(table.force_release(*token, agent("boss"), reason("stuck"))),
            Self::HandOver(to, from, token, ttl) => {
                let to = Claimant {
                    holder: to.clone(),
                    agent_type: able(0).agent_type,
                    capabilities: BTreeSet::new(),
                    environment: None,
                    trust: Trust::STANDARD,
                };
                let passage = Passage { handoff: HANDOFF, from: from.clone(), to, leaving: [*token].into() };
                let stays = table.handable(*token, &passage).err();
                let moved = table.hand_over(*token, *ttl, &passage).unwrap();
                Answer::HandedOver(moved.ok_or_else(|| stays.unwrap()))
            }
            Self::Leave(holder, ticket) => Answer::Left(table.leave(holder, *ticket)),
            Self::EndSession(holder) => Answer::Ended(table.release_session(&holder.session, &Ending::SessionEnded)),
            Self::Sweep => Answer::Swept(driver::ended_tokens(table)),
            Self::Register(..) | Self::Heartbeat(_) | Self::Reap => unreachable!("nothing is asked of the table"),
        }
    }
}

/// Runs a command; answers what it said and which keys became freer.
pub(crate) async fn run(
    store: &dyn Store,
    project: &ProjectId,
    command: &Command,
) -> Result<(Answer, Vec<LockKey>), StoreError> {
    let Some(voice) = command.voice(project) else {
        if matches!(command, Command::Reap) {
            let (dead, ended) = driver::reap(store, project, ROWS_MAX).await?;
            return Ok((Answer::Reaped(dead, ended), Vec::new()));
        }
        let decision = |table: &mut LockTable| (command.decide(table), table.changes().freed());
        return driver::run(store, project, &command.touches(), decision).await;
    };
    let decision = |session: &Session, table: &mut LockTable| {
        assert_eq!(Some(&session.id), command.holder().map(|holder| &holder.session), "the wrong session");
        let answer = match command {
            Command::Register(..) | Command::Heartbeat(_) => Answer::Lives(session.clone()),
            command => command.decide(table),
        };
        (answer, table.changes().freed())
    };
    let ends = matches!(command, Command::EndSession(_));
    let answer = driver::run_as(store, project, &voice, ends, &command.touches(), decision).await?;
    Ok(answer.unwrap_or_else(|refusal| (Answer::NoSession(refusal), Vec::new())))
}

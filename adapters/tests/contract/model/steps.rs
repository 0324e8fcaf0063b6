//! The steps of a sequence. They name sessions, tokens and tickets by number, so that a shortened sequence still makes
//! sense; who and what is meant is picked when a step runs.

use crate::model::command::{Command, DEFAULT_SPEAKER, SPEAKERS};
use crate::model::ledger::Ledger;
use crate::samples::{key, ticket};
use domain::agents::SessionTtl;
use domain::locks::lease::{Mode, Token, Ttl};
use domain::locks::table::{Acquire, OnConflict};
use domain::locks::wants::{Want, Wants};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;

const UNIVERSE: [&str; 8] = ["a", "a/b", "a/**", "a/b/**", "a/bc", "**", "contract:a/b", "contract:a/**"];

/// How far back tokens and tickets are picked.
const RECENT: usize = 8;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Acquire {
        who: usize,
        wants: Vec<(usize, bool)>,
        ttl: u32,
        waits: bool,
    },
    /// Shows a ticket: its owner with its own wishes, or somebody else, or with other wishes.
    ShowTicket {
        ticket: usize,
        is_owner: bool,
        same_wants: bool,
        waits: bool,
        ttl: u32,
    },
    Renew {
        token: usize,
        is_owner: bool,
        ttl: u32,
    },
    Release {
        tokens: Vec<usize>,
        is_owner: bool,
    },
    Force {
        token: usize,
    },
    HandOver {
        token: usize,
        is_owner: bool,
        who: usize,
        ttl: u32,
    },
    Leave {
        ticket: usize,
        is_owner: bool,
    },
    EndSession {
        who: usize,
    },
    Register {
        who: usize,
        ttl: u32,
        capabilities: usize,
    },
    Heartbeat {
        who: usize,
    },
    /// Registers under a new name, whatever became of the session before.
    Restart {
        who: usize,
        ttl: u32,
        capabilities: usize,
    },
    Sweep,
    Reap,
    Pass {
        seconds: i64,
    },
    /// Passes the time to the very instant somebody's session dies unless it is heard from, or just before.
    Outlive {
        who: usize,
        almost: bool,
    },
    Reopen,
    RaiseEpoch,
}

pub(crate) fn any_step() -> BoxedStrategy<Step> {
    let who = 0..SPEAKERS.len();
    let wants = vec((0..UNIVERSE.len(), any::<bool>()), 1..=3);
    let ttl = prop::sample::select(vec![5_u32, 10, 20, 40, 100, 400]);
    let session_ttl = prop::sample::select(vec![30_u32, 30, 40, 900]);
    let mostly = || prop::bool::weighted(0.85);
    let recent = 0..RECENT;
    prop_oneof![
        10 => (who.clone(), wants, ttl.clone(), any::<bool>())
            .prop_map(|(who, wants, ttl, waits)| Step::Acquire { who, wants, ttl, waits }),
        6 => (recent.clone(), mostly(), mostly(), any::<bool>(), ttl.clone()).prop_map(
            |(ticket, is_owner, same_wants, waits, ttl)| Step::ShowTicket { ticket, is_owner, same_wants, waits, ttl }
        ),
        3 => (recent.clone(), mostly(), ttl.clone())
            .prop_map(|(token, is_owner, ttl)| Step::Renew { token, is_owner, ttl }),
        4 => (recent.clone(), mostly(), who.clone(), ttl)
            .prop_map(|(token, is_owner, who, ttl)| Step::HandOver { token, is_owner, who, ttl }),
        6 => (vec(recent.clone(), 1..=3), mostly()).prop_map(|(tokens, is_owner)| Step::Release { tokens, is_owner }),
        1 => recent.clone().prop_map(|token| Step::Force { token }),
        1 => (recent, mostly()).prop_map(|(ticket, is_owner)| Step::Leave { ticket, is_owner }),
        1 => who.clone().prop_map(|who| Step::EndSession { who }),
        2 => (who.clone(), session_ttl.clone(), 0..=2_usize)
            .prop_map(|(who, ttl, capabilities)| Step::Register { who, ttl, capabilities }),
        2 => who.clone().prop_map(|who| Step::Heartbeat { who }),
        4 => (who.clone(), session_ttl, 0..=2_usize)
            .prop_map(|(who, ttl, capabilities)| Step::Restart { who, ttl, capabilities }),
        5 => (who, any::<bool>()).prop_map(|(who, almost)| Step::Outlive { who, almost }),
        2 => Just(Step::Sweep),
        2 => Just(Step::Reap),
        7 => prop::sample::select(vec![1_i64, 3, 4, 5, 5, 10, 15, 27, 30, 30, 900]).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Reopen),
        1 => Just(Step::RaiseEpoch),
    ]
    .boxed()
}

fn wanted(keys: &[(usize, bool)]) -> Wants {
    let want = |&(number, shared): &(usize, bool)| Want {
        key: key(UNIVERSE[number]),
        mode: if shared { Mode::Shared } else { Mode::Exclusive },
    };
    Wants::try_new(keys.iter().map(want).collect()).unwrap()
}

fn next(who: usize) -> usize {
    (who + 1) % SPEAKERS.len()
}

/// The command a step means now; `None` when there is no token or ticket yet.
pub(crate) fn pick(step: Step, ledger: &mut Ledger) -> Option<Command> {
    let ttl_of = |seconds| Ttl::try_new(seconds).unwrap();
    let on_conflict = |waits: bool, ledger: &mut Ledger| {
        if waits { OnConflict::Wait(ticket(ledger.fresh_ticket())) } else { OnConflict::Refuse }
    };
    match step {
        Step::Acquire { who, wants, ttl, waits } => Some(Command::Acquire(Acquire {
            holder: ledger.speaker(who),
            wants: wanted(&wants),
            ttl: ttl_of(ttl),
            reason: None,
            ticket: None,
            on_conflict: on_conflict(waits, ledger),
        })),
        Step::ShowTicket { ticket, is_owner, same_wants, waits, ttl } => {
            let (ticket, owner, wants) = ledger.recent_ticket(ticket)?;
            let other = wanted(&[(0, true), (6, false)]);
            Some(Command::Acquire(Acquire {
                holder: ledger.speaker(if is_owner { owner } else { next(owner) }),
                wants: if same_wants { wants } else { other },
                ttl: ttl_of(ttl),
                reason: None,
                ticket: Some(ticket),
                on_conflict: on_conflict(waits, ledger),
            }))
        }
        Step::Renew { token, is_owner, ttl } => {
            let (token, owner) = ledger.recent_token(token)?;
            let who = if is_owner { owner } else { next(owner) };
            Some(Command::Renew(ledger.speaker(who), [token].into(), ttl_of(ttl)))
        }
        Step::Release { tokens, is_owner } => {
            let (_, owner) = ledger.recent_token(*tokens.first()?)?;
            let picked: BTreeSet<Token> =
                tokens.into_iter().filter_map(|token| ledger.recent_token(token)).map(|(token, _)| token).collect();
            Some(Command::Release(ledger.speaker(if is_owner { owner } else { next(owner) }), picked))
        }
        Step::Force { token } => ledger.recent_token(token).map(|(token, _)| Command::Force(token)),
        Step::HandOver { token, is_owner, who, ttl } => {
            let (token, owner) = ledger.recent_token(token)?;
            let from = ledger.speaker(if is_owner { owner } else { next(owner) }).session;
            Some(Command::HandOver(ledger.speaker(who), from, token, ttl_of(ttl)))
        }
        Step::Leave { ticket, is_owner } => {
            let (ticket, owner, _) = ledger.recent_ticket(ticket)?;
            Some(Command::Leave(ledger.speaker(if is_owner { owner } else { next(owner) }), ticket))
        }
        Step::EndSession { who } => Some(Command::EndSession(ledger.speaker(who))),
        Step::Register { who, ttl, capabilities } => {
            let speaker = ledger.speaker(who);
            // By name, only a session that is there: a new one would not be the default session.
            let may = who != DEFAULT_SPEAKER || ledger.is_started(&speaker.session);
            may.then(|| Command::Register(speaker, SessionTtl::try_new(ttl).unwrap(), capabilities))
        }
        Step::Restart { who, ttl, capabilities } => {
            ledger.restart(who)?;
            Some(Command::Register(ledger.speaker(who), SessionTtl::try_new(ttl).unwrap(), capabilities))
        }
        Step::Heartbeat { who } => Some(Command::Heartbeat(ledger.speaker(who))),
        Step::Sweep => Some(Command::Sweep),
        Step::Reap => Some(Command::Reap),
        Step::Pass { .. } | Step::Outlive { .. } | Step::Reopen | Step::RaiseEpoch => None,
    }
}

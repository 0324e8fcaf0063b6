//! The steps of a sequence. They name agents and messages by number, so that a shortened sequence still makes sense.

use proptest::prelude::*;

/// Who takes part. The last one comes and goes.
pub(crate) const AGENTS: [&str; 4] = ["ann", "bob", "cid", "dan"];
/// The one who comes and goes.
pub(crate) const GUEST: usize = 3;
/// How far back messages are picked.
const RECENT: usize = 6;

#[derive(Debug, Clone)]
pub(crate) enum To {
    /// The agents whose bits are set.
    Named(u8),
    Group(usize),
    Capability,
    Environment,
    Everyone,
    Orchestrators,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Send {
        who: usize,
        to: To,
        priority: u8,
        ack: Option<i64>,
        expires: Option<i64>,
    },
    /// Answers a recent message, to its sender.
    Reply {
        who: usize,
        message: usize,
    },
    /// Two answer each other, so many times.
    Chat {
        times: usize,
        gap: i64,
    },
    Receive {
        who: usize,
        session: usize,
        count: u32,
        visibility: u32,
    },
    Read {
        who: usize,
        message: usize,
    },
    Acknowledge {
        who: usize,
        message: usize,
    },
    Return {
        who: usize,
        session: usize,
        message: usize,
        delay: u32,
    },
    /// Receives and acknowledges again and again, as a good recipient does.
    Work {
        who: usize,
    },
    /// Receives one, returns it for later, after another session tried, and receives all there is.
    PutOff {
        who: usize,
    },
    /// Receives again and again, says nothing, and answers when it is too late.
    Neglect {
        who: usize,
    },
    Join {
        who: usize,
        group: usize,
    },
    Leave {
        who: usize,
        group: usize,
    },
    /// The guest goes, or comes back.
    ComeOrGo,
    Sweep,
    Prune {
        age: i64,
    },
    Pass {
        seconds: i64,
    },
    /// Passes the time to the next instant at which an offer lapses or something is over, or to just before.
    Await {
        almost: bool,
    },
    Reopen,
}

/// A step, and whether the server dies before it commits.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) step: Step,
    pub(crate) is_cut_off: bool,
}

pub(crate) fn any_step() -> BoxedStrategy<Sent> {
    let who = || 0..AGENTS.len();
    let group = || 0..2_usize;
    let recent = || 0..RECENT;
    let session = || 0..2_usize;
    let to = prop_oneof![
        6 => (1..16_u8).prop_map(To::Named),
        4 => group().prop_map(To::Group),
        1 => Just(To::Capability),
        1 => Just(To::Environment),
        2 => Just(To::Everyone),
        1 => Just(To::Orchestrators),
    ];
    let ahead = || prop::option::weighted(0.25, prop::sample::select(vec![1_i64, 20, 60, 400]));
    let ack = prop::option::weighted(0.3, prop::sample::select(vec![10_i64, 60, 1_000, 100_000]));
    let priority = prop::sample::select(vec![1_u8, 2, 5, 5, 10]);
    let visibility = || prop::sample::select(vec![5_u32, 10, 60, 60]);
    let step = prop_oneof![
        12 => (who(), to, priority, ack, ahead())
            .prop_map(|(who, to, priority, ack, expires)| Step::Send { who, to, priority, ack, expires }),
        5 => (who(), recent()).prop_map(|(who, message)| Step::Reply { who, message }),
        1 => (2..14_usize, prop::sample::select(vec![0_i64, 15, 20])).prop_map(|(times, gap)| Step::Chat { times, gap }),
        12 => (who(), session(), prop::sample::select(vec![1_u32, 1, 2, 3, 50]), visibility())
            .prop_map(|(who, session, count, visibility)| Step::Receive { who, session, count, visibility }),
        4 => (who(), recent()).prop_map(|(who, message)| Step::Read { who, message }),
        6 => (who(), recent()).prop_map(|(who, message)| Step::Acknowledge { who, message }),
        9 => (who(), session(), recent(), prop::sample::select(vec![0_u32, 7, 100]))
            .prop_map(|(who, session, message, delay)| Step::Return { who, session, message, delay }),
        3 => who().prop_map(|who| Step::Work { who }),
        3 => who().prop_map(|who| Step::PutOff { who }),
        3 => who().prop_map(|who| Step::Neglect { who }),
        5 => (who(), group()).prop_map(|(who, group)| Step::Join { who, group }),
        2 => (who(), group()).prop_map(|(who, group)| Step::Leave { who, group }),
        1 => Just(Step::ComeOrGo),
        4 => Just(Step::Sweep),
        1 => prop::sample::select(vec![0_i64, 30, 300]).prop_map(|age| Step::Prune { age }),
        6 => prop::sample::select(vec![1_i64, 5, 5, 10, 30, 60, 700]).prop_map(|seconds| Step::Pass { seconds }),
        6 => any::<bool>().prop_map(|almost| Step::Await { almost }),
        1 => Just(Step::Reopen),
    ];
    (step, prop::bool::weighted(0.08)).prop_map(|(step, is_cut_off)| Sent { step, is_cut_off }).boxed()
}

impl Step {
    /// Who takes the step, if it is one agent.
    pub(crate) fn who(&self) -> Option<usize> {
        match self {
            Self::Send { who, .. }
            | Self::Reply { who, .. }
            | Self::Receive { who, .. }
            | Self::Read { who, .. }
            | Self::Acknowledge { who, .. }
            | Self::Return { who, .. }
            | Self::Work { who }
            | Self::PutOff { who }
            | Self::Neglect { who }
            | Self::Join { who, .. }
            | Self::Leave { who, .. } => Some(*who),
            Self::Chat { .. }
            | Self::ComeOrGo
            | Self::Sweep
            | Self::Prune { .. }
            | Self::Pass { .. }
            | Self::Await { .. }
            | Self::Reopen => None,
        }
    }
}

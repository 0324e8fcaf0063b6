//! How agents can be woken.

use crate::work::content::text;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

text!(
    /// Where to wake an agent, in the words of the method, such as an address or the name of a workflow. Everybody in the
    /// project reads it, so it is no place for secrets.
    WakeDetail, "wake.detail", 512, lines: false
);

/// How an agent that does nothing can be made to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WakeMethod {
    /// Not at all: it looks when somebody starts it.
    None,
    /// It asks now and then.
    Poll,
    /// It listens to a stream.
    Stream,
    /// A hook of its own tool asks for it.
    Hook,
    /// A request to an address of its own.
    Webhook,
    /// A job that is started for it.
    CiDispatch,
    /// A program that stays and starts it.
    Resident,
}

impl WakeMethod {
    /// All methods.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Poll, Self::Stream, Self::Hook, Self::Webhook, Self::CiDispatch, Self::Resident];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Poll => "poll",
            Self::Stream => "stream",
            Self::Hook => "hook",
            Self::Webhook => "webhook",
            Self::CiDispatch => "ci_dispatch",
            Self::Resident => "resident",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

/// How an agent can be woken, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// By which means.
    pub method: WakeMethod,
    /// Where.
    pub detail: Option<WakeDetail>,
    /// When it was last seen to work.
    pub tested_at: Option<DateTime<Utc>>,
}

impl Wake {
    /// What is known of an agent that has said nothing.
    pub const UNKNOWN: Self = Self { method: WakeMethod::None, detail: None, tested_at: None };
}

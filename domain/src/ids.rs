//! Every identifier, each its own type, so that two kinds can never be swapped.
//!
//! Two families: *made* ids are UUIDs of version 7 behind a prefix (`tkt_…`), *given* ids are names that people
//! and agents choose.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The prefix is missing or the rest is no UUID.
    #[error("`{text}` is not a valid {kind}: it looks like `{prefix}_` and 32 hexadecimal digits")]
    Made {
        /// The kind of id that was expected.
        kind: &'static str,
        /// The prefix of that kind.
        prefix: &'static str,
        /// What was given, cut to 64 characters.
        text: String,
    },
    /// The name is empty, too long, or has characters outside the allowed set.
    #[error("`{text}` is not a valid {kind}: 1 to {bytes_max} characters of {allowed}")]
    Given {
        /// The kind of id that was expected.
        kind: &'static str,
        /// The greatest length in bytes.
        bytes_max: usize,
        /// The allowed characters in words.
        allowed: &'static str,
        /// What was given, cut to 64 characters.
        text: String,
    },
}

/// Defines an id made by the server: a UUID v7 shown as `prefix_<32 hex digits>`.
macro_rules! made_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID drawn by the id source.
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// Reads the prefixed form.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|hex| hex.len() == 32)
                    .and_then(|hex| Uuid::try_parse(hex).ok())
                    .map(Self)
                    .ok_or_else(|| InvalidId::Made {
                        kind: stringify!($name),
                        prefix: $prefix,
                        text: text.chars().take(64).collect(),
                    })
            }

            /// The bare UUID, as stores keep it.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }
    };
}

/// Defines an id chosen by people or agents: a short name of a fixed alphabet.
macro_rules! given_id {
    ($(#[$doc:meta])* $name:ident, $bytes_max:literal, $allowed:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The greatest length in bytes.
            pub const BYTES_MAX: usize = $bytes_max;

            /// Checks length and alphabet.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let accepts: fn(char) -> bool = $accepts;
                let fits = (1..=Self::BYTES_MAX).contains(&text.len()) && text.chars().all(accepts);
                if fits {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId::Given {
                        kind: stringify!($name),
                        bytes_max: Self::BYTES_MAX,
                        allowed: $allowed,
                        text: text.chars().take(64).collect(),
                    })
                }
            }

            /// The name itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }
    };
}

/// What names of people's and agents' choosing are made of.
pub(crate) fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@' | '/')
}

pub(crate) use given_id;

given_id!(
    /// An agent: whoever acts. Bound to the key it calls with.
    AgentId, 128, "letters, digits and - _ . : @ /", is_name_character
);
given_id!(
    /// The kind of an agent, such as `claude_code` or `ci`.
    AgentType, 64, "letters, digits and - _ . : @ /", is_name_character
);
made_id!(
    /// An alert: something that somebody has to see to.
    AlertId, "alr"
);
made_id!(
    /// One line of the audit log.
    AuditEntryId, "aud"
);
made_id!(
    /// One fact of the event log.
    FactId, "fct"
);
made_id!(
    /// A handoff: what one agent leaves to the next.
    HandoffId, "hnd"
);
given_id!(
    /// An API key's public name. Never secret.
    KeyId, 64, "lower-case letters, digits and -",
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
);
made_id!(
    /// A memory: something that happened and what was learned from it.
    MemoryId, "mem"
);
made_id!(
    /// A message from one agent to others.
    MessageId, "msg"
);
given_id!(
    /// A project: the wall between fleets. Everything belongs to one.
    ProjectId, 63, "lower-case letters, digits and -",
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
);
made_id!(
    /// A schedule: submits tasks at set times.
    ScheduleId, "sch"
);
given_id!(
    /// A session: one incarnation of an agent. Its locks are its own.
    SessionId, 128, "letters, digits and - _ . : @ /", is_name_character
);
made_id!(
    /// A task of the work queue.
    TaskId, "tsk"
);
made_id!(
    /// A place in the line for locks.
    TicketId, "tkt"
);
made_id!(
    /// A webhook: facts told to an address outside.
    WebhookId, "whk"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_id_reads_back_what_it_shows() {
        let id = TicketId::new(Uuid::from_u128(42));
        assert_eq!(TicketId::parse(&id.to_string()), Ok(id));
        assert!(TicketId::parse("aud_0000000000000000000000000000002a").is_err());
        assert!(TicketId::parse("tkt_2a").is_err());
    }

    #[test]
    fn a_given_id_has_a_limit_and_an_alphabet() {
        assert!(ProjectId::parse("team-7").is_ok());
        assert!(ProjectId::parse("").is_err());
        assert!(ProjectId::parse("Team").is_err());
        assert!(ProjectId::parse(&"a".repeat(64)).is_err());
        assert!(AgentId::parse("a b").is_err());
    }
}

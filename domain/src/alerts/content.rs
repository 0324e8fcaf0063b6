//! What people and agents read in alerts, each with its limit.

use crate::ids::{InvalidId, given_id, is_name_character};
use crate::work::content::text;
use serde::{Deserialize, Serialize};

given_id!(
    /// What an alert is about, so that it is raised once: as long as one is not resolved, another of the same key raises
    /// its count.
    DedupKey, 200, "letters, digits and - _ . : @ /", is_name_character
);
text!(
    /// An alert in one line.
    AlertTitle, "title", 256, lines: false
);
text!(
    /// An alert at length.
    AlertDetail, "detail", 8 * 1024, lines: true
);

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To be known.
    Info,
    /// To be looked at some time.
    Warning,
    /// To be looked at soon.
    Error,
    /// To be looked at now.
    Critical,
}

impl Severity {
    /// The name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// One up; the worst stays.
    #[must_use]
    pub const fn worse(self) -> Self {
        match self {
            Self::Info => Self::Warning,
            Self::Warning => Self::Error,
            Self::Error | Self::Critical => Self::Critical,
        }
    }
}

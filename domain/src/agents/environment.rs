//! Where agents run.

use crate::ids::{InvalidId, given_id, is_name_character};
use crate::work::name::Environment;
use serde::{Deserialize, Serialize};

given_id!(
    /// More about where an agent runs, such as `railway` or `github`.
    EnvironmentTag, 64, "letters, digits and - _ . : @ /", is_name_character
);

impl From<Environment> for EnvironmentTag {
    fn from(environment: Environment) -> Self {
        Self(environment.into())
    }
}

/// The kind of place an agent runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentKind {
    /// A person's computer.
    Pc,
    /// A machine that is rented.
    Cloud,
    /// A job of continuous integration.
    Ci,
    /// Somewhere else, or nobody said.
    Other,
}

impl EnvironmentKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Pc, Self::Cloud, Self::Ci, Self::Other];

    /// The name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pc => "pc",
            Self::Cloud => "cloud",
            Self::Ci => "ci",
            Self::Other => "other",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The kind and the tag that a session's environment stands for: a kind's own name is that kind, any other text is a
    /// tag of [`Self::Other`].
    pub fn of(environment: Option<Environment>) -> (Self, Option<EnvironmentTag>) {
        match environment.map(|environment| (Self::parse(environment.as_str()), environment)) {
            None => (Self::Other, None),
            Some((Some(kind), _)) => (kind, None),
            Some((None, environment)) => (Self::Other, Some(environment.into())),
        }
    }
}

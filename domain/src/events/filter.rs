//! Which facts somebody wants.

use crate::events::Fact;
use crate::ids::AgentId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Which facts somebody wants: those that fit every set that is not empty. Made by [`FactFilter::try_new`], or stored after
/// that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactFilter {
    contexts: BTreeSet<String>,
    kinds: BTreeSet<String>,
    subjects: BTreeSet<String>,
    agents: BTreeSet<AgentId>,
}

/// Why a filter is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFactFilter {
    /// A set is too large.
    #[error("more than {max} values", max = FactFilter::VALUES_MAX)]
    TooMany {
        /// The set.
        field: &'static str,
    },
    /// A text is empty, too long, or has control characters.
    #[error("1 to {bytes_max} bytes without control characters")]
    Text {
        /// The set.
        field: &'static str,
        /// The greatest length in bytes.
        bytes_max: usize,
    },
}

impl InvalidFactFilter {
    /// The set that is wrong: `context`, `kind`, `subject` or `agent`.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::TooMany { field } | Self::Text { field, .. } => field,
        }
    }
}

impl FactFilter {
    /// How many values there may be of each sort.
    pub const VALUES_MAX: usize = 32;

    /// The greatest length of a context or a kind in bytes.
    pub const KIND_BYTES_MAX: usize = 64;

    /// The greatest length of a subject in bytes.
    pub const SUBJECT_BYTES_MAX: usize = 1_024;

    /// Checks the numbers and lengths. Empty sets let everything through.
    pub fn try_new(
        contexts: BTreeSet<String>,
        kinds: BTreeSet<String>,
        subjects: BTreeSet<String>,
        agents: BTreeSet<AgentId>,
    ) -> Result<Self, InvalidFactFilter> {
        check("context", &contexts, Self::KIND_BYTES_MAX)?;
        check("kind", &kinds, Self::KIND_BYTES_MAX)?;
        check("subject", &subjects, Self::SUBJECT_BYTES_MAX)?;
        if agents.len() > Self::VALUES_MAX {
            return Err(InvalidFactFilter::TooMany { field: "agent" });
        }
        Ok(Self { contexts, kinds, subjects, agents })
    }

    /// Whether every fact is let through.
    pub fn is_open(&self) -> bool {
        let Self { contexts, kinds, subjects, agents } = self;
        contexts.is_empty() && kinds.is_empty() && subjects.is_empty() && agents.is_empty()
    }

    /// Whether a fact is wanted.
    pub fn admits(&self, fact: &Fact) -> bool {
        let Self { contexts, kinds, subjects, agents } = self;
        (contexts.is_empty() || contexts.contains(fact.context()))
            && (kinds.is_empty() || kinds.contains(&fact.kind))
            && (subjects.is_empty() || subjects.contains(&fact.subject))
            && (agents.is_empty() || agents.contains(&fact.agent))
    }
}

fn check(field: &'static str, texts: &BTreeSet<String>, bytes_max: usize) -> Result<(), InvalidFactFilter> {
    if texts.len() > FactFilter::VALUES_MAX {
        return Err(InvalidFactFilter::TooMany { field });
    }
    let is_good = |text: &String| (1..=bytes_max).contains(&text.len()) && !text.chars().any(char::is_control);
    if texts.iter().all(is_good) { Ok(()) } else { Err(InvalidFactFilter::Text { field, bytes_max }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{FactId, ProjectId};
    use chrono::DateTime;
    use serde_json::Value;
    use uuid::Uuid;

    fn fact(kind: &str, subject: &str, agent: &str) -> Fact {
        Fact {
            id: FactId::new(Uuid::nil()),
            project: ProjectId::parse("p").unwrap(),
            at: DateTime::UNIX_EPOCH,
            agent: AgentId::parse(agent).unwrap(),
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            body: Value::Null,
        }
    }

    fn texts(texts: &[&str]) -> BTreeSet<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn admits(contexts: &[&str], kinds: &[&str], subjects: &[&str], agents: &[&str]) -> bool {
        let agents = agents.iter().map(|agent| AgentId::parse(agent).unwrap()).collect();
        let filter = FactFilter::try_new(texts(contexts), texts(kinds), texts(subjects), agents).unwrap();
        filter.admits(&fact("lock.acquired", "src/a.rs", "ann"))
    }

    #[test]
    fn what_fits_all_sets_is_let_through() {
        assert!(admits(&[], &[], &[], &[]));
        assert!(admits(&["task", "lock"], &["lock.acquired"], &["src/a.rs"], &["bob", "ann"]));
        assert!(!admits(&["task"], &[], &[], &[]));
        assert!(!admits(&["loc"], &[], &[], &[]), "not a part of a word");
        assert!(!admits(&["lock"], &["lock.released"], &[], &[]));
        assert!(!admits(&[], &["lock"], &[], &[]), "a context is no kind");
        assert!(!admits(&[], &[], &["src"], &[]));
        assert!(!admits(&[], &["lock.acquired"], &["src/a.rs"], &["bob"]));
    }

    #[test]
    fn what_is_too_much_is_refused_with_its_name() {
        let many: BTreeSet<String> = (0..=FactFilter::VALUES_MAX).map(|number| number.to_string()).collect();
        let none = BTreeSet::new;
        let refused = |contexts, kinds, subjects| {
            FactFilter::try_new(contexts, kinds, subjects, BTreeSet::new()).unwrap_err().field()
        };
        assert_eq!(refused(many.clone(), none(), none()), "context");
        assert_eq!(refused(none(), texts(&[""]), none()), "kind");
        assert_eq!(refused(none(), texts(&["a\u{0}"]), none()), "kind");
        assert_eq!(refused(none(), none(), texts(&[&"a".repeat(1_025)])), "subject");
        assert!(FactFilter::try_new(none(), none(), texts(&[&"a".repeat(1_024)]), BTreeSet::new()).is_ok());
        let agents = many.iter().map(|name| AgentId::parse(name).unwrap()).collect();
        assert_eq!(FactFilter::try_new(none(), none(), none(), agents).unwrap_err().field(), "agent");
    }
}

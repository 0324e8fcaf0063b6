//! Procedural memory: how things are done in a project, under names, each tried and reported on.
//!
//! A procedure has versions. A new one keeps the old, and what was reported of it. How well a procedure works is told with
//! how sure that is, see [`evidence`]; what is hardly known does not stand above what is proven.

pub mod content;
pub mod evidence;
pub mod finding;
mod outcome;
mod refusal;

pub use outcome::{About, InvalidAbout, Outcome, Report, Reported, Verdict};
pub use refusal::ProcedureRefusal;

use crate::identity::principal::Role;
use crate::ids::AgentId;
use crate::locks::lease::Reason;
use crate::memory::content::Tag;
use crate::memory::procedures::content::{HowTo, ProcedureName, ProcedureTitle};
use crate::memory::procedures::evidence::{Evidence, Tally};
use crate::work::name::TaskType;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The most procedures of a project, retired ones included.
pub const PER_PROJECT_MAX: u32 = 2_000;

/// The most versions of a procedure.
pub const VERSIONS_MAX: u32 = 200;

/// How long it is remembered who reported what, in days. The counts stay.
pub const OUTCOMES_KEPT_DAYS: i64 = 365;

/// Who wrote something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The agent.
    pub by: AgentId,
    /// When.
    pub at: DateTime<Utc>,
}

/// That a procedure is not to be followed any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// By whom.
    pub by: AgentId,
    /// When.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: Option<Reason>,
}

/// A procedure, without the words of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Procedure {
    /// Its name.
    pub name: ProcedureName,
    /// The title of its latest version.
    pub title: ProcedureTitle,
    /// The types of tasks that version is for.
    pub task_types: BTreeSet<TaskType>,
    /// The tags of that version.
    pub tags: BTreeSet<Tag>,
    /// The latest version, from 1.
    pub version: u32,
    /// Who wrote the first version.
    pub created: Signed,
    /// Who wrote the latest one.
    pub written: Signed,
    /// Whether it is retired.
    pub retired: Option<Retired>,
    /// What was reported.
    pub evidence: Evidence,
    /// How many words it is searched by.
    pub words: u32,
    /// Rises with each change: whoever saves must have read the latest.
    pub revision: u64,
}

/// One version of a procedure, without its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its number, from 1.
    pub number: u32,
    /// Who wrote it.
    pub written: Signed,
    /// What was reported of it.
    pub tally: Tally,
}

/// A version to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Of which procedure.
    pub name: ProcedureName,
    /// What it says.
    pub how: HowTo,
    /// The version it follows, 0 for none; whichever is the latest if `None`.
    pub if_version: Option<u32>,
}

/// What came of writing a version.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The procedure as it is now.
    pub procedure: Procedure,
    /// The version, if it is a new one.
    pub version: Option<Version>,
}

/// Who wants to change a procedure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Editor {
    /// The agent.
    pub agent: AgentId,
    /// What it may do.
    pub role: Role,
}

impl Procedure {
    /// Writes a version. What says the same as the latest one is no new one, but takes a procedure back into use.
    /// `others` is how many procedures the project has besides.
    pub fn write(
        draft: &Draft,
        before: Option<(&Self, &HowTo)>,
        others: u32,
        by: &AgentId,
        now: DateTime<Utc>,
    ) -> Result<Written, ProcedureRefusal> {
        let current = before.map_or(0, |(procedure, _)| procedure.version);
        if let Some(given) = draft.if_version.filter(|given| *given != current) {
            return Err(ProcedureRefusal::Changed { name: draft.name.clone(), given, current });
        }
        let written = Signed { by: by.clone(), at: now };
        let Some((before, how)) = before else {
            if others >= PER_PROJECT_MAX {
                return Err(ProcedureRefusal::TooMany);
            }
            let version = Version { number: 1, written: written.clone(), tally: Tally::default() };
            let procedure = Self {
                name: draft.name.clone(),
                title: draft.how.title().clone(),
                task_types: draft.how.words().task_types.clone(),
                tags: draft.how.words().tags.clone(),
                version: 1,
                created: written.clone(),
                written,
                retired: None,
                evidence: Evidence::default(),
                words: finding::length(&draft.name, &draft.how),
                revision: 1,
            };
            return Ok(Written { procedure, version: Some(version) });
        };
        if *how == draft.how {
            let revision = before.revision.saturating_add(u64::from(before.retired.is_some()));
            return Ok(Written { procedure: Self { retired: None, revision, ..before.clone() }, version: None });
        }
        if before.version >= VERSIONS_MAX {
            return Err(ProcedureRefusal::TooManyVersions { name: before.name.clone() });
        }
        let number = before.version.saturating_add(1);
        let procedure = Self {
            title: draft.how.title().clone(),
            task_types: draft.how.words().task_types.clone(),
            tags: draft.how.words().tags.clone(),
            version: number,
            written: written.clone(),
            retired: None,
            evidence: before.evidence.of_next_version(),
            words: finding::length(&draft.name, &draft.how),
            revision: before.revision.saturating_add(1),
            ..before.clone()
        };
        Ok(Written { procedure, version: Some(Version { number, written, tally: Tally::default() }) })
    }

    /// Marks it as not to be followed any more: who wrote it first may, and orchestrators. As it is if it was before.
    pub fn retire(&self, by: &Editor, reason: Option<Reason>, now: DateTime<Utc>) -> Result<Self, ProcedureRefusal> {
        self.may_take_back(by)?;
        if self.retired.is_some() {
            return Ok(self.clone());
        }
        let retired = Some(Retired { by: by.agent.clone(), at: now, reason });
        Ok(Self { retired, revision: self.revision.saturating_add(1), ..self.clone() })
    }

    /// Whether it may be retired or deleted by somebody.
    pub fn may_take_back(&self, by: &Editor) -> Result<(), ProcedureRefusal> {
        if self.created.by == by.agent || by.role >= Role::Orchestrator {
            Ok(())
        } else {
            Err(ProcedureRefusal::NotYours { name: self.name.clone(), author: self.created.by.clone() })
        }
    }
}

#[cfg(test)]
#[path = "procedures_tests.rs"]
mod tests;

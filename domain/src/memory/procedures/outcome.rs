//! Reports of how a procedure went.

use crate::ids::{AgentId, SessionId, TaskId};
use crate::memory::procedures::content::OutcomeNote;
use crate::memory::procedures::{Procedure, ProcedureRefusal};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Well.
    Success,
    /// Not well.
    Failure,
}

impl Verdict {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Success, Self::Failure];

    /// The name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

/// On what occasion a procedure was followed. An agent has one report of each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum About {
    /// For a task.
    Task(TaskId),
    /// In a session, for no task.
    Session(SessionId),
}

/// Not the name of an occasion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no occasion of a report: {text:?}")]
pub struct InvalidAbout {
    /// What was read.
    pub text: String,
}

impl From<About> for String {
    fn from(about: About) -> Self {
        match about {
            About::Task(task) => format!("task/{task}"),
            About::Session(session) => format!("session/{session}"),
        }
    }
}

impl TryFrom<String> for About {
    type Error = InvalidAbout;
    fn try_from(text: String) -> Result<Self, InvalidAbout> {
        let read = match text.split_once('/') {
            Some(("task", id)) => TaskId::parse(id).ok().map(Self::Task),
            Some(("session", id)) => SessionId::parse(id).ok().map(Self::Session),
            _ => None,
        };
        read.ok_or(InvalidAbout { text })
    }
}

/// What an agent reported, the last time it did about one occasion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Who.
    pub by: AgentId,
    /// On what occasion.
    pub about: About,
    /// In which session.
    pub session: SessionId,
    /// Which version was followed.
    pub version: u32,
    /// How it went.
    pub verdict: Verdict,
    /// In words.
    pub note: Option<OutcomeNote>,
    /// When it was reported.
    pub at: DateTime<Utc>,
}

/// A report to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Who.
    pub by: AgentId,
    /// On what occasion.
    pub about: About,
    /// In which session.
    pub session: SessionId,
    /// Which version was followed; the latest if `None`.
    pub version: Option<u32>,
    /// How it went.
    pub verdict: Verdict,
    /// In words.
    pub note: Option<OutcomeNote>,
}

/// A report that was taken, and what it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The procedure as it is now.
    pub procedure: Procedure,
    /// The report.
    pub outcome: Outcome,
    /// What the same agent had reported about the same occasion: it does not count any more.
    pub instead_of: Option<Outcome>,
}

impl Procedure {
    /// Takes a report. An agent's last word about an occasion counts, and counts once.
    pub fn report(
        &self,
        report: Report,
        before: Option<Outcome>,
        now: DateTime<Utc>,
    ) -> Result<Reported, ProcedureRefusal> {
        let Report { by, about, session, version, verdict, note } = report;
        let version = version.unwrap_or(self.version);
        if !(1..=self.version).contains(&version) {
            return Err(ProcedureRefusal::UnknownVersion { name: self.name.clone(), version });
        }
        let age = |version: u32| self.version.saturating_sub(version);
        let evidence = before.as_ref().map_or(self.evidence, |it| self.evidence.without(it.verdict, age(it.version)));
        let procedure = Self {
            evidence: evidence.with(verdict, age(version)),
            revision: self.revision.saturating_add(1),
            ..self.clone()
        };
        let outcome = Outcome { by, about, session, version, verdict, note, at: now };
        Ok(Reported { procedure, outcome, instead_of: before })
    }
}

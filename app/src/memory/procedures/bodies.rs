//! What requests about procedures look like on the wire, and what they mean.

use crate::http::problem::Problem;
use crate::memory::procedures::reporting::Experience;
use domain::ids::TaskId;
use domain::locks::lease::Reason;
use domain::memory::content::Tag;
use domain::memory::procedures::content::{
    AppliesWhen, AvoidWhen, HowTo, HowToWords, OutcomeNote, Precondition, ProcedureDescription, ProcedureName,
    ProcedureTitle, Step,
};
use domain::memory::procedures::{Draft, Verdict};
use domain::work::name::TaskType;
use poem_openapi::{Enum, Object};
use std::collections::BTreeSet;
use std::fmt::Display;

/// A version of a procedure to write. All of it together may have 64 KiB.
#[derive(Debug, Clone, Object)]
#[oai(rename = "WriteProcedure", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct WriteProcedureBody {
    /// What it is for, in one line.
    #[oai(validator(min_length = 1, max_length = 256))]
    pub title: String,
    /// What it is for, at length; at most 8 KiB.
    #[oai(validator(min_length = 1, max_length = 8192))]
    pub description: Option<String>,
    /// The types of tasks it is for. At most 16.
    #[oai(validator(max_items = 16))]
    pub task_types: Option<Vec<String>>,
    /// What must be so before the first step. At most 20 things of 1 KiB.
    #[oai(validator(max_items = 20))]
    pub preconditions: Option<Vec<String>>,
    /// When it is the right thing to do; at most 2 KiB.
    #[oai(validator(min_length = 1, max_length = 2048))]
    pub applies_when: Option<String>,
    /// When it is the wrong thing to do; at most 2 KiB.
    #[oai(validator(min_length = 1, max_length = 2048))]
    pub avoid_when: Option<String>,
    /// What to do, in order. 1 to 100 steps of 2 KiB.
    #[oai(validator(min_items = 1, max_items = 100))]
    pub steps: Vec<String>,
    /// What it is found by besides. At most 20, with neither spaces nor commas in them.
    #[oai(validator(max_items = 20))]
    pub tags: Option<Vec<String>>,
    /// Write only if this is the latest version, or, with 0, if there is none.
    pub if_version: Option<u32>,
}

impl WriteProcedureBody {
    /// Reads it, as a version of the procedure of this name.
    pub fn read(self, name: &str) -> Result<Draft, Problem> {
        let words = HowToWords {
            title: ProcedureTitle::parse(&self.title).map_err(|error| Problem::invalid("title", &error))?,
            description: one("description", self.description.as_deref(), ProcedureDescription::parse)?,
            task_types: all("task_types", self.task_types, TaskType::parse)?.into_iter().collect::<BTreeSet<_>>(),
            preconditions: all("preconditions", self.preconditions, Precondition::parse)?,
            applies_when: one("applies_when", self.applies_when.as_deref(), AppliesWhen::parse)?,
            avoid_when: one("avoid_when", self.avoid_when.as_deref(), AvoidWhen::parse)?,
            steps: all("steps", Some(self.steps), Step::parse)?,
            tags: all("tags", self.tags, Tag::parse)?.into_iter().collect::<BTreeSet<_>>(),
        };
        let how = HowTo::try_new(words).map_err(|error| Problem::invalid(error.field, &error))?;
        Ok(Draft { name: procedure_name(name)?, how, if_version: self.if_version })
    }
}

fn one<T, E: Display>(
    field: &str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Problem> {
    text.map(parse).transpose().map_err(|error| Problem::invalid(field, &error))
}

fn all<T, E: Display>(
    field: &str,
    texts: Option<Vec<String>>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, Problem> {
    let read =
        |(at, text): (usize, &String)| parse(text).map_err(|error| Problem::invalid(&format!("{field}[{at}]"), &error));
    texts.unwrap_or_default().iter().enumerate().map(read).collect()
}

/// How following a procedure went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "ProcedureVerdict", rename_all = "snake_case")]
pub enum VerdictBody {
    /// Well.
    Success,
    /// Not well.
    Failure,
}

impl From<VerdictBody> for Verdict {
    fn from(verdict: VerdictBody) -> Self {
        match verdict {
            VerdictBody::Success => Self::Success,
            VerdictBody::Failure => Self::Failure,
        }
    }
}

impl From<Verdict> for VerdictBody {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Success => Self::Success,
            Verdict::Failure => Self::Failure,
        }
    }
}

/// A report of how following a procedure went.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ReportProcedureOutcome", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct ReportBody {
    /// How it went.
    pub outcome: VerdictBody,
    /// Which version was followed; the latest if left out.
    #[oai(validator(minimum(value = "1")))]
    pub version: Option<u32>,
    /// For which task; if left out, the report is about your session.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub task_id: Option<String>,
    /// In words; at most 1 KiB.
    #[oai(validator(min_length = 1, max_length = 1024))]
    pub note: Option<String>,
}

impl ReportBody {
    /// Reads it, about the procedure of this name.
    pub fn read(self, name: &str) -> Result<Experience, Problem> {
        Ok(Experience {
            name: procedure_name(name)?,
            version: self.version,
            task: one("task_id", self.task_id.as_deref(), TaskId::parse)?,
            verdict: self.outcome.into(),
            note: one("note", self.note.as_deref(), OutcomeNote::parse)?,
        })
    }
}

/// Why a procedure is not to be followed any more.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RetireProcedure", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct RetireBody {
    /// In words.
    #[oai(validator(min_length = 1, max_length = 512))]
    pub reason: Option<String>,
}

impl RetireBody {
    /// Reads it.
    pub fn read(self) -> Result<Option<Reason>, Problem> {
        one("reason", self.reason.as_deref(), Reason::parse)
    }
}

/// Reads a name.
pub fn procedure_name(text: &str) -> Result<ProcedureName, Problem> {
    ProcedureName::parse(text).map_err(|error| Problem::invalid("name", &error))
}

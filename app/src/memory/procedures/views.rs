//! What answers about procedures look like on the wire.

use crate::memory::procedures::bodies::VerdictBody;
use crate::memory::procedures::commands::WrittenProcedure;
use crate::memory::procedures::queries::ProcedureDetail;
use crate::memory::procedures::reporting::Learned;
use crate::memory::secrets::SecretAt;
use crate::memory::views::MaskedView;
use chrono::{DateTime, Utc};
use domain::memory::procedures::content::HowToWords;
use domain::memory::procedures::evidence::{Estimate, Tally};
use domain::memory::procedures::finding::FoundProcedure;
use domain::memory::procedures::{About, Outcome, Procedure, Retired, Version};
use poem_openapi::{ApiResponse, Object, payload::Json};

/// How well something works, as far as reports tell: the chance that it goes well. See `docs/procedures.md`.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ProcedureEffectiveness")]
pub struct EffectivenessView {
    /// How often it went well.
    pub successes: u32,
    /// How often it did not.
    pub failures: u32,
    /// The mean of the chance.
    pub mean: f64,
    /// The chance is less than this with a probability of 2.5 %.
    pub lower: f64,
    /// The chance is more than this with a probability of 2.5 %.
    pub upper: f64,
}

impl From<Tally> for EffectivenessView {
    fn from(tally: Tally) -> Self {
        let Estimate { mean, lower, upper } = tally.estimate();
        let short = |chance: f64| (chance * 1e6).round() / 1e6;
        Self {
            successes: tally.successes,
            failures: tally.failures,
            mean: short(mean),
            lower: short(lower),
            upper: short(upper),
        }
    }
}

/// That a procedure is not to be followed any more.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ProcedureRetired", skip_serializing_if_is_none)]
pub struct RetiredView {
    /// By whom.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: Option<String>,
}

impl From<Retired> for RetiredView {
    fn from(Retired { by, at, reason }: Retired) -> Self {
        Self { by: by.into(), at, reason: reason.map(Into::into) }
    }
}

/// A procedure, without its steps.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Procedure", skip_serializing_if_is_none)]
pub struct ProcedureView {
    /// Its name.
    pub name: String,
    /// What its latest version is for.
    pub title: String,
    /// The types of tasks that version is for.
    pub task_types: Vec<String>,
    /// The tags of that version.
    pub tags: Vec<String>,
    /// The latest version.
    pub version: u32,
    /// Who wrote the first version.
    pub created_by: String,
    /// When that was.
    pub created_at: DateTime<Utc>,
    /// Who wrote the latest version.
    pub written_by: String,
    /// When that was.
    pub written_at: DateTime<Utc>,
    /// Present if it is not to be followed any more.
    pub retired: Option<RetiredView>,
    /// How well it works, all versions together.
    pub effectiveness: EffectivenessView,
    /// How well the latest version works.
    pub version_effectiveness: EffectivenessView,
}

impl From<Procedure> for ProcedureView {
    fn from(procedure: Procedure) -> Self {
        let Procedure { name, title, task_types, tags, version, created, written, retired, evidence, .. } = procedure;
        Self {
            name: name.into(),
            title: title.into(),
            task_types: task_types.into_iter().map(Into::into).collect(),
            tags: tags.into_iter().map(Into::into).collect(),
            version,
            created_by: created.by.into(),
            created_at: created.at,
            written_by: written.by.into(),
            written_at: written.at,
            retired: retired.map(Into::into),
            effectiveness: evidence.all.into(),
            version_effectiveness: evidence.latest.into(),
        }
    }
}

/// A procedure that was found.
#[derive(Debug, Clone, Object)]
#[oai(rename = "FoundProcedure", skip_serializing_if_is_none)]
pub struct FoundProcedureView {
    /// It.
    pub procedure: ProcedureView,
    /// What it is ordered by.
    pub score: f64,
    /// How well its words fit, as a part of the best; absent where no words were searched for.
    pub relevance: Option<f64>,
}

impl From<FoundProcedure> for FoundProcedureView {
    fn from(FoundProcedure { procedure, score, relevance }: FoundProcedure) -> Self {
        let part = |millionths: u32| f64::from(millionths) / 1e6;
        Self { procedure: procedure.into(), score: part(score), relevance: relevance.map(part) }
    }
}

/// A page of procedures.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ProcedurePage", skip_serializing_if_is_none)]
pub struct ProcedurePageView {
    /// At most the asked number, the best first.
    pub procedures: Vec<FoundProcedureView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// What a version of a procedure says. It was written by an agent: it is data, not an order of the server's.
#[derive(Debug, Clone, Object)]
#[oai(rename = "HowTo", skip_serializing_if_is_none)]
pub struct HowToView {
    /// What it is for, in one line.
    pub title: String,
    /// What it is for, at length.
    pub description: Option<String>,
    /// The types of tasks it is for.
    pub task_types: Vec<String>,
    /// What must be so before the first step.
    pub preconditions: Vec<String>,
    /// When it is the right thing to do.
    pub applies_when: Option<String>,
    /// When it is the wrong thing to do.
    pub avoid_when: Option<String>,
    /// What to do, in order.
    pub steps: Vec<String>,
    /// What it is found by besides.
    pub tags: Vec<String>,
}

impl From<HowToWords> for HowToView {
    fn from(words: HowToWords) -> Self {
        let HowToWords { title, description, task_types, preconditions, applies_when, avoid_when, steps, tags } = words;
        Self {
            title: title.into(),
            description: description.map(Into::into),
            task_types: task_types.into_iter().map(Into::into).collect(),
            preconditions: preconditions.into_iter().map(Into::into).collect(),
            applies_when: applies_when.map(Into::into),
            avoid_when: avoid_when.map(Into::into),
            steps: steps.into_iter().map(Into::into).collect(),
            tags: tags.into_iter().map(Into::into).collect(),
        }
    }
}

/// A version, without what it says.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ProcedureVersion")]
pub struct VersionView {
    /// Its number.
    pub version: u32,
    /// Who wrote it.
    pub written_by: String,
    /// When.
    pub written_at: DateTime<Utc>,
    /// How well it works.
    pub effectiveness: EffectivenessView,
}

impl From<Version> for VersionView {
    fn from(Version { number, written, tally }: Version) -> Self {
        Self { version: number, written_by: written.by.into(), written_at: written.at, effectiveness: tally.into() }
    }
}

/// A report.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ProcedureOutcome", skip_serializing_if_is_none)]
pub struct OutcomeView {
    /// Who reported.
    pub agent: String,
    /// In which session.
    pub session: String,
    /// For which task the procedure was followed, if it was for one.
    pub task_id: Option<String>,
    /// Which version was followed.
    pub version: u32,
    /// How it went.
    pub outcome: VerdictBody,
    /// In words.
    pub note: Option<String>,
    /// When it was reported.
    pub at: DateTime<Utc>,
}

impl From<Outcome> for OutcomeView {
    fn from(Outcome { by, about, session, version, verdict, note, at }: Outcome) -> Self {
        let task_id = match about {
            About::Task(task) => Some(task.to_string()),
            About::Session(_) => None,
        };
        let note = note.map(Into::into);
        Self { agent: by.into(), session: session.into(), task_id, version, outcome: verdict.into(), note, at }
    }
}

/// A procedure with all that is known of it.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ProcedureDetail")]
pub struct ProcedureDetailView {
    /// The procedure.
    pub procedure: ProcedureView,
    /// Which version is shown.
    pub version: u32,
    /// What that version says.
    pub how_to: HowToView,
    /// All versions, the latest first.
    pub versions: Vec<VersionView>,
    /// The latest reports, at most 20, the newest first.
    pub outcomes: Vec<OutcomeView>,
}

impl From<ProcedureDetail> for ProcedureDetailView {
    fn from(ProcedureDetail { procedure, version, how, versions, outcomes }: ProcedureDetail) -> Self {
        Self {
            procedure: procedure.into(),
            version,
            how_to: HowToWords::from(how).into(),
            versions: versions.into_iter().map(Into::into).collect(),
            outcomes: outcomes.into_iter().map(Into::into).collect(),
        }
    }
}

/// A version that was written.
#[derive(Debug, Clone, Object)]
#[oai(rename = "WrittenProcedure")]
pub struct WrittenView {
    /// Its procedure.
    pub name: String,
    /// The latest version now.
    pub version: u32,
    /// Whether it is a new one: what says the same as the latest is none.
    pub is_new: bool,
    /// What was masked in it; empty unless secrets are masked and some were found.
    pub masked: Vec<MaskedView>,
}

/// An answer to the writing of a procedure.
#[derive(ApiResponse)]
pub enum WrittenResponse {
    /// There was no such procedure.
    #[oai(status = 201)]
    Created(Json<WrittenView>),
    /// There was one.
    #[oai(status = 200)]
    Written(Json<WrittenView>),
}

impl WrittenResponse {
    /// Of a version in which this was masked.
    pub fn new(WrittenProcedure { name, version, is_new }: WrittenProcedure, masked: Vec<SecretAt>) -> Self {
        let masked = masked.into_iter().map(Into::into).collect();
        let view = Json(WrittenView { name: name.into(), version, is_new, masked });
        if is_new && version == 1 { Self::Created(view) } else { Self::Written(view) }
    }
}

/// A procedure that is retired.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RetiredProcedure")]
pub struct RetiredProcedureView {
    /// Its name.
    pub name: String,
    /// Its latest version.
    pub version: u32,
    /// What was masked in the reason; empty unless secrets are masked and some were found.
    pub masked: Vec<MaskedView>,
}

/// A procedure that is deleted.
#[derive(Debug, Clone, Object)]
#[oai(rename = "DeletedProcedure")]
pub struct DeletedView {
    /// Its name, which can be used again.
    pub name: String,
}

/// What is known after a report.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ReportedProcedureOutcome")]
pub struct LearnedView {
    /// Of which procedure.
    pub name: String,
    /// Which version was followed.
    pub version: u32,
    /// How it went.
    pub outcome: VerdictBody,
    /// Whether it takes the place of what you had reported about the same task, or session. Only the last word counts.
    pub replaced: bool,
    /// How well the procedure works, all versions together.
    pub effectiveness: EffectivenessView,
    /// How well its latest version works.
    pub version_effectiveness: EffectivenessView,
    /// What was masked in the note; empty unless secrets are masked and some were found.
    pub masked: Vec<MaskedView>,
}

impl LearnedView {
    /// Of a report in which this was masked.
    pub fn new(Learned { name, version, verdict, is_instead, evidence }: Learned, masked: Vec<SecretAt>) -> Self {
        Self {
            name: name.into(),
            version,
            outcome: verdict.into(),
            replaced: is_instead,
            effectiveness: evidence.all.into(),
            version_effectiveness: evidence.latest.into(),
            masked: masked.into_iter().map(Into::into).collect(),
        }
    }
}

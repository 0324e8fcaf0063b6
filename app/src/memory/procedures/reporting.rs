//! Reports of how procedures went.

use crate::agents::enter::enter;
use crate::call::Call;
use crate::executor::{Command, Decision, Executor, Scene};
use crate::memory::procedures::happenings::happening;
use crate::memory::secrets::{SecretAt, SecretsPolicy};
use crate::refusal::CallError;
use async_trait::async_trait;
use domain::identity::principal::Action;
use domain::ids::{SessionId, TaskId};
use domain::memory::procedures::content::{OutcomeNote, ProcedureName};
use domain::memory::procedures::evidence::Evidence;
use domain::memory::procedures::{About, ProcedureRefusal, Report, Verdict};
use ports::store::{StoreError, UnitOfWork};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a caller reports.
#[derive(Debug, Clone)]
pub struct Experience {
    /// Of which procedure.
    pub name: ProcedureName,
    /// Which version was followed; the latest if `None`.
    pub version: Option<u32>,
    /// For which task; for none, it is about the session.
    pub task: Option<TaskId>,
    /// How it went.
    pub verdict: Verdict,
    /// In words.
    pub note: Option<OutcomeNote>,
}

/// What is known after a report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Learned {
    /// Of which procedure.
    pub name: ProcedureName,
    /// Which version was followed.
    pub version: u32,
    /// How it went.
    pub verdict: Verdict,
    /// Whether it takes the place of what the caller had reported about the same occasion.
    pub is_instead: bool,
    /// All that was reported.
    pub evidence: Evidence,
}

/// Takes reports.
#[derive(Clone)]
pub struct ReportOutcomes {
    executor: Executor,
    secrets: SecretsPolicy,
}

impl ReportOutcomes {
    /// Writes through the executor.
    pub fn new(executor: Executor, secrets: SecretsPolicy) -> Self {
        Self { executor, secrets }
    }

    /// Takes a report; answers also what was masked in it.
    pub async fn report(&self, call: &Call, what: Experience) -> Result<(Learned, Vec<SecretAt>), CallError> {
        let note = self.secrets.clean("note", what.note)?;
        let session = enter(&self.executor, call).await?;
        let command = ReportOutcome { session, what: Experience { note: note.value, ..what } };
        Ok((self.executor.execute(call, &command).await?.answer, note.masked))
    }
}

/// Takes a report.
#[derive(Debug, Clone)]
struct ReportOutcome {
    session: SessionId,
    what: Experience,
}

#[async_trait]
impl Command for ReportOutcome {
    const OPERATION: &'static str = "procedure.report";
    const ACTION: Action = Action::UseMemory;
    type Answer = Learned;

    fn content(&self) -> Value {
        let Experience { name, version, task, verdict, note } = &self.what;
        json!({ "name": name, "version": version, "task": task, "verdict": verdict, "note": note })
    }

    fn asked(&self) -> Value {
        let Experience { name, version, task, verdict, note: _ } = &self.what;
        json!({ "name": name, "version": version, "task": task, "verdict": verdict })
    }

    fn target(&self) -> String {
        self.what.name.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let (project, agent) = (&scene.call.project, &scene.call.principal.agent);
        let Experience { name, version, task, verdict, note } = self.what.clone();
        if let Some(id) = task
            && uow.tasks_load(project, &[id]).await?.is_empty()
        {
            return Ok(Decision::refused(ProcedureRefusal::UnknownTask { id }));
        }
        uow.procedures_lock(project).await?;
        let Some(before) = uow.procedure_find(project, &name).await? else {
            return Ok(Decision::refused(ProcedureRefusal::Unknown { name }));
        };
        let about = task.map_or_else(|| About::Session(self.session.clone()), About::Task);
        let said = uow.procedure_outcome(project, &name, agent, &about).await?;
        let report = Report { by: agent.clone(), about, session: self.session.clone(), version, verdict, note };
        let reported = match before.report(report, said, scene.now) {
            Ok(reported) => reported,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        uow.procedure_reported(project, &reported).await?;
        let outcome = &reported.outcome;
        let more = json!({ "report": {
            "by": outcome.by, "about": outcome.about, "version": outcome.version, "outcome": outcome.verdict,
            "instead_of": reported.instead_of.as_ref().map(|it| it.verdict),
        } });
        let after = Some(&reported.procedure);
        let happening = happening(Self::OPERATION, "procedure.reported", Some(&before), after, more);
        let learned = Learned {
            name,
            version: outcome.version,
            verdict,
            is_instead: reported.instead_of.is_some(),
            evidence: reported.procedure.evidence,
        };
        Ok(Decision::answered(learned, vec![happening]))
    }
}

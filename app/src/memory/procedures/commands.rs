//! Writing procedures and taking them back, one command each.

use crate::call::Call;
use crate::executor::{Command, Decision, Executor, Scene};
use crate::memory::procedures::happenings::happening;
use crate::memory::secrets::{SecretAt, SecretsPolicy};
use crate::refusal::CallError;
use async_trait::async_trait;
use domain::identity::principal::Action;
use domain::locks::lease::Reason;
use domain::memory::procedures::content::ProcedureName;
use domain::memory::procedures::finding::postings;
use domain::memory::procedures::{Draft, Editor, Procedure, ProcedureRefusal};
use ports::memory::procedures::ProcedureChange;
use ports::store::{StoreError, UnitOfWork};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A version that was written, without its words.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WrittenProcedure {
    /// Its procedure.
    pub name: ProcedureName,
    /// The latest version now.
    pub version: u32,
    /// Whether it is a new one.
    pub is_new: bool,
}

/// Writes procedures and takes them back.
#[derive(Clone)]
pub struct KeepProcedures {
    executor: Executor,
    secrets: SecretsPolicy,
}

impl KeepProcedures {
    /// Writes through the executor.
    pub fn new(executor: Executor, secrets: SecretsPolicy) -> Self {
        Self { executor, secrets }
    }

    /// Writes a version; answers also what was masked in it.
    pub async fn write(&self, call: &Call, draft: Draft) -> Result<(WrittenProcedure, Vec<SecretAt>), CallError> {
        // A name cannot be masked: it would be another one.
        let name = SecretsPolicy::Refuse.clean("name", draft.name)?.value;
        let how = self.secrets.clean("", draft.how)?;
        let draft = Draft { name, how: how.value, ..draft };
        Ok((self.executor.execute(call, &WriteProcedure { draft }).await?.answer, how.masked))
    }

    /// Marks a procedure as not to be followed any more; answers also what was masked in the reason.
    pub async fn retire(
        &self,
        call: &Call,
        name: ProcedureName,
        reason: Option<Reason>,
    ) -> Result<(u32, Vec<SecretAt>), CallError> {
        let reason = self.secrets.clean("reason", reason)?;
        let command = RetireProcedure { name, reason: reason.value };
        Ok((self.executor.execute(call, &command).await?.answer, reason.masked))
    }

    /// Deletes a procedure with all its versions.
    pub async fn delete(&self, call: &Call, name: ProcedureName) -> Result<(), CallError> {
        self.executor.execute(call, &DeleteProcedure { name }).await.map(drop)
    }
}

/// Writes a version of a procedure.
#[derive(Debug, Clone)]
struct WriteProcedure {
    draft: Draft,
}

#[async_trait]
impl Command for WriteProcedure {
    const OPERATION: &'static str = "procedure.write";
    const ACTION: Action = Action::UseMemory;
    type Answer = WrittenProcedure;

    fn content(&self) -> Value {
        let Draft { name, how, if_version } = &self.draft;
        json!({ "name": name, "how": how, "if_version": if_version })
    }

    fn asked(&self) -> Value {
        json!({ "name": self.draft.name, "if_version": self.draft.if_version })
    }

    fn target(&self) -> String {
        self.draft.name.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let (project, name) = (&scene.call.project, &self.draft.name);
        uow.procedures_lock(project).await?;
        let before = uow.procedure_find(project, name).await?;
        let how = match &before {
            Some(before) => {
                let words = uow.procedure_words(project, name, before.version).await?;
                let what = || format!("procedure_versions.content of {name}");
                Some(words.ok_or_else(|| StoreError::Corrupt { what: what(), source: "it is not there".into() })?)
            }
            None => None,
        };
        let others = if before.is_some() { 0 } else { uow.procedures_count(project).await? };
        let known = before.as_ref().zip(how.as_ref());
        let written = match Procedure::write(&self.draft, known, others, &scene.call.principal.agent, scene.now) {
            Ok(written) => written,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        let answer = WrittenProcedure {
            name: name.clone(),
            version: written.procedure.version,
            is_new: written.version.is_some(),
        };
        if before.as_ref() == Some(&written.procedure) {
            return Ok(Decision::answered(answer, Vec::new()));
        }
        let change = ProcedureChange {
            version: written.version.map(|version| (version, self.draft.how.clone())),
            postings: Some(postings(project, name, &self.draft.how)),
            procedure: written.procedure,
        };
        uow.procedure_save(project, &change).await?;
        let after = Some(&change.procedure);
        let happening = happening(Self::OPERATION, "procedure.written", before.as_ref(), after, Value::Null);
        Ok(Decision::answered(answer, vec![happening]))
    }
}

/// Marks a procedure as not to be followed any more.
#[derive(Debug, Clone)]
struct RetireProcedure {
    name: ProcedureName,
    reason: Option<Reason>,
}

#[async_trait]
impl Command for RetireProcedure {
    const OPERATION: &'static str = "procedure.retire";
    const ACTION: Action = Action::UseMemory;
    type Answer = u32;

    fn content(&self) -> Value {
        json!({ "name": self.name, "reason": self.reason })
    }

    fn asked(&self) -> Value {
        json!({ "name": self.name })
    }

    fn target(&self) -> String {
        self.name.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        uow.procedures_lock(project).await?;
        let Some(before) = uow.procedure_find(project, &self.name).await? else {
            return Ok(unknown(&self.name));
        };
        let after = match before.retire(&editor(scene), self.reason.clone(), scene.now) {
            Ok(after) => after,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        let version = after.version;
        if after == before {
            return Ok(Decision::answered(version, Vec::new()));
        }
        // Nobody finds it by its words any more.
        let change = ProcedureChange { procedure: after, version: None, postings: Some(Vec::new()) };
        uow.procedure_save(project, &change).await?;
        let after = Some(&change.procedure);
        let happening = happening(Self::OPERATION, "procedure.retired", Some(&before), after, Value::Null);
        Ok(Decision::answered(version, vec![happening]))
    }
}

/// Deletes a procedure.
#[derive(Debug, Clone)]
struct DeleteProcedure {
    name: ProcedureName,
}

#[async_trait]
impl Command for DeleteProcedure {
    const OPERATION: &'static str = "procedure.delete";
    const ACTION: Action = Action::UseMemory;
    type Answer = ();

    fn content(&self) -> Value {
        json!({ "name": self.name })
    }

    fn target(&self) -> String {
        self.name.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        uow.procedures_lock(project).await?;
        let Some(before) = uow.procedure_find(project, &self.name).await? else {
            return Ok(unknown(&self.name));
        };
        if let Err(refusal) = before.may_take_back(&editor(scene)) {
            return Ok(Decision::refused(refusal));
        }
        uow.procedure_delete(project, &self.name).await?;
        let happening = happening(Self::OPERATION, "procedure.deleted", Some(&before), None, Value::Null);
        Ok(Decision::answered((), vec![happening]))
    }
}

fn editor(scene: &Scene<'_>) -> Editor {
    let principal = &scene.call.principal;
    Editor { agent: principal.agent.clone(), role: principal.role }
}

fn unknown<T>(name: &ProcedureName) -> Decision<T> {
    Decision::refused(ProcedureRefusal::Unknown { name: name.clone() })
}

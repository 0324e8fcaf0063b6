//! Reading procedures.

use crate::call::Call;
use crate::executor::Executor;
use crate::refusal::{CallError, Refusal};
use domain::identity::principal::{Action, authorize};
use domain::identity::project::ProjectRefusal;
use domain::memory::procedures::content::{HowTo, ProcedureName};
use domain::memory::procedures::finding::{FoundProcedure, ProcedureCursor, ProcedureFilter, ProcedureQuery, find};
use domain::memory::procedures::{Outcome, Procedure, ProcedureRefusal, Version};
use domain::page::{Page, PageSize};
use ports::store::UnitOfWork;

/// The most reports that are shown with a procedure.
pub const OUTCOMES_SHOWN_MAX: u32 = 20;

/// A procedure with all that is known of it.
#[derive(Debug)]
pub struct ProcedureDetail {
    /// The procedure.
    pub procedure: Procedure,
    /// Which version it is.
    pub version: u32,
    /// What that says.
    pub how: HowTo,
    /// All versions, the latest first.
    pub versions: Vec<Version>,
    /// What was reported last, the newest first.
    pub outcomes: Vec<Outcome>,
}

/// The use cases that only read.
#[derive(Clone)]
pub struct ProcedureQueries {
    executor: Executor,
}

impl ProcedureQueries {
    /// Reads through the executor's store.
    pub fn new(executor: Executor) -> Self {
        Self { executor }
    }

    /// Finds procedures, the best first.
    pub async fn find(
        &self,
        call: &Call,
        filter: &ProcedureFilter,
        query: Option<&ProcedureQuery>,
        after: Option<&ProcedureCursor>,
        size: PageSize,
    ) -> Result<Page<FoundProcedure, ProcedureCursor>, CallError> {
        let mut uow = self.enter(call).await?;
        let all = uow.procedures_all(&call.project).await?;
        let Some(query) = query else { return Ok(find(all, filter, None, after, size)) };
        let terms = query.terms(&call.project);
        let postings = uow.procedure_postings(&call.project, &terms).await?;
        Ok(find(all, filter, Some((&terms, &postings)), after, size))
    }

    /// One procedure, in a version or the latest one.
    pub async fn get(
        &self,
        call: &Call,
        name: &ProcedureName,
        version: Option<u32>,
    ) -> Result<ProcedureDetail, CallError> {
        let mut uow = self.enter(call).await?;
        let project = &call.project;
        let unknown = || Refusal::Procedure(ProcedureRefusal::Unknown { name: name.clone() });
        let procedure = uow.procedure_find(project, name).await?.ok_or_else(unknown)?;
        let version = version.unwrap_or(procedure.version);
        let unknown = || Refusal::Procedure(ProcedureRefusal::UnknownVersion { name: name.clone(), version });
        let how = uow.procedure_words(project, name, version).await?.ok_or_else(unknown)?;
        let versions = uow.procedure_versions(project, name).await?;
        let outcomes = uow.procedure_outcomes(project, name, OUTCOMES_SHOWN_MAX).await?;
        Ok(ProcedureDetail { procedure, version, how, versions, outcomes })
    }

    async fn enter(&self, call: &Call) -> Result<Box<dyn UnitOfWork>, CallError> {
        authorize(&call.principal, Action::UseMemory).map_err(Refusal::Denied)?;
        let mut uow = self.executor.store().begin_read().await?;
        match uow.project_find(&call.project).await? {
            Some(_) => Ok(uow),
            None => Err(Refusal::Project(ProjectRefusal::Unknown { id: call.project.clone() }).into()),
        }
    }
}

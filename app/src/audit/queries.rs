//! Reading the audit log.

use crate::call::Call;
use crate::executor::Executor;
use crate::refusal::{CallError, Refusal};
use domain::audit::{Cursor, Entry, Filter};
use domain::identity::principal::{Action, authorize};
use domain::identity::project::ProjectRefusal;
use domain::page::{Page, PageSize};

/// The use case.
#[derive(Clone)]
pub struct AuditQueries {
    executor: Executor,
}

impl AuditQueries {
    /// Reads through the executor's store.
    pub fn new(executor: Executor) -> Self {
        Self { executor }
    }

    /// Lists lines, newest first. Callers of the role `agent` see their own lines only. A project that is not there is
    /// refused, for it is not one without lines.
    pub async fn list(
        &self,
        call: &Call,
        mut filter: Filter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<Page<Entry, Cursor>, CallError> {
        if let Err(denial) = authorize(&call.principal, Action::ReadAllAudit) {
            let own = &call.principal.agent;
            if filter.agent.as_ref().is_some_and(|agent| agent != own) {
                return Err(Refusal::Denied(denial).into());
            }
            filter.agent = Some(own.clone());
        }
        let mut uow = self.executor.store().begin_read().await?;
        if uow.project_find(&call.project).await?.is_none() {
            return Err(Refusal::Project(ProjectRefusal::Unknown { id: call.project.clone() }).into());
        }
        Ok(uow.audit_list(&call.project, &filter, after, size).await?)
    }
}

//! Looking at alerts.

use crate::call::Call;
use crate::executor::Executor;
use crate::refusal::{CallError, Refusal};
use domain::alerts::alert::Alert;
use domain::alerts::listing::{AlertCursor, AlertFilter};
use domain::alerts::refusal::AlertRefusal;
use domain::identity::principal::{Action, authorize};
use domain::identity::project::ProjectRefusal;
use domain::ids::AlertId;
use domain::page::{Page, PageSize};
use ports::store::UnitOfWork;

/// The use cases that only read.
#[derive(Clone)]
pub struct AlertQueries {
    executor: Executor,
}

impl AlertQueries {
    /// Reads through the executor's store.
    pub fn new(executor: Executor) -> Self {
        Self { executor }
    }

    async fn enter(&self, call: &Call) -> Result<Box<dyn UnitOfWork>, CallError> {
        authorize(&call.principal, Action::UseAlerts).map_err(Refusal::Denied)?;
        let mut uow = self.executor.store().begin_read().await?;
        if uow.project_find(&call.project).await?.is_none() {
            return Err(Refusal::Project(ProjectRefusal::Unknown { id: call.project.clone() }).into());
        }
        Ok(uow)
    }

    /// One alert.
    pub async fn find(&self, call: &Call, id: AlertId) -> Result<Alert, CallError> {
        let found = self.enter(call).await?.alerts_load(&call.project, &[id]).await?.pop();
        found.ok_or_else(|| Refusal::Alert(AlertRefusal::Unknown { id }).into())
    }

    /// Lists alerts, newest first.
    pub async fn list(
        &self,
        call: &Call,
        filter: &AlertFilter,
        after: Option<AlertCursor>,
        size: PageSize,
    ) -> Result<Page<Alert, AlertCursor>, CallError> {
        Ok(self.enter(call).await?.alert_list(&call.project, filter, after, size).await?)
    }
}

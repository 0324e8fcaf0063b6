//! Looking at sessions.

use crate::call::Call;
use crate::executor::Executor;
use crate::refusal::{CallError, Refusal};
use chrono::{DateTime, Utc};
use domain::agents::Session;
use domain::identity::principal::{Action, authorize};
use domain::identity::project::ProjectRefusal;
use domain::ids::SessionId;
use domain::page::{Page, PageSize};
use ports::agents::SessionFilter;

/// The use case.
#[derive(Clone)]
pub struct SessionQueries {
    executor: Executor,
}

impl SessionQueries {
    /// Reads through the executor's store.
    pub fn new(executor: Executor) -> Self {
        Self { executor }
    }

    /// Lists sessions by name, with the store's clock at the look.
    pub async fn list(
        &self,
        call: &Call,
        filter: &SessionFilter,
        after: Option<&SessionId>,
        size: PageSize,
    ) -> Result<(Page<Session, SessionId>, DateTime<Utc>), CallError> {
        authorize(&call.principal, Action::UseLocks).map_err(Refusal::Denied)?;
        let mut uow = self.executor.store().begin_read().await?;
        let now = uow.now().await?;
        if uow.project_find(&call.project).await?.is_none() {
            return Err(Refusal::Project(ProjectRefusal::Unknown { id: call.project.clone() }).into());
        }
        Ok((uow.session_list(&call.project, filter, now, after, size).await?, now))
    }
}

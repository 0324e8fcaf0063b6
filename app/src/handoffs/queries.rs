//! Reading handoffs.

use crate::call::Call;
use crate::executor::Executor;
use crate::handoffs::candidate::candidate;
use crate::refusal::{CallError, Refusal};
use domain::handoffs::content::Content;
use domain::handoffs::listing::{HandoffCursor, HandoffFilter};
use domain::handoffs::{Handoff, HandoffRefusal};
use domain::identity::principal::{Action, authorize};
use domain::identity::project::ProjectRefusal;
use domain::ids::HandoffId;
use domain::page::{Page, PageSize};
use ports::store::{StoreError, UnitOfWork};

/// A handoff with all that is written in it.
#[derive(Debug)]
pub struct HandoffDetail {
    /// The handoff, as it is now.
    pub handoff: Handoff,
    /// Its lists.
    pub content: Content,
}

/// Which handoffs a caller wants.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Those that pass; whom they are offered to is for the query to say.
    pub filter: HandoffFilter,
    /// Only what the caller could accept now.
    pub offered_to_me: bool,
}

/// The use cases that only read.
#[derive(Clone)]
pub struct HandoffQueries {
    executor: Executor,
}

impl HandoffQueries {
    /// Reads through the executor's store.
    pub fn new(executor: Executor) -> Self {
        Self { executor }
    }

    /// Lists handoffs, newest first.
    pub async fn list(
        &self,
        call: &Call,
        wanted: Wanted,
        after: Option<HandoffCursor>,
        size: PageSize,
    ) -> Result<Page<Handoff, HandoffCursor>, CallError> {
        let mut uow = self.enter(call).await?;
        list(uow.as_mut(), call, wanted, after, size).await
    }

    /// The newest handoff that passes, if there is any.
    pub async fn latest(&self, call: &Call, wanted: Wanted) -> Result<Option<HandoffDetail>, CallError> {
        let mut uow = self.enter(call).await?;
        let one = PageSize::try_new(1).map_err(|error| CallError::Internal(error.to_string()))?;
        match list(uow.as_mut(), call, wanted, None, one).await?.rows.pop() {
            Some(handoff) => Ok(Some(detail(uow.as_mut(), call, handoff).await?)),
            None => Ok(None),
        }
    }

    /// One handoff.
    pub async fn find(&self, call: &Call, id: HandoffId) -> Result<HandoffDetail, CallError> {
        let mut uow = self.enter(call).await?;
        let now = uow.now().await?;
        match uow.handoffs_load(&call.project, &[id]).await?.pop() {
            Some(handoff) => detail(uow.as_mut(), call, handoff.as_of(now)).await,
            None => Err(Refusal::Handoff(HandoffRefusal::Unknown { id }).into()),
        }
    }

    async fn enter(&self, call: &Call) -> Result<Box<dyn UnitOfWork>, CallError> {
        authorize(&call.principal, Action::UseHandoffs).map_err(Refusal::Denied)?;
        let mut uow = self.executor.store().begin_read().await?;
        match uow.project_find(&call.project).await? {
            Some(_) => Ok(uow),
            None => Err(Refusal::Project(ProjectRefusal::Unknown { id: call.project.clone() }).into()),
        }
    }
}

async fn list(
    uow: &mut dyn UnitOfWork,
    call: &Call,
    wanted: Wanted,
    after: Option<HandoffCursor>,
    size: PageSize,
) -> Result<Page<Handoff, HandoffCursor>, CallError> {
    let now = uow.now().await?;
    let Wanted { mut filter, offered_to_me } = wanted;
    if offered_to_me {
        filter.offered_to = Some(candidate(uow, call, now).await?);
    }
    let Page { rows, next } = uow.handoff_list(&call.project, &filter, now, after, size).await?;
    Ok(Page { rows: rows.iter().map(|handoff| handoff.as_of(now)).collect(), next })
}

async fn detail(uow: &mut dyn UnitOfWork, call: &Call, handoff: Handoff) -> Result<HandoffDetail, CallError> {
    let id = handoff.id;
    let content = uow.handoff_content(&call.project, id).await?;
    let lost = || StoreError::Corrupt { what: format!("handoffs.content of {id}"), source: "it is not there".into() };
    Ok(HandoffDetail { handoff, content: content.ok_or_else(lost)? })
}

//! Reading memories without searching them.

use crate::call::Call;
use crate::executor::Executor;
use crate::memory::filtering::Sought;
use crate::memory::locating::readable;
use crate::refusal::{CallError, Refusal};
use domain::identity::principal::{Action, authorize};
use domain::identity::project::ProjectRefusal;
use domain::ids::MemoryId;
use domain::memory::filter::{MemoryCursor, Order};
use domain::memory::record::Memory;
use domain::memory::refusal::MemoryRefusal;
use domain::page::{Page, PageSize};
use ports::store::UnitOfWork;

/// The use cases that only read.
#[derive(Clone)]
pub struct MemoryQueries {
    executor: Executor,
}

impl MemoryQueries {
    /// Reads through the executor's store.
    pub fn new(executor: Executor) -> Self {
        Self { executor }
    }

    /// Lists what the caller may read, newest first.
    pub async fn list(
        &self,
        call: &Call,
        sought: Sought,
        after: Option<MemoryCursor>,
        size: PageSize,
    ) -> Result<Page<Memory, MemoryCursor>, CallError> {
        let mut uow = self.enter(call).await?;
        let now = uow.now().await?;
        Ok(uow.memory_list(&sought.filter(call, now), Order::NewestFirst, after, size).await?)
    }

    /// One memory that the caller may read, whatever has become of it.
    pub async fn find(&self, call: &Call, id: MemoryId) -> Result<Memory, CallError> {
        let mut uow = self.enter(call).await?;
        let found = uow.memories_load(&readable(call), &[id]).await?.pop();
        found.ok_or_else(|| Refusal::Memory(MemoryRefusal::Unknown { id }).into())
    }

    /// Begins to read in the caller's project.
    pub(super) async fn enter(&self, call: &Call) -> Result<Box<dyn UnitOfWork>, CallError> {
        authorize(&call.principal, Action::UseMemory).map_err(Refusal::Denied)?;
        let mut uow = self.executor.store().begin_read().await?;
        match uow.project_find(&call.project).await? {
            Some(_) => Ok(uow),
            None => Err(Refusal::Project(ProjectRefusal::Unknown { id: call.project.clone() }).into()),
        }
    }
}

//! Looking at schedules without changing them.

use crate::call::Call;
use crate::executor::Executor;
use crate::refusal::{CallError, Refusal};
use crate::work::look::queries::enter;
use crate::work::schedules::commands::ScheduleAt;
use chrono::{DateTime, Utc};
use domain::ids::ScheduleId;
use domain::page::{Page, PageSize};
use domain::work::name::ScheduleName;
use domain::work::schedule::{Schedule, ScheduleRefusal};

/// The use cases that only read.
#[derive(Clone)]
pub struct ScheduleQueries {
    executor: Executor,
}

impl ScheduleQueries {
    /// Reads through the executor's store.
    pub fn new(executor: Executor) -> Self {
        Self { executor }
    }

    /// One schedule.
    pub async fn find(&self, call: &Call, id: ScheduleId) -> Result<ScheduleAt, CallError> {
        let mut uow = enter(&self.executor, call).await?;
        let now = uow.now().await?;
        match uow.schedule_find(&call.project, id).await? {
            Some(schedule) => Ok(ScheduleAt { schedule, now }),
            None => Err(Refusal::Schedule(ScheduleRefusal::Unknown { id }).into()),
        }
    }

    /// Lists schedules by name.
    pub async fn list(
        &self,
        call: &Call,
        after: Option<&ScheduleName>,
        size: PageSize,
    ) -> Result<(Page<Schedule, ScheduleName>, DateTime<Utc>), CallError> {
        let mut uow = enter(&self.executor, call).await?;
        let now = uow.now().await?;
        Ok((uow.schedule_list(&call.project, after, size).await?, now))
    }
}

//! Ends what has run out, for the log and the tables; correctness never waits for it.

use crate::call::Call;
use crate::executor::Executor;
use crate::locks::commands::Tidy;
use crate::refusal::CallError;
use chrono::TimeDelta;
use domain::locks::lease::HISTORY_KEPT_DAYS;

/// The most projects of one round.
const PROJECTS_MAX: u32 = 100;

/// The most leases ended, or past leases deleted, in one unit of work.
const ROWS_MAX: u32 = 500;

/// One round over all projects: expired leases and lost places end with their audit lines, old history goes.
pub async fn sweep(executor: &Executor) -> Result<(), CallError> {
    let mut uow = executor.store().begin_read().await?;
    let now = uow.now().await?;
    let projects = uow.projects_with_expired(now, PROJECTS_MAX).await?;
    drop(uow);
    for project in projects {
        let call = Call::of_system(project, executor.ids().random_name())
            .map_err(|error| CallError::Internal(error.to_string()))?;
        executor.execute_hot(&call, Tidy { rows_max: ROWS_MAX }).await?;
    }
    let mut uow = executor.store().begin().await?;
    uow.ended_prune(now - TimeDelta::days(HISTORY_KEPT_DAYS), ROWS_MAX).await?;
    uow.commit().await?;
    Ok(())
}

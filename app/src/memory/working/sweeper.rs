//! Clears away what nobody can read any more: expired entries, the working memory of sessions that ended long ago, and
//! reports whose counts are all that is needed. Reading never waits for it.

use crate::executor::Executor;
use crate::refusal::CallError;
use chrono::TimeDelta;
use domain::memory::procedures::OUTCOMES_KEPT_DAYS;
use domain::memory::working::Kept;
use ports::store::StoreError;

/// The most rows that go in one unit of work.
const ROWS_MAX: u32 = 1_000;

/// The most working memories that go in one unit of work: they go with all their entries.
const MEMORIES_MAX: u32 = 50;

/// The most units of work of one kind in one round.
const TURNS_MAX: u32 = 20;

/// A kind of thing to be cleared away.
#[derive(Debug, Clone, Copy)]
enum Past {
    Entries,
    Memories,
    Reports,
}

impl Past {
    const fn rows_max(self) -> u32 {
        match self {
            Self::Memories => MEMORIES_MAX,
            Self::Entries | Self::Reports => ROWS_MAX,
        }
    }

    /// Clears some of it away; answers whether there may be more.
    async fn clear_some(self, executor: &Executor, kept: TimeDelta) -> Result<bool, StoreError> {
        let mut uow = executor.store().begin().await?;
        let (before, rows_max) = (uow.now().await? - kept, self.rows_max());
        let cleared = match self {
            Self::Entries => uow.working_expire(before, rows_max).await?,
            Self::Memories => uow.working_prune(before, rows_max).await?,
            Self::Reports => uow.procedure_outcomes_prune(before, rows_max).await?,
        };
        uow.commit().await?;
        if cleared > 0 {
            tracing::debug!(past = ?self, cleared, %before, "cleared away");
        }
        Ok(cleared >= u64::from(rows_max))
    }
}

/// One round over all projects; the first failure is told, and keeps no other kind from it.
pub async fn round(executor: &Executor, kept: Kept) -> Result<(), CallError> {
    let times = [
        (Past::Entries, TimeDelta::zero()),
        (Past::Memories, kept.length()),
        (Past::Reports, TimeDelta::days(OUTCOMES_KEPT_DAYS)),
    ];
    let mut outcome = Ok(());
    for (past, kept) in times {
        outcome = outcome.and(clear(executor, past, kept).await);
    }
    Ok(outcome?)
}

async fn clear(executor: &Executor, past: Past, kept: TimeDelta) -> Result<(), StoreError> {
    for _ in 0..TURNS_MAX {
        if !past.clear_some(executor, kept).await? {
            break;
        }
    }
    Ok(())
}

//! Ends what has run out and readies what has come due, for the log, the tables and those who wait; correctness never
//! waits for it.

use crate::call::Call;
use crate::executor::{Defect, Executor, HotCommand, Ruling, Tables, Touches, Who, WorkTouches, session_died};
use crate::refusal::{CallError, Refusal};
use domain::agents::{Session, reap};
use domain::identity::principal::Action;
use domain::ids::ProjectId;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The most projects of one round.
const PROJECTS_MAX: u32 = 100;

/// The most rows of a kind in one unit of work.
const ROWS_MAX: u32 = 500;

/// How often a round goes over a project that still has something to tidy up.
const TURNS_MAX: u32 = 20;

/// One round over all projects: expired leases, lost places, lapsed claims and dead sessions end with their audit lines,
/// tasks that have come due are ready.
pub async fn sweep(executor: &Executor) -> Result<(), CallError> {
    for _ in 0..TURNS_MAX {
        let projects = untidy(executor).await?;
        if projects.is_empty() {
            break;
        }
        for project in projects {
            let call = Call::of_system(project, executor.ids().random_name())
                .map_err(|error| CallError::Internal(error.to_string()))?;
            executor.execute_hot(&call, Tidy { rows_max: ROWS_MAX }).await?;
        }
    }
    Ok(())
}

async fn untidy(executor: &Executor) -> Result<BTreeSet<ProjectId>, CallError> {
    let mut uow = executor.store().begin_read().await?;
    let now = uow.now().await?;
    let mut projects: BTreeSet<ProjectId> = uow.projects_with_expired(now, PROJECTS_MAX).await?.into_iter().collect();
    projects.extend(uow.projects_with_tasks_due(now, PROJECTS_MAX).await?);
    Ok(projects)
}

/// Ends what has run out, so that the log tells it; nobody needs it for correctness.
#[derive(Debug, Clone)]
pub struct Tidy {
    /// The most leases, tasks and sessions each, in one unit of work.
    pub rows_max: u32,
}

impl HotCommand for Tidy {
    const OPERATION: &'static str = "system.tidy";
    const ACTION: Action = Action::UseLocks;
    const IN_SESSION: bool = false;
    const CHANGES_PROJECT: bool = false;
    type Answer = ();

    fn content(&self) -> Value {
        json!(self.rows_max)
    }

    fn target(&self) -> String {
        "expired".to_owned()
    }

    fn touches(&self) -> Touches {
        let rows_max = self.rows_max;
        let work = WorkTouches { due_rows_max: rows_max, ..WorkTouches::default() };
        Touches { expired_rows_max: rows_max, dead_sessions_max: rows_max, work, ..Touches::default() }
    }

    fn decide(&self, tables: &mut Tables, _who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        // Loading them has ended leases and attempts; the deaths of sessions are written down with them.
        let (now, dead) = (tables.locks.now(), std::mem::take(&mut tables.sessions_dead));
        let dead: Vec<Session> = dead.iter().filter_map(|session| reap(session, now)).collect();
        let happenings = dead.iter().map(session_died).collect();
        tables.sessions_ended.extend(dead);
        Ok(Ruling { happenings, ..Ruling::of(Ok::<_, Refusal>(())) })
    }
}

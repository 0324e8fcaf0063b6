//! What is known around a task that is not running.

use crate::call::{Call, SYSTEM_NAME};
use crate::locks::queries::snapshot;
use crate::refusal::CallError;
use domain::agents::Session;
use domain::ids::{AgentId, InvalidId, SessionId, TaskId};
use domain::locks::conflict::Conflict;
use domain::locks::key::LockKey;
use domain::locks::lease::Holder;
use domain::page::PageSize;
use domain::work::requires::{Claimant, Trust};
use domain::work::task::Task;
use domain::work::why::Surroundings;
use ports::agents::SessionFilter;
use ports::store::UnitOfWork;

/// How many sessions are looked at for an agent that fits, in pages of [`PageSize::MAX`].
const SESSION_PAGES_MAX: u32 = 20;

/// How many more holders of a concurrency key are loaded than it takes to fill it, for some may have lapsed.
const LAPSED_SPARE: u32 = 1_000;

/// Loads everything that may keep a task from running; `nobody` is a name that no session has.
pub(super) async fn surroundings(
    uow: &mut dyn UnitOfWork,
    call: &Call,
    task: Task,
    nobody: &str,
) -> Result<Surroundings, CallError> {
    let project = &call.project;
    let now = uow.now().await?;
    let edges = uow.dependencies_load(project, &[task.id]).await?;
    let on: Vec<TaskId> = edges.into_iter().map(|edge| edge.depends_on).collect();
    let dependencies = uow.tasks_load(project, &on).await?;
    let obstacles = obstacles(uow, call, &task, nobody).await?;
    let running = match &task.terms.concurrency {
        Some(concurrency) => {
            let rows_max = concurrency.limit.number().saturating_add(LAPSED_SPARE);
            uow.tasks_running_of(project, &concurrency.key, rows_max).await?
        }
        None => Vec::new(),
    };
    let ahead = uow.tasks_ahead(project, task.place()).await?;
    let agents = agents(uow, call, &task).await?;
    Ok(Surroundings { now, task, dependencies, obstacles, agents, running, ahead })
}

/// What is in the way of the locks of a task, whoever is to do it.
async fn obstacles(
    uow: &mut dyn UnitOfWork,
    call: &Call,
    task: &Task,
    nobody: &str,
) -> Result<Vec<Conflict>, CallError> {
    let Some(wants) = task.terms.resources.as_ref().filter(|_| !task.status().is_ended()) else {
        return Ok(Vec::new());
    };
    let defect = |error: InvalidId| CallError::Internal(error.to_string());
    let holder = Holder {
        agent: AgentId::parse(SYSTEM_NAME).map_err(defect)?,
        session: SessionId::parse(&format!("ses_{nobody}")).map_err(defect)?,
    };
    let keys: Vec<LockKey> = wants.keys().cloned().collect();
    let (table, _) = snapshot(uow, call, &keys).await?;
    Ok(table.check(&holder, wants))
}

/// The agents that live, up to the first that may have the task.
async fn agents(uow: &mut dyn UnitOfWork, call: &Call, task: &Task) -> Result<Vec<Claimant>, CallError> {
    let now = uow.now().await?;
    let filter = SessionFilter { agent: None, is_live: Some(true) };
    let size = PageSize::try_new(PageSize::MAX).map_err(|error| CallError::Internal(error.to_string()))?;
    let (mut agents, mut after): (Vec<Claimant>, Option<SessionId>) = (Vec::new(), None);
    for _ in 0..SESSION_PAGES_MAX {
        let page = uow.session_list(&call.project, &filter, now, after.as_ref(), size).await?;
        let before = agents.len();
        agents.extend(page.rows.into_iter().map(claimant));
        let terms = &task.terms;
        let fits = |agent: &Claimant| terms.requires.lacks(agent, &terms.submitted_by).is_empty();
        after = page.next;
        if after.is_none() || agents.iter().skip(before).any(fits) {
            break;
        }
    }
    Ok(agents)
}

fn claimant(session: Session) -> Claimant {
    let Session { id, agent, offers, .. } = session;
    Claimant {
        holder: Holder { agent, session: id },
        agent_type: offers.agent_type,
        capabilities: offers.capabilities,
        environment: offers.environment,
        trust: Trust::STANDARD,
    }
}

//! The use cases that only read.

use crate::call::Call;
use crate::executor::Executor;
use crate::refusal::{CallError, Refusal};
use crate::work::look::{graph, why};
use domain::identity::principal::{Action, authorize};
use domain::identity::project::ProjectRefusal;
use domain::ids::TaskId;
use domain::page::{Page, PageSize};
use domain::work::attempt::Attempt;
use domain::work::content::{Content, Payload, Title};
use domain::work::graph::Graph;
use domain::work::listing::{ATTEMPTS_ROWS_MAX, StatusCount, TaskCursor, TaskFilter};
use domain::work::refusal::WorkRefusal;
use domain::work::task::{Status, Task};
use domain::work::why::Why;
use ports::store::{StoreError, UnitOfWork};

/// A task with everything that is written about it.
#[derive(Debug)]
pub struct TaskDetail {
    /// The task.
    pub task: Task,
    /// What agents read.
    pub content: Content,
    /// What came of it.
    pub result: Option<Payload>,
    /// What it depends on.
    pub depends_on: Vec<TaskId>,
}

/// Why a task is not running.
#[derive(Debug)]
pub struct Explained {
    /// What it is in.
    pub status: Status,
    /// Every reason.
    pub reasons: Vec<Why>,
}

/// Looks at tasks.
#[derive(Clone)]
pub struct TaskQueries {
    executor: Executor,
}

impl TaskQueries {
    /// Reads through the executor's store.
    pub fn new(executor: Executor) -> Self {
        Self { executor }
    }

    /// Lists tasks with their titles, newest first.
    pub async fn list(
        &self,
        call: &Call,
        filter: &TaskFilter,
        after: Option<TaskCursor>,
        size: PageSize,
    ) -> Result<Page<(Task, Title), TaskCursor>, CallError> {
        let mut uow = enter(&self.executor, call).await?;
        let Page { rows, next } = uow.task_list(&call.project, filter, after, size).await?;
        let ids: Vec<TaskId> = rows.iter().map(|task| task.id).collect();
        let mut titles = uow.titles_load(&call.project, &ids).await?;
        let with_title = |task: Task| titles.remove(&task.id).map(|title| (task, title));
        Ok(Page { rows: rows.into_iter().filter_map(with_title).collect(), next })
    }

    /// How many tasks of each kind are in each state.
    pub async fn counts(&self, call: &Call) -> Result<Vec<StatusCount>, CallError> {
        Ok(enter(&self.executor, call).await?.task_counts(&call.project).await?)
    }

    /// One task, everything about it.
    pub async fn find(&self, call: &Call, id: TaskId) -> Result<TaskDetail, CallError> {
        let mut uow = enter(&self.executor, call).await?;
        let task = find(uow.as_mut(), call, id).await?;
        let edges = uow.dependencies_load(&call.project, &[id]).await?;
        let mut depends_on: Vec<TaskId> = edges.into_iter().map(|edge| edge.depends_on).collect();
        depends_on.sort_unstable();
        let content = uow.contents_load(&call.project, &[id]).await?.remove(&id).ok_or_else(|| lost(id))?;
        let result = uow.results_load(&call.project, &[id]).await?.remove(&id);
        Ok(TaskDetail { task, content, result, depends_on })
    }

    /// The past attempts of a task, newest first.
    pub async fn attempts(&self, call: &Call, id: TaskId) -> Result<Vec<Attempt>, CallError> {
        let mut uow = enter(&self.executor, call).await?;
        find(uow.as_mut(), call, id).await?;
        Ok(uow.attempts_list(&call.project, id, ATTEMPTS_ROWS_MAX).await?)
    }

    /// The tasks that a task waits for, directly or through others, and those that wait for it.
    pub async fn graph(&self, call: &Call, id: TaskId) -> Result<Graph, CallError> {
        let mut uow = enter(&self.executor, call).await?;
        find(uow.as_mut(), call, id).await?;
        Ok(graph::around(uow.as_mut(), &call.project, id).await?)
    }

    /// Every reason why a task is not running.
    pub async fn why(&self, call: &Call, id: TaskId) -> Result<Explained, CallError> {
        let mut uow = enter(&self.executor, call).await?;
        let task = find(uow.as_mut(), call, id).await?;
        let status = task.status();
        let nobody = self.executor.ids().random_name();
        let surroundings = why::surroundings(uow.as_mut(), call, task, &nobody).await?;
        Ok(Explained { status, reasons: domain::work::why::why(&surroundings) })
    }
}

/// Lets a caller look at the work of its project.
pub(in crate::work) async fn enter(executor: &Executor, call: &Call) -> Result<Box<dyn UnitOfWork>, CallError> {
    authorize(&call.principal, Action::UseWork).map_err(Refusal::Denied)?;
    let mut uow = executor.store().begin_read().await?;
    match uow.project_find(&call.project).await? {
        Some(_) => Ok(uow),
        None => Err(Refusal::Project(ProjectRefusal::Unknown { id: call.project.clone() }).into()),
    }
}

async fn find(uow: &mut dyn UnitOfWork, call: &Call, id: TaskId) -> Result<Task, CallError> {
    let found = uow.tasks_load(&call.project, &[id]).await?.pop();
    found.ok_or_else(|| Refusal::Work(WorkRefusal::UnknownTask { task: id }).into())
}

fn lost(task: TaskId) -> StoreError {
    StoreError::Corrupt { what: format!("tasks.title of {task}"), source: "it is not there".into() }
}

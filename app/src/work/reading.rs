//! Reads what agents need of tasks they were handed: many in one read, whoever asked for them.
//!
//! Contents, and results of what has succeeded, never change, so they are read after the commit that handed the task out.

use crate::lane::{Lane, LaneError, Runner};
use crate::refusal::CallError;
use async_trait::async_trait;
use domain::ids::{ProjectId, TaskId};
use domain::work::claim::ClaimedTask;
use domain::work::content::{Content, Payload};
use domain::work::task::{Status, Task};
use ports::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A task with everything its agent needs.
#[derive(Debug)]
pub struct HandedOut {
    /// The task and its locks.
    pub claimed: ClaimedTask,
    /// What to do.
    pub content: Content,
    /// The tasks it depended on, and what came of them.
    pub dependencies: Vec<DependencyResult>,
}

/// A task that another depends on.
#[derive(Debug, Clone)]
pub struct DependencyResult {
    /// The task.
    pub task: TaskId,
    /// What it is in.
    pub status: Status,
    /// What came of it.
    pub result: Option<Payload>,
}

/// Reads contents.
#[derive(Clone)]
pub struct Reader {
    lane: Arc<Lane<Wanted, Result<Readings, Arc<StoreError>>>>,
}

struct Wanted {
    project: ProjectId,
    tasks: Vec<TaskId>,
    with_dependencies: bool,
}

#[derive(Debug, Clone, Default)]
struct Readings {
    contents: BTreeMap<TaskId, Content>,
    dependencies: BTreeMap<TaskId, Vec<DependencyResult>>,
}

impl Reader {
    /// Starts reading on the current runtime.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { lane: Arc::new(Lane::start(Arc::new(ReadRunner { store }))) }
    }

    /// Adds to claimed tasks what their agent needs.
    pub async fn hand_out(&self, project: &ProjectId, claimed: Vec<ClaimedTask>) -> Result<Vec<HandedOut>, CallError> {
        let mut read = self.read(project, claimed.iter().map(|claimed| claimed.task.id).collect(), true).await?;
        let hand_out = |claimed: ClaimedTask| {
            let content = read.contents.remove(&claimed.task.id).ok_or_else(|| lost(claimed.task.id))?;
            let dependencies = read.dependencies.remove(&claimed.task.id).unwrap_or_default();
            Ok(HandedOut { claimed, content, dependencies })
        };
        claimed.into_iter().map(hand_out).collect()
    }

    /// The contents of tasks that are there.
    pub async fn contents(
        &self,
        project: &ProjectId,
        tasks: Vec<TaskId>,
    ) -> Result<BTreeMap<TaskId, Content>, CallError> {
        Ok(self.read(project, tasks, false).await?.contents)
    }

    /// The content of a task that is there.
    pub async fn content(&self, project: &ProjectId, task: &Task) -> Result<Content, CallError> {
        self.contents(project, vec![task.id]).await?.remove(&task.id).ok_or_else(|| lost(task.id))
    }

    async fn read(
        &self,
        project: &ProjectId,
        tasks: Vec<TaskId>,
        with_dependencies: bool,
    ) -> Result<Readings, CallError> {
        if tasks.is_empty() {
            return Ok(Readings::default());
        }
        match self.lane.submit(Wanted { project: project.clone(), tasks, with_dependencies }).await {
            Ok(Ok(readings)) => Ok(readings),
            Ok(Err(error)) => Err(again(&error).into()),
            Err(LaneError::Full) => Err(StoreError::Conflict { what: "the reading lane" }.into()),
            Err(LaneError::Stopped) => Err(CallError::ShuttingDown { ticket: None }),
            Err(LaneError::Panicked) => Err(CallError::Internal("reading tasks panicked".to_owned())),
        }
    }
}

fn lost(task: TaskId) -> CallError {
    CallError::Internal(format!("task {task} has no content"))
}

/// The same failure for one of several callers.
fn again(error: &Arc<StoreError>) -> StoreError {
    match error.as_ref() {
        StoreError::Conflict { what } => StoreError::Conflict { what },
        StoreError::Unavailable(_) => StoreError::Unavailable(error.to_string().into()),
        StoreError::Corrupt { what, .. } => {
            StoreError::Corrupt { what: what.clone(), source: error.to_string().into() }
        }
        StoreError::Failed(_) => StoreError::Failed(error.to_string().into()),
    }
}

struct ReadRunner {
    store: Arc<dyn Store>,
}

#[async_trait]
impl Runner<Wanted, Result<Readings, Arc<StoreError>>> for ReadRunner {
    async fn run(&self, jobs: &[Wanted]) -> Vec<Result<Readings, Arc<StoreError>>> {
        match self.read(jobs).await {
            Ok(readings) => readings.into_iter().map(Ok).collect(),
            Err(error) => {
                let error = Arc::new(error);
                jobs.iter().map(|_| Err(error.clone())).collect()
            }
        }
    }
}

impl ReadRunner {
    async fn read(&self, jobs: &[Wanted]) -> Result<Vec<Readings>, StoreError> {
        let mut wanted: BTreeMap<&ProjectId, (BTreeSet<TaskId>, BTreeSet<TaskId>)> = BTreeMap::new();
        for job in jobs {
            let (tasks, with_dependencies) = wanted.entry(&job.project).or_default();
            tasks.extend(&job.tasks);
            if job.with_dependencies {
                with_dependencies.extend(&job.tasks);
            }
        }
        let mut uow = self.store.begin_glance().await?;
        let mut read: BTreeMap<&ProjectId, Readings> = BTreeMap::new();
        for (project, (tasks, with_dependencies)) in wanted {
            let tasks: Vec<TaskId> = tasks.into_iter().collect();
            let mut readings = Readings { contents: uow.contents_load(project, &tasks).await?, ..Readings::default() };
            if !with_dependencies.is_empty() {
                let tasks: Vec<TaskId> = with_dependencies.into_iter().collect();
                let edges = uow.dependencies_load(project, &tasks).await?;
                let on: BTreeSet<TaskId> = edges.iter().map(|edge| edge.depends_on).collect();
                let on: Vec<TaskId> = on.into_iter().collect();
                if !on.is_empty() {
                    let others = uow.tasks_load(project, &on).await?;
                    let others: BTreeMap<TaskId, Status> =
                        others.into_iter().map(|task| (task.id, task.status())).collect();
                    let results = uow.results_load(project, &on).await?;
                    for edge in edges {
                        let Some(status) = others.get(&edge.depends_on).copied() else { continue };
                        let result = results.get(&edge.depends_on).cloned();
                        let dependency = DependencyResult { task: edge.depends_on, status, result };
                        readings.dependencies.entry(edge.task).or_default().push(dependency);
                    }
                }
            }
            read.insert(project, readings);
        }
        Ok(jobs.iter().map(|job| read.get(&job.project).map(|all| all.of(&job.tasks)).unwrap_or_default()).collect())
    }
}

impl Readings {
    fn of(&self, tasks: &[TaskId]) -> Self {
        let contents = tasks.iter().filter_map(|id| self.contents.get(id).map(|content| (*id, content.clone())));
        let dependencies = tasks.iter().filter_map(|id| self.dependencies.get(id).map(|found| (*id, found.clone())));
        Self { contents: contents.collect(), dependencies: dependencies.collect() }
    }
}

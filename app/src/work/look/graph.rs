//! Walks the dependency graph around a task.

pub mod views;

use domain::ids::{ProjectId, TaskId};
use domain::work::graph::{Edge, Graph, Node};
use domain::work::task::Task;
use ports::store::{StoreError, UnitOfWork};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many tasks are asked for their neighbours at once: each may have a thousand.
const STEP_TASKS: usize = 50;

/// The tasks that a task waits for, directly or through others, and those that wait for it, the nearest first, as many as
/// a graph may have.
pub(super) async fn around(uow: &mut dyn UnitOfWork, project: &ProjectId, id: TaskId) -> Result<Graph, StoreError> {
    let (mut order, mut seen) = (vec![id], BTreeSet::from([id]));
    let mut edges: Vec<Edge> = Vec::new();
    let (mut above, mut below) = (VecDeque::from([id]), VecDeque::from([id]));
    while order.len() <= Graph::NODES_MAX && !(above.is_empty() && below.is_empty()) {
        let mut add = |id: TaskId, line: &mut VecDeque<TaskId>| {
            if seen.insert(id) {
                order.push(id);
                line.push_back(id);
            }
        };
        let step = next_step(&mut above);
        if !step.is_empty() {
            for edge in uow.dependencies_load(project, &step).await? {
                add(edge.depends_on, &mut above);
                edges.push(edge);
            }
        }
        let step = next_step(&mut below);
        if !step.is_empty() {
            for edge in uow.dependents_load(project, &step).await? {
                add(edge.task, &mut below);
                edges.push(edge);
            }
        }
    }
    // One more than fit, so that the graph knows it is cut.
    order.truncate(Graph::NODES_MAX + 1);
    let tasks: BTreeMap<TaskId, Task> =
        uow.tasks_load(project, &order).await?.into_iter().map(|task| (task.id, task)).collect();
    let mut titles = uow.titles_load(project, &order).await?;
    // What is long finished may have been removed, and then its edges lead nowhere.
    let removed: BTreeSet<TaskId> = order.iter().filter(|id| !tasks.contains_key(id)).copied().collect();
    edges.retain(|edge| !removed.contains(&edge.task) && !removed.contains(&edge.depends_on));
    let node = |id: TaskId| {
        let (task, title) = (tasks.get(&id)?, titles.remove(&id)?);
        Some(Node { id, title, task_type: task.terms.task_type.clone(), status: task.status() })
    };
    Ok(Graph::new(order.into_iter().filter_map(node).collect(), edges))
}

fn next_step(line: &mut VecDeque<TaskId>) -> Vec<TaskId> {
    line.drain(..line.len().min(STEP_TASKS)).collect()
}

//! Looking at tasks over HTTP.

use crate::executor::Executor;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use crate::work::look::graph::views::{FormatView, GraphAnswer};
use crate::work::look::queries::TaskQueries;
use crate::work::look::views::{AttemptsView, CountsView, ExplainedView, TaskDetailView};
use domain::ids::TaskId;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;

/// The operations that look at tasks, but for their list, which has its address in common with submission.
pub struct LookApi {
    queries: TaskQueries,
}

impl LookApi {
    /// Reads through the executor's store.
    pub fn new(executor: Executor) -> Self {
        Self { queries: TaskQueries::new(executor) }
    }
}

#[OpenApi(prefix_path = "/v1/tasks", tag = "crate::http::tags::Tag::Tasks")]
impl LookApi {
    /// Count tasks
    ///
    /// Of each kind, in each state.
    #[oai(path = "/counts", method = "get", operation_id = "count_tasks")]
    async fn counts(&self, Auth(call): Auth) -> Result<Json<CountsView>, Problem> {
        let counts = self.queries.counts(&call).await?;
        Ok(Json(CountsView { counts: counts.into_iter().map(Into::into).collect() }))
    }

    /// Look at a task
    ///
    /// With its input, its result, and what it depends on.
    #[oai(path = "/:id", method = "get", operation_id = "get_task")]
    async fn get(
        &self,
        Auth(call): Auth,
        /// The task.
        id: Path<String>,
    ) -> Result<Json<TaskDetailView>, Problem> {
        Ok(Json(self.queries.find(&call, task_id(&id.0)?).await?.into()))
    }

    /// Ask why a task is not running
    ///
    /// Every reason there is, exactly: what it waits for, who holds what it needs, what no agent has to offer, and its
    /// place in line.
    #[oai(path = "/:id/why", method = "get", operation_id = "why_task")]
    async fn why(
        &self,
        Auth(call): Auth,
        /// The task.
        id: Path<String>,
    ) -> Result<Json<ExplainedView>, Problem> {
        let id = task_id(&id.0)?;
        let explained = self.queries.why(&call, id).await?;
        Ok(Json(ExplainedView {
            task_id: id.to_string(),
            status: explained.status.into(),
            reasons: explained.reasons.into_iter().map(Into::into).collect(),
        }))
    }

    /// Draw the graph of a task
    ///
    /// The tasks it waits for, directly or through others, and those that wait for it: the nearest 1,000, as JSON or in the
    /// language of Graphviz.
    #[oai(path = "/:id/graph", method = "get", operation_id = "graph_task")]
    async fn graph(
        &self,
        Auth(call): Auth,
        /// The task.
        id: Path<String>,
        /// `json` if left out.
        format: Query<Option<FormatView>>,
    ) -> Result<GraphAnswer, Problem> {
        let graph = self.queries.graph(&call, task_id(&id.0)?).await?;
        Ok(GraphAnswer::new(graph, format.0.unwrap_or(FormatView::Json)))
    }

    /// List the attempts at a task
    ///
    /// Those that are over, newest first: who made them and how they ended.
    #[oai(path = "/:id/attempts", method = "get", operation_id = "list_attempts")]
    async fn attempts(
        &self,
        Auth(call): Auth,
        /// The task.
        id: Path<String>,
    ) -> Result<Json<AttemptsView>, Problem> {
        let attempts = self.queries.attempts(&call, task_id(&id.0)?).await?;
        Ok(Json(AttemptsView { attempts: attempts.into_iter().map(Into::into).collect() }))
    }
}

fn task_id(text: &str) -> Result<TaskId, Problem> {
    TaskId::parse(text).map_err(|error| Problem::invalid("id", &error))
}

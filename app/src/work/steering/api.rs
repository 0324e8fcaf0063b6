//! Steering tasks over HTTP.

use crate::call::Call;
use crate::executor::Executor;
use crate::http::json_body::JsonBody;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use crate::work::claim::views::{CancelledView, OneTaskView};
use crate::work::commands::{CancelTask, Discard, Reprioritize, Reschedule, Retry, Steer, Turn};
use crate::work::reading::Reader;
use crate::work::steering::bodies::{CancelBody, ReprioritizeBody, RescheduleBody};
use crate::work::views::TaskView;
use domain::ids::TaskId;
use domain::locks::lease::Reason;
use domain::work::rank::Priority;
use domain::work::table::CancelOutcome;
use domain::work::task::Task;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;

/// The operations of those who steer tasks.
pub struct SteeringApi {
    executor: Executor,
    reader: Reader,
}

impl SteeringApi {
    /// Changes through this executor.
    pub fn new(executor: Executor, reader: Reader) -> Self {
        Self { executor, reader }
    }

    async fn steer<T: Turn>(&self, call: &Call, id: &str, turn: T) -> Result<T::Answer, Problem> {
        let command = Steer { task: task_id(id)?, turn };
        Ok(self.executor.execute_hot(call, command).await?.answer)
    }

    async fn view(&self, call: &Call, task: &Task) -> Result<Json<OneTaskView>, Problem> {
        Ok(Json(OneTaskView::new(task, self.reader.content(&call.project, task).await?)))
    }
}

#[OpenApi(prefix_path = "/v1/tasks", tag = "crate::http::tags::Tag::Tasks")]
impl SteeringApi {
    /// Cancel a task
    ///
    /// One that waits is cancelled at once. An agent that works on it learns so with its next heartbeat, and after 60
    /// seconds the task is taken. Tasks of others need the role `orchestrator`.
    #[oai(path = "/:id/cancel", method = "post", operation_id = "cancel_task")]
    async fn cancel(
        &self,
        Auth(call): Auth,
        /// The task.
        id: Path<String>,
        body: JsonBody<CancelBody>,
    ) -> Result<Json<CancelledView>, Problem> {
        let reason = body.0.reason.as_deref().map(Reason::parse).transpose();
        let turn = CancelTask {
            reason: reason.map_err(|error| Problem::invalid("reason", &error))?,
            with_dependents: body.0.with_dependents.unwrap_or(false),
        };
        let CancelOutcome { task, cancelled, already, more_to_come } = self.steer(&call, &id.0, turn).await?;
        let content = self.reader.content(&call.project, &task).await?;
        let cancelled = cancelled.into_iter().map(|id| id.to_string()).collect();
        Ok(Json(CancelledView { task: TaskView::new(&task, content.title), cancelled, already, more_to_come }))
    }

    /// Put a task off, or bring it forward
    ///
    /// Only while nobody works on it. Tasks of others need the role `orchestrator`.
    #[oai(path = "/:id/reschedule", method = "post", operation_id = "reschedule_task")]
    async fn reschedule(
        &self,
        Auth(call): Auth,
        /// The task.
        id: Path<String>,
        body: JsonBody<RescheduleBody>,
    ) -> Result<Json<OneTaskView>, Problem> {
        let task = self.steer(&call, &id.0, Reschedule { not_before: body.0.not_before }).await?;
        self.view(&call, &task).await
    }

    /// Change how urgent a task is
    ///
    /// What it has waited so far stays with it. Tasks of others need the role `orchestrator`.
    #[oai(path = "/:id/reprioritize", method = "post", operation_id = "reprioritize_task")]
    async fn reprioritize(
        &self,
        Auth(call): Auth,
        /// The task.
        id: Path<String>,
        body: JsonBody<ReprioritizeBody>,
    ) -> Result<Json<OneTaskView>, Problem> {
        let priority = Priority::try_new(body.0.priority).map_err(|error| Problem::invalid("priority", &error))?;
        let task = self.steer(&call, &id.0, Reprioritize { priority }).await?;
        self.view(&call, &task).await
    }

    /// Try a dead letter again
    ///
    /// As often as at first. What was cancelled because of it stays so. Tasks of others need the role `orchestrator`.
    #[oai(path = "/:id/retry", method = "post", operation_id = "retry_task")]
    async fn retry(
        &self,
        Auth(call): Auth,
        /// The task.
        id: Path<String>,
    ) -> Result<Json<OneTaskView>, Problem> {
        let task = self.steer(&call, &id.0, Retry {}).await?;
        self.view(&call, &task).await
    }

    /// Throw a dead letter away
    ///
    /// It is cancelled for good. Tasks of others need the role `orchestrator`.
    #[oai(path = "/:id/discard", method = "post", operation_id = "discard_task")]
    async fn discard(
        &self,
        Auth(call): Auth,
        /// The task.
        id: Path<String>,
    ) -> Result<Json<OneTaskView>, Problem> {
        let task = self.steer(&call, &id.0, Discard {}).await?;
        self.view(&call, &task).await
    }
}

fn task_id(text: &str) -> Result<TaskId, Problem> {
    TaskId::parse(text).map_err(|error| Problem::invalid("id", &error))
}

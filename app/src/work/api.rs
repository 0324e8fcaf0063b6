//! Submitting, listing, claiming and doing tasks over HTTP.

use crate::call::Call;
use crate::executor::Executor;
use crate::http::cursor;
use crate::http::json_body::JsonBody;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use crate::work::bodies::{ReadTask, SubmitBody, TogetherBody, capabilities, labels, types};
use crate::work::claim::bodies::{ClaimBody, CompleteBody, FailBody, HeartbeatBody, ReleaseBody, SnoozeBody};
use crate::work::claim::views::{BeatView, ClaimedTasksView, FinishedView, SubmittedTasksView, SubmittedView};
use crate::work::claim::{ClaimRequest, ClaimTasks};
use crate::work::commands::{Complete, Fail, Heartbeat, Release, Say, Snooze, SubmitTasks, Submitted, Word};
use crate::work::look::queries::TaskQueries;
use crate::work::look::views::TaskPageView;
use crate::work::views::{StatusView, TaskView};
use domain::ids::{AgentId, InvalidId, TaskId};
use domain::locks::lease::{Reason, Token};
use domain::work::claim::{ClaimFilter, ClaimSize, WAIT_SECONDS_MAX};
use domain::work::content::{Fault, Note, Payload, Progress, Title};
use domain::work::listing::{TaskCursor, TaskFilter};
use domain::work::name::{Environment, Label, TaskType};
use domain::work::submission::{Submission, Submit, Together};
use domain::work::terms::LeaseLength;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::{Any, ToJSON};
use serde_json::Value;
use std::time::Duration;

/// The operations on tasks of those who submit them and do them.
pub struct TasksApi {
    executor: Executor,
    claim: ClaimTasks,
    queries: TaskQueries,
}

impl TasksApi {
    /// Puts the use cases together.
    pub fn new(executor: Executor, claim: ClaimTasks) -> Self {
        let queries = TaskQueries::new(executor.clone());
        Self { executor, claim, queries }
    }

    async fn say<W: Word>(&self, call: &Call, id: &str, token: i64, word: W) -> Result<W::Answer, Problem> {
        let command = Say { task: task_id(id)?, token: claim_token(token)?, word };
        Ok(self.executor.execute_hot(call, command).await?.answer)
    }
}

#[OpenApi(prefix_path = "/v1/tasks", tag = "crate::http::tags::Tag::Tasks")]
impl TasksApi {
    /// Submit tasks
    ///
    /// Up to 1,000 in one commit; they may depend on tasks that are there and on one another. With `all_or_nothing` a
    /// fault in one refuses all; with `each_alone` those without fault are submitted, and each answer says what became
    /// of its task. The order of claims is by rank: the time a task waits from, plus ten minutes for each step of priority
    /// below the first; so nothing waits for ever.
    #[oai(path = "/", method = "post", operation_id = "submit_tasks")]
    async fn submit(&self, Auth(call): Auth, body: JsonBody<SubmitBody>) -> Result<Json<SubmittedTasksView>, Problem> {
        let content = body.0.to_json().unwrap_or(Value::Null);
        let SubmitBody { tasks, together } = body.0;
        let together = match together.unwrap_or_default() {
            TogetherBody::AllOrNothing => Together::AllOrNothing,
            TogetherBody::EachAlone => Together::EachAlone,
        };
        let read = |(index, task): (usize, _)| crate::work::bodies::TaskBody::read(task, &format!("tasks[{index}]"));
        let tasks: Vec<ReadTask> = tasks.into_iter().enumerate().map(read).collect::<Result<_, Problem>>()?;
        let items: Vec<Submission> = tasks
            .into_iter()
            .map(|ReadTask { name, draft, depends_on, parent }| {
                let id = self.executor.ids().task_id();
                Submission { id, name, draft, depends_on, parent }
            })
            .collect();
        let told: Vec<(Option<String>, Title)> =
            items.iter().map(|item| (item.name.clone().map(Into::into), item.draft.content.title.clone())).collect();
        let submit = Submit::try_new(call.principal.agent.clone(), items, together)
            .map_err(|error| Problem::invalid("tasks", &error))?;
        let submitted = self.executor.execute_hot(&call, SubmitTasks { content, submit }).await?.answer;
        let view = |(index, (submitted, (name, title))): (usize, (Submitted, (Option<String>, Title)))| {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            match submitted {
                Submitted::Task(task) => {
                    SubmittedView { index, name, task: Some(TaskView::new(&task, title)), fault: None }
                }
                Submitted::Refused(fault) => SubmittedView { index, name, task: None, fault: Some(fault.to_string()) },
            }
        };
        let tasks = submitted.into_iter().zip(told).enumerate().map(view).collect();
        Ok(Json(SubmittedTasksView { tasks }))
    }

    /// List tasks
    ///
    /// Newest first. Several filters must all fit. The dead letters are those with `status=dead`.
    #[oai(path = "/", method = "get", operation_id = "list_tasks")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        Auth(call): Auth,
        /// In this state; in one of them, if repeated.
        #[oai(validator(max_items = 9))]
        status: Query<Vec<StatusView>>,
        /// Of this kind.
        #[oai(name = "type", validator(min_length = 1, max_length = 64))]
        task_type: Query<Option<String>>,
        /// With this label.
        #[oai(validator(min_length = 1, max_length = 64))]
        label: Query<Option<String>>,
        /// Submitted by this agent.
        #[oai(validator(min_length = 1, max_length = 128))]
        submitted_by: Query<Option<String>>,
        /// Being worked on by this agent.
        #[oai(validator(min_length = 1, max_length = 128))]
        held_by: Query<Option<String>>,
        /// Part of this task.
        #[oai(validator(min_length = 1, max_length = 64))]
        parent: Query<Option<String>>,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<TaskPageView>, Problem> {
        let filter = TaskFilter {
            statuses: status.0.into_iter().map(Into::into).collect(),
            task_type: named("type", task_type.0.as_deref(), TaskType::parse)?,
            label: named("label", label.0.as_deref(), Label::parse)?,
            submitted_by: named("submitted_by", submitted_by.0.as_deref(), AgentId::parse)?,
            held_by: named("held_by", held_by.0.as_deref(), AgentId::parse)?,
            parent: named("parent", parent.0.as_deref(), TaskId::parse)?,
        };
        let after: Option<TaskCursor> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let page = self.queries.list(&call, &filter, after, cursor::page_size(limit.0)?).await?;
        Ok(Json(TaskPageView {
            tasks: page.rows.into_iter().map(|(task, title)| TaskView::new(&task, title)).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }

    /// Claim tasks
    ///
    /// The first that fit, each with all its locks or not at all: a task whose locks cannot be had, or that asks for what
    /// the caller lacks, is passed over for now and stays for others. With `wait_seconds` the call waits until there is
    /// something to claim. Finding nothing is an answer with an empty list.
    #[oai(path = "/claim", method = "post", operation_id = "claim_tasks")]
    async fn claim(&self, Auth(call): Auth, body: JsonBody<ClaimBody>) -> Result<Json<ClaimedTasksView>, Problem> {
        let ClaimBody {
            max_tasks,
            types: kinds,
            labels: marks,
            capabilities: can,
            environment,
            lease_seconds,
            wait_seconds,
        } = body.0;
        let wait_seconds = wait_seconds.unwrap_or(0);
        if wait_seconds > WAIT_SECONDS_MAX {
            return Err(Problem::invalid("wait_seconds", &format!("must be 0 to {WAIT_SECONDS_MAX}")));
        }
        let kinds = types(kinds).map_err(|error| Problem::invalid("types", &error))?;
        let marks = labels(marks).map_err(|error| Problem::invalid("labels", &error))?;
        let request = ClaimRequest {
            filter: ClaimFilter::try_new(kinds, marks.into()).map_err(|error| Problem::invalid("types", &error))?,
            size: ClaimSize::try_new(max_tasks.unwrap_or(1)).map_err(|error| Problem::invalid("max_tasks", &error))?,
            lease: lease_seconds
                .map(LeaseLength::try_new)
                .transpose()
                .map_err(|error| Problem::invalid("lease_seconds", &error))?,
            capabilities: can
                .map(|can| capabilities(Some(can)))
                .transpose()
                .map_err(|error| Problem::invalid("capabilities", &error))?,
            environment: environment
                .as_deref()
                .map(Environment::parse)
                .transpose()
                .map_err(|error| Problem::invalid("environment", &error))?,
            wait: Duration::from_secs(u64::from(wait_seconds)),
        };
        Ok(Json(self.claim.claim(&call, &request).await?.into()))
    }

    /// Keep a claim
    ///
    /// The claim lasts for its whole length from now, and so do the locks taken with it. Tells whether somebody asked to
    /// cancel the task.
    #[oai(path = "/:id/heartbeat", method = "post", operation_id = "heartbeat_task")]
    async fn heartbeat(
        &self,
        Auth(call): Auth,
        /// The task.
        id: Path<String>,
        body: JsonBody<HeartbeatBody>,
    ) -> Result<Json<BeatView>, Problem> {
        let HeartbeatBody { token, progress, note } = body.0;
        let word = Heartbeat {
            progress: progress
                .map(Progress::try_new)
                .transpose()
                .map_err(|error| Problem::invalid("progress", &error))?,
            note: note.as_deref().map(Note::parse).transpose().map_err(|error| Problem::invalid("note", &error))?,
        };
        Ok(Json(self.say(&call, &id.0, token, word).await?.into()))
    }

    /// Say that the work is done
    ///
    /// Frees the task's locks and readies what depended on it in the same commit. Saying the same again gets the first
    /// answer.
    #[oai(path = "/:id/complete", method = "post", operation_id = "complete_task")]
    async fn complete(
        &self,
        Auth(call): Auth,
        /// The task.
        id: Path<String>,
        body: JsonBody<CompleteBody>,
    ) -> Result<Json<FinishedView>, Problem> {
        let CompleteBody { token, result } = body.0;
        let result = result.map(|Any(result)| Payload::try_new(result)).transpose();
        let word = Complete { result: result.map_err(|error| Problem::invalid("result", &error))? };
        Ok(Json(self.say(&call, &id.0, token, word).await?.into()))
    }

    /// Say that the attempt failed
    ///
    /// If another attempt may mend it, the task rests for a while and is tried again, as often as it may be; otherwise it
    /// is a dead letter.
    #[oai(path = "/:id/fail", method = "post", operation_id = "fail_task")]
    async fn fail(
        &self,
        Auth(call): Auth,
        /// The task.
        id: Path<String>,
        body: JsonBody<FailBody>,
    ) -> Result<Json<FinishedView>, Problem> {
        let FailBody { token, error, retryable } = body.0;
        let word = Fail {
            error: Fault::parse(&error).map_err(|error| Problem::invalid("error", &error))?,
            is_retryable: retryable.unwrap_or(true),
            chance: self.executor.ids().chance(),
        };
        Ok(Json(self.say(&call, &id.0, token, word).await?.into()))
    }

    /// Give a task back
    ///
    /// Unharmed: others may have it at once, and the attempt does not count.
    #[oai(path = "/:id/release", method = "post", operation_id = "release_task")]
    async fn release(
        &self,
        Auth(call): Auth,
        /// The task.
        id: Path<String>,
        body: JsonBody<ReleaseBody>,
    ) -> Result<Json<FinishedView>, Problem> {
        let reason = body.0.reason.as_deref().map(Reason::parse).transpose();
        let word = Release { reason: reason.map_err(|error| Problem::invalid("reason", &error))? };
        Ok(Json(self.say(&call, &id.0, body.0.token, word).await?.into()))
    }

    /// Put a task off
    ///
    /// Nobody has it before an instant, and the attempt does not count.
    #[oai(path = "/:id/snooze", method = "post", operation_id = "snooze_task")]
    async fn snooze(
        &self,
        Auth(call): Auth,
        /// The task.
        id: Path<String>,
        body: JsonBody<SnoozeBody>,
    ) -> Result<Json<FinishedView>, Problem> {
        let SnoozeBody { token, until } = body.0;
        Ok(Json(self.say(&call, &id.0, token, Snooze { until }).await?.into()))
    }
}

fn task_id(text: &str) -> Result<TaskId, Problem> {
    TaskId::parse(text).map_err(|error| Problem::invalid("id", &error))
}

fn claim_token(value: i64) -> Result<Token, Problem> {
    Token::try_new(value).map_err(|error| Problem::invalid("token", &error))
}

fn named<T>(
    field: &str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Result<T, InvalidId>,
) -> Result<Option<T>, Problem> {
    text.map(parse).transpose().map_err(|error| Problem::invalid(field, &error))
}

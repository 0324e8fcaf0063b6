//! What requests about tasks look like on the wire, and what they mean.

use crate::http::problem::kinds::INVALID_VALUE;
use crate::http::problem::{FieldError, Problem};
use crate::locks::bodies::WantBody;
use crate::locks::views::ModeView;
use crate::work::views::OnDependencyFailureView;
use chrono::{DateTime, Utc};
use domain::ids::{AgentType, TaskId};
use domain::locks::key::LockKey;
use domain::locks::wants::{Want, Wants};
use domain::work::content::{Content, Description, Payload, Title};
use domain::work::name::{Capability, ConcurrencyKey, Environment, Label, LocalName, TaskType};
use domain::work::rank::Priority;
use domain::work::requires::{Asked, Requires, Trust};
use domain::work::retry::RetryPolicy;
use domain::work::submission::{Dependencies, TaskDraft, TaskRef};
use domain::work::terms::{Concurrency, ConcurrencyLimit, Labels, LeaseLength, OnDependencyFailure};
use poem_openapi::types::Any;
use poem_openapi::{Enum, Object};
use serde_json::Value;
use std::collections::BTreeSet;

/// What happens to the others when one task of a call cannot be submitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enum)]
#[oai(rename = "SubmitTogether", rename_all = "snake_case")]
pub enum TogetherBody {
    /// None is submitted.
    #[default]
    AllOrNothing,
    /// Those that do not depend on it are submitted.
    EachAlone,
}

/// Tasks to submit.
#[derive(Debug, Clone, Object)]
#[oai(rename = "SubmitTasks", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct SubmitBody {
    /// 1 to 1,000 tasks.
    #[oai(validator(min_items = 1, max_items = 1000))]
    pub tasks: Vec<TaskBody>,
    /// `all_or_nothing` if left out.
    pub together: Option<TogetherBody>,
}

/// What a task asks of the agent that is to do it.
#[derive(Debug, Clone, Default, Object)]
#[oai(rename = "RequireOfAgent", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct RequiresBody {
    /// All of these.
    #[oai(validator(max_items = 32))]
    pub capabilities: Option<Vec<String>>,
    /// Running here.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub environment: Option<String>,
    /// Trusted at least so far, 0 to 4.
    #[oai(validator(maximum(value = "4")))]
    pub trust_min: Option<u8>,
    /// Of one of these kinds.
    #[oai(validator(max_items = 32))]
    pub agent_types: Option<Vec<String>>,
    /// Not the agent that submitted the task.
    pub not_submitter: Option<bool>,
}

/// How many tasks of a key may run at a time.
#[derive(Debug, Clone, Object)]
#[oai(rename = "LimitConcurrency", deny_unknown_fields)]
pub struct ConcurrencyBody {
    /// The key.
    #[oai(validator(min_length = 1, max_length = 128))]
    pub key: String,
    /// The task starts only while fewer than so many of the key run.
    #[oai(validator(minimum(value = "1"), maximum(value = "10000")))]
    pub limit: u32,
}

/// A task to submit.
#[derive(Debug, Clone, Object)]
#[oai(rename = "TaskToSubmit", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct TaskBody {
    /// What it is called in this call, so that others of the call can name it.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub name: Option<String>,
    /// Its kind, such as `review`.
    #[oai(rename = "type", validator(min_length = 1, max_length = 64))]
    pub task_type: String,
    /// In one line.
    #[oai(validator(min_length = 1, max_length = 256))]
    pub title: String,
    /// At length; at most 32 KiB.
    #[oai(validator(min_length = 1, max_length = 32768))]
    pub description: Option<String>,
    /// Whatever the agent needs to know; at most 256 KiB of JSON.
    pub input: Option<Any<Value>>,
    /// How urgent it is: 1 goes first, 10 last; 5 if left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "10")))]
    pub priority: Option<u8>,
    /// What has to be finished first: ids of tasks, or names of this call. At most 100.
    #[oai(validator(max_items = 100))]
    pub depends_on: Option<Vec<String>>,
    /// Not to be claimed before.
    pub not_before: Option<DateTime<Utc>>,
    /// To be finished before; at this instant it expires.
    pub deadline: Option<DateTime<Utc>>,
    /// How often it is tried; 3 if left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
    pub max_attempts: Option<u32>,
    /// How long a claim lasts without a heartbeat, in seconds; 900 if left out.
    #[oai(validator(minimum(value = "5"), maximum(value = "28800")))]
    pub lease_seconds: Option<u32>,
    /// How long it rests at most after the first failure, in seconds; 10 if left out. Doubles with each failure.
    #[oai(validator(maximum(value = "604800")))]
    pub backoff_first_seconds: Option<u32>,
    /// How long it rests at most after any failure, in seconds; 3600 if left out.
    #[oai(validator(maximum(value = "604800")))]
    pub backoff_cap_seconds: Option<u32>,
    /// What it asks of the agent.
    pub requires: Option<RequiresBody>,
    /// Locks it is done under; they are taken with the claim, all or nothing. At most 64.
    #[oai(validator(max_items = 64))]
    pub resources: Option<Vec<WantBody>>,
    /// How many of its key may run at a time.
    pub concurrency: Option<ConcurrencyBody>,
    /// Marks to find and claim it by. At most 32.
    #[oai(validator(max_items = 32))]
    pub labels: Option<Vec<String>>,
    /// The task it is a part of: an id, or a name of this call.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub parent: Option<String>,
    /// What becomes of it when one it depends on fails; `cancel` if left out.
    pub on_dependency_failure: Option<OnDependencyFailureView>,
}

/// A task of a call, read.
#[derive(Debug, Clone)]
pub struct ReadTask {
    /// What it is called in the call.
    pub name: Option<LocalName>,
    /// The task.
    pub draft: TaskDraft,
    /// What has to be finished first.
    pub depends_on: Dependencies,
    /// What it is a part of.
    pub parent: Option<TaskRef>,
}

impl TaskBody {
    /// Reads it; `at` is where it stands in the body, such as `tasks[3]`, for what is told about its fields.
    pub fn read(self, at: &str) -> Result<ReadTask, Problem> {
        let fault = |field: &str, reason: &dyn std::fmt::Display| {
            let reason = reason.to_string();
            let field = if at.is_empty() { field.to_owned() } else { format!("{at}.{field}") };
            Problem::new(&INVALID_VALUE)
                .detail(format!("`{field}`: {reason}"))
                .errors(vec![FieldError { field, reason }])
        };
        let name = self.name.as_deref().map(LocalName::parse).transpose().map_err(|e| fault("name", &e))?;
        let depends_on: BTreeSet<TaskRef> = self
            .depends_on
            .unwrap_or_default()
            .iter()
            .map(|other| reference(other))
            .collect::<Result<_, _>>()
            .map_err(|e| fault("depends_on", &e))?;
        let depends_on = Dependencies::try_new(depends_on).map_err(|e| fault("depends_on", &e))?;
        let parent = self.parent.as_deref().map(reference).transpose().map_err(|e| fault("parent", &e))?;
        let description =
            self.description.as_deref().map(Description::parse).transpose().map_err(|e| fault("description", &e))?;
        let input = self.input.map(|Any(input)| Payload::try_new(input)).transpose().map_err(|e| fault("input", &e))?;
        let content = Content { title: Title::parse(&self.title).map_err(|e| fault("title", &e))?, description, input };
        let priority = self.priority.map_or(Ok(Priority::DEFAULT), Priority::try_new);
        let defaults = RetryPolicy::DEFAULT;
        let retry = RetryPolicy::try_new(
            self.max_attempts.unwrap_or(defaults.attempts_max()),
            self.backoff_first_seconds.unwrap_or(defaults.backoff_first_seconds()),
            self.backoff_cap_seconds.unwrap_or(defaults.backoff_cap_seconds()),
        );
        let lease = LeaseLength::try_new(self.lease_seconds.unwrap_or(LeaseLength::SECONDS_DEFAULT));
        let requires = self.requires.map(requires).transpose().map_err(|(field, e)| fault(field, &e))?;
        let resources = self.resources.filter(|resources| !resources.is_empty());
        let resources = resources.map(|resources| wants(&resources)).transpose().map_err(|e| fault("resources", &e))?;
        let concurrency = self.concurrency.map(concurrency).transpose().map_err(|e| fault("concurrency", &e))?;
        let draft = TaskDraft {
            content,
            task_type: TaskType::parse(&self.task_type).map_err(|e| fault("type", &e))?,
            priority: priority.map_err(|e| fault("priority", &e))?,
            labels: labels(self.labels).map_err(|e| fault("labels", &e))?,
            requires: requires.unwrap_or_default(),
            resources,
            concurrency,
            lease: lease.map_err(|e| fault("lease_seconds", &e))?,
            retry: retry.map_err(|e| fault("max_attempts", &e))?,
            on_dependency_failure: self.on_dependency_failure.map_or(OnDependencyFailure::Cancel, Into::into),
            not_before: self.not_before,
            deadline: self.deadline,
        };
        Ok(ReadTask { name, draft, depends_on, parent })
    }
}

/// An id where it is one, else a name of the call.
fn reference(text: &str) -> Result<TaskRef, String> {
    match TaskId::parse(text) {
        Ok(id) => Ok(TaskRef::Known(id)),
        Err(_) => LocalName::parse(text).map(TaskRef::Local).map_err(|error| error.to_string()),
    }
}

fn set<T: Ord, E: ToString>(
    texts: Option<Vec<String>>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<BTreeSet<T>, String> {
    texts.unwrap_or_default().iter().map(|text| parse(text).map_err(|error| error.to_string())).collect()
}

/// Reads labels.
pub fn labels(texts: Option<Vec<String>>) -> Result<Labels, String> {
    Labels::try_new(set(texts, Label::parse)?).map_err(|error| error.to_string())
}

/// Reads capabilities.
pub fn capabilities(texts: Option<Vec<String>>) -> Result<BTreeSet<Capability>, String> {
    set(texts, Capability::parse)
}

/// Reads kinds of tasks.
pub fn types(texts: Option<Vec<String>>) -> Result<BTreeSet<TaskType>, String> {
    set(texts, TaskType::parse)
}

fn requires(body: RequiresBody) -> Result<Requires, (&'static str, String)> {
    let environment = body.environment.as_deref().map(Environment::parse).transpose();
    let asked = Asked {
        capabilities: capabilities(body.capabilities).map_err(|e| ("requires.capabilities", e))?,
        environment: environment.map_err(|e| ("requires.environment", e.to_string()))?,
        trust_min: body.trust_min.map(Trust::try_new).transpose().map_err(|e| ("requires.trust_min", e.to_string()))?,
        agent_types: set(body.agent_types, AgentType::parse).map_err(|e| ("requires.agent_types", e))?,
        not_submitter: body.not_submitter.unwrap_or(false),
    };
    Requires::try_new(asked).map_err(|error| ("requires", error.to_string()))
}

fn wants(bodies: &[WantBody]) -> Result<Wants, String> {
    let mut wants = Vec::with_capacity(bodies.len());
    for WantBody { key, mode } in bodies {
        let key = LockKey::parse(key).map_err(|error| error.to_string())?;
        wants.push(Want { key, mode: mode.unwrap_or(ModeView::Exclusive).into() });
    }
    Wants::try_new(wants).map_err(|error| error.to_string())
}

fn concurrency(body: ConcurrencyBody) -> Result<Concurrency, String> {
    Ok(Concurrency {
        key: ConcurrencyKey::parse(&body.key).map_err(|error| error.to_string())?,
        limit: ConcurrencyLimit::try_new(body.limit).map_err(|error| error.to_string())?,
    })
}

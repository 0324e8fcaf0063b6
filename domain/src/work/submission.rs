//! What is handed in: one task or many, with what they depend on.

use crate::ids::{AgentId, TaskId};
use crate::locks::key::LockKey;
use crate::locks::wants::Wants;
use crate::work::content::Content;
use crate::work::name::{LocalName, TaskType};
use crate::work::rank::Priority;
use crate::work::requires::Requires;
use crate::work::retry::RetryPolicy;
use crate::work::terms::{Concurrency, Labels, LeaseLength, OnDependencyFailure, Terms};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A task as somebody wants it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskDraft {
    /// What agents read.
    pub content: Content,
    /// Its kind.
    pub task_type: TaskType,
    /// How urgent it is.
    pub priority: Priority,
    /// Its marks.
    pub labels: Labels,
    /// What it asks of the agent.
    pub requires: Requires,
    /// The locks it is done under.
    pub resources: Option<Wants>,
    /// How many of its key may run at a time.
    pub concurrency: Option<Concurrency>,
    /// How long a claim lasts without a heartbeat.
    pub lease: LeaseLength,
    /// How often it is tried.
    pub retry: RetryPolicy,
    /// What becomes of it when a dependency fails.
    pub on_dependency_failure: OnDependencyFailure,
    /// Not to be claimed before.
    pub not_before: Option<DateTime<Utc>>,
    /// To be finished before.
    pub deadline: Option<DateTime<Utc>>,
}

impl TaskDraft {
    /// The keys that it is done under.
    pub fn lock_keys(&self) -> impl Iterator<Item = &LockKey> {
        self.resources.iter().flat_map(Wants::keys)
    }

    pub(crate) fn terms(&self, parent: Option<TaskId>, by: &AgentId, at: DateTime<Utc>) -> Terms {
        Terms {
            task_type: self.task_type.clone(),
            labels: self.labels.clone(),
            requires: self.requires.clone(),
            resources: self.resources.clone(),
            concurrency: self.concurrency.clone(),
            lease: self.lease,
            retry: self.retry,
            on_dependency_failure: self.on_dependency_failure,
            parent,
            submitted_by: by.clone(),
            submitted_at: at,
        }
    }
}

/// Another task: one that exists, or one of the same call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskRef {
    /// One that exists in the project.
    Known(TaskId),
    /// One of the same call.
    Local(LocalName),
}

impl std::fmt::Display for TaskRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(id) => id.fmt(f),
            Self::Local(name) => name.fmt(f),
        }
    }
}

/// One task of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// The id it will have.
    pub id: TaskId,
    /// What it is called in the call.
    pub name: Option<LocalName>,
    /// The task.
    pub draft: TaskDraft,
    /// What has to be finished first.
    pub depends_on: Dependencies,
    /// What it is a part of.
    pub parent: Option<TaskRef>,
}

/// The tasks that have to be finished first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependencies(BTreeSet<TaskRef>);

/// Too many dependencies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`depends_on` names {0} tasks: it may name {max}", max = Dependencies::MAX)]
pub struct TooManyDependencies(pub usize);

impl Dependencies {
    /// The most tasks one task can depend on.
    pub const MAX: usize = 100;
    /// The most tasks that can depend on one task.
    pub const DEPENDENTS_MAX: usize = 1_000;

    /// Counts; what is named twice counts once.
    pub fn try_new(tasks: BTreeSet<TaskRef>) -> Result<Self, TooManyDependencies> {
        if tasks.len() <= Self::MAX { Ok(Self(tasks)) } else { Err(TooManyDependencies(tasks.len())) }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &TaskRef> {
        self.0.iter()
    }
}

/// What happens to the others when one task of a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Together {
    /// None is submitted.
    AllOrNothing,
    /// Those that do not depend on it are submitted.
    EachAlone,
}

/// The command to submit tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct Submit {
    by: AgentId,
    items: Vec<Submission>,
    together: Together,
}

/// Too few or too many tasks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} tasks were submitted: it must be 1 to {max}", max = Submit::ITEMS_MAX)]
pub struct InvalidSubmit(pub usize);

impl Submit {
    /// The most tasks of one call.
    pub const ITEMS_MAX: usize = 1_000;

    /// Counts.
    pub fn try_new(by: AgentId, items: Vec<Submission>, together: Together) -> Result<Self, InvalidSubmit> {
        if (1..=Self::ITEMS_MAX).contains(&items.len()) {
            Ok(Self { by, items, together })
        } else {
            Err(InvalidSubmit(items.len()))
        }
    }

    /// Who submits.
    pub fn by(&self) -> &AgentId {
        &self.by
    }

    /// The tasks, as given.
    pub fn items(&self) -> &[Submission] {
        &self.items
    }

    /// What happens to the others when one is refused.
    pub fn together(&self) -> Together {
        self.together
    }

    /// The keys that the tasks are done under: whoever decides on claims beside it has to know who holds them.
    pub fn lock_keys(&self) -> impl Iterator<Item = &LockKey> {
        self.items.iter().flat_map(|item| item.draft.lock_keys())
    }

    /// The tasks it names that must exist already: to be loaded, with how many depend on each.
    pub fn known(&self) -> BTreeSet<TaskId> {
        let named = self.items.iter().flat_map(|item| item.depends_on.iter().chain(&item.parent));
        let known = named.filter_map(|other| match other {
            TaskRef::Known(id) => Some(*id),
            TaskRef::Local(_) => None,
        });
        known.collect()
    }
}

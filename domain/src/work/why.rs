//! Why a task is not running: every reason there is, exactly.

use crate::ids::TaskId;
use crate::locks::conflict::Conflict;
use crate::work::name::ConcurrencyKey;
use crate::work::rank::{Priority, Rank};
use crate::work::refusal::Has;
use crate::work::requires::{Claimant, Lack, Requires};
use crate::work::task::{Delay, Status, Task, TaskState};
use crate::work::terms::OnDependencyFailure;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What is known about a task and its surroundings at an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Surroundings {
    /// The store's clock.
    pub now: DateTime<Utc>,
    /// The task.
    pub task: Task,
    /// The tasks it depends on.
    pub dependencies: Vec<Task>,
    /// What is in the way of its locks.
    pub obstacles: Vec<Conflict>,
    /// The agents that live, and what they have to offer.
    pub agents: Vec<Claimant>,
    /// The tasks of its concurrency key that are leased.
    pub running: Vec<Task>,
    /// How many ready tasks stand before it.
    pub ahead: u64,
}

/// One reason why a task is not running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Why {
    /// It is running.
    Running {
        /// Who has it.
        with: Has,
    },
    /// It has ended.
    Ended {
        /// How.
        status: Status,
    },
    /// These are not finished.
    UnfinishedDependencies {
        /// Each of them.
        dependencies: Vec<DependencyState>,
    },
    /// These ended without success, and it was submitted to wait for them all the same.
    FailedDependencies {
        /// Each of them.
        dependencies: Vec<DependencyState>,
    },
    /// It may not be claimed yet.
    NotBefore {
        /// When it may.
        until: DateTime<Utc>,
        /// Why.
        delay: Delay,
    },
    /// Locks it needs cannot be had.
    ResourcesHeld {
        /// Which, and who stands in the way.
        conflicts: Vec<Conflict>,
    },
    /// No agent that lives may have it.
    NoAgent {
        /// What it asks for.
        requires: Requires,
        /// How many agents live.
        live: usize,
        /// What the one that comes nearest lacks; empty if nobody lives.
        nearest_lacks: Vec<Lack>,
    },
    /// As many of its key run as may.
    ConcurrencyLimit {
        /// The key.
        key: ConcurrencyKey,
        /// How many may run.
        limit: u32,
        /// Those that run, and who has them.
        holders: Vec<KeyHolder>,
    },
    /// It stands in line.
    InLine {
        /// How many stand before it.
        ahead: u64,
        /// Its priority.
        priority: Priority,
        /// How many steps of priority its wait has been worth so far, in hundredths.
        boost_hundredths: i64,
        /// How much waiting one step is worth, in seconds.
        aging_step_seconds: i64,
        /// Since when it can be claimed.
        since: DateTime<Utc>,
    },
}

/// What a dependency is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependencyState {
    /// The task.
    pub task: TaskId,
    /// What it is in.
    pub status: Status,
}

/// A task that runs under a concurrency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyHolder {
    /// The task.
    pub task: TaskId,
    /// Who has it.
    pub with: Has,
}

/// Every reason, the one that has to go away first coming first. Never empty: what nothing else keeps stands in line.
///
/// What has run out or come due counts as such, whether it was tidied up or not.
pub fn why(about: &Surroundings) -> Vec<Why> {
    let Surroundings { now, task, .. } = about;
    let mut reasons = Vec::new();
    let since = match &task.state {
        TaskState::Leased(lease) if *now < lease.until => {
            let with = Has { holder: lease.holder.clone(), token: lease.token, until: lease.until };
            return vec![Why::Running { with }];
        }
        TaskState::Succeeded { .. }
        | TaskState::Dead { .. }
        | TaskState::Cancelled { .. }
        | TaskState::Expired { .. } => return vec![Why::Ended { status: task.status() }],
        _ if task.is_overdue(*now) => return vec![Why::Ended { status: Status::Expired }],
        TaskState::Blocked { .. } => {
            reasons.extend(dependencies(about));
            if let Some(until) = task.not_before.filter(|at| at > now) {
                reasons.push(Why::NotBefore { until, delay: Delay::NotBefore });
            }
            None
        }
        TaskState::Scheduled { until, delay } if until > now => {
            reasons.push(Why::NotBefore { until: *until, delay: *delay });
            None
        }
        TaskState::Scheduled { until, .. } => Some(*until),
        TaskState::Ready { since } => Some(*since),
        TaskState::Leased(lease) => Some(lease.until),
    };
    reasons.extend(no_agent(about));
    reasons.extend(concurrency(about));
    if !about.obstacles.is_empty() {
        reasons.push(Why::ResourcesHeld { conflicts: about.obstacles.clone() });
    }
    if let Some(since) = since {
        reasons.push(Why::InLine {
            ahead: about.ahead,
            priority: task.priority,
            boost_hundredths: task.rank.boost_hundredths(task.priority, *now),
            aging_step_seconds: Rank::AGING_STEP_SECONDS,
            since,
        });
    }
    reasons
}

fn dependencies(about: &Surroundings) -> Vec<Why> {
    let policy = about.task.terms.on_dependency_failure;
    let is_satisfied = |other: &&Task| {
        let is_over = other.status().is_ended() && !other.untold;
        is_over && (other.status() == Status::Succeeded || policy == OnDependencyFailure::Run)
    };
    let open = about.dependencies.iter().filter(|other| !is_satisfied(other));
    let state = |other: &Task| DependencyState { task: other.id, status: other.status() };
    let (failed, unfinished): (Vec<_>, Vec<_>) =
        open.map(state).partition(|dependency| dependency.status.is_ended() && dependency.status != Status::Succeeded);
    let mut reasons = Vec::new();
    if !unfinished.is_empty() {
        reasons.push(Why::UnfinishedDependencies { dependencies: unfinished });
    }
    if !failed.is_empty() {
        reasons.push(Why::FailedDependencies { dependencies: failed });
    }
    reasons
}

fn no_agent(about: &Surroundings) -> Option<Why> {
    let terms = &about.task.terms;
    let lacks = about.agents.iter().map(|agent| terms.requires.lacks(agent, &terms.submitted_by));
    let nearest = lacks.min_by_key(Vec::len);
    let fits = nearest.as_ref().is_some_and(Vec::is_empty);
    (!fits).then(|| Why::NoAgent {
        requires: terms.requires.clone(),
        live: about.agents.len(),
        nearest_lacks: nearest.unwrap_or_default(),
    })
}

fn concurrency(about: &Surroundings) -> Option<Why> {
    let concurrency = about.task.terms.concurrency.as_ref()?;
    let holder = |task: &Task| {
        let lease = task.lease().filter(|lease| about.now < lease.until)?;
        let with = Has { holder: lease.holder.clone(), token: lease.token, until: lease.until };
        Some(KeyHolder { task: task.id, with })
    };
    let holders: Vec<KeyHolder> = about.running.iter().filter_map(holder).collect();
    let limit = concurrency.limit.number();
    let is_full = u32::try_from(holders.len()).unwrap_or(u32::MAX) >= limit;
    is_full.then(|| Why::ConcurrencyLimit { key: concurrency.key.clone(), limit, holders })
}

#[cfg(test)]
#[path = "why_tests.rs"]
mod tests;

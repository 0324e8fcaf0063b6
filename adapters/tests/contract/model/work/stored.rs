//! What a store holds of the work of a project, asked for through the port.

use crate::harness::TestStore;
use crate::samples::*;
use crate::work::samples::sorted;
use chrono::{DateTime, Utc};
use domain::ids::{ProjectId, SessionId, TaskId};
use domain::locks::key::KeyScope;
use domain::locks::lease::Token;
use domain::locks::stored::StoredLease;
use domain::page::PageSize;
use domain::work::attempt::Attempt;
use domain::work::graph::Edge;
use domain::work::listing::TaskFilter;
use domain::work::name::ConcurrencyKey;
use domain::work::task::{Status, Task};
use ports::agents::SessionFilter;
use std::collections::BTreeMap;

/// How many lines of the audit log, and facts, are looked at.
pub(crate) const LINES: u32 = 40;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) tasks: BTreeMap<TaskId, Task>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) attempts: BTreeMap<Token, Attempt>,
    pub(crate) counts: Vec<(String, Status, u64)>,
    pub(crate) running: BTreeMap<ConcurrencyKey, u32>,
    pub(crate) due: Vec<TaskId>,
    pub(crate) is_work_for_the_sweeper: bool,
    pub(crate) next_due: Option<DateTime<Utc>>,
    pub(crate) leases: Vec<StoredLease>,
    pub(crate) last_token: i64,
    /// Until when each session lives.
    pub(crate) sessions: BTreeMap<SessionId, DateTime<Utc>>,
    /// The newest lines of the audit log: operation and target.
    pub(crate) lines: Vec<(String, String)>,
    /// The things the newest facts are about.
    pub(crate) subjects: Vec<String>,
}

impl Stored {
    pub(crate) async fn of(store: &TestStore, project: &ProjectId, ids: &[TaskId], tokens: &[Token]) -> Self {
        let mut uow = store.begin_read().await;
        let all = TaskFilter::default();
        let page = uow.task_list(project, &all, None, size(PageSize::MAX)).await.unwrap();
        assert_eq!(page.next, None, "a sequence has no more tasks than fit a page");
        let listed: BTreeMap<TaskId, Task> = page.rows.iter().map(|task| (task.id, task.clone())).collect();
        assert_eq!(listed.len(), page.rows.len(), "a task is there twice");
        let tasks = uow.tasks_load(project, ids).await.unwrap();
        let tasks: BTreeMap<TaskId, Task> = tasks.into_iter().map(|task| (task.id, task)).collect();
        assert_eq!(tasks, listed, "what is loaded is what is listed");
        let edges = sorted(uow.dependencies_load(project, ids).await.unwrap());
        let other_way = sorted(uow.dependents_load(project, ids).await.unwrap());
        assert_eq!(edges, other_way, "each edge has two ends");
        let attempts = uow.attempts_load(project, tokens).await.unwrap();
        let attempts = attempts.into_iter().map(|attempt| (attempt.token, attempt)).collect();
        let counts = uow.task_counts(project).await.unwrap();
        let counts = counts.into_iter().map(|count| (count.task_type.to_string(), count.status, count.tasks));
        let due = uow.tasks_due(project, store.now(), 1_000).await.unwrap();
        let with_due = uow.projects_with_tasks_due(store.now(), 1_000).await.unwrap();
        let everything = KeyScope { everything: true, ..KeyScope::default() };
        let mut leases = uow.leases_load(project, &everything).await.unwrap();
        leases.sort_by_key(|stored| stored.lease.token);
        let sessions = SessionFilter::default();
        let sessions = uow.session_list(project, &sessions, store.now(), None, size(PageSize::MAX)).await.unwrap();
        let lines = uow.audit_list(project, &domain::audit::Filter::default(), None, size(LINES)).await.unwrap().rows;
        let facts = uow.facts_latest(project, LINES).await.unwrap();
        Self {
            tasks,
            edges,
            attempts,
            counts: sorted(counts.collect()),
            running: uow.tasks_running(project).await.unwrap(),
            due: sorted(due.into_iter().map(|task| task.id).collect()),
            is_work_for_the_sweeper: with_due.contains(project),
            next_due: uow.tasks_next_due(project).await.unwrap(),
            leases,
            last_token: uow.lock_table_lock(project).await.unwrap().unwrap().last_token,
            sessions: sessions.rows.into_iter().map(|session| (session.id, session.live_until)).collect(),
            lines: lines.into_iter().map(|entry| (entry.change.operation, entry.change.target)).collect(),
            subjects: facts.into_iter().map(|fact| fact.subject).collect(),
        }
    }

    /// Whether a session lives. One that was never heard of does not.
    pub(crate) fn lives(&self, session: &SessionId, now: DateTime<Utc>) -> bool {
        self.sessions.get(session).is_some_and(|until| now < *until)
    }
}

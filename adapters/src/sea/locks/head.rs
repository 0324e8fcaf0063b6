//! The row that a project's lock table hangs on: locked, or only read.

use crate::sea::locks::TABLES;
use crate::sea::optimistic::{NOW_US, Read};
use crate::sea::unit::{Access, SeaUnitOfWork};
use domain::ids::ProjectId;
use ports::agents::SessionRepository;
use ports::idempotency::IdempotencyRepository;
use ports::identity::ProjectRepository;
use ports::locks::{Ahead, LockRepository, TableHead};
use ports::store::StoreError;
use ports::work::{Candidates, TaskRepository};
use sea_orm::{DbBackend, FromQueryResult, Statement};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(FromQueryResult, Deserialize)]
struct HeadRow {
    last_token: i64,
    version: i64,
    revision: i64,
    now_us: i64,
}

impl SeaUnitOfWork {
    fn is_postgres(&self) -> bool {
        self.dialect.0 == DbBackend::Postgres
    }

    /// Reads the head, with the instant that an expression says.
    fn head_query_at(&self, project: &ProjectId, now_us: &str) -> Statement {
        let revision = if self.is_postgres() { "revision" } else { "0 AS revision" };
        let sql = format!(
            "SELECT last_token, version, {revision}, {now_us} AS now_us FROM lock_tables WHERE project_id = $1"
        );
        self.statement(sql, [project.as_str().into()])
    }

    /// Reads the head, the clock after it.
    pub(super) fn head_query(&self, project: &ProjectId) -> Statement {
        self.head_query_at(project, self.dialect.clock())
    }

    /// Locks the head until commit and raises its revision, so that nobody writes what was decided without the lock. One
    /// statement: the counter is that of the locked row, and the clock is read once the wait is over.
    pub(super) fn head_lock(&self, project: &ProjectId) -> Statement {
        if !self.is_postgres() {
            // One writer, who has locked everything.
            return self.head_query(project);
        }
        let sql = format!(
            "UPDATE lock_tables SET revision = revision + 1 WHERE project_id = $1 \
             RETURNING last_token, version, revision, {} AS now_us",
            self.dialect.clock()
        );
        self.statement(sql, [project.as_str().into()])
    }

    pub(super) async fn read_head(
        &mut self,
        project: &ProjectId,
        statement: Statement,
    ) -> Result<Option<TableHead>, StoreError> {
        let Some(row) = self.rows_ahead(statement, TABLES).await?.pop() else { return Ok(None) };
        let HeadRow { last_token, version, revision, now_us } = row;
        let now = self.clock.instant(now_us);
        let head = TableHead { now: self.check(now)?, last_token, version };
        if self.access == Access::Write {
            self.tables.insert(project.clone(), head);
        }
        if let Some(optimistic) = self.optimistic(project) {
            optimistic.read = Some(Read { project: project.clone(), head, revision });
        }
        Ok(Some(head))
    }

    /// Locks the head, or reads it with all the rest at once.
    pub(super) async fn lock_and_ask_ahead(
        &mut self,
        project: &ProjectId,
        ahead: &Ahead,
    ) -> Result<Option<TableHead>, StoreError> {
        if !self.is_postgres() {
            return self.lock_table_lock(project).await;
        }
        if self.optimistic(project).is_some_and(|optimistic| optimistic.read.is_none()) {
            self.note();
            self.note_as(self.head_query(project), self.head_query_at(project, NOW_US));
            self.note_ahead(project, ahead).await?;
            match self.ask(TABLES).await {
                Ok(()) => return self.lock_table_lock(project).await,
                Err(StoreError::Unavailable(_)) => self.start_over().await?,
                Err(error) => return Err(error),
            }
        }
        let head = self.lock_table_lock(project).await?;
        if head.is_some() {
            self.note();
            self.note_ahead(project, ahead).await?;
            self.ask(TABLES).await?;
        }
        Ok(head)
    }

    async fn note_ahead(&mut self, project: &ProjectId, ahead: &Ahead) -> Result<(), StoreError> {
        let Ahead {
            idempotency_load,
            sessions_load: (sessions, default_of),
            leases_load,
            leases_load_by_token,
            tasks_load,
            dependents_load,
            tasks_claimable,
            tasks_due,
        } = ahead;
        self.idempotency_load(idempotency_load).await?;
        self.sessions_load(project, sessions, default_of).await?;
        self.project_find(project).await?;
        self.waiters_load(project).await?;
        if let Some(scope) = leases_load {
            self.leases_load(project, scope).await?;
        }
        self.leases_load_by_token(project, leases_load_by_token).await?;
        self.tasks_load(project, tasks_load).await?;
        self.dependents_load(project, dependents_load).await?;
        if !tasks_claimable.is_empty() {
            self.tasks_running(project).await?;
        }
        if *tasks_due > 0 {
            self.note_tasks_due(project, *tasks_due);
        }
        // In the hope that nothing is running that counts.
        let running = BTreeMap::new();
        for (filter, after, rows_max) in tasks_claimable {
            let candidates = Candidates { filter, running: &running, after: *after, rows_max: *rows_max };
            self.tasks_claimable(project, candidates).await?;
        }
        Ok(())
    }
}

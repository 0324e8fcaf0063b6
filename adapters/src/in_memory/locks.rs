//! The lock tables, one for each project.

use super::{InMemoryUnitOfWork, State, conflict, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::identity::project::DEFAULT_PROJECT;
use domain::ids::{ProjectId, SessionId, TicketId};
use domain::locks::changes::Changes;
use domain::locks::key::{KeyScope, LockKey};
use domain::locks::lease::{EndedLease, Lease, Token, Waiter};
use domain::locks::stored::{StoredLease, StoredWaiter};
use domain::page::{Page, PageSize};
use ports::locks::{LeaseCursor, LeaseFilter, LockRepository, Look, TableHead};
use ports::store::StoreError;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Default)]
pub(super) struct Table {
    epoch: i64,
    projects: BTreeMap<ProjectId, Arc<ProjectTable>>,
}

#[derive(Clone, Default)]
struct ProjectTable {
    last_token: i64,
    version: i64,
    leases: BTreeMap<Token, Lease>,
    ended: BTreeMap<Token, EndedLease>,
    waiters: BTreeMap<TicketId, Waiter>,
}

impl Table {
    pub(super) fn with_default_project() -> Self {
        let mut table = Self::default();
        if let Ok(id) = ProjectId::parse(DEFAULT_PROJECT) {
            table.add_project(&id);
        }
        table
    }

    pub(super) fn add_project(&mut self, id: &ProjectId) {
        let last_token = Token::base_of_epoch(self.epoch);
        self.projects.insert(id.clone(), Arc::new(ProjectTable { last_token, ..ProjectTable::default() }));
    }

    pub(super) fn waiters(&self, project: &ProjectId) -> impl Iterator<Item = &Waiter> {
        self.projects.get(project).into_iter().flat_map(|table| table.waiters.values())
    }

    pub(super) fn leases(&self, project: &ProjectId) -> impl Iterator<Item = &Lease> {
        self.projects.get(project).into_iter().flat_map(|table| table.leases.values())
    }

    fn ended(&self, project: &ProjectId) -> impl DoubleEndedIterator<Item = &EndedLease> {
        self.projects.get(project).into_iter().flat_map(|table| table.ended.values())
    }
}

impl ProjectTable {
    fn apply(&mut self, changes: &Changes) {
        self.last_token = changes.last_token.unwrap_or(self.last_token);
        self.version += i64::from(changes.is_news());
        for lease in &changes.leases_put {
            self.leases.insert(lease.token, lease.clone());
        }
        for ended in &changes.leases_ended {
            self.leases.remove(&ended.lease.token);
            self.ended.insert(ended.lease.token, ended.clone());
        }
        for waiter in &changes.waiters_put {
            self.waiters.insert(waiter.ticket, waiter.clone());
        }
        for ticket in &changes.waiters_removed {
            self.waiters.remove(ticket);
        }
    }

    fn has_expired(&self, now: DateTime<Utc>) -> bool {
        self.leases.values().any(|lease| lease.expires_at <= now)
            || self.waiters.values().any(|waiter| waiter.kept_until <= now)
    }
}

impl State {
    pub(super) fn session_until(&self, project: &ProjectId, session: &SessionId) -> Option<DateTime<Utc>> {
        self.agents.get(&(project.clone(), session.clone())).map(|session| session.live_until)
    }

    fn leases(&self, project: &ProjectId) -> impl Iterator<Item = StoredLease> {
        self.locks.leases(project).map(|lease| StoredLease {
            session_until: self.session_until(project, &lease.holder.session).unwrap_or(lease.expires_at),
            lease: lease.clone(),
        })
    }

    fn has_died(&self, project: &ProjectId, now: DateTime<Utc>) -> bool {
        let mut open = self.agents.values().filter(|session| session.project == *project && session.ended_at.is_none());
        open.any(|session| !session.is_live(now))
    }
}

fn passes(lease: &Lease, filter: &LeaseFilter) -> bool {
    let LeaseFilter { agent, session, key_prefix } = filter;
    agent.as_ref().is_none_or(|agent| *agent == lease.holder.agent)
        && session.as_ref().is_none_or(|session| *session == lease.holder.session)
        && key_prefix.as_ref().is_none_or(|prefix| lease.key.as_str().starts_with(prefix.as_str()))
}

fn cursor(lease: &Lease) -> LeaseCursor {
    (lease.key.clone(), lease.token)
}

#[async_trait]
impl LockRepository for InMemoryUnitOfWork {
    async fn lock_table_lock(&mut self, project: &ProjectId) -> Result<Option<TableHead>, StoreError> {
        let now = self.clock.now();
        let Some(table) = self.read().locks.projects.get(project) else { return Ok(None) };
        let head = TableHead { now, last_token: table.last_token, version: table.version };
        if self.writer.is_some() {
            self.locked.insert(project.clone(), now);
        }
        Ok(Some(head))
    }

    async fn leases_load(&mut self, project: &ProjectId, scope: &KeyScope) -> Result<Vec<StoredLease>, StoreError> {
        Ok(self.read().leases(project).filter(|stored| scope.contains(&stored.lease.key)).collect())
    }

    async fn leases_load_by_token(
        &mut self,
        project: &ProjectId,
        tokens: &[Token],
    ) -> Result<Vec<StoredLease>, StoreError> {
        Ok(self.read().leases(project).filter(|stored| tokens.contains(&stored.lease.token)).collect())
    }

    async fn leases_load_by_session(
        &mut self,
        project: &ProjectId,
        sessions: &[SessionId],
    ) -> Result<Vec<StoredLease>, StoreError> {
        Ok(self.read().leases(project).filter(|stored| sessions.contains(&stored.lease.holder.session)).collect())
    }

    async fn leases_load_expired(
        &mut self,
        project: &ProjectId,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<StoredLease>, StoreError> {
        let mut expired: Vec<StoredLease> = self.read().leases(project).filter(|stored| !stored.is_live(now)).collect();
        expired.sort_by_key(|stored| (stored.ends_at(), stored.lease.token));
        expired.truncate(rows(rows_max));
        Ok(expired)
    }

    async fn lease_list(
        &mut self,
        project: &ProjectId,
        filter: &LeaseFilter,
        now: DateTime<Utc>,
        after: Option<&LeaseCursor>,
        size: PageSize,
    ) -> Result<Page<Lease, LeaseCursor>, StoreError> {
        let mut found: Vec<Lease> = self
            .read()
            .leases(project)
            .filter(|stored| stored.is_live(now))
            .map(|stored| stored.lease)
            .filter(|lease| passes(lease, filter) && after.is_none_or(|after| cursor(lease) > *after))
            .collect();
        found.sort_by_key(cursor);
        Ok(Page::cut(found, size, cursor))
    }

    async fn ended_load(&mut self, project: &ProjectId, tokens: &[Token]) -> Result<Vec<EndedLease>, StoreError> {
        Ok(self.read().locks.ended(project).filter(|ended| tokens.contains(&ended.lease.token)).cloned().collect())
    }

    async fn ended_list(
        &mut self,
        project: &ProjectId,
        key: &LockKey,
        rows_max: u32,
    ) -> Result<Vec<EndedLease>, StoreError> {
        let of_key = self.read().locks.ended(project).rev().filter(|ended| ended.lease.key == *key);
        Ok(of_key.take(rows(rows_max)).cloned().collect())
    }

    async fn ended_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let mut pruned = 0;
        for table in Arc::make_mut(&mut self.write()?.locks).projects.values_mut() {
            let room = rows(rows_max).saturating_sub(pruned);
            let old = table.ended.values().filter(|ended| ended.ended_at < before).take(room);
            let old: Vec<Token> = old.map(|ended| ended.lease.token).collect();
            if !old.is_empty() {
                pruned += old.len();
                Arc::make_mut(table).ended.retain(|token, _| !old.contains(token));
            }
        }
        self.wrote();
        Ok(pruned as u64)
    }

    async fn waiters_load(&mut self, project: &ProjectId) -> Result<Vec<StoredWaiter>, StoreError> {
        let state = self.read();
        let stored = |waiter: &Waiter| StoredWaiter {
            session_until: state.session_until(project, &waiter.holder.session).unwrap_or(waiter.kept_until),
            waiter: waiter.clone(),
        };
        let waiters = state.locks.projects.get(project).into_iter().flat_map(|table| table.waiters.values());
        let mut line: Vec<StoredWaiter> = waiters.map(stored).collect();
        line.sort_by_key(|stored| stored.waiter.place);
        Ok(line)
    }

    async fn projects_with_expired(&mut self, now: DateTime<Utc>, rows_max: u32) -> Result<Vec<ProjectId>, StoreError> {
        let state = self.read();
        let has_work = |id: &ProjectId, table: &ProjectTable| table.has_expired(now) || state.has_died(id, now);
        let projects = state.locks.projects.iter().filter(|(id, table)| has_work(id, table));
        Ok(projects.take(rows(rows_max)).map(|(id, _)| id.clone()).collect())
    }

    async fn lock_counts(&mut self) -> Result<(u64, u64), StoreError> {
        let tables = self.read().locks.projects.values();
        let (leases, waiters) =
            tables.fold((0, 0), |(leases, waiters), t| (leases + t.leases.len(), waiters + t.waiters.len()));
        Ok((leases as u64, waiters as u64))
    }

    async fn lock_tables_look(
        &mut self,
        projects: &[ProjectId],
        since: DateTime<Utc>,
    ) -> Result<Vec<Look>, StoreError> {
        let state = self.read();
        let asked = state.locks.projects.iter().filter(|(id, _)| projects.contains(id));
        let look = |(id, table): (&ProjectId, &Arc<ProjectTable>)| {
            let sessions = state.agents.values().filter(|session| session.project == *id && session.ended_at.is_none());
            let ends = table.leases.values().map(|lease| lease.expires_at);
            let ends = ends.chain(table.waiters.values().map(|waiter| waiter.kept_until));
            let ends = ends.chain(sessions.map(|session| session.live_until));
            Look { project: id.clone(), version: table.version, next_end: ends.filter(|end| *end > since).min() }
        };
        Ok(asked.map(look).collect())
    }

    async fn lock_table_save(
        &mut self,
        project: &ProjectId,
        head: TableHead,
        changes: &Changes,
    ) -> Result<(), StoreError> {
        match Arc::make_mut(&mut self.write()?.locks).projects.get_mut(project) {
            Some(table) if table.last_token == head.last_token => {
                Arc::make_mut(table).apply(changes);
                self.wrote();
                Ok(())
            }
            Some(_) | None => conflict("lock table"),
        }
    }

    async fn epoch(&mut self) -> Result<i64, StoreError> {
        Ok(self.read().locks.epoch)
    }

    async fn epoch_raise(&mut self, epoch: i64) -> Result<(), StoreError> {
        let table = Arc::make_mut(&mut self.write()?.locks);
        if epoch <= table.epoch {
            return conflict("epoch");
        }
        table.epoch = epoch;
        let base = Token::base_of_epoch(epoch);
        for project in table.projects.values_mut() {
            let project = Arc::make_mut(project);
            project.last_token = project.last_token.max(base);
        }
        self.wrote();
        Ok(())
    }
}

//! Loads what a command touches, under the project's lock, and saves what it changed.

use crate::executor::Happening;
use domain::ids::{ProjectId, SessionId};
use domain::locks::changes::Loaded;
use domain::locks::event::LockEvent;
use domain::locks::key::{KeyScope, LockKey};
use domain::locks::lease::{Lease, Token};
use domain::locks::table::LockTable;
use ports::locks::TableHead;
use ports::store::{StoreError, UnitOfWork};
use std::collections::BTreeSet;

/// What a command is about.
#[derive(Debug, Clone, Copy)]
pub enum About<'a> {
    /// Keys that are wanted.
    Keys(&'a [LockKey]),
    /// Leases by their tokens.
    Tokens(&'a BTreeSet<Token>),
    /// Everything of a session.
    Session(&'a SessionId),
    /// What has expired, at most this many.
    Expired(u32),
    /// The line alone.
    Line,
}

/// A lock table and what it was when it was loaded.
pub struct Opened {
    head: TableHead,
    /// The table, ready to decide.
    pub table: LockTable,
}

impl Opened {
    /// Locks a project's table and loads what a command is about, with the whole line and everything that overlaps.
    pub async fn load(uow: &mut dyn UnitOfWork, project: &ProjectId, about: About<'_>) -> Result<Self, StoreError> {
        let head = uow.lock_table_lock(project).await?;
        // The project was found in this unit of work, and projects are never deleted.
        let head = head.ok_or_else(|| StoreError::Failed(format!("project {project} has no lock table").into()))?;
        let waiters = uow.waiters_load(project).await?;
        let mut ended = Vec::new();
        let mut leases: Vec<Lease> = Vec::new();
        let mut keys: BTreeSet<LockKey> = waiters.iter().flat_map(|waiter| waiter.wants.keys().cloned()).collect();
        match about {
            About::Keys(wanted) => keys.extend(wanted.iter().cloned()),
            About::Tokens(tokens) => {
                let tokens: Vec<Token> = tokens.iter().copied().collect();
                leases = uow.leases_load_by_token(project, &tokens).await?;
                if leases.len() < tokens.len() {
                    ended = uow.ended_load(project, &tokens).await?;
                }
                let expired = leases.iter().filter(|lease| !lease.is_live(head.now)).map(|lease| &lease.key);
                keys.extend(ended.iter().map(|ended| &ended.lease.key).chain(expired).cloned());
            }
            About::Session(session) => leases = uow.leases_load_by_session(project, session).await?,
            About::Expired(rows_max) => leases = uow.leases_load_expired(project, head.now, rows_max).await?,
            About::Line => {}
        }
        if !keys.is_empty() {
            let known: BTreeSet<Token> = leases.iter().map(|lease| lease.token).collect();
            let overlapping = uow.leases_load(project, &KeyScope::overlapping(&keys)).await?;
            leases.extend(overlapping.into_iter().filter(|lease| !known.contains(&lease.token)));
        }
        let table = LockTable::new(Loaded { now: head.now, last_token: head.last_token, leases, waiters, ended });
        Ok(Self { head, table })
    }

    /// Saves what changed; answers what happened and which keys became freer.
    pub async fn save(
        self,
        uow: &mut dyn UnitOfWork,
        project: &ProjectId,
    ) -> Result<(Vec<Happening>, Vec<LockKey>), StoreError> {
        let changes = self.table.into_changes();
        uow.lock_table_save(project, self.head, &changes).await?;
        let freed = changes.freed();
        Ok((changes.events.iter().map(happening).collect(), freed))
    }
}

fn happening(event: &LockEvent) -> Happening {
    Happening { change: event.change(), kind: event.kind(), body: event.body(), by_itself: event.is_by_itself() }
}

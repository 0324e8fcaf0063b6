//! Runs commands on a lock table the way the server does: load what a command touches under the project's lock, let
//! the domain decide, save what changed, commit.

use domain::ids::{ProjectId, SessionId};
use domain::locks::changes::Loaded;
use domain::locks::key::{KeyScope, LockKey};
use domain::locks::lease::{Lease, Token};
use domain::locks::table::LockTable;
use ports::store::{Store, StoreError, UnitOfWork};
use std::collections::BTreeSet;

/// What a command touches.
#[derive(Debug, Clone)]
pub(crate) enum Touches {
    Keys(Vec<LockKey>),
    Tokens(BTreeSet<Token>),
    Session(SessionId),
    Expired(u32),
}

/// Runs one command in a unit of work of its own.
pub(crate) async fn run<T>(
    store: &dyn Store,
    project: &ProjectId,
    touches: &Touches,
    command: impl FnOnce(&mut LockTable) -> T,
) -> Result<T, StoreError> {
    let mut uow = store.begin().await?;
    let answer = decide(uow.as_mut(), project, touches, command).await?;
    uow.commit().await?;
    Ok(answer)
}

async fn decide<T>(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    touches: &Touches,
    command: impl FnOnce(&mut LockTable) -> T,
) -> Result<T, StoreError> {
    let head = uow.lock_table_lock(project).await?.expect("the project exists");
    let waiters = uow.waiters_load(project).await?;
    let mut keys: BTreeSet<LockKey> = waiters.iter().flat_map(|waiter| waiter.wants.keys().cloned()).collect();
    let mut ended = Vec::new();
    let mut leases: Vec<Lease> = match touches {
        Touches::Keys(wanted) => {
            keys.extend(wanted.iter().cloned());
            Vec::new()
        }
        Touches::Tokens(tokens) => {
            let tokens: Vec<Token> = tokens.iter().copied().collect();
            let leases = uow.leases_load_by_token(project, &tokens).await?;
            ended = uow.ended_load(project, &tokens).await?;
            let expired = leases.iter().filter(|lease| !lease.is_live(head.now)).map(|lease| &lease.key);
            keys.extend(ended.iter().map(|ended| &ended.lease.key).chain(expired).cloned());
            leases
        }
        Touches::Session(session) => uow.leases_load_by_session(project, session).await?,
        Touches::Expired(rows_max) => uow.leases_load_expired(project, head.now, *rows_max).await?,
    };
    let known: BTreeSet<Token> = leases.iter().map(|lease| lease.token).collect();
    let overlapping = uow.leases_load(project, &KeyScope::overlapping(&keys)).await?;
    leases.extend(overlapping.into_iter().filter(|lease| !known.contains(&lease.token)));
    let mut table = LockTable::new(Loaded { now: head.now, last_token: head.last_token, leases, waiters, ended });
    let answer = command(&mut table);
    uow.lock_table_save(project, head, &table.into_changes()).await?;
    Ok(answer)
}

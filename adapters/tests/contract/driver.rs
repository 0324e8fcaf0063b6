//! Runs commands on a lock table the way the server does: load what a command touches under the project's lock, let
//! the domain decide, save what changed, commit.

pub(crate) mod work;

use chrono::{DateTime, Utc};
use domain::agents::{self, Registration, Resolved, Session, SessionRefusal, SessionRequest};
use domain::ids::{AgentId, ProjectId, SessionId};
use domain::locks::changes::Loaded;
use domain::locks::key::{KeyScope, LockKey};
use domain::locks::lease::Token;
use domain::locks::stored::StoredLease;
use domain::locks::table::LockTable;
use ports::locks::TableHead;
use ports::store::{Store, StoreError, UnitOfWork};
use std::collections::BTreeSet;

/// What a command touches.
#[derive(Debug, Clone)]
pub(crate) enum Touches {
    Keys(Vec<LockKey>),
    Tokens(BTreeSet<Token>),
    /// With all that overlaps it.
    Handed(Token),
    Sessions(Vec<SessionId>),
    Expired(u32),
}

/// How a session is spoken for.
#[derive(Debug, Clone)]
pub(crate) enum Voice {
    /// By a call, which starts it if need be; the name is for a fresh default session.
    Call(SessionRequest, SessionId),
    Registration(Registration),
    Heartbeat(AgentId, SessionId),
}

/// Runs one command in a unit of work of its own.
pub(crate) async fn run<T>(
    store: &dyn Store,
    project: &ProjectId,
    touches: &Touches,
    command: impl FnOnce(&mut LockTable) -> T,
) -> Result<T, StoreError> {
    let mut uow = store.begin().await?;
    let head = lock(uow.as_mut(), project).await?;
    let answer = decide(uow.as_mut(), project, head, touches, &[], command).await?;
    uow.commit().await?;
    Ok(answer)
}

/// Runs one command in the session that a voice speaks for, unless that is refused. Ends the session with it if asked.
pub(crate) async fn run_as<T>(
    store: &dyn Store,
    project: &ProjectId,
    voice: &Voice,
    ends: bool,
    touches: &Touches,
    command: impl FnOnce(&Session, &mut LockTable) -> T,
) -> Result<Result<T, SessionRefusal>, StoreError> {
    let mut uow = store.begin().await?;
    let head = lock(uow.as_mut(), project).await?;
    let (session, replaced) = match speak(uow.as_mut(), project, head.now, voice).await? {
        Ok(spoken_for) => spoken_for,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let on_table = |table: &mut LockTable| command(&session, table);
    let answer = decide(uow.as_mut(), project, head, touches, &replaced, on_table).await?;
    if ends {
        match agents::end(session, head.now) {
            Ok(ended) => uow.sessions_end(&[ended]).await?,
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    uow.commit().await?;
    Ok(Ok(answer))
}

/// Writes the deaths of sessions down and ends what they held; answers them, and the tokens of what ended.
pub(crate) async fn reap(
    store: &dyn Store,
    project: &ProjectId,
    rows_max: u32,
) -> Result<(Vec<Session>, BTreeSet<Token>), StoreError> {
    let mut uow = store.begin().await?;
    let head = lock(uow.as_mut(), project).await?;
    let dead = uow.sessions_dead(project, head.now, rows_max).await?;
    let dead: Vec<Session> = dead.iter().filter_map(|session| agents::reap(session, head.now)).collect();
    uow.sessions_end(&dead).await?;
    let touches = Touches::Sessions(dead.iter().map(|session| session.id.clone()).collect());
    let ended = decide(uow.as_mut(), project, head, &touches, &[], ended_tokens).await?;
    uow.commit().await?;
    Ok((dead, ended))
}

/// What has ended in a table so far.
pub(crate) fn ended_tokens(table: &mut LockTable) -> BTreeSet<Token> {
    table.changes().leases_ended.iter().map(|ended| ended.lease.token).collect()
}

async fn lock(uow: &mut dyn UnitOfWork, project: &ProjectId) -> Result<TableHead, StoreError> {
    Ok(uow.lock_table_lock(project).await?.expect("the project exists"))
}

/// Finds and saves the session; answers it, and the one it replaces.
async fn speak(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    now: DateTime<Utc>,
    voice: &Voice,
) -> Result<Result<(Session, Vec<SessionId>), SessionRefusal>, StoreError> {
    let (ids, default_of) = match voice {
        Voice::Call(SessionRequest { named: None, agent, .. }, _) => (None, Some(agent.clone())),
        Voice::Call(SessionRequest { named, .. }, _) => (named.clone(), None),
        Voice::Registration(Registration { id, .. }) | Voice::Heartbeat(_, id) => (Some(id.clone()), None),
    };
    let found = uow.sessions_load(project, ids.as_slice(), default_of.as_slice()).await?.pop();
    let resolved = match voice.clone() {
        Voice::Call(request, fresh) => agents::resolve(request, found, fresh, now),
        Voice::Registration(registration) => agents::register(registration, found, now),
        Voice::Heartbeat(agent, id) => agents::heartbeat(&agent, &id, found, now),
    };
    let mut replaced = Vec::new();
    Ok(match resolved {
        Err(refusal) => Err(refusal),
        Ok(Resolved::Known { session, is_changed }) => {
            let changed = if is_changed { std::slice::from_ref(&session) } else { &[] };
            uow.sessions_seen(changed).await?;
            Ok((session, replaced))
        }
        Ok(Resolved::Started(session)) => {
            uow.sessions_add(std::slice::from_ref(&session)).await?;
            Ok((session, replaced))
        }
        Ok(Resolved::Replaced { dead, started }) => {
            uow.sessions_end(std::slice::from_ref(&dead)).await?;
            uow.sessions_add(std::slice::from_ref(&started)).await?;
            replaced.push(dead.id);
            Ok((started, replaced))
        }
    })
}

async fn decide<T>(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    head: TableHead,
    touches: &Touches,
    also_of: &[SessionId],
    command: impl FnOnce(&mut LockTable) -> T,
) -> Result<T, StoreError> {
    let waiters = uow.waiters_load(project).await?;
    let mut keys: BTreeSet<LockKey> = waiters.iter().flat_map(|stored| stored.waiter.wants.keys().cloned()).collect();
    let mut ended = Vec::new();
    let mut leases: Vec<StoredLease> = uow.leases_load_by_session(project, also_of).await?;
    match touches {
        Touches::Keys(wanted) => keys.extend(wanted.iter().cloned()),
        Touches::Tokens(tokens) => {
            let tokens: Vec<Token> = tokens.iter().copied().collect();
            let found = uow.leases_load_by_token(project, &tokens).await?;
            ended = uow.ended_load(project, &tokens).await?;
            let gone = found.iter().filter(|stored| !stored.is_live(head.now)).map(|stored| &stored.lease.key);
            keys.extend(ended.iter().map(|ended| &ended.lease.key).chain(gone).cloned());
            leases.extend(found);
        }
        Touches::Handed(token) => {
            let found = uow.leases_load_by_token(project, &[*token]).await?;
            ended = uow.ended_load(project, &[*token]).await?;
            keys.extend(found.iter().map(|stored| stored.lease.key.clone()));
        }
        Touches::Sessions(sessions) => leases.extend(uow.leases_load_by_session(project, sessions).await?),
        Touches::Expired(rows_max) => {
            leases.extend(uow.leases_load_expired(project, head.now, *rows_max).await?);
        }
    }
    leases.extend(uow.leases_load(project, &KeyScope::overlapping(&keys)).await?);
    leases.sort_by_key(|stored| stored.lease.token);
    leases.dedup_by_key(|stored| stored.lease.token);
    let mut table = LockTable::new(Loaded { now: head.now, last_token: head.last_token, leases, waiters, ended });
    let answer = command(&mut table);
    uow.lock_table_save(project, head, &table.into_changes()).await?;
    Ok(answer)
}

//! Signs of life of calls that run in no session: reads, and changes of what no session holds.
//!
//! Such a call names a session, or is made by an agent that has a default one. It is a sign of life all the same, and no
//! dead session may be named by it. So sessions are remembered for a second, and what is due is written in the background:
//! no call waits for it, and no session is written more often than its TTL asks for. A sign counts from when it is
//! written, a fraction of a second later, and then only if the session still lives.

use crate::call::Call;
use crate::refusal::{CallError, Refusal};
use chrono::{DateTime, TimeDelta, Utc};
use domain::agents::{Resolved, Session, SessionRequest, seen, vouch};
use domain::ids::{ProjectId, SessionId};
use ports::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How long a session is believed to be as it was read. One that was ended elsewhere can be read with for no longer than
/// this; its death by silence is known to the instant.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(1);

/// How many callers are remembered at once; the sessions of further ones are read each time.
pub const REMEMBERED_MAX: usize = 10_000;

/// How many sessions may wait to be written; signs of life of further ones are lost, unless another one follows.
pub const DUE_MAX: usize = 10_000;

/// How many sessions are written in one unit of work.
const ROWS_MAX: usize = 500;

/// A session as it was read, if there was one.
#[derive(Clone)]
struct Read {
    session: Option<Session>,
    /// The store's clock at the read.
    at: DateTime<Utc>,
    /// Taken before the read, so that nothing is believed for too long.
    since: Instant,
}

/// Who was heard from lately, and what is to be written of it.
#[derive(Default)]
pub struct SignsOfLife {
    read: RwLock<HashMap<SessionRequest, Read>>,
    due: Mutex<BTreeMap<ProjectId, BTreeSet<SessionId>>>,
}

impl SignsOfLife {
    /// Takes the sign of life of a call that runs in no session. Refused are sessions that live no more, and those of
    /// other agents. Waits for a read at most, and for that once a second.
    pub async fn heard(&self, store: &dyn Store, call: &Call) -> Result<(), CallError> {
        self.session(store, call).await.map(drop)
    }

    /// As [`Self::heard`]; answers the session, if there is one.
    pub async fn session(&self, store: &dyn Store, call: &Call) -> Result<Option<SessionId>, CallError> {
        let request = call.session_request();
        let remembered = self.remembered(&request);
        let is_new = remembered.is_none();
        let known = match remembered {
            Some(known) => known,
            None => read(store, &request).await?,
        };
        let elapsed = TimeDelta::from_std(known.since.elapsed()).unwrap_or_default();
        let vouched = vouch(&request, known.session.clone(), known.at + elapsed).map_err(Refusal::from)?;
        let id = vouched.as_ref().map(|resolved| resolved.session().id.clone());
        let noted = vouched.and_then(|resolved| self.note(resolved));
        if is_new || noted.is_some() {
            self.remember(request, Read { session: noted.or(known.session), ..known });
        }
        Ok(id)
    }

    /// Notes that a session was heard from, if that is to be written; answers the session as it will be.
    pub fn note(&self, resolved: Resolved) -> Option<Session> {
        let Resolved::Known { session, is_changed: true } = resolved else { return None };
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.values().map(BTreeSet::len).sum::<usize>() < DUE_MAX {
            due.entry(session.project.clone()).or_default().insert(session.id.clone());
        }
        Some(session)
    }

    /// Reads this caller's session anew at its next call: it was changed here.
    pub fn forget(&self, call: &Call) {
        self.read.write().unwrap_or_else(PoisonError::into_inner).remove(&call.session_request());
    }

    /// Writes what is due. It stays due while the store is away.
    pub async fn write(&self, store: &dyn Store) -> Result<(), StoreError> {
        let mut due = std::mem::take(&mut *self.due.lock().unwrap_or_else(PoisonError::into_inner));
        let mut outcome = Ok(());
        while let Some((project, sessions)) = due.pop_first() {
            match write(store, &project, &sessions).await {
                Ok(()) => {}
                Err(error @ StoreError::Unavailable(_)) => {
                    due.insert(project, sessions);
                    self.put_back(due);
                    return Err(error);
                }
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }

    fn put_back(&self, due: BTreeMap<ProjectId, BTreeSet<SessionId>>) {
        let mut newer = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        for (project, sessions) in due {
            newer.entry(project).or_default().extend(sessions);
        }
    }

    fn remembered(&self, request: &SessionRequest) -> Option<Read> {
        let read = self.read.read().unwrap_or_else(PoisonError::into_inner);
        read.get(request).filter(|read| read.since.elapsed() < REMEMBERED_FOR).cloned()
    }

    fn remember(&self, request: SessionRequest, read: Read) {
        let mut all = self.read.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED_MAX {
            all.retain(|_, read| read.since.elapsed() < REMEMBERED_FOR);
        }
        if all.len() < REMEMBERED_MAX {
            all.insert(request, read);
        }
    }
}

async fn read(store: &dyn Store, request: &SessionRequest) -> Result<Read, StoreError> {
    let since = Instant::now();
    let mut uow = store.begin_read().await?;
    let at = uow.now().await?;
    let default_of = if request.named.is_none() { std::slice::from_ref(&request.agent) } else { &[] };
    let session = uow.sessions_load(&request.project, request.named.as_slice(), default_of).await?.pop();
    Ok(Read { session, at, since })
}

async fn write(store: &dyn Store, project: &ProjectId, sessions: &BTreeSet<SessionId>) -> Result<(), StoreError> {
    let ids: Vec<SessionId> = sessions.iter().cloned().collect();
    for slice in ids.chunks(ROWS_MAX) {
        let mut uow = store.begin().await?;
        let Some(head) = uow.lock_table_lock(project).await? else { return Ok(()) };
        let found = uow.sessions_load(project, slice, &[]).await?;
        let signs: Vec<Session> = found.iter().filter_map(|session| seen(session, head.now)).collect();
        if !signs.is_empty() {
            uow.sessions_seen(&signs).await?;
            uow.commit().await?;
        }
    }
    Ok(())
}

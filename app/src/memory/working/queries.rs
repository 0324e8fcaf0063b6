//! Reading working memory.

use crate::call::Call;
use crate::executor::Executor;
use crate::refusal::{CallError, Refusal};
use chrono::{DateTime, Utc};
use domain::agents::{Session, SessionRefusal};
use domain::identity::principal::{Action, authorize};
use domain::identity::project::ProjectRefusal;
use domain::ids::SessionId;
use domain::memory::working::content::EntryKey;
use domain::memory::working::{Entry, Reader, Scratchpad, Terms, WorkingRefusal};
use ports::store::UnitOfWork;

/// The use cases that only read.
#[derive(Clone)]
pub struct WorkingQueries {
    executor: Executor,
    terms: Terms,
}

impl WorkingQueries {
    /// Reads through the executor's store. The terms say how long what a session kept is there.
    pub fn new(executor: Executor, terms: Terms) -> Self {
        Self { executor, terms }
    }

    /// All that a session keeps now: the named one, or the caller's. `None` if the caller has none.
    pub async fn all(&self, call: &Call, named: Option<SessionId>) -> Result<Option<Scratchpad>, CallError> {
        authorize(&call.principal, Action::UseMemory).map_err(Refusal::Denied)?;
        let mut uow = self.executor.store().begin_read().await?;
        if uow.project_find(&call.project).await?.is_none() {
            return Err(Refusal::Project(ProjectRefusal::Unknown { id: call.project.clone() }).into());
        }
        let now = uow.now().await?;
        let (agent, wanted) = (&call.principal.agent, named.as_ref().or(call.session.as_ref()));
        let default_of = if wanted.is_none() { std::slice::from_ref(agent) } else { &[] };
        let sessions =
            uow.sessions_load(&call.project, wanted.map(std::slice::from_ref).unwrap_or_default(), default_of);
        match (sessions.await?.pop(), named) {
            (Some(session), _) => Ok(Some(self.of(uow.as_mut(), call, &session, now).await?)),
            (None, Some(id)) => Err(Refusal::Session(SessionRefusal::Unknown { id }).into()),
            // A session that has not begun keeps nothing.
            (None, None) => Ok(None),
        }
    }

    /// One entry that a session keeps now.
    pub async fn find(&self, call: &Call, named: Option<SessionId>, key: EntryKey) -> Result<Entry, CallError> {
        let pad = self.all(call, named).await?;
        let found = pad.and_then(|mut pad| pad.entries.remove(&key));
        found.ok_or_else(|| Refusal::Working(WorkingRefusal::Unknown { key }).into())
    }

    async fn of(
        &self,
        uow: &mut dyn UnitOfWork,
        call: &Call,
        session: &Session,
        now: DateTime<Utc>,
    ) -> Result<Scratchpad, CallError> {
        let project = &call.project;
        let principal = &call.principal;
        let mut reader = Reader { agent: principal.agent.clone(), role: principal.role, is_successor: false };
        if reader.needs_handoff(session) {
            let from = (&session.agent, &session.id);
            reader.is_successor = uow.working_inherited(project, from, &principal.agent).await?;
        }
        reader.may_read(session).map_err(Refusal::Working)?;
        let stored = uow.working_load(project, &session.id).await?.filter(|_| self.terms.kept.is_kept(session, now));
        let nothing =
            || Scratchpad::new(session.id.clone(), session.agent.clone(), self.terms.budget, session.started_at);
        Ok(stored.map_or_else(nothing, |stored| stored.as_of(now)))
    }
}

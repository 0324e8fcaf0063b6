//! Looking at agents: each is judged by what there is to see at that moment.

use crate::call::Call;
use crate::executor::Executor;
use crate::refusal::{CallError, Refusal};
use chrono::{DateTime, Utc};
use domain::agents::environment::EnvironmentKind;
use domain::agents::record::{AgentRecord, AgentRefusal};
use domain::agents::status::{Signs, Status, Verdict, judge};
use domain::agents::uptime::{Uptime, Window, uptime};
use domain::identity::principal::{Action, authorize};
use domain::identity::project::ProjectRefusal;
use domain::ids::AgentId;
use domain::page::{Page, PageSize};
use ports::agents::AgentFilter;
use ports::store::{StoreError, UnitOfWork};
use std::collections::BTreeMap;

/// How many agents are judged for one page at most; a page for which more would have to be is cut short.
pub const JUDGED_MAX: usize = 5_000;

/// How many agents are counted at most.
pub const COUNTED_MAX: usize = 20_000;

/// How many agents are judged at once.
const SLICE: u32 = 500;

/// An agent as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenAgent {
    /// What is known of it for good.
    pub record: AgentRecord,
    /// What there is to see of it.
    pub signs: Signs,
    /// How it is.
    pub verdict: Verdict,
}

/// Agents of one environment that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentCount {
    /// Where they run.
    pub environment: EnvironmentKind,
    /// How they are.
    pub status: Status,
    /// How many.
    pub agents: u32,
    /// The last sign of life of the one not heard from for longest.
    pub oldest_heartbeat: Option<DateTime<Utc>>,
    /// The last sign of life of any.
    pub newest_heartbeat: Option<DateTime<Utc>>,
}

/// How many agents there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentCounts {
    /// By environment, then status. Pairs with none are left out.
    pub counts: Vec<AgentCount>,
    /// Whether all were counted; at most [`COUNTED_MAX`] are.
    pub is_complete: bool,
}

/// The use cases that only read.
#[derive(Clone)]
pub struct AgentQueries {
    executor: Executor,
}

impl AgentQueries {
    /// Reads through the executor's store.
    pub fn new(executor: Executor) -> Self {
        Self { executor }
    }

    /// Lists agents by name, those of one status if one is given, with the store's clock at the look. A page can be short,
    /// even empty, where many agents are of other statuses; there is a next one as long as not all were looked at.
    pub async fn list(
        &self,
        call: &Call,
        filter: &AgentFilter,
        status: Option<Status>,
        after: Option<AgentId>,
        size: PageSize,
    ) -> Result<(Page<SeenAgent, AgentId>, DateTime<Utc>), CallError> {
        let (mut uow, now) = self.enter(call).await?;
        let slice = if status.is_some() { PageSize::try_new(SLICE).unwrap_or(size) } else { size };
        let wanted = usize::try_from(size.rows()).unwrap_or(usize::MAX);
        let (mut rows, mut next, mut judged) = (Vec::new(), after, 0);
        loop {
            let Page { rows: records, next: more } =
                uow.agent_list(&call.project, filter, next.as_ref(), slice).await?;
            let seen = see(uow.as_mut(), call, records, now).await?;
            let last = seen.last().map(|seen| seen.record.id.clone());
            judged += seen.len();
            for agent in seen {
                let id = agent.record.id.clone();
                if status.is_none_or(|status| status == agent.verdict.status) {
                    rows.push(agent);
                }
                if rows.len() == wanted {
                    let is_end = more.is_none() && Some(&id) == last.as_ref();
                    return Ok((Page { rows, next: (!is_end).then_some(id) }, now));
                }
            }
            next = more;
            if next.is_none() || judged >= JUDGED_MAX {
                return Ok((Page { rows, next }, now));
            }
        }
    }

    /// One agent, with the store's clock at the look.
    pub async fn find(&self, call: &Call, id: &AgentId) -> Result<(SeenAgent, DateTime<Utc>), CallError> {
        let (mut uow, now) = self.enter(call).await?;
        let records = uow.agents_look(&call.project, std::slice::from_ref(id)).await?;
        let seen = see(uow.as_mut(), call, records, now).await?.pop();
        Ok((seen.ok_or_else(|| unknown(id))?, now))
    }

    /// How many agents there are in each environment and status.
    pub async fn counts(&self, call: &Call) -> Result<AgentCounts, CallError> {
        let (mut uow, now) = self.enter(call).await?;
        let slice = PageSize::try_new(SLICE).unwrap_or(PageSize::DEFAULT);
        let mut counts: BTreeMap<(EnvironmentKind, Status), AgentCount> = BTreeMap::new();
        let (mut next, mut counted) = (None, 0);
        loop {
            let page = uow.agent_list(&call.project, &AgentFilter::default(), next.as_ref(), slice).await?;
            let seen = see(uow.as_mut(), call, page.rows, now).await?;
            counted += seen.len();
            for SeenAgent { record, verdict, .. } in seen {
                let (key, heartbeat) = ((record.environment, verdict.status), verdict.last_seen_at);
                let count = counts.entry(key).or_insert_with(|| AgentCount {
                    environment: record.environment,
                    status: verdict.status,
                    agents: 0,
                    oldest_heartbeat: heartbeat,
                    newest_heartbeat: heartbeat,
                });
                count.agents += 1;
                count.oldest_heartbeat = [count.oldest_heartbeat, heartbeat].into_iter().flatten().min();
                count.newest_heartbeat = count.newest_heartbeat.max(heartbeat);
            }
            next = page.next;
            if next.is_none() || counted >= COUNTED_MAX {
                return Ok(AgentCounts { counts: counts.into_values().collect(), is_complete: next.is_none() });
            }
        }
    }

    /// For which part of a window that ends now an agent had a session that lived.
    pub async fn uptime(&self, call: &Call, id: &AgentId, window: Window) -> Result<Uptime, CallError> {
        let (mut uow, now) = self.enter(call).await?;
        if uow.agents_look(&call.project, std::slice::from_ref(id)).await?.is_empty() {
            return Err(unknown(id));
        }
        let from = window.start(now);
        let spans = uow.session_spans(&call.project, id, from, Window::SESSIONS_MAX + 1).await?;
        if spans.len() > Window::SESSIONS_MAX as usize {
            return Err(Refusal::Agent(AgentRefusal::WindowTooLong).into());
        }
        Ok(uptime(&spans, from, now))
    }

    async fn enter(&self, call: &Call) -> Result<(Box<dyn UnitOfWork>, DateTime<Utc>), CallError> {
        authorize(&call.principal, Action::UseAgents).map_err(Refusal::Denied)?;
        let mut uow = self.executor.store().begin_read().await?;
        let now = uow.now().await?;
        match uow.project_find(&call.project).await? {
            Some(_) => Ok((uow, now)),
            None => Err(Refusal::Project(ProjectRefusal::Unknown { id: call.project.clone() }).into()),
        }
    }
}

/// Judges agents, all at once.
async fn see(
    uow: &mut dyn UnitOfWork,
    call: &Call,
    records: Vec<AgentRecord>,
    now: DateTime<Utc>,
) -> Result<Vec<SeenAgent>, StoreError> {
    let ids: Vec<AgentId> = records.iter().map(|record| record.id.clone()).collect();
    let mut signs = uow.agents_signs(&call.project, &ids, now).await?;
    let seen = records.into_iter().map(|record| {
        let signs = signs.remove(&record.id).unwrap_or_default();
        SeenAgent { verdict: judge(&record, &signs, now), record, signs }
    });
    Ok(seen.collect())
}

fn unknown(id: &AgentId) -> CallError {
    Refusal::Agent(AgentRefusal::Unknown { id: id.clone() }).into()
}

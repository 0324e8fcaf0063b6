//! Raises the alerts that the server raises by itself, and makes alerts worse that nobody takes up.
//!
//! It follows the facts of every project with a cursor that is kept: what they lead to is written in the commit that moves
//! the cursor, so that each fact counts once, however many servers look.

use crate::alerts::commands::{EscalateAlert, Raising};
use crate::alerts::telling::{happening, tell_orchestrators};
use crate::call::Call;
use crate::config::Alerts;
use crate::executor::{Command, Decision, Executor, Scene};
use crate::refusal::{CallError, chain};
use async_trait::async_trait;
use chrono::TimeDelta;
use domain::alerts::alert::{Alert, Escalation, Raise};
use domain::alerts::builtin::{Findings, LOCK_WAIT, find, find_long_waits};
use domain::alerts::content::DedupKey;
use domain::events::{Fact, Position};
use domain::identity::principal::{Action, Role};
use domain::ids::{AlertId, MessageId, ProjectId};
use domain::page::PageSize;
use ports::store::{StoreError, UnitOfWork};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The most facts of one unit of work.
const FACTS_MAX: u32 = 500;

/// How old a project may be of which all is looked through when it is looked at for the first time. Of an older one only
/// what comes then: nobody wants to be told of what happened long ago.
const BEGINNING: TimeDelta = TimeDelta::minutes(10);

/// The most units of work for one project in one round.
const TURNS_MAX: u32 = 20;

/// The most alerts that escalate in one round.
const ESCALATIONS_MAX: u32 = 100;

/// The most waits for locks that alerts are raised about in one round, for each project.
const WAITS_MAX: u32 = 1_000;

/// One round over all projects. What one project fails with keeps none of the others from it; the first failure is told.
pub async fn round(executor: &Executor, settings: &Alerts) -> Result<(), CallError> {
    let mut outcome = escalate(executor, settings.escalation).await;
    let mut after: Option<ProjectId> = None;
    loop {
        let (projects, next) = open_projects(executor, after.as_ref()).await?;
        for (project, has_news) in projects {
            if has_news {
                outcome = outcome.and(follow(executor, &project, settings.escalation).await);
            }
            outcome = outcome.and(watch_waits(executor, &project, settings).await);
        }
        match next {
            Some(next) => after = Some(next),
            None => return outcome,
        }
    }
}

/// A page of projects that can be changed, each with whether it has facts that nobody looked through.
async fn open_projects(
    executor: &Executor,
    after: Option<&ProjectId>,
) -> Result<(Vec<(ProjectId, bool)>, Option<ProjectId>), StoreError> {
    let mut uow = executor.store().begin_read().await?;
    let page = uow.project_list(after, PageSize::LARGEST).await?;
    let open = page.rows.into_iter().filter(|project| project.archived_at.is_none());
    let open: Vec<ProjectId> = open.map(|project| project.id).collect();
    let newest: BTreeMap<ProjectId, Position> = uow.facts_newest(&open).await?.into_iter().collect();
    let mut found = Vec::with_capacity(open.len());
    for project in open {
        let cursor = uow.alert_cursor(&project).await?;
        let has_news = match (newest.get(&project), cursor) {
            (_, None) => true,
            // A cursor beyond the facts is of another history.
            (newest, Some(cursor)) => newest.is_none_or(|newest| *newest != cursor),
        };
        found.push((project, has_news));
    }
    Ok((found, page.next))
}

fn system_call(executor: &Executor, project: &ProjectId) -> Result<Call, CallError> {
    Call::of_system(project.clone(), executor.ids().random_name())
        .map_err(|error| CallError::Internal(error.to_string()))
}

/// Looks through what is new in a project.
async fn follow(executor: &Executor, project: &ProjectId, escalation: Escalation) -> Result<(), CallError> {
    let call = system_call(executor, project)?;
    for _ in 0..TURNS_MAX {
        let Some(step) = next_step(executor, project).await? else { return Ok(()) };
        let is_last = step.facts.len() < FACTS_MAX as usize;
        let found = find(&step.facts, &call.principal.agent);
        let command = LookThrough { from: step.from, to: step.to, found: Found::new(executor, found), escalation };
        executor.execute(&call, &command).await?;
        if is_last {
            return Ok(());
        }
    }
    Ok(())
}

/// Facts to look through.
struct Step {
    from: Option<Position>,
    to: Position,
    facts: Vec<Fact>,
}

async fn next_step(executor: &Executor, project: &ProjectId) -> Result<Option<Step>, StoreError> {
    let mut uow = executor.store().begin_read().await?;
    let (from, horizon) = (uow.alert_cursor(project).await?, uow.facts_horizon().await?);
    let now = uow.now().await?;
    let begins = uow.project_find(project).await?.is_some_and(|project| now - project.created_at < BEGINNING);
    let cursor = match from {
        None if begins => Position::START,
        Some(cursor) if cursor <= horizon => cursor,
        // What was before is nothing new, and a place beyond the horizon is of another history: it begins with now.
        None | Some(_) => return Ok(Some(Step { from, to: horizon, facts: Vec::new() })),
    };
    let facts = uow.facts_after(project, Some(cursor), FACTS_MAX).await?;
    if let Some(forgotten) = uow.facts_forgotten(project).await?.filter(|forgotten| *forgotten > cursor) {
        tracing::warn!(%project, after = %cursor, until = %forgotten, "facts were forgotten before alerts were raised");
    }
    let to = facts.last().map(|(position, _)| *position);
    Ok(to.map(|to| Step { from, to, facts: facts.into_iter().map(|(_, fact)| fact).collect() }))
}

/// What is to be raised, each with fresh ids, and what is over.
#[derive(Debug, Clone)]
struct Found {
    raised: Vec<(AlertId, MessageId, Raise)>,
    over: BTreeSet<DedupKey>,
}

impl Found {
    fn new(executor: &Executor, Findings { raised, over }: Findings) -> Self {
        let ids = executor.ids();
        let raised = raised.into_iter().map(|raise| (ids.alert_id(), ids.message_id(), raise)).collect();
        Self { raised, over }
    }

    /// Raises and resolves, after the alerts of the project were locked.
    async fn write(
        &self,
        uow: &mut dyn UnitOfWork,
        scene: &Scene<'_>,
        escalation: Escalation,
    ) -> Result<Decision<()>, StoreError> {
        let (project, now, system) = (&scene.call.project, scene.now, &scene.call.principal.agent);
        let raising = Raising { by: system, by_itself: true, escalation };
        let (mut happenings, mut news, mut messages) = (Vec::new(), Vec::new(), Vec::new());
        for (id, message, raise) in &self.raised {
            match raising.raise(uow, project, *id, raise, now).await? {
                Ok(raised) => {
                    happenings.push(raising.happening(&raised));
                    if raised.is_news {
                        news.push(raised.alert);
                        messages.push(*message);
                    }
                }
                // There are too many for anybody to see to; one that says so would be one more.
                Err(refusal) => tracing::warn!(%project, key = %raise.dedup_key, %refusal, "no alert was raised"),
            }
        }
        let over: Vec<DedupKey> = self.over.iter().cloned().collect();
        for before in uow.alerts_standing(project, &over).await? {
            let Ok(after) = before.resolve(system, Role::Admin, now) else { continue };
            uow.alerts_save(project, std::slice::from_ref(&after)).await?;
            happenings.push(happening("alert.resolve", "alert.resolved", Some(&before), &after, true));
        }
        let news: Vec<&Alert> = news.iter().collect();
        happenings.extend(tell_orchestrators(uow, project, &news, &messages, now).await?);
        Ok(Decision::answered((), happenings))
    }
}

/// Writes down what facts led to, and that they were looked through.
struct LookThrough {
    from: Option<Position>,
    to: Position,
    found: Found,
    escalation: Escalation,
}

#[async_trait]
impl Command for LookThrough {
    const OPERATION: &'static str = "alert.evaluate";
    const ACTION: Action = Action::SteerAlerts;
    type Answer = ();

    fn content(&self) -> Value {
        json!({ "from": self.from, "to": self.to })
    }

    fn target(&self) -> String {
        self.to.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        uow.alerts_lock(project).await?;
        // Another server was here first.
        if uow.alert_cursor(project).await? != self.from {
            return Ok(Decision::answered((), Vec::new()));
        }
        uow.alert_cursor_save(project, self.to).await?;
        self.found.write(uow, scene, self.escalation).await
    }
}

/// Raises alerts about waits for locks that last too long, and resolves those about waits that are over.
async fn watch_waits(executor: &Executor, project: &ProjectId, settings: &Alerts) -> Result<(), CallError> {
    let Some(limit) = settings.lock_wait_max else { return Ok(()) };
    let findings = {
        let mut uow = executor.store().begin_read().await?;
        let now = uow.now().await?;
        let waiters = uow.waiters_load(project).await?;
        let waiters: Vec<_> = waiters.into_iter().map(|stored| stored.waiter).collect();
        let mut raised = find_long_waits(&waiters, now, limit);
        let standing = uow.alerts_standing_under(project, LOCK_WAIT, WAITS_MAX).await?;
        let known: BTreeSet<&DedupKey> = standing.iter().map(|alert| &alert.dedup_key).collect();
        let long: BTreeSet<DedupKey> = raised.iter().map(|raise| raise.dedup_key.clone()).collect();
        raised.retain(|raise| !known.contains(&raise.dedup_key));
        let over = known.into_iter().filter(|key| !long.contains(*key)).cloned().collect();
        Findings { raised, over }
    };
    if findings == Findings::default() {
        return Ok(());
    }
    let command = WriteWaits { found: Found::new(executor, findings), escalation: settings.escalation };
    executor.execute(&system_call(executor, project)?, &command).await?;
    Ok(())
}

/// Writes down what was found about waits for locks.
struct WriteWaits {
    found: Found,
    escalation: Escalation,
}

#[async_trait]
impl Command for WriteWaits {
    const OPERATION: &'static str = "alert.evaluate";
    const ACTION: Action = Action::SteerAlerts;
    type Answer = ();

    fn content(&self) -> Value {
        json!("waits")
    }

    fn target(&self) -> String {
        "waits".to_owned()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        uow.alerts_lock(project).await?;
        // What another server has raised meanwhile is not raised twice.
        let keys: Vec<DedupKey> = self.found.raised.iter().map(|(.., raise)| raise.dedup_key.clone()).collect();
        let standing = uow.alerts_standing(project, &keys).await?;
        let mut found = self.found.clone();
        found.raised.retain(|(.., raise)| standing.iter().all(|alert| alert.dedup_key != raise.dedup_key));
        found.write(uow, scene, self.escalation).await
    }
}

/// Makes alerts worse whose time has come.
async fn escalate(executor: &Executor, escalation: Escalation) -> Result<(), CallError> {
    let due = {
        let mut uow = executor.store().begin_read().await?;
        let now = uow.now().await?;
        uow.alerts_due(now, ESCALATIONS_MAX).await?
    };
    let mut outcome = Ok(());
    for (project, id) in due {
        let command = EscalateAlert { id, escalation, message: executor.ids().message_id() };
        let done = executor.execute(&system_call(executor, &project)?, &command).await;
        if let Err(error) = &done {
            tracing::warn!(%project, alert = %id, error = chain(error), "an alert could not be escalated");
        }
        outcome = outcome.and(done.map(drop));
    }
    outcome
}

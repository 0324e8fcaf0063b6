//! The changes to alerts, one command each.

use crate::alerts::telling::{happening, named, tell_orchestrators};
use crate::executor::{Command, Decision, Happening, Scene};
use async_trait::async_trait;
use domain::alerts::alert::{Alert, Escalation, Raise, Raised};
use domain::alerts::refusal::AlertRefusal;
use domain::identity::principal::Action;
use domain::ids::{AgentId, AlertId, MessageId, ProjectId};
use ports::store::{StoreError, UnitOfWork};
use serde_json::{Value, json};

/// Raises an alert, or the count of the one that stands.
#[derive(Debug, Clone)]
pub struct RaiseAlert {
    /// The id it will have if it is new.
    pub id: AlertId,
    /// What is raised.
    pub raise: Raise,
    /// When it becomes worse.
    pub escalation: Escalation,
    /// The id of the message to orchestrators.
    pub message: MessageId,
}

#[async_trait]
impl Command for RaiseAlert {
    const OPERATION: &'static str = "alert.raise";
    const ACTION: Action = Action::UseAlerts;
    type Answer = Alert;

    fn content(&self) -> Value {
        json!(self.raise)
    }

    fn target(&self) -> String {
        self.raise.dedup_key.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        uow.alerts_lock(project).await?;
        let raising = Raising { by: &scene.call.principal.agent, by_itself: false, escalation: self.escalation };
        let raised = match raising.raise(uow, project, self.id, &self.raise, scene.now).await? {
            Ok(raised) => raised,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        let mut happenings = vec![raising.happening(&raised)];
        if raised.is_news {
            let told = tell_orchestrators(uow, project, &[&raised.alert], &[self.message], scene.now).await?;
            happenings.extend(told);
        }
        Ok(Decision::answered(raised.alert, happenings))
    }
}

/// In whose name alerts are raised.
pub(super) struct Raising<'a> {
    pub(super) by: &'a AgentId,
    pub(super) by_itself: bool,
    pub(super) escalation: Escalation,
}

impl Raising<'_> {
    /// Raises an alert and saves it, after the alerts of the project were locked.
    pub(super) async fn raise(
        &self,
        uow: &mut dyn UnitOfWork,
        project: &ProjectId,
        id: AlertId,
        raise: &Raise,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<Result<Raised, AlertRefusal>, StoreError> {
        let standing = uow.alerts_standing(project, std::slice::from_ref(&raise.dedup_key)).await?.pop();
        let others = if standing.is_some() { 0 } else { uow.alerts_standing_count(project).await? };
        let raised = Alert::raise(id, raise, self.by, standing.as_ref(), others, now, self.escalation);
        if let Ok(Raised { alert, .. }) = &raised {
            uow.alerts_save(project, std::slice::from_ref(alert)).await?;
        }
        Ok(raised)
    }

    /// What that was.
    pub(super) fn happening(&self, raised: &Raised) -> Happening {
        let kind = if raised.is_news { "alert.raised" } else { "alert.repeated" };
        happening("alert.raise", kind, raised.before.as_ref(), &raised.alert, self.by_itself)
    }
}

/// Says that somebody sees to an alert.
#[derive(Debug, Clone)]
pub struct AcknowledgeAlert {
    /// Which.
    pub id: AlertId,
}

#[async_trait]
impl Command for AcknowledgeAlert {
    const OPERATION: &'static str = "alert.acknowledge";
    const ACTION: Action = Action::SteerAlerts;
    type Answer = Alert;

    fn content(&self) -> Value {
        named(self.id)
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let Some(before) = load(uow, scene, self.id).await? else { return Ok(unknown(self.id)) };
        let after = before.acknowledge(&scene.call.principal.agent, scene.now);
        change(uow, scene, (Self::OPERATION, "alert.acknowledged"), &before, after).await
    }
}

/// Says that an alert is over.
#[derive(Debug, Clone)]
pub struct ResolveAlert {
    /// Which.
    pub id: AlertId,
}

#[async_trait]
impl Command for ResolveAlert {
    const OPERATION: &'static str = "alert.resolve";
    const ACTION: Action = Action::UseAlerts;
    type Answer = Alert;

    fn content(&self) -> Value {
        named(self.id)
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let Some(before) = load(uow, scene, self.id).await? else { return Ok(unknown(self.id)) };
        let principal = &scene.call.principal;
        let after = before.resolve(&principal.agent, principal.role, scene.now);
        change(uow, scene, (Self::OPERATION, "alert.resolved"), &before, after).await
    }
}

/// Makes an alert worse that nobody has taken up in time.
#[derive(Debug, Clone)]
pub struct EscalateAlert {
    /// Which.
    pub id: AlertId,
    /// When it becomes worse again.
    pub escalation: Escalation,
    /// The id of the message to orchestrators.
    pub message: MessageId,
}

#[async_trait]
impl Command for EscalateAlert {
    const OPERATION: &'static str = "alert.escalate";
    const ACTION: Action = Action::SteerAlerts;
    /// In an archived project nobody can take it up any more; it goes on until it is as bad as it can be.
    const IN_PROJECT: bool = false;
    type Answer = ();

    fn content(&self) -> Value {
        named(self.id)
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let (project, now) = (&scene.call.project, scene.now);
        let before = load(uow, scene, self.id).await?;
        // Another server was here first, or somebody has taken it up.
        let Some((before, after)) = before.and_then(|before| Some((before.escalate(now, self.escalation)?, before)))
        else {
            return Ok(Decision::answered((), Vec::new()));
        };
        let (after, before) = (before, after);
        uow.alerts_save(project, std::slice::from_ref(&after)).await?;
        let mut happenings = vec![happening(Self::OPERATION, "alert.escalated", Some(&before), &after, true)];
        happenings.extend(tell_orchestrators(uow, project, &[&after], &[self.message], now).await?);
        Ok(Decision::answered((), happenings))
    }
}

/// Loads an alert, locked.
async fn load(uow: &mut dyn UnitOfWork, scene: &Scene<'_>, id: AlertId) -> Result<Option<Alert>, StoreError> {
    let project = &scene.call.project;
    uow.alerts_lock(project).await?;
    Ok(uow.alerts_load(project, &[id]).await?.pop())
}

fn unknown<T>(id: AlertId) -> Decision<T> {
    Decision::refused(AlertRefusal::Unknown { id })
}

/// Saves an alert if it is another than before.
async fn change(
    uow: &mut dyn UnitOfWork,
    scene: &Scene<'_>,
    (operation, kind): (&'static str, &'static str),
    before: &Alert,
    after: Result<Alert, AlertRefusal>,
) -> Result<Decision<Alert>, StoreError> {
    let after = match after {
        Ok(after) => after,
        Err(refusal) => return Ok(Decision::refused(refusal)),
    };
    let mut happenings = Vec::new();
    if after != *before {
        uow.alerts_save(&scene.call.project, std::slice::from_ref(&after)).await?;
        happenings.push(happening(operation, kind, Some(before), &after, false));
    }
    Ok(Decision::answered(after, happenings))
}

//! The changes to sessions.

use crate::executor::{Command, Decision, Happening, Scene};
use crate::locks::commands::end_with_session;
use async_trait::async_trait;
use domain::agents::{Session, end};
use domain::audit::Change;
use domain::identity::principal::Action;
use domain::locks::lease::EndedLease;
use ports::store::{StoreError, UnitOfWork};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Ends the caller's session and with it everything it holds.
#[derive(Debug, Clone, Serialize)]
pub struct EndSession;

/// A session that ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EndedSession {
    /// The session as it ended.
    pub session: Session,
    /// The locks that ended with it.
    pub released: Vec<EndedLease>,
}

#[async_trait]
impl Command for EndSession {
    const OPERATION: &'static str = "session.end";
    const ACTION: Action = Action::UseLocks;
    const IN_SESSION: bool = true;
    type Answer = EndedSession;

    fn content(&self) -> Value {
        Value::Null
    }

    fn target(&self) -> String {
        "session".to_owned()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let Some(session) = scene.session else {
            return Err(StoreError::Failed("a command without a session asked for it".into()));
        };
        let ended = match end(session.clone(), scene.now) {
            Ok(ended) => ended,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        let (released, mut happenings, freed) = end_with_session(uow, scene).await?;
        uow.session_end(&ended).await?;
        let before = json!({ "session": session.id, "agent": session.agent, "started_at": session.started_at });
        let body = json!({ "session": ended.id, "agent": ended.agent, "ended_at": ended.ended_at });
        let change = Change {
            operation: Self::OPERATION.to_owned(),
            target: ended.id.to_string(),
            before: Some(before),
            after: Some(body.clone()),
        };
        happenings.push(Happening { change, kind: "session.ended", body, by_itself: false });
        let mut decision = Decision::answered(EndedSession { session: ended, released }, happenings);
        decision.freed = freed;
        Ok(decision)
    }
}

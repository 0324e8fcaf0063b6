//! One call as the use cases see it, whichever door it came through.

use domain::agents::SessionRequest;
use domain::idempotency::IdempotencyKey;
use domain::identity::principal::{Principal, Role, Scope};
use domain::ids::{AgentId, AgentType, InvalidId, KeyId, ProjectId, SessionId};
use std::time::Instant;

/// The name under which the server itself acts: what runs out ends in its name.
pub const SYSTEM_NAME: &str = "pointsman";

/// Who calls, where, and what ties the call to logs and retries.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who is calling.
    pub principal: Principal,
    /// The project the call runs in.
    pub project: ProjectId,
    /// The session the call names; `None` is the agent's default one.
    pub session: Option<SessionId>,
    /// The caller's name for this request, for safe retries.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The id that ties answer and logs together.
    pub request_id: String,
    /// The caller's trace, if it sent one.
    pub trace_id: Option<String>,
    /// When the call came in, for its duration.
    pub started: Instant,
}

impl Call {
    /// A call the server makes on its own behalf.
    pub fn of_system(project: ProjectId, request_id: String) -> Result<Self, InvalidId> {
        let principal = Principal {
            key: KeyId::parse(SYSTEM_NAME)?,
            scope: Scope::AllProjects,
            agent: AgentId::parse(SYSTEM_NAME)?,
            agent_type: AgentType::parse(SYSTEM_NAME)?,
            role: Role::Admin,
        };
        Ok(Self {
            principal,
            project,
            session: None,
            idempotency_key: None,
            request_id,
            trace_id: None,
            started: Instant::now(),
        })
    }

    /// Who is speaking, before it is known whether the session exists.
    pub fn session_request(&self) -> SessionRequest {
        SessionRequest {
            project: self.project.clone(),
            agent: self.principal.agent.clone(),
            agent_type: self.principal.agent_type.clone(),
            named: self.session.clone(),
        }
    }

    pub(crate) fn duration_us(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
}

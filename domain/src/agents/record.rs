//! The lasting record of an agent in a project, apart from its sessions: what it is, where it runs, what it can do, whose
//! it is and how it can be woken. Who may change it, and what its key fixes.

use crate::agents::Session;
use crate::agents::environment::{EnvironmentKind, EnvironmentTag};
use crate::agents::uptime::Window;
use crate::agents::wake::Wake;
use crate::identity::principal::{Action, Denial, Principal, Role, authorize};
use crate::ids::{AgentId, AgentType, InvalidId, ProjectId, given_id, is_name_character};
use crate::work::content::text;
use crate::work::name::Capability;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

given_id!(
    /// The name of a set of rules or habits that an agent follows.
    ProfileName, 64, "letters, digits and - _ . : @ /", is_name_character
);
text!(
    /// What people call an agent.
    DisplayName, "display_name", 128, lines: false
);

/// A JSON object of an agent's own making. No rule looks inside.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Metadata(Map<String, Value>);

/// Metadata that is too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the metadata has {bytes} bytes written compactly: it may have {}", Metadata::BYTES_MAX)]
pub struct InvalidMetadata {
    /// Its length in bytes.
    pub bytes: usize,
}

impl Metadata {
    /// The greatest length in bytes, written compactly: 16 KiB.
    pub const BYTES_MAX: usize = 16 * 1024;

    /// Measures.
    pub fn try_new(object: Map<String, Value>) -> Result<Self, InvalidMetadata> {
        let value = Value::Object(object);
        let bytes = value.to_string().len();
        match value {
            Value::Object(object) if bytes <= Self::BYTES_MAX => Ok(Self(object)),
            _ => Err(InvalidMetadata { bytes }),
        }
    }

    /// The object.
    pub fn object(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl From<Metadata> for Map<String, Value> {
    fn from(metadata: Metadata) -> Self {
        metadata.0
    }
}

impl TryFrom<Map<String, Value>> for Metadata {
    type Error = InvalidMetadata;
    fn try_from(object: Map<String, Value>) -> Result<Self, InvalidMetadata> {
        Self::try_new(object)
    }
}

/// What a project knows of an agent for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentRecord {
    /// The project it works in.
    pub project: ProjectId,
    /// Its name.
    pub id: AgentId,
    /// What people call it.
    pub display_name: Option<DisplayName>,
    /// Its kind, from the key it last registered with.
    pub agent_type: AgentType,
    /// What it may do, from the key it last registered with. For others to know: what a call may do is its own key's.
    pub role: Role,
    /// Where it runs.
    pub environment: EnvironmentKind,
    /// More about where it runs.
    pub tag: Option<EnvironmentTag>,
    /// What it can do; at most `Offers::CAPABILITIES_MAX`.
    pub capabilities: BTreeSet<Capability>,
    /// The rules it follows.
    pub profile: Option<ProfileName>,
    /// The agent that answers for it.
    pub owner: Option<AgentId>,
    /// Whatever else it says of itself.
    pub metadata: Metadata,
    /// How it can be woken.
    pub wake: Wake,
    /// When the record was made, or came back after it was deregistered.
    pub registered_at: DateTime<Utc>,
    /// When the record was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deregistered, if it is.
    pub deregistered_at: Option<DateTime<Utc>>,
}

/// What becomes of something that may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edit<T> {
    /// It stays.
    #[default]
    Keep,
    /// It goes.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T> Edit<T> {
    fn apply(self, to: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *to = None,
            Self::Set(value) => *to = Some(value),
        }
    }
}

/// What is to change in a record; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentChange {
    /// What people call it.
    pub display_name: Edit<DisplayName>,
    /// Where it runs.
    pub environment: Option<EnvironmentKind>,
    /// More about where it runs.
    pub tag: Edit<EnvironmentTag>,
    /// What it can do; at most `Offers::CAPABILITIES_MAX`.
    pub capabilities: Option<BTreeSet<Capability>>,
    /// The rules it follows.
    pub profile: Edit<ProfileName>,
    /// The agent that answers for it.
    pub owner: Edit<AgentId>,
    /// Whatever else it says of itself.
    pub metadata: Option<Metadata>,
    /// How it can be woken.
    pub wake: Option<Wake>,
}

/// Why a record cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AgentRefusal {
    /// It is another agent's, and the caller steers nobody.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// There is no record of this name.
    #[error("no agent `{id}` is registered")]
    Unknown {
        /// The agent that was named.
        id: AgentId,
    },
    /// The agent is deregistered; only it can come back.
    #[error("agent `{id}` is deregistered: it must register again first")]
    Deregistered {
        /// The agent that was named.
        id: AgentId,
        /// Since when.
        deregistered_at: DateTime<Utc>,
    },
    /// More sessions lived in the window than are added up.
    #[error("more than {} sessions lived in the window: choose a shorter one", Window::SESSIONS_MAX)]
    WindowTooLong,
}

impl AgentRecord {
    /// What is known of an agent that has said nothing: what its key says.
    pub fn of_key(project: ProjectId, principal: &Principal, now: DateTime<Utc>) -> Self {
        let Principal { agent, agent_type, role, .. } = principal;
        Self::blank(project, agent.clone(), agent_type.clone(), *role, now)
    }

    /// What is known of an agent that has done nothing but start a session, with a key of this role.
    pub fn of_session(session: &Session, role: Role) -> Self {
        let Session { project, agent, offers, started_at, .. } = session;
        let (environment, tag) = EnvironmentKind::of(offers.environment.clone());
        let blank = Self::blank(project.clone(), agent.clone(), offers.agent_type.clone(), role, *started_at);
        Self { environment, tag, capabilities: offers.capabilities.clone(), ..blank }
    }

    fn blank(project: ProjectId, id: AgentId, agent_type: AgentType, role: Role, now: DateTime<Utc>) -> Self {
        Self {
            project,
            id,
            display_name: None,
            agent_type,
            role,
            environment: EnvironmentKind::Other,
            tag: None,
            capabilities: BTreeSet::new(),
            profile: None,
            owner: None,
            metadata: Metadata::default(),
            wake: Wake::UNKNOWN,
            registered_at: now,
            updated_at: now,
            deregistered_at: None,
        }
    }

    /// Whether it counts among the agents of its project.
    pub const fn is_registered(&self) -> bool {
        self.deregistered_at.is_none()
    }

    fn changed(&self, change: AgentChange, now: DateTime<Utc>) -> Self {
        let AgentChange { display_name, environment, tag, capabilities, profile, owner, metadata, wake } = change;
        let mut changed = self.clone();
        display_name.apply(&mut changed.display_name);
        tag.apply(&mut changed.tag);
        profile.apply(&mut changed.profile);
        owner.apply(&mut changed.owner);
        changed.environment = environment.unwrap_or(changed.environment);
        changed.capabilities = capabilities.unwrap_or(changed.capabilities);
        changed.metadata = metadata.unwrap_or(changed.metadata);
        changed.wake = wake.unwrap_or(changed.wake);
        changed.stamped(self, now)
    }

    /// With the time of the change, if there is one.
    fn stamped(self, before: &Self, now: DateTime<Utc>) -> Self {
        if self == *before { self } else { Self { updated_at: now, ..self } }
    }
}

/// Registers the caller: its record, made before if there was none, becomes what its key and the change say. Who was
/// deregistered comes back.
pub fn register_agent(
    record: &AgentRecord,
    principal: &Principal,
    change: AgentChange,
    now: DateTime<Utc>,
) -> Result<AgentRecord, AgentRefusal> {
    if record.id != principal.agent {
        return Err(Denial::OtherAgent { bound: principal.agent.clone(), claimed: record.id.clone() }.into());
    }
    let registered_at = if record.is_registered() { record.registered_at } else { now };
    let (agent_type, role) = (principal.agent_type.clone(), principal.role);
    let registered = AgentRecord { agent_type, role, registered_at, deregistered_at: None, ..record.clone() };
    Ok(registered.changed(change, now).stamped(record, now))
}

/// Changes the record of this agent: its own, or as an orchestrator anybody's. Kind and role stay: they are the key's.
pub fn update_agent(
    principal: &Principal,
    id: &AgentId,
    found: Option<&AgentRecord>,
    change: AgentChange,
    now: DateTime<Utc>,
) -> Result<AgentRecord, AgentRefusal> {
    let record = steered(principal, id, found)?;
    match record.deregistered_at {
        Some(deregistered_at) => Err(AgentRefusal::Deregistered { id: id.clone(), deregistered_at }),
        None => Ok(record.changed(change, now)),
    }
}

/// Takes an agent out of the project, itself or as an orchestrator anybody. Its record stays; doing so again changes
/// nothing.
pub fn deregister_agent(
    principal: &Principal,
    id: &AgentId,
    found: Option<&AgentRecord>,
    now: DateTime<Utc>,
) -> Result<AgentRecord, AgentRefusal> {
    let record = steered(principal, id, found)?;
    let deregistered_at = Some(record.deregistered_at.unwrap_or(now));
    Ok(AgentRecord { deregistered_at, ..record.clone() }.stamped(record, now))
}

/// The record, if the caller may change it.
fn steered<'a>(
    principal: &Principal,
    id: &AgentId,
    found: Option<&'a AgentRecord>,
) -> Result<&'a AgentRecord, AgentRefusal> {
    if principal.agent != *id {
        authorize(principal, Action::SteerAgents)?;
    }
    found.ok_or_else(|| AgentRefusal::Unknown { id: id.clone() })
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;

//! What requests and answers about keys, projects and callers look like on the wire.

use crate::call::Call;
use crate::identity::commands::{IssuedKey, KeyRecord};
use chrono::{DateTime, Utc};
use domain::identity::principal::{Role, Scope};
use domain::identity::project::Project;
use poem_openapi::{Enum, Object};

/// What a key may do, each role including the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "Role", rename_all = "snake_case")]
pub enum RoleView {
    /// Works: locks, and reads its own audit lines.
    Agent,
    /// Steers others too: takes locks away, reads the whole audit log.
    Orchestrator,
    /// Runs the place: keys and projects.
    Admin,
}

impl From<RoleView> for Role {
    fn from(role: RoleView) -> Self {
        match role {
            RoleView::Agent => Self::Agent,
            RoleView::Orchestrator => Self::Orchestrator,
            RoleView::Admin => Self::Admin,
        }
    }
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        match role {
            Role::Agent => Self::Agent,
            Role::Orchestrator => Self::Orchestrator,
            Role::Admin => Self::Admin,
        }
    }
}

/// A key to create. With nothing said, it is a key of the call's project for an agent of its own.
#[derive(Debug, Clone, Object)]
#[oai(rename = "CreateKey", skip_serializing_if_is_none, deny_unknown_fields, example)]
pub struct CreateKeyBody {
    /// The agent the key is bound to, up to 128 letters, digits and `- _ . : @ /`. Left out, the key is the agent
    /// `key-<id>`.
    #[oai(validator(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_.:@/-]+$"))]
    pub agent: Option<String>,
    /// The kind of that agent; `unknown` if left out.
    #[oai(validator(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_.:@/-]+$"))]
    pub agent_type: Option<String>,
    /// What it may do; `agent` if left out.
    pub role: Option<RoleView>,
    /// The project it is good in; the call's own if left out.
    #[oai(validator(min_length = 1, max_length = 63, pattern = "^[a-z0-9-]+$"))]
    pub project: Option<String>,
    /// Whether it is good in all projects. Only a key of all projects can create such a one; goes without `project`.
    pub all_projects: Option<bool>,
    /// When it stops being good. Goes without `expires_in_seconds`; with neither it never does.
    pub expires_at: Option<DateTime<Utc>>,
    /// After how many seconds it stops being good, ten years at most.
    #[oai(validator(minimum(value = "1"), maximum(value = "315360000")))]
    pub expires_in_seconds: Option<u32>,
}

/// The most seconds a key may be made to last: ten years.
pub const EXPIRES_IN_SECONDS_MAX: u32 = 315_360_000;

impl poem_openapi::types::Example for CreateKeyBody {
    fn example() -> Self {
        Self {
            agent: Some("claude-2".to_owned()),
            agent_type: Some("claude_code".to_owned()),
            role: Some(RoleView::Agent),
            project: None,
            all_projects: None,
            expires_at: None,
            expires_in_seconds: Some(2_592_000),
        }
    }
}

/// An API key, without its secret.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Key", skip_serializing_if_is_none)]
pub struct KeyView {
    /// Its public name, as audit lines show it.
    pub id: String,
    /// The project it is good in; absent for a key of all projects.
    pub project: Option<String>,
    /// Whether it is good in all projects.
    pub all_projects: bool,
    /// The agent it speaks for.
    pub agent: String,
    /// The kind of that agent.
    pub agent_type: String,
    /// What it may do.
    pub role: RoleView,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it stops being good by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, give or take a minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When its secret was last replaced.
    pub rotated_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl From<KeyRecord> for KeyView {
    fn from(key: KeyRecord) -> Self {
        let (project, all_projects) = of_scope(key.scope);
        Self {
            id: key.id.into(),
            project,
            all_projects,
            agent: key.agent.into(),
            agent_type: key.agent_type.into(),
            role: key.role.into(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            rotated_at: key.rotated_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// A key with a fresh secret.
#[derive(Debug, Clone, Object)]
#[oai(rename = "IssuedKey", skip_serializing_if_is_none)]
pub struct IssuedKeyView {
    /// The key.
    pub key: KeyView,
    /// What to send as `Authorization: Bearer` or `X-API-Key`. It is shown in this answer and never again: it is absent
    /// when the answer is the replay of an earlier one, for only a hash is kept. Rotate the key if it was lost.
    pub secret: Option<String>,
    /// Whether `secret` is there.
    pub secret_shown: bool,
}

impl From<IssuedKey> for IssuedKeyView {
    fn from(IssuedKey { key, token }: IssuedKey) -> Self {
        let secret = token.map(|token| token.expose().to_owned());
        Self { key: key.into(), secret_shown: secret.is_some(), secret }
    }
}

/// A page of keys.
#[derive(Debug, Clone, Object)]
#[oai(rename = "KeyPage", skip_serializing_if_is_none)]
pub struct KeyPageView {
    /// At most the asked number, by id.
    pub keys: Vec<KeyView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// A project to create.
#[derive(Debug, Clone, Object)]
#[oai(rename = "CreateProject", deny_unknown_fields)]
pub struct CreateProjectBody {
    /// Its name: lower-case letters, digits and `-`.
    #[oai(validator(min_length = 1, max_length = 63, pattern = "^[a-z0-9-]+$"))]
    pub id: String,
}

/// A project: the wall between fleets.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Project", skip_serializing_if_is_none)]
pub struct ProjectView {
    /// Its name.
    pub id: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was archived; from then on it can be read, not changed.
    pub archived_at: Option<DateTime<Utc>>,
}

impl From<Project> for ProjectView {
    fn from(Project { id, created_at, archived_at }: Project) -> Self {
        Self { id: id.into(), created_at, archived_at }
    }
}

/// A page of projects.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ProjectPage", skip_serializing_if_is_none)]
pub struct ProjectPageView {
    /// At most the asked number, by name.
    pub projects: Vec<ProjectView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// Who is calling.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Me", skip_serializing_if_is_none)]
pub struct MeView {
    /// The agent the key speaks for.
    pub agent: String,
    /// The kind of that agent.
    pub agent_type: String,
    /// What it may do.
    pub role: RoleView,
    /// The public name of the key.
    pub key_id: String,
    /// The project this call ran in.
    pub project: String,
    /// Whether the key is good in all projects.
    pub all_projects: bool,
    /// The session this call named.
    pub session: Option<String>,
}

impl From<Call> for MeView {
    fn from(call: Call) -> Self {
        let (_, all_projects) = of_scope(call.principal.scope);
        Self {
            agent: call.principal.agent.into(),
            agent_type: call.principal.agent_type.into(),
            role: call.principal.role.into(),
            key_id: call.principal.key.into(),
            project: call.project.into(),
            all_projects,
            session: call.session.map(Into::into),
        }
    }
}

fn of_scope(scope: Scope) -> (Option<String>, bool) {
    match scope {
        Scope::Project(project) => (Some(project.into()), false),
        Scope::AllProjects => (None, true),
    }
}

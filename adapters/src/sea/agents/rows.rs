//! Rows of agents.

use crate::sea::clock::{instant, instant_maybe, to_us};
use crate::sea::dialect::{Column, Kind};
use crate::sea::error::{corrupt, failed};
use domain::agents::environment::{EnvironmentKind, EnvironmentTag};
use domain::agents::record::{AgentRecord, DisplayName, ProfileName};
use domain::identity::principal::Role;
use domain::ids::{AgentId, AgentType, ProjectId};
use domain::work::name::Capability;
use ports::store::StoreError;
use sea_orm::FromQueryResult;
use serde::Serialize;

pub(super) const AGENTS: &str = "agents";

pub(super) const FIELDS: &str = "project_id, id, display_name, agent_type, role, environment, tag, capabilities, \
     profile, owner_id, metadata, wake, registered_at_us, updated_at_us, deregistered_at_us";

pub(super) const COLUMNS: [Column; 15] = [
    ("project_id", Kind::Text),
    ("id", Kind::Text),
    ("display_name", Kind::Text),
    ("agent_type", Kind::Text),
    ("role", Kind::Text),
    ("environment", Kind::Text),
    ("tag", Kind::Text),
    ("capabilities", Kind::Text),
    ("profile", Kind::Text),
    ("owner_id", Kind::Text),
    ("metadata", Kind::Text),
    ("wake", Kind::Text),
    ("registered_at_us", Kind::Int),
    ("updated_at_us", Kind::Int),
    ("deregistered_at_us", Kind::Int),
];

#[derive(Debug, FromQueryResult, Serialize)]
pub(super) struct Row {
    project_id: String,
    id: String,
    display_name: Option<String>,
    agent_type: String,
    role: String,
    environment: String,
    tag: Option<String>,
    capabilities: String,
    profile: Option<String>,
    owner_id: Option<String>,
    metadata: String,
    wake: String,
    registered_at_us: i64,
    updated_at_us: i64,
    deregistered_at_us: Option<i64>,
}

/// A text that stands for none of what it should.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is none of the names it may be")]
struct NoName(String);

/// Names as one text with a blank around each, so that one is found by looking for it with its blanks.
pub(super) fn capability_text<'a>(capabilities: impl IntoIterator<Item = &'a Capability>) -> String {
    capabilities.into_iter().fold(" ".to_owned(), |text, capability| text + capability.as_str() + " ")
}

impl TryFrom<Row> for AgentRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let name = format!("{}/{}", row.project_id, row.id);
        let no_name = |column, text: &str| corrupt(AGENTS, column, &name, NoName(text.to_owned()));
        let bad_id = |column| {
            let name = name.clone();
            move |error| corrupt(AGENTS, column, &name, error)
        };
        let bad_json = |column| {
            let name = name.clone();
            move |error| corrupt(AGENTS, column, &name, error)
        };
        let capabilities = row.capabilities.split_whitespace().map(Capability::parse);
        let display_name = row.display_name.as_deref().map(DisplayName::parse).transpose();
        Ok(Self {
            project: ProjectId::parse(&row.project_id).map_err(bad_id("project_id"))?,
            id: AgentId::parse(&row.id).map_err(bad_id("id"))?,
            display_name: display_name.map_err(|error| corrupt(AGENTS, "display_name", &name, error))?,
            agent_type: AgentType::parse(&row.agent_type).map_err(bad_id("agent_type"))?,
            role: Role::parse(&row.role).ok_or_else(|| no_name("role", &row.role))?,
            environment: EnvironmentKind::parse(&row.environment)
                .ok_or_else(|| no_name("environment", &row.environment))?,
            tag: row.tag.as_deref().map(EnvironmentTag::parse).transpose().map_err(bad_id("tag"))?,
            capabilities: capabilities.collect::<Result<_, _>>().map_err(bad_id("capabilities"))?,
            profile: row.profile.as_deref().map(ProfileName::parse).transpose().map_err(bad_id("profile"))?,
            owner: row.owner_id.as_deref().map(AgentId::parse).transpose().map_err(bad_id("owner_id"))?,
            metadata: serde_json::from_str(&row.metadata).map_err(bad_json("metadata"))?,
            wake: serde_json::from_str(&row.wake).map_err(bad_json("wake"))?,
            registered_at: instant(row.registered_at_us, AGENTS, "registered_at_us", &name)?,
            updated_at: instant(row.updated_at_us, AGENTS, "updated_at_us", &name)?,
            deregistered_at: instant_maybe(row.deregistered_at_us, AGENTS, "deregistered_at_us", &name)?,
        })
    }
}

impl TryFrom<&AgentRecord> for Row {
    type Error = StoreError;

    fn try_from(record: &AgentRecord) -> Result<Self, StoreError> {
        let AgentRecord {
            project,
            id,
            display_name,
            agent_type,
            role,
            environment,
            tag,
            capabilities,
            profile,
            owner,
            metadata,
            wake,
            registered_at,
            updated_at,
            deregistered_at,
        } = record;
        Ok(Self {
            project_id: project.as_str().to_owned(),
            id: id.as_str().to_owned(),
            display_name: display_name.as_ref().map(|name| name.as_str().to_owned()),
            agent_type: agent_type.as_str().to_owned(),
            role: role.as_str().to_owned(),
            environment: environment.as_str().to_owned(),
            tag: tag.as_ref().map(|tag| tag.as_str().to_owned()),
            capabilities: capability_text(capabilities),
            profile: profile.as_ref().map(|profile| profile.as_str().to_owned()),
            owner_id: owner.as_ref().map(|owner| owner.as_str().to_owned()),
            metadata: serde_json::to_string(metadata).map_err(failed)?,
            wake: serde_json::to_string(wake).map_err(failed)?,
            registered_at_us: to_us(*registered_at),
            updated_at_us: to_us(*updated_at),
            deregistered_at_us: deregistered_at.map(to_us),
        })
    }
}

//! Agents over HTTP.

use crate::agents::enter::enter;
use crate::agents::registry::bodies::AgentBody;
use crate::agents::registry::commands::{DeregisterAgent, RegisterAgent, UpdateAgent};
use crate::agents::registry::queries::AgentQueries;
use crate::agents::registry::views::{
    AgentCountsView, AgentDetailView, AgentPageView, EnvironmentView, RecordView, StatusView, UptimeView,
};
use crate::executor::Executor;
use crate::http::cursor;
use crate::http::json_body::JsonBody;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use domain::agents::environment::EnvironmentTag;
use domain::agents::uptime::Window;
use domain::ids::{AgentId, AgentType};
use domain::messages::inbox::OPEN_ROWS_MAX;
use domain::work::name::Capability;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use ports::agents::AgentFilter;

/// The operations on agents.
pub struct RegistryApi {
    executor: Executor,
    queries: AgentQueries,
}

impl RegistryApi {
    /// Puts the use cases together.
    pub fn new(executor: Executor) -> Self {
        let queries = AgentQueries::new(executor.clone());
        Self { executor, queries }
    }
}

#[OpenApi(prefix_path = "/v1/agents", tag = "crate::http::tags::Tag::Agents")]
impl RegistryApi {
    /// Register
    ///
    /// Says what the caller is, or says so anew: what is left out stays. Kind and role are those of the key. An agent that
    /// was deregistered comes back. The session of the call starts if it is not there.
    ///
    /// An agent that never registers has a record too, made when its first session started.
    #[oai(path = "/", method = "post", operation_id = "register_agent")]
    async fn register(&self, Auth(call): Auth, body: JsonBody<AgentBody>) -> Result<Json<RecordView>, Problem> {
        let command = RegisterAgent { id: call.principal.agent.clone(), change: body.0.read()? };
        let answered = self.executor.execute(&call, &command).await?;
        if !answered.is_replay {
            enter(&self.executor, &call).await?;
        }
        Ok(Json(answered.answer.into()))
    }

    /// List agents
    ///
    /// By name, each with how it is and what that is based on. Nothing of that is stored: it is judged at the moment of the
    /// answer by sessions, tasks, locks and places in line.
    #[oai(path = "/", method = "get", operation_id = "list_agents")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        Auth(call): Auth,
        /// That can do this.
        capability: Query<Option<String>>,
        /// That run in such a place.
        environment: Query<Option<EnvironmentView>>,
        /// That are so now.
        status: Query<Option<StatusView>>,
        /// Of this kind, from their keys.
        #[oai(name = "type")]
        agent_type: Query<Option<String>>,
        /// That run there.
        tag: Query<Option<String>>,
        /// `true` for those that are registered, `false` for those that are not any more.
        registered: Query<Option<bool>>,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<AgentPageView>, Problem> {
        let filter = AgentFilter {
            agent_type: read("type", agent_type.0.as_deref(), AgentType::parse)?,
            capability: read("capability", capability.0.as_deref(), Capability::parse)?,
            environment: environment.0.map(Into::into),
            tag: read("tag", tag.0.as_deref(), EnvironmentTag::parse)?,
            least_role: None,
            is_registered: registered.0,
        };
        let after: Option<AgentId> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let size = cursor::page_size(limit.0)?;
        let (page, _) = self.queries.list(&call, &filter, status.0.map(Into::into), after, size).await?;
        Ok(Json(AgentPageView {
            agents: page.rows.into_iter().map(Into::into).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }

    /// Count agents
    ///
    /// In each environment and status, with the oldest and the newest last sign of life. Deregistered ones are among the
    /// dead.
    #[oai(path = "/counts", method = "get", operation_id = "count_agents")]
    async fn counts(&self, Auth(call): Auth) -> Result<Json<AgentCountsView>, Problem> {
        Ok(Json(self.queries.counts(&call).await?.into()))
    }

    /// Look at an agent
    ///
    /// With how it is, what that is based on, and its sessions.
    #[oai(path = "/:id", method = "get", operation_id = "get_agent")]
    async fn get(
        &self,
        Auth(call): Auth,
        /// The agent.
        id: Path<String>,
    ) -> Result<Json<AgentDetailView>, Problem> {
        let (seen, now) = self.queries.find(&call, &agent_id(&id.0)?).await?;
        Ok(Json(AgentDetailView::new(seen, now)))
    }

    /// Change an agent
    ///
    /// What is left out stays. An agent changes itself alone; orchestrators change any. Kind and role come from the key.
    #[oai(path = "/:id", method = "patch", operation_id = "update_agent")]
    async fn update(
        &self,
        Auth(call): Auth,
        /// The agent.
        id: Path<String>,
        body: JsonBody<AgentBody>,
    ) -> Result<Json<RecordView>, Problem> {
        let command = UpdateAgent { id: agent_id(&id.0)?, change: body.0.read()? };
        Ok(Json(self.executor.execute(&call, &command).await?.answer.into()))
    }

    /// Deregister an agent
    ///
    /// Itself, or as an orchestrator any. The record stays, and so do sessions and what they hold; the agent counts as dead
    /// until it registers again. Doing so twice changes nothing.
    #[oai(path = "/:id", method = "delete", operation_id = "deregister_agent")]
    async fn deregister(
        &self,
        Auth(call): Auth,
        /// The agent.
        id: Path<String>,
    ) -> Result<Json<RecordView>, Problem> {
        let ids = self.executor.ids();
        let notices = (0..OPEN_ROWS_MAX).map(|_| ids.message_id()).collect();
        let command = DeregisterAgent { id: agent_id(&id.0)?, notices };
        Ok(Json(self.executor.execute(&call, &command).await?.answer.into()))
    }

    /// Ask for the uptime of an agent
    ///
    /// The part of a window, up to now, in which at least one of its sessions lived. A session lives from its first call
    /// until it is ended, or until its TTL has passed after its last sign of life: so up to one TTL after an agent died is
    /// counted as if it had lived.
    #[oai(path = "/:id/uptime", method = "get", operation_id = "uptime_agent")]
    async fn uptime(
        &self,
        Auth(call): Auth,
        /// The agent.
        id: Path<String>,
        /// How far to look back: a minute to 90 days; a day if left out.
        #[oai(validator(minimum(value = "60"), maximum(value = "7776000")))]
        window_seconds: Query<Option<u32>>,
    ) -> Result<Json<UptimeView>, Problem> {
        let id = agent_id(&id.0)?;
        let window = Window::try_new(window_seconds.0.unwrap_or(Window::SECONDS_DEFAULT));
        let window = window.map_err(|error| Problem::invalid("window_seconds", &error))?;
        let uptime = self.queries.uptime(&call, &id, window).await?;
        Ok(Json(UptimeView::new(id.into(), uptime)))
    }
}

fn agent_id(text: &str) -> Result<AgentId, Problem> {
    AgentId::parse(text).map_err(|error| Problem::invalid("id", &error))
}

fn read<T, E: ToString>(
    field: &str,
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Problem> {
    text.map(parse).transpose().map_err(|error| Problem::invalid(field, &error))
}

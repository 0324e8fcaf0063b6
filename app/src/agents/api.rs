//! Sessions over HTTP.

use crate::agents::commands::{EndSession, Heartbeat, RegisterSession};
use crate::agents::queries::SessionQueries;
use crate::agents::views::{EndedSessionView, RegisterBody, SessionPageView, SessionView};
use crate::call::Call;
use crate::executor::Executor;
use crate::http::cursor;
use crate::http::json_body::JsonBody;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use domain::agents::{Offers, SessionTtl};
use domain::ids::{AgentId, AgentType, SessionId};
use domain::work::name::{Capability, Environment};
use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use ports::agents::SessionFilter;

/// The operations on sessions.
pub struct AgentsApi {
    executor: Executor,
    queries: SessionQueries,
}

impl AgentsApi {
    /// Puts the use cases together.
    pub fn new(executor: Executor) -> Self {
        let queries = SessionQueries::new(executor.clone());
        Self { executor, queries }
    }
}

#[OpenApi(prefix_path = "/v1/sessions", tag = "crate::http::tags::Tag::Sessions")]
impl AgentsApi {
    /// Register a session
    ///
    /// Starts it. While it lives, doing so again changes its TTL and what it offers; its end never moves nearer. A session
    /// lives for its TTL after each sign of life, and every authenticated call that names it is one, as is waiting in one.
    /// What it holds is free as soon as it dies, and it never comes back.
    #[oai(path = "/", method = "post", operation_id = "register_session")]
    async fn register(&self, Auth(call): Auth, body: JsonBody<RegisterBody>) -> Result<Json<SessionView>, Problem> {
        let RegisterBody { session_id, ttl_seconds, capabilities, environment } = body.0;
        let ttl = ttl_seconds.map_or(Ok(SessionTtl::DEFAULT), SessionTtl::try_new);
        let command = RegisterSession {
            ttl: ttl.map_err(|error| Problem::invalid("ttl_seconds", &error))?,
            offers: offers(call.principal.agent_type.clone(), &capabilities.unwrap_or_default(), environment.as_deref())?,
        };
        let call = Call { session: named(session_id.as_deref(), call.session)?, ..call };
        Ok(Json(self.executor.execute_hot(&call, command).await?.answer.into()))
    }

    /// Say that the session lives
    ///
    /// The one named by `X-Session-Id`, which must have been used before, or else the agent's default one. Needed only by
    /// who makes no other call. Signs of life are written at most ten times per TTL; `live_until` is what was written.
    #[oai(path = "/heartbeat", method = "post", operation_id = "heartbeat_session")]
    async fn heartbeat(&self, Auth(call): Auth) -> Result<Json<SessionView>, Problem> {
        Ok(Json(self.executor.execute_hot(&call, Heartbeat).await?.answer.into()))
    }

    /// End the session
    ///
    /// The one named by `X-Session-Id`, or else the agent's default one. Everything it holds is free at once, and a
    /// named session can never be used again.
    #[oai(path = "/end", method = "post", operation_id = "end_session")]
    async fn end(&self, Auth(call): Auth) -> Result<Json<EndedSessionView>, Problem> {
        let answered = self.executor.execute_hot(&call, EndSession).await;
        self.executor.signs_of_life().forget(&call);
        Ok(Json(answered?.answer.into()))
    }

    /// List sessions
    ///
    /// Of all agents of the project, by name; those that live no more are among them.
    #[oai(path = "/", method = "get", operation_id = "list_sessions")]
    async fn list(
        &self,
        Auth(call): Auth,
        /// Of this agent.
        agent: Query<Option<String>>,
        /// `true` for those that live, `false` for those that do not.
        live: Query<Option<bool>>,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<SessionPageView>, Problem> {
        let agent = agent.0.as_deref().map(AgentId::parse).transpose();
        let agent = agent.map_err(|error| Problem::invalid("agent", &error))?;
        let filter = SessionFilter { agent, is_live: live.0 };
        let after: Option<SessionId> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let size = cursor::page_size(limit.0)?;
        let (page, now) = self.queries.list(&call, &filter, after.as_ref(), size).await?;
        Ok(Json(SessionPageView {
            sessions: page.rows.into_iter().map(|session| SessionView::new(session, now)).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }
}

/// The session that a registration names, in its body or in the header, if it names one.
fn named(body: Option<&str>, header: Option<SessionId>) -> Result<Option<SessionId>, Problem> {
    let field = "session_id";
    let body = body.map(SessionId::parse).transpose().map_err(|error| Problem::invalid(field, &error))?;
    match (body, header) {
        (Some(body), Some(header)) if body != header => {
            Err(Problem::invalid(field, &"names another session than `X-Session-Id`: send one of them"))
        }
        (body, header) => Ok(body.or(header)),
    }
}

fn offers(agent_type: AgentType, capabilities: &[String], environment: Option<&str>) -> Result<Offers, Problem> {
    let parsed = capabilities.iter().enumerate().map(|(at, text)| {
        Capability::parse(text).map_err(|error| Problem::invalid(&format!("capabilities[{at}]"), &error))
    });
    let capabilities = parsed.collect::<Result<_, _>>()?;
    let environment = environment.map(Environment::parse).transpose();
    let environment = environment.map_err(|error| Problem::invalid("environment", &error))?;
    Offers::try_new(agent_type, capabilities, environment).map_err(|error| Problem::invalid("capabilities", &error))
}

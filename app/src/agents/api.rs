//! Sessions over HTTP.

use crate::agents::commands::EndSession;
use crate::executor::Executor;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use crate::locks::views::{ReleasedLocksView, ReleasedView};
use chrono::{DateTime, Utc};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

/// A session that ended.
#[derive(Debug, Clone, Object)]
#[oai(rename = "EndedSession")]
pub struct EndedSessionView {
    /// Its name; it never comes back.
    pub session: String,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// The locks that ended with it.
    pub released: Vec<ReleasedView>,
}

/// The operations on sessions.
pub struct AgentsApi {
    executor: Executor,
}

impl AgentsApi {
    /// Changes through this executor.
    pub fn new(executor: Executor) -> Self {
        Self { executor }
    }
}

#[OpenApi(prefix_path = "/v1/sessions", tag = "crate::http::tags::Tag::Sessions")]
impl AgentsApi {
    /// End the session
    ///
    /// The one named by `X-Session-Id`, or else the agent's default one. Everything it holds is free at once, and a
    /// named session can never be used again.
    #[oai(path = "/end", method = "post", operation_id = "end_session")]
    async fn end(&self, Auth(call): Auth) -> Result<Json<EndedSessionView>, Problem> {
        let ended = self.executor.execute_hot(&call, EndSession).await?.answer;
        let ended_at = ended.session.ended_at.unwrap_or(ended.session.started_at);
        let ReleasedLocksView { released } = ended.released.into();
        Ok(Json(EndedSessionView { session: ended.session.id.into(), ended_at, released }))
    }
}

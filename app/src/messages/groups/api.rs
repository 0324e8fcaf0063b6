//! Groups and conversations over HTTP.

use crate::call::Call;
use crate::executor::Executor;
use crate::http::cursor;
use crate::http::json_body::JsonBody;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use crate::messages::bodies::{MemberBody, ResumeBody, group_name};
use crate::messages::groups::commands::{JoinGroup, LeaveGroup, ResumeConversation};
use crate::messages::groups::views::{GroupPageView, LeftView, MemberPageView, MemberView, ResumedView};
use crate::messages::queries::MessageQueries;
use domain::ids::AgentId;
use domain::messages::audience::GroupName;
use domain::messages::conversation::Pair;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;

/// The operations on groups and conversations.
pub struct GroupsApi {
    executor: Executor,
    queries: MessageQueries,
}

impl GroupsApi {
    /// Puts the use cases together.
    pub fn new(executor: Executor, queries: MessageQueries) -> Self {
        Self { executor, queries }
    }
}

#[OpenApi(prefix_path = "/v1", tag = "crate::http::tags::Tag::Messages")]
impl GroupsApi {
    /// List groups
    ///
    /// By name. A group is there as long as somebody is in it.
    #[oai(path = "/groups", method = "get", operation_id = "list_groups")]
    async fn groups(
        &self,
        Auth(call): Auth,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<GroupPageView>, Problem> {
        let after: Option<GroupName> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let page = self.queries.groups(&call, after.as_ref(), cursor::page_size(limit.0)?).await?;
        Ok(Json(GroupPageView {
            groups: page.rows.into_iter().map(Into::into).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }

    /// List the members of a group
    ///
    /// By name; none of a group that nobody is in.
    #[oai(path = "/groups/:name/members", method = "get", operation_id = "list_members")]
    async fn members(
        &self,
        Auth(call): Auth,
        /// The group.
        name: Path<String>,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<MemberPageView>, Problem> {
        let group = group_name("name", &name.0)?;
        let after: Option<AgentId> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let page = self.queries.members(&call, &group, after.as_ref(), cursor::page_size(limit.0)?).await?;
        Ok(Json(MemberPageView {
            members: page.rows.into_iter().map(Into::into).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }

    /// Join a group
    ///
    /// The first one to join makes it. A member gets what is sent to the group from then on. Others than oneself are let
    /// in with the role `orchestrator` or `admin`.
    #[oai(path = "/groups/:name/join", method = "post", operation_id = "join_group")]
    async fn join(
        &self,
        Auth(call): Auth,
        /// The group.
        name: Path<String>,
        body: JsonBody<MemberBody>,
    ) -> Result<Json<MemberView>, Problem> {
        let command = JoinGroup { group: group_name("name", &name.0)?, agent: agent(&call, &body.0)? };
        Ok(Json(self.executor.execute(&call, &command).await?.answer.into()))
    }

    /// Leave a group
    ///
    /// What was sent to the group and not looked at yet does not come any more. Others than oneself are put out with the
    /// role `orchestrator` or `admin`.
    #[oai(path = "/groups/:name/leave", method = "post", operation_id = "leave_group")]
    async fn leave(
        &self,
        Auth(call): Auth,
        /// The group.
        name: Path<String>,
        body: JsonBody<MemberBody>,
    ) -> Result<Json<LeftView>, Problem> {
        let command = LeaveGroup { group: group_name("name", &name.0)?, agent: agent(&call, &body.0)? };
        let left = self.executor.execute(&call, &command).await?.answer;
        Ok(Json(LeftView { group: left.group.into(), agent: left.agent.into() }))
    }

    /// Let two agents answer each other again
    ///
    /// Needs the role `orchestrator` or `admin`. They were stopped because they did nothing but answer each other.
    #[oai(path = "/conversations/resume", method = "post", operation_id = "resume_conversation")]
    async fn resume(&self, Auth(call): Auth, body: JsonBody<ResumeBody>) -> Result<Json<ResumedView>, Problem> {
        let parsed = |at: usize| {
            let text = body.0.agents.get(at).map_or("", String::as_str);
            AgentId::parse(text).map_err(|error| Problem::invalid(&format!("agents[{at}]"), &error))
        };
        let command = ResumeConversation { pair: Pair::of(parsed(0)?, parsed(1)?) };
        Ok(Json(self.executor.execute(&call, &command).await?.answer.into()))
    }
}

/// The agent that is to be moved.
fn agent(call: &Call, body: &MemberBody) -> Result<AgentId, Problem> {
    let named = body.agent.as_deref().map(AgentId::parse).transpose();
    let named = named.map_err(|error| Problem::invalid("agent", &error))?;
    Ok(named.unwrap_or_else(|| call.principal.agent.clone()))
}

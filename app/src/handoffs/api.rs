//! Handoffs over HTTP.

use crate::executor::Executor;
use crate::handoffs::bodies::{AcceptBody, ReadHandoff, ReasonBody, WriteHandoffBody};
use crate::handoffs::commands::{DeclineHandoff, WithdrawHandoff, WriteHandoff};
use crate::handoffs::queries::{HandoffQueries, Wanted};
use crate::handoffs::taking;
use crate::handoffs::views::{
    DeclinedView, HandoffDetailView, HandoffPageView, HandoffView, LatestHandoffView, StatusView, WrittenHandoff,
};
use crate::http::cursor;
use crate::http::json_body::JsonBody;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use domain::handoffs::content::FileName;
use domain::handoffs::listing::{HandoffCursor, HandoffFilter, SearchWords};
use domain::ids::{AgentId, HandoffId};
use domain::locks::lease::Ttl;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;

/// The operations on handoffs.
pub struct HandoffsApi {
    executor: Executor,
    queries: HandoffQueries,
    default_ttl: Ttl,
}

impl HandoffsApi {
    /// Puts the use cases together.
    pub fn new(executor: Executor, default_ttl: Ttl) -> Self {
        let queries = HandoffQueries::new(executor.clone());
        Self { executor, queries, default_ttl }
    }
}

#[OpenApi(prefix_path = "/v1/handoffs", tag = "crate::http::tags::Tag::Handoffs")]
impl HandoffsApi {
    /// Write a handoff
    ///
    /// A record for everybody, or an offer to an agent, to whoever can do something, or to whoever comes next. With an
    /// offer, locks and claimed tasks of your session can be named that go over to whoever takes it; until then they stay
    /// yours, and have to be kept.
    #[oai(path = "/", method = "post", operation_id = "write_handoff")]
    async fn write(&self, Auth(call): Auth, body: JsonBody<WriteHandoffBody>) -> Result<WrittenHandoff, Problem> {
        let ReadHandoff { summary, content, offer, to_move, length } = body.0.read()?;
        let id = self.executor.ids().handoff_id();
        let command = WriteHandoff { id, summary, content, offer, to_move, length };
        let handoff = self.executor.execute(&call, &command).await?.answer;
        Ok(WrittenHandoff::Created(Json(HandoffDetailView::new(handoff, command.content))))
    }

    /// List handoffs
    ///
    /// Newest first, without their lists. Several filters must all fit.
    #[oai(path = "/", method = "get", operation_id = "list_handoffs")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        Auth(call): Auth,
        /// Written by this agent.
        #[oai(validator(min_length = 1, max_length = 128))]
        from: Query<Option<String>>,
        /// Offered to this agent by name, or taken by it.
        #[oai(validator(min_length = 1, max_length = 128))]
        to: Query<Option<String>>,
        /// About this file.
        #[oai(validator(min_length = 1, max_length = 512))]
        file: Query<Option<String>>,
        /// In this state.
        status: Query<Option<StatusView>>,
        /// With all these words in them, large or small letters alike; at most eight.
        #[oai(validator(min_length = 1, max_length = 256))]
        q: Query<Option<String>>,
        /// Only what you could accept now and have not declined.
        offered_to_me: Query<Option<bool>>,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<HandoffPageView>, Problem> {
        let asked = Asked { from: from.0, to: to.0, file: file.0, status: status.0, q: q.0, mine: offered_to_me.0 };
        let after: Option<HandoffCursor> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let page = self.queries.list(&call, asked.read()?, after, cursor::page_size(limit.0)?).await?;
        Ok(Json(HandoffPageView {
            handoffs: page.rows.into_iter().map(Into::into).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }

    /// Look at the latest handoff
    ///
    /// The newest one that passes the filters, with all that is written in it. Finding none is an answer without one.
    #[oai(path = "/latest", method = "get", operation_id = "latest_handoff")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn latest(
        &self,
        Auth(call): Auth,
        /// Written by this agent.
        #[oai(validator(min_length = 1, max_length = 128))]
        from: Query<Option<String>>,
        /// Offered to this agent by name, or taken by it.
        #[oai(validator(min_length = 1, max_length = 128))]
        to: Query<Option<String>>,
        /// About this file.
        #[oai(validator(min_length = 1, max_length = 512))]
        file: Query<Option<String>>,
        /// In this state.
        status: Query<Option<StatusView>>,
        /// With all these words in it, large or small letters alike; at most eight.
        #[oai(validator(min_length = 1, max_length = 256))]
        q: Query<Option<String>>,
        /// Only what you could accept now and have not declined.
        offered_to_me: Query<Option<bool>>,
    ) -> Result<Json<LatestHandoffView>, Problem> {
        let asked = Asked { from: from.0, to: to.0, file: file.0, status: status.0, q: q.0, mine: offered_to_me.0 };
        let latest = self.queries.latest(&call, asked.read()?).await?;
        Ok(Json(LatestHandoffView { latest: latest.map(Into::into) }))
    }

    /// Look at a handoff
    ///
    /// With all that is written in it.
    #[oai(path = "/:id", method = "get", operation_id = "get_handoff")]
    async fn get(
        &self,
        Auth(call): Auth,
        /// The handoff.
        id: Path<String>,
    ) -> Result<Json<HandoffDetailView>, Problem> {
        Ok(Json(self.queries.find(&call, handoff_id(&id.0)?).await?.into()))
    }

    /// Take a handoff
    ///
    /// In the same commit the locks and tasks that were named become those of your session, under new tokens; the giver's
    /// are stale from then on. Whoever waits in line waits on. What the giver does not hold any more, or what you cannot
    /// have, stays where it is and is told under `not_moved`. One session takes it; whoever comes later is told who.
    #[oai(path = "/:id/accept", method = "post", operation_id = "accept_handoff")]
    async fn accept(
        &self,
        Auth(call): Auth,
        /// The handoff.
        id: Path<String>,
        body: JsonBody<AcceptBody>,
    ) -> Result<Json<HandoffView>, Problem> {
        let ttl = body.0.ttl_seconds.map_or(Ok(self.default_ttl), Ttl::try_new);
        let ttl = ttl.map_err(|error| Problem::invalid("ttl_seconds", &error))?;
        Ok(Json(taking::accept(&self.executor, &call, handoff_id(&id.0)?, ttl).await?.into()))
    }

    /// Decline a handoff
    ///
    /// An offer to you by name is over then. Any other is not shown to you any more and stands for others.
    #[oai(path = "/:id/decline", method = "post", operation_id = "decline_handoff")]
    async fn decline(
        &self,
        Auth(call): Auth,
        /// The handoff.
        id: Path<String>,
        body: JsonBody<ReasonBody>,
    ) -> Result<Json<DeclinedView>, Problem> {
        let command = DeclineHandoff { id: handoff_id(&id.0)?, reason: body.0.read()? };
        Ok(Json(self.executor.execute(&call, &command).await?.answer.into()))
    }

    /// Take an offer back
    ///
    /// Only for the agent that made it, from any of its sessions.
    #[oai(path = "/:id/withdraw", method = "post", operation_id = "withdraw_handoff")]
    async fn withdraw(
        &self,
        Auth(call): Auth,
        /// The handoff.
        id: Path<String>,
        body: JsonBody<ReasonBody>,
    ) -> Result<Json<HandoffView>, Problem> {
        let command = WithdrawHandoff { id: handoff_id(&id.0)?, reason: body.0.read()? };
        Ok(Json(self.executor.execute(&call, &command).await?.answer.into()))
    }
}

/// What a query asks for, unread.
struct Asked {
    from: Option<String>,
    to: Option<String>,
    file: Option<String>,
    status: Option<StatusView>,
    q: Option<String>,
    mine: Option<bool>,
}

impl Asked {
    fn read(self) -> Result<Wanted, Problem> {
        let agent = |field: &str, text: Option<String>| {
            text.as_deref().map(AgentId::parse).transpose().map_err(|error| Problem::invalid(field, &error))
        };
        let file = self.file.as_deref().map(FileName::parse).transpose();
        let words = self.q.as_deref().map(SearchWords::parse).transpose();
        let filter = HandoffFilter {
            from: agent("from", self.from)?,
            to: agent("to", self.to)?,
            file: file.map_err(|error| Problem::invalid("file", &error))?,
            status: self.status.map(Into::into),
            words: words.map_err(|error| Problem::invalid("q", &error))?,
            offered_to: None,
        };
        Ok(Wanted { filter, offered_to_me: self.mine.unwrap_or(false) })
    }
}

fn handoff_id(text: &str) -> Result<HandoffId, Problem> {
    HandoffId::parse(text).map_err(|error| Problem::invalid("id", &error))
}

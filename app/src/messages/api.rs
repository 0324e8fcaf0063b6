//! Sending messages and looking at them over HTTP.

use crate::http::cursor;
use crate::http::json_body::JsonBody;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use crate::messages::bodies::SendBody;
use crate::messages::queries::{Ledger, MessageQueries};
use crate::messages::send::SendMessages;
use crate::messages::views::{
    DeliveryView, LedgerView, MessagePageView, MessageTypeView, MessageView, SentMessage, StatusCountView,
};
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, MessageId};
use domain::messages::content::CorrelationId;
use domain::messages::delivery::DeliveryStatus;
use domain::messages::listing::{Direction, MessageFilter, SearchWords};
use domain::messages::message::{MessageType, Number};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;

/// The operations on messages.
pub struct MessagesApi {
    send: SendMessages,
    queries: MessageQueries,
}

impl MessagesApi {
    /// Puts the use cases together.
    pub fn new(send: SendMessages, queries: MessageQueries) -> Self {
        Self { send, queries }
    }
}

#[OpenApi(prefix_path = "/v1/messages", tag = "crate::http::tags::Tag::Messages")]
impl MessagesApi {
    /// Send a message
    ///
    /// To agents, a group, an environment, a capability, the orchestrators or everyone. It is stored when this is
    /// answered; what becomes of it for each recipient is told by `/v1/messages/{id}/deliveries`, and if it is not taken,
    /// by a notice. Two agents that answer each other too often are slowed, then stopped for a while.
    #[oai(path = "/", method = "post", operation_id = "send_message")]
    async fn send(&self, Auth(call): Auth, body: JsonBody<SendBody>) -> Result<SentMessage, Problem> {
        let draft = body.0.read()?;
        Ok(SentMessage::Sent(Json(self.send.send(&call, draft).await?.answer.into())))
    }

    /// Search messages
    ///
    /// Those the caller sent, got or is to get; with the role `orchestrator` or `admin` those of the whole project. Newest
    /// first. Several filters must all fit. To look at messages here is not to receive them: nothing becomes of them.
    #[oai(path = "/", method = "get", operation_id = "list_messages")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        Auth(call): Auth,
        /// With all these words in subject or body; at most 16.
        #[oai(validator(min_length = 1, max_length = 512))]
        search: Query<Option<String>>,
        /// Sent by this agent.
        #[oai(validator(min_length = 1, max_length = 128))]
        from: Query<Option<String>>,
        /// Of this thread: the id of its first message.
        #[oai(validator(max_length = 64))]
        thread: Query<Option<String>>,
        /// Of this type.
        #[oai(name = "type")]
        message_type: Query<Option<MessageTypeView>>,
        /// With this mark of their sender.
        #[oai(validator(min_length = 1, max_length = 128))]
        correlation_id: Query<Option<String>>,
        /// Sent at this instant or later.
        since: Query<Option<DateTime<Utc>>>,
        /// Sent before this instant.
        before: Query<Option<DateTime<Utc>>>,
        /// Whether the oldest come first.
        oldest_first: Query<Option<bool>>,
        /// Rows of the page, 1 to 100; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<MessagePageView>, Problem> {
        let sender = from.0.as_deref().map(AgentId::parse).transpose();
        let thread = thread.0.as_deref().map(MessageId::parse).transpose();
        let mark = correlation_id.0.as_deref().map(CorrelationId::parse).transpose();
        let search = search.0.as_deref().map(SearchWords::parse).transpose();
        let filter = MessageFilter {
            visible_to: None,
            search: search.map_err(|error| Problem::invalid("search", &error))?,
            sender: sender.map_err(|error| Problem::invalid("from", &error))?,
            thread: thread.map_err(|error| Problem::invalid("thread", &error))?,
            message_type: message_type.0.map(MessageType::from),
            correlation_id: mark.map_err(|error| Problem::invalid("correlation_id", &error))?,
            since: since.0,
            before: before.0,
            direction: if oldest_first.0 == Some(true) { Direction::OldestFirst } else { Direction::NewestFirst },
        };
        let after: Option<Number> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let page = self.queries.list(&call, filter, after, cursor::page_size(limit.0)?).await?;
        Ok(Json(MessagePageView {
            messages: page.rows.into_iter().map(|(message, content)| MessageView::new(message, content)).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }

    /// Look at a message
    ///
    /// One that the caller sent, got or is to get, or with the role `orchestrator` or `admin` any. Nothing becomes of it.
    #[oai(path = "/:id", method = "get", operation_id = "get_message")]
    async fn get(
        &self,
        Auth(call): Auth,
        /// The message.
        id: Path<String>,
    ) -> Result<Json<MessageView>, Problem> {
        let (message, content) = self.queries.find(&call, message_id(&id.0)?).await?;
        Ok(Json(MessageView::new(message, content)))
    }

    /// What became of a message
    ///
    /// For its sender, and with the role `orchestrator` or `admin`. One delivery for each recipient; of a message to an
    /// environment, a capability, a group, the orchestrators or everyone, for each that has received it, while the counts
    /// say `stored` for the others who belong there now.
    #[oai(path = "/:id/deliveries", method = "get", operation_id = "list_deliveries")]
    async fn deliveries(
        &self,
        Auth(call): Auth,
        /// The message.
        id: Path<String>,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<LedgerView>, Problem> {
        let after: Option<AgentId> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let size = cursor::page_size(limit.0)?;
        let Ledger { counts, page, now } = self.queries.ledger(&call, message_id(&id.0)?, after.as_ref(), size).await?;
        let count = |(status, deliveries): (DeliveryStatus, u64)| StatusCountView { status: status.into(), deliveries };
        Ok(Json(LedgerView {
            counts: counts.into_iter().map(count).collect(),
            deliveries: page.rows.into_iter().map(|delivery| DeliveryView::new(delivery, now)).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }
}

fn message_id(text: &str) -> Result<MessageId, Problem> {
    MessageId::parse(text).map_err(|error| Problem::invalid("id", &error))
}

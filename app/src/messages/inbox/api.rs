//! The caller's own inbox over HTTP.

mod stream;

use crate::agents::enter::enter;
use crate::executor::Executor;
use crate::http::cursor;
use crate::http::json_body::JsonBody;
use crate::http::problem::Problem;
use crate::identity::security::{Auth, FrontDoor};
use crate::messages::bodies::{MessagesBody, ReceiveBody, ReturnBody};
use crate::messages::inbox::commands::{AreAcknowledged, ReturnMessages, SayOfMessages, WereRead};
use crate::messages::inbox::receive::{ReceiveMessages, ReceiveRequest};
use crate::messages::inbox::views::{
    InboxMessageView, InboxPageView, InboxStream, ReceivedMessagesView, ReceivedView, SaidView, UnreadView,
};
use crate::messages::queries::MessageQueries;
use crate::refusal::CallError;
use domain::messages::inbox::{ReceiveCount, ReturnDelay, Visibility};
use domain::messages::message::Number;
use poem::web::Data;
use poem::{Body, Request};
use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use std::sync::Arc;
use std::time::Duration;
use stream::{MailStream, StreamTerms};

/// The operations on the caller's inbox.
pub struct InboxApi {
    executor: Executor,
    receive: ReceiveMessages,
    queries: MessageQueries,
}

impl InboxApi {
    /// Puts the use cases together.
    pub fn new(executor: Executor, receive: ReceiveMessages, queries: MessageQueries) -> Self {
        Self { executor, receive, queries }
    }
}

#[OpenApi(prefix_path = "/v1/inbox", tag = "crate::http::tags::Tag::Messages")]
impl InboxApi {
    /// Receive messages
    ///
    /// Puts them into your hands for a while. Say that you have read or acknowledged them, answer them, or return them;
    /// what you say nothing about comes again, five times at most, and then its sender is told that you did not take it.
    /// The most urgent come first, each step of priority worth ten minutes of waiting, and those of one sender in the
    /// order it sent them.
    #[oai(path = "/receive", method = "post", operation_id = "receive_messages")]
    async fn receive(
        &self,
        Auth(call): Auth,
        body: JsonBody<ReceiveBody>,
    ) -> Result<Json<ReceivedMessagesView>, Problem> {
        let ReceiveBody { max_messages, visibility_seconds, wait_seconds } = body.0;
        let count = max_messages.map_or(Ok(ReceiveCount::DEFAULT), ReceiveCount::try_new);
        let visibility = visibility_seconds.map_or(Ok(Visibility::DEFAULT), Visibility::try_new);
        let request = ReceiveRequest {
            count: count.map_err(|error| Problem::invalid("max_messages", &error))?,
            visibility: visibility.map_err(|error| Problem::invalid("visibility_seconds", &error))?,
            wait: Duration::from_secs(wait_seconds.unwrap_or(0).into()),
        };
        let (messages, now) = self.receive.receive(&call, &request).await?;
        let messages = messages.into_iter().filter_map(|in_hand| ReceivedView::new(in_hand, now)).collect();
        Ok(Json(ReceivedMessagesView { messages }))
    }

    /// Receive messages as they come
    ///
    /// As to receive them, again and again, as a stream that stays open (server-sent events): each message is an event
    /// `message` with a message in hand as its data, and the last one `end` says why the server ends it. No more of them
    /// than `max_in_hand` are in the hands of your session at a time: say that you have read or acknowledged them, answer
    /// them, or return them. While it is open, the session lives.
    #[oai(path = "/stream", method = "get", operation_id = "stream_inbox")]
    async fn stream(
        &self,
        Auth(call): Auth,
        request: &Request,
        door: Data<&Arc<FrontDoor>>,
        /// For how long each message is in your hands, 5 to 3,600 seconds; 60 if left out.
        #[oai(validator(minimum(value = "5"), maximum(value = "3600")))]
        visibility_seconds: Query<Option<u32>>,
        /// How many may be in the hands of your session, 1 to 50; 10 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "50")))]
        max_in_hand: Query<Option<u32>>,
    ) -> Result<InboxStream, Problem> {
        let visibility = visibility_seconds.0.map_or(Ok(Visibility::DEFAULT), Visibility::try_new);
        let visibility = visibility.map_err(|error| Problem::invalid("visibility_seconds", &error))?;
        let in_hand_max = max_in_hand.0.map_or(Ok(ReceiveCount::DEFAULT), ReceiveCount::try_new);
        let in_hand_max = in_hand_max.map_err(|error| Problem::invalid("max_in_hand", &error))?;
        let pass = door.pass(request, &call)?;
        let terms = StreamTerms { visibility, in_hand_max };
        let stream = MailStream::open(self.receive.clone(), call, terms, pass).await?;
        Ok(InboxStream::new(Body::from_bytes_stream(stream.into_parts())))
    }

    /// Say that messages were read
    ///
    /// All of them or none. That is all there is to do, unless a message has to be acknowledged.
    #[oai(path = "/read", method = "post", operation_id = "read_messages")]
    async fn read(&self, Auth(call): Auth, body: JsonBody<MessagesBody>) -> Result<Json<SaidView>, Problem> {
        let command = SayOfMessages { messages: body.0.read()?, word: WereRead };
        Ok(Json(self.executor.execute(&call, &command).await?.answer.into()))
    }

    /// Acknowledge messages
    ///
    /// All of them or none. Tells the sender that you have understood and act on it. A message is acknowledged once; to
    /// say so again changes nothing.
    #[oai(path = "/acknowledge", method = "post", operation_id = "acknowledge_messages")]
    async fn acknowledge(&self, Auth(call): Auth, body: JsonBody<MessagesBody>) -> Result<Json<SaidView>, Problem> {
        let command = SayOfMessages { messages: body.0.read()?, word: AreAcknowledged };
        Ok(Json(self.executor.execute(&call, &command).await?.answer.into()))
    }

    /// Return messages
    ///
    /// All of them or none. They come again, at once or after a delay, to this session of yours or another; each time
    /// counts as an attempt.
    #[oai(path = "/return", method = "post", operation_id = "return_messages")]
    async fn give_back(&self, Auth(call): Auth, body: JsonBody<ReturnBody>) -> Result<Json<SaidView>, Problem> {
        let delay = ReturnDelay::try_new(body.0.delay_seconds.unwrap_or(0));
        let session = match enter(&self.executor, &call).await {
            Ok(session) => Some(session),
            Err(CallError::Refused(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let command = ReturnMessages {
            messages: body.0.read()?,
            session,
            delay: delay.map_err(|error| Problem::invalid("delay_seconds", &error))?,
        };
        Ok(Json(self.executor.execute(&call, &command).await?.answer.into()))
    }

    /// Look into the inbox
    ///
    /// Newest first, without receiving anything: nothing becomes of the messages.
    #[oai(path = "/", method = "get", operation_id = "list_inbox")]
    async fn list(
        &self,
        Auth(call): Auth,
        /// `true` for those alone that are not over.
        open: Query<Option<bool>>,
        /// Rows of the page, 1 to 100; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<InboxPageView>, Problem> {
        let after: Option<Number> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let size = cursor::page_size(limit.0)?;
        let (page, now) = self.queries.inbox(&call, open.0.unwrap_or(false), after, size).await?;
        let view = |(entry, content)| InboxMessageView::new(entry, content, now);
        Ok(Json(InboxPageView {
            messages: page.rows.into_iter().map(view).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }

    /// How much there is to read
    ///
    /// Every answer says so too, in the header `Pointsman-Unread: 3; urgent=1`, up to a second late.
    #[oai(path = "/unread", method = "get", operation_id = "count_unread")]
    async fn unread(&self, Auth(call): Auth) -> Result<Json<UnreadView>, Problem> {
        Ok(Json(self.queries.unread(&call).await?.into()))
    }
}

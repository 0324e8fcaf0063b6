//! What answers about an inbox look like on the wire.

use crate::messages::inbox::commands::SaidOf;
use crate::messages::inbox::receive::InHand;
use crate::messages::views::{DeliveryStatusView, DeliveryView, MessageView};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::messages::content::Content;
use domain::messages::delivery::DeliveryState;
use domain::messages::listing::{InboxEntry, Unread};
use poem::Body;
use poem_openapi::payload::Binary;
use poem_openapi::types::ToJSON;
use poem_openapi::{ApiResponse, Object, ResponseContent};

/// A message in the caller's hands.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ReceivedMessage")]
pub struct ReceivedView {
    /// The message.
    pub message: MessageView,
    /// How many times it was offered, this time included; after the fifth it is given up.
    pub attempt: u32,
    /// Until when it is yours: then it comes again, if you have said nothing about it.
    pub yours_until: DateTime<Utc>,
    /// How long that is from the moment of this answer, in milliseconds; independent of clocks.
    pub yours_for_ms: i64,
}

impl ReceivedView {
    /// As it was offered at an instant; `None` of a delivery that was not.
    pub fn new(in_hand: InHand, now: DateTime<Utc>) -> Option<Self> {
        let InHand { delivery, message, content } = in_hand;
        let DeliveryState::Offered { until, .. } = delivery.state else { return None };
        Some(Self {
            message: MessageView::new(message, content),
            attempt: delivery.attempts,
            yours_until: until,
            yours_for_ms: (until - now).num_milliseconds(),
        })
    }
}

/// What there is in an inbox that was not taken yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Object)]
#[oai(rename = "UnreadCount")]
pub struct UnreadView {
    /// Messages that are neither read, acknowledged nor answered, nor over in another way.
    pub unread: u32,
    /// Those of them of priority 1 or 2.
    pub urgent: u32,
}

/// Messages that were received.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ReceivedMessages")]
pub struct ReceivedMessagesView {
    /// First things first, and those of one sender in the order it sent them. None, if there is none.
    pub messages: Vec<ReceivedView>,
}

/// A page of the caller's inbox.
#[derive(Debug, Clone, Object)]
#[oai(rename = "InboxPage", skip_serializing_if_is_none)]
pub struct InboxPageView {
    /// At most the asked number, newest first.
    pub messages: Vec<InboxMessageView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// A message of the caller's inbox.
#[derive(Debug, Clone, Object)]
#[oai(rename = "InboxMessage", skip_serializing_if_is_none)]
pub struct InboxMessageView {
    /// The message.
    pub message: MessageView,
    /// What became of it for the caller; left out of one that the caller has yet to look at.
    pub delivery: Option<DeliveryView>,
}

impl InboxMessageView {
    /// As it is at an instant.
    pub fn new(entry: InboxEntry, content: Content, now: DateTime<Utc>) -> Self {
        Self {
            message: MessageView::new(entry.message, content),
            delivery: entry.delivery.map(|delivery| DeliveryView::new(delivery, now)),
        }
    }
}

/// What was said about messages.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Deliveries")]
pub struct SaidView {
    /// One for each message that was named, in that order.
    pub deliveries: Vec<SaidDeliveryView>,
}

/// What was said about one message.
#[derive(Debug, Clone, Object)]
#[oai(rename = "SaidDelivery")]
pub struct SaidDeliveryView {
    /// The message.
    pub message: String,
    /// What became of it for the caller.
    pub status: DeliveryStatusView,
    /// Whether that had been said before, so that nothing changed.
    pub already: bool,
}

impl From<Vec<SaidOf>> for SaidView {
    fn from(said: Vec<SaidOf>) -> Self {
        let view = |SaidOf { message, status, already }| SaidDeliveryView {
            message: message.to_string(),
            status: status.into(),
            already,
        };
        Self { deliveries: said.into_iter().map(view).collect() }
    }
}

impl From<Unread> for UnreadView {
    fn from(Unread { unread, urgent }: Unread) -> Self {
        Self { unread, urgent }
    }
}

/// The stream as an answer.
#[derive(ResponseContent)]
pub enum InboxContent {
    /// Messages as they come.
    #[oai(content_type = "text/event-stream")]
    Stream(Binary<Body>),
}

/// Messages as they come.
#[derive(ApiResponse)]
pub enum InboxStream {
    /// They come.
    #[oai(status = 200)]
    Open(
        InboxContent,
        /// Never kept on the way.
        #[oai(header = "Cache-Control")]
        String,
        /// Tells proxies to pass everything on at once.
        #[oai(header = "X-Accel-Buffering")]
        String,
    ),
}

impl InboxStream {
    /// An answer that is kept and held back nowhere.
    pub fn new(body: Body) -> Self {
        Self::Open(InboxContent::Stream(Binary(body)), "no-store".to_owned(), "no".to_owned())
    }
}

/// A message in hand as an event of a stream; `None` of one that was not offered.
pub fn message_event(in_hand: InHand, now: DateTime<Utc>) -> Option<Bytes> {
    let id = in_hand.message.id;
    let data = ReceivedView::new(in_hand, now)?.to_json_string();
    Some(Bytes::from(format!("id: {id}\nevent: message\ndata: {data}\n\n")))
}

//! What events look like on the wire.

use crate::events::feed::{Gap, GapCause};
use crate::events::poll::Polled;
use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Utc};
use domain::events::{Fact, Position};
use poem::Body;
use poem_openapi::payload::{Binary, Json};
use poem_openapi::types::{Any, ToJSON};
use poem_openapi::{ApiResponse, Enum, Object, ResponseContent};
use serde_json::Value;

/// After how long a client that lost its stream comes back, in milliseconds.
const RETRY_MS: u32 = 1_000;

/// Something that happened.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Event")]
pub struct EventView {
    /// Its own id, by which doubles can be told wherever it comes from.
    pub id: String,
    /// Where it stands: to go on after it, send this as `after` or as `Last-Event-ID`.
    pub position: String,
    /// When, on the store's clock.
    pub at: DateTime<Utc>,
    /// What kind of thing, such as `lock.acquired`.
    pub kind: String,
    /// The thing it happened to, such as a lock key or the id of a task.
    pub subject: String,
    /// Who did it; `pointsman` for what happened by itself.
    pub agent: String,
    /// The rest, which depends on the kind.
    pub body: Any<Value>,
}

impl EventView {
    /// A fact and its place.
    pub fn new(position: Position, fact: Fact) -> Self {
        let Fact { id, project: _, at, agent, kind, subject, body } = fact;
        let (id, position, agent) = (id.to_string(), position.to_string(), agent.into());
        Self { id, position, at, kind, subject, agent, body: Any(body) }
    }
}

/// Why events are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "GapCause", rename_all = "snake_case")]
pub enum GapCauseView {
    /// They were deleted because of their age.
    Forgotten,
    /// The position is none of this database as it is now, such as after a restore: everything that is kept follows.
    OtherHistory,
}

/// A place where events are missing.
#[derive(Debug, Clone, Object)]
#[oai(rename = "EventGap")]
pub struct GapView {
    /// The last position before it.
    pub after: String,
    /// What follows stands after this position.
    pub goes_on_after: String,
    /// Why.
    pub cause: GapCauseView,
}

impl From<Gap> for GapView {
    fn from(Gap { after, goes_on_after, cause }: Gap) -> Self {
        let cause = match cause {
            GapCause::Forgotten => GapCauseView::Forgotten,
            GapCause::OtherHistory => GapCauseView::OtherHistory,
        };
        Self { after: after.to_string(), goes_on_after: goes_on_after.to_string(), cause }
    }
}

/// Some events.
#[derive(Debug, Clone, Object)]
#[oai(rename = "EventPage", skip_serializing_if_is_none)]
pub struct EventPageView {
    /// At most the asked number, in the order of the commits; none if nothing came in time.
    pub events: Vec<EventView>,
    /// Present it as `after` for what comes next.
    pub next_after: String,
    /// What is missing before these events; absent if nothing is.
    pub gap: Option<GapView>,
}

impl From<Polled> for EventPageView {
    fn from(polled: Polled) -> Self {
        let Polled { told, position, gap, .. } = polled;
        let events = told.into_iter().map(|told| EventView::new(told.position, told.fact)).collect();
        Self { events, next_after: position.to_string(), gap: gap.map(Into::into) }
    }
}

/// Events in one of the two ways.
#[derive(ResponseContent)]
pub enum EventsContent {
    /// A page of them.
    Json(Json<EventPageView>),
    /// All of them as they come.
    #[oai(content_type = "text/event-stream")]
    Stream(Binary<Body>),
}

/// Events.
#[derive(ApiResponse)]
pub enum EventsAnswer {
    /// The events.
    #[oai(status = 200)]
    Events(
        EventsContent,
        /// Never kept on the way.
        #[oai(header = "Cache-Control")]
        String,
        /// Tells proxies to pass everything on at once.
        #[oai(header = "X-Accel-Buffering")]
        String,
    ),
}

impl EventsAnswer {
    /// An answer that is kept and held back nowhere.
    pub fn new(content: EventsContent) -> Self {
        Self::Events(content, "no-store".to_owned(), "no".to_owned())
    }
}

/// Where to begin without a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "EventsFrom", rename_all = "snake_case")]
pub enum FromView {
    /// With what happens from now on.
    Now,
    /// With the oldest event that is kept.
    Start,
}

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server stops.
    Stopping,
    /// The key is good no more, or the session lives no more: what the slug of the problem says.
    Refused(&'static str),
}

/// Writes a fact as an event of a stream.
pub fn write_event(position: Position, fact: &Fact, out: &mut BytesMut) {
    let data = EventView::new(position, fact.clone()).to_json_string();
    put(out, &["id: ", &position.to_string(), "\ndata: ", &data, "\n\n"]);
}

/// How a stream begins. Whoever loses it before the first event comes back with the position.
pub fn first_lines(position: Position) -> BytesMut {
    let mut out = BytesMut::new();
    put(&mut out, &["retry: ", &RETRY_MS.to_string(), "\nid: ", &position.to_string(), "\n\n"]);
    out
}

/// What a stream says when there is nothing to say; with a position if events were passed that are not wanted.
pub fn heartbeat(passed: Option<Position>) -> BytesMut {
    let mut out = BytesMut::new();
    put(&mut out, &[": heartbeat\n"]);
    if let Some(position) = passed {
        put(&mut out, &["id: ", &position.to_string(), "\n"]);
    }
    put(&mut out, &["\n"]);
    out
}

/// A gap as an event of a stream.
pub fn gap_event(gap: Gap) -> BytesMut {
    let mut out = BytesMut::new();
    let data = GapView::from(gap).to_json_string();
    put(&mut out, &["id: ", &gap.goes_on_after.to_string(), "\nevent: gap\ndata: ", &data, "\n\n"]);
    out
}

/// The last event of a stream that the server ends.
pub fn end_event(end: End) -> BytesMut {
    let reason = match end {
        End::Stopping => "shutting-down",
        End::Refused(slug) => slug,
    };
    let mut out = BytesMut::new();
    put(&mut out, &["event: end\ndata: {\"reason\":\"", reason, "\"}\n\n"]);
    out
}

fn put(out: &mut BytesMut, parts: &[&str]) {
    for part in parts {
        out.put_slice(part.as_bytes());
    }
}

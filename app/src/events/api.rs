//! Events over HTTP.

mod stream;

use crate::events::feed::{Beginning, Crowded, Feeds, FollowError, Follower};
use crate::events::poll::{EVENTS_MAX, Polled};
use crate::events::views::{EventsAnswer, EventsContent, FromView, write_event};
use crate::executor::Executor;
use crate::http::problem::Problem;
use crate::http::problem::kinds::{FOLLOWERS_FULL, TOO_MANY_FOLLOWERS};
use crate::identity::security::{Auth, FrontDoor, Pass};
use domain::events::{FactFilter, Position};
use domain::ids::AgentId;
use poem::Body;
use poem::Request;
use poem::http::header;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Query};
use poem_openapi::payload::{Binary, Json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use stream::Streaming;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often it is asked of an open stream whether its key and its session are still good. It is a sign of life as well.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// How many events come in one answer if nobody says so.
const EVENTS_DEFAULT: u32 = 100;

/// When a caller may try again after finding too many followers, in milliseconds.
const CROWDED_RETRY_MS: u64 = 5_000;

/// The operations on events.
pub struct EventsApi {
    feeds: Feeds,
    stopping: CancellationToken,
}

impl EventsApi {
    /// Puts the use cases together. Streams and waits end when `stopping` is cancelled.
    pub fn new(executor: Executor, stopping: CancellationToken) -> Self {
        Self { feeds: Feeds::new(executor, write_event, stopping.clone()), stopping }
    }
}

#[OpenApi(prefix_path = "/v1/events", tag = "crate::http::tags::Tag::Events")]
impl EventsApi {
    /// Follow what happens
    ///
    /// Everything that is committed in the project, in the order of the commits, each event once. Any role may follow, and
    /// archived projects too. With `Accept: text/event-stream` it is a stream that stays open (server-sent events), each
    /// event with its position as `id`; an event of the type `gap` tells that some are missing, and one of the type `end`
    /// why the server ends it. Otherwise it is a page, for which `wait_seconds` waits if there is nothing yet. While it is
    /// open, the session lives.
    #[oai(path = "/", method = "get", operation_id = "follow_events")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the operation")]
    async fn follow(
        &self,
        Auth(call): Auth,
        request: &Request,
        door: Data<&Arc<FrontDoor>>,
        /// Where to go on: the `position` of an event, or `next_after`. Without it, `from` says where to begin.
        #[oai(validator(max_length = 39))]
        after: Query<Option<String>>,
        /// As `after`, and goes before it: what clients of streams send by themselves when they come back.
        #[oai(name = "Last-Event-ID", validator(max_length = 39))]
        last_event_id: Header<Option<String>>,
        /// Where to begin without a position; `now` if left out.
        from: Query<Option<FromView>>,
        /// Of this context, the part of the kind before the dot, such as `lock`; of one of them, if repeated.
        #[oai(validator(max_items = 32))]
        context: Query<Vec<String>>,
        /// Of this kind, such as `lock.acquired`; of one of them, if repeated.
        #[oai(validator(max_items = 32))]
        kind: Query<Vec<String>>,
        /// About this thing, such as a lock key or the id of a task; about one of them, if repeated.
        #[oai(validator(max_items = 32))]
        subject: Query<Vec<String>>,
        /// Done by this agent; by one of them, if repeated.
        #[oai(validator(max_items = 32))]
        agent: Query<Vec<String>>,
        /// How long to wait for an event if there is none, 0 to 60 seconds; 0 if left out. Of no account to streams.
        #[oai(validator(maximum(value = "60")))]
        wait_seconds: Query<Option<u32>>,
        /// Events of the page, 1 to 500; 100 if left out. Of no account to streams.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
    ) -> Result<EventsAnswer, Problem> {
        let beginning = beginning(last_event_id.0.as_deref(), after.0.as_deref(), from.0)?;
        let filter = filter(context.0, kind.0, subject.0, &agent.0)?;
        let follower = self.feeds.follow(&call, beginning, filter).await?;
        let pass = door.pass(request, &call)?;
        if wants_stream(request) {
            let streaming = Streaming::new(follower, pass, self.stopping.clone());
            let body = Body::from_bytes_stream(streaming.into_stream());
            return Ok(EventsAnswer::new(EventsContent::Stream(Binary(body))));
        }
        let wait = Duration::from_secs(wait_seconds.0.unwrap_or(0).into());
        let limit = usize::try_from(limit.0.unwrap_or(EVENTS_DEFAULT)).unwrap_or(EVENTS_MAX);
        let polled = self.poll(follower, &pass, wait, limit.min(EVENTS_MAX)).await?;
        Ok(EventsAnswer::new(EventsContent::Json(Json(polled.into()))))
    }

    async fn poll(
        &self,
        mut follower: Follower,
        pass: &Pass,
        wait: Duration,
        events_max: usize,
    ) -> Result<Polled, Problem> {
        let mut polled = Polled::new(&follower, events_max);
        polled.take(&mut follower).await?;
        let (deadline, mut check_at) = (Instant::now() + wait, Instant::now() + CHECK_INTERVAL);
        while polled.is_empty() && Instant::now() < deadline {
            tokio::select! {
                biased;
                // Whoever waits goes on elsewhere from where it is.
                () = self.stopping.cancelled() => break,
                () = tokio::time::sleep_until(deadline) => break,
                () = tokio::time::sleep_until(check_at) => {
                    pass.check().await?;
                    check_at = Instant::now() + CHECK_INTERVAL;
                }
                news = follower.next() => {
                    if polled.note(&news?) {
                        polled.take(&mut follower).await?;
                    }
                }
            }
        }
        Ok(polled)
    }
}

impl From<FollowError> for Problem {
    fn from(error: FollowError) -> Self {
        let crowded = match error {
            FollowError::Call(error) => return error.into(),
            FollowError::Crowded(crowded) => crowded,
        };
        let kind = match crowded {
            Crowded::Agent => &TOO_MANY_FOLLOWERS,
            Crowded::Server => &FOLLOWERS_FULL,
        };
        Self::new(kind).detail(crowded.to_string()).retryable_after_ms(CROWDED_RETRY_MS)
    }
}

/// Whether the caller asked for a stream.
fn wants_stream(request: &Request) -> bool {
    let accepted = request.headers().get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| {
        let mut parts = kind.split(';').map(str::trim);
        let is_stream = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("text/event-stream"));
        is_stream && !parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

fn beginning(last_event_id: Option<&str>, after: Option<&str>, from: Option<FromView>) -> Result<Beginning, Problem> {
    // A client that has seen nothing yet sends an empty id, or none.
    let named = [("Last-Event-ID", last_event_id.filter(|id| !id.is_empty())), ("after", after)];
    match named.into_iter().find_map(|(name, text)| Some((name, text?))) {
        Some((name, text)) => {
            let position = Position::parse(text).map_err(|error| Problem::invalid(name, &error))?;
            Ok(Beginning::After(position))
        }
        None => Ok(match from {
            Some(FromView::Start) => Beginning::Start,
            Some(FromView::Now) | None => Beginning::Now,
        }),
    }
}

fn filter(
    contexts: Vec<String>,
    kinds: Vec<String>,
    subjects: Vec<String>,
    agents: &[String],
) -> Result<FactFilter, Problem> {
    let agents: Result<BTreeSet<AgentId>, _> = agents.iter().map(|agent| AgentId::parse(agent)).collect();
    let agents = agents.map_err(|error| Problem::invalid("agent", &error))?;
    let set = |texts: Vec<String>| texts.into_iter().collect();
    FactFilter::try_new(set(contexts), set(kinds), set(subjects), agents)
        .map_err(|error| Problem::invalid(error.field(), &error))
}

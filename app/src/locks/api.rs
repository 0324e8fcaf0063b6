//! Locks over HTTP.

use crate::executor::{Answered, Executor};
use crate::http::cursor;
use crate::http::filter;
use crate::http::json_body::JsonBody;
use crate::http::problem::kinds::INVALID_VALUE;
use crate::http::problem::{FieldError, Problem};
use crate::identity::security::Auth;
use crate::locks::acquire::{AcquireLocks, AcquireRequest};
use crate::locks::bodies::{AcquireBody, CheckBody, ForceReleaseBody, ReleaseBody, RenewBody, WantBody};
use crate::locks::commands::{ForceRelease, Leave, Release, ReleaseAll, Renew};
use crate::locks::queries::LockQueries;
use crate::locks::views::{
    CheckView, EndedView, ForcedView, LeasePageView, LeaseView, LeasesView, LeftView, ModeView, ReleasedLocksView,
    StatusView,
};
use domain::ids::{AgentId, SessionId, TicketId};
use domain::locks::key::LockKey;
use domain::locks::lease::{Reason, Token, Ttl, Waiter};
use domain::locks::wants::{Want, Wants};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use ports::locks::{LeaseCursor, LeaseFilter};
use std::collections::BTreeSet;
use std::time::Duration;

/// The operations on locks.
pub struct LocksApi {
    executor: Executor,
    acquire: AcquireLocks,
    queries: LockQueries,
    default_ttl: Ttl,
}

impl LocksApi {
    /// Puts the use cases together; `default_ttl` is for callers who name none.
    pub fn new(executor: Executor, acquire: AcquireLocks, default_ttl: Ttl) -> Self {
        let queries = LockQueries::new(executor.clone());
        Self { executor, acquire, queries, default_ttl }
    }

    fn ttl(&self, seconds: Option<u32>) -> Result<Ttl, Problem> {
        seconds.map_or(Ok(self.default_ttl), |seconds| {
            Ttl::try_new(seconds).map_err(|error| Problem::invalid("ttl_seconds", &error))
        })
    }
}

#[OpenApi(prefix_path = "/v1/locks", tag = "crate::http::tags::Tag::Locks")]
impl LocksApi {
    /// Take locks
    ///
    /// All of the keys or none. The session that holds a lock already gets it again under the same token, for at least
    /// as long as before. With `wait_seconds` the call waits in line, first come first served; a wait that ends without
    /// the locks answers 409 with a `ticket` that keeps the place for 15 seconds.
    #[oai(path = "/acquire", method = "post", operation_id = "acquire_locks")]
    async fn acquire(&self, Auth(call): Auth, body: JsonBody<AcquireBody>) -> Result<Json<LeasesView>, Problem> {
        let AcquireBody { keys, ttl_seconds, reason, wait_seconds, ticket } = body.0;
        let wait_seconds = wait_seconds.unwrap_or(0);
        if wait_seconds > Waiter::WAIT_SECONDS_MAX {
            let reason = format!("must be 0 to {}", Waiter::WAIT_SECONDS_MAX);
            return Err(Problem::invalid("wait_seconds", &reason));
        }
        let request = AcquireRequest {
            wants: wants(&keys)?,
            ttl: self.ttl(ttl_seconds)?,
            reason: reason.as_deref().map(parse_reason).transpose()?,
            wait: Duration::from_secs(u64::from(wait_seconds)),
            ticket: ticket.as_deref().map(parse_ticket).transpose()?,
        };
        let Answered { answer, .. } = self.acquire.acquire(&call, &request).await?;
        Ok(Json(answer.into()))
    }

    /// Keep locks for longer
    ///
    /// All of the tokens or none. A lock never gets shorter. A token whose lock has ended is refused with 410, which
    /// tells how it ended and who holds the key now.
    #[oai(path = "/renew", method = "post", operation_id = "renew_locks")]
    async fn renew(&self, Auth(call): Auth, body: JsonBody<RenewBody>) -> Result<Json<LeasesView>, Problem> {
        let command = Renew { tokens: tokens(&body.0.tokens)?, ttl: self.ttl(body.0.ttl_seconds)? };
        Ok(Json(self.executor.execute_hot(&call, command).await?.answer.into()))
    }

    /// Give locks back
    ///
    /// All of the tokens or none. Giving the same lock back twice is no error: the answer says so, and nothing changes.
    #[oai(path = "/release", method = "post", operation_id = "release_locks")]
    async fn release(&self, Auth(call): Auth, body: JsonBody<ReleaseBody>) -> Result<Json<ReleasedLocksView>, Problem> {
        let command = Release { tokens: tokens(&body.0.tokens)? };
        Ok(Json(self.executor.execute_hot(&call, command).await?.answer.into()))
    }

    /// Give everything back
    ///
    /// Everything the caller's session holds, and its places in line.
    #[oai(path = "/release-all", method = "post", operation_id = "release_all_locks")]
    async fn release_all(&self, Auth(call): Auth) -> Result<Json<ReleasedLocksView>, Problem> {
        Ok(Json(self.executor.execute_hot(&call, ReleaseAll).await?.answer.into()))
    }

    /// Take a lock away
    ///
    /// Needs the role `orchestrator` or `admin`. Works only while the lock is held under the very token it was seen
    /// under. Its holder's next call on it is told who took it and why.
    #[oai(path = "/force-release", method = "post", operation_id = "force_release_lock")]
    async fn force_release(
        &self,
        Auth(call): Auth,
        body: JsonBody<ForceReleaseBody>,
    ) -> Result<Json<ForcedView>, Problem> {
        let token = Token::try_new(body.0.token).map_err(|error| Problem::invalid("token", &error))?;
        let command = ForceRelease { token, reason: parse_reason(&body.0.reason)? };
        let ended = self.executor.execute_hot(&call, command).await?.answer;
        Ok(Json(ForcedView { released: EndedView::from(ended) }))
    }

    /// Ask whether locks could be had
    ///
    /// Takes nothing and joins no line.
    #[oai(path = "/check", method = "post", operation_id = "check_locks")]
    async fn check(&self, Auth(call): Auth, body: JsonBody<CheckBody>) -> Result<Json<CheckView>, Problem> {
        let (conflicts, _) = self.queries.check(&call, &wants(&body.0.keys)?).await?;
        let conflicts: Vec<_> = conflicts.into_iter().map(Into::into).collect();
        Ok(Json(CheckView { grantable: conflicts.is_empty(), conflicts }))
    }

    /// List locks
    ///
    /// Locks that are held now, by key.
    #[oai(path = "/", method = "get", operation_id = "list_locks")]
    async fn list(
        &self,
        Auth(call): Auth,
        /// Held by this agent.
        agent: Query<Option<String>>,
        /// Held by this session.
        session: Query<Option<String>>,
        /// With keys that begin so.
        #[oai(validator(max_length = 512))]
        key_prefix: Query<Option<String>>,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<LeasePageView>, Problem> {
        let filter = LeaseFilter {
            agent: agent
                .0
                .as_deref()
                .map(AgentId::parse)
                .transpose()
                .map_err(|error| Problem::invalid("agent", &error))?,
            session: session
                .0
                .as_deref()
                .map(SessionId::parse)
                .transpose()
                .map_err(|error| Problem::invalid("session", &error))?,
            key_prefix: key_prefix.0.map(|prefix| filter::text("key_prefix", prefix)).transpose()?,
        };
        let after: Option<LeaseCursor> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let size = cursor::page_size(limit.0)?;
        let (page, now) = self.queries.list(&call, &filter, after.as_ref(), size).await?;
        Ok(Json(LeasePageView {
            locks: page.rows.into_iter().map(|lease| LeaseView::new(lease, now)).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }

    /// Look at one key
    ///
    /// Who holds something that overlaps it, who waits for it, and who held it last.
    #[oai(path = "/status", method = "get", operation_id = "lock_status")]
    async fn status(
        &self,
        Auth(call): Auth,
        /// The key, in any spelling.
        #[oai(validator(min_length = 1, max_length = 512))]
        key: Query<String>,
    ) -> Result<Json<StatusView>, Problem> {
        let key = LockKey::parse(&key.0).map_err(|error| Problem::invalid("key", &error))?;
        let status = self.queries.status(&call, &key).await?;
        Ok(Json(StatusView::new(key.into(), status)))
    }

    /// Leave the line
    ///
    /// Gives a kept place up before it is lost by itself.
    #[oai(path = "/tickets/:ticket", method = "delete", operation_id = "leave_line")]
    async fn leave(
        &self,
        Auth(call): Auth,
        /// The ticket of the place.
        ticket: Path<String>,
    ) -> Result<Json<LeftView>, Problem> {
        let command = Leave { ticket: parse_ticket(&ticket.0)? };
        let left = self.executor.execute_hot(&call, command).await?.answer;
        Ok(Json(LeftView { left }))
    }
}

fn wants(keys: &[WantBody]) -> Result<Wants, Problem> {
    let mut wants = Vec::with_capacity(keys.len());
    let mut faults = Vec::new();
    for (at, WantBody { key, mode }) in keys.iter().enumerate() {
        match LockKey::parse(key) {
            Ok(key) => wants.push(Want { key, mode: mode.unwrap_or(ModeView::Exclusive).into() }),
            Err(error) => faults.push(FieldError { field: format!("keys[{at}].key"), reason: error.to_string() }),
        }
    }
    match faults.first() {
        Some(fault) => Err(Problem::new(&INVALID_VALUE).detail(fault.reason.clone()).errors(faults)),
        None => Wants::try_new(wants).map_err(|error| Problem::invalid("keys", &error)),
    }
}

fn tokens(values: &[i64]) -> Result<BTreeSet<Token>, Problem> {
    if !(1..=Wants::KEYS_MAX).contains(&values.len()) {
        return Err(Problem::invalid("tokens", &format!("must have 1 to {} tokens", Wants::KEYS_MAX)));
    }
    values
        .iter()
        .map(|value| Token::try_new(*value))
        .collect::<Result<_, _>>()
        .map_err(|error| Problem::invalid("tokens", &error))
}

fn parse_reason(text: &str) -> Result<Reason, Problem> {
    Reason::parse(text).map_err(|error| Problem::invalid("reason", &error))
}

fn parse_ticket(text: &str) -> Result<TicketId, Problem> {
    TicketId::parse(text).map_err(|error| Problem::invalid("ticket", &error))
}

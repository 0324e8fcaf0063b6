//! Memories over HTTP.

use crate::call::Call;
use crate::executor::Executor;
use crate::http::cursor;
use crate::http::json_body::JsonBody;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use crate::memory::bodies::{RateBody, RedactBody, RememberBody, SupersedeBody, ValidityBody, memory_id, micros};
use crate::memory::changes::{ChangeMemories, Wish};
use crate::memory::filtering::bodies::{Filters, ForgetBody, scopes as scopes_named, words};
use crate::memory::forgetting::forget;
use crate::memory::queries::MemoryQueries;
use crate::memory::remembering::RememberMemories;
use crate::memory::secrets::SecretsPolicy;
use crate::memory::views::{ChangedView, ForgottenView, MemoryPageView, MemoryView, RememberedMemory};
use chrono::{DateTime, Utc};
use domain::memory::filter::MemoryCursor;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;

/// The operations on memories.
pub struct MemoriesApi {
    executor: Executor,
    remember: RememberMemories,
    change: ChangeMemories,
    queries: MemoryQueries,
}

impl MemoriesApi {
    /// Puts the use cases together.
    pub fn new(executor: Executor, secrets: SecretsPolicy) -> Self {
        let remember = RememberMemories::new(executor.clone(), secrets);
        let change = ChangeMemories::new(executor.clone(), secrets);
        let queries = MemoryQueries::new(executor.clone());
        Self { executor, remember, change, queries }
    }

    async fn changed(&self, call: &Call, id: &str, wish: Wish) -> Result<Json<ChangedView>, Problem> {
        let (changed, masked) = self.change.change(call, memory_id("id", id)?, wish).await?;
        Ok(Json(ChangedView::new(changed, masked)))
    }
}

#[OpenApi(prefix_path = "/v1/memories", tag = "crate::http::tags::Tag::Memories")]
impl MemoriesApi {
    /// Remember something
    ///
    /// What happened and what was learned from it, for every agent of the project, for yourself, or for all projects. The
    /// same thing in the same row within an hour is remembered once: what is new in it is added, and `seen` rises. A
    /// secret in it is refused, or masked, as the server is set.
    #[oai(path = "/", method = "post", operation_id = "remember")]
    async fn remember(&self, Auth(call): Auth, body: JsonBody<RememberBody>) -> Result<RememberedMemory, Problem> {
        let supersedes = body.0.supersedes.as_deref().map(|text| memory_id("supersedes", text)).transpose()?;
        Ok(self.remember.one(&call, body.0.read()?, supersedes).await?.into())
    }

    /// List memories
    ///
    /// Those that happened last first. Several filters must all fit. Redacted ones are not listed.
    #[oai(path = "/", method = "get", operation_id = "list_memories")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        Auth(call): Auth,
        /// `private`, `project`, `shared`, with commas between them; the first two if left out.
        #[oai(validator(max_length = 64))]
        scopes: Query<Option<String>>,
        /// With one of these tags, with commas between them.
        #[oai(validator(min_length = 1, max_length = 4096))]
        tags_any: Query<Option<String>>,
        /// With all of these tags, with commas between them.
        #[oai(validator(min_length = 1, max_length = 4096))]
        tags_all: Query<Option<String>>,
        /// Of one of these types, with commas between them.
        #[oai(validator(min_length = 1, max_length = 4096))]
        event_types: Query<Option<String>>,
        /// Written by one of these agents, with commas between them.
        #[oai(validator(min_length = 1, max_length = 8192))]
        agents: Query<Option<String>>,
        /// Of this row.
        #[oai(validator(min_length = 1, max_length = 128))]
        stream: Query<Option<String>>,
        /// Happened at or after.
        happened_from: Query<Option<DateTime<Utc>>>,
        /// Happened before.
        happened_until: Query<Option<DateTime<Utc>>>,
        /// Those that held at this instant; now if left out.
        as_of: Query<Option<DateTime<Utc>>>,
        /// Those too that hold no longer.
        include_ended: Query<Option<bool>>,
        /// Pinned ones only.
        pinned: Query<Option<bool>>,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<MemoryPageView>, Problem> {
        let filters = Filters {
            scopes: scopes_named(scopes.0)?,
            as_of: as_of.0,
            include_ended: include_ended.0,
            tags_any: words(tags_any.0),
            tags_all: words(tags_all.0),
            event_types: words(event_types.0),
            agents: words(agents.0),
            stream: stream.0,
            happened_from: happened_from.0,
            happened_until: happened_until.0,
            pinned: pinned.0,
        };
        let after: Option<MemoryCursor> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let page = self.queries.list(&call, filters.read()?, after, cursor::page_size(limit.0)?).await?;
        Ok(Json(MemoryPageView {
            memories: page.rows.iter().map(Into::into).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }

    /// Forget memories
    ///
    /// Those that pass the filters, at most 1,000 in one call, with everything that belongs to them. Without the role
    /// `orchestrator` only what you wrote yourself. Nothing of them is kept; to keep a tombstone, redact them.
    #[oai(path = "/forget", method = "post", operation_id = "forget_memories")]
    async fn forget(&self, Auth(call): Auth, body: JsonBody<ForgetBody>) -> Result<Json<ForgottenView>, Problem> {
        let (sought, is_trial) = body.0.read()?;
        Ok(Json(forget(&self.executor, &call, sought, is_trial).await?.into()))
    }

    /// Look at a memory
    ///
    /// Whatever has become of it: also if another took its place. Of a redacted one, that it was there is all there is.
    #[oai(path = "/:id", method = "get", operation_id = "get_memory")]
    async fn get(
        &self,
        Auth(call): Auth,
        /// The memory.
        id: Path<String>,
    ) -> Result<Json<MemoryView>, Problem> {
        Ok(Json((&self.queries.find(&call, memory_id("id", &id.0)?).await?).into()))
    }

    /// Say what you found of a memory
    ///
    /// What helped is found before its equals, what is wrong or stale behind them. One verdict of each agent counts, its
    /// last one.
    #[oai(path = "/:id/feedback", method = "post", operation_id = "rate_memory")]
    async fn rate(
        &self,
        Auth(call): Auth,
        /// The memory.
        id: Path<String>,
        body: JsonBody<RateBody>,
    ) -> Result<Json<ChangedView>, Problem> {
        let changed = self.change.rate(&call, memory_id("id", &id.0)?, body.0.verdict.into()).await?;
        Ok(Json(ChangedView::new(changed, Vec::new())))
    }

    /// Pin a memory
    ///
    /// It is kept however old it becomes. For its author and orchestrators.
    #[oai(path = "/:id/pin", method = "post", operation_id = "pin_memory")]
    async fn pin(
        &self,
        Auth(call): Auth,
        /// The memory.
        id: Path<String>,
    ) -> Result<Json<ChangedView>, Problem> {
        self.changed(&call, &id.0, Wish::Pin { pinned: true }).await
    }

    /// Unpin a memory
    ///
    /// For its author and orchestrators.
    #[oai(path = "/:id/unpin", method = "post", operation_id = "unpin_memory")]
    async fn unpin(
        &self,
        Auth(call): Auth,
        /// The memory.
        id: Path<String>,
    ) -> Result<Json<ChangedView>, Problem> {
        self.changed(&call, &id.0, Wish::Pin { pinned: false }).await
    }

    /// Say when a memory holds
    ///
    /// Outside of that it is not found, but with `as_of` or `include_ended`. For its author and orchestrators.
    #[oai(path = "/:id/validity", method = "post", operation_id = "set_memory_validity")]
    async fn validity(
        &self,
        Auth(call): Auth,
        /// The memory.
        id: Path<String>,
        body: JsonBody<ValidityBody>,
    ) -> Result<Json<ChangedView>, Problem> {
        let ValidityBody { valid_from, valid_until } = body.0;
        self.changed(&call, &id.0, Wish::Hold { from: valid_from.map(micros), until: valid_until.map(micros) }).await
    }

    /// Supersede a memory
    ///
    /// Lets another one, which is stored already, take its place. It is kept, and not found any more, but with `as_of` or
    /// `include_ended`. To store the newer one as well, remember it with `supersedes`.
    #[oai(path = "/:id/supersede", method = "post", operation_id = "supersede_memory")]
    async fn supersede(
        &self,
        Auth(call): Auth,
        /// The older memory.
        id: Path<String>,
        body: JsonBody<SupersedeBody>,
    ) -> Result<Json<ChangedView>, Problem> {
        let by = memory_id("by", &body.0.by)?;
        let changed = self.change.supersede(&call, memory_id("id", &id.0)?, by).await?;
        Ok(Json(ChangedView::new(changed, Vec::new())))
    }

    /// Redact a memory
    ///
    /// Takes its words away for good, everywhere. That it was there stays, and where, by whom, and what is told here. For
    /// its author and orchestrators.
    #[oai(path = "/:id/redact", method = "post", operation_id = "redact_memory")]
    async fn redact(
        &self,
        Auth(call): Auth,
        /// The memory.
        id: Path<String>,
        body: JsonBody<RedactBody>,
    ) -> Result<Json<ChangedView>, Problem> {
        let reason = body.0.read()?;
        self.changed(&call, &id.0, Wish::Redact { reason }).await
    }
}

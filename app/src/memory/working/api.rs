//! Working memory over HTTP.

use crate::executor::Executor;
use crate::http::json_body::JsonBody;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use crate::memory::secrets::SecretsPolicy;
use crate::memory::working::bodies::{LimitBody, WriteEntryBody, entry_key, session_named};
use crate::memory::working::commands::KeepWorking;
use crate::memory::working::queries::WorkingQueries;
use crate::memory::working::views::{EntryView, UsedView, WorkingMemoryView, WrittenView};
use domain::memory::working::Terms;
use domain::memory::working::content::TokenBudget;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;

/// The operations on working memory.
pub struct WorkingMemoryApi {
    keep: KeepWorking,
    queries: WorkingQueries,
    default_budget: TokenBudget,
}

impl WorkingMemoryApi {
    /// Puts the use cases together.
    pub fn new(executor: Executor, secrets: SecretsPolicy, terms: Terms) -> Self {
        let queries = WorkingQueries::new(executor.clone(), terms);
        Self { keep: KeepWorking::new(executor, secrets, terms.budget), queries, default_budget: terms.budget }
    }
}

#[OpenApi(prefix_path = "/v1/working-memory", tag = "crate::http::tags::Tag::Memories")]
impl WorkingMemoryApi {
    /// Read a working memory
    ///
    /// Your session's, or that of a session you may read: any of your agent's, and any that gave a handoff your agent took;
    /// orchestrators read all. It outlives its session for some days.
    #[oai(path = "/", method = "get", operation_id = "read_working_memory")]
    async fn all(
        &self,
        Auth(call): Auth,
        /// Whose to read; your session's if left out.
        #[oai(validator(min_length = 1, max_length = 128))]
        session: Query<Option<String>>,
    ) -> Result<Json<WorkingMemoryView>, Problem> {
        let pad = self.queries.all(&call, session_named(session.0.as_deref())?).await?;
        Ok(Json(WorkingMemoryView::new(pad.as_ref(), self.default_budget)))
    }

    /// Set the budget of your working memory
    ///
    /// What does not fit any more gives way, as with a new entry.
    #[oai(path = "/", method = "patch", operation_id = "limit_working_memory")]
    async fn limit(&self, Auth(call): Auth, body: JsonBody<LimitBody>) -> Result<Json<UsedView>, Problem> {
        Ok(Json(self.keep.limit(&call, body.0.read()?).await?.into()))
    }

    /// Look at an entry
    #[oai(path = "/:key", method = "get", operation_id = "get_working_entry")]
    async fn get(
        &self,
        Auth(call): Auth,
        /// The key; `~summary` for the gist of what gave way.
        key: Path<String>,
        /// Whose to read; your session's if left out.
        #[oai(validator(min_length = 1, max_length = 128))]
        session: Query<Option<String>>,
    ) -> Result<Json<EntryView>, Problem> {
        let session = session_named(session.0.as_deref())?;
        Ok(Json((&self.queries.find(&call, session, entry_key(&key.0)?).await?).into()))
    }

    /// Keep an entry
    ///
    /// In the working memory of your session, in place of what was there under the key. When its budget of tokens is used
    /// up, the oldest entries that are not pinned give way in the same commit: sentences of theirs are left in `~summary`.
    #[oai(path = "/:key", method = "put", operation_id = "write_working_entry")]
    async fn write(
        &self,
        Auth(call): Auth,
        /// 1 to 128 letters, digits and - _ . : @.
        key: Path<String>,
        body: JsonBody<WriteEntryBody>,
    ) -> Result<Json<WrittenView>, Problem> {
        let (entry, masked) = self.keep.write(&call, body.0.read(&key.0)?).await?;
        Ok(Json(WrittenView::new(entry, masked)))
    }

    /// Take an entry out
    #[oai(path = "/:key", method = "delete", operation_id = "remove_working_entry")]
    async fn remove(
        &self,
        Auth(call): Auth,
        /// The key; `~summary` takes out the gist of what gave way.
        key: Path<String>,
        /// Take it out only if it has this version.
        if_version: Query<Option<u64>>,
    ) -> Result<Json<UsedView>, Problem> {
        Ok(Json(self.keep.remove(&call, entry_key(&key.0)?, if_version.0).await?.into()))
    }
}

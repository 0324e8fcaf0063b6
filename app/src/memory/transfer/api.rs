//! Taking memories out and in again over HTTP.

use crate::executor::Executor;
use crate::http::json_lines::{JsonLines, LinesAnswer};
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use crate::memory::filtering::bodies::{Filters, scopes as scopes_named, words};
use crate::memory::queries::MemoryQueries;
use crate::memory::remembering::RememberMemories;
use crate::memory::secrets::SecretsPolicy;
use crate::memory::transfer::Export;
use crate::memory::transfer::bodies::read_lines;
use crate::memory::transfer::views::ImportedView;
use chrono::{DateTime, Utc};
use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;

/// The operations on many memories.
pub struct TransferApi {
    remember: RememberMemories,
    queries: MemoryQueries,
}

impl TransferApi {
    /// Puts the use cases together.
    pub fn new(executor: Executor, secrets: SecretsPolicy) -> Self {
        Self { remember: RememberMemories::new(executor.clone(), secrets), queries: MemoryQueries::new(executor) }
    }
}

#[OpenApi(prefix_path = "/v1/memories", tag = "crate::http::tags::Tag::Memories")]
impl TransferApi {
    /// Import memories
    ///
    /// 1 to 500 lines of JSON (`application/x-ndjson`), each with the fields of a memory to remember, in the order in which
    /// they stand in their rows. `ref` gives a line a name of your own, and `supersedes` may name the `ref` of another line
    /// as well as the id of a memory; `agent` says whose memory it is, for which the role `orchestrator` is needed unless
    /// it is you. All lines are stored or none; each fault tells its line.
    #[oai(path = "/import", method = "post", operation_id = "import_memories")]
    async fn import(&self, Auth(call): Auth, body: JsonLines) -> Result<Json<ImportedView>, Problem> {
        Ok(Json(self.remember.many(&call, read_lines(&body)?).await?.into()))
    }

    /// Export memories
    ///
    /// Lines of JSON (`application/x-ndjson`) as an import takes them, what happened first comes first. All that you may read:
    /// your own and the project's, also what holds no longer unless `include_ended` is `false`; what was redacted is gone.
    /// Verdicts, and how often something was remembered, stay behind.
    #[oai(path = "/export", method = "get", operation_id = "export_memories")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn export(
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
        /// Those too that hold no longer; `true` if left out.
        include_ended: Query<Option<bool>>,
    ) -> Result<LinesAnswer, Problem> {
        let filters = Filters {
            scopes: scopes_named(scopes.0)?,
            include_ended: Some(include_ended.0.unwrap_or(true)),
            tags_any: words(tags_any.0),
            tags_all: words(tags_all.0),
            event_types: words(event_types.0),
            agents: words(agents.0),
            stream: stream.0,
            happened_from: happened_from.0,
            happened_until: happened_until.0,
            ..Filters::default()
        };
        let export = Export::begin(self.queries.clone(), call, filters.read()?).await?;
        Ok(LinesAnswer::new(export.into_parts()))
    }
}

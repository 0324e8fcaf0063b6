//! The audit log over HTTP.

use crate::audit::queries::AuditQueries;
use crate::http::cursor;
use crate::http::filter;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use chrono::{DateTime, Utc};
use domain::audit::{Change, Cursor, Entry, Filter};
use domain::ids::AgentId;
use domain::locks::key::LockKey;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Any;
use poem_openapi::{Object, OpenApi};
use serde_json::Value;

/// One line of the audit log.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AuditEntry", skip_serializing_if_is_none)]
pub struct EntryView {
    /// The line's own id.
    pub id: String,
    /// When, on the store's clock.
    pub at: DateTime<Utc>,
    /// Who acted; `pointsman` for what ran out by itself.
    pub agent: String,
    /// In which session.
    pub session: Option<String>,
    /// With which key.
    pub key_id: String,
    /// What was done, such as `lock.acquire`.
    pub operation: String,
    /// To what, such as a lock key.
    pub target: String,
    /// What it was before; absent when it did not exist.
    pub before: Option<Any<Value>>,
    /// What it is now; absent when it is gone.
    pub after: Option<Any<Value>>,
    /// `ok`, or the last part of the refusal's `type`.
    pub outcome: String,
    /// How many times; more than one only for folded refusals.
    pub repeats: u32,
    /// The request it came with.
    pub request_id: String,
    /// The caller's trace.
    pub trace_id: Option<String>,
    /// How long the call had taken, in microseconds.
    pub duration_us: i64,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        let Entry {
            id,
            project: _,
            at,
            agent,
            session,
            key,
            change,
            outcome,
            repeats,
            request_id,
            trace_id,
            duration_us,
        } = entry;
        let Change { operation, target, before, after } = change;
        Self {
            id: id.to_string(),
            at,
            agent: agent.into(),
            session: session.map(Into::into),
            key_id: key.into(),
            operation,
            target,
            before: before.map(Any),
            after: after.map(Any),
            outcome,
            repeats,
            request_id,
            trace_id,
            duration_us,
        }
    }
}

/// A page of the audit log.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AuditPage", skip_serializing_if_is_none)]
pub struct EntryPageView {
    /// At most the asked number, newest first.
    pub entries: Vec<EntryView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// The operations on the audit log.
pub struct AuditApi {
    queries: AuditQueries,
}

impl AuditApi {
    /// Reads through these use cases.
    pub fn new(queries: AuditQueries) -> Self {
        Self { queries }
    }
}

#[OpenApi(prefix_path = "/v1/audit", tag = "crate::http::tags::Tag::Audit")]
impl AuditApi {
    /// Read the audit log
    ///
    /// Newest first. A key of the role `agent` sees its own lines only.
    #[oai(path = "/", method = "get", operation_id = "list_audit_entries")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter of the operation")]
    async fn list(
        &self,
        Auth(call): Auth,
        /// Lines of this agent.
        agent: Query<Option<String>>,
        /// Lines of this operation, such as `lock.acquire`.
        #[oai(validator(max_length = 64))]
        operation: Query<Option<String>>,
        /// Lines about this lock key, in any spelling, or about this other thing.
        #[oai(validator(max_length = 512))]
        key: Query<Option<String>>,
        /// Lines with this outcome: `ok`, or the last part of a refusal's `type`.
        #[oai(validator(max_length = 64))]
        outcome: Query<Option<String>>,
        /// Lines at or after this instant.
        since: Query<Option<DateTime<Utc>>>,
        /// Lines before this instant.
        until: Query<Option<DateTime<Utc>>>,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<EntryPageView>, Problem> {
        let agent = agent.0.as_deref().map(AgentId::parse).transpose();
        let filter = Filter {
            agent: agent.map_err(|error| Problem::invalid("agent", &error))?,
            operation: operation.0.map(|text| filter::text("operation", text)).transpose()?,
            // What is no lock key may be another thing, such as an API key.
            target: key
                .0
                .map(|key| LockKey::parse(&key).map_or_else(|_| filter::text("key", key), |key| Ok(key.into())))
                .transpose()?,
            outcome: outcome.0.map(|text| filter::text("outcome", text)).transpose()?,
            since: since.0,
            until: until.0,
        };
        let after: Option<Cursor> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let page = self.queries.list(&call, filter, after, cursor::page_size(limit.0)?).await?;
        Ok(Json(EntryPageView {
            entries: page.rows.into_iter().map(Into::into).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }
}

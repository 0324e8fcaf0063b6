//! What a question about memories looks like on the wire, and what it means.

use crate::http::problem::Problem;
use crate::memory::bodies::ScopeBody;
use crate::memory::filtering::bodies::{Filters, scopes_of};
use crate::memory::recall::{LIMIT_DEFAULT, LIMIT_MAX, QUERY_BYTES_MAX, RecallRequest, Way};
use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object};

/// By what memories are to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "RecallBy", rename_all = "snake_case")]
pub enum WayBody {
    /// By words, and by meaning if the server has an embedder.
    Hybrid,
    /// By words alone.
    Lexical,
    /// By meaning alone; refused if the server has no embedder.
    Vector,
}

impl From<WayBody> for Way {
    fn from(way: WayBody) -> Self {
        match way {
            WayBody::Hybrid => Self::Hybrid,
            WayBody::Lexical => Self::Lexical,
            WayBody::Vector => Self::Vector,
        }
    }
}

/// What you want to know. Several filters must all fit.
#[derive(Debug, Clone, Default, Object)]
#[oai(rename = "Recall", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct RecallBody {
    /// In words; any text, at most 128 KiB, of which the first 64 different words count. Left out, the newest and most
    /// proven memories are answered.
    #[oai(validator(max_length = 131_072))]
    pub query: Option<String>,
    /// By what memories are to be found; `hybrid` if left out.
    pub by: Option<WayBody>,
    /// In which scopes; `private` and `project` if left out.
    #[oai(validator(max_items = 3))]
    pub scopes: Option<Vec<ScopeBody>>,
    /// With one of these tags, at least; at most 50.
    #[oai(validator(max_items = 50))]
    pub tags_any: Option<Vec<String>>,
    /// With all of these tags; at most 50.
    #[oai(validator(max_items = 50))]
    pub tags_all: Option<Vec<String>>,
    /// Of one of these types; at most 50.
    #[oai(validator(max_items = 50))]
    pub event_types: Option<Vec<String>>,
    /// Written by one of these agents; at most 50.
    #[oai(validator(max_items = 50))]
    pub agents: Option<Vec<String>>,
    /// Of this row.
    #[oai(validator(min_length = 1, max_length = 128))]
    pub stream: Option<String>,
    /// Happened at or after.
    pub happened_from: Option<DateTime<Utc>>,
    /// Happened before.
    pub happened_until: Option<DateTime<Utc>>,
    /// Those that held at this instant; now if left out.
    pub as_of: Option<DateTime<Utc>>,
    /// Those too that hold no longer.
    pub include_ended: Option<bool>,
    /// Pinned ones only.
    pub pinned: Option<bool>,
    /// The least score of an answer, 0 to 1; 0 if left out. A score compares the answers to one question.
    #[oai(validator(minimum(value = "0"), maximum(value = "1")))]
    pub minimum_score: Option<f64>,
    /// The most answers; 10 if left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
    pub limit: Option<u32>,
    /// The most tokens of all answers together, by estimate; those that do not fit are passed over.
    #[oai(validator(minimum(value = "1"), maximum(value = "1000000")))]
    pub token_budget: Option<u64>,
    /// Whether it is told which words were looked for, and how many memories were looked at.
    pub explain: Option<bool>,
}

impl RecallBody {
    /// Reads it.
    pub fn read(self) -> Result<RecallRequest, Problem> {
        if self.query.as_ref().is_some_and(|query| query.len() > QUERY_BYTES_MAX) {
            return Err(Problem::invalid("query", &format!("may have {QUERY_BYTES_MAX} bytes")));
        }
        let limit = self.limit.map_or(LIMIT_DEFAULT, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::invalid("limit", &format!("must be 1 to {LIMIT_MAX}")));
        }
        let filters = Filters {
            scopes: scopes_of(self.scopes),
            as_of: self.as_of,
            include_ended: self.include_ended,
            tags_any: self.tags_any,
            tags_all: self.tags_all,
            event_types: self.event_types,
            agents: self.agents,
            stream: self.stream,
            happened_from: self.happened_from,
            happened_until: self.happened_until,
            pinned: self.pinned,
        };
        Ok(RecallRequest {
            query: self.query,
            sought: filters.read()?,
            way: self.by.map(Into::into).unwrap_or_default(),
            minimum_score: self.minimum_score,
            limit,
            token_budget: self.token_budget,
        })
    }
}

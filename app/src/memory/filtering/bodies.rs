//! Filters of memories on the wire: in bodies as lists, in queries as words with commas between them.

use crate::http::problem::Problem;
use crate::memory::bodies::{ScopeBody, each, micros, parsed};
use crate::memory::filtering::Sought;
use chrono::{DateTime, Utc};
use domain::ids::AgentId;
use domain::memory::content::{EventType, Stream, Tag};
use domain::memory::filter::MemoryFilter;
use domain::memory::realm::Scope;
use poem_openapi::Object;
use std::collections::BTreeSet;

/// A filter, unread.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// In which scopes.
    pub scopes: Option<Vec<Scope>>,
    /// At which instant.
    pub as_of: Option<DateTime<Utc>>,
    /// Whether those that hold no longer are wanted too.
    pub include_ended: Option<bool>,
    /// Some of these tags.
    pub tags_any: Option<Vec<String>>,
    /// All of these tags.
    pub tags_all: Option<Vec<String>>,
    /// Of some of these types.
    pub event_types: Option<Vec<String>>,
    /// By some of these agents.
    pub agents: Option<Vec<String>>,
    /// Of this row.
    pub stream: Option<String>,
    /// Happened at or after.
    pub happened_from: Option<DateTime<Utc>>,
    /// Happened before.
    pub happened_until: Option<DateTime<Utc>>,
    /// Pinned ones only.
    pub pinned: Option<bool>,
}

impl Filters {
    /// Reads it.
    pub fn read(self) -> Result<Sought, Problem> {
        Ok(Sought {
            scopes: self.scopes.unwrap_or_default().into_iter().collect(),
            as_of: self.as_of.map(micros),
            ended_too: self.include_ended.unwrap_or(false),
            tags_any: names("tags_any", self.tags_any, Tag::parse)?,
            tags_all: names("tags_all", self.tags_all, Tag::parse)?,
            event_types: names("event_types", self.event_types, EventType::parse)?,
            agents: names("agents", self.agents, AgentId::parse)?,
            stream: parsed("stream", self.stream.as_deref(), Stream::parse)?,
            happened_from: self.happened_from.map(micros),
            happened_until: self.happened_until.map(micros),
            pinned_only: self.pinned.unwrap_or(false),
        })
    }
}

/// The words of a parameter of a query.
pub fn words(text: Option<String>) -> Option<Vec<String>> {
    text.map(|text| text.split(',').map(|word| word.trim().to_owned()).collect())
}

/// The scopes of a parameter of a query.
pub fn scopes(text: Option<String>) -> Result<Option<Vec<Scope>>, Problem> {
    let unknown =
        || Problem::invalid("scopes", &"may name `private`, `project` and `shared`, with commas between them");
    let read = |words: Vec<String>| words.iter().map(|word| Scope::parse(word).ok_or_else(unknown)).collect();
    words(text).map(read).transpose()
}

/// The scopes of a body.
pub fn scopes_of(bodies: Option<Vec<ScopeBody>>) -> Option<Vec<Scope>> {
    bodies.map(|bodies| bodies.into_iter().map(Into::into).collect())
}

fn names<T: Ord, E: std::error::Error>(
    field: &str,
    texts: Option<Vec<String>>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<BTreeSet<T>, Problem> {
    let texts = texts.unwrap_or_default();
    if texts.len() > MemoryFilter::NAMES_MAX {
        return Err(Problem::invalid(field, &format!("may name {}", MemoryFilter::NAMES_MAX)));
    }
    Ok(each(field, texts, parse)?.into_iter().collect())
}

/// What is to be forgotten. Besides scopes it needs something that narrows it.
#[derive(Debug, Clone, Default, Object)]
#[oai(rename = "ForgetMemories", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct ForgetBody {
    /// In which scopes; `private` and `project` if left out. `shared` needs the role `orchestrator`.
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
    /// Written by one of these agents; at most 50. Others than yourself need the role `orchestrator`.
    #[oai(validator(max_items = 50))]
    pub agents: Option<Vec<String>>,
    /// Of this row.
    #[oai(validator(min_length = 1, max_length = 128))]
    pub stream: Option<String>,
    /// Happened at or after.
    pub happened_from: Option<DateTime<Utc>>,
    /// Happened before.
    pub happened_until: Option<DateTime<Utc>>,
    /// `true`: nothing is forgotten, and the answer tells what would be.
    pub dry_run: Option<bool>,
}

impl ForgetBody {
    /// Reads it: what, and whether it is a trial.
    pub fn read(self) -> Result<(Sought, bool), Problem> {
        let is_trial = self.dry_run.unwrap_or(false);
        let filters = Filters {
            scopes: scopes_of(self.scopes),
            tags_any: self.tags_any,
            tags_all: self.tags_all,
            event_types: self.event_types,
            agents: self.agents,
            stream: self.stream,
            happened_from: self.happened_from,
            happened_until: self.happened_until,
            ..Filters::default()
        };
        let sought = filters.read()?;
        if sought.has_criteria() {
            Ok((sought, is_trial))
        } else {
            Err(Problem::invalid(
                "",
                &"needs one of the tags, types, agents, times or the stream of what is to be forgotten",
            ))
        }
    }
}

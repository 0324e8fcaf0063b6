//! Which memories a caller asks for, before it is known where that is.

pub mod bodies;

use crate::call::Call;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::AgentId;
use domain::memory::content::{EventType, Stream, Tag};
use domain::memory::filter::MemoryFilter;
use domain::memory::realm::{Realm, Scope};
use serde::Serialize;
use std::collections::BTreeSet;

/// What begins to hold later than this is in no export, and forgotten by no filter: ten thousand days ahead.
const AHEAD: TimeDelta = TimeDelta::days(10_000);

/// Which memories are asked for. An empty set lets everything through, but for scopes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sought {
    /// In which scopes; [`Scope::SEARCHED`] if empty.
    pub scopes: BTreeSet<Scope>,
    /// At which instant they must hold; now if `None`.
    pub as_of: Option<DateTime<Utc>>,
    /// Whether those that hold no longer are asked for too.
    pub ended_too: bool,
    /// One of these tags, at least.
    pub tags_any: BTreeSet<Tag>,
    /// All of these tags.
    pub tags_all: BTreeSet<Tag>,
    /// Of one of these types.
    pub event_types: BTreeSet<EventType>,
    /// By one of these agents.
    pub agents: BTreeSet<AgentId>,
    /// Of this row.
    pub stream: Option<Stream>,
    /// Happened at or after.
    pub happened_from: Option<DateTime<Utc>>,
    /// Happened before.
    pub happened_until: Option<DateTime<Utc>>,
    /// Pinned ones only.
    pub pinned_only: bool,
}

impl Sought {
    /// As a store is asked for it, of what the caller may read.
    pub fn filter(self, call: &Call, now: DateTime<Utc>) -> MemoryFilter {
        let scopes = if self.scopes.is_empty() { BTreeSet::from(Scope::SEARCHED) } else { self.scopes };
        MemoryFilter {
            realms: Realm::readable(&call.project, &call.principal.agent, &scopes),
            as_of: self.as_of.unwrap_or(now),
            ended_too: self.ended_too,
            tags_any: self.tags_any,
            tags_all: self.tags_all,
            event_types: self.event_types,
            agents: self.agents,
            stream: self.stream,
            happened_from: self.happened_from,
            happened_until: self.happened_until,
            pinned_only: self.pinned_only,
        }
    }

    /// As [`Self::filter`], of all times: what held once, holds, or will.
    pub fn filter_of_all_times(self, call: &Call, now: DateTime<Utc>) -> MemoryFilter {
        MemoryFilter { as_of: now + AHEAD, ended_too: true, ..self.filter(call, now) }
    }

    /// Whether it says more than where to look and when.
    pub fn has_criteria(&self) -> bool {
        !(self.tags_any.is_empty() && self.tags_all.is_empty() && self.event_types.is_empty() && self.agents.is_empty())
            || self.stream.is_some()
            || self.happened_from.is_some()
            || self.happened_until.is_some()
            || self.pinned_only
    }
}

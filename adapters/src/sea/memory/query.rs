//! What a filter says, in SQL.

use super::rows::tag;
use crate::sea::clock::to_us;
use crate::sea::dialect::{Dialect, Kind};
use chrono::{DateTime, Utc};
use domain::memory::content::{EventType, Tag};
use domain::memory::filter::{MemoryCursor, MemoryFilter, Order};
use domain::memory::realm::Realm;
use sea_orm::Value;
use std::collections::BTreeSet;

/// Conditions on a row `s` of memories, and their values.
pub(super) struct Query {
    dialect: Dialect,
    /// Joined by AND; never empty.
    pub(super) conditions: String,
    pub(super) values: Vec<Value>,
}

impl Query {
    /// Of these realms: `$1`, as one argument. What is asked of a row's own realm stands in `realm`.
    pub(super) fn filtered(
        dialect: Dialect,
        realm: impl Into<String>,
        first: impl IntoIterator<Item = Value>,
        filter: &MemoryFilter,
    ) -> Self {
        let mut query = Self { dialect, conditions: realm.into(), values: first.into_iter().collect() };
        query.conditions.push_str(" AND s.redacted_at_us IS NULL");
        if filter.ended_too {
            query.and(|n| format!("s.valid_from_us <= {n}"), to_us(filter.as_of));
        } else {
            query.holding(filter.as_of);
        }
        query.names(filter);
        if let Some(stream) = &filter.stream {
            query.and(|n| format!("s.stream = {n}"), stream.as_str());
        }
        if let Some(from) = filter.happened_from {
            query.and(|n| format!("s.happened_at_us >= {n}"), to_us(from));
        }
        if let Some(until) = filter.happened_until {
            query.and(|n| format!("s.happened_at_us < {n}"), to_us(until));
        }
        if filter.pinned_only {
            query.conditions.push_str(" AND s.pinned");
        }
        query
    }

    /// In a realm, `$2`, at an instant; `$1` is something else.
    pub(super) fn held(dialect: Dialect, first: Value, realm: &Realm, as_of: DateTime<Utc>) -> Self {
        let conditions = "s.realm = $2 AND s.redacted_at_us IS NULL".to_owned();
        let mut query = Self { dialect, conditions, values: vec![first, realm.key().into()] };
        query.holding(as_of);
        query
    }

    fn holding(&mut self, as_of: DateTime<Utc>) {
        let holds = |n: &str| format!("s.valid_from_us <= {n} AND (s.ended_at_us IS NULL OR s.ended_at_us > {n})");
        self.and(holds, to_us(as_of));
    }

    fn names(&mut self, filter: &MemoryFilter) {
        let (dialect, position) = (self.dialect, self.dialect.position());
        let tags = |tags: &BTreeSet<Tag>| dialect.texts(&tags.iter().map(tag).collect::<Vec<_>>());
        let each = |n: &str| dialect.elements(n, Kind::Text);
        if !filter.tags_any.is_empty() {
            let has = |n: &str| format!("EXISTS (SELECT 1 FROM {} WHERE {position}(s.tags, r.value) > 0)", each(n));
            self.and(has, tags(&filter.tags_any));
        }
        if !filter.tags_all.is_empty() {
            let has = |n: &str| format!("NOT EXISTS (SELECT 1 FROM {} WHERE {position}(s.tags, r.value) = 0)", each(n));
            self.and(has, tags(&filter.tags_all));
        }
        let any = |n: &str| dialect.any(n, Kind::Text);
        if !filter.event_types.is_empty() {
            let names: Vec<String> = filter.event_types.iter().map(EventType::as_str).map(str::to_owned).collect();
            self.and(|n| format!("s.event_type {}", any(n)), dialect.texts(&names));
        }
        if !filter.agents.is_empty() {
            let names: Vec<String> = filter.agents.iter().map(ToString::to_string).collect();
            self.and(|n| format!("s.agent_id {}", any(n)), dialect.texts(&names));
        }
    }

    /// What a filter shows of all its realms, in an order, strictly behind a cursor.
    pub(super) fn listed(
        dialect: Dialect,
        fields: &str,
        filter: &MemoryFilter,
        (order, after): (Order, Option<MemoryCursor>),
        rows_max: u32,
    ) -> (String, Vec<Value>) {
        let realms: BTreeSet<&Realm> = filter.realms.iter().collect();
        let realms: Vec<String> = realms.into_iter().map(Realm::key).collect();
        let mut query = Self::filtered(dialect, "s.realm = r.value", [dialect.texts(&realms)], filter);
        let (behind, way) = match order {
            Order::NewestFirst => ("<", "DESC"),
            Order::OldestFirst => (">", "ASC"),
        };
        if let Some(MemoryCursor { happened_at, id }) = after {
            let at = query.add(to_us(happened_at));
            query.and(|n| format!("(s.happened_at_us, s.id) {behind} ({at}, {n})"), id.uuid());
        }
        // Memories of one row are found by it, not by looking through all for some of that row.
        let happened = if filter.stream.is_some() { "s.happened_at_us + 0" } else { "s.happened_at_us" };
        let limit = query.add(i64::from(rows_max));
        let order = format!("ORDER BY {happened} {way}, s.id {way} LIMIT {limit}");
        let elements = dialect.elements("$1", Kind::Text);
        let found = dialect.first_of_each(&elements, super::MEMORIES, "s.*", &query.conditions, &order);
        let sql = format!("SELECT {fields} FROM {found} ORDER BY s.happened_at_us {way}, s.id {way} LIMIT {limit}");
        (sql, query.values)
    }

    /// One condition more, over one value.
    pub(super) fn and(&mut self, condition: impl FnOnce(&str) -> String, value: impl Into<Value>) {
        let name = self.add(value);
        self.conditions.push_str(" AND ");
        self.conditions.push_str(&condition(&name));
    }

    /// One value more; answers its name.
    pub(super) fn add(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }
}

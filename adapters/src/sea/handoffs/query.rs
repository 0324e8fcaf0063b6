//! The question that finds a page of handoffs.

use crate::sea::clock::to_us;
use crate::sea::dialect::{Dialect, Kind};
use chrono::{DateTime, Utc};
use domain::handoffs::listing::{HandoffCursor, HandoffFilter, SearchWords};
use domain::handoffs::{Candidate, Status};
use domain::ids::{AgentId, ProjectId};
use domain::page::PageSize;
use sea_orm::Value;

pub(super) const NOBODY: &str = "nobody";
pub(super) const AGENT: &str = "agent";
pub(super) const CAPABILITY: &str = "capability";
pub(super) const NEXT: &str = "next";

/// What stands behind WHERE, and its values.
pub(super) struct Query {
    pub(super) condition: String,
    pub(super) values: Vec<Value>,
}

impl Query {
    /// One row more than the page holds, newest first.
    pub(super) fn listing(
        dialect: Dialect,
        project: &ProjectId,
        filter: &HandoffFilter,
        now: DateTime<Utc>,
        after: Option<HandoffCursor>,
        size: PageSize,
    ) -> Self {
        let mut query = Self { condition: "project_id = $1".to_owned(), values: vec![project.as_str().into()] };
        let HandoffFilter { from, to, file, status, words, offered_to } = filter;
        if let Some(from) = from {
            query.and(|n| format!("from_agent = {n}"), from.as_str());
        }
        if let Some(to) = to {
            let offered = |n: &str| format!("((offer_kind = '{AGENT}' AND offer_name = {n}) OR taken_by = {n})");
            query.and(offered, to.as_str());
        }
        if let Some(file) = file {
            let about = |n: &str| {
                format!("id IN (SELECT f.handoff_id FROM handoff_files AS f WHERE f.project_id = $1 AND f.path = {n})")
            };
            query.and(about, file.as_str());
        }
        match status {
            None => {}
            Some(Status::Offered) => query.and(|n| format!("due_us > {n}"), to_us(now)),
            Some(Status::Expired) => query.and(|n| format!("(status = 'expired' OR due_us <= {n})"), to_us(now)),
            Some(status) => query.and(|n| format!("status = {n}"), status.as_str()),
        }
        for word in words.iter().flat_map(SearchWords::iter) {
            query.and(|n| format!("{}(words, {n}) > 0", dialect.position()), word);
        }
        if let Some(candidate) = offered_to {
            query.offered_to(dialect, candidate, now);
        }
        if let Some(HandoffCursor { at, id }) = after {
            let at = query.add(to_us(at));
            query.and(|n| format!("(written_at_us, id) < ({at}, {n})"), id.uuid());
        }
        let rows = query.add(i64::from(size.rows()) + 1);
        query.condition.push_str(" ORDER BY written_at_us DESC, id DESC LIMIT ");
        query.condition.push_str(&rows);
        query
    }

    fn offered_to(&mut self, dialect: Dialect, candidate: &Candidate, now: DateTime<Utc>) {
        let Candidate { agent, session, capabilities } = candidate;
        self.and(|n| format!("due_us > {n}"), to_us(now));
        let capabilities: Vec<String> = capabilities.iter().map(ToString::to_string).collect();
        let capabilities = self.add(dialect.texts(&capabilities));
        let able = dialect.any(&capabilities, Kind::Text);
        let offered = |n: &str| {
            format!(
                "(offer_kind = '{NEXT}' OR (offer_kind = '{AGENT}' AND offer_name = {n}) \
                 OR (offer_kind = '{CAPABILITY}' AND offer_name {able}))"
            )
        };
        self.and(offered, agent.as_str());
        if let Some(session) = session {
            self.and(|n| format!("(from_session IS NULL OR from_session <> {n})"), session.as_str());
        }
        self.not_declined_by(agent);
    }

    fn not_declined_by(&mut self, agent: &AgentId) {
        let declined = |n: &str| {
            format!(
                "NOT EXISTS (SELECT 1 FROM handoff_declines AS d \
                 WHERE d.project_id = $1 AND d.handoff_id = handoffs.id AND d.agent_id = {n})"
            )
        };
        self.and(declined, agent.as_str());
    }

    /// One condition more, over one value.
    fn and(&mut self, condition: impl FnOnce(&str) -> String, value: impl Into<Value>) {
        let name = self.add(value);
        self.condition.push_str(" AND ");
        self.condition.push_str(&condition(&name));
    }

    /// One value more; answers its name.
    fn add(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }
}

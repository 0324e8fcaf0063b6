//! What an inbox shows, and how much of it is unread.

use super::deliveries::{IS_BROUGHT, LISTENING_COLUMNS};
use super::rows::MessageRow;
use super::{DELIVERIES, MESSAGES};
use crate::sea::clock::to_us;
use crate::sea::dialect::Kind;
use crate::sea::error::corrupt;
use crate::sea::unit::SeaUnitOfWork;
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, ProjectId};
use domain::messages::delivery::Delivery;
use domain::messages::listing::{InboxEntry, UNREAD_BROADCASTS_MAX, URGENT_PRIORITY_MAX, Unread, UnreadAsk};
use domain::messages::message::{Message, Number};
use domain::page::{Page, PageSize};
use ports::messages::InboxAsk;
use ports::store::StoreError;
use sea_orm::FromQueryResult;
use std::collections::BTreeMap;

#[derive(FromQueryResult)]
struct NumberRow {
    number: i64,
}

#[derive(FromQueryResult)]
struct UnreadRow {
    agent: String,
    unread: i64,
    urgent: i64,
}

impl SeaUnitOfWork {
    /// Listenings out of an argument, from where their agents have looked to, of project `$1`.
    fn unseen_records(&self, argument: &str) -> String {
        let after = self.dialect.greater("r.after_number", "coalesce(b.looked_to, 0)");
        format!(
            "(SELECT r.agent, r.key, r.since_us, {after} AS after_number FROM {} \
             LEFT JOIN mailboxes AS b ON b.project_id = $1 AND b.agent_id = r.agent) AS r",
            self.dialect.records(argument, &LISTENING_COLUMNS)
        )
    }

    pub(super) async fn list_inbox(
        &mut self,
        project: &ProjectId,
        ask: InboxAsk<'_>,
        after: Option<Number>,
        size: PageSize,
    ) -> Result<Page<InboxEntry, Number>, StoreError> {
        let listenings = self.listenings(ask.listenings.iter())?;
        let unseen = self.dialect.first_of_each(
            &self.unseen_records("$2"),
            MESSAGES,
            "s.number",
            &format!("{IS_BROUGHT} AND s.number < $4 AND (s.expires_at_us IS NULL OR s.expires_at_us > $5)"),
            "ORDER BY s.number DESC LIMIT $6",
        );
        let open = if ask.open_only { "AND g.ended_at_us IS NULL" } else { "" };
        // The order of the parts makes each of them an index scan that stops.
        let sql = format!(
            "SELECT number FROM (SELECT number FROM (SELECT g.number FROM deliveries AS g \
             WHERE g.project_id = $1 AND g.recipient = $3 AND g.number < $4 {open} ORDER BY g.number DESC LIMIT $6) AS got \
             UNION ALL SELECT s.number FROM {unseen}) AS shown ORDER BY number DESC LIMIT $6"
        );
        let values = [
            project.as_str().into(),
            listenings,
            ask.agent.as_str().into(),
            after.unwrap_or(Number::MAX).value().into(),
            to_us(ask.now).into(),
            (i64::from(size.rows()) + 1).into(),
        ];
        let statement = self.statement(sql, values);
        let rows: Vec<NumberRow> = self.rows(statement, DELIVERIES).await?;
        let numbers: Vec<i64> = rows.into_iter().map(|row| row.number).collect();
        let entries = self.entries(project, ask.agent, &numbers).await?;
        Ok(Page::cut(entries, size, |entry: &InboxEntry| entry.message.number))
    }

    async fn entries(
        &mut self,
        project: &ProjectId,
        agent: &AgentId,
        numbers: &[i64],
    ) -> Result<Vec<InboxEntry>, StoreError> {
        let argument = self.dialect.ints(numbers);
        let any = self.dialect.any("$2", Kind::Int);
        let sql = format!("SELECT number, message FROM messages WHERE project_id = $1 AND number {any}");
        let statement = self.statement(sql, [project.as_str().into(), argument.clone()]);
        let rows: Vec<MessageRow> = self.rows(statement, MESSAGES).await?;
        let messages: Vec<Message> = self.read_rows(rows)?;
        let condition = format!("project_id = $1 AND number {any} AND recipient = $3");
        let deliveries =
            self.deliveries(&condition, [project.as_str().into(), argument, agent.as_str().into()]).await?;
        let mut deliveries: BTreeMap<Number, Delivery> =
            deliveries.into_iter().map(|delivery| (delivery.number, delivery)).collect();
        let mut messages: BTreeMap<Number, Message> =
            messages.into_iter().map(|message| (message.number, message)).collect();
        let entry = |number: &i64| {
            let message = messages.remove(&Number::new(*number))?;
            let delivery = deliveries.remove(&message.number);
            Some(InboxEntry { message, delivery })
        };
        Ok(numbers.iter().filter_map(entry).collect())
    }

    pub(super) async fn count_unread(
        &mut self,
        project: &ProjectId,
        asks: &[UnreadAsk],
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<AgentId, Unread>, StoreError> {
        let mut counts: BTreeMap<AgentId, Unread> =
            asks.iter().map(|ask| (ask.agent.clone(), Unread::default())).collect();
        let listenings = self.listenings(asks.iter().flat_map(|ask| &ask.listenings))?;
        let agents: Vec<String> = counts.keys().map(|agent| agent.as_str().to_owned()).collect();
        let unseen = self.dialect.first_of_each(
            &self.unseen_records("$2"),
            MESSAGES,
            "s.priority",
            &format!("{IS_BROUGHT} AND (s.expires_at_us IS NULL OR s.expires_at_us > $3)"),
            &format!("ORDER BY s.number LIMIT {UNREAD_BROADCASTS_MAX}"),
        );
        let urgent = |of: &str| {
            format!(
                "CAST(coalesce(sum(CASE WHEN {of}.priority <= {URGENT_PRIORITY_MAX} THEN 1 ELSE 0 END), 0) AS bigint)"
            )
        };
        let (of_got, of_unseen) = (urgent("g"), urgent("s"));
        let sql = format!(
            "SELECT g.recipient AS agent, count(*) AS unread, {of_got} AS urgent FROM deliveries AS g \
             WHERE g.project_id = $1 AND g.recipient {} AND g.ended_at_us IS NULL AND g.read_at_us IS NULL \
             AND (g.due_us IS NULL OR g.due_us > $3) GROUP BY g.recipient \
             UNION ALL SELECT r.agent, count(*) AS unread, {of_unseen} AS urgent FROM {unseen} GROUP BY r.agent",
            self.dialect.any("$4", Kind::Text)
        );
        let values = [project.as_str().into(), listenings, to_us(now).into(), self.dialect.texts(&agents)];
        let statement = self.statement(sql, values);
        let rows: Vec<UnreadRow> = self.rows(statement, DELIVERIES).await?;
        for UnreadRow { agent, unread, urgent } in rows {
            let parsed = AgentId::parse(&agent).map_err(|error| corrupt(DELIVERIES, "recipient", &agent, error));
            let count = counts.entry(self.check(parsed)?).or_default();
            count.unread = count.unread.saturating_add(u32::try_from(unread).unwrap_or(u32::MAX));
            count.urgent = count.urgent.saturating_add(u32::try_from(urgent).unwrap_or(u32::MAX));
        }
        Ok(counts)
    }
}

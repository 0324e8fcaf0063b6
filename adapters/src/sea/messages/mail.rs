//! Sending and receiving.

use super::rows::{ContentRow, MessageRow};
use super::{BODIES, CONVERSATIONS, HEADS, MAILBOXES, MESSAGES};
use crate::sea::dialect::{Column, Kind};
use crate::sea::error::{corrupt, failed};
use crate::sea::unit::{Access, SeaUnitOfWork};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, MessageId, ProjectId};
use domain::messages::audience::Listening;
use domain::messages::changes::Changes;
use domain::messages::content::Content;
use domain::messages::conversation::{Conversation, Pair};
use domain::messages::delivery::Delivery;
use domain::messages::inbox::Mailbox;
use domain::messages::message::{Message, Number};
use ports::messages::{MailHead, MailRepository};
use ports::store::{StoreError, UnitOfWork};
use sea_orm::FromQueryResult;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

#[derive(FromQueryResult)]
struct NumberRow {
    number: i64,
}

#[derive(FromQueryResult)]
struct MailboxRow {
    agent_id: String,
    looked_to: i64,
}

impl TryFrom<MailboxRow> for Mailbox {
    type Error = StoreError;

    fn try_from(row: MailboxRow) -> Result<Self, StoreError> {
        let MailboxRow { agent_id, looked_to } = row;
        let agent = AgentId::parse(&agent_id).map_err(|error| corrupt(MAILBOXES, "agent_id", &agent_id, error))?;
        Ok(Self { agent, looked_to: Number::new(looked_to) })
    }
}

#[derive(FromQueryResult)]
struct ConversationRow {
    first_agent: String,
    conversation: String,
}

impl TryFrom<ConversationRow> for Conversation {
    type Error = StoreError;

    fn try_from(row: ConversationRow) -> Result<Self, StoreError> {
        let read = serde_json::from_str(&row.conversation);
        read.map_err(|error| corrupt(CONVERSATIONS, "conversation", row.first_agent, error))
    }
}

const PAIR_COLUMNS: [Column; 2] = [("first_agent", Kind::Text), ("second_agent", Kind::Text)];

impl SeaUnitOfWork {
    async fn head_number(&mut self, project: &ProjectId, lock: &str) -> Result<Option<Number>, StoreError> {
        let sql = format!("SELECT last_number AS number FROM mail_heads WHERE project_id = $1{lock}");
        let statement = self.statement(sql, [project.as_str().into()]);
        let row: Option<NumberRow> = self.row(statement, HEADS).await?;
        Ok(row.map(|row| Number::new(row.number)))
    }

    async fn mailboxes(
        &mut self,
        project: &ProjectId,
        agents: &[String],
        lock: &str,
    ) -> Result<BTreeMap<AgentId, Mailbox>, StoreError> {
        let any = self.dialect.any("$2", Kind::Text);
        let sql = format!(
            "SELECT agent_id, looked_to FROM mailboxes WHERE project_id = $1 AND agent_id {any} ORDER BY agent_id{lock}"
        );
        let statement = self.statement(sql, [project.as_str().into(), self.dialect.texts(agents)]);
        let rows: Vec<MailboxRow> = self.rows(statement, MAILBOXES).await?;
        let found: Vec<Mailbox> = self.read_rows(rows)?;
        Ok(found.into_iter().map(|mailbox| (mailbox.agent.clone(), mailbox)).collect())
    }

    pub(super) fn message_uuids(ids: &[MessageId]) -> Vec<Uuid> {
        ids.iter().map(|id| id.uuid()).collect()
    }
}

#[async_trait]
impl MailRepository for SeaUnitOfWork {
    async fn mail_head_lock(&mut self, project: &ProjectId) -> Result<Option<MailHead>, StoreError> {
        let mut number = None;
        if self.access == Access::Write {
            self.hold().await?;
            let lock = self.for_update();
            number = self.head_number(project, lock).await?;
            if number.is_none() {
                let sql = "INSERT INTO mail_heads (project_id, last_number) \
                     SELECT project_id, 0 FROM projects WHERE project_id = $1 ON CONFLICT (project_id) DO NOTHING";
                let statement = self.statement(sql, [project.as_str().into()]);
                self.run(statement, HEADS).await?;
                number = self.head_number(project, lock).await?;
            }
        } else {
            let sql = "SELECT coalesce(h.last_number, 0) AS number FROM projects AS p \
                 LEFT JOIN mail_heads AS h ON h.project_id = p.project_id WHERE p.project_id = $1";
            let statement = self.statement(sql, [project.as_str().into()]);
            let row: Option<NumberRow> = self.row(statement, HEADS).await?;
            number = row.map(|row| Number::new(row.number)).or(number);
        }
        let Some(last_number) = number else { return Ok(None) };
        Ok(Some(MailHead { now: self.now().await?, last_number }))
    }

    async fn mail_last_number(&mut self, project: &ProjectId) -> Result<Number, StoreError> {
        Ok(self.head_number(project, "").await?.unwrap_or_default())
    }

    async fn mailboxes_lock(&mut self, project: &ProjectId, agents: &[AgentId]) -> Result<Vec<Mailbox>, StoreError> {
        let agents: BTreeSet<&AgentId> = agents.iter().collect();
        let names: Vec<String> = agents.iter().map(|agent| agent.as_str().to_owned()).collect();
        let mut found = BTreeMap::new();
        if self.access == Access::Write {
            self.hold().await?;
            let there = self.mailboxes(project, &names, "").await?;
            let missing = agents.iter().filter(|agent| !there.contains_key(**agent));
            let missing: Vec<String> = missing.map(|agent| agent.as_str().to_owned()).collect();
            if !missing.is_empty() {
                let sql = format!(
                    "INSERT INTO mailboxes (project_id, agent_id, looked_to) SELECT $1, r.value, 0 FROM {} WHERE true \
                     ON CONFLICT (project_id, agent_id) DO NOTHING",
                    self.dialect.elements("$2", Kind::Text)
                );
                let statement = self.statement(sql, [project.as_str().into(), self.dialect.texts(&missing)]);
                self.run(statement, MAILBOXES).await?;
            }
            found = self.mailboxes(project, &names, self.for_update()).await?;
        } else {
            found.extend(self.mailboxes(project, &names, "").await?);
        }
        let unmade = |agent: &AgentId| Mailbox { agent: agent.clone(), looked_to: Number::ZERO };
        Ok(agents.into_iter().map(|agent| found.remove(agent).unwrap_or_else(|| unmade(agent))).collect())
    }

    async fn messages_load(&mut self, project: &ProjectId, ids: &[MessageId]) -> Result<Vec<Message>, StoreError> {
        let sql = format!(
            "SELECT number, message FROM messages WHERE project_id = $1 AND id {}",
            self.dialect.any("$2", Kind::Uuid)
        );
        let ids = self.dialect.uuids(&Self::message_uuids(ids));
        let statement = self.statement(sql, [project.as_str().into(), ids]);
        let rows: Vec<MessageRow> = self.rows(statement, MESSAGES).await?;
        self.read_rows(rows)
    }

    async fn message_contents_load(
        &mut self,
        project: &ProjectId,
        ids: &[MessageId],
    ) -> Result<BTreeMap<MessageId, Content>, StoreError> {
        let sql = format!(
            "SELECT m.id, b.subject, b.body, b.data, b.links FROM messages AS m \
             JOIN message_bodies AS b ON b.project_id = m.project_id AND b.number = m.number \
             WHERE m.project_id = $1 AND m.id {}",
            self.dialect.any("$2", Kind::Uuid)
        );
        let ids = self.dialect.uuids(&Self::message_uuids(ids));
        let statement = self.statement(sql, [project.as_str().into(), ids]);
        let rows: Vec<ContentRow> = self.rows(statement, BODIES).await?;
        let contents: Vec<(MessageId, Content)> = self.read_rows(rows)?;
        Ok(contents.into_iter().collect())
    }

    async fn broadcasts_after(
        &mut self,
        project: &ProjectId,
        listenings: &[Listening],
        numbers: (Number, Number),
        rows_max: u32,
    ) -> Result<Vec<Message>, StoreError> {
        self.broadcasts(project, listenings, numbers, rows_max).await
    }

    async fn deliveries_load(
        &mut self,
        project: &ProjectId,
        recipient: &AgentId,
        messages: &[MessageId],
    ) -> Result<Vec<Delivery>, StoreError> {
        self.load_deliveries(project, recipient, messages).await
    }

    async fn deliveries_open(
        &mut self,
        project: &ProjectId,
        recipient: &AgentId,
        up_to: Number,
        rows_max: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let condition = "project_id = $1 AND recipient = $2 AND ended_at_us IS NULL AND number <= $3 \
             ORDER BY number LIMIT $4";
        let values =
            [project.as_str().into(), recipient.as_str().into(), up_to.value().into(), i64::from(rows_max).into()];
        self.deliveries(condition, values).await
    }

    async fn deliveries_due(
        &mut self,
        project: &ProjectId,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.due_deliveries(project, now, rows_max).await
    }

    async fn projects_with_deliveries_due(
        &mut self,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<ProjectId>, StoreError> {
        self.projects_with_due_deliveries(now, rows_max).await
    }

    async fn counted_open(
        &mut self,
        project: &ProjectId,
        agents: &[AgentId],
    ) -> Result<BTreeMap<AgentId, u32>, StoreError> {
        self.count_open(project, agents).await
    }

    async fn conversations_load(
        &mut self,
        project: &ProjectId,
        pairs: &[Pair],
    ) -> Result<Vec<Conversation>, StoreError> {
        let pairs: BTreeSet<&Pair> = pairs.iter().collect();
        let pairs: Vec<_> =
            pairs.iter().map(|pair| json!({ "first_agent": pair.first(), "second_agent": pair.second() })).collect();
        let pairs = self.check(serde_json::to_string(&pairs).map_err(failed))?;
        let sql = format!(
            "SELECT c.first_agent, c.conversation FROM {} JOIN conversations AS c \
             ON c.project_id = $2 AND c.first_agent = r.first_agent AND c.second_agent = r.second_agent",
            self.dialect.records("$1", &PAIR_COLUMNS)
        );
        let statement = self.statement(sql, [pairs.into(), project.as_str().into()]);
        let rows: Vec<ConversationRow> = self.rows(statement, CONVERSATIONS).await?;
        self.read_rows(rows)
    }

    async fn mail_save(&mut self, project: &ProjectId, changes: &Changes) -> Result<(), StoreError> {
        self.save_mail(project, changes).await
    }

    async fn messages_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        self.prune_messages(before, rows_max).await
    }
}

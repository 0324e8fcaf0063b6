//! Forgetting messages that were over long ago.

use super::{BODIES, CONVERSATIONS, DELIVERIES, MESSAGES};
use crate::sea::clock::to_us;
use crate::sea::dialect::Kind;
use crate::sea::error::corrupt;
use crate::sea::unit::SeaUnitOfWork;
use chrono::{DateTime, Utc};
use domain::ids::ProjectId;
use ports::messages::MailRepository;
use ports::store::StoreError;
use sea_orm::FromQueryResult;
use std::collections::BTreeMap;

#[derive(FromQueryResult)]
struct OldRow {
    project_id: String,
    number: i64,
}

/// That a message `m` was over before `$1`, and that nobody has anything of its thread to do.
const IS_OVER: &str = "m.at_us < $1 AND NOT EXISTS (SELECT 1 FROM deliveries AS d \
    WHERE d.project_id = m.project_id AND d.number = m.number AND (d.ended_at_us IS NULL OR d.ended_at_us >= $1)) \
    AND NOT EXISTS (SELECT 1 FROM messages AS t \
    JOIN deliveries AS o ON o.project_id = t.project_id AND o.number = t.number AND o.ended_at_us IS NULL \
    WHERE t.project_id = m.project_id AND t.thread_id = m.thread_id)";

impl SeaUnitOfWork {
    /// Goes through the projects one by one, each with its mail head locked, so that nobody answers in a thread while it
    /// goes.
    pub(super) async fn prune_messages(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let sql = self.dialect.delete_some(CONVERSATIONS, "stale_at_us");
        let statement = self.statement(sql, [to_us(before).into(), i64::from(rows_max).into()]);
        self.run(statement, CONVERSATIONS).await?;
        let sql = format!(
            "SELECT m.project_id, m.number FROM messages AS m WHERE {IS_OVER} \
             ORDER BY m.at_us, m.project_id, m.number LIMIT $2"
        );
        let statement = self.statement(sql, [to_us(before).into(), i64::from(rows_max).into()]);
        let rows: Vec<OldRow> = self.rows(statement, MESSAGES).await?;
        let mut old: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for OldRow { project_id, number } in rows {
            old.entry(project_id).or_default().push(number);
        }
        let mut pruned = 0;
        for (project, numbers) in old {
            let parsed = ProjectId::parse(&project).map_err(|error| corrupt(MESSAGES, "project_id", &project, error));
            let project = self.check(parsed)?;
            pruned += self.prune_messages_of(&project, before, &numbers).await?;
        }
        Ok(pruned)
    }

    async fn prune_messages_of(
        &mut self,
        project: &ProjectId,
        before: DateTime<Utc>,
        numbers: &[i64],
    ) -> Result<u64, StoreError> {
        self.mail_head_lock(project).await?;
        let sql = format!(
            "SELECT m.project_id, m.number FROM messages AS m WHERE m.project_id = $2 AND m.number {} AND {IS_OVER}",
            self.dialect.any("$3", Kind::Int)
        );
        let values = [to_us(before).into(), project.as_str().into(), self.dialect.ints(numbers)];
        let statement = self.statement(sql, values);
        let rows: Vec<OldRow> = self.rows(statement, MESSAGES).await?;
        let numbers: Vec<i64> = rows.into_iter().map(|row| row.number).collect();
        let any = self.dialect.any("$2", Kind::Int);
        if let Some(sql) = self.dialect.delete_words(&any) {
            self.delete_numbers(project, sql, &numbers).await?;
        }
        for table in [BODIES, DELIVERIES, MESSAGES] {
            let sql = format!("DELETE FROM {table} WHERE project_id = $1 AND number {any}");
            self.delete_numbers(project, sql, &numbers).await?;
        }
        Ok(numbers.len() as u64)
    }

    async fn delete_numbers(&mut self, project: &ProjectId, sql: String, numbers: &[i64]) -> Result<(), StoreError> {
        let statement = self.statement(sql, [project.as_str().into(), self.dialect.ints(numbers)]);
        self.run(statement, MESSAGES).await.map(|_| ())
    }
}

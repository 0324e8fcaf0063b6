//! What those who wait look at.

use crate::sea::clock::{instant_maybe, to_us};
use crate::sea::dialect::Kind;
use crate::sea::locks::{ProjectRow, TABLES};
use crate::sea::unit::SeaUnitOfWork;
use chrono::{DateTime, Utc};
use domain::ids::ProjectId;
use ports::locks::Look;
use ports::store::StoreError;
use sea_orm::FromQueryResult;

#[derive(FromQueryResult)]
struct Row {
    project_id: String,
    version: i64,
    next_end_us: Option<i64>,
}

impl SeaUnitOfWork {
    /// The versions of lock tables and when the first thing there ends by itself after an instant.
    pub(super) async fn look(&mut self, projects: &[ProjectId], since: DateTime<Utc>) -> Result<Vec<Look>, StoreError> {
        // Sessions are looked at on their own, not through what they hold, so that none is looked up for each lease.
        let sql = format!(
            "SELECT project_id, version, (SELECT min(end_us) FROM (\
             SELECT min(expires_at_us) AS end_us FROM leases AS l \
             WHERE l.project_id = t.project_id AND expires_at_us > $2 \
             UNION ALL SELECT min(kept_until_us) FROM waiters AS w \
             WHERE w.project_id = t.project_id AND kept_until_us > $2 \
             UNION ALL SELECT min(live_until_us) FROM sessions AS s \
             WHERE s.project_id = t.project_id AND ended_at_us IS NULL AND live_until_us > $2) AS ends) AS next_end_us \
             FROM lock_tables AS t WHERE project_id {}",
            self.dialect.any("$1", Kind::Text)
        );
        let projects: Vec<String> = projects.iter().map(ToString::to_string).collect();
        let statement = self.statement(sql, [self.dialect.texts(&projects), to_us(since).into()]);
        let rows: Vec<Row> = self.rows(statement, TABLES).await?;
        self.read_rows(rows)
    }
}

impl TryFrom<Row> for Look {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Row { project_id, version, next_end_us } = row;
        let next_end = instant_maybe(next_end_us, TABLES, "an end", &project_id)?;
        Ok(Self { project: ProjectId::try_from(ProjectRow { project_id })?, version, next_end })
    }
}

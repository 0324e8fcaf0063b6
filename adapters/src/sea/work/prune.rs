//! Forgetting tasks that ended long ago.

use crate::sea::clock::to_us;
use crate::sea::dialect::Kind;
use crate::sea::unit::SeaUnitOfWork;
use crate::sea::work::attempts::ATTEMPTS;
use crate::sea::work::content::TASKS;
use crate::sea::work::queue::ProjectRow;
use crate::sea::work::rows::{DEPENDENCIES, STATES};
use chrono::{DateTime, Utc};
use domain::ids::ProjectId;
use ports::locks::LockRepository;
use ports::store::StoreError;
use sea_orm::FromQueryResult;
use uuid::Uuid;

#[derive(FromQueryResult)]
struct IdRow {
    id: Uuid,
}

/// What ended in one of three ways before `$1` in the project of this name, has told everybody, and is not needed by
/// anybody who has not ended, nor by a dead letter, which may be tried again. Nothing ends before it was submitted, which
/// is how the index finds it.
///
/// Who needs it is asked task by task: as a condition on rows that exist or not, PostgreSQL would make a join of it and
/// read all dependencies there are.
fn outworn(project: &str) -> String {
    let may_run = |id: &str| {
        format!(
            "(SELECT o.status FROM task_states AS o WHERE o.project_id = {project} AND o.id = {id}) \
             NOT IN ('succeeded', 'cancelled', 'expired')"
        )
    };
    let dependent = format!(
        "SELECT 1 FROM task_dependencies AS d WHERE d.project_id = {project} AND d.depends_on = s.id AND {} LIMIT 1",
        may_run("d.task_id")
    );
    let part = format!(
        "SELECT 1 FROM tasks AS c \
         WHERE c.project_id = {project} AND c.parent_id IS NOT NULL AND c.parent_id = s.id AND {} LIMIT 1",
        may_run("c.id")
    );
    let one = |status: &str| {
        format!(
            "SELECT s.id FROM task_states AS s WHERE s.project_id = {project} AND s.status = '{status}' \
             AND s.submitted_at_us < $1 AND s.since_us < $1 AND s.due_us IS NULL \
             AND ({dependent}) IS NULL AND ({part}) IS NULL"
        )
    };
    ["succeeded", "cancelled", "expired"].map(one).join(" UNION ALL ")
}

impl SeaUnitOfWork {
    /// Goes through the projects one by one, each with its lock table locked, so that nobody starts to need a task
    /// while it goes.
    pub(super) async fn prune_tasks(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let sql = format!(
            "SELECT p.project_id FROM lock_tables AS p WHERE EXISTS ({}) ORDER BY p.project_id",
            outworn("p.project_id")
        );
        let statement = self.statement(sql, [to_us(before).into()]);
        let projects: Vec<ProjectRow> = self.rows(statement, STATES).await?;
        let projects: Vec<ProjectId> = self.read_rows(projects)?;
        let mut pruned = 0;
        for project in projects {
            let left = u64::from(rows_max).saturating_sub(pruned);
            if left == 0 {
                break;
            }
            pruned += self.prune_tasks_of(&project, before, left).await?;
        }
        Ok(pruned)
    }

    async fn prune_tasks_of(
        &mut self,
        project: &ProjectId,
        before: DateTime<Utc>,
        rows_max: u64,
    ) -> Result<u64, StoreError> {
        self.lock_table_lock(project).await?;
        let sql = format!("SELECT id FROM ({}) AS outworn LIMIT $3", outworn("$2"));
        let rows_max = i64::try_from(rows_max).unwrap_or(i64::MAX);
        let values = [to_us(before).into(), project.as_str().into(), rows_max.into()];
        let statement = self.statement(sql, values);
        let found: Vec<IdRow> = self.rows(statement, STATES).await?;
        let ids: Vec<Uuid> = found.into_iter().map(|row| row.id).collect();
        if ids.is_empty() {
            return Ok(0);
        }
        let any = self.dialect.any("$2", Kind::Uuid);
        for (table, column) in [(DEPENDENCIES, "task_id"), (ATTEMPTS, "task_id"), (TASKS, "id"), (STATES, "id")] {
            let sql = format!("DELETE FROM {table} WHERE project_id = $1 AND {column} {any}");
            let statement = self.statement(sql, [project.as_str().into(), self.dialect.uuids(&ids)]);
            let written = self.run(statement, table).await?;
            if table == STATES {
                self.expect_rows(written, ids.len() as u64, STATES)?;
            }
        }
        Ok(ids.len() as u64)
    }
}

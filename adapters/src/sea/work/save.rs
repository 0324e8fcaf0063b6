//! Writing tasks: one statement for each table that is touched, however many there are.

use crate::sea::dialect::IF_STILL;
use crate::sea::dialect::batch::Batch;
use crate::sea::error::failed;
use crate::sea::unit::SeaUnitOfWork;
use crate::sea::work::attempts::{ATTEMPT_COLUMNS, ATTEMPTS, attempt_cells};
use crate::sea::work::content::{TASK_COLUMNS, TASKS, task_cells};
use crate::sea::work::rows::{
    CHANGED_COLUMNS, DEPENDENCIES, DEPENDENCY_COLUMNS, STATE_COLUMNS, STATE_FIELDS, STATES, changed_cells, state_cells,
};
use domain::agents::Session;
use domain::ids::{ProjectId, SessionId, TaskId};
use domain::work::attempt::Attempt;
use domain::work::changes::{ChangedTask, NewTask};
use ports::store::StoreError;
use std::collections::BTreeMap;

/// A change of a task whose project's lock table was not locked before.
#[derive(Debug, thiserror::Error)]
#[error("the lock table of project {0} must be locked before a task of it is changed")]
struct NotLocked(ProjectId);

impl SeaUnitOfWork {
    pub(super) async fn add_tasks(&mut self, project: &ProjectId, new: &[NewTask]) -> Result<(), StoreError> {
        let tasks: Result<Vec<_>, StoreError> = new.iter().map(|new| task_cells(project, new)).collect();
        let tasks = Batch::new(&TASK_COLUMNS, self.check(tasks)?);
        self.append(TASKS, tasks).await?;
        self.add_states(project, new).await?;
        let dependencies = new.iter().flat_map(|new| {
            let on =
                |depends_on: &TaskId| [project.as_str().into(), new.task.id.uuid().into(), depends_on.uuid().into()];
            new.depends_on.iter().map(on)
        });
        self.append(DEPENDENCIES, Batch::new(&DEPENDENCY_COLUMNS, dependencies)).await
    }

    async fn add_states(&mut self, project: &ProjectId, new: &[NewTask]) -> Result<(), StoreError> {
        let rows: Result<Vec<_>, StoreError> = new.iter().map(|new| state_cells(&new.task)).collect();
        let batch = Batch::new(&STATE_COLUMNS, self.check(rows)?);
        let sql = format!(
            "INSERT INTO task_states ({STATE_FIELDS}) SELECT $2, r.id, r.submitted_at_us, r.ready_rank_us, {}, \
             r.since_us, r.concurrency_limit, r.status, r.task_type, r.labels, r.concurrency_key, r.agent_id, \
             r.session_id, r.state FROM {} WHERE {IF_STILL}",
            self.due_us(),
            self.dialect.batch(&STATE_COLUMNS)
        );
        self.write_each(&sql, batch, &[project.as_str().into()], STATES).await
    }

    /// Replaces what is stored of tasks; a conflict unless each is stored as it was.
    ///
    /// Nobody else can change them meanwhile, because the project's lock table is locked. An INSERT that always meets
    /// its row is used as an UPDATE that cannot but find it by its key.
    pub(super) async fn change_tasks(
        &mut self,
        project: &ProjectId,
        changed: &[ChangedTask],
    ) -> Result<(), StoreError> {
        if changed.is_empty() {
            return Ok(());
        }
        if !self.tables.contains_key(project) {
            return Err(self.spoil(failed(NotLocked(project.clone()))));
        }
        let rows: Result<Vec<_>, StoreError> = changed.iter().map(changed_cells).collect();
        let batch = Batch::new(&CHANGED_COLUMNS, self.check(rows)?);
        let found = self.dialect.beside(
            &self.dialect.batch(&CHANGED_COLUMNS),
            STATES,
            "id, submitted_at_us, concurrency_limit, task_type, labels, concurrency_key",
            "found.project_id = $2 AND found.id = r.id AND found.state = r.before",
        );
        let sql = format!(
            "INSERT INTO task_states ({STATE_FIELDS}) \
             SELECT $2, found.id, found.submitted_at_us, r.ready_rank_us, {}, r.since_us, found.concurrency_limit, \
             r.status, found.task_type, found.labels, found.concurrency_key, r.agent_id, r.session_id, r.state \
             FROM {found} WHERE {IF_STILL} ON CONFLICT (project_id, id) DO UPDATE \
             SET ready_rank_us = excluded.ready_rank_us, due_us = excluded.due_us, since_us = excluded.since_us, \
             status = excluded.status, agent_id = excluded.agent_id, session_id = excluded.session_id, \
             state = excluded.state",
            self.due_us(),
        );
        self.write_each(&sql, batch, &[project.as_str().into()], STATES).await
    }

    /// When there is something to do about the task of a row `r`: as it says, or when its session ended if that was
    /// before. `$2` is the project. The end of a living session moves with every sign of life, so it stands nowhere but with the session.
    fn due_us(&self) -> String {
        let ended = "SELECT e.live_until_us FROM sessions AS e \
             WHERE e.project_id = $2 AND e.id = r.session_id AND e.ended_at_us IS NOT NULL";
        self.dialect.lesser("r.due_us", &format!("COALESCE(({ended}), r.due_us)"))
    }

    pub(super) async fn add_attempts(&mut self, project: &ProjectId, attempts: &[Attempt]) -> Result<(), StoreError> {
        let rows: Result<Vec<_>, StoreError> = attempts.iter().map(|attempt| attempt_cells(project, attempt)).collect();
        let batch = Batch::new(&ATTEMPT_COLUMNS, self.check(rows)?);
        self.append(ATTEMPTS, batch).await
    }

    /// Notes with the tasks of sessions that have ended that there is something to do about them.
    pub(in crate::sea) async fn end_sessions_of_tasks(&mut self, sessions: &[Session]) -> Result<(), StoreError> {
        let mut ended: BTreeMap<&ProjectId, Vec<String>> = BTreeMap::new();
        for Session { project, id, .. } in sessions {
            ended.entry(project).or_default().push(SessionId::as_str(id).to_owned());
        }
        let sql = format!(
            "UPDATE task_states SET due_us = {} \
             WHERE project_id = $1 AND session_id IS NOT NULL AND session_id {}",
            self.dialect.lesser(
                "due_us",
                "(SELECT s.live_until_us FROM sessions AS s \
                 WHERE s.project_id = task_states.project_id AND s.id = task_states.session_id)"
            ),
            self.dialect.any("$2", crate::sea::dialect::Kind::Text)
        );
        for (project, sessions) in ended {
            let statement = self.statement(sql.as_str(), [project.as_str().into(), self.dialect.texts(&sessions)]);
            self.run(statement, STATES).await?;
        }
        Ok(())
    }
}

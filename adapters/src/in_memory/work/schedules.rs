//! Schedules.

use crate::in_memory::{InMemoryUnitOfWork, conflict, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{ProjectId, ScheduleId};
use domain::page::{Page, PageSize};
use domain::work::name::ScheduleName;
use domain::work::schedule::Schedule;
use ports::store::StoreError;
use ports::work::ScheduleRepository;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whether the name is that of another schedule.
fn is_taken(of_project: &BTreeMap<ScheduleId, Schedule>, schedule: &Schedule) -> bool {
    of_project.values().any(|other| other.id != schedule.id && other.name == schedule.name)
}

impl InMemoryUnitOfWork {
    /// Begins a write of a schedule; answers all of its project.
    fn write_schedules(&mut self, project: &ProjectId) -> Result<&mut BTreeMap<ScheduleId, Schedule>, StoreError> {
        Ok(Arc::make_mut(&mut self.write()?.work).schedules.entry(project.clone()).or_default())
    }
}

#[async_trait]
impl ScheduleRepository for InMemoryUnitOfWork {
    async fn schedule_find(&mut self, project: &ProjectId, id: ScheduleId) -> Result<Option<Schedule>, StoreError> {
        Ok(self.read().work.schedules(project).find(|schedule| schedule.id == id).cloned())
    }

    async fn schedule_find_named(
        &mut self,
        project: &ProjectId,
        name: &ScheduleName,
    ) -> Result<Option<Schedule>, StoreError> {
        Ok(self.read().work.schedules(project).find(|schedule| schedule.name == *name).cloned())
    }

    async fn schedule_list(
        &mut self,
        project: &ProjectId,
        after: Option<&ScheduleName>,
        size: PageSize,
    ) -> Result<Page<Schedule, ScheduleName>, StoreError> {
        let all = self.read().work.schedules(project);
        let mut found: Vec<Schedule> =
            all.filter(|schedule| after.is_none_or(|after| schedule.name > *after)).cloned().collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Page::cut(found, size, |schedule: &Schedule| schedule.name.clone()))
    }

    async fn schedule_count(&mut self, project: &ProjectId) -> Result<u32, StoreError> {
        Ok(u32::try_from(self.read().work.schedules(project).count()).unwrap_or(u32::MAX))
    }

    async fn schedules_due(
        &mut self,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<(ProjectId, Schedule)>, StoreError> {
        let all = self.read().work.schedules.iter();
        let all = all.flat_map(|(project, schedules)| schedules.values().map(move |schedule| (project, schedule)));
        let mut due: Vec<_> = all
            .filter(|(_, schedule)| !schedule.paused && schedule.next_at.is_some_and(|next_at| next_at <= now))
            .collect();
        due.sort_by_key(|(_, schedule)| schedule.next_at);
        Ok(due
            .into_iter()
            .take(rows(rows_max))
            .map(|(project, schedule)| (project.clone(), schedule.clone()))
            .collect())
    }

    async fn schedule_add(&mut self, project: &ProjectId, schedule: &Schedule) -> Result<(), StoreError> {
        let of_project = self.write_schedules(project)?;
        if of_project.contains_key(&schedule.id) || is_taken(of_project, schedule) {
            return conflict("schedule");
        }
        of_project.insert(schedule.id, schedule.clone());
        self.wrote();
        Ok(())
    }

    async fn schedule_save(&mut self, project: &ProjectId, schedule: &Schedule) -> Result<(), StoreError> {
        let of_project = self.write_schedules(project)?;
        let stored = of_project.get(&schedule.id).map(|stored| stored.revision.saturating_add(1));
        if stored != Some(schedule.revision) || is_taken(of_project, schedule) {
            return conflict("schedule");
        }
        of_project.insert(schedule.id, schedule.clone());
        self.wrote();
        Ok(())
    }

    async fn schedule_remove(&mut self, project: &ProjectId, id: ScheduleId) -> Result<bool, StoreError> {
        let was_there = self.write_schedules(project)?.remove(&id).is_some();
        self.wrote();
        Ok(was_there)
    }
}

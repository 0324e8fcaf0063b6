//! Alerts, by project.

use super::{InMemoryUnitOfWork, conflict, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::alerts::alert::Alert;
use domain::alerts::content::DedupKey;
use domain::alerts::listing::{AlertCursor, AlertFilter};
use domain::events::Position;
use domain::ids::{AlertId, ProjectId};
use domain::page::{Page, PageSize};
use ports::alerts::AlertRepository;
use ports::store::StoreError;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Default)]
pub(super) struct Table {
    alerts: BTreeMap<ProjectId, BTreeMap<AlertId, Alert>>,
    cursors: BTreeMap<ProjectId, Position>,
}

impl Table {
    fn alerts(&self, project: &ProjectId) -> impl Iterator<Item = &Alert> {
        self.alerts.get(project).into_iter().flat_map(BTreeMap::values)
    }

    fn standing(&self, project: &ProjectId) -> impl Iterator<Item = &Alert> {
        self.alerts(project).filter(|alert| alert.resolved_at().is_none())
    }
}

impl InMemoryUnitOfWork {
    fn write_alerts(&mut self) -> Result<&mut Table, StoreError> {
        Ok(Arc::make_mut(&mut self.write()?.alerts))
    }
}

#[async_trait]
impl AlertRepository for InMemoryUnitOfWork {
    async fn alerts_lock(&mut self, _project: &ProjectId) -> Result<(), StoreError> {
        Ok(())
    }

    async fn alerts_load(&mut self, project: &ProjectId, ids: &[AlertId]) -> Result<Vec<Alert>, StoreError> {
        Ok(self.read().alerts.alerts(project).filter(|alert| ids.contains(&alert.id)).cloned().collect())
    }

    async fn alerts_standing(&mut self, project: &ProjectId, keys: &[DedupKey]) -> Result<Vec<Alert>, StoreError> {
        Ok(self.read().alerts.standing(project).filter(|alert| keys.contains(&alert.dedup_key)).cloned().collect())
    }

    async fn alerts_standing_under(
        &mut self,
        project: &ProjectId,
        prefix: &str,
        rows_max: u32,
    ) -> Result<Vec<Alert>, StoreError> {
        let all = self.read().alerts.standing(project);
        let mut found: Vec<Alert> = all.filter(|alert| alert.dedup_key.as_str().starts_with(prefix)).cloned().collect();
        found.sort_by(|one, other| one.dedup_key.cmp(&other.dedup_key));
        found.truncate(rows(rows_max));
        Ok(found)
    }

    async fn alerts_standing_count(&mut self, project: &ProjectId) -> Result<u32, StoreError> {
        Ok(u32::try_from(self.read().alerts.standing(project).count()).unwrap_or(u32::MAX))
    }

    async fn alert_list(
        &mut self,
        project: &ProjectId,
        filter: &AlertFilter,
        after: Option<AlertCursor>,
        size: PageSize,
    ) -> Result<Page<Alert, AlertCursor>, StoreError> {
        let all = self.read().alerts.alerts(project).filter(|alert| filter.accepts(alert));
        let mut found: Vec<Alert> =
            all.filter(|alert| after.is_none_or(|after| AlertCursor::of(alert) < after)).cloned().collect();
        found.sort_by_key(|alert| Reverse(AlertCursor::of(alert)));
        Ok(Page::cut(found, size, AlertCursor::of))
    }

    async fn alerts_due(&mut self, now: DateTime<Utc>, rows_max: u32) -> Result<Vec<(ProjectId, AlertId)>, StoreError> {
        let all = self.read().alerts.alerts.iter();
        let all = all.flat_map(|(project, alerts)| alerts.values().map(move |alert| (project, alert)));
        let mut due: Vec<_> = all.filter(|(_, alert)| alert.escalates_at.is_some_and(|at| at <= now)).collect();
        due.sort_by_key(|(_, alert)| (alert.escalates_at, alert.id));
        Ok(due.into_iter().take(rows(rows_max)).map(|(project, alert)| (project.clone(), alert.id)).collect())
    }

    async fn alerts_save(&mut self, project: &ProjectId, alerts: &[Alert]) -> Result<(), StoreError> {
        let of_project = self.write_alerts()?.alerts.entry(project.clone()).or_default();
        of_project.extend(alerts.iter().map(|alert| (alert.id, alert.clone())));
        let mut keys = BTreeSet::new();
        let standing = of_project.values().filter(|alert| alert.resolved_at().is_none());
        if !standing.map(|alert| &alert.dedup_key).all(|key| keys.insert(key)) {
            return conflict("alert");
        }
        self.wrote();
        Ok(())
    }

    async fn alerts_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let (mut room, mut pruned) = (rows(rows_max), 0);
        for alerts in self.write_alerts()?.alerts.values_mut() {
            alerts.retain(|_, alert| {
                let goes = alert.resolved_at().is_some_and(|at| at < before) && room > 0;
                room -= usize::from(goes);
                pruned += u64::from(goes);
                !goes
            });
        }
        self.wrote();
        Ok(pruned)
    }

    async fn alert_cursor(&mut self, project: &ProjectId) -> Result<Option<Position>, StoreError> {
        Ok(self.read().alerts.cursors.get(project).copied())
    }

    async fn alert_cursor_save(&mut self, project: &ProjectId, position: Position) -> Result<(), StoreError> {
        self.write_alerts()?.cursors.insert(project.clone(), position);
        self.wrote();
        Ok(())
    }
}

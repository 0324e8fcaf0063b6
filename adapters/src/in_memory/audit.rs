//! The audit log, by project, time and id.

use super::{InMemoryUnitOfWork, conflict, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::audit::{Cursor, Entry, Filter};
use domain::ids::{AuditEntryId, ProjectId};
use domain::page::{Page, PageSize};
use ports::audit::AuditLog;
use ports::store::StoreError;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

pub(super) type Table = BTreeMap<ProjectId, Arc<Lines>>;

/// Lines never change, so a copy of the log shares them.
type Lines = BTreeMap<(DateTime<Utc>, AuditEntryId), Arc<Entry>>;

#[async_trait]
impl AuditLog for InMemoryUnitOfWork {
    async fn audit_append(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let table = Arc::make_mut(&mut self.write()?.audit);
        for entry in entries {
            let lines = Arc::make_mut(table.entry(entry.project.clone()).or_default());
            if lines.insert((entry.at, entry.id), Arc::new(entry.clone())).is_some() {
                return conflict("audit entry");
            }
        }
        self.wrote();
        Ok(())
    }

    async fn audit_list(
        &mut self,
        project: &ProjectId,
        filter: &Filter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<Page<Entry, Cursor>, StoreError> {
        let Some(lines) = self.read().audit.get(project) else {
            return Ok(Page { rows: Vec::new(), next: None });
        };
        let older = after.map_or(Bound::Unbounded, |cursor| Bound::Excluded((cursor.at, cursor.id)));
        let found = lines
            .range((Bound::Unbounded, older))
            .rev()
            .map(|(_, entry)| entry.as_ref())
            .filter(|entry| filter.accepts(entry))
            .take(rows(size.rows()) + 1)
            .cloned()
            .collect();
        Ok(Page::cut(found, size, |entry: &Entry| Cursor { at: entry.at, id: entry.id }))
    }

    async fn audit_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let mut pruned = 0;
        for lines in Arc::make_mut(&mut self.write()?.audit).values_mut() {
            let room = rows(rows_max).saturating_sub(pruned);
            let old = lines.keys().take_while(|(at, _)| *at < before).take(room);
            let old: Vec<_> = old.copied().collect();
            pruned += old.len();
            for key in old {
                Arc::make_mut(lines).remove(&key);
            }
        }
        self.wrote();
        Ok(pruned as u64)
    }
}

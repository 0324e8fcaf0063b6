//! Procedures, by project and name.

use crate::in_memory::{InMemoryUnitOfWork, conflict, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, ProjectId};
use domain::memory::procedures::content::{HowTo, ProcedureName};
use domain::memory::procedures::finding::Posting;
use domain::memory::procedures::{About, Outcome, Procedure, Reported, Version};
use domain::memory::terms::TermHash;
use ports::memory::procedures::{ProcedureChange, ProcedureRepository};
use ports::store::StoreError;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(in crate::in_memory) type Table = BTreeMap<ProjectId, BTreeMap<ProcedureName, Entry>>;

#[derive(Debug, Clone)]
pub(in crate::in_memory) struct Entry {
    procedure: Procedure,
    versions: BTreeMap<u32, (Version, HowTo)>,
    postings: Vec<Posting>,
    outcomes: BTreeMap<(AgentId, About), Outcome>,
}

impl InMemoryUnitOfWork {
    fn procedure(&self, project: &ProjectId, name: &ProcedureName) -> Option<&Entry> {
        self.read().procedures.get(project)?.get(name)
    }

    fn procedures(&self, project: &ProjectId) -> impl Iterator<Item = &Entry> {
        self.read().procedures.get(project).into_iter().flat_map(BTreeMap::values)
    }

    /// Begins a write of procedures.
    fn write_procedures(&mut self, project: &ProjectId) -> Result<&mut BTreeMap<ProcedureName, Entry>, StoreError> {
        Ok(Arc::make_mut(&mut self.write()?.procedures).entry(project.clone()).or_default())
    }
}

#[async_trait]
impl ProcedureRepository for InMemoryUnitOfWork {
    async fn procedures_lock(&mut self, _project: &ProjectId) -> Result<(), StoreError> {
        Ok(())
    }

    async fn procedures_all(&mut self, project: &ProjectId) -> Result<Vec<Procedure>, StoreError> {
        Ok(self.procedures(project).map(|entry| entry.procedure.clone()).collect())
    }

    async fn procedures_count(&mut self, project: &ProjectId) -> Result<u32, StoreError> {
        Ok(u32::try_from(self.procedures(project).count()).unwrap_or(u32::MAX))
    }

    async fn procedure_find(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
    ) -> Result<Option<Procedure>, StoreError> {
        Ok(self.procedure(project, name).map(|entry| entry.procedure.clone()))
    }

    async fn procedure_words(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
        version: u32,
    ) -> Result<Option<HowTo>, StoreError> {
        let found = self.procedure(project, name).and_then(|entry| entry.versions.get(&version));
        Ok(found.map(|(_, how)| how.clone()))
    }

    async fn procedure_versions(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
    ) -> Result<Vec<Version>, StoreError> {
        let all = self.procedure(project, name).into_iter().flat_map(|entry| entry.versions.values().rev());
        Ok(all.map(|(version, _)| version.clone()).collect())
    }

    async fn procedure_postings(
        &mut self,
        project: &ProjectId,
        terms: &[TermHash],
    ) -> Result<Vec<Posting>, StoreError> {
        let all = self.procedures(project).flat_map(|entry| &entry.postings);
        Ok(all.filter(|posting| terms.contains(&posting.term)).cloned().collect())
    }

    async fn procedure_save(&mut self, project: &ProjectId, change: &ProcedureChange) -> Result<(), StoreError> {
        let ProcedureChange { procedure, version, postings } = change;
        let all = self.write_procedures(project)?;
        let stored = all.get(&procedure.name).map_or(0, |stored| stored.procedure.revision);
        if stored.checked_add(1) != Some(procedure.revision) {
            return conflict("procedure");
        }
        let entry = all.entry(procedure.name.clone()).or_insert_with(|| Entry {
            procedure: procedure.clone(),
            versions: BTreeMap::new(),
            postings: Vec::new(),
            outcomes: BTreeMap::new(),
        });
        entry.procedure = procedure.clone();
        if let Some((version, how)) = version {
            entry.versions.insert(version.number, (version.clone(), how.clone()));
        }
        if let Some(postings) = postings {
            entry.postings.clone_from(postings);
        }
        self.wrote();
        Ok(())
    }

    async fn procedure_outcome(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
        by: &AgentId,
        about: &About,
    ) -> Result<Option<Outcome>, StoreError> {
        let occasion = (by.clone(), about.clone());
        Ok(self.procedure(project, name).and_then(|entry| entry.outcomes.get(&occasion)).cloned())
    }

    async fn procedure_outcomes(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
        rows_max: u32,
    ) -> Result<Vec<Outcome>, StoreError> {
        let all = self.procedure(project, name).into_iter().flat_map(|entry| entry.outcomes.values());
        let mut latest: Vec<&Outcome> = all.collect();
        latest.sort_by_key(|outcome| (Reverse(outcome.at), &outcome.by, String::from(outcome.about.clone())));
        Ok(latest.into_iter().take(rows(rows_max)).cloned().collect())
    }

    async fn procedure_reported(&mut self, project: &ProjectId, reported: &Reported) -> Result<(), StoreError> {
        let Reported { procedure, outcome, instead_of } = reported;
        let stored = self.write_procedures(project)?.get_mut(&procedure.name);
        let stored = stored.filter(|stored| stored.procedure.revision.checked_add(1) == Some(procedure.revision));
        let Some(entry) = stored else { return conflict("procedure") };
        entry.procedure = procedure.clone();
        if let Some(before) = instead_of
            && let Some((version, _)) = entry.versions.get_mut(&before.version)
        {
            version.tally = version.tally.without(before.verdict);
        }
        if let Some((version, _)) = entry.versions.get_mut(&outcome.version) {
            version.tally = version.tally.with(outcome.verdict);
        }
        entry.outcomes.insert((outcome.by.clone(), outcome.about.clone()), outcome.clone());
        self.wrote();
        Ok(())
    }

    async fn procedure_delete(&mut self, project: &ProjectId, name: &ProcedureName) -> Result<bool, StoreError> {
        let was_there = self.write_procedures(project)?.remove(name).is_some();
        self.wrote();
        Ok(was_there)
    }

    async fn procedure_outcomes_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let (mut room, mut gone) = (rows(rows_max), 0);
        let table = Arc::make_mut(&mut self.write()?.procedures);
        for entry in table.values_mut().flat_map(BTreeMap::values_mut) {
            entry.outcomes.retain(|_, outcome| {
                let goes = outcome.at < before && room > 0;
                room -= usize::from(goes);
                gone += u64::from(goes);
                !goes
            });
        }
        self.wrote();
        Ok(gone)
    }
}

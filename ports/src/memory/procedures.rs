//! Procedures.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, ProjectId};
use domain::memory::procedures::content::{HowTo, ProcedureName};
use domain::memory::procedures::finding::Posting;
use domain::memory::procedures::{About, Outcome, Procedure, Reported, Version};
use domain::memory::terms::TermHash;

/// A change of a procedure.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcedureChange {
    /// As it is now.
    pub procedure: Procedure,
    /// Its new version and what that says, if there is one.
    pub version: Option<(Version, HowTo)>,
    /// All that it is found by from now on; as before if `None`.
    pub postings: Option<Vec<Posting>>,
}

/// The procedures of every project.
///
/// Whoever changes procedures of a project first locks them all ([`Self::procedures_lock`]), and what is read after that
/// stays true until commit. They are at most
/// [`PER_PROJECT_MAX`](domain::memory::procedures::PER_PROJECT_MAX), so they are read together and ranked in the domain.
#[async_trait]
pub trait ProcedureRepository {
    /// Whoever changes procedures of a project stands in line here until the commit.
    async fn procedures_lock(&mut self, project: &ProjectId) -> Result<(), StoreError>;

    /// All procedures of a project, by name, retired ones included.
    async fn procedures_all(&mut self, project: &ProjectId) -> Result<Vec<Procedure>, StoreError>;

    /// How many procedures a project has, retired ones included.
    async fn procedures_count(&mut self, project: &ProjectId) -> Result<u32, StoreError>;

    /// The procedure of this name.
    async fn procedure_find(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
    ) -> Result<Option<Procedure>, StoreError>;

    /// What a version says; `None` if there is no such procedure or version.
    async fn procedure_words(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
        version: u32,
    ) -> Result<Option<HowTo>, StoreError>;

    /// All versions of a procedure, the latest first.
    async fn procedure_versions(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
    ) -> Result<Vec<Version>, StoreError>;

    /// Where words occur in the latest versions of the procedures of a project, in any order.
    async fn procedure_postings(&mut self, project: &ProjectId, terms: &[TermHash])
    -> Result<Vec<Posting>, StoreError>;

    /// Stores a new or changed procedure. MUST be [`StoreError::Conflict`] unless the stored one has the revision right
    /// before, or there is none and the revision is 1.
    async fn procedure_save(&mut self, project: &ProjectId, change: &ProcedureChange) -> Result<(), StoreError>;

    /// What an agent reported of a procedure about an occasion.
    async fn procedure_outcome(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
        by: &AgentId,
        about: &About,
    ) -> Result<Option<Outcome>, StoreError>;

    /// What was reported of a procedure last, the newest first (by time, then agent, then occasion), at most `rows_max`.
    async fn procedure_outcomes(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
        rows_max: u32,
    ) -> Result<Vec<Outcome>, StoreError>;

    /// Stores a report instead of what the agent had said about the occasion, and moves the counts of the versions. The
    /// procedure is stored as by [`Self::procedure_save`], and MUST be a conflict as there.
    async fn procedure_reported(&mut self, project: &ProjectId, reported: &Reported) -> Result<(), StoreError>;

    /// Deletes a procedure with all that belongs to it; false if there is none.
    async fn procedure_delete(&mut self, project: &ProjectId, name: &ProcedureName) -> Result<bool, StoreError>;

    /// Deletes at most `rows_max` reports of all projects that are older than an instant; answers how many. What they
    /// counted stays counted.
    async fn procedure_outcomes_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError>;
}

//! Procedures: few, each with the truth as JSON; what versions say stands apart, and so do the words they are found by.

use crate::sea::clock::{instant, to_us};
use crate::sea::dialect::{Column, Kind};
use crate::sea::error::{corrupt, failed};
use crate::sea::unit::SeaUnitOfWork;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, ProjectId};
use domain::memory::procedures::content::{HowTo, ProcedureName};
use domain::memory::procedures::evidence::Tally;
use domain::memory::procedures::finding::Posting;
use domain::memory::procedures::{About, Outcome, Procedure, Reported, Signed, Verdict, Version};
use domain::memory::terms::TermHash;
use ports::memory::procedures::{ProcedureChange, ProcedureRepository};
use ports::store::StoreError;
use sea_orm::{FromQueryResult, Value};
use serde::Serialize;

const PROCEDURES: &str = "procedures";
const VERSIONS: &str = "procedure_versions";
const TERMS: &str = "procedure_terms";
const OUTCOMES: &str = "procedure_outcomes";

const TERM_COLUMNS: [Column; 4] =
    [("project_id", Kind::Text), ("term", Kind::Int), ("name", Kind::Text), ("times", Kind::Int)];

#[derive(Debug, FromQueryResult)]
struct Row {
    name: String,
    procedure: String,
}

impl TryFrom<Row> for Procedure {
    type Error = StoreError;

    fn try_from(Row { name, procedure }: Row) -> Result<Self, StoreError> {
        serde_json::from_str(&procedure).map_err(|error| corrupt(PROCEDURES, "procedure", name, error))
    }
}

#[derive(Debug, FromQueryResult)]
struct ContentRow {
    content: String,
}

#[derive(Debug, FromQueryResult)]
struct VersionRow {
    version: i64,
    written_by: String,
    written_at_us: i64,
    successes: i64,
    failures: i64,
}

impl TryFrom<VersionRow> for Version {
    type Error = StoreError;

    fn try_from(row: VersionRow) -> Result<Self, StoreError> {
        let VersionRow { version, written_by, written_at_us, successes, failures } = row;
        let number = |column: &'static str, value: i64| {
            u32::try_from(value).map_err(|error| corrupt(VERSIONS, column, version, error))
        };
        let by = AgentId::parse(&written_by).map_err(|error| corrupt(VERSIONS, "written_by", version, error))?;
        Ok(Self {
            number: number("version", version)?,
            written: Signed { by, at: instant(written_at_us, VERSIONS, "written_at_us", &version.to_string())? },
            tally: Tally { successes: number("successes", successes)?, failures: number("failures", failures)? },
        })
    }
}

#[derive(Debug, FromQueryResult)]
struct TermRow {
    name: String,
    term: i64,
    times: i64,
}

impl TryFrom<TermRow> for Posting {
    type Error = StoreError;

    fn try_from(TermRow { name, term, times }: TermRow) -> Result<Self, StoreError> {
        let count = u32::try_from(times).map_err(|error| corrupt(TERMS, "times", &name, error))?;
        let name = ProcedureName::parse(&name).map_err(|error| corrupt(TERMS, "name", &name, error))?;
        Ok(Self { name, term: TermHash(term.cast_unsigned()), count })
    }
}

#[derive(Debug, FromQueryResult)]
struct OutcomeRow {
    name: String,
    outcome: String,
}

impl TryFrom<OutcomeRow> for Outcome {
    type Error = StoreError;

    fn try_from(OutcomeRow { name, outcome }: OutcomeRow) -> Result<Self, StoreError> {
        serde_json::from_str(&outcome).map_err(|error| corrupt(OUTCOMES, "outcome", name, error))
    }
}

#[derive(FromQueryResult)]
struct CountRow {
    n: i64,
}

#[derive(Serialize)]
struct WrittenTerm<'a> {
    project_id: &'a str,
    term: i64,
    name: &'a str,
    times: u32,
}

fn to_text(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(failed)
}

fn named(project: &ProjectId, name: &ProcedureName) -> [Value; 2] {
    [project.as_str().into(), name.as_str().into()]
}

/// By how much a report moves a count.
fn moves(verdict: Verdict, by: i64) -> (i64, i64) {
    match verdict {
        Verdict::Success => (by, 0),
        Verdict::Failure => (0, by),
    }
}

impl SeaUnitOfWork {
    /// Stores the procedure itself; a conflict if somebody else did meanwhile.
    async fn procedure_head_save(&mut self, project: &ProjectId, procedure: &Procedure) -> Result<(), StoreError> {
        let text = self.check(to_text(procedure))?;
        let revision = i64::try_from(procedure.revision).unwrap_or(i64::MAX);
        let sql = if revision == 1 {
            "INSERT INTO procedures (project_id, name, revision, procedure) VALUES ($1, $2, $3, $4)"
        } else {
            "UPDATE procedures SET revision = $3, procedure = $4 \
             WHERE project_id = $1 AND name = $2 AND revision = $3 - 1"
        };
        let values = named(project, &procedure.name).into_iter().chain([revision.into(), text.into()]);
        let statement = self.statement(sql, values);
        let written = self.run(statement, PROCEDURES).await?;
        self.expect_rows(written, 1, PROCEDURES)
    }

    async fn procedure_tally_move(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
        version: u32,
        (successes, failures): (i64, i64),
    ) -> Result<(), StoreError> {
        let sql = "UPDATE procedure_versions SET successes = successes + $4, failures = failures + $5 \
             WHERE project_id = $1 AND name = $2 AND version = $3";
        let changes: [Value; 3] = [i64::from(version).into(), successes.into(), failures.into()];
        let statement = self.statement(sql, named(project, name).into_iter().chain(changes));
        let written = self.run(statement, VERSIONS).await?;
        self.expect_rows(written, 1, VERSIONS)
    }

    async fn procedure_terms_save(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
        postings: &[Posting],
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM procedure_terms WHERE project_id = $1 AND name = $2";
        let statement = self.statement(sql, named(project, name));
        self.run(statement, TERMS).await?;
        let (project_id, name) = (project.as_str(), name.as_str());
        let rows: Vec<WrittenTerm<'_>> = postings
            .iter()
            .map(|posting| WrittenTerm { project_id, term: posting.term.0.cast_signed(), name, times: posting.count })
            .collect();
        self.insert_rows(TERMS, &TERM_COLUMNS, "", &rows).await
    }
}

#[async_trait]
impl ProcedureRepository for SeaUnitOfWork {
    async fn procedures_lock(&mut self, project: &ProjectId) -> Result<(), StoreError> {
        self.stand_in_line(PROCEDURES, project).await
    }

    async fn procedures_all(&mut self, project: &ProjectId) -> Result<Vec<Procedure>, StoreError> {
        let sql = "SELECT name, procedure FROM procedures WHERE project_id = $1 ORDER BY name";
        let statement = self.statement(sql, [project.as_str().into()]);
        let rows: Vec<Row> = self.rows(statement, PROCEDURES).await?;
        self.read_rows(rows)
    }

    async fn procedures_count(&mut self, project: &ProjectId) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) AS n FROM procedures WHERE project_id = $1";
        let statement = self.statement(sql, [project.as_str().into()]);
        let row: Option<CountRow> = self.row(statement, PROCEDURES).await?;
        let count = u32::try_from(row.map_or(0, |row| row.n));
        self.check(count.map_err(|error| corrupt(PROCEDURES, "count", project, error)))
    }

    async fn procedure_find(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
    ) -> Result<Option<Procedure>, StoreError> {
        let sql = "SELECT name, procedure FROM procedures WHERE project_id = $1 AND name = $2";
        let statement = self.statement(sql, named(project, name));
        let rows: Vec<Row> = self.rows(statement, PROCEDURES).await?;
        Ok(self.read_rows(rows)?.pop())
    }

    async fn procedure_words(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
        version: u32,
    ) -> Result<Option<HowTo>, StoreError> {
        let sql = "SELECT content FROM procedure_versions WHERE project_id = $1 AND name = $2 AND version = $3";
        let values = named(project, name).into_iter().chain([i64::from(version).into()]);
        let statement = self.statement(sql, values);
        let row: Option<ContentRow> = self.row(statement, VERSIONS).await?;
        let read = row.map(|row| serde_json::from_str(&row.content)).transpose();
        self.check(read.map_err(|error| corrupt(VERSIONS, "content", name, error)))
    }

    async fn procedure_versions(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
    ) -> Result<Vec<Version>, StoreError> {
        let sql = "SELECT version, written_by, written_at_us, successes, failures FROM procedure_versions \
             WHERE project_id = $1 AND name = $2 ORDER BY version DESC";
        let statement = self.statement(sql, named(project, name));
        let rows: Vec<VersionRow> = self.rows(statement, VERSIONS).await?;
        self.read_rows(rows)
    }

    async fn procedure_postings(
        &mut self,
        project: &ProjectId,
        terms: &[TermHash],
    ) -> Result<Vec<Posting>, StoreError> {
        if terms.is_empty() {
            return Ok(Vec::new());
        }
        let any = self.dialect.any("$2", Kind::Int);
        let sql = format!("SELECT name, term, times FROM procedure_terms WHERE project_id = $1 AND term {any}");
        let terms: Vec<i64> = terms.iter().map(|term| term.0.cast_signed()).collect();
        let statement = self.statement(sql, [project.as_str().into(), self.dialect.ints(&terms)]);
        let rows: Vec<TermRow> = self.rows(statement, TERMS).await?;
        self.read_rows(rows)
    }

    async fn procedure_save(&mut self, project: &ProjectId, change: &ProcedureChange) -> Result<(), StoreError> {
        let ProcedureChange { procedure, version, postings } = change;
        self.procedure_head_save(project, procedure).await?;
        if let Some((version, how)) = version {
            let content = self.check(to_text(how))?;
            let sql = "INSERT INTO procedure_versions \
                 (project_id, name, version, written_by, written_at_us, successes, failures, content) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
            let more: [Value; 6] = [
                i64::from(version.number).into(),
                version.written.by.as_str().into(),
                to_us(version.written.at).into(),
                i64::from(version.tally.successes).into(),
                i64::from(version.tally.failures).into(),
                content.into(),
            ];
            let statement = self.statement(sql, named(project, &procedure.name).into_iter().chain(more));
            let written = self.run(statement, VERSIONS).await?;
            self.expect_rows(written, 1, VERSIONS)?;
        }
        match postings {
            Some(postings) => self.procedure_terms_save(project, &procedure.name, postings).await,
            None => Ok(()),
        }
    }

    async fn procedure_outcome(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
        by: &AgentId,
        about: &About,
    ) -> Result<Option<Outcome>, StoreError> {
        let sql = "SELECT name, outcome FROM procedure_outcomes \
             WHERE project_id = $1 AND name = $2 AND agent_id = $3 AND about = $4";
        let occasion: [Value; 2] = [by.as_str().into(), String::from(about.clone()).into()];
        let statement = self.statement(sql, named(project, name).into_iter().chain(occasion));
        let rows: Vec<OutcomeRow> = self.rows(statement, OUTCOMES).await?;
        Ok(self.read_rows(rows)?.pop())
    }

    async fn procedure_outcomes(
        &mut self,
        project: &ProjectId,
        name: &ProcedureName,
        rows_max: u32,
    ) -> Result<Vec<Outcome>, StoreError> {
        let sql = "SELECT name, outcome FROM procedure_outcomes WHERE project_id = $1 AND name = $2 \
             ORDER BY at_us DESC, agent_id, about LIMIT $3";
        let values = named(project, name).into_iter().chain([i64::from(rows_max).into()]);
        let statement = self.statement(sql, values);
        let rows: Vec<OutcomeRow> = self.rows(statement, OUTCOMES).await?;
        self.read_rows(rows)
    }

    async fn procedure_reported(&mut self, project: &ProjectId, reported: &Reported) -> Result<(), StoreError> {
        let Reported { procedure, outcome, instead_of } = reported;
        self.procedure_head_save(project, procedure).await?;
        if let Some(before) = instead_of {
            let less = moves(before.verdict, -1);
            self.procedure_tally_move(project, &procedure.name, before.version, less).await?;
        }
        let more = moves(outcome.verdict, 1);
        self.procedure_tally_move(project, &procedure.name, outcome.version, more).await?;
        let text = self.check(to_text(outcome))?;
        let sql = "INSERT INTO procedure_outcomes (project_id, name, agent_id, about, at_us, outcome) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (project_id, name, agent_id, about) \
             DO UPDATE SET at_us = excluded.at_us, outcome = excluded.outcome";
        let values: [Value; 4] = [
            outcome.by.as_str().into(),
            String::from(outcome.about.clone()).into(),
            to_us(outcome.at).into(),
            text.into(),
        ];
        let statement = self.statement(sql, named(project, &procedure.name).into_iter().chain(values));
        self.run(statement, OUTCOMES).await.map(drop)
    }

    async fn procedure_delete(&mut self, project: &ProjectId, name: &ProcedureName) -> Result<bool, StoreError> {
        let mut deleted = 0;
        for table in [OUTCOMES, TERMS, VERSIONS, PROCEDURES] {
            let sql = format!("DELETE FROM {table} WHERE project_id = $1 AND name = $2");
            let statement = self.statement(sql, named(project, name));
            deleted = self.run(statement, table).await?;
        }
        Ok(deleted > 0)
    }

    async fn procedure_outcomes_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let sql = self.dialect.delete_some(OUTCOMES, "at_us");
        let statement = self.statement(sql, [to_us(before).into(), i64::from(rows_max).into()]);
        self.run(statement, OUTCOMES).await
    }
}

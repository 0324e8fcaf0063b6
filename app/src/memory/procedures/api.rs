//! Procedures over HTTP.

use crate::executor::Executor;
use crate::http::cursor;
use crate::http::json_body::JsonBody;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use crate::memory::procedures::bodies::{ReportBody, RetireBody, WriteProcedureBody, procedure_name};
use crate::memory::procedures::commands::KeepProcedures;
use crate::memory::procedures::queries::ProcedureQueries;
use crate::memory::procedures::reporting::ReportOutcomes;
use crate::memory::procedures::views::{
    DeletedView, LearnedView, ProcedureDetailView, ProcedurePageView, RetiredProcedureView, WrittenResponse,
};
use crate::memory::secrets::SecretsPolicy;
use domain::memory::content::Tag as Word;
use domain::memory::procedures::finding::{ProcedureCursor, ProcedureFilter, ProcedureQuery};
use domain::work::name::TaskType;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;

/// The operations on procedures.
pub struct ProceduresApi {
    keep: KeepProcedures,
    report: ReportOutcomes,
    queries: ProcedureQueries,
}

impl ProceduresApi {
    /// Puts the use cases together.
    pub fn new(executor: Executor, secrets: SecretsPolicy) -> Self {
        let keep = KeepProcedures::new(executor.clone(), secrets);
        Self { keep, report: ReportOutcomes::new(executor.clone(), secrets), queries: ProcedureQueries::new(executor) }
    }
}

#[OpenApi(prefix_path = "/v1/procedures", tag = "crate::http::tags::Tag::Memories")]
impl ProceduresApi {
    /// Find procedures
    ///
    /// By type of task, tag and words; several must all fit. The best first: with words, those that fit best, moved a little
    /// by what was reported; without, those whose chance to go well is surely the greatest. Retired ones are never found by
    /// words.
    #[oai(path = "/", method = "get", operation_id = "list_procedures")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        Auth(call): Auth,
        /// For tasks of this type.
        #[oai(validator(min_length = 1, max_length = 64))]
        task_type: Query<Option<String>>,
        /// With this tag.
        #[oai(validator(min_length = 1, max_length = 64))]
        tag: Query<Option<String>>,
        /// About this, in words; at most 4 KiB.
        #[oai(validator(min_length = 1, max_length = 4096))]
        query: Query<Option<String>>,
        /// Retired ones as well.
        include_retired: Query<Option<bool>>,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<ProcedurePageView>, Problem> {
        let task_type = task_type.0.as_deref().map(TaskType::parse).transpose();
        let tag = tag.0.as_deref().map(Word::parse).transpose();
        let query = query.0.as_deref().map(ProcedureQuery::parse).transpose();
        let query = query.map_err(|error| Problem::invalid("query", &error))?;
        let filter = ProcedureFilter {
            task_type: task_type.map_err(|error| Problem::invalid("task_type", &error))?,
            tag: tag.map_err(|error| Problem::invalid("tag", &error))?,
            with_retired: include_retired.0.unwrap_or(false),
        };
        let after: Option<ProcedureCursor> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let size = cursor::page_size(limit.0)?;
        let page = self.queries.find(&call, &filter, query.as_ref(), after.as_ref(), size).await?;
        Ok(Json(ProcedurePageView {
            procedures: page.rows.into_iter().map(Into::into).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }

    /// Look at a procedure
    ///
    /// What a version says, all versions with how well each works, and the latest reports.
    #[oai(path = "/:name", method = "get", operation_id = "get_procedure")]
    async fn get(
        &self,
        Auth(call): Auth,
        /// The procedure.
        name: Path<String>,
        /// Which version; the latest if left out.
        #[oai(validator(minimum(value = "1")))]
        version: Query<Option<u32>>,
    ) -> Result<Json<ProcedureDetailView>, Problem> {
        Ok(Json(self.queries.get(&call, &procedure_name(&name.0)?, version.0).await?.into()))
    }

    /// Write a procedure
    ///
    /// Its first version, or the next one: what was written before is kept, and what was reported of it. What says the same
    /// as the latest version is no new one. A retired procedure is in use again.
    #[oai(path = "/:name", method = "put", operation_id = "write_procedure")]
    async fn write(
        &self,
        Auth(call): Auth,
        /// 1 to 128 letters, digits and - _ . : @.
        name: Path<String>,
        body: JsonBody<WriteProcedureBody>,
    ) -> Result<WrittenResponse, Problem> {
        let (written, masked) = self.keep.write(&call, body.0.read(&name.0)?).await?;
        Ok(WrittenResponse::new(written, masked))
    }

    /// Report how following a procedure went
    ///
    /// One report counts of each agent and task, or, without a task, of each agent and session: said again, the last word
    /// counts.
    #[oai(path = "/:name/outcomes", method = "post", operation_id = "report_procedure_outcome")]
    async fn report(
        &self,
        Auth(call): Auth,
        /// The procedure.
        name: Path<String>,
        body: JsonBody<ReportBody>,
    ) -> Result<Json<LearnedView>, Problem> {
        let (learned, masked) = self.report.report(&call, body.0.read(&name.0)?).await?;
        Ok(Json(LearnedView::new(learned, masked)))
    }

    /// Retire a procedure
    ///
    /// It is kept, marked, and not found any more unless asked for. For whoever wrote its first version, and orchestrators.
    #[oai(path = "/:name/retire", method = "post", operation_id = "retire_procedure")]
    async fn retire(
        &self,
        Auth(call): Auth,
        /// The procedure.
        name: Path<String>,
        body: JsonBody<RetireBody>,
    ) -> Result<Json<RetiredProcedureView>, Problem> {
        let name = procedure_name(&name.0)?;
        let (version, masked) = self.keep.retire(&call, name.clone(), body.0.read()?).await?;
        let masked = masked.into_iter().map(Into::into).collect();
        Ok(Json(RetiredProcedureView { name: name.into(), version, masked }))
    }

    /// Delete a procedure
    ///
    /// With all its versions and reports, for good. For whoever wrote its first version, and orchestrators.
    #[oai(path = "/:name", method = "delete", operation_id = "delete_procedure")]
    async fn delete(
        &self,
        Auth(call): Auth,
        /// The procedure.
        name: Path<String>,
    ) -> Result<Json<DeletedView>, Problem> {
        let name = procedure_name(&name.0)?;
        self.keep.delete(&call, name.clone()).await?;
        Ok(Json(DeletedView { name: name.into() }))
    }
}

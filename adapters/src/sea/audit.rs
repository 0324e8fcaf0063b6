use crate::sea::clock::{instant, to_us};
use crate::sea::dialect::batch::{Batch, Cell};
use crate::sea::dialect::{Column as BatchColumn, Kind};
use crate::sea::error::corrupt;
use crate::sea::unit::SeaUnitOfWork;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::audit::{Change, Cursor, Entry, Filter};
use domain::ids::{AgentId, AuditEntryId, KeyId, ProjectId, SessionId};
use domain::page::{Page, PageSize};
use ports::audit::AuditLog;
use ports::store::StoreError;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

const TABLE: &str = "audit_entries";
const RETENTION: &str = "audit_retention";

const COLUMNS: [BatchColumn; 15] = [
    ("project_id", Kind::Text),
    ("at_us", Kind::Int),
    ("id", Kind::Uuid),
    ("agent_id", Kind::Text),
    ("session_id", Kind::Text),
    ("key_id", Kind::Text),
    ("operation", Kind::Text),
    ("target", Kind::Text),
    ("before", Kind::Text),
    ("after", Kind::Text),
    ("outcome", Kind::Text),
    ("repeats", Kind::Int),
    ("request_id", Kind::Text),
    ("trace_id", Kind::Text),
    ("duration_us", Kind::Int),
];

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_entries")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) project_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) at_us: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) id: Uuid,
        pub(super) agent_id: String,
        pub(super) session_id: Option<String>,
        pub(super) key_id: String,
        pub(super) operation: String,
        pub(super) target: String,
        pub(super) before: Option<String>,
        pub(super) after: Option<String>,
        pub(super) outcome: String,
        pub(super) repeats: i64,
        pub(super) request_id: String,
        pub(super) trace_id: Option<String>,
        pub(super) duration_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl TryFrom<row::Model> for Entry {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            project_id,
            at_us,
            id,
            agent_id,
            session_id,
            key_id,
            operation,
            target,
            before,
            after,
            outcome,
            repeats,
            request_id,
            trace_id,
            duration_us,
        } = row;
        let id = AuditEntryId::new(id);
        let name = format!("{project_id}/{id}");
        let session = session_id.map(|id| SessionId::parse(&id)).transpose();
        let state = |column, text: Option<String>| {
            let state = text.map(|text| serde_json::from_str(&text)).transpose();
            state.map_err(|error| corrupt(TABLE, column, &name, error))
        };
        Ok(Self {
            id,
            project: ProjectId::parse(&project_id).map_err(|error| corrupt(TABLE, "project_id", &name, error))?,
            at: instant(at_us, TABLE, "at_us", &name)?,
            agent: AgentId::parse(&agent_id).map_err(|error| corrupt(TABLE, "agent_id", &name, error))?,
            session: session.map_err(|error| corrupt(TABLE, "session_id", &name, error))?,
            key: KeyId::parse(&key_id).map_err(|error| corrupt(TABLE, "key_id", &name, error))?,
            change: Change { operation, target, before: state("before", before)?, after: state("after", after)? },
            outcome,
            repeats: u32::try_from(repeats).map_err(|error| corrupt(TABLE, "repeats", &name, error))?,
            request_id,
            trace_id,
            duration_us,
        })
    }
}

/// An entry in the order of [`COLUMNS`].
fn cells(entry: &Entry) -> [Cell<'_>; COLUMNS.len()] {
    let Entry {
        id,
        project,
        at,
        agent,
        session,
        key,
        change: Change { operation, target, before, after },
        outcome,
        repeats,
        request_id,
        trace_id,
        duration_us,
    } = entry;
    [
        project.as_str().into(),
        to_us(*at).into(),
        id.uuid().into(),
        agent.as_str().into(),
        session.as_ref().map(SessionId::as_str).into(),
        key.as_str().into(),
        operation.as_str().into(),
        target.as_str().into(),
        before.as_ref().map(ToString::to_string).into(),
        after.as_ref().map(ToString::to_string).into(),
        outcome.as_str().into(),
        (*repeats).into(),
        request_id.as_str().into(),
        trace_id.as_deref().into(),
        (*duration_us).into(),
    ]
}

#[async_trait]
impl AuditLog for SeaUnitOfWork {
    async fn audit_append(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        self.append(TABLE, Batch::new(&COLUMNS, entries.iter().map(cells))).await
    }

    async fn audit_list(
        &mut self,
        project: &ProjectId,
        filter: &Filter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<Page<Entry, Cursor>, StoreError> {
        use row::Column;
        let Filter { agent, operation, target, outcome, since, until } = filter;
        let equals = |column: Column, text: Option<&str>| text.map(|text| column.eq(text));
        let older = after.map(|Cursor { at, id }| {
            Expr::tuple([Expr::col(Column::AtUs), Expr::col(Column::Id)])
                .lt(Expr::tuple([Expr::val(to_us(at)), Expr::val(id.uuid())]))
        });
        let conditions = [
            equals(Column::AgentId, agent.as_ref().map(AgentId::as_str)),
            equals(Column::Operation, operation.as_deref()),
            equals(Column::Target, target.as_deref()),
            equals(Column::Outcome, outcome.as_deref()),
            since.map(|since| Column::AtUs.gte(to_us(since))),
            until.map(|until| Column::AtUs.lt(to_us(until))),
            older,
        ];
        let select = conditions
            .into_iter()
            .flatten()
            .fold(row::Entity::find().filter(Column::ProjectId.eq(project.as_str())), QueryFilter::filter)
            .order_by_desc(Column::AtUs)
            .order_by_desc(Column::Id)
            .limit(u64::from(size.rows()) + 1);
        let entries = self.find_all(select, TABLE).await?;
        Ok(Page::cut(entries, size, |entry: &Entry| Cursor { at: entry.at, id: entry.id }))
    }

    async fn audit_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        // The database lets lines go that are older than this, which it lets no one move back or too far forward.
        let cut =
            self.statement("UPDATE audit_retention SET before_us = $1 WHERE before_us < $1", [to_us(before).into()]);
        self.run(cut, RETENTION).await?;
        let sql = self.dialect.delete_oldest(TABLE, "at_us, id");
        let statement = self.statement(sql, [to_us(before).into(), i64::from(rows_max).into()]);
        self.run(statement, TABLE).await
    }
}

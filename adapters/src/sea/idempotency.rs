use crate::sea::clock::{instant, to_us};
use crate::sea::error::corrupt;
use crate::sea::unit::SeaUnitOfWork;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::idempotency::{IdempotencyKey, Record, RequestName};
use domain::ids::{AgentId, ProjectId};
use ports::idempotency::IdempotencyRepository;
use ports::store::StoreError;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ActiveValue, EntityTrait};

const TABLE: &str = "idempotency_records";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "idempotency_records")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) project_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) agent_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) key: String,
        pub(super) fingerprint: Vec<u8>,
        #[sea_orm(column_type = "JsonBinary")]
        pub(super) answer: Json,
        pub(super) created_at_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A fingerprint that has not 32 bytes.
#[derive(Debug, thiserror::Error)]
#[error("it has {0} bytes, not 32")]
struct WrongLength(usize);

impl TryFrom<row::Model> for Record {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model { project_id, agent_id, key, fingerprint, answer, created_at_us } = row;
        let name = format!("{project_id}/{agent_id}/{key}");
        Ok(Self {
            name: RequestName {
                project: ProjectId::parse(&project_id).map_err(|error| corrupt(TABLE, "project_id", &name, error))?,
                agent: AgentId::parse(&agent_id).map_err(|error| corrupt(TABLE, "agent_id", &name, error))?,
                key: IdempotencyKey::parse(&key).map_err(|error| corrupt(TABLE, "key", &name, error))?,
            },
            fingerprint: fingerprint
                .try_into()
                .map_err(|bytes: Vec<u8>| corrupt(TABLE, "fingerprint", &name, WrongLength(bytes.len())))?,
            answer,
            created_at: instant(created_at_us, TABLE, "created_at_us", &name)?,
        })
    }
}

impl From<&Record> for row::ActiveModel {
    fn from(record: &Record) -> Self {
        let Record { name: RequestName { project, agent, key }, fingerprint, answer, created_at } = record;
        Self {
            project_id: ActiveValue::Set(project.as_str().to_owned()),
            agent_id: ActiveValue::Set(agent.as_str().to_owned()),
            key: ActiveValue::Set(key.as_str().to_owned()),
            fingerprint: ActiveValue::Set(fingerprint.to_vec()),
            answer: ActiveValue::Set(answer.clone()),
            created_at_us: ActiveValue::Set(to_us(*created_at)),
        }
    }
}

#[async_trait]
impl IdempotencyRepository for SeaUnitOfWork {
    async fn idempotency_find(&mut self, name: &RequestName) -> Result<Option<Record>, StoreError> {
        let RequestName { project, agent, key } = name;
        let id = (project.as_str().to_owned(), agent.as_str().to_owned(), key.as_str().to_owned());
        let mut found = self.find_all(row::Entity::find_by_id(id), TABLE).await?;
        Ok(found.pop())
    }

    async fn idempotency_add(&mut self, record: &Record, forgotten_before: DateTime<Utc>) -> Result<(), StoreError> {
        use row::Column::{AgentId, Answer, CreatedAtUs, Fingerprint, Key, ProjectId};
        let replace = OnConflict::columns([ProjectId, AgentId, Key])
            .update_columns([Fingerprint, Answer, CreatedAtUs])
            .action_and_where(Expr::col((row::Entity, CreatedAtUs)).lt(to_us(forgotten_before)))
            .to_owned();
        let insert = row::Entity::insert(row::ActiveModel::from(record)).on_conflict(replace);
        let written = self.run_query(&insert, TABLE).await?;
        self.expect_rows(written, 1, TABLE)
    }

    async fn idempotency_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let sql = self.dialect.delete_some(TABLE, "created_at_us < $1");
        let statement = self.statement(sql, [to_us(before).into(), i64::from(rows_max).into()]);
        self.run(statement, TABLE).await
    }
}

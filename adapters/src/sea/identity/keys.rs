use crate::sea::clock::{instant, instant_maybe, to_us};
use crate::sea::dialect::{Column as BatchColumn, Kind};
use crate::sea::error::{UnknownValue, corrupt};
use crate::sea::unit::SeaUnitOfWork;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::identity::key::{ApiKey, SecretHash};
use domain::identity::principal::{Role, Scope};
use domain::ids::{AgentId, AgentType, KeyId, ProjectId};
use domain::page::{Page, PageSize};
use ports::identity::KeyRepository;
use ports::store::StoreError;
use sea_orm::{ActiveValue, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::json;
use std::collections::BTreeMap;

const TABLE: &str = "api_keys";

/// What stands for the project of a key that is good in all of them. No project can have this name.
const ALL_PROJECTS: &str = "*";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "api_keys")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) project_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) id: String,
        pub(super) agent_id: Option<String>,
        pub(super) agent_type: String,
        pub(super) role: String,
        pub(super) secret_hash: Vec<u8>,
        pub(super) created_at_us: i64,
        pub(super) expires_at_us: Option<i64>,
        pub(super) last_used_at_us: Option<i64>,
        pub(super) rotated_at_us: Option<i64>,
        pub(super) revoked_at_us: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A hash that has not 32 bytes. What it is is nobody's business.
#[derive(Debug, thiserror::Error)]
#[error("it has {0} bytes, not 32")]
struct WrongLength(usize);

impl TryFrom<row::Model> for ApiKey {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            project_id,
            id,
            agent_id,
            agent_type,
            role,
            secret_hash,
            created_at_us,
            expires_at_us,
            last_used_at_us,
            rotated_at_us,
            revoked_at_us,
        } = row;
        let scope = match project_id.as_str() {
            ALL_PROJECTS => Scope::AllProjects,
            project => {
                Scope::Project(ProjectId::parse(project).map_err(|error| corrupt(TABLE, "project_id", &id, error))?)
            }
        };
        let agent = agent_id.map(|agent| AgentId::parse(&agent)).transpose();
        let hash = secret_hash.try_into().map_err(|bytes: Vec<u8>| WrongLength(bytes.len()));
        Ok(Self {
            scope,
            agent: agent.map_err(|error| corrupt(TABLE, "agent_id", &id, error))?,
            agent_type: AgentType::parse(&agent_type).map_err(|error| corrupt(TABLE, "agent_type", &id, error))?,
            role: Role::parse(&role).ok_or_else(|| corrupt(TABLE, "role", &id, UnknownValue(role)))?,
            secret_hash: SecretHash(hash.map_err(|error| corrupt(TABLE, "secret_hash", &id, error))?),
            created_at: instant(created_at_us, TABLE, "created_at_us", &id)?,
            expires_at: instant_maybe(expires_at_us, TABLE, "expires_at_us", &id)?,
            last_used_at: instant_maybe(last_used_at_us, TABLE, "last_used_at_us", &id)?,
            rotated_at: instant_maybe(rotated_at_us, TABLE, "rotated_at_us", &id)?,
            revoked_at: instant_maybe(revoked_at_us, TABLE, "revoked_at_us", &id)?,
            id: KeyId::parse(&id).map_err(|error| corrupt(TABLE, "id", &id, error))?,
        })
    }
}

impl From<&ApiKey> for row::ActiveModel {
    fn from(key: &ApiKey) -> Self {
        let ApiKey {
            id,
            scope,
            agent,
            agent_type,
            role,
            secret_hash: SecretHash(secret_hash),
            created_at,
            expires_at,
            last_used_at,
            rotated_at,
            revoked_at,
        } = key;
        let project_id = match scope {
            Scope::Project(project) => project.as_str(),
            Scope::AllProjects => ALL_PROJECTS,
        };
        Self {
            project_id: ActiveValue::Set(project_id.to_owned()),
            id: ActiveValue::Set(id.as_str().to_owned()),
            agent_id: ActiveValue::Set(agent.as_ref().map(|agent| agent.as_str().to_owned())),
            agent_type: ActiveValue::Set(agent_type.as_str().to_owned()),
            role: ActiveValue::Set(role.as_str().to_owned()),
            secret_hash: ActiveValue::Set(secret_hash.to_vec()),
            created_at_us: ActiveValue::Set(to_us(*created_at)),
            expires_at_us: ActiveValue::Set(expires_at.map(to_us)),
            last_used_at_us: ActiveValue::Set(last_used_at.map(to_us)),
            rotated_at_us: ActiveValue::Set(rotated_at.map(to_us)),
            revoked_at_us: ActiveValue::Set(revoked_at.map(to_us)),
        }
    }
}

const USED_COLUMNS: [BatchColumn; 2] = [("id", Kind::Text), ("at_us", Kind::Int)];

#[async_trait]
impl KeyRepository for SeaUnitOfWork {
    async fn key_find(&mut self, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
        self.find_one(row::Entity::find().filter(row::Column::Id.eq(id.as_str())), TABLE).await
    }

    async fn key_list(
        &mut self,
        project: Option<&ProjectId>,
        after: Option<&KeyId>,
        size: PageSize,
    ) -> Result<Page<ApiKey, KeyId>, StoreError> {
        let mut select = row::Entity::find();
        if let Some(project) = project {
            select = select.filter(row::Column::ProjectId.eq(project.as_str()));
        }
        if let Some(after) = after {
            select = select.filter(row::Column::Id.gt(after.as_str()));
        }
        let select = select.order_by_asc(row::Column::Id).limit(u64::from(size.rows()) + 1);
        let keys = self.find_all(select, TABLE).await?;
        Ok(Page::cut(keys, size, |key: &ApiKey| key.id.clone()))
    }

    async fn key_any_good(&mut self, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let lasts =
            Condition::any().add(row::Column::ExpiresAtUs.is_null()).add(row::Column::ExpiresAtUs.gt(to_us(now)));
        let select = row::Entity::find().filter(row::Column::RevokedAtUs.is_null()).filter(lasts).limit(1);
        let found: Vec<ApiKey> = self.find_all(select, TABLE).await?;
        Ok(!found.is_empty())
    }

    async fn key_add(&mut self, key: &ApiKey) -> Result<(), StoreError> {
        let insert = row::Entity::insert(row::ActiveModel::from(key));
        self.run_query(&insert, TABLE).await.map(|_| ())
    }

    async fn key_save(&mut self, key: &ApiKey) -> Result<(), StoreError> {
        let update = row::Entity::update_many()
            .col_expr(row::Column::SecretHash, key.secret_hash.0.to_vec().into())
            .col_expr(row::Column::RotatedAtUs, key.rotated_at.map(to_us).into())
            .col_expr(row::Column::RevokedAtUs, key.revoked_at.map(to_us).into())
            .filter(row::Column::Id.eq(key.id.as_str()));
        let written = self.run_query(&update, TABLE).await?;
        self.expect_rows(written, 1, TABLE)
    }

    async fn key_note_used(&mut self, used: &[(KeyId, DateTime<Utc>)]) -> Result<(), StoreError> {
        let mut latest: BTreeMap<&str, i64> = BTreeMap::new();
        for (id, at) in used {
            let at_us = latest.entry(id.as_str()).or_insert(i64::MIN);
            *at_us = to_us(*at).max(*at_us);
        }
        if latest.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = latest.iter().map(|(id, at_us)| json!({ "id": id, "at_us": at_us })).collect();
        let sql = format!(
            "UPDATE api_keys SET last_used_at_us = r.at_us FROM {} \
             WHERE api_keys.id = r.id AND (last_used_at_us IS NULL OR last_used_at_us < r.at_us)",
            self.dialect.records("$1", &USED_COLUMNS)
        );
        let statement = self.statement(sql, [json!(rows).to_string().into()]);
        self.run(statement, TABLE).await.map(|_| ())
    }
}

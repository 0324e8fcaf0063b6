use crate::sea::clock::{instant, instant_maybe, to_us};
use crate::sea::dialect::Kind;
use crate::sea::error::corrupt;
use crate::sea::unit::SeaUnitOfWork;
use async_trait::async_trait;
use domain::agents::Session;
use domain::ids::{AgentId, ProjectId, SessionId};
use ports::agents::SessionRepository;
use ports::store::StoreError;
use sea_orm::{ActiveValue, ColumnTrait, EntityTrait, QueryFilter};

const TABLE: &str = "sessions";
const FIELDS: &str = "project_id, id, agent_id, is_default, started_at_us, ended_at_us";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sessions")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) project_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) id: String,
        pub(super) agent_id: String,
        pub(super) is_default: bool,
        pub(super) started_at_us: i64,
        pub(super) ended_at_us: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl TryFrom<row::Model> for Session {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model { project_id, id, agent_id, is_default, started_at_us, ended_at_us } = row;
        let name = format!("{project_id}/{id}");
        Ok(Self {
            project: ProjectId::parse(&project_id).map_err(|error| corrupt(TABLE, "project_id", &name, error))?,
            id: SessionId::parse(&id).map_err(|error| corrupt(TABLE, "id", &name, error))?,
            agent: AgentId::parse(&agent_id).map_err(|error| corrupt(TABLE, "agent_id", &name, error))?,
            is_default,
            started_at: instant(started_at_us, TABLE, "started_at_us", &name)?,
            ended_at: instant_maybe(ended_at_us, TABLE, "ended_at_us", &name)?,
        })
    }
}

impl From<&Session> for row::ActiveModel {
    fn from(session: &Session) -> Self {
        let Session { project, id, agent, is_default, started_at, ended_at } = session;
        Self {
            project_id: ActiveValue::Set(project.as_str().to_owned()),
            id: ActiveValue::Set(id.as_str().to_owned()),
            agent_id: ActiveValue::Set(agent.as_str().to_owned()),
            is_default: ActiveValue::Set(*is_default),
            started_at_us: ActiveValue::Set(to_us(*started_at)),
            ended_at_us: ActiveValue::Set(ended_at.map(to_us)),
        }
    }
}

#[async_trait]
impl SessionRepository for SeaUnitOfWork {
    async fn sessions_load(
        &mut self,
        project: &ProjectId,
        ids: &[SessionId],
        default_of: &[AgentId],
    ) -> Result<Vec<Session>, StoreError> {
        let any = |argument| self.dialect.any(argument, Kind::Text);
        let sql = format!(
            "SELECT {FIELDS} FROM {TABLE} WHERE project_id = $1 AND (id {} \
             OR (is_default AND ended_at_us IS NULL AND agent_id {})) ORDER BY id",
            any("$2"),
            any("$3")
        );
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let agents: Vec<String> = default_of.iter().map(ToString::to_string).collect();
        let values = [project.as_str().into(), self.dialect.texts(&ids), self.dialect.texts(&agents)];
        let statement = self.statement(sql, values);
        let rows: Vec<row::Model> = self.rows(statement, TABLE).await?;
        self.read_rows(rows)
    }

    async fn sessions_add(&mut self, sessions: &[Session]) -> Result<(), StoreError> {
        if sessions.is_empty() {
            return Ok(());
        }
        let insert = row::Entity::insert_many(sessions.iter().map(row::ActiveModel::from));
        self.run_query(&insert, TABLE).await.map(|_| ())
    }

    async fn session_end(&mut self, session: &Session) -> Result<(), StoreError> {
        let update = row::Entity::update_many()
            .col_expr(row::Column::EndedAtUs, session.ended_at.map(to_us).into())
            .filter(row::Column::ProjectId.eq(session.project.as_str()))
            .filter(row::Column::Id.eq(session.id.as_str()))
            .filter(row::Column::EndedAtUs.is_null());
        let written = self.run_query(&update, TABLE).await?;
        self.expect_rows(written, 1, TABLE)
    }
}

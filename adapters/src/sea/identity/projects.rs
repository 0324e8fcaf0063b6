use crate::sea::clock::{instant, instant_maybe, to_us};
use crate::sea::error::corrupt;
use crate::sea::unit::SeaUnitOfWork;
use async_trait::async_trait;
use domain::identity::project::Project;
use domain::ids::ProjectId;
use domain::page::{Page, PageSize};
use ports::identity::ProjectRepository;
use ports::locks::LockRepository;
use ports::store::StoreError;
use sea_orm::{ActiveValue, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

const TABLE: &str = "projects";

mod row {
    use sea_orm::entity::prelude::*;
    use serde::Deserialize;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
    #[sea_orm(table_name = "projects")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) project_id: String,
        pub(super) created_at_us: i64,
        pub(super) archived_at_us: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl TryFrom<row::Model> for Project {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model { project_id, created_at_us, archived_at_us } = row;
        Ok(Self {
            id: ProjectId::parse(&project_id).map_err(|error| corrupt(TABLE, "project_id", &project_id, error))?,
            created_at: instant(created_at_us, TABLE, "created_at_us", &project_id)?,
            archived_at: instant_maybe(archived_at_us, TABLE, "archived_at_us", &project_id)?,
        })
    }
}

impl From<&Project> for row::ActiveModel {
    fn from(project: &Project) -> Self {
        let Project { id, created_at, archived_at } = project;
        Self {
            project_id: ActiveValue::Set(id.as_str().to_owned()),
            created_at_us: ActiveValue::Set(to_us(*created_at)),
            archived_at_us: ActiveValue::Set(archived_at.map(to_us)),
        }
    }
}

#[async_trait]
impl ProjectRepository for SeaUnitOfWork {
    async fn project_find(&mut self, id: &ProjectId) -> Result<Option<Project>, StoreError> {
        let mut found = self.find_all_ahead(row::Entity::find_by_id(id.as_str()), TABLE).await?;
        Ok(found.pop())
    }

    async fn project_list(
        &mut self,
        after: Option<&ProjectId>,
        size: PageSize,
    ) -> Result<Page<Project, ProjectId>, StoreError> {
        let mut select = row::Entity::find();
        if let Some(after) = after {
            select = select.filter(row::Column::ProjectId.gt(after.as_str()));
        }
        let select = select.order_by_asc(row::Column::ProjectId).limit(u64::from(size.rows()) + 1);
        let projects = self.find_all(select, TABLE).await?;
        Ok(Page::cut(projects, size, |project: &Project| project.id.clone()))
    }

    async fn project_add(&mut self, project: &Project) -> Result<(), StoreError> {
        let insert = row::Entity::insert(row::ActiveModel::from(project));
        self.run_query(&insert, TABLE).await?;
        // Held on to, so that no epoch is raised past the counter of a table that cannot be seen yet.
        let floor = self.epoch_row(self.dialect.for_share()).await?.token_floor;
        let statement = self.statement(
            "INSERT INTO lock_tables (project_id, last_token) VALUES ($1, $2)",
            [project.id.as_str().into(), floor.into()],
        );
        self.run(statement, "lock_tables").await.map(|_| ())
    }

    async fn project_archive(&mut self, project: &Project) -> Result<(), StoreError> {
        let update = row::Entity::update_many()
            .col_expr(row::Column::ArchivedAtUs, project.archived_at.map(to_us).into())
            .filter(row::Column::ProjectId.eq(project.id.as_str()))
            .filter(row::Column::ArchivedAtUs.is_null());
        let written = self.run_query(&update, TABLE).await?;
        self.expect_rows(written, 1, TABLE)?;
        // Whoever decides under the project's lock table has read that it is not archived.
        self.lock_table_lock(&project.id).await.map(|_| ())
    }
}

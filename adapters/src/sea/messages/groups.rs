//! Groups.

use super::MEMBERS;
use crate::sea::clock::{instant, to_us};
use crate::sea::dialect::Kind;
use crate::sea::error::corrupt;
use crate::sea::unit::SeaUnitOfWork;
use async_trait::async_trait;
use domain::ids::{AgentId, ProjectId};
use domain::messages::audience::GroupName;
use domain::messages::group::{Group, Member};
use domain::messages::message::Number;
use domain::page::{Page, PageSize};
use ports::messages::GroupRepository;
use ports::store::StoreError;
use sea_orm::{FromQueryResult, Value};
use std::collections::BTreeMap;

#[derive(FromQueryResult)]
struct MemberRow {
    group_name: String,
    agent_id: String,
    after_number: i64,
    joined_at_us: i64,
    added_by: String,
}

impl TryFrom<MemberRow> for Member {
    type Error = StoreError;

    fn try_from(row: MemberRow) -> Result<Self, StoreError> {
        let MemberRow { group_name, agent_id, after_number, joined_at_us, added_by } = row;
        let name = format!("{group_name}/{agent_id}");
        Ok(Self {
            group: GroupName::parse(&group_name).map_err(|error| corrupt(MEMBERS, "group_name", &name, error))?,
            agent: AgentId::parse(&agent_id).map_err(|error| corrupt(MEMBERS, "agent_id", &name, error))?,
            after: Number::new(after_number),
            joined_at: instant(joined_at_us, MEMBERS, "joined_at_us", &name)?,
            added_by: AgentId::parse(&added_by).map_err(|error| corrupt(MEMBERS, "added_by", &name, error))?,
        })
    }
}

#[derive(FromQueryResult)]
struct GroupRow {
    group_name: String,
    n: i64,
}

impl TryFrom<GroupRow> for Group {
    type Error = StoreError;

    fn try_from(row: GroupRow) -> Result<Self, StoreError> {
        let GroupRow { group_name, n } = row;
        let name = GroupName::parse(&group_name).map_err(|error| corrupt(MEMBERS, "group_name", &group_name, error))?;
        Ok(Self { name, members: u32::try_from(n).unwrap_or(u32::MAX) })
    }
}

#[derive(FromQueryResult)]
struct CountRow {
    n: i64,
}

impl SeaUnitOfWork {
    async fn members(
        &mut self,
        condition: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Member>, StoreError> {
        let sql = format!(
            "SELECT group_name, agent_id, after_number, joined_at_us, added_by FROM group_members WHERE {condition}"
        );
        let statement = self.statement(sql, values);
        let rows: Vec<MemberRow> = self.rows(statement, MEMBERS).await?;
        self.read_rows(rows)
    }

    async fn count_members(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) -> Result<u32, StoreError> {
        let statement = self.statement(sql, values);
        let row: Option<CountRow> = self.row(statement, MEMBERS).await?;
        Ok(u32::try_from(row.map_or(0, |row| row.n)).unwrap_or(u32::MAX))
    }
}

#[async_trait]
impl GroupRepository for SeaUnitOfWork {
    async fn member_find(
        &mut self,
        project: &ProjectId,
        group: &GroupName,
        agent: &AgentId,
    ) -> Result<Option<Member>, StoreError> {
        let values = [project.as_str().into(), group.as_str().into(), agent.as_str().into()];
        let mut found = self.members("project_id = $1 AND group_name = $2 AND agent_id = $3", values).await?;
        Ok(found.pop())
    }

    async fn member_count(&mut self, project: &ProjectId, group: &GroupName) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) AS n FROM group_members WHERE project_id = $1 AND group_name = $2";
        self.count_members(sql, [project.as_str().into(), group.as_str().into()]).await
    }

    async fn group_count(&mut self, project: &ProjectId) -> Result<u32, StoreError> {
        let sql = "SELECT count(DISTINCT group_name) AS n FROM group_members WHERE project_id = $1";
        self.count_members(sql, [project.as_str().into()]).await
    }

    async fn group_list(
        &mut self,
        project: &ProjectId,
        after: Option<&GroupName>,
        size: PageSize,
    ) -> Result<Page<Group, GroupName>, StoreError> {
        let sql = "SELECT group_name, count(*) AS n FROM group_members WHERE project_id = $1 AND group_name > $2 \
             GROUP BY group_name ORDER BY group_name LIMIT $3";
        let after = after.map_or("", GroupName::as_str);
        let values = [project.as_str().into(), after.into(), (i64::from(size.rows()) + 1).into()];
        let statement = self.statement(sql, values);
        let rows: Vec<GroupRow> = self.rows(statement, MEMBERS).await?;
        let groups = self.read_rows(rows)?;
        Ok(Page::cut(groups, size, |group: &Group| group.name.clone()))
    }

    async fn member_list(
        &mut self,
        project: &ProjectId,
        group: &GroupName,
        after: Option<&AgentId>,
        size: PageSize,
    ) -> Result<Page<Member, AgentId>, StoreError> {
        let condition = "project_id = $1 AND group_name = $2 AND agent_id > $3 ORDER BY agent_id LIMIT $4";
        let values = [
            project.as_str().into(),
            group.as_str().into(),
            after.map_or("", AgentId::as_str).into(),
            (i64::from(size.rows()) + 1).into(),
        ];
        let members = self.members(condition, values).await?;
        Ok(Page::cut(members, size, |member: &Member| member.agent.clone()))
    }

    async fn groups_of(
        &mut self,
        project: &ProjectId,
        agents: &[AgentId],
    ) -> Result<BTreeMap<AgentId, BTreeMap<GroupName, Number>>, StoreError> {
        let names: Vec<String> = agents.iter().map(|agent| agent.as_str().to_owned()).collect();
        let condition = format!("project_id = $1 AND agent_id {}", self.dialect.any("$2", Kind::Text));
        let members = self.members(&condition, [project.as_str().into(), self.dialect.texts(&names)]).await?;
        let mut groups: BTreeMap<AgentId, BTreeMap<GroupName, Number>> = BTreeMap::new();
        for Member { group, agent, after, .. } in members {
            groups.entry(agent).or_default().insert(group, after);
        }
        Ok(groups)
    }

    async fn member_add(&mut self, project: &ProjectId, member: &Member) -> Result<(), StoreError> {
        let sql = "INSERT INTO group_members (project_id, group_name, agent_id, after_number, joined_at_us, added_by) \
             VALUES ($1, $2, $3, $4, $5, $6)";
        let values = [
            project.as_str().into(),
            member.group.as_str().into(),
            member.agent.as_str().into(),
            member.after.value().into(),
            to_us(member.joined_at).into(),
            member.added_by.as_str().into(),
        ];
        let statement = self.statement(sql, values);
        self.run(statement, MEMBERS).await.map(|_| ())
    }

    async fn member_remove(
        &mut self,
        project: &ProjectId,
        group: &GroupName,
        agent: &AgentId,
    ) -> Result<bool, StoreError> {
        let sql = "DELETE FROM group_members WHERE project_id = $1 AND group_name = $2 AND agent_id = $3";
        let values = [project.as_str().into(), group.as_str().into(), agent.as_str().into()];
        let statement = self.statement(sql, values);
        Ok(self.run(statement, MEMBERS).await? > 0)
    }
}

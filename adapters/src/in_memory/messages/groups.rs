//! Groups.

use crate::in_memory::{InMemoryUnitOfWork, conflict, rows};
use async_trait::async_trait;
use domain::ids::{AgentId, ProjectId};
use domain::messages::audience::GroupName;
use domain::messages::group::{Group, Member};
use domain::messages::message::Number;
use domain::page::{Page, PageSize};
use ports::messages::GroupRepository;
use ports::store::StoreError;
use std::collections::BTreeMap;
use std::sync::Arc;

impl InMemoryUnitOfWork {
    fn members(&self, project: &ProjectId) -> impl Iterator<Item = &Member> {
        self.read().mail(project).into_iter().flat_map(|mail| mail.members.values())
    }

    fn groups(&self, project: &ProjectId) -> BTreeMap<&GroupName, u32> {
        let mut groups = BTreeMap::new();
        for member in self.members(project) {
            *groups.entry(&member.group).or_default() += 1;
        }
        groups
    }
}

#[async_trait]
impl GroupRepository for InMemoryUnitOfWork {
    async fn member_find(
        &mut self,
        project: &ProjectId,
        group: &GroupName,
        agent: &AgentId,
    ) -> Result<Option<Member>, StoreError> {
        let key = (group.clone(), agent.clone());
        Ok(self.read().mail(project).and_then(|mail| mail.members.get(&key)).cloned())
    }

    async fn member_count(&mut self, project: &ProjectId, group: &GroupName) -> Result<u32, StoreError> {
        Ok(self.groups(project).get(group).copied().unwrap_or(0))
    }

    async fn group_count(&mut self, project: &ProjectId) -> Result<u32, StoreError> {
        Ok(u32::try_from(self.groups(project).len()).unwrap_or(u32::MAX))
    }

    async fn group_list(
        &mut self,
        project: &ProjectId,
        after: Option<&GroupName>,
        size: PageSize,
    ) -> Result<Page<Group, GroupName>, StoreError> {
        let groups = self.groups(project).into_iter().filter(|(name, _)| after.is_none_or(|after| *name > after));
        let groups = groups.map(|(name, members)| Group { name: name.clone(), members });
        Ok(Page::cut(groups.take(rows(size.rows()) + 1).collect(), size, |group: &Group| group.name.clone()))
    }

    async fn member_list(
        &mut self,
        project: &ProjectId,
        group: &GroupName,
        after: Option<&AgentId>,
        size: PageSize,
    ) -> Result<Page<Member, AgentId>, StoreError> {
        let is_next = |member: &&Member| member.group == *group && after.is_none_or(|after| member.agent > *after);
        let members = self.members(project).filter(is_next).take(rows(size.rows()) + 1).cloned().collect();
        Ok(Page::cut(members, size, |member: &Member| member.agent.clone()))
    }

    async fn groups_of(
        &mut self,
        project: &ProjectId,
        agents: &[AgentId],
    ) -> Result<BTreeMap<AgentId, BTreeMap<GroupName, Number>>, StoreError> {
        let mut groups: BTreeMap<AgentId, BTreeMap<GroupName, Number>> = BTreeMap::new();
        for member in self.members(project).filter(|member| agents.contains(&member.agent)) {
            groups.entry(member.agent.clone()).or_default().insert(member.group.clone(), member.after);
        }
        Ok(groups)
    }

    async fn member_add(&mut self, project: &ProjectId, member: &Member) -> Result<(), StoreError> {
        let mail = Arc::make_mut(&mut self.write()?.messages).of_mut(project);
        let key = (member.group.clone(), member.agent.clone());
        if mail.members.insert(key, member.clone()).is_some() {
            return conflict("group member");
        }
        self.wrote();
        Ok(())
    }

    async fn member_remove(
        &mut self,
        project: &ProjectId,
        group: &GroupName,
        agent: &AgentId,
    ) -> Result<bool, StoreError> {
        let mail = Arc::make_mut(&mut self.write()?.messages).of_mut(project);
        let was_there = mail.members.remove(&(group.clone(), agent.clone())).is_some();
        self.wrote();
        Ok(was_there)
    }
}

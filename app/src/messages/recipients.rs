//! What the rules of messages need to know of agents, put together from their records and groups.

use domain::agents::environment::EnvironmentTag;
use domain::agents::record::AgentRecord;
use domain::ids::{AgentId, ProjectId};
use domain::messages::audience::{Audience, Recipient};
use domain::messages::listing::UnreadAsk;
use domain::page::PageSize;
use domain::work::name::Environment;
use ports::agents::AgentFilter;
use ports::store::{StoreError, UnitOfWork};
use std::collections::{BTreeMap, BTreeSet};

/// Those of these agents that have a record and are not deregistered.
pub async fn of(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    agents: &[AgentId],
) -> Result<Vec<Recipient>, StoreError> {
    let records = uow.agents_look(project, agents).await?;
    from_records(uow, project, records).await
}

/// The agent, if it has a record and is not deregistered.
pub async fn one(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    agent: &AgentId,
) -> Result<Option<Recipient>, StoreError> {
    Ok(of(uow, project, std::slice::from_ref(agent)).await?.pop())
}

/// What these agents listen to, each of them once.
pub async fn asks(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    agents: &[AgentId],
) -> Result<Vec<UnreadAsk>, StoreError> {
    let found = of(uow, project, agents).await?;
    let found: BTreeMap<AgentId, Recipient> = found.into_iter().map(|found| (found.agent.clone(), found)).collect();
    let ask = |agent: &AgentId| {
        let listenings = found.get(agent).map(Recipient::listenings).unwrap_or_default();
        UnreadAsk { agent: agent.clone(), listenings }
    };
    Ok(agents.iter().map(ask).collect())
}

/// Those who may belong to an audience, but no more of them than `most`.
pub async fn belonging(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    audience: &Audience,
    most: usize,
) -> Result<Vec<Recipient>, StoreError> {
    let registered = AgentFilter { is_registered: Some(true), ..AgentFilter::default() };
    let mut found = Vec::new();
    match audience {
        Audience::Agents(named) => {
            let named: Vec<AgentId> = named.iter().cloned().collect();
            return of(uow, project, &named).await;
        }
        Audience::Group(group) => {
            let mut after: Option<AgentId> = None;
            while found.len() < most {
                let page = uow.member_list(project, group, after.as_ref(), PageSize::LARGEST).await?;
                let members: Vec<AgentId> = page.rows.into_iter().map(|member| member.agent).collect();
                found.extend(of(uow, project, &members).await?);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            found.truncate(most);
            return Ok(found);
        }
        Audience::Environment(_) | Audience::Capability(_) | Audience::Everyone | Audience::Orchestrators => {}
    }
    let filter = match audience {
        Audience::Capability(capability) => AgentFilter { capability: Some(capability.clone()), ..registered },
        Audience::Orchestrators => {
            AgentFilter { least_role: Some(domain::identity::principal::Role::Orchestrator), ..registered }
        }
        // An environment is a kind of place or a tag: whoever is in it is found among all.
        _ => registered,
    };
    let mut after: Option<AgentId> = None;
    while found.len() < most {
        let page = uow.agent_list(project, &filter, after.as_ref(), PageSize::LARGEST).await?;
        let some = from_records(uow, project, page.rows).await?;
        found.extend(some.into_iter().filter(|recipient| audience.includes(recipient)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    found.truncate(most);
    Ok(found)
}

/// The most agents of an audience that are counted.
pub const COUNTED_MAX: usize = 10_000;

/// How many belong to an audience now, the sender apart; at most [`COUNTED_MAX`].
pub async fn size(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    audience: &Audience,
    sender: Option<&AgentId>,
) -> Result<u64, StoreError> {
    let belonging = belonging(uow, project, audience, COUNTED_MAX).await?;
    Ok(belonging.iter().filter(|recipient| Some(&recipient.agent) != sender).count() as u64)
}

async fn from_records(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    records: Vec<AgentRecord>,
) -> Result<Vec<Recipient>, StoreError> {
    let records: Vec<AgentRecord> = records.into_iter().filter(AgentRecord::is_registered).collect();
    let ids: Vec<AgentId> = records.iter().map(|record| record.id.clone()).collect();
    let mut groups = uow.groups_of(project, &ids).await?;
    let recipient = |record: AgentRecord| Recipient {
        groups: groups.remove(&record.id).unwrap_or_default(),
        environments: environments(&record),
        agent: record.id,
        role: record.role,
        owner: record.owner,
        capabilities: record.capabilities,
        registered_at: record.registered_at,
    };
    Ok(records.into_iter().map(recipient).collect())
}

fn environments(record: &AgentRecord) -> BTreeSet<Environment> {
    let names = [Some(record.environment.as_str()), record.tag.as_ref().map(EnvironmentTag::as_str)];
    names.into_iter().flatten().filter_map(|name| Environment::parse(name).ok()).collect()
}

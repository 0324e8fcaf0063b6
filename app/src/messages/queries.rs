//! Looking at messages without changing them.

use crate::call::Call;
use crate::executor::Executor;
use crate::messages::recipients;
use crate::refusal::{CallError, Refusal};
use chrono::{DateTime, Utc};
use domain::identity::principal::{Action, Role, authorize};
use domain::identity::project::ProjectRefusal;
use domain::ids::{AgentId, MessageId};
use domain::messages::audience::GroupName;
use domain::messages::content::Content;
use domain::messages::delivery::{Delivery, DeliveryStatus};
use domain::messages::group::{Group, Member};
use domain::messages::ledger::{counts, may_see};
use domain::messages::listing::{InboxEntry, MessageFilter, Unread, Viewer};
use domain::messages::message::{Message, Number};
use domain::messages::refusal::MessageRefusal;
use domain::page::{Page, PageSize};
use ports::messages::InboxAsk;
use ports::store::{StoreError, UnitOfWork};
use std::collections::BTreeMap;

/// A message with what is to be read of it.
pub type Read = (Message, Content);

/// What became of a message.
#[derive(Debug)]
pub struct Ledger {
    /// How many recipients are in which state.
    pub counts: BTreeMap<DeliveryStatus, u64>,
    /// Those that are written down, by recipient.
    pub page: Page<Delivery, AgentId>,
    /// The store's clock.
    pub now: DateTime<Utc>,
}

/// The use cases that only read.
#[derive(Clone)]
pub struct MessageQueries {
    executor: Executor,
}

impl MessageQueries {
    /// Reads through the executor's store.
    pub fn new(executor: Executor) -> Self {
        Self { executor }
    }

    /// One message that the caller may see, with what is to be read of it.
    pub async fn find(&self, call: &Call, id: MessageId) -> Result<Read, CallError> {
        let mut uow = self.enter(call).await?;
        let message = seen(uow.as_mut(), call, id).await?;
        let content = uow.message_contents_load(&call.project, &[id]).await?.remove(&id);
        content.map(|content| (message, content)).ok_or_else(|| unknown(id))
    }

    /// Lists messages: with the role `orchestrator` all of the project, else those the caller may see.
    pub async fn list(
        &self,
        call: &Call,
        filter: MessageFilter,
        after: Option<Number>,
        size: PageSize,
    ) -> Result<Page<Read, Number>, CallError> {
        let mut uow = self.enter(call).await?;
        let visible_to = match call.principal.role {
            Role::Agent => Some(viewer(uow.as_mut(), call).await?),
            Role::Orchestrator | Role::Admin => None,
        };
        let filter = MessageFilter { visible_to, ..filter };
        let page = uow.message_list(&call.project, &filter, after, size).await?;
        let ids: Vec<MessageId> = page.rows.iter().map(|message| message.id).collect();
        let mut contents = uow.message_contents_load(&call.project, &ids).await?;
        let rows = page.rows.into_iter().filter_map(|message| {
            let content = contents.remove(&message.id)?;
            Some((message, content))
        });
        Ok(Page { rows: rows.collect(), next: page.next })
    }

    /// What became of a message, for its sender and orchestrators.
    pub async fn ledger(
        &self,
        call: &Call,
        id: MessageId,
        after: Option<&AgentId>,
        size: PageSize,
    ) -> Result<Ledger, CallError> {
        let mut uow = self.enter(call).await?;
        let now = uow.now().await?;
        let message = uow.messages_load(&call.project, &[id]).await?.pop();
        let principal = &call.principal;
        let message = message.filter(|message| may_see(message, &principal.agent, principal.role));
        let message = message.ok_or_else(|| unknown(id))?;
        let written = uow.delivery_counts(&call.project, id).await?;
        let size_of = if message.is_broadcast {
            recipients::size(uow.as_mut(), &call.project, &message.audience, message.sender.agent()).await?
        } else {
            0
        };
        let page = uow.delivery_list(&call.project, id, after, size).await?;
        Ok(Ledger { counts: counts(&written, &message, size_of, now), page, now })
    }

    /// Lists what the caller has got, newest first.
    pub async fn inbox(
        &self,
        call: &Call,
        open_only: bool,
        after: Option<Number>,
        size: PageSize,
    ) -> Result<(Page<(InboxEntry, Content), Number>, DateTime<Utc>), CallError> {
        let mut uow = self.enter(call).await?;
        let now = uow.now().await?;
        let viewer = viewer(uow.as_mut(), call).await?;
        let ask = InboxAsk { agent: &viewer.agent, listenings: &viewer.listenings, open_only, now };
        let page = uow.inbox_list(&call.project, ask, after, size).await?;
        let ids: Vec<MessageId> = page.rows.iter().map(|entry| entry.message.id).collect();
        let mut contents = uow.message_contents_load(&call.project, &ids).await?;
        let rows = page.rows.into_iter().filter_map(|entry| {
            let content = contents.remove(&entry.message.id)?;
            Some((entry, content))
        });
        Ok((Page { rows: rows.collect(), next: page.next }, now))
    }

    /// How much there is to read for the caller.
    pub async fn unread(&self, call: &Call) -> Result<Unread, CallError> {
        let mut uow = self.enter(call).await?;
        let now = uow.now().await?;
        let agent = &call.principal.agent;
        let asks = recipients::asks(uow.as_mut(), &call.project, std::slice::from_ref(agent)).await?;
        let counts = uow.unread_counts(&call.project, &asks, now).await?;
        Ok(counts.get(agent).copied().unwrap_or_default())
    }

    /// Lists groups by name.
    pub async fn groups(
        &self,
        call: &Call,
        after: Option<&GroupName>,
        size: PageSize,
    ) -> Result<Page<Group, GroupName>, CallError> {
        Ok(self.enter(call).await?.group_list(&call.project, after, size).await?)
    }

    /// Lists the members of a group by name; none of one that is not there.
    pub async fn members(
        &self,
        call: &Call,
        group: &GroupName,
        after: Option<&AgentId>,
        size: PageSize,
    ) -> Result<Page<Member, AgentId>, CallError> {
        Ok(self.enter(call).await?.member_list(&call.project, group, after, size).await?)
    }

    async fn enter(&self, call: &Call) -> Result<Box<dyn UnitOfWork>, CallError> {
        authorize(&call.principal, Action::UseMessages).map_err(Refusal::Denied)?;
        let mut uow = self.executor.store().begin_read().await?;
        if uow.project_find(&call.project).await?.is_none() {
            return Err(Refusal::Project(ProjectRefusal::Unknown { id: call.project.clone() }).into());
        }
        Ok(uow)
    }
}

async fn seen(uow: &mut dyn UnitOfWork, call: &Call, id: MessageId) -> Result<Message, CallError> {
    let message = uow.messages_load(&call.project, &[id]).await?.pop().ok_or_else(|| unknown(id))?;
    if call.principal.role >= Role::Orchestrator {
        return Ok(message);
    }
    let was_delivered = !uow.deliveries_load(&call.project, &call.principal.agent, &[id]).await?.is_empty();
    let viewer = viewer(uow, call).await?;
    if viewer.sees(&message, was_delivered) { Ok(message) } else { Err(unknown(id)) }
}

async fn viewer(uow: &mut dyn UnitOfWork, call: &Call) -> Result<Viewer, StoreError> {
    let agent = call.principal.agent.clone();
    let own = recipients::one(uow, &call.project, &agent).await?;
    Ok(Viewer { agent, listenings: own.map(|own| own.listenings()).unwrap_or_default() })
}

fn unknown(message: MessageId) -> CallError {
    Refusal::Message(MessageRefusal::NotInInbox { message }).into()
}

//! Runs commands on messages the way the server does: each in a unit of work of its own, with the locks in their order.

use crate::harness::TestStore;
use crate::samples::*;
use domain::identity::principal::Role;
use domain::ids::{AgentId, MessageId, ProjectId, SessionId};
use domain::locks::lease::Holder;
use domain::messages::audience::{ACK_RECIPIENTS_MAX, Audience, GroupName, Recipient};
use domain::messages::changes::Changes;
use domain::messages::conversation::{Pace, Pair};
use domain::messages::delivery::Delivery;
use domain::messages::group::{self, Member, Mover, Standing};
use domain::messages::inbox::{self, Inbox, LOOK_ROWS_MAX, OPEN_ROWS_MAX, Receive, Received, ReturnDelay, Said};
use domain::messages::listing::{Direction, InboxEntry, MessageFilter, Unread, UnreadAsk};
use domain::messages::message::Message;
use domain::messages::refusal::MessageRefusal;
use domain::messages::send::{Draft, FreshIds, Loaded, Replied, Sent, send};
use domain::messages::sweep::{Overdue, SWEEP_ROWS_MAX, abandon, sweep};
use domain::page::PageSize;
use ports::messages::InboxAsk;
use ports::store::{Store, StoreError, UnitOfWork};
use std::collections::{BTreeMap, BTreeSet};

/// Those who are registered, without their groups.
pub(crate) type Registry = BTreeMap<AgentId, Recipient>;

/// What an agent may say about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Read,
    Acknowledge,
    Return(ReturnDelay),
}

/// A command, with everything that was picked for it.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    Send(Holder, Box<Draft>, FreshIds, Pace),
    Receive(AgentId, Receive),
    Say(AgentId, SessionId, MessageId, Word),
    Join(AgentId, GroupName),
    Leave(AgentId, GroupName),
    /// With ids for notices.
    Sweep(Vec<MessageId>),
    /// What an agent has open when it goes.
    Abandon(AgentId, Vec<MessageId>),
}

/// What a command answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Sent(Box<Result<Sent, MessageRefusal>>),
    Received(Received),
    Said(Result<Said, MessageRefusal>),
    /// There is no such message in the inbox.
    NotThere,
    Joined(Result<Option<Member>, MessageRefusal>),
    Left(Result<Member, MessageRefusal>),
    Swept(Changes),
}

/// Runs a command; with `is_cut_off`, everything but the commit, as when the server dies.
pub(crate) async fn run(
    store: &dyn Store,
    project: &ProjectId,
    registry: &Registry,
    command: &Command,
    is_cut_off: bool,
) -> Result<Answer, StoreError> {
    let mut uow = store.begin().await?;
    let unit = uow.as_mut();
    let answer = match command {
        Command::Send(sender, draft, ids, pace) => {
            let sent = run_send(unit, project, registry, sender, draft, *ids, *pace).await?;
            Answer::Sent(Box::new(sent))
        }
        Command::Receive(agent, command) => {
            Answer::Received(run_receive(unit, project, &registry[agent], command).await?)
        }
        Command::Say(agent, session, message, word) => {
            let own = recipient(unit, project, registry, agent).await?;
            run_word(unit, project, agent, own.as_ref(), session, *message, *word).await?
        }
        Command::Join(agent, name) => Answer::Joined(run_join(unit, project, agent, name).await?),
        Command::Leave(agent, name) => Answer::Left(run_leave(unit, project, agent, name).await?),
        Command::Sweep(fresh) => Answer::Swept(run_sweep(unit, project, registry, None, fresh).await?),
        Command::Abandon(agent, fresh) => Answer::Swept(run_sweep(unit, project, registry, Some(agent), fresh).await?),
    };
    if is_cut_off {
        drop(uow);
    } else {
        uow.commit().await?;
    }
    Ok(answer)
}

async fn recipient(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    registry: &Registry,
    agent: &AgentId,
) -> Result<Option<Recipient>, StoreError> {
    let Some(known) = registry.get(agent) else { return Ok(None) };
    let mut groups = uow.groups_of(project, std::slice::from_ref(agent)).await?;
    Ok(Some(Recipient { groups: groups.remove(agent).unwrap_or_default(), ..known.clone() }))
}

async fn run_send(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    registry: &Registry,
    sender: &Holder,
    draft: &Draft,
    ids: FreshIds,
    pace: Pace,
) -> Result<Result<Sent, MessageRefusal>, StoreError> {
    let head = uow.mail_head_lock(project).await?.unwrap();
    let mut replied = None;
    let mut conversation = None;
    if let Some(id) = draft.in_reply_to {
        uow.mailboxes_lock(project, std::slice::from_ref(&sender.agent)).await?;
        let delivery = uow.deliveries_load(project, &sender.agent, &[id]).await?.pop();
        replied = uow.messages_load(project, &[id]).await?.pop().map(|message| Replied { message, delivery });
        if let Some(other) = replied.as_ref().and_then(|replied| replied.message.sender.agent()) {
            let pair = Pair::of(sender.agent.clone(), other.clone());
            conversation = uow.conversations_load(project, &[pair]).await?.pop();
        }
    }
    let all: Vec<AgentId> = registry.keys().cloned().collect();
    let mut groups = uow.groups_of(project, &all).await?;
    let with_groups =
        |known: &Recipient| Recipient { groups: groups.remove(&known.agent).unwrap_or_default(), ..known.clone() };
    let recipients: Vec<Recipient> = registry.values().map(with_groups).take(ACK_RECIPIENTS_MAX + 2).collect();
    let group_members = match &draft.audience {
        Audience::Group(name) => uow.member_count(project, name).await?,
        _ => 0,
    };
    let loaded = Loaded {
        now: head.now,
        last_number: head.last_number,
        sender: sender.clone(),
        role: registry[&sender.agent].role,
        own: recipients.iter().find(|recipient| recipient.agent == sender.agent).cloned(),
        counted_open: uow.counted_open(project, &all).await?,
        recipients,
        group_members,
        replied,
        conversation,
        held: None,
        pace,
    };
    let sent = send(draft.clone(), ids, loaded);
    if let Ok(sent) = &sent {
        uow.mail_save(project, &sent.changes).await?;
    }
    Ok(sent)
}

async fn run_receive(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    known: &Recipient,
    command: &Receive,
) -> Result<Received, StoreError> {
    let agent = &known.agent;
    let mailbox = uow.mailboxes_lock(project, std::slice::from_ref(agent)).await?.pop().unwrap();
    let last_number = uow.mail_last_number(project).await?;
    let mut groups = uow.groups_of(project, std::slice::from_ref(agent)).await?;
    let own = Recipient { groups: groups.remove(agent).unwrap_or_default(), ..known.clone() };
    let numbers = (mailbox.looked_to, last_number);
    let broadcasts = uow.broadcasts_after(project, &own.listenings(), numbers, LOOK_ROWS_MAX).await?;
    let open = uow.deliveries_open(project, agent, last_number, OPEN_ROWS_MAX).await?;
    let now = uow.now().await?;
    let received = inbox::receive(command, &own, Inbox { now, mailbox, last_number, broadcasts, open });
    uow.mail_save(project, &received.changes).await?;
    Ok(received)
}

async fn run_word(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    agent: &AgentId,
    own: Option<&Recipient>,
    session: &SessionId,
    message: MessageId,
    word: Word,
) -> Result<Answer, StoreError> {
    uow.mailboxes_lock(project, std::slice::from_ref(agent)).await?;
    let now = uow.now().await?;
    let stored = uow.deliveries_load(project, agent, &[message]).await?.pop();
    let is_there = stored.is_some();
    let before: Option<Delivery> = if let Some(before) = stored {
        Some(before)
    } else {
        let found = uow.messages_load(project, &[message]).await?.pop();
        found.and_then(|found| inbox::made(&found, own?))
    };
    let Some(before) = before else { return Ok(Answer::NotThere) };
    let said = match word {
        Word::Read => inbox::mark_read(&before, now),
        Word::Acknowledge => inbox::acknowledge(&before, now),
        Word::Return(delay) => {
            inbox::give_back(&before, session, delay, now).map(|delivery| Said { delivery, already: false })
        }
    };
    if let Ok(said) = &said {
        let mut changes = Changes::default();
        if is_there {
            changes.change(before, said.delivery.clone());
        } else {
            changes.made.push(said.delivery.clone());
        }
        uow.mail_save(project, &changes).await?;
    }
    Ok(Answer::Said(said))
}

async fn run_join(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    agent: &AgentId,
    name: &GroupName,
) -> Result<Result<Option<Member>, MessageRefusal>, StoreError> {
    let head = uow.mail_head_lock(project).await?.unwrap();
    let groups = uow.groups_of(project, std::slice::from_ref(agent)).await?;
    let standing = Standing {
        member: uow.member_find(project, name, agent).await?,
        members: uow.member_count(project, name).await?,
        groups: uow.group_count(project).await?,
        groups_of_agent: groups.get(agent).map_or(0, |groups| u32::try_from(groups.len()).unwrap()),
        last_number: head.last_number,
        now: head.now,
    };
    let mover = Mover { agent: agent.clone(), role: Role::Agent };
    let joined = group::join(name, agent, &mover, &standing);
    if let Ok(Some(member)) = &joined {
        uow.member_add(project, member).await?;
    }
    Ok(joined)
}

async fn run_leave(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    agent: &AgentId,
    name: &GroupName,
) -> Result<Result<Member, MessageRefusal>, StoreError> {
    let member = uow.member_find(project, name, agent).await?;
    let mover = Mover { agent: agent.clone(), role: Role::Agent };
    let left = group::leave(name, agent, &mover, member);
    if left.is_ok() {
        assert!(uow.member_remove(project, name, agent).await?);
    }
    Ok(left)
}

async fn run_sweep(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    registry: &Registry,
    gone: Option<&AgentId>,
    fresh: &[MessageId],
) -> Result<Changes, StoreError> {
    let head = uow.mail_head_lock(project).await?.unwrap();
    let found = match gone {
        Some(agent) => uow.deliveries_open(project, agent, head.last_number, SWEEP_ROWS_MAX).await?,
        None => uow.deliveries_due(project, head.now, SWEEP_ROWS_MAX).await?,
    };
    let recipients: BTreeSet<AgentId> = found.iter().map(|delivery| delivery.recipient.clone()).collect();
    uow.mailboxes_lock(project, &recipients.iter().cloned().collect::<Vec<_>>()).await?;
    // What was found before the mailboxes were locked may have changed meanwhile.
    let mut deliveries = Vec::new();
    for recipient in &recipients {
        let ids: Vec<MessageId> =
            found.iter().filter(|delivery| delivery.recipient == *recipient).map(|delivery| delivery.message).collect();
        deliveries.extend(uow.deliveries_load(project, recipient, &ids).await?);
    }
    deliveries.sort_by(|one, other| (one.number, &one.recipient).cmp(&(other.number, &other.recipient)));
    let ids: BTreeSet<MessageId> = deliveries.iter().map(|delivery| delivery.message).collect();
    let mut messages = uow.messages_load(project, &ids.into_iter().collect::<Vec<_>>()).await?;
    messages.sort_by_key(|message| message.number);
    let senders = registry.keys().filter(|agent| gone != Some(*agent)).cloned().collect();
    let overdue = Overdue { now: head.now, last_number: head.last_number, deliveries, messages, senders };
    let changes = if gone.is_some() { abandon(overdue, fresh) } else { sweep(overdue, fresh) };
    uow.mail_save(project, &changes).await?;
    Ok(changes)
}

/// Everything that a store holds of a project's messages.
#[derive(Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) messages: Vec<Message>,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) shown: Vec<(AgentId, Vec<InboxEntry>)>,
    pub(crate) unread: BTreeMap<AgentId, Unread>,
    pub(crate) members: Vec<Member>,
}

/// Reads everything, of these agents whether they are registered or not.
pub(crate) async fn stored(store: &TestStore, project: &ProjectId, registry: &Registry, all: &[AgentId]) -> Stored {
    let mut uow = store.begin_read().await;
    let most = size(PageSize::MAX);
    let filter = MessageFilter { direction: Direction::OldestFirst, ..MessageFilter::default() };
    let messages = uow.message_list(project, &filter, None, most).await.unwrap().rows;
    let mut members = Vec::new();
    for group in uow.group_list(project, None, most).await.unwrap().rows {
        members.extend(uow.member_list(project, &group.name, None, most).await.unwrap().rows);
    }
    let (mut deliveries, mut shown, mut asks) = (Vec::new(), Vec::new(), Vec::new());
    for agent in all {
        let own = recipient(uow.as_mut(), project, registry, agent).await.unwrap();
        let listenings = own.map(|own| own.listenings()).unwrap_or_default();
        let ask = InboxAsk { agent, listenings: &listenings, open_only: false, now: store.now() };
        let everything = uow.inbox_list(project, ask, None, most).await.unwrap().rows;
        deliveries.extend(everything.into_iter().filter_map(|entry| entry.delivery));
        let open = uow.inbox_list(project, InboxAsk { open_only: true, ..ask }, None, most).await.unwrap().rows;
        shown.push((agent.clone(), open));
        asks.push(UnreadAsk { agent: agent.clone(), listenings });
    }
    let unread = uow.unread_counts(project, &asks, store.now()).await.unwrap();
    Stored { messages, deliveries, shown, unread, members }
}

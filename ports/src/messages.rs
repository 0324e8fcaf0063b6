//! Messages: the mail head of a project, mailboxes, messages, deliveries, groups.
//!
//! Whoever sends locks the project's mail head first ([`MailRepository::mail_head_lock`]), and draws numbers from it: so
//! numbers are committed in their order, and whoever has seen the last one has missed none before it. Whoever changes
//! deliveries of an agent locks its mailbox. The order of locks is the head, then mailboxes; nobody who has locked a
//! mailbox may lock the head after it. Neither has anything to do with the lock table of the project.
//!
//! Messages are loaded without their content, which is long, never changes, and has a method of its own. Wherever ids or
//! names are given, unknown ones are passed over, and rows come in no particular order unless one is promised. Words such
//! as *open*, *counted* and *broadcast* are those of `domain::messages`.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, MessageId, ProjectId};
use domain::messages::audience::{GroupName, Listening};
use domain::messages::changes::Changes;
use domain::messages::content::Content;
use domain::messages::conversation::{Conversation, Pair};
use domain::messages::delivery::{Delivery, DeliveryStatus};
use domain::messages::group::{Group, Member};
use domain::messages::inbox::Mailbox;
use domain::messages::listing::{InboxEntry, MessageFilter, Unread, UnreadAsk};
use domain::messages::message::{Message, Number};
use domain::page::{Page, PageSize};
use std::collections::BTreeMap;

/// What a project's mail head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailHead {
    /// The store's clock, read after the head was locked.
    pub now: DateTime<Utc>,
    /// The last number drawn.
    pub last_number: Number,
}

/// What an inbox shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxAsk<'a> {
    /// Whose it is.
    pub agent: &'a AgentId,
    /// What it listens to.
    pub listenings: &'a [Listening],
    /// Only what is open, as written down, and broadcasts it has not looked at; else all.
    pub open_only: bool,
    /// The store's clock: broadcasts that have expired by then and were not looked at are left out.
    pub now: DateTime<Utc>,
}

/// Sending, receiving, and what becomes of messages.
#[async_trait]
pub trait MailRepository {
    /// Locks a project's mail head until commit, then reads the clock. The number stays the last one until commit. `None`
    /// if there is no such project. In a unit of work that only reads, nothing is locked.
    async fn mail_head_lock(&mut self, project: &ProjectId) -> Result<Option<MailHead>, StoreError>;

    /// The last number drawn and committed, without locking anything. Everything up to it can be read afterwards.
    async fn mail_last_number(&mut self, project: &ProjectId) -> Result<Number, StoreError>;

    /// Locks mailboxes until commit, in the order of their agents' names, and makes those that are not there; each once,
    /// by name. Their deliveries stay as they are read from now on until commit; new ones may come, with numbers greater
    /// than any drawn so far. Whoever only reads gets a mailbox as it would be made.
    async fn mailboxes_lock(&mut self, project: &ProjectId, agents: &[AgentId]) -> Result<Vec<Mailbox>, StoreError>;

    /// The messages of these ids.
    async fn messages_load(&mut self, project: &ProjectId, ids: &[MessageId]) -> Result<Vec<Message>, StoreError>;

    /// What agents read of these messages.
    async fn message_contents_load(
        &mut self,
        project: &ProjectId,
        ids: &[MessageId],
    ) -> Result<BTreeMap<MessageId, Content>, StoreError>;

    /// The broadcasts that listenings of one agent bring it, strictly after one number and up to another, each once, by
    /// number, at most `rows_max`. Those of which it has a delivery are left out. MUST leave out no other in between, and
    /// MUST find its rows by an index over the keys: what goes to others may not make it slower.
    async fn broadcasts_after(
        &mut self,
        project: &ProjectId,
        listenings: &[Listening],
        numbers: (Number, Number),
        rows_max: u32,
    ) -> Result<Vec<Message>, StoreError>;

    /// The deliveries of these messages to an agent.
    async fn deliveries_load(
        &mut self,
        project: &ProjectId,
        recipient: &AgentId,
        messages: &[MessageId],
    ) -> Result<Vec<Delivery>, StoreError>;

    /// The open deliveries of an agent up to a number, by number, at most `rows_max`. MUST find its rows by an index that
    /// holds nothing but open ones.
    async fn deliveries_open(
        &mut self,
        project: &ProjectId,
        recipient: &AgentId,
        up_to: Number,
        rows_max: u32,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// The open deliveries that time alone has ended by an instant, longest over first, at most `rows_max`. An empty answer
    /// MUST cost next to nothing.
    async fn deliveries_due(
        &mut self,
        project: &ProjectId,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// The projects for which [`Self::deliveries_due`] has something, at most `rows_max`: work for the sweeper.
    async fn projects_with_deliveries_due(
        &mut self,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<ProjectId>, StoreError>;

    /// How many counted open deliveries these agents have. Those with none are left out.
    async fn counted_open(
        &mut self,
        project: &ProjectId,
        agents: &[AgentId],
    ) -> Result<BTreeMap<AgentId, u32>, StoreError>;

    /// What is remembered of these pairs.
    async fn conversations_load(
        &mut self,
        project: &ProjectId,
        pairs: &[Pair],
    ) -> Result<Vec<Conversation>, StoreError>;

    /// Saves what a decision changed. MUST be [`StoreError::Conflict`] if a new message has not the number right after the
    /// last one, if an id is taken, if a delivery that is made is there already, or if a changed one is not as it was
    /// loaded any more. How far an agent has come never goes back.
    async fn mail_save(&mut self, project: &ProjectId, changes: &Changes) -> Result<(), StoreError>;

    /// Deletes at most `rows_max` messages of all projects, with all that belongs to them, and answers how many. Each MUST
    /// have been sent before an instant, and all its deliveries MUST have ended before it; and no delivery of its thread
    /// may be open. A broadcast that somebody has not looked at by then is forgotten with the others. Conversations that
    /// do not matter any more by that instant are forgotten too.
    async fn messages_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError>;
}

/// Lists of messages and deliveries, which change nothing and lock nothing.
#[async_trait]
pub trait MailListing {
    /// Lists messages by number, strictly behind the cursor, in the direction that the filter names.
    async fn message_list(
        &mut self,
        project: &ProjectId,
        filter: &MessageFilter,
        after: Option<Number>,
        size: PageSize,
    ) -> Result<Page<Message, Number>, StoreError>;

    /// Lists what an agent has got and the broadcasts it has yet to look at, newest first, strictly older than the cursor,
    /// without offering anything.
    async fn inbox_list(
        &mut self,
        project: &ProjectId,
        ask: InboxAsk<'_>,
        after: Option<Number>,
        size: PageSize,
    ) -> Result<Page<InboxEntry, Number>, StoreError>;

    /// Lists the deliveries of a message as they are written down, by recipient, strictly after the cursor.
    async fn delivery_list(
        &mut self,
        project: &ProjectId,
        message: MessageId,
        after: Option<&AgentId>,
        size: PageSize,
    ) -> Result<Page<Delivery, AgentId>, StoreError>;

    /// How many deliveries of a message are in which state, as they are written down. States with none are left out.
    async fn delivery_counts(
        &mut self,
        project: &ProjectId,
        message: MessageId,
    ) -> Result<BTreeMap<DeliveryStatus, u64>, StoreError>;

    /// How much these agents have to read at an instant: open deliveries not marked as read whose time is not over, and
    /// broadcasts they have not looked at that have not expired. One statement for all of them, and each of them is in the
    /// answer.
    async fn unread_counts(
        &mut self,
        project: &ProjectId,
        asks: &[UnreadAsk],
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<AgentId, Unread>, StoreError>;
}

/// The groups of every project. Whoever lets an agent join has locked the project's mail head.
#[async_trait]
pub trait GroupRepository {
    /// The member of this name.
    async fn member_find(
        &mut self,
        project: &ProjectId,
        group: &GroupName,
        agent: &AgentId,
    ) -> Result<Option<Member>, StoreError>;

    /// How many members a group has; none of a group that is not there.
    async fn member_count(&mut self, project: &ProjectId, group: &GroupName) -> Result<u32, StoreError>;

    /// How many groups a project has.
    async fn group_count(&mut self, project: &ProjectId) -> Result<u32, StoreError>;

    /// Lists groups by name, strictly after the cursor.
    async fn group_list(
        &mut self,
        project: &ProjectId,
        after: Option<&GroupName>,
        size: PageSize,
    ) -> Result<Page<Group, GroupName>, StoreError>;

    /// Lists the members of a group by name, strictly after the cursor.
    async fn member_list(
        &mut self,
        project: &ProjectId,
        group: &GroupName,
        after: Option<&AgentId>,
        size: PageSize,
    ) -> Result<Page<Member, AgentId>, StoreError>;

    /// The groups that these agents are in, each with the number after which it brings them messages. Agents in none are
    /// left out.
    async fn groups_of(
        &mut self,
        project: &ProjectId,
        agents: &[AgentId],
    ) -> Result<BTreeMap<AgentId, BTreeMap<GroupName, Number>>, StoreError>;

    /// Stores a new member. MUST be [`StoreError::Conflict`] if it is there already.
    async fn member_add(&mut self, project: &ProjectId, member: &Member) -> Result<(), StoreError>;

    /// Deletes a member; false if it was not there.
    async fn member_remove(
        &mut self,
        project: &ProjectId,
        group: &GroupName,
        agent: &AgentId,
    ) -> Result<bool, StoreError>;
}

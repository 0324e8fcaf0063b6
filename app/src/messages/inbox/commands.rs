//! The changes to an inbox, one command each. They lock the mailbox of the caller and nothing else.

use crate::executor::{Command, Decision, Scene};
use crate::messages::send::sessionless;
use crate::messages::{happenings, recipients};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::identity::principal::Action;
use domain::ids::{AgentId, MessageId, ProjectId, SessionId};
use domain::messages::audience::Recipient;
use domain::messages::changes::Changes;
use domain::messages::delivery::{Delivery, DeliveryState, DeliveryStatus};
use domain::messages::inbox::{
    Inbox, LOOK_ROWS_MAX, OPEN_ROWS_MAX, Receive, Received, ReturnDelay, acknowledge, give_back, made, mark_read,
    next_visible_at, receive,
};
use domain::messages::refusal::MessageRefusal;
use ports::store::{StoreError, UnitOfWork};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One look into an inbox that takes what is there.
#[derive(Debug, Clone)]
pub struct ReceiveOnce {
    /// What the caller asked for, whatever the look.
    pub content: Value,
    /// The session that gets the messages; `None` if the call could not come into one.
    pub receive: Option<Receive>,
    /// Whether an empty inbox is the answer.
    pub is_last: bool,
}

/// What was taken out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Taken {
    /// The deliveries, in the order to be worked on.
    pub offered: Vec<Delivery>,
    /// The store's clock.
    pub now: DateTime<Utc>,
}

#[async_trait]
impl Command for ReceiveOnce {
    const OPERATION: &'static str = "message.receive";
    const ACTION: Action = Action::UseMessages;
    type Answer = Taken;

    fn content(&self) -> Value {
        self.content.clone()
    }

    fn target(&self) -> String {
        "inbox".to_owned()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let (project, agent) = (&scene.call.project, &scene.call.principal.agent);
        let command = self.receive.as_ref().ok_or_else(sessionless)?;
        let look = match look(uow, project, agent, command).await? {
            Ok(look) => look,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        let Received { offered, changes } = look.received;
        if !changes.is_empty() {
            uow.mail_save(project, &changes).await?;
        }
        let is_final = self.is_last || !offered.is_empty();
        let happenings = happenings::of(&changes, false);
        Ok(Decision { is_final, ..Decision::answered(Taken { offered, now: look.now }, happenings) })
    }
}

/// What a receive would do.
pub(super) struct Look {
    pub(super) received: Received,
    pub(super) now: DateTime<Utc>,
    /// When next something that is there already may be had.
    pub(super) next_at: Option<DateTime<Utc>>,
    /// Who looks.
    pub(super) recipient: Recipient,
    /// How many messages the session has in hand.
    pub(super) in_hand: usize,
}

/// Decides on a receive. In a unit of work that only reads, it tells what there would be to have.
pub(super) async fn look(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    agent: &AgentId,
    command: &Receive,
) -> Result<Result<Look, MessageRefusal>, StoreError> {
    let mailboxes = uow.mailboxes_lock(project, std::slice::from_ref(agent)).await?;
    let mailbox = mailboxes.into_iter().next().ok_or_else(|| StoreError::Failed("a mailbox was not made".into()))?;
    let last_number = uow.mail_last_number(project).await?;
    let now = uow.now().await?;
    let Some(recipient) = recipients::one(uow, project, agent).await? else {
        return Ok(Err(MessageRefusal::RecipientsUnknown { agents: vec![agent.clone()] }));
    };
    let numbers = (mailbox.looked_to, last_number);
    let broadcasts = uow.broadcasts_after(project, &recipient.listenings(), numbers, LOOK_ROWS_MAX).await?;
    let open = uow.deliveries_open(project, agent, last_number, OPEN_ROWS_MAX).await?;
    let next_at = next_visible_at(&open, now);
    let in_hand = open.iter().filter(|delivery| is_in_hand(delivery, &command.session, now)).count();
    let received = receive(command, &recipient, Inbox { now, mailbox, last_number, broadcasts, open });
    Ok(Ok(Look { received, now, next_at, recipient, in_hand }))
}

fn is_in_hand(delivery: &Delivery, session: &SessionId, now: DateTime<Utc>) -> bool {
    matches!(&delivery.state, DeliveryState::Offered { session: holder, until } if holder == session && now < *until)
}

/// What a recipient can say about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// That it was read.
    Read,
    /// That it was understood and is being acted on.
    Acknowledged,
}

/// Says something about messages of the caller's inbox, about all or none.
#[derive(Debug, Clone)]
pub struct SayOfMessages<W: WordOf> {
    /// Which, each once.
    pub messages: Vec<MessageId>,
    /// What.
    pub word: W,
}

/// A word about messages, under its own name in the log.
pub trait WordOf: Send + Sync + std::fmt::Debug + Clone {
    /// The operation.
    const OPERATION: &'static str;
    /// What is said.
    const WORD: Word;
}

/// That messages were read.
#[derive(Debug, Clone, Copy)]
pub struct WereRead;

impl WordOf for WereRead {
    const OPERATION: &'static str = "message.read";
    const WORD: Word = Word::Read;
}

/// That messages were understood and are being acted on.
#[derive(Debug, Clone, Copy)]
pub struct AreAcknowledged;

impl WordOf for AreAcknowledged {
    const OPERATION: &'static str = "message.acknowledge";
    const WORD: Word = Word::Acknowledged;
}

/// What became of a message for the caller.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SaidOf {
    /// The message.
    pub message: MessageId,
    /// What it is in.
    pub status: DeliveryStatus,
    /// Whether that had been said before, so that nothing changed.
    pub already: bool,
}

#[async_trait]
impl<W: WordOf> Command for SayOfMessages<W> {
    const OPERATION: &'static str = W::OPERATION;
    const ACTION: Action = Action::UseMessages;
    type Answer = Vec<SaidOf>;

    fn content(&self) -> Value {
        json!(self.messages)
    }

    fn target(&self) -> String {
        first(&self.messages)
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let (project, agent) = (&scene.call.project, &scene.call.principal.agent);
        uow.mailboxes_lock(project, std::slice::from_ref(agent)).await?;
        let now = uow.now().await?;
        let known = uow.deliveries_load(project, agent, &self.messages).await?;
        let unseen: Vec<MessageId> =
            self.messages.iter().filter(|id| known.iter().all(|known| known.message != **id)).copied().collect();
        let mut fresh = Vec::new();
        if !unseen.is_empty() {
            // Broadcasts that the caller knows of without having received them.
            let recipient = recipients::one(uow, project, agent).await?;
            let messages = uow.messages_load(project, &unseen).await?;
            fresh.extend(recipient.iter().flat_map(|own| messages.iter().filter_map(|message| made(message, own))));
        }
        let (mut changes, mut said) = (Changes::default(), Vec::new());
        for id in &self.messages {
            let stored = known.iter().find(|known| known.message == *id);
            let Some(before) = stored.or_else(|| fresh.iter().find(|fresh| fresh.message == *id)) else {
                return Ok(Decision::refused(MessageRefusal::NotInInbox { message: *id }));
            };
            let word = match W::WORD {
                Word::Read => mark_read(before, now),
                Word::Acknowledged => acknowledge(before, now),
            };
            let word = match word {
                Ok(word) => word,
                Err(refusal) => return Ok(Decision::refused(refusal)),
            };
            said.push(SaidOf { message: *id, status: word.delivery.status(), already: word.already });
            match stored {
                Some(before) => changes.change(before.clone(), word.delivery),
                None => changes.made.push(word.delivery),
            }
        }
        if !changes.is_empty() {
            uow.mail_save(project, &changes).await?;
        }
        Ok(Decision::answered(said, happenings::of(&changes, false)))
    }
}

/// Returns messages that the caller's session has in hand, all or none, to come again.
#[derive(Debug, Clone)]
pub struct ReturnMessages {
    /// Which, each once.
    pub messages: Vec<MessageId>,
    /// The session that has them; `None` if the call could not come into one.
    pub session: Option<SessionId>,
    /// After how long they come again.
    pub delay: ReturnDelay,
}

#[async_trait]
impl Command for ReturnMessages {
    const OPERATION: &'static str = "message.return";
    const ACTION: Action = Action::UseMessages;
    type Answer = Vec<SaidOf>;

    fn content(&self) -> Value {
        json!({ "messages": self.messages, "delay": self.delay })
    }

    fn target(&self) -> String {
        first(&self.messages)
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let (project, agent) = (&scene.call.project, &scene.call.principal.agent);
        let session = self.session.as_ref().ok_or_else(sessionless)?;
        uow.mailboxes_lock(project, std::slice::from_ref(agent)).await?;
        let now = uow.now().await?;
        let known = uow.deliveries_load(project, agent, &self.messages).await?;
        let (mut changes, mut said) = (Changes::default(), Vec::new());
        for id in &self.messages {
            let Some(before) = known.iter().find(|known| known.message == *id) else {
                return Ok(Decision::refused(MessageRefusal::NotInInbox { message: *id }));
            };
            match give_back(before, session, self.delay, now) {
                Ok(after) => {
                    said.push(SaidOf { message: *id, status: after.status(), already: false });
                    changes.change(before.clone(), after);
                }
                Err(refusal) => return Ok(Decision::refused(refusal)),
            }
        }
        uow.mail_save(project, &changes).await?;
        Ok(Decision::answered(said, happenings::of(&changes, false)))
    }
}

fn first(messages: &[MessageId]) -> String {
    messages.first().map_or_else(String::new, ToString::to_string)
}

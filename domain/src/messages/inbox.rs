//! What an agent gets of its messages, and what it says about them.
//!
//! Receiving leases: what was offered and neither read nor acknowledged comes again. The order is that of
//! [`Delivery::rank`], but what one sender sent comes in the order in which it was sent: a message is not offered while an
//! earlier one of its sender waits, so the earlier one goes in front as if it were as urgent as the later.

use crate::ids::{AgentId, MessageId, SessionId};
use crate::messages::audience::Recipient;
use crate::messages::changes::{ChangedDelivery, Changes};
use crate::messages::delivery::{ATTEMPTS_MAX, Delivery, DeliveryState};
use crate::messages::message::{Message, Number};
use crate::messages::refusal::MessageRefusal;
use crate::work::rank::Rank;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most counted deliveries of an agent that have not ended: then its inbox is full.
pub const COUNTED_OPEN_MAX: u32 = 1_000;
/// The most deliveries of broadcasts and notices of an agent that have not ended: then it looks at no more broadcasts.
pub const UNCOUNTED_OPEN_MAX: u32 = 1_000;
/// The most broadcasts that are looked at in one receive.
pub const LOOK_ROWS_MAX: u32 = 500;
/// The most open deliveries that are looked at in one receive, the oldest ones. Only notices that nobody reads can make
/// more of them.
pub const OPEN_ROWS_MAX: u32 = 4_000;
/// The most messages that are read, acknowledged or returned in one call.
pub const MESSAGES_PER_CALL_MAX: usize = 100;

/// How long a recipient has a message to itself, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Visibility(u32);

/// A visibility out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`visibility_seconds` is {given}: it must be {} to {}", Visibility::SECONDS_MIN, Visibility::SECONDS_MAX)]
pub struct InvalidVisibility {
    /// What was asked for, in seconds.
    pub given: u32,
}

impl Visibility {
    /// The shortest.
    pub const SECONDS_MIN: u32 = 5;
    /// The longest: an hour.
    pub const SECONDS_MAX: u32 = 3600;
    /// When nobody chose: a minute.
    pub const DEFAULT: Self = Self(60);

    /// Checks the bounds.
    pub fn try_new(seconds: u32) -> Result<Self, InvalidVisibility> {
        let fits = (Self::SECONDS_MIN..=Self::SECONDS_MAX).contains(&seconds);
        if fits { Ok(Self(seconds)) } else { Err(InvalidVisibility { given: seconds }) }
    }

    /// The length in seconds.
    pub const fn seconds(self) -> u32 {
        self.0
    }
}

impl From<Visibility> for u32 {
    fn from(visibility: Visibility) -> Self {
        visibility.0
    }
}

impl TryFrom<u32> for Visibility {
    type Error = InvalidVisibility;
    fn try_from(seconds: u32) -> Result<Self, InvalidVisibility> {
        Self::try_new(seconds)
    }
}

/// How many messages to receive at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct ReceiveCount(u32);

/// A number of messages out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`max_messages` is {given}: it must be 1 to {}", ReceiveCount::MAX)]
pub struct InvalidReceiveCount {
    /// What was asked for.
    pub given: u32,
}

impl ReceiveCount {
    /// The most.
    pub const MAX: u32 = 50;
    /// When nobody chose.
    pub const DEFAULT: Self = Self(10);

    /// Checks the bounds.
    pub fn try_new(count: u32) -> Result<Self, InvalidReceiveCount> {
        if (1..=Self::MAX).contains(&count) { Ok(Self(count)) } else { Err(InvalidReceiveCount { given: count }) }
    }

    /// The number.
    pub const fn count(self) -> u32 {
        self.0
    }
}

impl From<ReceiveCount> for u32 {
    fn from(count: ReceiveCount) -> Self {
        count.0
    }
}

impl TryFrom<u32> for ReceiveCount {
    type Error = InvalidReceiveCount;
    fn try_from(count: u32) -> Result<Self, InvalidReceiveCount> {
        Self::try_new(count)
    }
}

/// After how long a returned message is offered again, in seconds; zero is at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct ReturnDelay(u32);

/// A delay out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`delay_seconds` is {given}: it must be 0 to {}", ReturnDelay::SECONDS_MAX)]
pub struct InvalidReturnDelay {
    /// What was asked for, in seconds.
    pub given: u32,
}

impl ReturnDelay {
    /// The longest: an hour.
    pub const SECONDS_MAX: u32 = 3600;

    /// Checks the bound.
    pub fn try_new(seconds: u32) -> Result<Self, InvalidReturnDelay> {
        if seconds <= Self::SECONDS_MAX { Ok(Self(seconds)) } else { Err(InvalidReturnDelay { given: seconds }) }
    }
}

impl From<ReturnDelay> for u32 {
    fn from(delay: ReturnDelay) -> Self {
        delay.0
    }
}

impl TryFrom<u32> for ReturnDelay {
    type Error = InvalidReturnDelay;
    fn try_from(seconds: u32) -> Result<Self, InvalidReturnDelay> {
        Self::try_new(seconds)
    }
}

/// How far an agent has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// Whose it is.
    pub agent: AgentId,
    /// The last number up to which it has looked at broadcasts.
    pub looked_to: Number,
}

/// The command to receive messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receive {
    /// The session they are offered to.
    pub session: SessionId,
    /// For how long.
    pub visibility: Visibility,
    /// How many at most.
    pub count: ReceiveCount,
}

/// What is loaded for a receive, after the mailbox was locked, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    /// The store's clock.
    pub now: DateTime<Utc>,
    /// The mailbox.
    pub mailbox: Mailbox,
    /// The last number drawn in the project. Nothing behind it may be loaded.
    pub last_number: Number,
    /// The broadcasts for the agent that it has neither looked at nor a delivery of, by number, at most [`LOOK_ROWS_MAX`].
    pub broadcasts: Vec<Message>,
    /// Its open deliveries, by number, at most [`OPEN_ROWS_MAX`].
    pub open: Vec<Delivery>,
}

/// What came of a receive.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// What was offered, in the order to be worked on.
    pub offered: Vec<Delivery>,
    /// What has to be saved.
    pub changes: Changes,
}

/// Offers an agent its next messages. What has run out of time or attempts is passed over: the sweeper writes it down.
pub fn receive(command: &Receive, recipient: &Recipient, inbox: Inbox) -> Received {
    let Inbox { now, mailbox, last_number, broadcasts, open } = inbox;
    let (made, looked_to) = look(recipient, &mailbox, last_number, &broadcasts, &open, now);
    let mut changes = Changes { made, ..Changes::default() };
    let known: Vec<&Delivery> = open.iter().chain(&changes.made).collect();
    let places = order(&known, looked_to, now);
    let until = now + TimeDelta::seconds(i64::from(command.visibility.seconds()));
    let mut offered = Vec::new();
    let mut offered_made = BTreeMap::new();
    for at in places.into_iter().take(command.count.count() as usize) {
        let before = known[at];
        let mut after = before.clone().settled(now);
        after.attempts += 1;
        after.state = DeliveryState::Offered { session: command.session.clone(), until };
        offered.push(after.clone());
        if at < open.len() {
            changes.changed.push(ChangedDelivery { before: before.clone(), after });
        } else {
            offered_made.insert(after.number, after);
        }
    }
    for delivery in &mut changes.made {
        if let Some(after) = offered_made.remove(&delivery.number) {
            *delivery = after;
        }
    }
    changes.mailbox = (looked_to > mailbox.looked_to).then_some(Mailbox { looked_to, ..mailbox });
    Received { offered, changes }
}

/// Makes deliveries of the broadcasts there is room for; answers them, and up to which number everything is there now.
fn look(
    recipient: &Recipient,
    mailbox: &Mailbox,
    last_number: Number,
    broadcasts: &[Message],
    open: &[Delivery],
    now: DateTime<Utc>,
) -> (Vec<Delivery>, Number) {
    let uncounted = open.iter().filter(|delivery| !delivery.is_counted).count();
    let mut room = (UNCOUNTED_OPEN_MAX as usize).saturating_sub(uncounted);
    let is_for = |message: &&Message| message.number > mailbox.looked_to && recipient.gets(message);
    let mut looked_to = mailbox.looked_to;
    let mut made = Vec::new();
    for message in broadcasts.iter().filter(is_for) {
        if !message.is_expired(now) {
            if room == 0 {
                return (made, looked_to);
            }
            room -= 1;
            made.push(Delivery::new(message, recipient.agent.clone(), false));
        }
        looked_to = message.number;
    }
    let is_all = broadcasts.len() < LOOK_ROWS_MAX as usize;
    (made, if is_all { last_number.max(mailbox.looked_to) } else { looked_to })
}

/// The places, among these, of those that can be offered now, in order. Behind the horizon something may be missing.
fn order(deliveries: &[&Delivery], horizon: Number, now: DateTime<Utc>) -> Vec<usize> {
    let mut by_sender: BTreeMap<Option<&AgentId>, BTreeMap<Number, (usize, Delivery)>> = BTreeMap::new();
    for (at, delivery) in deliveries.iter().enumerate() {
        if delivery.number <= horizon {
            let settled = (*delivery).clone().settled(now);
            by_sender.entry(delivery.sender.as_ref()).or_default().insert(delivery.number, (at, settled));
        }
    }
    let mut places: Vec<(Rank, Number, usize)> = Vec::new();
    for line in by_sender.into_values() {
        let mut free = Vec::new();
        for (number, (at, delivery)) in line {
            match delivery.state {
                DeliveryState::Waiting { visible_at } if visible_at <= now => {
                    free.push((delivery.rank(), number, at));
                }
                // Put off: whatever its sender sent later has to wait as well.
                DeliveryState::Waiting { .. } => break,
                _ => {}
            }
        }
        let mut most_urgent = None;
        for (rank, number, at) in free.into_iter().rev() {
            let urgent = most_urgent.map_or(rank, |behind: Rank| behind.min(rank));
            most_urgent = Some(urgent);
            places.push((urgent, number, at));
        }
    }
    places.sort_unstable();
    places.into_iter().map(|(_, _, at)| at).collect()
}

/// When next an agent may get something that is there already: how long whoever waits can sleep.
pub fn next_visible_at(open: &[Delivery], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let visible_at = |delivery: &Delivery| match delivery.clone().settled(now).state {
        DeliveryState::Waiting { visible_at } => Some(visible_at),
        DeliveryState::Offered { until, .. } if delivery.attempts < ATTEMPTS_MAX => Some(until),
        _ => None,
    };
    open.iter().filter_map(visible_at).min()
}

/// What came of a word about a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The delivery as it is now.
    pub delivery: Delivery,
    /// Whether that had been said before; then nothing changed.
    pub already: bool,
}

/// The delivery of a broadcast that the recipient has seen without receiving it, so that it can say something about it.
/// `None` if it is not for the recipient.
pub fn made(message: &Message, recipient: &Recipient) -> Option<Delivery> {
    recipient.gets(message).then(|| Delivery::new(message, recipient.agent.clone(), false))
}

/// Marks a message as read. That ends the delivery, unless it has to be acknowledged.
pub fn mark_read(delivery: &Delivery, now: DateTime<Utc>) -> Result<Said, MessageRefusal> {
    let mut after = delivery.clone().settled(now);
    match after.state {
        DeliveryState::Expired { at } | DeliveryState::Failed { at, .. } => return Err(ended(&after, at)),
        _ if after.read_at.is_some() => return Ok(Said { delivery: delivery.clone(), already: true }),
        DeliveryState::Waiting { .. } | DeliveryState::Offered { .. } if after.ack.is_none() => {
            after.state = DeliveryState::Read { at: now };
        }
        _ => {}
    }
    after.read_at = Some(now);
    Ok(Said { delivery: after, already: false })
}

/// Acknowledges a message, once. It need not be in hand any more, or never have been offered: what counts is that the
/// recipient knows of it.
pub fn acknowledge(delivery: &Delivery, now: DateTime<Utc>) -> Result<Said, MessageRefusal> {
    let mut after = delivery.clone().settled(now);
    match after.state {
        DeliveryState::Expired { at } | DeliveryState::Failed { at, .. } => return Err(ended(&after, at)),
        DeliveryState::Acknowledged { .. } | DeliveryState::Answered { .. } => {
            return Ok(Said { delivery: delivery.clone(), already: true });
        }
        DeliveryState::Waiting { .. } | DeliveryState::Offered { .. } | DeliveryState::Read { .. } => {}
    }
    after.read_at = after.read_at.or(Some(now));
    after.acknowledged_at = Some(now);
    after.state = DeliveryState::Acknowledged { at: now };
    Ok(Said { delivery: after, already: false })
}

/// Returns a message that is in the hands of this session, to be offered again. It counts as an attempt: after the last
/// one it fails.
pub fn give_back(
    delivery: &Delivery,
    session: &SessionId,
    delay: ReturnDelay,
    now: DateTime<Utc>,
) -> Result<Delivery, MessageRefusal> {
    let mut after = delivery.clone().settled(now);
    match &after.state {
        DeliveryState::Offered { session: holder, .. } if holder == session => {}
        DeliveryState::Waiting { .. } | DeliveryState::Offered { .. } => {
            return Err(MessageRefusal::NotOffered { message: after.message });
        }
        DeliveryState::Read { at }
        | DeliveryState::Acknowledged { at }
        | DeliveryState::Answered { at, .. }
        | DeliveryState::Expired { at }
        | DeliveryState::Failed { at, .. } => return Err(ended(&after, *at)),
    }
    let seconds = if after.attempts >= ATTEMPTS_MAX { 0 } else { i64::from(delay.0) };
    after.state = DeliveryState::Waiting { visible_at: now + TimeDelta::seconds(seconds) };
    Ok(after)
}

/// Takes a reply for an answer. `None` if the delivery has been answered before, or has ended as expired or failed: that
/// stays, since the sender is told so.
pub(crate) fn answer(delivery: &Delivery, by: MessageId, now: DateTime<Utc>) -> Option<Delivery> {
    let mut after = delivery.clone().settled(now);
    match after.state {
        DeliveryState::Waiting { .. }
        | DeliveryState::Offered { .. }
        | DeliveryState::Read { .. }
        | DeliveryState::Acknowledged { .. } => {
            after.read_at = after.read_at.or(Some(now));
            after.state = DeliveryState::Answered { at: now, by };
            Some(after)
        }
        DeliveryState::Answered { .. } | DeliveryState::Expired { .. } | DeliveryState::Failed { .. } => None,
    }
}

fn ended(delivery: &Delivery, at: DateTime<Utc>) -> MessageRefusal {
    MessageRefusal::DeliveryEnded { message: delivery.message, status: delivery.status(), at }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;

//! Why a command on messages was refused.

use crate::ids::{AgentId, MessageId, TaskId};
use crate::messages::audience::{ACK_RECIPIENTS_MAX, GroupName};
use crate::messages::conversation::Held;
use crate::messages::delivery::DeliveryStatus;
use crate::messages::group::{AGENT_GROUPS_MAX, GROUPS_MAX, MEMBERS_MAX};
use crate::messages::inbox::COUNTED_OPEN_MAX;
use crate::work::rank::AHEAD_DAYS_MAX;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Why a command on messages was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "refusal", rename_all = "snake_case")]
pub enum MessageRefusal {
    /// Some that are named have no record, or were deregistered.
    #[error("there is no agent {}", listed(agents))]
    RecipientsUnknown {
        /// All of them.
        agents: Vec<AgentId>,
    },
    /// The inboxes of some are full.
    #[error("the inbox is full, with {COUNTED_OPEN_MAX} messages, of {}", listed(agents))]
    InboxesFull {
        /// All of them.
        agents: Vec<AgentId>,
    },
    /// Nobody would get it.
    #[error("nobody belongs to `{audience}`")]
    AudienceEmpty {
        /// What stands for the audience.
        audience: String,
    },
    /// A message that has to be acknowledged would go to too many.
    #[error("it would have to be acknowledged by more than {ACK_RECIPIENTS_MAX} agents")]
    AudienceTooLarge,
    /// A reply that says not to what.
    #[error("a `reply` needs `in_reply_to`")]
    ReplyToNothing,
    /// It answers a message that is not there, or not for the sender.
    #[error("there is no message `{message}` that you could answer")]
    RepliedUnknown {
        /// Which.
        message: MessageId,
    },
    /// The task is not the sender's.
    #[error("your session does not hold the task `{task}`")]
    TaskNotHeld {
        /// Which.
        task: TaskId,
    },
    /// The sender does not act for that agent.
    #[error("you do not act for `{agent}`: hold a task that it submitted, and name it as `task`")]
    NotOnBehalf {
        /// Which.
        agent: AgentId,
    },
    /// An instant that has come already.
    #[error("`{field}` has come already")]
    TimePassed {
        /// Which.
        field: String,
    },
    /// An instant too far away.
    #[error("`{field}` may be {AHEAD_DAYS_MAX} days ahead")]
    TimeTooFar {
        /// Which.
        field: String,
    },
    /// The two answer each other too often.
    #[error("you and `{with}` answer each other too often: wait until {until}")]
    ConversationSlowed {
        /// The other one.
        with: AgentId,
        /// From when on the next reply is taken.
        until: DateTime<Utc>,
    },
    /// The two did nothing but answer each other.
    #[error("you and `{with}` did nothing but answer each other: that is stopped until {until}")]
    ConversationStopped {
        /// The other one.
        with: AgentId,
        /// Until when, unless an orchestrator resumes it.
        until: DateTime<Utc>,
    },
    /// The conversation goes on anyway.
    #[error("the conversation of `{first}` and `{second}` is not stopped")]
    ConversationNotStopped {
        /// One.
        first: AgentId,
        /// The other.
        second: AgentId,
    },
    /// No such message was delivered to the agent.
    #[error("there is no message `{message}` in your inbox")]
    NotInInbox {
        /// Which.
        message: MessageId,
    },
    /// The delivery has ended in another way.
    #[error("the message `{message}` is {} since {at}", status.as_str())]
    DeliveryEnded {
        /// Which.
        message: MessageId,
        /// How.
        status: DeliveryStatus,
        /// When.
        at: DateTime<Utc>,
    },
    /// The session does not have the message in hand.
    #[error("the message `{message}` is not offered to your session (any more)")]
    NotOffered {
        /// Which.
        message: MessageId,
    },
    /// There are too many groups.
    #[error("there are {GROUPS_MAX} groups already")]
    TooManyGroups,
    /// The group has too many members.
    #[error("the group `{group}` has {MEMBERS_MAX} members already")]
    GroupFull {
        /// Which.
        group: GroupName,
    },
    /// The agent is in too many groups.
    #[error("`{agent}` is in {AGENT_GROUPS_MAX} groups already")]
    TooManyGroupsOfAgent {
        /// Who.
        agent: AgentId,
    },
    /// The agent is not in the group.
    #[error("`{agent}` is not in the group `{group}`")]
    NotInGroup {
        /// Which group.
        group: GroupName,
        /// Who.
        agent: AgentId,
    },
    /// Only orchestrators move others.
    #[error("only an orchestrator lets `{agent}` join or leave a group")]
    NotYourMembership {
        /// Who.
        agent: AgentId,
    },
}

impl MessageRefusal {
    pub(crate) fn held(with: AgentId, held: Held) -> Self {
        match held {
            Held::Slowed { until } => Self::ConversationSlowed { with, until },
            Held::Stopped { until } => Self::ConversationStopped { with, until },
        }
    }
}

fn listed(agents: &[AgentId]) -> String {
    let names: Vec<String> = agents.iter().map(|agent| format!("`{agent}`")).collect();
    names.join(", ")
}

//! What requests about messages look like on the wire, and what they mean.

use crate::http::problem::Problem;
use crate::messages::views::MessageTypeView;
use chrono::{DateTime, SubsecRound, Utc};
use domain::ids::{AgentId, HandoffId, MessageId, TaskId};
use domain::locks::key::LockKey;
use domain::messages::audience::{Audience, GroupName, Named};
use domain::messages::content::{Body, Content, CorrelationId, Data, Link, Links, MessageKind, Subject};
use domain::messages::inbox::MESSAGES_PER_CALL_MAX;
use domain::messages::message::{Ack, MessageType};
use domain::messages::send::Draft;
use domain::work::name::{Capability, Environment};
use domain::work::rank::Priority;
use poem_openapi::Object;
use poem_openapi::types::Any;
use serde_json::Value;
use std::collections::BTreeSet;

/// Digits of a timestamp's fraction that are kept.
const FRACTION_DIGITS: u16 = 6;

/// To whom a message goes: exactly one of these.
#[derive(Debug, Clone, Default, Object)]
#[oai(rename = "SendTo", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct ToBody {
    /// These agents, each of which must have a record in the project; 1 to 100.
    #[oai(validator(min_items = 1, max_items = 100))]
    pub agents: Option<Vec<String>>,
    /// The members of this group.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub group: Option<String>,
    /// Whoever runs here: `pc`, `cloud`, `ci`, `other`, or a tag such as `railway`.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub environment: Option<String>,
    /// Whoever can do this.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub capability: Option<String>,
    /// `true`: every agent of the project.
    pub everyone: Option<bool>,
    /// `true`: the agents that steer others.
    pub orchestrators: Option<bool>,
}

impl ToBody {
    fn read(self) -> Result<Audience, Problem> {
        let Self { agents, group, environment, capability, everyone, orchestrators } = self;
        let mut named = Vec::new();
        if let Some(agents) = agents {
            let read = |(at, text): (usize, &String)| {
                AgentId::parse(text).map_err(|error| Problem::invalid(&format!("to.agents[{at}]"), &error))
            };
            let agents: BTreeSet<AgentId> = agents.iter().enumerate().map(read).collect::<Result<_, _>>()?;
            let agents = Named::try_new(agents).map_err(|error| Problem::invalid("to.agents", &error))?;
            named.push(Audience::Agents(agents));
        }
        if let Some(group) = group {
            named.push(Audience::Group(group_name("to.group", &group)?));
        }
        if let Some(text) = environment {
            let environment = Environment::parse(&text).map_err(|error| Problem::invalid("to.environment", &error))?;
            named.push(Audience::Environment(environment));
        }
        if let Some(text) = capability {
            let capability = Capability::parse(&text).map_err(|error| Problem::invalid("to.capability", &error))?;
            named.push(Audience::Capability(capability));
        }
        if everyone == Some(true) {
            named.push(Audience::Everyone);
        }
        if orchestrators == Some(true) {
            named.push(Audience::Orchestrators);
        }
        match (named.pop(), named.is_empty()) {
            (Some(audience), true) => Ok(audience),
            _ => Err(Problem::invalid(
                "to",
                &"needs exactly one of `agents`, `group`, `environment`, `capability`, `everyone: true`, \
                  `orchestrators: true`",
            )),
        }
    }
}

/// Something of the project that a message points to: exactly one of these.
#[derive(Debug, Clone, Default, Object)]
#[oai(rename = "MessageLink", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct LinkBody {
    /// A task.
    #[oai(validator(max_length = 64))]
    pub task: Option<String>,
    /// A lock, by its key.
    #[oai(validator(min_length = 1, max_length = 1024))]
    pub lock: Option<String>,
    /// A handoff.
    #[oai(validator(max_length = 64))]
    pub handoff: Option<String>,
    /// Another message.
    #[oai(validator(max_length = 64))]
    pub message: Option<String>,
}

impl LinkBody {
    fn read(&self, field: &str) -> Result<Link, Problem> {
        let Self { task, lock, handoff, message } = self;
        let at = |name: &str| format!("{field}.{name}");
        match (task, lock, handoff, message) {
            (Some(id), None, None, None) => {
                TaskId::parse(id).map(Link::Task).map_err(|error| Problem::invalid(&at("task"), &error))
            }
            (None, Some(key), None, None) => {
                LockKey::parse(key).map(Link::Lock).map_err(|error| Problem::invalid(&at("lock"), &error))
            }
            (None, None, Some(id), None) => {
                HandoffId::parse(id).map(Link::Handoff).map_err(|error| Problem::invalid(&at("handoff"), &error))
            }
            (None, None, None, Some(id)) => {
                MessageId::parse(id).map(Link::Message).map_err(|error| Problem::invalid(&at("message"), &error))
            }
            _ => Err(Problem::invalid(field, &"needs exactly one of `task`, `lock`, `handoff`, `message`")),
        }
    }
}

impl From<Link> for LinkBody {
    fn from(link: Link) -> Self {
        match link {
            Link::Task(id) => Self { task: Some(id.to_string()), ..Self::default() },
            Link::Lock(key) => Self { lock: Some(key.to_string()), ..Self::default() },
            Link::Handoff(id) => Self { handoff: Some(id.to_string()), ..Self::default() },
            Link::Message(id) => Self { message: Some(id.to_string()), ..Self::default() },
        }
    }
}

/// A message to send. Who sends it is whoever the key says.
#[derive(Debug, Clone, Object)]
#[oai(rename = "SendMessage", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct SendBody {
    /// To whom.
    pub to: ToBody,
    /// What it asks of those who get it; `reply` if it answers another, `note` otherwise, if left out.
    #[oai(rename = "type")]
    pub message_type: Option<MessageTypeView>,
    /// What it is about, in your own words, such as `review.done`.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub kind: Option<String>,
    /// How urgent it is: 1 goes first, 10 last; 5 if left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "10")))]
    pub priority: Option<u8>,
    /// In one line.
    #[oai(validator(min_length = 1, max_length = 256))]
    pub subject: String,
    /// At length; at most 64 KiB.
    #[oai(validator(min_length = 1, max_length = 65536))]
    pub body: Option<String>,
    /// For programs; at most 64 KiB of JSON.
    pub data: Option<Any<Value>>,
    /// What it points to; at most 50.
    #[oai(validator(max_items = 50))]
    pub links: Option<Vec<LinkBody>>,
    /// The message it answers. Its thread goes on, and if you received it, it counts as answered.
    #[oai(validator(max_length = 64))]
    pub in_reply_to: Option<String>,
    /// Your own mark.
    #[oai(validator(min_length = 1, max_length = 128))]
    pub correlation_id: Option<String>,
    /// Whether each recipient has to acknowledge it, so that reading it is not enough. At most 1,000 recipients.
    pub ack_required: Option<bool>,
    /// Until when; whoever has not by then has failed to, and you are told. Goes with `ack_required`.
    pub ack_deadline: Option<DateTime<Utc>>,
    /// From when on it is of no use: whoever has not received it by then never will.
    pub expires_at: Option<DateTime<Utc>>,
    /// For whom you write: an agent that submitted the `task`, or any if you may steer others.
    #[oai(validator(min_length = 1, max_length = 128))]
    pub on_behalf_of: Option<String>,
    /// The task you write about as the one who does it: your session must hold it.
    #[oai(validator(max_length = 64))]
    pub task: Option<String>,
}

impl SendBody {
    /// Reads every field, or says which one cannot be.
    pub fn read(self) -> Result<Draft, Problem> {
        let links = self.links.unwrap_or_default();
        let links: Vec<Link> =
            links.iter().enumerate().map(|(at, link)| link.read(&format!("links[{at}]"))).collect::<Result<_, _>>()?;
        let content = Content {
            subject: Subject::parse(&self.subject).map_err(|error| Problem::invalid("subject", &error))?,
            body: parsed("body", self.body.as_deref(), Body::parse)?,
            data: self
                .data
                .map(|Any(data)| Data::try_new(data))
                .transpose()
                .map_err(|e| Problem::invalid("data", &e))?,
            links: Links::try_new(links).map_err(|error| Problem::invalid("links", &error))?,
        };
        let ack = match (self.ack_required.unwrap_or(false), self.ack_deadline) {
            (true, deadline) => Some(Ack { deadline: deadline.map(micros) }),
            (false, None) => None,
            (false, Some(_)) => return Err(Problem::invalid("ack_deadline", &"goes with `ack_required: true`")),
        };
        let priority = self.priority.map_or(Ok(Priority::DEFAULT), Priority::try_new);
        let default = if self.in_reply_to.is_some() { MessageType::Reply } else { MessageType::Note };
        Ok(Draft {
            audience: self.to.read()?,
            message_type: self.message_type.map_or(default, MessageType::from),
            kind: parsed("kind", self.kind.as_deref(), MessageKind::parse)?,
            priority: priority.map_err(|error| Problem::invalid("priority", &error))?,
            content,
            in_reply_to: parsed("in_reply_to", self.in_reply_to.as_deref(), MessageId::parse)?,
            correlation_id: parsed("correlation_id", self.correlation_id.as_deref(), CorrelationId::parse)?,
            ack,
            expires_at: self.expires_at.map(micros),
            on_behalf_of: parsed("on_behalf_of", self.on_behalf_of.as_deref(), AgentId::parse)?,
            task: parsed("task", self.task.as_deref(), TaskId::parse)?,
        })
    }
}

/// A look into the caller's inbox that takes messages into its hands.
#[derive(Debug, Clone, Default, Object)]
#[oai(rename = "ReceiveMessages", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct ReceiveBody {
    /// The most messages, 1 to 50; 10 if left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "50")))]
    pub max_messages: Option<u32>,
    /// For how long they are in your hands: if you have neither read, acknowledged nor answered them by then, they come
    /// again. 5 to 3,600; 60 if left out.
    #[oai(validator(minimum(value = "5"), maximum(value = "3600")))]
    pub visibility_seconds: Option<u32>,
    /// How long to wait for the first message, 0 to 60; 0 if left out.
    #[oai(validator(maximum(value = "60")))]
    pub wait_seconds: Option<u32>,
}

/// Messages of the caller's inbox.
#[derive(Debug, Clone, Object)]
#[oai(rename = "NameMessages", deny_unknown_fields)]
pub struct MessagesBody {
    /// Which; 1 to 100.
    #[oai(validator(min_items = 1, max_items = 100))]
    pub messages: Vec<String>,
}

impl MessagesBody {
    /// The ids, each once, in their order.
    pub fn read(&self) -> Result<Vec<MessageId>, Problem> {
        ids(&self.messages)
    }
}

/// Messages to be given back, to come again.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ReturnMessages", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct ReturnBody {
    /// Which; 1 to 100.
    #[oai(validator(min_items = 1, max_items = 100))]
    pub messages: Vec<String>,
    /// After how many seconds they come again, 0 to 3,600; 0 if left out.
    #[oai(validator(maximum(value = "3600")))]
    pub delay_seconds: Option<u32>,
}

impl ReturnBody {
    /// The ids, each once, in their order.
    pub fn read(&self) -> Result<Vec<MessageId>, Problem> {
        ids(&self.messages)
    }
}

/// Two agents whose conversation was stopped.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ResumeConversation", deny_unknown_fields)]
pub struct ResumeBody {
    /// The two.
    #[oai(validator(min_items = 2, max_items = 2))]
    pub agents: Vec<String>,
}

/// An agent to put into a group.
#[derive(Debug, Clone, Default, Object)]
#[oai(rename = "GroupMember", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct MemberBody {
    /// Which; the caller if left out. Others need the role `orchestrator` or `admin`.
    #[oai(validator(min_length = 1, max_length = 128))]
    pub agent: Option<String>,
}

/// A group's name.
pub fn group_name(field: &str, text: &str) -> Result<GroupName, Problem> {
    GroupName::parse(text).map_err(|error| Problem::invalid(field, &error))
}

fn ids(texts: &[String]) -> Result<Vec<MessageId>, Problem> {
    if !(1..=MESSAGES_PER_CALL_MAX).contains(&texts.len()) {
        return Err(Problem::invalid("messages", &format!("must name 1 to {MESSAGES_PER_CALL_MAX} messages")));
    }
    let mut ids = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let id = MessageId::parse(text).map_err(|error| Problem::invalid(&format!("messages[{at}]"), &error))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

fn parsed<T, E: std::fmt::Display>(
    field: &str,
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Problem> {
    text.map(parse).transpose().map_err(|error| Problem::invalid(field, &error))
}

fn micros(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(FRACTION_DIGITS)
}

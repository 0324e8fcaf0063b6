//! What requests about handoffs look like on the wire, and what they mean.

use crate::http::problem::Problem;
use domain::handoffs::content::{Content, FileName, Item, Link, LinkKind, Lists, Summary};
use domain::handoffs::{Offer, OfferLength, ToMove};
use domain::ids::{AgentId, TaskId};
use domain::locks::lease::{Reason, Token};
use domain::work::content::InvalidText;
use domain::work::name::Capability;
use poem_openapi::{Enum, Object};
use std::collections::BTreeMap;

/// To whom a handoff is offered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enum)]
#[oai(rename = "OfferTo", rename_all = "snake_case")]
pub enum OfferToBody {
    /// To nobody: it is there to be read.
    #[default]
    Nobody,
    /// To one agent.
    Agent,
    /// To whoever can do something.
    Capability,
    /// To whoever comes next, in any session but the giver's.
    Next,
}

/// To whom a handoff is offered.
#[derive(Debug, Clone, Object)]
#[oai(rename = "HandoffOffer", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct OfferBody {
    /// To whom.
    pub to: OfferToBody,
    /// Which agent, with `agent`.
    #[oai(validator(min_length = 1, max_length = 128))]
    pub agent: Option<String>,
    /// What it must be able to do, with `capability`.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub capability: Option<String>,
}

/// What a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "LinkKind", rename_all = "snake_case")]
pub enum LinkKindBody {
    /// A task, by its id.
    Task,
    /// A lock, by its key.
    Lock,
    /// A message, by its id.
    Message,
    /// Another handoff, by its id.
    Handoff,
    /// A commit, by its hash.
    Commit,
    /// An address on the web.
    Url,
}

/// Something else to look at. Whether it is there is not asked.
#[derive(Debug, Clone, Object)]
#[oai(rename = "HandoffLink", deny_unknown_fields)]
pub struct LinkBody {
    /// What it leads to.
    pub kind: LinkKindBody,
    /// Where that is.
    #[oai(validator(min_length = 1, max_length = 2048))]
    pub target: String,
}

/// A claimed task.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ClaimToHandOver", deny_unknown_fields)]
pub struct ClaimBody {
    /// The task.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub task_id: String,
    /// The token of the claim.
    pub token: i64,
}

/// A handoff to write. All its lists together may have 256 KiB.
#[derive(Debug, Clone, Object)]
#[oai(rename = "WriteHandoff", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct WriteHandoffBody {
    /// Where the work stands; at most 8 KiB.
    #[oai(validator(min_length = 1, max_length = 8192))]
    pub summary: String,
    /// What is done. At most 100 things of 2 KiB.
    #[oai(validator(max_items = 100))]
    pub completed: Option<Vec<String>>,
    /// What was begun and is not done. At most 100 things of 2 KiB.
    #[oai(validator(max_items = 100))]
    pub in_progress: Option<Vec<String>>,
    /// What was decided, and why. At most 100 things of 2 KiB.
    #[oai(validator(max_items = 100))]
    pub decisions: Option<Vec<String>>,
    /// What is to be done next, first things first. At most 100 things of 2 KiB.
    #[oai(validator(max_items = 100))]
    pub next_steps: Option<Vec<String>>,
    /// The files it is about, spelt like lock keys where they can be. At most 200.
    #[oai(validator(max_items = 200))]
    pub files: Option<Vec<String>>,
    /// What else to look at. At most 100.
    #[oai(validator(max_items = 100))]
    pub links: Option<Vec<LinkBody>>,
    /// The tokens of locks of your session that go over to whoever takes it. At most 64.
    #[oai(validator(max_items = 64))]
    pub locks: Option<Vec<i64>>,
    /// Tasks your session works on that go over to whoever takes it, each with its locks. At most 20.
    #[oai(validator(max_items = 20))]
    pub tasks: Option<Vec<ClaimBody>>,
    /// To whom it is offered; to nobody if left out.
    pub offer: Option<OfferBody>,
    /// How long the offer stands, in seconds; a day if left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "2592000")))]
    pub expires_in_seconds: Option<u32>,
}

/// A handoff to write, read.
pub struct ReadHandoff {
    /// Where the work stands.
    pub summary: Summary,
    /// The rest.
    pub content: Content,
    /// To whom it is offered.
    pub offer: Offer,
    /// What goes over.
    pub to_move: ToMove,
    /// How long the offer stands.
    pub length: OfferLength,
}

impl WriteHandoffBody {
    /// Reads it.
    pub fn read(self) -> Result<ReadHandoff, Problem> {
        let files = self.files.unwrap_or_default();
        let files = files
            .iter()
            .enumerate()
            .map(|(at, file)| FileName::parse(file).map_err(|error| Problem::invalid(&format!("files[{at}]"), &error)));
        let links = self.links.unwrap_or_default();
        let links = links.iter().enumerate().map(|(at, link)| {
            let read = Link::parse(link.kind.into(), &link.target);
            read.map_err(|error| Problem::invalid(&format!("links[{at}].target"), &error))
        });
        let lists = Lists {
            completed: items("completed", self.completed)?,
            in_progress: items("in_progress", self.in_progress)?,
            decisions: items("decisions", self.decisions)?,
            next_steps: items("next_steps", self.next_steps)?,
            files: files.collect::<Result<_, _>>()?,
            links: links.collect::<Result<_, _>>()?,
        };
        let offer = offer(self.offer)?;
        if !offer.is_made() {
            let given = [
                ("locks", self.locks.as_ref().is_some_and(|locks| !locks.is_empty())),
                ("tasks", self.tasks.as_ref().is_some_and(|tasks| !tasks.is_empty())),
                ("expires_in_seconds", self.expires_in_seconds.is_some()),
            ];
            if let Some((field, _)) = given.into_iter().find(|(_, is_given)| *is_given) {
                return Err(Problem::invalid(field, &"goes only with an `offer` to somebody"));
            }
        }
        let length = self.expires_in_seconds.map_or(Ok(OfferLength::DEFAULT), OfferLength::try_new);
        Ok(ReadHandoff {
            summary: Summary::parse(&self.summary).map_err(|error| Problem::invalid("summary", &error))?,
            content: Content::try_new(lists).map_err(|error| Problem::invalid(error.field(), &error))?,
            offer,
            to_move: to_move(self.locks.unwrap_or_default(), self.tasks.unwrap_or_default())?,
            length: length.map_err(|error| Problem::invalid("expires_in_seconds", &error))?,
        })
    }
}

fn items(field: &str, texts: Option<Vec<String>>) -> Result<Vec<Item>, Problem> {
    let texts = texts.unwrap_or_default();
    let read = |(at, text): (usize, &String)| {
        Item::parse(text).map_err(|error: InvalidText| Problem::invalid(&format!("{field}[{at}]"), &error))
    };
    texts.iter().enumerate().map(read).collect()
}

fn offer(body: Option<OfferBody>) -> Result<Offer, Problem> {
    let Some(OfferBody { to, agent, capability }) = body else { return Ok(Offer::Nobody) };
    match (to, agent, capability) {
        (OfferToBody::Nobody, None, None) => Ok(Offer::Nobody),
        (OfferToBody::Next, None, None) => Ok(Offer::Next),
        (OfferToBody::Agent, Some(agent), None) => {
            let agent = AgentId::parse(&agent).map_err(|error| Problem::invalid("offer.agent", &error))?;
            Ok(Offer::Agent { agent })
        }
        (OfferToBody::Capability, None, Some(capability)) => {
            let capability =
                Capability::parse(&capability).map_err(|error| Problem::invalid("offer.capability", &error))?;
            Ok(Offer::Capability { capability })
        }
        (OfferToBody::Agent, None, _) => Err(Problem::invalid("offer.agent", &"is needed with `to` set to `agent`")),
        (OfferToBody::Capability, _, None) => {
            Err(Problem::invalid("offer.capability", &"is needed with `to` set to `capability`"))
        }
        (_, Some(_), _) => Err(Problem::invalid("offer.agent", &"goes only with `to` set to `agent`")),
        (_, _, Some(_)) => Err(Problem::invalid("offer.capability", &"goes only with `to` set to `capability`")),
    }
}

fn to_move(locks: Vec<i64>, tasks: Vec<ClaimBody>) -> Result<ToMove, Problem> {
    let token = |field: String, value| Token::try_new(value).map_err(|error| Problem::invalid(&field, &error));
    let locks = locks.into_iter().enumerate().map(|(at, value)| token(format!("locks[{at}]"), value));
    let locks = locks.collect::<Result<_, _>>()?;
    let mut claims = BTreeMap::new();
    for (at, ClaimBody { task_id, token: value }) in tasks.into_iter().enumerate() {
        let field = format!("tasks[{at}].task_id");
        let task = TaskId::parse(&task_id).map_err(|error| Problem::invalid(&field, &error))?;
        if claims.insert(task, token(format!("tasks[{at}].token"), value)?).is_some() {
            return Err(Problem::invalid(&field, &"is named twice"));
        }
    }
    ToMove::try_new(locks, claims).map_err(|error| Problem::invalid(error.field, &error))
}

impl From<LinkKindBody> for LinkKind {
    fn from(kind: LinkKindBody) -> Self {
        match kind {
            LinkKindBody::Task => Self::Task,
            LinkKindBody::Lock => Self::Lock,
            LinkKindBody::Message => Self::Message,
            LinkKindBody::Handoff => Self::Handoff,
            LinkKindBody::Commit => Self::Commit,
            LinkKindBody::Url => Self::Url,
        }
    }
}

impl From<LinkKind> for LinkKindBody {
    fn from(kind: LinkKind) -> Self {
        match kind {
            LinkKind::Task => Self::Task,
            LinkKind::Lock => Self::Lock,
            LinkKind::Message => Self::Message,
            LinkKind::Handoff => Self::Handoff,
            LinkKind::Commit => Self::Commit,
            LinkKind::Url => Self::Url,
        }
    }
}

/// How a handoff is to be taken.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AcceptHandoff", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct AcceptBody {
    /// How long the locks that go over last at least, in seconds; as long as any lock if left out. Those of tasks last as
    /// long as their task.
    #[oai(validator(minimum(value = "5"), maximum(value = "28800")))]
    pub ttl_seconds: Option<u32>,
}

/// Why a handoff is not wanted, or not offered any more.
#[derive(Debug, Clone, Object)]
#[oai(rename = "HandoffReason", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct ReasonBody {
    /// In words.
    #[oai(validator(min_length = 1, max_length = 512))]
    pub reason: Option<String>,
}

impl ReasonBody {
    /// Reads it.
    pub fn read(self) -> Result<Option<Reason>, Problem> {
        let reason = self.reason.as_deref().map(Reason::parse).transpose();
        reason.map_err(|error| Problem::invalid("reason", &error))
    }
}

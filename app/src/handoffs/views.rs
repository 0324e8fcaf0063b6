//! What handoffs look like on the wire.

use crate::handoffs::bodies::{LinkBody, OfferBody, OfferToBody};
use crate::handoffs::commands::DeclinedHandoff;
use crate::handoffs::obstacles::NotMovedView;
use crate::handoffs::queries::HandoffDetail;
use crate::locks::views::ModeView;
use chrono::{DateTime, Utc};
use domain::handoffs::content::{Content, Item, Lists};
use domain::handoffs::{Handoff, Moved, MovedLock, MovedTask, Offer, State, Status};
use domain::locks::lease::{Holder, Token};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Enum, Object};

/// What became of a handoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "HandoffStatus", rename_all = "snake_case")]
pub enum StatusView {
    /// It is a record, offered to nobody.
    Written,
    /// Somebody may take it.
    Offered,
    /// Somebody took it.
    Accepted,
    /// The agent it was offered to does not want it.
    Declined,
    /// Nobody took it in time.
    Expired,
    /// Its giver took it back.
    Withdrawn,
}

impl From<Status> for StatusView {
    fn from(status: Status) -> Self {
        match status {
            Status::Written => Self::Written,
            Status::Offered => Self::Offered,
            Status::Accepted => Self::Accepted,
            Status::Declined => Self::Declined,
            Status::Expired => Self::Expired,
            Status::Withdrawn => Self::Withdrawn,
        }
    }
}

impl From<StatusView> for Status {
    fn from(status: StatusView) -> Self {
        match status {
            StatusView::Written => Self::Written,
            StatusView::Offered => Self::Offered,
            StatusView::Accepted => Self::Accepted,
            StatusView::Declined => Self::Declined,
            StatusView::Expired => Self::Expired,
            StatusView::Withdrawn => Self::Withdrawn,
        }
    }
}

/// A claim that goes over.
#[derive(Debug, Clone, Object)]
#[oai(rename = "HandoffClaim")]
pub struct ClaimView {
    /// The task.
    pub task_id: String,
    /// The giver's token.
    pub token: i64,
}

/// A lock that went over.
#[derive(Debug, Clone, Object)]
#[oai(rename = "MovedLock")]
pub struct MovedLockView {
    /// What is locked.
    pub key: String,
    /// How.
    pub mode: ModeView,
    /// The taker's token. Below 2^53.
    pub token: i64,
    /// The giver's token, which is stale.
    pub from_token: i64,
    /// Until when, when it went over.
    pub until: DateTime<Utc>,
}

impl From<MovedLock> for MovedLockView {
    fn from(MovedLock { key, mode, from, token, until }: MovedLock) -> Self {
        Self { key: key.into(), mode: mode.into(), token: token.value(), from_token: from.value(), until }
    }
}

/// A claimed task that went over.
#[derive(Debug, Clone, Object)]
#[oai(rename = "MovedTask")]
pub struct MovedTaskView {
    /// The task.
    pub task_id: String,
    /// The number of the attempt, which goes on.
    pub attempt: u32,
    /// The taker's token, which every word about the attempt must carry. Below 2^53.
    pub token: i64,
    /// The giver's token, which is stale.
    pub from_token: i64,
    /// Until when, when it went over.
    pub lease_until: DateTime<Utc>,
    /// Its locks that went over with it.
    pub locks: Vec<MovedLockView>,
}

impl From<MovedTask> for MovedTaskView {
    fn from(MovedTask { task, attempt, from, token, until, locks }: MovedTask) -> Self {
        Self {
            task_id: task.to_string(),
            attempt,
            token: token.value(),
            from_token: from.value(),
            lease_until: until,
            locks: locks.into_iter().map(Into::into).collect(),
        }
    }
}

/// Who took a handoff, and what went over.
#[derive(Debug, Clone, Object)]
#[oai(rename = "HandoffAcceptance")]
pub struct AcceptanceView {
    /// The agent.
    pub agent: String,
    /// In which of its sessions.
    pub session: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The locks it has now, those of tasks apart.
    pub locks: Vec<MovedLockView>,
    /// The tasks it has now.
    pub tasks: Vec<MovedTaskView>,
    /// What was named and stayed where it was, and why.
    pub not_moved: Vec<NotMovedView>,
}

impl AcceptanceView {
    fn new(Holder { agent, session }: Holder, at: DateTime<Utc>, moved: Moved) -> Self {
        let Moved { locks, tasks, not_moved } = moved;
        Self {
            agent: agent.into(),
            session: session.into(),
            at,
            locks: locks.into_iter().map(Into::into).collect(),
            tasks: tasks.into_iter().map(Into::into).collect(),
            not_moved: not_moved.into_iter().map(Into::into).collect(),
        }
    }
}

/// The end of an offer that nobody took.
#[derive(Debug, Clone, Object)]
#[oai(rename = "HandoffEnd", skip_serializing_if_is_none)]
pub struct EndView {
    /// When.
    pub at: DateTime<Utc>,
    /// By which agent; absent if it expired.
    pub agent: Option<String>,
    /// Why, if that was told.
    pub reason: Option<String>,
}

/// A handoff: what one agent leaves to the next.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Handoff", skip_serializing_if_is_none)]
pub struct HandoffView {
    /// Its id.
    pub id: String,
    /// What became of it.
    pub status: StatusView,
    /// The agent that wrote it.
    pub from_agent: String,
    /// In which of its sessions, if it was in one.
    pub from_session: Option<String>,
    /// Where the work stands.
    pub summary: String,
    /// To whom it is offered.
    pub offer: OfferBody,
    /// The tokens of the locks that go over, as the giver had them; those of tasks apart.
    pub locks: Vec<i64>,
    /// The tasks that go over.
    pub tasks: Vec<ClaimView>,
    /// When it was written.
    pub written_at: DateTime<Utc>,
    /// Until when the offer stands, or stood; absent of a record.
    pub expires_at: Option<DateTime<Utc>>,
    /// Who took it, and what went over.
    pub accepted: Option<AcceptanceView>,
    /// How it came to an end otherwise.
    pub ended: Option<EndView>,
}

impl From<Handoff> for HandoffView {
    fn from(handoff: Handoff) -> Self {
        let status = handoff.status().into();
        let Handoff { id, from, summary, offer, to_move, written_at, expires_at, state, revision: _ } = handoff;
        let (accepted, ended) = match state {
            State::Written | State::Offered => (None, None),
            State::Accepted { by, at, moved } => (Some(AcceptanceView::new(by, at, moved)), None),
            State::Declined { by, at, reason } => {
                (None, Some(EndView { at, agent: Some(by.into()), reason: reason.map(Into::into) }))
            }
            State::Expired { at } => (None, Some(EndView { at, agent: None, reason: None })),
            State::Withdrawn { at, reason } => {
                let agent = Some(from.agent.to_string());
                (None, Some(EndView { at, agent, reason: reason.map(Into::into) }))
            }
        };
        Self {
            id: id.to_string(),
            status,
            from_agent: from.agent.into(),
            from_session: from.session.map(Into::into),
            summary: summary.into(),
            offer: offer.into(),
            locks: to_move.locks.into_iter().map(Token::value).collect(),
            tasks: to_move
                .tasks
                .into_iter()
                .map(|(task, token)| ClaimView { task_id: task.to_string(), token: token.value() })
                .collect(),
            written_at,
            expires_at,
            accepted,
            ended,
        }
    }
}

impl From<Offer> for OfferBody {
    fn from(offer: Offer) -> Self {
        let (to, agent, capability) = match offer {
            Offer::Nobody => (OfferToBody::Nobody, None, None),
            Offer::Agent { agent } => (OfferToBody::Agent, Some(agent.into()), None),
            Offer::Capability { capability } => (OfferToBody::Capability, None, Some(capability.into())),
            Offer::Next => (OfferToBody::Next, None, None),
        };
        Self { to, agent, capability }
    }
}

/// A handoff with all that is written in it.
#[derive(Debug, Clone, Object)]
#[oai(rename = "HandoffDetail")]
pub struct HandoffDetailView {
    /// The handoff.
    pub handoff: HandoffView,
    /// What is done.
    pub completed: Vec<String>,
    /// What was begun and is not done.
    pub in_progress: Vec<String>,
    /// What was decided, and why.
    pub decisions: Vec<String>,
    /// What is to be done next, first things first.
    pub next_steps: Vec<String>,
    /// The files it is about.
    pub files: Vec<String>,
    /// What else to look at.
    pub links: Vec<LinkBody>,
}

impl HandoffDetailView {
    /// A handoff and its lists.
    pub fn new(handoff: Handoff, content: Content) -> Self {
        let Lists { completed, in_progress, decisions, next_steps, files, links } = content.into();
        let texts = |items: Vec<Item>| items.into_iter().map(Into::into).collect();
        Self {
            handoff: handoff.into(),
            completed: texts(completed),
            in_progress: texts(in_progress),
            decisions: texts(decisions),
            next_steps: texts(next_steps),
            files: files.into_iter().map(Into::into).collect(),
            links: links
                .iter()
                .map(|link| LinkBody { kind: link.kind().into(), target: link.target().to_owned() })
                .collect(),
        }
    }
}

impl From<HandoffDetail> for HandoffDetailView {
    fn from(HandoffDetail { handoff, content }: HandoffDetail) -> Self {
        Self::new(handoff, content)
    }
}

/// A page of handoffs, without their lists.
#[derive(Debug, Clone, Object)]
#[oai(rename = "HandoffPage", skip_serializing_if_is_none)]
pub struct HandoffPageView {
    /// At most the asked number, newest first.
    pub handoffs: Vec<HandoffView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// The newest handoff.
#[derive(Debug, Clone, Object)]
#[oai(rename = "LatestHandoff", skip_serializing_if_is_none)]
pub struct LatestHandoffView {
    /// It; absent if there is none that passes.
    pub latest: Option<HandoffDetailView>,
}

/// A handoff that somebody does not want.
#[derive(Debug, Clone, Object)]
#[oai(rename = "DeclinedHandoff")]
pub struct DeclinedView {
    /// The handoff.
    pub handoff: HandoffView,
    /// Whether it still stands for others.
    pub still_offered: bool,
}

impl From<DeclinedHandoff> for DeclinedView {
    fn from(DeclinedHandoff { handoff, still_offered }: DeclinedHandoff) -> Self {
        Self { handoff: handoff.into(), still_offered }
    }
}

/// An answer to the writing of a handoff.
#[derive(ApiResponse)]
pub enum WrittenHandoff {
    /// The handoff.
    #[oai(status = 201)]
    Created(Json<HandoffDetailView>),
}

//! Every way a use case says no, and what can go wrong beside it.

mod audited;
mod slugs;

use crate::memory::remembering::ImportRefused;
use crate::memory::secrets::SecretsFound;
use domain::agents::SessionRefusal;
use domain::agents::record::AgentRefusal;
use domain::alerts::refusal::AlertRefusal;
use domain::handoffs::HandoffRefusal;
use domain::identity::key::KeyRefusal;
use domain::identity::principal::Denial;
use domain::identity::project::ProjectRefusal;
use domain::ids::TicketId;
use domain::locks::refusal::LockRefusal;
use domain::memory::procedures::ProcedureRefusal;
use domain::memory::refusal::MemoryRefusal;
use domain::memory::working::WorkingRefusal;
use domain::messages::refusal::MessageRefusal;
use domain::webhooks::refusal::WebhookRefusal;
use domain::work::refusal::WorkRefusal;
use domain::work::schedule::ScheduleRefusal;
use ports::store::StoreError;
use serde::{Deserialize, Serialize};
use slugs::{handoff_slug, memory_slug, message_slug, procedure_slug, working_slug};

/// A decision against the caller. It is recorded for replays and written to the audit log under its slug.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// About agents.
    #[error(transparent)]
    Agent(#[from] AgentRefusal),
    /// About alerts.
    #[error(transparent)]
    Alert(#[from] AlertRefusal),
    /// The key does not allow it.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// About handoffs.
    #[error(transparent)]
    Handoff(#[from] HandoffRefusal),
    /// The idempotency key was used for another request.
    #[error("this `Idempotency-Key` was used for a request with other content")]
    IdempotencyKeyReused,
    /// About API keys.
    #[error(transparent)]
    Key(#[from] KeyRefusal),
    /// About locks.
    #[error(transparent)]
    Lock(#[from] LockRefusal),
    /// About memories.
    #[error(transparent)]
    Memory(#[from] MemoryRefusal),
    /// About lines to be remembered.
    #[error(transparent)]
    MemoryImport(#[from] ImportRefused),
    /// About messages.
    #[error(transparent)]
    Message(#[from] MessageRefusal),
    /// About procedures.
    #[error(transparent)]
    Procedure(#[from] ProcedureRefusal),
    /// About projects.
    #[error(transparent)]
    Project(#[from] ProjectRefusal),
    /// About schedules.
    #[error(transparent)]
    Schedule(#[from] ScheduleRefusal),
    /// About secrets in what is to be written.
    #[error(transparent)]
    Secrets(#[from] SecretsFound),
    /// About sessions.
    #[error(transparent)]
    Session(#[from] SessionRefusal),
    /// About webhooks.
    #[error(transparent)]
    Webhook(#[from] WebhookRefusal),
    /// About tasks.
    #[error(transparent)]
    Work(#[from] WorkRefusal),
    /// About working memory.
    #[error(transparent)]
    Working(#[from] WorkingRefusal),
}

impl Refusal {
    /// The stable name of the problem, as in `docs/problems.md`.
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::Denied(denial)
            | Self::Agent(AgentRefusal::Denied(denial))
            | Self::Key(KeyRefusal::Denied(denial)) => match denial {
                Denial::Role { .. } => "role-too-low",
                Denial::OtherAgent { .. } => "not-your-agent",
                Denial::OtherProject { .. } => "not-your-project",
                Denial::NeedsAllProjects => "needs-all-projects",
            },
            Self::Agent(refusal) => match refusal {
                AgentRefusal::Unknown { .. } => "agent-unknown",
                AgentRefusal::Deregistered { .. } => "agent-deregistered",
                AgentRefusal::Denied(_) => "role-too-low",
                AgentRefusal::WindowTooLong => "invalid-value",
            },
            Self::Handoff(refusal) => handoff_slug(refusal),
            Self::Alert(refusal) => match refusal {
                AlertRefusal::Unknown { .. } => "alert-unknown",
                AlertRefusal::Resolved { .. } => "alert-resolved",
                AlertRefusal::NotYours { .. } => "alert-not-yours",
                AlertRefusal::TooMany => "alerts-full",
            },
            Self::Webhook(refusal) => match refusal {
                WebhookRefusal::Unknown { .. } => "webhook-unknown",
                WebhookRefusal::TooMany => "webhooks-full",
                WebhookRefusal::Address { .. } => "webhook-address-refused",
                WebhookRefusal::NotActive { .. } => "webhook-not-active",
                WebhookRefusal::BacklogFull => "webhook-backlog-full",
                WebhookRefusal::UnknownDelivery { .. } => "webhook-delivery-unknown",
                WebhookRefusal::Pending { .. } => "webhook-delivery-pending",
            },
            Self::IdempotencyKeyReused => "idempotency-key-reused",
            Self::Key(refusal) => match refusal {
                KeyRefusal::Unknown { .. } => "key-unknown",
                KeyRefusal::Revoked { .. } => "key-revoked",
                KeyRefusal::ExpiryPassed => "expiry-passed",
                KeyRefusal::Denied(_) => "role-too-low",
            },
            Self::Lock(refusal) | Self::Work(WorkRefusal::Locks(refusal)) => match refusal {
                LockRefusal::Held { .. } => "lock-held",
                LockRefusal::Deadlock { .. } => "deadlock",
                LockRefusal::LineFull => "line-full",
                LockRefusal::TicketExpired { .. } => "ticket-expired",
                LockRefusal::TicketNotYours { .. } => "ticket-not-yours",
                LockRefusal::TicketMismatch { .. } => "ticket-mismatch",
                LockRefusal::Stale { .. } => "token-stale",
                LockRefusal::NotHolder { .. } => "not-holder",
                LockRefusal::UnknownToken { .. } => "token-unknown",
                LockRefusal::TokensUsedUp => "tokens-used-up",
            },
            Self::Memory(refusal) => memory_slug(refusal),
            Self::MemoryImport(_) => "import-refused",
            Self::Message(refusal) => message_slug(refusal),
            Self::Procedure(refusal) => procedure_slug(refusal),
            Self::Project(refusal) => match refusal {
                ProjectRefusal::Unknown { .. } => "project-unknown",
                ProjectRefusal::Exists { .. } => "project-exists",
                ProjectRefusal::Archived { .. } => "project-archived",
                ProjectRefusal::DefaultStays => "project-default-stays",
            },
            Self::Schedule(refusal) => match refusal {
                ScheduleRefusal::Unknown { .. } => "schedule-unknown",
                ScheduleRefusal::NameTaken { .. } => "schedule-exists",
                ScheduleRefusal::Timing { .. } => "invalid-value",
                ScheduleRefusal::Never { .. } => "schedule-never-fires",
                ScheduleRefusal::TooMany => "schedules-full",
            },
            Self::Secrets(_) => "secret-found",
            Self::Session(refusal) => match refusal {
                SessionRefusal::NotYours { .. } => "session-not-yours",
                SessionRefusal::Ended { .. } => "session-ended",
                SessionRefusal::Unknown { .. } => "session-unknown",
            },
            Self::Work(refusal) => match refusal {
                WorkRefusal::Submission { .. } => "submission-refused",
                WorkRefusal::UnknownTask { .. } => "task-unknown",
                WorkRefusal::Stale { .. } => "claim-stale",
                WorkRefusal::NotHolder { .. } => "not-holder",
                WorkRefusal::UnknownToken { .. } => "claim-unknown",
                WorkRefusal::Ended { .. } => "task-ended",
                WorkRefusal::Running { .. } => "task-running",
                WorkRefusal::NotDead { .. } => "task-not-dead",
                WorkRefusal::PastDeadline { .. } => "deadline-passed",
                WorkRefusal::OutOfReach { .. } => "time-out-of-reach",
                WorkRefusal::Locks(_) => "tokens-used-up",
                // Use cases turn it into a defect, which tells the caller nothing.
                WorkRefusal::NotPrepared { .. } => "internal",
            },
            Self::Working(refusal) => working_slug(refusal),
        }
    }

    /// Whether it is written to the audit log: a domain or policy decision (403, 409, 410), not a bad value (422), an
    /// unknown thing (404) or a full queue (429, 503).
    pub const fn is_audited(&self) -> bool {
        match self {
            Self::Denied(_) | Self::IdempotencyKeyReused => true,
            Self::Agent(refusal) => match refusal {
                AgentRefusal::Denied(_) | AgentRefusal::Deregistered { .. } => true,
                AgentRefusal::Unknown { .. } | AgentRefusal::WindowTooLong => false,
            },
            Self::Alert(refusal) => match refusal {
                AlertRefusal::Resolved { .. } | AlertRefusal::NotYours { .. } => true,
                AlertRefusal::Unknown { .. } | AlertRefusal::TooMany => false,
            },
            Self::Webhook(refusal) => match refusal {
                WebhookRefusal::TooMany
                | WebhookRefusal::Address { .. }
                | WebhookRefusal::NotActive { .. }
                | WebhookRefusal::Pending { .. } => true,
                WebhookRefusal::Unknown { .. }
                | WebhookRefusal::BacklogFull
                | WebhookRefusal::UnknownDelivery { .. } => false,
            },
            Self::Handoff(refusal) => match refusal {
                HandoffRefusal::NotHeld { .. }
                | HandoffRefusal::NotOffered { .. }
                | HandoffRefusal::NotForYou { .. }
                | HandoffRefusal::OwnSession { .. }
                | HandoffRefusal::NotGiver { .. }
                | HandoffRefusal::Taken { .. }
                | HandoffRefusal::Over { .. } => true,
                HandoffRefusal::Unknown { .. } | HandoffRefusal::Locks(_) => false,
            },
            Self::Key(refusal) => match refusal {
                KeyRefusal::Denied(_) | KeyRefusal::Revoked { .. } => true,
                KeyRefusal::Unknown { .. } | KeyRefusal::ExpiryPassed => false,
            },
            Self::Lock(refusal) | Self::Work(WorkRefusal::Locks(refusal)) => match refusal {
                LockRefusal::Held { .. }
                | LockRefusal::Deadlock { .. }
                | LockRefusal::TicketExpired { .. }
                | LockRefusal::TicketNotYours { .. }
                | LockRefusal::Stale { .. }
                | LockRefusal::NotHolder { .. } => true,
                LockRefusal::LineFull
                | LockRefusal::TicketMismatch { .. }
                | LockRefusal::UnknownToken { .. }
                | LockRefusal::TokensUsedUp => false,
            },
            Self::Memory(refusal) => is_decision_on_memory(refusal),
            Self::MemoryImport(_) | Self::Secrets(_) => false,
            Self::Procedure(refusal) => audited::procedure(refusal),
            Self::Working(refusal) => audited::working(refusal),
            Self::Message(refusal) => audited::message(refusal),
            Self::Project(refusal) => match refusal {
                ProjectRefusal::Exists { .. } | ProjectRefusal::Archived { .. } | ProjectRefusal::DefaultStays => true,
                ProjectRefusal::Unknown { .. } => false,
            },
            Self::Schedule(refusal) => match refusal {
                ScheduleRefusal::NameTaken { .. } | ScheduleRefusal::TooMany => true,
                ScheduleRefusal::Unknown { .. } | ScheduleRefusal::Timing { .. } | ScheduleRefusal::Never { .. } => {
                    false
                }
            },
            Self::Session(refusal) => match refusal {
                SessionRefusal::NotYours { .. } | SessionRefusal::Ended { .. } => true,
                SessionRefusal::Unknown { .. } => false,
            },
            Self::Work(refusal) => match refusal {
                WorkRefusal::Stale { .. }
                | WorkRefusal::NotHolder { .. }
                | WorkRefusal::Ended { .. }
                | WorkRefusal::Running { .. }
                | WorkRefusal::NotDead { .. }
                | WorkRefusal::PastDeadline { .. } => true,
                WorkRefusal::Submission { .. }
                | WorkRefusal::UnknownTask { .. }
                | WorkRefusal::UnknownToken { .. }
                | WorkRefusal::OutOfReach { .. }
                | WorkRefusal::Locks(_)
                | WorkRefusal::NotPrepared { .. } => false,
            },
        }
    }
}

/// As [`Refusal::is_audited`].
const fn is_decision_on_memory(refusal: &MemoryRefusal) -> bool {
    match refusal {
        MemoryRefusal::NotYours { .. }
        | MemoryRefusal::Redacted { .. }
        | MemoryRefusal::Superseded { .. }
        | MemoryRefusal::Elsewhere { .. }
        | MemoryRefusal::NotShared => true,
        MemoryRefusal::Unknown { .. }
        | MemoryRefusal::Itself { .. }
        | MemoryRefusal::NotYet { .. }
        | MemoryRefusal::NeverValid { .. } => false,
    }
}

/// How a call can fail.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It was decided against.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store could not say.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server is stopping; the place in line, if any, is kept for a while.
    #[error("the server is stopping")]
    ShuttingDown {
        /// The ticket to present elsewhere.
        ticket: Option<TicketId>,
    },
    /// Something that must be true is not: a defect.
    #[error("internal: {0}")]
    Internal(String),
}

/// An error with everything that caused it, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

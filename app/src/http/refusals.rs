//! From what a use case says to what the caller reads: the only place where a refusal gets its members.
//!
//! Its status stands in the table of problems, under the slug that `Refusal::slug` gives it.

use crate::handoffs::obstacles::TakerView;
use crate::http::problem::kinds::{self, BUSY, INTERNAL, SHUTTING_DOWN, UNAVAILABLE};
use crate::http::problem::{Kind, Problem};
use crate::locks::obstacles::{ConflictView, CycleStepView, StaleView};
use crate::memory::obstacles as obstacles_of_memories;
use crate::memory::remembering::ImportRefused;
use crate::memory::secrets::SecretsFound;
use crate::refusal::{CallError, Refusal, chain};
use crate::work::obstacles;
use domain::alerts::refusal::AlertRefusal;
use domain::handoffs::HandoffRefusal;
use domain::locks::refusal::LockRefusal;
use domain::messages::refusal::MessageRefusal;
use domain::webhooks::refusal::WebhookRefusal;
use domain::work::refusal::WorkRefusal;
use ports::store::StoreError;

/// When a caller may try again after the store was away, in milliseconds.
const UNAVAILABLE_RETRY_MS: u64 = 1_000;

/// When a caller may try again after others got there first too often, in milliseconds.
const BUSY_RETRY_MS: u64 = 100;

/// When a caller may try again at another server, or at this one after its restart, in milliseconds.
const SHUTTING_DOWN_RETRY_MS: u64 = 500;

/// When a caller may try again after finding the line full, in milliseconds.
const LINE_FULL_RETRY_MS: u64 = 5_000;

/// When a caller may try again after finding an inbox full, in milliseconds.
const INBOX_FULL_RETRY_MS: u64 = 10_000;

/// When a caller may try again after answering too often, in milliseconds; the refusal names the instant.
const CONVERSATION_RETRY_MS: u64 = 5_000;

/// When a caller may try again after finding more alerts or deliveries than somebody can see to, in milliseconds.
const TOO_MUCH_RETRY_MS: u64 = 60_000;

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(refusal) => refusal.into(),
            CallError::Store(error) => error.into(),
            CallError::ShuttingDown { ticket } => {
                let problem = Self::new(&SHUTTING_DOWN).retryable_after_ms(SHUTTING_DOWN_RETRY_MS);
                match ticket {
                    Some(ticket) => problem.ticket(ticket.to_string()),
                    None => problem,
                }
            }
            CallError::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => {
                Self::new(&UNAVAILABLE).retryable_after_ms(UNAVAILABLE_RETRY_MS).caused_by(chain(cause.as_ref()))
            }
            StoreError::Conflict { what } => {
                Self::new(&BUSY).retryable_after_ms(BUSY_RETRY_MS).caused_by(format!("conflict on {what}"))
            }
            error @ (StoreError::Corrupt { .. } | StoreError::Failed(_)) => Self::internal(chain(&error)),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        let problem = Self::new(kind(refusal.slug())).detail(detail);
        match refusal {
            Refusal::Lock(refusal) => with_members(problem, refusal),
            Refusal::Handoff(refusal) => with_handoffs(problem, refusal),
            Refusal::Work(refusal) => with_tasks(problem, refusal),
            Refusal::MemoryImport(ImportRefused { faults }) => problem.errors(obstacles_of_memories::lines(faults)),
            Refusal::Secrets(SecretsFound { found }) => problem.errors(obstacles_of_memories::secrets(found)),
            Refusal::Message(refusal) => with_messages(problem, &refusal),
            Refusal::Webhook(WebhookRefusal::BacklogFull) | Refusal::Alert(AlertRefusal::TooMany) => {
                problem.retryable_after_ms(TOO_MUCH_RETRY_MS)
            }
            Refusal::Agent(_)
            | Refusal::Alert(_)
            | Refusal::Denied(_)
            | Refusal::IdempotencyKeyReused
            | Refusal::Key(_)
            | Refusal::Memory(_)
            | Refusal::Procedure(_)
            | Refusal::Project(_)
            | Refusal::Schedule(_)
            | Refusal::Session(_)
            | Refusal::Webhook(_)
            | Refusal::Working(_) => problem,
        }
    }
}

fn with_members(problem: Problem, refusal: LockRefusal) -> Problem {
    match refusal {
        LockRefusal::Held { conflicts, place } => {
            let problem = problem.retryable().conflicts(conflicts.into_iter().map(ConflictView::from).collect());
            match place {
                Some(place) => problem.ticket(place.ticket.to_string()).position(place.position),
                None => problem.hint("send `wait_seconds` to wait in line"),
            }
        }
        LockRefusal::Deadlock { cycle } => problem.cycle(cycle.into_iter().map(CycleStepView::from).collect()),
        LockRefusal::Stale { stale } => problem.stale(stale.into_iter().map(StaleView::from).collect()),
        LockRefusal::LineFull => problem.retryable_after_ms(LINE_FULL_RETRY_MS),
        LockRefusal::TicketExpired { .. }
        | LockRefusal::TicketNotYours { .. }
        | LockRefusal::TicketMismatch { .. }
        | LockRefusal::NotHolder { .. }
        | LockRefusal::UnknownToken { .. }
        | LockRefusal::TokensUsedUp => problem,
    }
}

fn with_handoffs(problem: Problem, refusal: HandoffRefusal) -> Problem {
    match refusal {
        HandoffRefusal::NotHeld { not_held } => problem.not_held(not_held.into_iter().map(Into::into).collect()),
        HandoffRefusal::Taken { by, at, .. } => problem.taken_by(TakerView::new(by, at)),
        HandoffRefusal::Locks(refusal) => with_members(problem, refusal),
        HandoffRefusal::Unknown { .. }
        | HandoffRefusal::NotOffered { .. }
        | HandoffRefusal::NotForYou { .. }
        | HandoffRefusal::OwnSession { .. }
        | HandoffRefusal::NotGiver { .. }
        | HandoffRefusal::Over { .. } => problem,
    }
}

fn with_tasks(problem: Problem, refusal: WorkRefusal) -> Problem {
    match refusal {
        WorkRefusal::Submission { faults } => problem.errors(obstacles::faults(faults)),
        WorkRefusal::Stale { claim } => problem.claim((*claim).into()),
        WorkRefusal::Running { with, .. } => problem.held_by(with.into()),
        WorkRefusal::Locks(refusal) => with_members(problem, refusal),
        WorkRefusal::UnknownTask { .. }
        | WorkRefusal::NotHolder { .. }
        | WorkRefusal::UnknownToken { .. }
        | WorkRefusal::Ended { .. }
        | WorkRefusal::NotDead { .. }
        | WorkRefusal::PastDeadline { .. }
        | WorkRefusal::OutOfReach { .. }
        | WorkRefusal::NotPrepared { .. } => problem,
    }
}

fn with_messages(problem: Problem, refusal: &MessageRefusal) -> Problem {
    match refusal {
        MessageRefusal::ConversationSlowed { .. } => problem.retryable_after_ms(CONVERSATION_RETRY_MS),
        MessageRefusal::InboxesFull { .. } => problem.retryable_after_ms(INBOX_FULL_RETRY_MS),
        MessageRefusal::RecipientsUnknown { .. }
        | MessageRefusal::AudienceEmpty { .. }
        | MessageRefusal::AudienceTooLarge
        | MessageRefusal::ReplyToNothing
        | MessageRefusal::RepliedUnknown { .. }
        | MessageRefusal::TaskNotHeld { .. }
        | MessageRefusal::NotOnBehalf { .. }
        | MessageRefusal::TimePassed { .. }
        | MessageRefusal::TimeTooFar { .. }
        | MessageRefusal::ConversationStopped { .. }
        | MessageRefusal::ConversationNotStopped { .. }
        | MessageRefusal::NotInInbox { .. }
        | MessageRefusal::DeliveryEnded { .. }
        | MessageRefusal::NotOffered { .. }
        | MessageRefusal::TooManyGroups
        | MessageRefusal::GroupFull { .. }
        | MessageRefusal::TooManyGroupsOfAgent { .. }
        | MessageRefusal::NotInGroup { .. }
        | MessageRefusal::NotYourMembership { .. } => problem,
    }
}

fn kind(slug: &str) -> &'static Kind {
    kinds::find(slug).unwrap_or(&INTERNAL)
}

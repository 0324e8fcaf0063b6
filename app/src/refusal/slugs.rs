//! The names of problems, context by context.

use domain::handoffs::HandoffRefusal;
use domain::memory::procedures::ProcedureRefusal;
use domain::memory::refusal::MemoryRefusal;
use domain::memory::working::WorkingRefusal;
use domain::messages::refusal::MessageRefusal;

/// As [`Refusal::slug`](super::Refusal::slug).
pub(super) const fn handoff_slug(refusal: &HandoffRefusal) -> &'static str {
    match refusal {
        HandoffRefusal::Unknown { .. } => "handoff-unknown",
        HandoffRefusal::NotHeld { .. } => "handoff-not-held",
        HandoffRefusal::NotOffered { .. } => "handoff-not-offered",
        HandoffRefusal::NotForYou { .. } | HandoffRefusal::OwnSession { .. } => "handoff-not-for-you",
        HandoffRefusal::NotGiver { .. } => "handoff-not-yours",
        HandoffRefusal::Taken { .. } => "handoff-taken",
        HandoffRefusal::Over { .. } => "handoff-over",
        HandoffRefusal::Locks(_) => "tokens-used-up",
    }
}

/// As [`Refusal::slug`](super::Refusal::slug).
pub(super) const fn memory_slug(refusal: &MemoryRefusal) -> &'static str {
    match refusal {
        MemoryRefusal::Unknown { .. } => "memory-unknown",
        MemoryRefusal::NotYours { .. } => "memory-not-yours",
        MemoryRefusal::Redacted { .. } => "memory-redacted",
        MemoryRefusal::Superseded { .. } => "memory-superseded",
        MemoryRefusal::Elsewhere { .. } => "memory-elsewhere",
        MemoryRefusal::NotShared => "role-too-low",
        MemoryRefusal::Itself { .. } | MemoryRefusal::NotYet { .. } | MemoryRefusal::NeverValid { .. } => {
            "invalid-value"
        }
    }
}

/// As [`Refusal::slug`](super::Refusal::slug).
pub(super) const fn procedure_slug(refusal: &ProcedureRefusal) -> &'static str {
    match refusal {
        ProcedureRefusal::Unknown { .. } => "procedure-unknown",
        ProcedureRefusal::UnknownVersion { .. } => "procedure-version-unknown",
        ProcedureRefusal::UnknownTask { .. } => "task-unknown",
        ProcedureRefusal::Changed { .. } => "procedure-changed",
        ProcedureRefusal::NotYours { .. } => "procedure-not-yours",
        ProcedureRefusal::TooMany => "procedures-full",
        ProcedureRefusal::TooManyVersions { .. } => "procedure-versions-full",
    }
}

/// As [`Refusal::slug`](super::Refusal::slug).
pub(super) const fn message_slug(refusal: &MessageRefusal) -> &'static str {
    match refusal {
        MessageRefusal::RecipientsUnknown { .. } => "recipients-unknown",
        MessageRefusal::InboxesFull { .. } => "inbox-full",
        MessageRefusal::AudienceEmpty { .. } => "audience-empty",
        MessageRefusal::AudienceTooLarge => "audience-too-large",
        MessageRefusal::ReplyToNothing => "invalid-value",
        MessageRefusal::RepliedUnknown { .. } => "reply-unknown",
        MessageRefusal::TaskNotHeld { .. } => "task-not-held",
        MessageRefusal::NotOnBehalf { .. } => "not-on-behalf",
        MessageRefusal::TimePassed { .. } | MessageRefusal::TimeTooFar { .. } => "time-out-of-reach",
        MessageRefusal::ConversationSlowed { .. } => "conversation-slowed",
        MessageRefusal::ConversationStopped { .. } => "conversation-stopped",
        MessageRefusal::ConversationNotStopped { .. } => "conversation-not-stopped",
        MessageRefusal::NotInInbox { .. } => "message-unknown",
        MessageRefusal::DeliveryEnded { .. } => "delivery-ended",
        MessageRefusal::NotOffered { .. } => "not-offered",
        MessageRefusal::TooManyGroups | MessageRefusal::TooManyGroupsOfAgent { .. } => "groups-full",
        MessageRefusal::GroupFull { .. } => "group-full",
        MessageRefusal::NotInGroup { .. } => "not-in-group",
        MessageRefusal::NotYourMembership { .. } => "not-your-membership",
    }
}

/// As [`Refusal::slug`](super::Refusal::slug).
pub(super) const fn working_slug(refusal: &WorkingRefusal) -> &'static str {
    match refusal {
        WorkingRefusal::Unknown { .. } => "working-entry-unknown",
        WorkingRefusal::NotYours { .. } => "working-memory-not-yours",
        WorkingRefusal::Reserved { .. } => "invalid-value",
        WorkingRefusal::Changed { .. } => "working-entry-changed",
        WorkingRefusal::Full { .. } => "working-memory-full",
    }
}

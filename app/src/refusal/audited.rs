//! Which refusals are written to the audit log, context by context.

use domain::memory::procedures::ProcedureRefusal;
use domain::memory::working::WorkingRefusal;
use domain::messages::refusal::MessageRefusal;

/// As [`Refusal::is_audited`](super::Refusal::is_audited).
pub(super) const fn message(refusal: &MessageRefusal) -> bool {
    match refusal {
        MessageRefusal::TaskNotHeld { .. }
        | MessageRefusal::NotOnBehalf { .. }
        | MessageRefusal::ConversationStopped { .. }
        | MessageRefusal::ConversationNotStopped { .. }
        | MessageRefusal::DeliveryEnded { .. }
        | MessageRefusal::NotOffered { .. }
        | MessageRefusal::TooManyGroups
        | MessageRefusal::TooManyGroupsOfAgent { .. }
        | MessageRefusal::GroupFull { .. }
        | MessageRefusal::NotYourMembership { .. } => true,
        MessageRefusal::RecipientsUnknown { .. }
        | MessageRefusal::InboxesFull { .. }
        | MessageRefusal::AudienceEmpty { .. }
        | MessageRefusal::AudienceTooLarge
        | MessageRefusal::ReplyToNothing
        | MessageRefusal::RepliedUnknown { .. }
        | MessageRefusal::TimePassed { .. }
        | MessageRefusal::TimeTooFar { .. }
        | MessageRefusal::ConversationSlowed { .. }
        | MessageRefusal::NotInInbox { .. }
        | MessageRefusal::NotInGroup { .. } => false,
    }
}

/// As [`Refusal::is_audited`](super::Refusal::is_audited).
pub(super) const fn procedure(refusal: &ProcedureRefusal) -> bool {
    match refusal {
        ProcedureRefusal::Changed { .. }
        | ProcedureRefusal::NotYours { .. }
        | ProcedureRefusal::TooManyVersions { .. } => true,
        ProcedureRefusal::Unknown { .. }
        | ProcedureRefusal::UnknownVersion { .. }
        | ProcedureRefusal::UnknownTask { .. }
        | ProcedureRefusal::TooMany => false,
    }
}

/// As [`Refusal::is_audited`](super::Refusal::is_audited).
pub(super) const fn working(refusal: &WorkingRefusal) -> bool {
    match refusal {
        WorkingRefusal::NotYours { .. } | WorkingRefusal::Changed { .. } | WorkingRefusal::Full { .. } => true,
        WorkingRefusal::Unknown { .. } | WorkingRefusal::Reserved { .. } => false,
    }
}

//! The operations that have a floor to stand beside.

/// What one request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// By turns, half of them each.
    AcquireRelease,
    Submit,
    Claim,
    Complete,
}

impl Operation {
    /// In the order in which each leaves to the next what it needs.
    pub(crate) const ALL: [Self; 4] = [Self::AcquireRelease, Self::Submit, Self::Claim, Self::Complete];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AcquireRelease => "lock acquire+release",
            Self::Submit => "task submit",
            Self::Claim => "task claim",
            Self::Complete => "task complete",
        }
    }

    pub(crate) fn floor_name(self) -> &'static str {
        match self {
            Self::AcquireRelease => "raw floor",
            Self::Submit => "raw floor, task submit",
            Self::Claim => "raw floor, task claim",
            Self::Complete => "raw floor, task complete",
        }
    }

    /// Counts the lines that it left in the audit log.
    pub(crate) fn audited(self) -> &'static str {
        match self {
            Self::AcquireRelease => {
                "SELECT count(*) FROM audit_entries \
                 WHERE project_id = 'default' AND operation IN ('lock.acquire', 'lock.release') AND outcome = 'ok'"
            }
            Self::Submit => {
                "SELECT count(*) FROM audit_entries \
                 WHERE project_id = 'default' AND operation = 'task.submit' AND outcome = 'ok'"
            }
            Self::Claim => {
                "SELECT count(*) FROM audit_entries \
                 WHERE project_id = 'default' AND operation = 'task.claim' AND outcome = 'ok'"
            }
            Self::Complete => {
                "SELECT count(*) FROM audit_entries \
                 WHERE project_id = 'default' AND operation = 'task.complete' AND outcome = 'ok'"
            }
        }
    }
}

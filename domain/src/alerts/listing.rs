//! Lists of alerts.

use crate::alerts::alert::{Alert, Stage};
use crate::alerts::content::Severity;
use crate::ids::AlertId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Which alerts to list; `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// Those that are so far.
    pub stage: Option<Stage>,
    /// Those at least so bad.
    pub severity_min: Option<Severity>,
}

impl AlertFilter {
    /// Whether an alert passes.
    pub fn accepts(&self, alert: &Alert) -> bool {
        self.stage.is_none_or(|stage| stage == alert.state.stage())
            && self.severity_min.is_none_or(|least| alert.severity >= least)
    }
}

/// Where a listing goes on: strictly older than this alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AlertCursor {
    /// When the last alert shown was first raised.
    pub at: DateTime<Utc>,
    /// Its id.
    pub id: AlertId,
}

impl AlertCursor {
    /// The cursor at an alert.
    pub fn of(alert: &Alert) -> Self {
        Self { at: alert.first_at, id: alert.id }
    }
}

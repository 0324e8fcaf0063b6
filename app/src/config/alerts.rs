use chrono::TimeDelta;
use domain::alerts::alert::Escalation;
use serde::Deserialize;

use super::reader::Reader;

/// When alerts are raised by themselves and become worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alerts {
    /// When alerts that nobody takes up escalate.
    pub escalation: Escalation,
    /// How long somebody may wait for a lock before an alert is raised; `None` for ever.
    pub lock_wait_max: Option<TimeDelta>,
}

#[derive(Default, Deserialize)]
struct Raw {
    escalate_after_seconds: Option<String>,
    lock_wait_seconds: Option<String>,
}

impl Alerts {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let raw: Raw = reader.section("ALERTS_");
        let mut time = |name, raw| {
            let seconds: u32 = reader.number(name, raw);
            Some(TimeDelta::seconds(seconds.into())).filter(|time| *time > TimeDelta::zero())
        };
        let after = time("ALERTS_ESCALATE_AFTER_SECONDS", raw.escalate_after_seconds);
        let lock_wait_max = time("ALERTS_LOCK_WAIT_SECONDS", raw.lock_wait_seconds);
        Self { escalation: Escalation { after }, lock_wait_max }
    }
}

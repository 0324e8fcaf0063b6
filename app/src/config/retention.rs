use serde::Deserialize;

use super::reader::Reader;

/// How long the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Days for tasks that succeeded, were cancelled or expired; `None` for ever.
    pub work_days: Option<u32>,
    /// Days for handoffs that nobody can take any more; `None` for ever.
    pub handoffs_days: Option<u32>,
    /// Days for messages that are over for everybody; `None` for ever.
    pub messages_days: Option<u32>,
    /// Days for lines of the audit log; `None` for ever.
    pub audit_days: Option<u32>,
    /// Days for facts; `None` for ever.
    pub facts_days: Option<u32>,
}

#[expect(clippy::struct_field_names, reason = "they are the names of the variables")]
#[derive(Default, Deserialize)]
struct Raw {
    work_days: Option<String>,
    handoffs_days: Option<String>,
    messages_days: Option<String>,
    audit_days: Option<String>,
    facts_days: Option<String>,
}

impl Retention {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let raw: Raw = reader.section("RETENTION_");
        let mut days = |name, raw| Some(reader.number(name, raw)).filter(|days| *days > 0);
        Self {
            work_days: days("RETENTION_WORK_DAYS", raw.work_days),
            handoffs_days: days("RETENTION_HANDOFFS_DAYS", raw.handoffs_days),
            messages_days: days("RETENTION_MESSAGES_DAYS", raw.messages_days),
            audit_days: days("RETENTION_AUDIT_DAYS", raw.audit_days),
            facts_days: days("RETENTION_FACTS_DAYS", raw.facts_days),
        }
    }
}

use serde::Deserialize;

use super::reader::Reader;

/// How long the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Days for tasks that succeeded, were cancelled or expired; `None` for ever.
    pub work_days: Option<u32>,
    /// Days for handoffs that nobody can take any more; `None` for ever.
    pub handoffs_days: Option<u32>,
    /// Days for memories that are worth too little; `None` for ever.
    pub memory_days: Option<u32>,
    /// What a memory must be worth not to be forgotten when it is so old.
    pub memory_worth_min: u32,
    /// Days for messages that are over for everybody; `None` for ever.
    pub messages_days: Option<u32>,
    /// Days for lines of the audit log; `None` for ever.
    pub audit_days: Option<u32>,
    /// Days for facts; `None` for ever.
    pub facts_days: Option<u32>,
}

#[derive(Default, Deserialize)]
struct Raw {
    work_days: Option<String>,
    handoffs_days: Option<String>,
    memory_days: Option<String>,
    memory_worth_min: Option<String>,
    messages_days: Option<String>,
    audit_days: Option<String>,
    facts_days: Option<String>,
}

impl Retention {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let raw: Raw = reader.section("RETENTION_");
        let memory_worth_min = reader.number("RETENTION_MEMORY_WORTH_MIN", raw.memory_worth_min);
        let mut days = |name, raw| Some(reader.number(name, raw)).filter(|days| *days > 0);
        Self {
            work_days: days("RETENTION_WORK_DAYS", raw.work_days),
            handoffs_days: days("RETENTION_HANDOFFS_DAYS", raw.handoffs_days),
            memory_days: days("RETENTION_MEMORY_DAYS", raw.memory_days),
            memory_worth_min,
            messages_days: days("RETENTION_MESSAGES_DAYS", raw.messages_days),
            audit_days: days("RETENTION_AUDIT_DAYS", raw.audit_days),
            facts_days: days("RETENTION_FACTS_DAYS", raw.facts_days),
        }
    }
}

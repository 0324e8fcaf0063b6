//! The process's clock and its source of ids and secrets.

use chrono::{DateTime, SubsecRound, Utc};
use domain::ids::{
    AlertId, AuditEntryId, FactId, HandoffId, MemoryId, MessageId, ScheduleId, TaskId, TicketId, WebhookId,
};
use domain::work::retry::Chance;
use ports::clock::Clock;
use ports::ids::IdSource;
use uuid::{Builder, Uuid};

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the process reads its clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}

/// Ids and secrets from the random source of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    fn audit_entry_id(&self) -> AuditEntryId {
        AuditEntryId::new(ordered())
    }

    fn fact_id(&self) -> FactId {
        FactId::new(ordered())
    }

    fn handoff_id(&self) -> HandoffId {
        HandoffId::new(ordered())
    }

    fn memory_id(&self) -> MemoryId {
        MemoryId::new(ordered())
    }

    fn message_id(&self) -> MessageId {
        MessageId::new(ordered())
    }

    fn ticket_id(&self) -> TicketId {
        // Ordered ids of one millisecond are neighbours; all that is random in this one is drawn afresh.
        let millis = u64::try_from(SystemClock.now().timestamp_millis()).unwrap_or(0);
        TicketId::new(Builder::from_unix_timestamp_millis(millis, &random::<10>()).into_uuid())
    }

    fn task_id(&self) -> TaskId {
        TaskId::new(ordered())
    }

    fn schedule_id(&self) -> ScheduleId {
        ScheduleId::new(ordered())
    }

    fn alert_id(&self) -> AlertId {
        AlertId::new(ordered())
    }

    fn webhook_id(&self) -> WebhookId {
        WebhookId::new(ordered())
    }

    fn chance(&self) -> Chance {
        Chance(u64::from_be_bytes(random::<8>()))
    }

    fn random_name(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(random::<16>()))
    }

    fn secret(&self) -> [u8; 32] {
        random::<32>()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where ids are made")]
fn ordered() -> Uuid {
    Uuid::now_v7()
}

#[expect(clippy::expect_used, reason = "without randomness every secret could be guessed: stopping is the safe answer")]
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_of_the_log_sort_as_they_were_drawn() {
        let drawn: Vec<AuditEntryId> = (0..10_000).map(|_| RandomIds.audit_entry_id()).collect();
        assert!(drawn.is_sorted_by(|a, b| a < b));
        let facts: Vec<FactId> = (0..10_000).map(|_| RandomIds.fact_id()).collect();
        assert!(facts.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn tickets_are_version_7_and_no_neighbours() {
        let tickets: BTreeSet<u128> = (0..1_000).map(|_| RandomIds.ticket_id().uuid().as_u128()).collect();
        assert_eq!(tickets.len(), 1_000);
        let tails: BTreeSet<u64> = tickets.iter().map(|ticket| (ticket & ((1 << 62) - 1)) as u64).collect();
        let least_gap = tails.iter().zip(tails.iter().skip(1)).map(|(a, b)| b - a).min();
        assert!(least_gap.is_some_and(|gap| gap > 1 << 20), "{least_gap:?}");
        assert_eq!(RandomIds.ticket_id().uuid().get_version_num(), 7);
    }

    #[test]
    fn names_and_secrets_do_not_repeat() {
        let names: BTreeSet<String> = (0..1_000).map(|_| RandomIds.random_name()).collect();
        assert_eq!(names.len(), 1_000);
        assert!(names.iter().all(|name| name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit())));
        assert_ne!(RandomIds.secret(), RandomIds.secret());
    }

    #[test]
    fn the_clock_has_whole_microseconds() {
        assert_eq!(SystemClock.now().timestamp_subsec_nanos() % 1_000, 0);
    }
}

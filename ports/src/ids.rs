//! Where made ids and secrets come from.

use domain::ids::{
    AlertId, AuditEntryId, FactId, HandoffId, MemoryId, MessageId, ScheduleId, TaskId, TicketId, WebhookId,
};
use domain::work::retry::Chance;

/// Draws ids and secrets.
pub trait IdSource: Send + Sync {
    /// A new line of the audit log; later ones sort after earlier ones of this process.
    fn audit_entry_id(&self) -> AuditEntryId;
    /// A new fact; later ones sort after earlier ones of this process.
    fn fact_id(&self) -> FactId;
    /// A new handoff; later ones sort after earlier ones of this process.
    fn handoff_id(&self) -> HandoffId;
    /// A new memory; later ones sort after earlier ones of this process.
    fn memory_id(&self) -> MemoryId;
    /// A new message; later ones sort after earlier ones of this process.
    fn message_id(&self) -> MessageId;
    /// A new place in line. Not to be guessed.
    fn ticket_id(&self) -> TicketId;
    /// A new task; later ones sort after earlier ones of this process.
    fn task_id(&self) -> TaskId;
    /// A new schedule.
    fn schedule_id(&self) -> ScheduleId;
    /// A new alert; later ones sort after earlier ones of this process.
    fn alert_id(&self) -> AlertId;
    /// A new webhook.
    fn webhook_id(&self) -> WebhookId;
    /// 64 random bits, for jitter.
    fn chance(&self) -> Chance;
    /// 128 random bits, as 32 lower-case hexadecimal digits: for names of keys, sessions and requests.
    fn random_name(&self) -> String;
    /// 256 bits fit for a secret.
    fn secret(&self) -> [u8; 32];
}

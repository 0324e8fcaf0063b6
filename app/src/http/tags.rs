//! The chapters of the API's description.

use poem_openapi::Tags;

/// One chapter each.
#[derive(Tags)]
pub enum Tag {
    /// Leases on files, folders and named resources.
    Locks,
    /// Work handed out once, with leases, dependencies and retries.
    Tasks,
    /// What submits tasks at set times.
    Schedules,
    /// What one agent leaves to the next, with its locks and tasks.
    Handoffs,
    /// Who is here, where they run, how they are.
    Agents,
    /// What agents write to each other.
    Messages,
    /// What one agent learned, for all of them.
    Memories,
    /// Incarnations of agents.
    Sessions,
    /// What happens, as it happens.
    Events,
    /// What somebody has to see to.
    Alerts,
    /// Facts told to addresses outside.
    Webhooks,
    /// Who did what to what.
    Audit,
    /// Projects, keys, and who is calling.
    Identity,
    /// How the server is.
    Operations,
}

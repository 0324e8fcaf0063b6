//! Names that people and agents choose in the work queue.

use crate::ids::{InvalidId, given_id, is_name_character};
use serde::{Deserialize, Serialize};

given_id!(
    /// Something an agent can do, such as `rust` or `gpu`.
    Capability, 64, "letters, digits and - _ . : @ /", is_name_character
);
given_id!(
    /// Tasks of one key run at most so many at a time.
    ConcurrencyKey, 128, "letters, digits and - _ . : @ /", is_name_character
);
given_id!(
    /// Where an agent runs, such as `ci` or `laptop`.
    Environment, 64, "letters, digits and - _ . : @ /", is_name_character
);
given_id!(
    /// A mark to find and to claim tasks by.
    Label, 64, "letters, digits and - _ . : @ /", is_name_character
);
given_id!(
    /// What a task is called inside one call, so that others of the call can depend on it.
    LocalName, 64, "letters, digits and - _ . : @ /", is_name_character
);
given_id!(
    /// What a schedule is called; unique in its project.
    ScheduleName, 64, "letters, digits and - _ . : @ /", is_name_character
);
given_id!(
    /// The kind of a task, such as `review` or `fix-test`.
    TaskType, 64, "letters, digits and - _ . : @ /", is_name_character
);
given_id!(
    /// The IANA name of a time zone, such as `Europe/Berlin`.
    ZoneName, 64, "letters, digits and - _ + /",
    |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '/')
);

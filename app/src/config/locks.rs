use std::time::Duration;

use serde::Deserialize;

use super::reader::Reader;

/// Defaults of locks.
#[derive(Debug, Clone, Copy)]
pub struct Locks {
    /// How long a lock lives when the request doesn't say.
    pub ttl_default: Duration,
}

#[derive(Default, Deserialize)]
struct Raw {
    ttl_minutes: Option<String>,
}

impl Locks {
    pub(super) fn read(reader: &mut Reader) -> Self {
        const SECONDS_PER_MINUTE: u64 = 60;
        let raw: Raw = reader.section("LOCK_");
        let minutes: u64 = reader.number("LOCK_TTL_MINUTES", raw.ttl_minutes);
        Self { ttl_default: Duration::from_secs(minutes * SECONDS_PER_MINUTE) }
    }
}

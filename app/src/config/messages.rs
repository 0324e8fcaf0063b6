use serde::Deserialize;

use super::reader::Reader;

/// Limits of messages.
#[derive(Debug, Clone, Copy)]
pub struct Messages {
    /// How many replies a minute two agents may send each other.
    pub replies_per_minute: u32,
}

#[derive(Default, Deserialize)]
struct Raw {
    replies_per_minute: Option<String>,
}

impl Messages {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let raw: Raw = reader.section("MESSAGES_");
        Self { replies_per_minute: reader.number("MESSAGES_REPLIES_PER_MINUTE", raw.replies_per_minute) }
    }
}

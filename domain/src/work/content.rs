//! What agents read and write in tasks: words and JSON, each with its limit. No rule looks inside.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Write;

/// A text that is blank, too long, or has characters it may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` must have 1 to {bytes_max} bytes and no control characters{but}", but = if *lines { " but line ends and tabs" } else { "" })]
pub struct InvalidText {
    /// Which text.
    pub field: &'static str,
    /// The greatest length in bytes.
    pub bytes_max: usize,
    /// Whether it may have several lines.
    pub lines: bool,
}

/// Defines a text with a limit.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $field:literal, $bytes_max:expr, lines: $lines:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The greatest length in bytes.
            pub const BYTES_MAX: usize = $bytes_max;

            /// Trims and checks.
            pub fn parse(text: &str) -> Result<Self, $crate::work::content::InvalidText> {
                let text = text.trim();
                let bad = |c: char| c.is_control() && !($lines && matches!(c, '\n' | '\r' | '\t'));
                if (1..=Self::BYTES_MAX).contains(&text.len()) && !text.chars().any(bad) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err($crate::work::content::InvalidText { field: $field, bytes_max: Self::BYTES_MAX, lines: $lines })
                }
            }

            /// The words.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::work::content::InvalidText;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }
    };
}

pub(crate) use text;

text!(
    /// A task in one line.
    Title, "title", 256, lines: false
);
text!(
    /// What is to be done, at length.
    Description, "description", 32 * 1024, lines: true
);
text!(
    /// What went wrong in an attempt.
    Fault, "error", 4 * 1024, lines: true
);
text!(
    /// How an attempt is getting on, in words.
    Note, "note", 1024, lines: true
);

/// JSON that goes in and out of a task untouched: its input or its result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Payload(Value);

/// JSON that is too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the JSON has {bytes} bytes written compactly: it may have {}", Payload::BYTES_MAX)]
pub struct InvalidPayload {
    /// Its length in bytes.
    pub bytes: usize,
}

impl Payload {
    /// The greatest length in bytes, written compactly: 256 KiB.
    pub const BYTES_MAX: usize = 256 * 1024;

    /// Measures.
    pub fn try_new(value: Value) -> Result<Self, InvalidPayload> {
        let mut counter = Counter(0);
        // Counting never fails, and a `Value` always has a written form.
        let _ = serde_json::to_writer(&mut counter, &value);
        if counter.0 <= Self::BYTES_MAX { Ok(Self(value)) } else { Err(InvalidPayload { bytes: counter.0 }) }
    }

    /// The JSON.
    pub fn value(&self) -> &Value {
        &self.0
    }
}

impl From<Payload> for Value {
    fn from(payload: Payload) -> Self {
        payload.0
    }
}

impl TryFrom<Value> for Payload {
    type Error = InvalidPayload;
    fn try_from(value: Value) -> Result<Self, InvalidPayload> {
        Self::try_new(value)
    }
}

struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How far an attempt has come, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Progress(u8);

/// A percentage above 100.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`progress` is {0}: it must be 0 to {max}", max = Progress::MAX)]
pub struct InvalidProgress(pub u8);

impl Progress {
    /// Done.
    pub const MAX: u8 = 100;

    /// Checks the bound.
    pub fn try_new(percent: u8) -> Result<Self, InvalidProgress> {
        if percent <= Self::MAX { Ok(Self(percent)) } else { Err(InvalidProgress(percent)) }
    }

    /// The percentage.
    pub const fn percent(self) -> u8 {
        self.0
    }
}

impl From<Progress> for u8 {
    fn from(progress: Progress) -> Self {
        progress.0
    }
}

impl TryFrom<u8> for Progress {
    type Error = InvalidProgress;
    fn try_from(percent: u8) -> Result<Self, InvalidProgress> {
        Self::try_new(percent)
    }
}

/// What the agent that claims a task gets to read. Immutable, and kept apart from what rules look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// In one line.
    pub title: Title,
    /// At length.
    pub description: Option<Description>,
    /// What the work is to be done on.
    pub input: Option<Payload>,
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;

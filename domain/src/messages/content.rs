//! What agents read of a message. No rule looks inside.

use crate::ids::{HandoffId, InvalidId, MessageId, TaskId, given_id, is_name_character};
use crate::locks::key::LockKey;
use crate::work::content::text;
use serde::{Deserialize, Serialize};
use serde_json::Value;

given_id!(
    /// What a message is about, in the words of those who write to each other, such as `review.done`.
    MessageKind, 64, "letters, digits and - _ . : @ /", is_name_character
);
given_id!(
    /// What a sender knows a message by that belongs to something outside.
    CorrelationId, 128, "letters, digits and - _ . : @ /", is_name_character
);
text!(
    /// A message in one line.
    Subject, "subject", 256, lines: false
);
text!(
    /// A message at length: 64 KiB.
    Body, "body", 64 * 1024, lines: true
);

impl Subject {
    /// A subject of Pointsman's own making, which is known to fit.
    pub(crate) fn fixed(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// JSON that a message carries untouched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Data(Value);

/// JSON that is too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`data` has {bytes} bytes written compactly: it may have {}", Data::BYTES_MAX)]
pub struct InvalidData {
    /// Its length in bytes.
    pub bytes: usize,
}

impl Data {
    /// The greatest length in bytes, written compactly: 64 KiB.
    pub const BYTES_MAX: usize = 64 * 1024;

    /// Measures.
    pub fn try_new(value: Value) -> Result<Self, InvalidData> {
        let bytes = value.to_string().len();
        if bytes <= Self::BYTES_MAX { Ok(Self(value)) } else { Err(InvalidData { bytes }) }
    }

    /// The JSON.
    pub fn value(&self) -> &Value {
        &self.0
    }
}

impl From<Data> for Value {
    fn from(data: Data) -> Self {
        data.0
    }
}

impl TryFrom<Value> for Data {
    type Error = InvalidData;
    fn try_from(value: Value) -> Result<Self, InvalidData> {
        Self::try_new(value)
    }
}

/// Something of the project that a message points to. It need not be there any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "to", rename_all = "snake_case")]
pub enum Link {
    /// A task.
    Task(TaskId),
    /// A lock.
    Lock(LockKey),
    /// A handoff.
    Handoff(HandoffId),
    /// Another message.
    Message(MessageId),
}

/// The links of a message, in the sender's order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Link>", into = "Vec<Link>")]
pub struct Links(Vec<Link>);

/// More links than a message may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} links are given: at most {} may be", Links::COUNT_MAX)]
pub struct InvalidLinks {
    /// How many.
    pub given: usize,
}

impl Links {
    /// The most links.
    pub const COUNT_MAX: usize = 50;

    /// Counts.
    pub fn try_new(links: Vec<Link>) -> Result<Self, InvalidLinks> {
        let given = links.len();
        if given <= Self::COUNT_MAX { Ok(Self(links)) } else { Err(InvalidLinks { given }) }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.0.iter()
    }
}

impl From<Links> for Vec<Link> {
    fn from(links: Links) -> Self {
        links.0
    }
}

impl TryFrom<Vec<Link>> for Links {
    type Error = InvalidLinks;
    fn try_from(links: Vec<Link>) -> Result<Self, InvalidLinks> {
        Self::try_new(links)
    }
}

/// What agents read of a message. Immutable, and kept apart from what rules look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// In one line.
    pub subject: Subject,
    /// At length.
    pub body: Option<Body>,
    /// For programs.
    pub data: Option<Data>,
    /// What it points to.
    pub links: Links,
}

impl Content {
    /// All words of subject and body that a search finds it by.
    pub fn words(&self) -> Vec<String> {
        let body = self.body.as_ref().map_or("", Body::as_str);
        words(self.subject.as_str()).chain(words(body)).collect()
    }
}

/// How much of a word counts, in characters.
const WORD_CHARACTERS_MAX: usize = 100;

/// The words of a text as they are searched for: runs of letters and digits, in lower case, each cut to
/// [`WORD_CHARACTERS_MAX`].
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    let known_by = |word: &str| word.to_lowercase().chars().take(WORD_CHARACTERS_MAX).collect();
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(known_by)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn data_links_and_texts_have_limits() {
        // Two bytes are the quotation marks.
        assert!(Data::try_new(json!("x".repeat(Data::BYTES_MAX - 2))).is_ok());
        let bytes = Data::BYTES_MAX + 1;
        assert_eq!(Data::try_new(json!("x".repeat(Data::BYTES_MAX - 1))), Err(InvalidData { bytes }));
        let link = Link::Task(TaskId::new(uuid::Uuid::from_u128(1)));
        assert!(Links::try_new(vec![link.clone(); 50]).is_ok());
        assert_eq!(Links::try_new(vec![link; 51]), Err(InvalidLinks { given: 51 }));
        assert!(Subject::parse("two\nlines").is_err());
        assert!(Body::parse("two\nlines").is_ok());
        assert!(Body::parse(&"x".repeat(64 * 1024 + 1)).is_err());
    }

    #[test]
    fn words_are_runs_of_letters_and_digits_in_lower_case() {
        let content = Content {
            subject: Subject::parse("Build src/Main.rs, PLEASE").unwrap(),
            body: Some(Body::parse("Größe_2: é").unwrap()),
            data: None,
            links: Links::default(),
        };
        assert_eq!(content.words(), ["build", "src", "main", "rs", "please", "größe", "2", "é"]);
    }
}

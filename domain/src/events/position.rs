//! Places in the log of facts, in the order of the commits.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A place in a project's log of facts: right after a fact, or before the first one. Facts are read in this order, and
/// none ever appears before a place up to which all was read. Only the store that gave it knows what it means; its text,
/// such as `48211-17`, is what followers keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Position {
    commit: u64,
    number: u64,
}

/// Why a text is not a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a position among the facts: two numbers with a hyphen between them, as an earlier answer had it"
)]
pub struct InvalidPosition {
    /// What was given, cut to 64 characters.
    pub text: String,
}

impl Position {
    /// Before every fact.
    pub const START: Self = Self { commit: 0, number: 0 };

    /// The greatest number in a position: databases have no greater ones.
    pub const NUMBER_MAX: u64 = i64::MAX.unsigned_abs();

    /// The greatest length of the text in bytes.
    pub const BYTES_MAX: usize = 39;

    /// Puts a position together: the number of the commit, and the number within all facts. Greater numbers than
    /// [`Self::NUMBER_MAX`] become that one.
    pub fn new(commit: u64, number: u64) -> Self {
        Self { commit: commit.min(Self::NUMBER_MAX), number: number.min(Self::NUMBER_MAX) }
    }

    /// The number of the commit, at most [`Self::NUMBER_MAX`].
    pub const fn commit(self) -> u64 {
        self.commit
    }

    /// The number within all facts, at most [`Self::NUMBER_MAX`].
    pub const fn number(self) -> u64 {
        self.number
    }

    /// Reads the text of a position.
    pub fn parse(text: &str) -> Result<Self, InvalidPosition> {
        let read = || {
            let (commit, number) = text.split_once('-')?;
            Some(Self { commit: parse_number(commit)?, number: parse_number(number)? })
        };
        read().ok_or_else(|| InvalidPosition { text: text.chars().take(64).collect() })
    }
}

/// Each number has one spelling, so that equal positions have equal texts.
fn parse_number(digits: &str) -> Option<u64> {
    let is_one_spelling =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|number| is_one_spelling && *number <= Position::NUMBER_MAX)
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.commit, self.number)
    }
}

impl From<Position> for String {
    fn from(position: Position) -> Self {
        position.to_string()
    }
}

impl TryFrom<String> for Position {
    type Error = InvalidPosition;

    fn try_from(text: String) -> Result<Self, InvalidPosition> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_go_by_commit_and_then_by_number() {
        let mut all = [Position::new(2, 1), Position::new(1, 9), Position::START, Position::new(1, 10)];
        all.sort();
        assert_eq!(all.map(|position| position.to_string()), ["0-0", "1-9", "1-10", "2-1"]);
    }

    #[test]
    fn what_was_written_is_read_again_and_no_longer_than_said() {
        let last = Position::new(u64::MAX, u64::MAX);
        assert_eq!(last.to_string().len(), Position::BYTES_MAX);
        for position in [Position::START, Position::new(7, 0), last] {
            assert_eq!(Position::parse(&position.to_string()), Ok(position));
        }
    }

    #[test]
    fn what_is_no_position_is_told_so() {
        let long = "9".repeat(300);
        for text in
            ["", "-", "1", "1-", "-1", "1-2-3", "+1-2", "1- 2", "01-2", "1-00", "a-b", "1-9223372036854775808", &long]
        {
            assert!(Position::parse(text).is_err(), "{text}");
        }
        assert_eq!(Position::parse(&long).unwrap_err().text.len(), 64);
    }
}

//! Finding handoffs.

use crate::handoffs::content::{Content, FileName};
use crate::handoffs::{Candidate, Handoff, Status};
use crate::ids::{AgentId, HandoffId};
use crate::work::content::InvalidText;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Which handoffs to list; `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HandoffFilter {
    /// Written by this agent.
    pub from: Option<AgentId>,
    /// Offered to this agent by name, or taken by it.
    pub to: Option<AgentId>,
    /// About this file.
    pub file: Option<FileName>,
    /// In this state.
    pub status: Option<Status>,
    /// With all these words in them.
    pub words: Option<SearchWords>,
    /// Those somebody could accept now and has not declined.
    pub offered_to: Option<Candidate>,
}

impl HandoffFilter {
    /// Whether a handoff passes at an instant.
    pub fn accepts(
        &self,
        handoff: &Handoff,
        content: &Content,
        declined_by: &BTreeSet<AgentId>,
        now: DateTime<Utc>,
    ) -> bool {
        let handoff = &handoff.as_of(now);
        let is_to = |agent: &AgentId| handoff.is_offered_by_name_to(agent) || handoff.taker() == Some(agent);
        self.from.as_ref().is_none_or(|from| handoff.from.agent == *from)
            && self.to.as_ref().is_none_or(is_to)
            && self.file.as_ref().is_none_or(|file| content.lists().files.contains(file))
            && self.status.is_none_or(|status| handoff.status() == status)
            && self.words.as_ref().is_none_or(|words| words.are_in(&search_text(handoff, content)))
            && self
                .offered_to
                .as_ref()
                .is_none_or(|candidate| handoff.is_open_to(candidate) && !declined_by.contains(&candidate.agent))
    }
}

/// Where a listing goes on: strictly older than this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandoffCursor {
    /// When the last one shown was written.
    pub at: DateTime<Utc>,
    /// Its id.
    pub id: HandoffId,
}

/// Words to look for, in any order, whether large or small letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchWords(Vec<String>);

impl SearchWords {
    /// The greatest length of a question in bytes.
    pub const BYTES_MAX: usize = 256;
    /// The most words.
    pub const WORDS_MAX: usize = 8;

    /// Splits at white space.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let words: Vec<String> = text.to_lowercase().split_whitespace().map(str::to_owned).collect();
        let fits = text.len() <= Self::BYTES_MAX
            && (1..=Self::WORDS_MAX).contains(&words.len())
            && !words.iter().any(|word| word.contains(char::is_control));
        let invalid = InvalidText { field: "q", bytes_max: Self::BYTES_MAX, lines: false };
        if fits { Ok(Self(words)) } else { Err(invalid) }
    }

    /// Each word, in small letters.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether all of them stand in a [`search_text`].
    pub fn are_in(&self, text: &str) -> bool {
        self.iter().all(|word| text.contains(word))
    }
}

/// All that is written in a handoff, in small letters, as stores keep it to be searched.
pub fn search_text(handoff: &Handoff, content: &Content) -> String {
    let mut text = handoff.summary.as_str().to_lowercase();
    for more in content.texts() {
        text.push('\n');
        text.push_str(&more.to_lowercase());
    }
    text
}

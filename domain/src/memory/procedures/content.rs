//! What a procedure says, within its limits.

use crate::ids::InvalidId;
use crate::memory::content::{InvalidContent, Tag};
use crate::work::content::text;
use crate::work::name::TaskType;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a procedure is called in its project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProcedureName(String);

impl ProcedureName {
    /// The greatest length in bytes.
    pub const BYTES_MAX: usize = 128;

    /// Checks length and alphabet.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@');
        let is_name = (1..=Self::BYTES_MAX).contains(&text.len()) && text.chars().all(fits);
        // A path that ends so means another one to whoever resolves it.
        if is_name && text != "." && text != ".." {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId::Given {
                kind: "ProcedureName",
                bytes_max: Self::BYTES_MAX,
                allowed: "letters, digits and - _ . : @",
                text: text.chars().take(64).collect(),
            })
        }
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ProcedureName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ProcedureName> for String {
    fn from(name: ProcedureName) -> Self {
        name.0
    }
}

impl TryFrom<String> for ProcedureName {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text)
    }
}

text!(
    /// What it is for, in one line.
    ProcedureTitle, "title", 256, lines: false
);
text!(
    /// What it is for, at length.
    ProcedureDescription, "description", 8 * 1024, lines: true
);
text!(
    /// One thing to do.
    Step, "steps", 2 * 1024, lines: true
);
text!(
    /// Something that must be so before the first step.
    Precondition, "preconditions", 1024, lines: true
);
text!(
    /// When it is the right thing to do.
    AppliesWhen, "applies_when", 2 * 1024, lines: true
);
text!(
    /// When it is the wrong thing to do.
    AvoidWhen, "avoid_when", 2 * 1024, lines: true
);
text!(
    /// How it went, in words.
    OutcomeNote, "note", 1024, lines: true
);

/// What a version of a procedure says, one by one, before it is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HowToWords {
    /// What it is for, in one line.
    pub title: ProcedureTitle,
    /// What it is for, at length.
    pub description: Option<ProcedureDescription>,
    /// The types of tasks it is for.
    pub task_types: BTreeSet<TaskType>,
    /// What must be so before the first step.
    pub preconditions: Vec<Precondition>,
    /// When it is the right thing to do.
    pub applies_when: Option<AppliesWhen>,
    /// When it is the wrong thing to do.
    pub avoid_when: Option<AvoidWhen>,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// What it is found by besides.
    pub tags: BTreeSet<Tag>,
}

/// What a version of a procedure says, within its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "HowToWords", into = "HowToWords")]
pub struct HowTo(HowToWords);

impl HowTo {
    /// The most steps.
    pub const STEPS_MAX: usize = 100;
    /// The most preconditions.
    pub const PRECONDITIONS_MAX: usize = 20;
    /// The most types of tasks.
    pub const TASK_TYPES_MAX: usize = 16;
    /// The most tags.
    pub const TAGS_MAX: usize = 20;
    /// The greatest length of everything together, in bytes: 64 KiB.
    pub const BYTES_MAX: usize = 64 * 1024;

    /// Counts and measures.
    pub fn try_new(words: HowToWords) -> Result<Self, InvalidContent> {
        if words.steps.is_empty() {
            return Err(InvalidContent {
                field: "steps",
                given: 0,
                max: Self::STEPS_MAX,
                unit: "entries, and must have one,",
            });
        }
        let how = Self(words);
        let words = &how.0;
        let counted = [
            ("steps", words.steps.len(), Self::STEPS_MAX, "entries"),
            ("preconditions", words.preconditions.len(), Self::PRECONDITIONS_MAX, "entries"),
            ("task_types", words.task_types.len(), Self::TASK_TYPES_MAX, "entries"),
            ("tags", words.tags.len(), Self::TAGS_MAX, "entries"),
            ("steps", how.texts().iter().map(|(_, text)| text.len()).sum(), Self::BYTES_MAX, "bytes with all the rest"),
        ];
        match counted.into_iter().find(|(_, given, max, _)| given > max) {
            Some((field, given, max, unit)) => Err(InvalidContent { field, given, max, unit }),
            None => Ok(how),
        }
    }

    /// What it says, one by one.
    pub fn words(&self) -> &HowToWords {
        &self.0
    }

    /// What it is for, in one line.
    pub fn title(&self) -> &ProcedureTitle {
        &self.0.title
    }

    /// Every text, with the field it stands in.
    pub fn texts(&self) -> Vec<(String, &str)> {
        let HowToWords { title, description, task_types, preconditions, applies_when, avoid_when, steps, tags } =
            &self.0;
        let mut texts = vec![("title".to_owned(), title.as_str())];
        texts.extend(description.iter().map(|text| ("description".to_owned(), text.as_str())));
        let listed = |field: &'static str| move |at: usize| format!("{field}[{at}]");
        let named = |field, at| listed(field)(at);
        texts.extend(task_types.iter().enumerate().map(|(at, text)| (named("task_types", at), text.as_str())));
        texts.extend(preconditions.iter().enumerate().map(|(at, text)| (named("preconditions", at), text.as_str())));
        texts.extend(applies_when.iter().map(|text| ("applies_when".to_owned(), text.as_str())));
        texts.extend(avoid_when.iter().map(|text| ("avoid_when".to_owned(), text.as_str())));
        texts.extend(steps.iter().enumerate().map(|(at, text)| (named("steps", at), text.as_str())));
        texts.extend(tags.iter().enumerate().map(|(at, text)| (named("tags", at), text.as_str())));
        texts
    }
}

impl From<HowTo> for HowToWords {
    fn from(how: HowTo) -> Self {
        how.0
    }
}

impl TryFrom<HowToWords> for HowTo {
    type Error = InvalidContent;
    fn try_from(words: HowToWords) -> Result<Self, InvalidContent> {
        Self::try_new(words)
    }
}

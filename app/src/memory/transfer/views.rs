//! What an import answers.

use crate::memory::recorder::Recorded;
use crate::memory::remembering::Outcome;
use crate::memory::views::{MaskedView, RecordedView};
use poem_openapi::Object;

/// What became of the lines.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ImportedMemories")]
pub struct ImportedView {
    /// What became of each line, in their order.
    pub memories: Vec<RecordedView>,
    /// What was masked; empty unless secrets are masked and some were found.
    pub masked: Vec<MaskedView>,
}

impl From<Outcome<Vec<Recorded>>> for ImportedView {
    fn from(Outcome { answer, masked }: Outcome<Vec<Recorded>>) -> Self {
        Self {
            memories: answer.into_iter().map(Into::into).collect(),
            masked: masked.into_iter().map(Into::into).collect(),
        }
    }
}

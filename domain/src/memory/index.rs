//! What an index knows of a memory.

use crate::memory::candidate::Indexed;
use crate::memory::record::Memory;
use crate::memory::terms::{PackedTerms, TermHash};
use crate::memory::words::analyse;
use std::collections::BTreeSet;

/// What a memory is found by; `None` once it has no words any more.
pub fn index(memory: &Memory) -> Option<Indexed> {
    let content = memory.content.as_ref()?;
    let realm = memory.realm();
    let words: Vec<TermHash> =
        content.texts().into_iter().flat_map(analyse).map(|word| TermHash::of_word(&realm, &word)).collect();
    Some(Indexed {
        tags: content.words().tags.iter().map(|tag| TermHash::of_tag(&realm, tag.as_str())).collect(),
        length: u32::try_from(words.len()).unwrap_or(u32::MAX),
        terms: PackedTerms::pack(words.iter().copied()),
        words: words.into_iter().collect::<BTreeSet<_>>(),
    })
}

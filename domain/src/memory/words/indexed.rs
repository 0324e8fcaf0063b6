//! What is indexed of a memory.

use super::{PackedTerms, TERMS_MAX, TermHash, TermHasher, analyse, tag_term};
use crate::memory::realm::Realm;
use std::collections::{BTreeMap, HashSet};

/// How many different terms of a memory are indexed: its first ones.
pub const DISTINCT_TERMS_MAX: usize = 1_024;

/// What stores index of a memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexedTerms {
    /// Its different terms in the order of their first place, without its tags: what document frequencies are counted
    /// of.
    pub terms: Vec<TermHash>,
    /// Its tags, as terms to filter by.
    pub tags: Vec<TermHash>,
    /// How often each term is there.
    pub packed: PackedTerms,
}

impl IndexedTerms {
    /// Of the texts and tags of a memory in this realm. The words of the tags are also found as text.
    pub fn of<'text>(realm: &Realm, texts: impl IntoIterator<Item = &'text str>, tags: &[impl AsRef<str>]) -> Self {
        let hasher = TermHasher::new(realm);
        let tags = || tags.iter().map(AsRef::as_ref);
        let (mut seen, mut distinct, mut frequencies) = (HashSet::new(), Vec::new(), BTreeMap::<u32, u32>::new());
        let mut length = 0_u32;
        let terms = texts.into_iter().chain(tags()).flat_map(analyse);
        for hash in terms.take(TERMS_MAX).map(|term| hasher.hash(&term)) {
            if !seen.contains(&hash) {
                if seen.len() == DISTINCT_TERMS_MAX {
                    continue;
                }
                seen.insert(hash);
                distinct.push(hash);
            }
            *frequencies.entry(hash.high()).or_default() += 1;
            length += 1;
        }
        let packed = PackedTerms::new(&frequencies, length);
        Self { terms: distinct, tags: tags().map(|tag| hasher.hash(&tag_term(tag))).collect(), packed }
    }
}

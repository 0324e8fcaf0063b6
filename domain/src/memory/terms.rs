//! Terms as indexes know them: numbers that tell nothing of the words they stand for.
//!
//! A term is hashed together with its realm. So a search is confined to a realm by what it searches for, no word can be
//! read out of an index, and no query has a syntax that could be abused.

use crate::memory::realm::Realm;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A term of a realm: the first 64 bits of the SHA-256 of both. It MUST stay the same for ever, because indexes hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TermHash(pub u64);

/// The kinds of terms, which never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Tag,
    Stream,
}

impl TermHash {
    /// A word, as the analysis gives it.
    pub fn of_word(realm: &Realm, word: &str) -> Self {
        Self::of(realm, Kind::Word, word)
    }

    /// A tag.
    pub fn of_tag(realm: &Realm, tag: &str) -> Self {
        Self::of(realm, Kind::Tag, tag)
    }

    /// A row of memories, where its name must not stand.
    pub fn of_stream(realm: &Realm, stream: &str) -> Self {
        Self::of(realm, Kind::Stream, stream)
    }

    fn of(realm: &Realm, kind: Kind, text: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(realm.key().as_bytes());
        hash.update(match kind {
            Kind::Word => b"\0w",
            Kind::Tag => b"\0t",
            Kind::Stream => b"\0s",
        });
        hash.update(text.as_bytes());
        let first = hash.finalize().iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte));
        Self(first)
    }

    /// As a word of a full-text index: 16 hexadecimal digits after a letter, so that no index takes it for a number.
    pub fn token(self) -> String {
        format!("t{:016x}", self.0)
    }

    /// The half of it that stands in [`PackedTerms`].
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
    const fn short(self) -> u32 {
        self.0 as u32
    }
}

/// The words of one memory and how often it has each, for scoring: five bytes a word, 32 bits of its hash and its
/// frequency (up to 255), in the order of the hashes. At most [`PackedTerms::WORDS_MAX`] of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedTerms(Vec<u8>);

impl PackedTerms {
    /// The most different words of a memory that count.
    pub const WORDS_MAX: usize = 4_096;
    const BYTES_EACH: usize = 5;

    /// Packs what occurs, each word as often as it does.
    pub fn pack(words: impl IntoIterator<Item = TermHash>) -> Self {
        let mut counts: BTreeMap<u32, u8> = BTreeMap::new();
        for word in words {
            if counts.len() < Self::WORDS_MAX || counts.contains_key(&word.short()) {
                let count = counts.entry(word.short()).or_default();
                *count = count.saturating_add(1);
            }
        }
        let packed = counts.into_iter().flat_map(|(hash, count)| {
            let [a, b, c, d] = hash.to_be_bytes();
            [a, b, c, d, count]
        });
        Self(packed.collect())
    }

    /// As it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads what was stored; what is no whole number of words is cut.
    pub fn from_bytes(mut bytes: Vec<u8>) -> Self {
        bytes.truncate(bytes.len() - bytes.len() % Self::BYTES_EACH);
        Self(bytes)
    }

    /// How often each of these words occurs.
    pub fn frequencies(&self, words: &[TermHash]) -> Vec<u8> {
        words.iter().map(|word| self.frequency(*word)).collect()
    }

    fn frequency(&self, word: TermHash) -> u8 {
        let wanted = word.short().to_be_bytes();
        let (entries, _) = self.0.as_chunks::<{ Self::BYTES_EACH }>();
        let found = entries.binary_search_by(|[a, b, c, d, _]| [*a, *b, *c, *d].cmp(&wanted));
        found.ok().and_then(|at| entries.get(at)).map_or(0, |[.., count]| *count)
    }
}

//! What stores keep instead of words.

use super::Term;
use crate::memory::realm::Realm;
use siphasher::sip::SipHasher24;
use std::hash::Hasher as _;

/// A term of a realm as stores know it: 64 bits of SipHash-2-4 (Aumasson and Bernstein, 2012) under the key of zeros
/// over the realm's key, one byte 0xff, and the term in UTF-8.
///
/// It stands in databases, so it never changes from one version to the next. It makes words unreadable at a glance,
/// and no query syntax can be smuggled through it; it is no secret, because whoever guesses a word can hash it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TermHash(u64);

impl TermHash {
    /// How long [`Self::token`] is, in characters.
    pub const TOKEN_CHARS: usize = 17;

    /// The number as it was kept.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The number.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The number for databases whose whole numbers are signed: the same bits.
    pub const fn as_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// Reads what [`Self::as_i64`] made.
    pub const fn from_i64(number: i64) -> Self {
        Self(number.cast_unsigned())
    }

    /// The word that full-text engines index: `t` and sixteen digits of `0`–`9`, `a`–`f`. The letter keeps them from
    /// reading it as a number.
    pub fn token(self) -> String {
        format!("t{:016x}", self.0)
    }

    /// The half of it that [`PackedTerms`](super::PackedTerms) keeps.
    pub(super) const fn high(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// Hashes the terms of one realm.
#[derive(Debug, Clone)]
pub struct TermHasher(SipHasher24);

impl TermHasher {
    /// For the terms of this realm.
    pub fn new(realm: &Realm) -> Self {
        let mut state = SipHasher24::new_with_keys(0, 0);
        state.write(realm.key().as_bytes());
        state.write(&[0xff]);
        Self(state)
    }

    /// The hash of a term.
    pub fn hash(&self, term: &Term) -> TermHash {
        let mut state = self.0;
        state.write(term.as_str().as_bytes());
        TermHash(state.finish())
    }
}

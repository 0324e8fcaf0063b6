//! The terms of a memory in few bytes, from which it is scored.

use super::TermHash;
use super::indexed::DISTINCT_TERMS_MAX;
use std::collections::BTreeMap;

const HEAD_BYTES: usize = 4;
const ENTRY_BYTES: usize = 5;
/// What five bytes make of the `DISTINCT_TERMS_MAX` terms, and the head.
const BYTES_MAX: usize = HEAD_BYTES + DISTINCT_TERMS_MAX * ENTRY_BYTES;

/// Which terms a memory has and how often.
///
/// The bytes: how many terms there are in all (four bytes), then for each different one the higher 32 bits of its hash
/// and how often it is there (one byte, 255 for more), in rising order; the highest byte first everywhere. Two terms
/// of one memory that share 32 bits count as one: one pair in four thousand million.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackedTerms(Vec<u8>);

/// Not the bytes of packed terms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes are no packed terms")]
pub struct InvalidPackedTerms {
    /// How many bytes there were.
    pub bytes: usize,
}

impl PackedTerms {
    /// How often each of at most [`DISTINCT_TERMS_MAX`] terms is there, and how many terms there are in all.
    pub(super) fn new(frequencies: &BTreeMap<u32, u32>, length: u32) -> Self {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + frequencies.len() * ENTRY_BYTES);
        bytes.extend(length.to_be_bytes());
        for (hash, frequency) in frequencies {
            bytes.extend(hash.to_be_bytes());
            bytes.push(u8::try_from(*frequency).unwrap_or(u8::MAX));
        }
        Self(bytes)
    }

    /// Checks bytes that were kept.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, InvalidPackedTerms> {
        let packed = Self(bytes);
        let entries = packed.0.get(HEAD_BYTES..).unwrap_or_default();
        let sound = packed.0.is_empty()
            || packed.0.len() >= HEAD_BYTES
                && packed.0.len() <= BYTES_MAX
                && entries.len().is_multiple_of(ENTRY_BYTES)
                && packed.entries().is_sorted_by(|one, next| one.0 < next.0);
        if sound { Ok(packed) } else { Err(InvalidPackedTerms { bytes: packed.0.len() }) }
    }

    /// The bytes to keep; none where there are no terms, as in a redacted memory.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many terms there are, repeated ones counted each time.
    pub fn length(&self) -> u32 {
        self.0.first_chunk().map_or(0, |head| u32::from_be_bytes(*head))
    }

    /// How many different terms there are.
    pub fn distinct(&self) -> usize {
        self.0.len().saturating_sub(HEAD_BYTES) / ENTRY_BYTES
    }

    /// How often a term is there.
    pub fn frequency(&self, term: TermHash) -> u8 {
        let (entries, _) = self.0.get(HEAD_BYTES..).unwrap_or_default().as_chunks::<ENTRY_BYTES>();
        match entries.binary_search_by_key(&term.high(), |entry| decode(*entry).0) {
            Ok(place) => entries.get(place).map_or(0, |entry| decode(*entry).1),
            Err(_) => 0,
        }
    }

    /// How much two memories of one realm are alike: how many of their different terms they share, of all they have
    /// (Jaccard). Nought to one; two without terms are not alike.
    pub fn likeness(&self, other: &Self) -> f32 {
        let (mut ours, mut theirs) = (self.entries().peekable(), other.entries().peekable());
        let (mut shared, mut all) = (0_u16, 0_u16);
        loop {
            let order = match (ours.peek(), theirs.peek()) {
                (Some(one), Some(two)) => one.0.cmp(&two.0),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => break,
            };
            if order.is_le() {
                ours.next();
            }
            if order.is_ge() {
                theirs.next();
            }
            shared += u16::from(order.is_eq());
            all += 1;
        }
        if all == 0 { 0.0 } else { f32::from(shared) / f32::from(all) }
    }

    fn entries(&self) -> impl Iterator<Item = (u32, u8)> {
        let (entries, _) = self.0.get(HEAD_BYTES..).unwrap_or_default().as_chunks::<ENTRY_BYTES>();
        entries.iter().map(|entry| decode(*entry))
    }
}

fn decode([one, two, three, four, frequency]: [u8; ENTRY_BYTES]) -> (u32, u8) {
    (u32::from_be_bytes([one, two, three, four]), frequency)
}

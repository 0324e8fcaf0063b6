//! Facts as followers get them: read together, and each written once for all of them.

use bytes::{Bytes, BytesMut};
use domain::events::{Fact, Position};
use std::ops::Range;

/// Writes a fact into what is sent to followers.
pub type Write = fn(Position, &Fact, &mut BytesMut);

/// A fact, its place, and how it is written.
#[derive(Debug, Clone)]
pub struct Told {
    /// Where it stands.
    pub position: Position,
    /// The fact.
    pub fact: Fact,
    /// As it is sent to followers; a part of the page.
    pub written: Bytes,
}

/// Some facts that follow each other.
#[derive(Debug)]
pub struct Page {
    told: Vec<Told>,
    /// All of them as they are sent.
    written: Bytes,
}

impl Page {
    /// Writes the facts down; `None` if there are none.
    pub(super) fn write(facts: Vec<(Position, Fact)>, write: Write) -> Option<Self> {
        let mut buffer = BytesMut::new();
        let mut parts: Vec<Range<usize>> = Vec::with_capacity(facts.len());
        for (position, fact) in &facts {
            let begin = buffer.len();
            write(*position, fact, &mut buffer);
            parts.push(begin..buffer.len());
        }
        let written = buffer.freeze();
        let told = |((position, fact), part)| Told { position, fact, written: written.slice(part) };
        let told: Vec<Told> = facts.into_iter().zip(parts).map(told).collect();
        (!told.is_empty()).then_some(Self { told, written })
    }

    /// The facts, in order.
    pub fn told(&self) -> &[Told] {
        &self.told
    }

    /// All of them as they are sent.
    pub fn written(&self) -> &Bytes {
        &self.written
    }

    /// Where the last one stands.
    pub(super) fn last(&self) -> Option<Position> {
        self.told.last().map(|told| told.position)
    }
}

//! Facts as followers get them: read together, and each written once for all of them.

use bytes::{Bytes, BytesMut};
use domain::events::{Fact, Position};

/// How much may be written on a page, but for its last fact, in bytes.
pub const PAGE_BYTES_MAX: usize = 256 * 1024;

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
    /// Writes facts down, on pages that end with the fact that takes them past [`PAGE_BYTES_MAX`].
    pub(super) fn write(facts: Vec<(Position, Fact)>, write: Write) -> Vec<Self> {
        let (mut pages, mut facts) = (Vec::new(), facts.into_iter().peekable());
        while facts.peek().is_some() {
            let (mut buffer, mut parts) = (BytesMut::new(), Vec::new());
            while buffer.len() < PAGE_BYTES_MAX
                && let Some((position, fact)) = facts.next()
            {
                let begin = buffer.len();
                write(position, &fact, &mut buffer);
                parts.push((position, fact, begin..buffer.len()));
            }
            let written = buffer.freeze();
            let told = |(position, fact, part)| Told { position, fact, written: written.slice(part) };
            pages.push(Self { told: parts.into_iter().map(told).collect(), written });
        }
        pages
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BufMut;
    use chrono::DateTime;
    use domain::ids::{AgentId, FactId, ProjectId};
    use serde_json::Value;

    fn large(_: Position, fact: &Fact, out: &mut BytesMut) {
        out.put_slice(&vec![fact.subject.as_bytes()[0]; PAGE_BYTES_MAX / 3 * 2]);
    }

    #[test]
    fn large_facts_are_spread_over_pages_and_stay_whole() {
        let fact = |number: u64| {
            let fact = Fact {
                id: FactId::new(uuid::Uuid::nil()),
                project: ProjectId::parse("p").unwrap(),
                at: DateTime::UNIX_EPOCH,
                agent: AgentId::parse("ann").unwrap(),
                kind: "k".to_owned(),
                subject: number.to_string(),
                body: Value::Null,
            };
            (Position::new(0, number), fact)
        };
        let pages = Page::write((1..=5).map(fact).collect(), large);
        let numbers = |page: &Page| page.told().iter().map(|told| told.position.number()).collect::<Vec<_>>();
        assert_eq!(pages.iter().map(numbers).collect::<Vec<_>>(), [vec![1, 2], vec![3, 4], vec![5]]);
        for page in &pages {
            assert_eq!(page.told().iter().flat_map(|told| told.written.clone()).collect::<Bytes>(), page.written());
            for told in page.told() {
                assert!(told.written.iter().all(|byte| *byte == told.fact.subject.as_bytes()[0]));
            }
        }
        assert!(Page::write(Vec::new(), large).is_empty());
    }
}

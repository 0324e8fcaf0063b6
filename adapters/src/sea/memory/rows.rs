//! Memories as rows.

use super::{CONTENTS, MEMORIES};
use crate::sea::clock::{instant, instant_maybe, to_us};
use crate::sea::dialect::batch::Cell;
use crate::sea::dialect::{Column, Kind};
use crate::sea::error::{corrupt, failed};
use domain::ids::{AgentId, MemoryId, ProjectId, SessionId};
use domain::locks::lease::Reason;
use domain::memory::candidate::{Candidate, Indexed};
use domain::memory::content::{EventType, Importance, Stream, Tag};
use domain::memory::realm::Realm;
use domain::memory::record::{Author, Feedback, Memory, Place, Redacted, Superseded};
use domain::memory::remember::Fingerprint;
use domain::memory::terms::{PackedTerms, TermHash};
use ports::store::StoreError;
use sea_orm::{DbErr, FromQueryResult, QueryResult};
use uuid::Uuid;

/// What a [`MemoryRow`] is made of.
pub(super) const MEMORY_FIELDS: &str = "s.realm, s.id, s.project_id, s.agent_id, s.session_id, s.event_type, s.stream, \
     s.position, s.importance, s.pinned, s.seen, s.happened_at_us, s.created_at_us, s.updated_at_us, s.valid_from_us, \
     s.valid_until_us, s.supersedes, s.superseded_by, s.superseded_at_us, s.redacted_by, s.redacted_at_us, \
     s.redacted_reason, s.helpful, s.wrong, s.stale, s.revision, \
     (SELECT c.content FROM memory_contents AS c WHERE c.realm = s.realm AND c.memory_id = s.id) AS content";

/// What a [`CandidateRow`] is made of, in the order in which it is read.
pub(super) const CANDIDATE_FIELDS: &str = "s.realm, s.id, s.stream, s.position, s.terms, s.length, s.event_type, \
     s.happened_at_us, s.importance, s.pinned, s.helpful, s.wrong, s.stale";

#[derive(Debug, FromQueryResult)]
pub(super) struct MemoryRow {
    realm: String,
    id: Uuid,
    project_id: String,
    agent_id: String,
    session_id: Option<String>,
    event_type: String,
    stream: String,
    position: i64,
    importance: i64,
    pinned: bool,
    seen: i64,
    happened_at_us: i64,
    created_at_us: i64,
    updated_at_us: i64,
    valid_from_us: i64,
    valid_until_us: Option<i64>,
    supersedes: Option<Uuid>,
    superseded_by: Option<Uuid>,
    superseded_at_us: Option<i64>,
    redacted_by: Option<String>,
    redacted_at_us: Option<i64>,
    redacted_reason: Option<String>,
    helpful: i64,
    wrong: i64,
    stale: i64,
    revision: i64,
    content: Option<String>,
}

#[derive(Debug)]
pub(super) struct CandidateRow {
    realm: String,
    id: Uuid,
    stream: String,
    position: i64,
    terms: Vec<u8>,
    length: i64,
    event_type: String,
    happened_at_us: i64,
    importance: i64,
    pinned: bool,
    helpful: i64,
    wrong: i64,
    stale: i64,
}

/// By place, since there are thousands of them, and looking a name up takes longer than reading what it names.
impl FromQueryResult for CandidateRow {
    fn from_query_result(row: &QueryResult, _prefix: &str) -> Result<Self, DbErr> {
        Ok(Self {
            realm: row.try_get_by_index(0)?,
            id: row.try_get_by_index(1)?,
            stream: row.try_get_by_index(2)?,
            position: row.try_get_by_index(3)?,
            terms: row.try_get_by_index(4)?,
            length: row.try_get_by_index(5)?,
            event_type: row.try_get_by_index(6)?,
            happened_at_us: row.try_get_by_index(7)?,
            importance: row.try_get_by_index(8)?,
            pinned: row.try_get_by_index(9)?,
            helpful: row.try_get_by_index(10)?,
            wrong: row.try_get_by_index(11)?,
            stale: row.try_get_by_index(12)?,
        })
    }
}

/// Reads the values of a row, and says which one cannot be read.
struct Reader {
    id: MemoryId,
}

impl Reader {
    fn read<T, E>(&self, column: &str, read: Result<T, E>) -> Result<T, StoreError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        read.map_err(|error| corrupt(MEMORIES, column, self.id, error))
    }

    fn number<T: TryFrom<i64, Error = std::num::TryFromIntError>>(
        &self,
        column: &str,
        value: i64,
    ) -> Result<T, StoreError> {
        self.read(column, T::try_from(value))
    }

    fn importance(&self, value: i64) -> Result<Importance, StoreError> {
        let value: u8 = self.number("importance", value)?;
        self.read("importance", Importance::try_new(value))
    }

    fn feedback(&self, helpful: i64, wrong: i64, stale: i64) -> Result<Feedback, StoreError> {
        Ok(Feedback {
            helpful: self.number("helpful", helpful)?,
            wrong: self.number("wrong", wrong)?,
            stale: self.number("stale", stale)?,
        })
    }

    fn place(&self, stream: &str, position: i64) -> Result<Place, StoreError> {
        let stream = self.read("stream", Stream::parse(stream))?;
        Ok(Place { stream, position: self.number("position", position)? })
    }

    fn realm(&self, key: &str) -> Result<Realm, StoreError> {
        self.read("realm", Realm::parse(key))
    }

    fn event_type(&self, name: &str) -> Result<EventType, StoreError> {
        self.read("event_type", EventType::parse(name))
    }
}

impl MemoryRow {
    fn superseded(&self, id: &str) -> Result<Option<Superseded>, StoreError> {
        let at = instant_maybe(self.superseded_at_us, MEMORIES, "superseded_at_us", id)?;
        Ok(at.zip(self.superseded_by).map(|(at, by)| Superseded { by: MemoryId::new(by), at }))
    }

    fn redacted(&self, reader: &Reader, id: &str) -> Result<Option<Redacted>, StoreError> {
        let at = instant_maybe(self.redacted_at_us, MEMORIES, "redacted_at_us", id)?;
        let Some((at, by)) = at.zip(self.redacted_by.as_deref()) else { return Ok(None) };
        let reason = self.redacted_reason.as_deref().map(Reason::parse).transpose();
        Ok(Some(Redacted {
            by: reader.read("redacted_by", AgentId::parse(by))?,
            at,
            reason: reader.read("redacted_reason", reason)?,
        }))
    }
}

impl TryFrom<MemoryRow> for Memory {
    type Error = StoreError;

    fn try_from(row: MemoryRow) -> Result<Self, StoreError> {
        let reader = Reader { id: MemoryId::new(row.id) };
        let id = reader.id.to_string();
        let at = |column, us| instant(us, MEMORIES, column, &id);
        let session = row.session_id.as_deref().map(SessionId::parse).transpose();
        let content = row.content.as_deref().map(serde_json::from_str).transpose();
        let memory = Self {
            id: reader.id,
            project: reader.read("project_id", ProjectId::parse(&row.project_id))?,
            scope: reader.realm(&row.realm)?.scope(),
            author: Author {
                agent: reader.read("agent_id", AgentId::parse(&row.agent_id))?,
                session: reader.read("session_id", session)?,
            },
            event_type: reader.event_type(&row.event_type)?,
            place: reader.place(&row.stream, row.position)?,
            content: reader.read("content", content)?,
            importance: reader.importance(row.importance)?,
            pinned: row.pinned,
            seen: reader.number("seen", row.seen)?,
            happened_at: at("happened_at_us", row.happened_at_us)?,
            created_at: at("created_at_us", row.created_at_us)?,
            updated_at: at("updated_at_us", row.updated_at_us)?,
            valid_from: at("valid_from_us", row.valid_from_us)?,
            valid_until: instant_maybe(row.valid_until_us, MEMORIES, "valid_until_us", &id)?,
            supersedes: row.supersedes.map(MemoryId::new),
            superseded: row.superseded(&id)?,
            redacted: row.redacted(&reader, &id)?,
            feedback: reader.feedback(row.helpful, row.wrong, row.stale)?,
            revision: reader.number("revision", row.revision)?,
        };
        // What is read by a realm must belong to it, whatever the row says besides.
        if memory.realm().key() != row.realm {
            return Err(corrupt(MEMORIES, "realm", reader.id, "it is not that of its project and agent"));
        }
        if memory.content.is_some() == memory.redacted.is_some() {
            return Err(corrupt(CONTENTS, "content", reader.id, "it is there or not, and should not or should"));
        }
        Ok(memory)
    }
}

impl TryFrom<CandidateRow> for Candidate {
    type Error = StoreError;

    fn try_from(row: CandidateRow) -> Result<Self, StoreError> {
        let reader = Reader { id: MemoryId::new(row.id) };
        Ok(Self {
            id: reader.id,
            realm: reader.realm(&row.realm)?,
            place: reader.place(&row.stream, row.position)?,
            length: reader.number("length", row.length)?,
            event_type: reader.event_type(&row.event_type)?,
            happened_at: instant(row.happened_at_us, MEMORIES, "happened_at_us", &row.realm)?,
            importance: reader.importance(row.importance)?,
            pinned: row.pinned,
            feedback: reader.feedback(row.helpful, row.wrong, row.stale)?,
            terms: PackedTerms::from_bytes(row.terms),
        })
    }
}

pub(super) const ID: [Column; 1] = [("id", Kind::Uuid)];

/// What never changes.
pub(super) const LASTING: [Column; 8] = [
    ("realm", Kind::Text),
    ("project_id", Kind::Text),
    ("agent_id", Kind::Text),
    ("session_id", Kind::Text),
    ("event_type", Kind::Text),
    ("stream", Kind::Text),
    ("position", Kind::Int),
    ("created_at_us", Kind::Int),
];

/// What changes with anything.
pub(super) const STATE: [Column; 19] = [
    ("importance", Kind::Int),
    ("pinned", Kind::Bool),
    ("seen", Kind::Int),
    ("happened_at_us", Kind::Int),
    ("updated_at_us", Kind::Int),
    ("valid_from_us", Kind::Int),
    ("valid_until_us", Kind::Int),
    ("ended_at_us", Kind::Int),
    ("supersedes", Kind::Uuid),
    ("superseded_by", Kind::Uuid),
    ("superseded_at_us", Kind::Int),
    ("redacted_by", Kind::Text),
    ("redacted_at_us", Kind::Int),
    ("redacted_reason", Kind::Text),
    ("helpful", Kind::Int),
    ("wrong", Kind::Int),
    ("stale", Kind::Int),
    ("worth", Kind::Int),
    ("revision", Kind::Int),
];

/// What changes with the words, besides the content.
pub(super) const WORDS: [Column; 5] = [
    ("fingerprint", Kind::Bytes),
    ("length", Kind::Int),
    ("terms", Kind::Bytes),
    ("tags", Kind::Text),
    ("tokens", Kind::Text),
];

pub(super) fn lasting_cells<'a>(realm: &'a str, memory: &'a Memory) -> Result<[Cell<'a>; 8], StoreError> {
    Ok([
        realm.into(),
        memory.project.as_str().into(),
        memory.author.agent.as_str().into(),
        memory.author.session.as_ref().map(SessionId::as_str).into(),
        memory.event_type.as_str().into(),
        memory.place.stream.as_str().into(),
        count(memory.place.position)?.into(),
        to_us(memory.created_at).into(),
    ])
}

pub(super) fn state_cells(memory: &Memory) -> Result<[Cell<'_>; 19], StoreError> {
    let superseded = memory.superseded.as_ref();
    let redacted = memory.redacted.as_ref();
    Ok([
        i64::from(memory.importance.get()).into(),
        memory.pinned.into(),
        memory.seen.into(),
        to_us(memory.happened_at).into(),
        to_us(memory.updated_at).into(),
        to_us(memory.valid_from).into(),
        memory.valid_until.map(to_us).into(),
        memory.ended_at().map(to_us).into(),
        memory.supersedes.map(MemoryId::uuid).into(),
        superseded.map(|it| it.by.uuid()).into(),
        superseded.map(|it| to_us(it.at)).into(),
        redacted.map(|it| it.by.as_str()).into(),
        redacted.map(|it| to_us(it.at)).into(),
        redacted.and_then(|it| it.reason.as_ref()).map(Reason::as_str).into(),
        memory.feedback.helpful.into(),
        memory.feedback.wrong.into(),
        memory.feedback.stale.into(),
        memory.worth().into(),
        count(memory.revision)?.into(),
    ])
}

pub(super) fn word_cells<'a>(
    memory: &'a Memory,
    fingerprint: Option<&'a Fingerprint>,
    indexed: Option<&'a Indexed>,
) -> [Cell<'a>; 5] {
    let content = memory.content.as_ref();
    [
        fingerprint.map(|fingerprint| fingerprint.0.as_slice()).into(),
        indexed.map_or(0, |indexed| indexed.length).into(),
        indexed.map(|indexed| indexed.terms.as_bytes()).into(),
        content.map(|content| tags(&content.words().tags)).into(),
        indexed.map(|indexed| array(indexed.words.iter().chain(&indexed.tags))).into(),
    ]
}

/// A tag as it is looked for in [`tags`].
pub(super) fn tag(tag: &Tag) -> String {
    format!(",{},", tag.as_str())
}

/// Tags, each between commas, which no tag has.
fn tags<'a>(tags: impl IntoIterator<Item = &'a Tag>) -> String {
    tags.into_iter().fold(",".to_owned(), |all, tag| all + tag.as_str() + ",")
}

/// Terms as PostgreSQL writes an array of numbers.
fn array<'a>(terms: impl IntoIterator<Item = &'a TermHash>) -> String {
    let numbers: Vec<String> = terms.into_iter().map(|term| number(*term).to_string()).collect();
    format!("{{{}}}", numbers.join(","))
}

/// A term as a database counts it.
pub(super) fn number(term: TermHash) -> i64 {
    term.0.cast_signed()
}

/// A number beyond what a database can count.
#[derive(Debug, thiserror::Error)]
#[error("{0} is too high a number")]
struct TooHigh(u64);

pub(super) fn count(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| failed(TooHigh(number)))
}

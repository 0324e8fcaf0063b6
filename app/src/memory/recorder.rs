//! Writes what is remembered in one unit of work: finds twins, gives places, lets new ones take the place of old ones.

use crate::executor::{Happening, Scene};
use crate::memory::happenings::happening;
use crate::memory::locating::readable;
use domain::ids::MemoryId;
use domain::memory::content::Stream;
use domain::memory::realm::Realm;
use domain::memory::record::{Author, Memory, Place};
use domain::memory::refusal::MemoryRefusal;
use domain::memory::remember::{Draft, Fingerprint, Remembered, Scene as MemoryScene, TWIN_WITHIN};
use ports::memory::MemoryChange;
use ports::store::{StoreError, UnitOfWork};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Why writing ends early.
#[derive(Debug)]
pub(super) enum Halt {
    /// It is decided against.
    Refused(MemoryRefusal),
    /// The store cannot say.
    Store(StoreError),
}

impl From<MemoryRefusal> for Halt {
    fn from(refusal: MemoryRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Something to be remembered, with all that is not in its draft.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The id it has if it is new.
    pub(super) id: MemoryId,
    /// Who remembers it.
    pub(super) author: Author,
    /// What is to be remembered. `supersedes` is applied by [`Recorder::supersede`] alone.
    pub(super) draft: Draft,
}

/// What became of an entry. It says nothing of what the memory says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recorded {
    /// The memory.
    pub id: MemoryId,
    /// Whether it was known before.
    pub is_merged: bool,
    /// How often it was remembered.
    pub seen: u32,
    /// Where it stands.
    pub place: Place,
    /// The memory whose place it took.
    pub superseded: Option<MemoryId>,
}

/// What is written in one unit of work. The realms of the entries are locked by whoever makes it.
pub(super) struct Recorder<'a> {
    uow: &'a mut dyn UnitOfWork,
    scene: &'a Scene<'a>,
    operation: &'static str,
    changes: BTreeMap<MemoryId, MemoryChange>,
    order: Vec<MemoryId>,
    twins: HashMap<(Realm, Fingerprint), Vec<MemoryId>>,
    positions: HashMap<(Realm, String), u64>,
    happenings: Vec<Happening>,
}

/// Takes realms for writing, in their order.
pub(super) async fn lock(uow: &mut dyn UnitOfWork, realms: &BTreeSet<Realm>) -> Result<(), StoreError> {
    for realm in realms {
        uow.memory_realm_lock(realm).await?;
    }
    Ok(())
}

impl<'a> Recorder<'a> {
    /// Of an operation, as the audit log tells it.
    pub(super) fn new(uow: &'a mut dyn UnitOfWork, scene: &'a Scene<'a>, operation: &'static str) -> Self {
        Self {
            uow,
            scene,
            operation,
            changes: BTreeMap::new(),
            order: Vec::new(),
            twins: HashMap::new(),
            positions: HashMap::new(),
            happenings: Vec::new(),
        }
    }

    /// Remembers an entry, as a new memory or as one that is known.
    pub(super) async fn record(&mut self, entry: Entry) -> Result<Recorded, Halt> {
        let Entry { id, author, draft } = entry;
        let call = self.scene.call;
        let realm = Realm::of(draft.scope, &call.project, &author.agent);
        let stream = match &draft.stream {
            Some(stream) => stream.clone(),
            None => default_stream(&author)?,
        };
        let summary = &draft.content.words().summary;
        let fingerprint = Fingerprint::of(draft.scope, &stream, &author.agent, &draft.event_type, summary);
        let twin = self.twin(&realm, fingerprint, &draft).await?;
        let row = (realm.clone(), stream.as_str().to_owned());
        let last_position = match self.positions.get(&row) {
            Some(position) => *position,
            None => self.uow.memory_last_position(&realm, &stream).await?,
        };
        let (project, now) = (call.project.clone(), self.scene.now);
        let scene = MemoryScene { id, project, author, stream, last_position, now };
        let (memory, is_merged) = match draft.remember(twin.as_ref(), scene)? {
            Remembered::Stored(memory) => (memory, false),
            Remembered::Merged(memory) => (memory, true),
        };
        let last_position = last_position.max(memory.place.position);
        self.positions.insert(row, last_position);
        self.twins.entry((realm, fingerprint)).or_default().push(memory.id);
        let kind = if is_merged { "memory.merged" } else { "memory.stored" };
        let recorded =
            Recorded { id: memory.id, is_merged, seen: memory.seen, place: memory.place.clone(), superseded: None };
        self.note(kind, twin.as_ref().filter(|_| is_merged), memory);
        Ok(recorded)
    }

    /// Lets a memory of a realm take the place of an older one; answers both as they are then, the older one first.
    pub(super) async fn supersede(
        &mut self,
        realm: &Realm,
        by: MemoryId,
        old: MemoryId,
    ) -> Result<(Memory, Memory), Halt> {
        let is_new = self.changes.get(&by).is_some_and(|change| change.before.is_none());
        let mut by = self.find(realm, by).await?;
        if is_new {
            // What its draft names may stand for another one, which is known now.
            by.supersedes = None;
        }
        let old = self.find(realm, old).await?;
        let (old_after, by_after) = by.taking_place_of(&old, self.scene.now)?;
        let old_after = self.note("memory.superseded", Some(&old), old_after);
        let by_after = self.change(Some(by), by_after);
        Ok((old_after, by_after))
    }

    /// Stores everything; answers what happened.
    pub(super) async fn finish(self) -> Result<Vec<Happening>, StoreError> {
        let Self { uow, mut changes, order, happenings, .. } = self;
        let mut by_realm: BTreeMap<Realm, Vec<MemoryChange>> = BTreeMap::new();
        for id in order {
            if let Some(change) = changes.remove(&id) {
                by_realm.entry(change.after.realm()).or_default().push(change);
            }
        }
        for (realm, changes) in by_realm {
            uow.memories_save(&realm, &changes).await?;
        }
        Ok(happenings)
    }

    /// The memory of the same fingerprint that happened last, of those that are known or were recorded here.
    async fn twin(
        &mut self,
        realm: &Realm,
        fingerprint: Fingerprint,
        draft: &Draft,
    ) -> Result<Option<Memory>, StoreError> {
        let happened_at = draft.happened_at(self.scene.now);
        let (from, until) = (happened_at - TWIN_WITHIN, happened_at + TWIN_WITHIN);
        let recorded = self.twins.get(&(realm.clone(), fingerprint)).into_iter().flatten();
        let recorded = recorded.filter_map(|id| Some(self.changes.get(id)?.after.clone()));
        let recorded =
            recorded.filter(|memory| memory.superseded.is_none() && (from..=until).contains(&memory.happened_at));
        let recorded = recorded.max_by_key(|memory| (memory.happened_at, memory.id));
        let stored = self.uow.memory_twin(realm, fingerprint, from, until).await?;
        let stored = stored.filter(|memory| !self.changes.contains_key(&memory.id));
        Ok(recorded.into_iter().chain(stored).max_by_key(|memory| (memory.happened_at, memory.id)))
    }

    /// A memory that was recorded here or is stored in a realm. If it lies elsewhere, whoever may read it is told.
    async fn find(&mut self, realm: &Realm, id: MemoryId) -> Result<Memory, Halt> {
        if let Some(change) = self.changes.get(&id) {
            return Ok(change.after.clone());
        }
        if let Some(memory) = self.uow.memories_load(std::slice::from_ref(realm), &[id]).await?.pop() {
            return Ok(memory);
        }
        let elsewhere = self.uow.memories_load(&readable(self.scene.call), &[id]).await?;
        let refusal =
            if elsewhere.is_empty() { MemoryRefusal::Unknown { id } } else { MemoryRefusal::Elsewhere { id } };
        Err(refusal.into())
    }

    fn note(&mut self, kind: &'static str, before: Option<&Memory>, after: Memory) -> Memory {
        let after = self.change(before.cloned(), after);
        self.happenings.extend(happening(self.operation, kind, before, Some(&after)));
        after
    }

    /// Keeps a change to be stored; what is changed twice is stored once, one revision on.
    fn change(&mut self, before: Option<Memory>, mut after: Memory) -> Memory {
        if !self.changes.contains_key(&after.id) {
            self.order.push(after.id);
        }
        let change = self.changes.entry(after.id).or_insert_with(|| MemoryChange { before, after: after.clone() });
        after.revision = change.before.as_ref().map_or(1, |before| before.revision + 1);
        change.after = after.clone();
        after
    }
}

/// The row of what belongs to none: the session's, or the agent's if it is in none.
fn default_stream(author: &Author) -> Result<Stream, StoreError> {
    let name = author.session.as_ref().map_or(author.agent.as_str(), |session| session.as_str());
    Stream::parse(name).map_err(|error| StoreError::Failed(Box::new(error)))
}

//! Remembering one thing or many, all of them or none.

use crate::call::Call;
use crate::executor::{Command, Decision, Executor, Happening, Scene};
use crate::memory::locating::session;
use crate::memory::recorder::{Entry, Halt, Recorded, Recorder, lock};
use crate::memory::secrets::{Clean, SecretAt, SecretsPolicy, TOLD_MAX};
use crate::refusal::{CallError, Refusal};
use async_trait::async_trait;
use domain::identity::principal::{Action, Denial, Principal, authorize};
use domain::ids::{AgentId, MemoryId};
use domain::memory::realm::{Realm, Scope};
use domain::memory::record::Author;
use domain::memory::refusal::MemoryRefusal;
use domain::memory::remember::Draft;
use ports::store::{StoreError, UnitOfWork};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The most memories of one call.
pub const LINES_MAX: usize = 500;

/// What a memory takes the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Older {
    /// A memory that is stored.
    Memory(MemoryId),
    /// Another one of the same call, by its place in it.
    Line(usize),
}

/// One thing to be remembered.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Its number in what was handed in, from 1: faults are told by it.
    pub number: usize,
    /// Whose memory it is, if not the caller's.
    pub agent: Option<AgentId>,
    /// What.
    pub draft: Draft,
    /// What it takes the place of.
    pub supersedes: Option<Older>,
}

/// Why a line cannot be remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineFault {
    /// Its number, from 1.
    pub line: usize,
    /// Why.
    pub refusal: MemoryRefusal,
}

/// Why nothing of what was handed in is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{} lines are at fault, and nothing was stored", faults.len())]
pub struct ImportRefused {
    /// The faults, the first [`TOLD_MAX`] of them.
    pub faults: Vec<LineFault>,
}

/// What became of something to be remembered, and what was masked in it.
#[derive(Debug)]
pub struct Outcome<T> {
    /// What became of it.
    pub answer: T,
    /// What was masked.
    pub masked: Vec<SecretAt>,
}

/// Remembers.
#[derive(Clone)]
pub struct RememberMemories {
    executor: Executor,
    secrets: SecretsPolicy,
}

impl RememberMemories {
    /// Writes through the executor.
    pub fn new(executor: Executor, secrets: SecretsPolicy) -> Self {
        Self { executor, secrets }
    }

    /// Remembers one thing.
    pub async fn one(
        &self,
        call: &Call,
        draft: Draft,
        supersedes: Option<MemoryId>,
    ) -> Result<Outcome<Recorded>, CallError> {
        let Clean { value: draft, masked } = clean(self.secrets, "", draft)?;
        let id = self.executor.ids().memory_id();
        let answer = self.executor.execute(call, &Remember { id, draft, supersedes }).await?.answer;
        Ok(Outcome { answer, masked })
    }

    /// Remembers all of these lines or none; answers in their order.
    pub async fn many(&self, call: &Call, lines: Vec<Line>) -> Result<Outcome<Vec<Recorded>>, CallError> {
        let mut masked = Vec::new();
        let mut cleaned = Vec::with_capacity(lines.len());
        for line in lines {
            let clean = clean(self.secrets, &format!("line {}", line.number), line.draft)?;
            masked.extend(clean.masked);
            cleaned.push(Line { draft: clean.value, ..line });
        }
        masked.truncate(TOLD_MAX);
        let ids = cleaned.iter().map(|_| self.executor.ids().memory_id()).collect();
        let answer = self.executor.execute(call, &Import { ids, lines: cleaned }).await?.answer;
        Ok(Outcome { answer, masked })
    }
}

/// Every text of a draft, looked through.
fn clean(policy: SecretsPolicy, place: &str, draft: Draft) -> Result<Clean<Draft>, CallError> {
    let at = |field: &str| if place.is_empty() { field.to_owned() } else { format!("{place}.{field}") };
    let content = policy.clean(place, draft.content)?;
    // Names cannot be masked: another stream or type would be another thing.
    let stream = SecretsPolicy::Refuse.clean(&at("stream"), draft.stream)?.value;
    let event_type = SecretsPolicy::Refuse.clean(&at("event_type"), draft.event_type)?.value;
    Ok(Clean { value: Draft { content: content.value, stream, event_type, ..draft }, masked: content.masked })
}

fn authorized(principal: &Principal, is_steering: bool) -> Result<(), Denial> {
    authorize(principal, if is_steering { Action::SteerMemory } else { Action::UseMemory })
}

/// Remembers one thing.
#[derive(Debug, Serialize)]
struct Remember {
    /// No part of the request.
    #[serde(skip)]
    id: MemoryId,
    draft: Draft,
    supersedes: Option<MemoryId>,
}

#[async_trait]
impl Command for Remember {
    const OPERATION: &'static str = "memory.remember";
    const ACTION: Action = Action::UseMemory;
    type Answer = Recorded;

    fn authorize(&self, principal: &Principal) -> Result<(), Denial> {
        authorized(principal, self.draft.scope == Scope::Shared)
    }

    fn content(&self) -> Value {
        json!(self)
    }

    fn asked(&self) -> Value {
        json!({ "scope": self.draft.scope, "supersedes": self.supersedes })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let supersedes = self.supersedes.map(Older::Memory);
        let line = Line { number: 1, agent: None, draft: self.draft.clone(), supersedes };
        match remember(uow, scene, Self::OPERATION, &[self.id], &[line]).await? {
            Ok(AllRecorded { mut recorded, happenings }) => match recorded.pop() {
                Some(recorded) => Ok(Decision::answered(recorded, happenings)),
                None => Err(StoreError::Failed("a memory was recorded and is not there".into())),
            },
            Err(refused) => match refused.faults.into_iter().next() {
                Some(fault) => Ok(Decision::refused(fault.refusal)),
                None => Err(StoreError::Failed("a memory was refused for no reason".into())),
            },
        }
    }
}

/// Remembers many things.
#[derive(Debug, Serialize)]
struct Import {
    /// No part of the request.
    #[serde(skip)]
    ids: Vec<MemoryId>,
    lines: Vec<Line>,
}

#[async_trait]
impl Command for Import {
    const OPERATION: &'static str = "memory.import";
    const ACTION: Action = Action::UseMemory;
    type Answer = Vec<Recorded>;

    fn authorize(&self, principal: &Principal) -> Result<(), Denial> {
        let is_anothers = |line: &Line| line.agent.as_ref().is_some_and(|agent| *agent != principal.agent);
        let is_steering = |line: &Line| line.draft.scope == Scope::Shared || is_anothers(line);
        authorized(principal, self.lines.iter().any(is_steering))
    }

    fn content(&self) -> Value {
        json!(self)
    }

    fn asked(&self) -> Value {
        json!({ "lines": self.lines.len() })
    }

    fn target(&self) -> String {
        "memories".to_owned()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        Ok(match remember(uow, scene, Self::OPERATION, &self.ids, &self.lines).await? {
            Ok(recorded) => Decision::answered(recorded.recorded, recorded.happenings),
            Err(refused) => Decision::refused(Refusal::MemoryImport(refused)),
        })
    }
}

struct AllRecorded {
    recorded: Vec<Recorded>,
    happenings: Vec<Happening>,
}

async fn remember(
    uow: &mut dyn UnitOfWork,
    scene: &Scene<'_>,
    operation: &'static str,
    ids: &[MemoryId],
    lines: &[Line],
) -> Result<Result<AllRecorded, ImportRefused>, StoreError> {
    let call = scene.call;
    let own = Author { agent: call.principal.agent.clone(), session: session(uow, call, scene.now).await? };
    let author = |line: &Line| match &line.agent {
        Some(agent) if *agent != own.agent => Author { agent: agent.clone(), session: None },
        _ => own.clone(),
    };
    let realm = |line: &Line| Realm::of(line.draft.scope, &call.project, &author(line).agent);
    let realms: BTreeSet<Realm> = lines.iter().map(realm).collect();
    lock(uow, &realms).await?;
    let mut recorder = Recorder::new(uow, scene, operation);
    let mut faults = Vec::new();
    let mut made_of: Vec<Option<Recorded>> = Vec::with_capacity(lines.len());
    let mut behind = Vec::new();
    for (at, (line, id)) in lines.iter().zip(ids).enumerate() {
        let older = match line.supersedes {
            Some(Older::Memory(id)) => Some(id),
            Some(Older::Line(other)) => made_of.get(other).and_then(|made| Some(made.as_ref()?.id)),
            None => None,
        };
        if let (Some(Older::Line(other)), None) = (line.supersedes, older) {
            behind.push((at, other));
        }
        // Whatever it names, the draft is kept apart from its twins by naming one.
        let draft = Draft { supersedes: line.supersedes.map(|_| older.unwrap_or(*id)), ..line.draft.clone() };
        let mut made =
            halted(recorder.record(Entry { id: *id, author: author(line), draft }).await, line, &mut faults)?;
        if let (Some(made), Some(older)) = (&mut made, older) {
            let done = recorder.supersede(&realm(line), made.id, older).await;
            made.superseded = halted(done, line, &mut faults)?.map(|(old, _)| old.id);
        }
        made_of.push(made);
    }
    for (at, other) in behind {
        let older = made_of.get(other).and_then(|made| Some(made.as_ref()?.id));
        if let (Some(line), Some(Some(made)), Some(older)) = (lines.get(at), made_of.get_mut(at), older) {
            let done = recorder.supersede(&realm(line), made.id, older).await;
            made.superseded = halted(done, line, &mut faults)?.map(|(old, _)| old.id);
        }
    }
    if !faults.is_empty() {
        faults.truncate(TOLD_MAX);
        return Ok(Err(ImportRefused { faults }));
    }
    Ok(Ok(AllRecorded { happenings: recorder.finish().await?, recorded: made_of.into_iter().flatten().collect() }))
}

/// What was done with a line, or `None` if it is at fault.
fn halted<T>(done: Result<T, Halt>, line: &Line, faults: &mut Vec<LineFault>) -> Result<Option<T>, StoreError> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(Halt::Refused(refusal)) => {
            faults.push(LineFault { line: line.number, refusal });
            Ok(None)
        }
        Err(Halt::Store(error)) => Err(error),
    }
}

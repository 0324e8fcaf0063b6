//! What becomes of a memory after it was written.

use crate::identity::principal::Role;
use crate::ids::AgentId;
use crate::locks::lease::Reason;
use crate::memory::record::{Memory, Redacted, Verdict};
use crate::memory::refusal::MemoryRefusal;
use crate::memory::remember::supersede;
use chrono::{DateTime, Utc};

/// Who wants to change a memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Editor {
    /// The agent.
    pub agent: AgentId,
    /// What it may do.
    pub role: Role,
}

impl Editor {
    /// Whether it may say what becomes of a memory: its author may, and orchestrators.
    pub fn may_edit(&self, memory: &Memory) -> Result<(), MemoryRefusal> {
        if self.role >= Role::Orchestrator || self.agent == memory.author.agent {
            Ok(())
        } else {
            Err(MemoryRefusal::NotYours { id: memory.id })
        }
    }
}

impl Memory {
    fn changed(&self, now: DateTime<Utc>) -> Result<Self, MemoryRefusal> {
        match self.redacted {
            Some(_) => Err(MemoryRefusal::Redacted { id: self.id }),
            None => Ok(Self { updated_at: now, revision: self.revision + 1, ..self.clone() }),
        }
    }

    /// With what an agent found of it, which said `before` until now.
    pub fn rated(&self, before: Option<Verdict>, verdict: Verdict, now: DateTime<Utc>) -> Result<Self, MemoryRefusal> {
        Ok(Self { feedback: self.feedback.with(before, verdict), ..self.changed(now)? })
    }

    /// Kept for ever, or not any more.
    pub fn pinned(&self, editor: &Editor, pinned: bool, now: DateTime<Utc>) -> Result<Self, MemoryRefusal> {
        editor.may_edit(self)?;
        Ok(Self { pinned, ..self.changed(now)? })
    }

    /// Valid from and until.
    pub fn valid(
        &self,
        editor: &Editor,
        valid_from: DateTime<Utc>,
        valid_until: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Self, MemoryRefusal> {
        editor.may_edit(self)?;
        if let Some(valid_until) = valid_until.filter(|until| *until <= valid_from) {
            return Err(MemoryRefusal::NeverValid { valid_from, valid_until });
        }
        Ok(Self { valid_from, valid_until, ..self.changed(now)? })
    }

    /// The place of an older one, taken by this one, which is stored already: the older one and this one as they are
    /// then. What was superseded or redacted itself takes no place, so that no memories supersede each other in a circle.
    pub fn taking_place_of(&self, old: &Self, now: DateTime<Utc>) -> Result<(Self, Self), MemoryRefusal> {
        if self.id == old.id {
            return Err(MemoryRefusal::Itself { id: self.id });
        }
        if let Some(superseded) = &self.superseded {
            return Err(MemoryRefusal::Superseded { id: self.id, by: superseded.by });
        }
        let after = self.changed(now)?;
        Ok((supersede(old, self, now)?, Self { supersedes: self.supersedes.or(Some(old.id)), ..after }))
    }

    /// Without its words, for good. That it was there stays, and where, and who wrote it.
    pub fn without_words(
        &self,
        editor: &Editor,
        reason: Option<Reason>,
        now: DateTime<Utc>,
    ) -> Result<Self, MemoryRefusal> {
        editor.may_edit(self)?;
        let redacted = Redacted { by: editor.agent.clone(), at: now, reason };
        Ok(Self { content: None, redacted: Some(redacted), ..self.changed(now)? })
    }
}

//! Word between the servers of one store.

use crate::store::StoreError;
use async_trait::async_trait;
use domain::ids::ProjectId;
use std::collections::BTreeSet;

/// What one server tells the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// There is news in these projects: whoever waits there should look again.
    Projects(BTreeSet<ProjectId>),
    /// Facts were committed in these projects: whoever follows them should look again.
    Facts(BTreeSet<ProjectId>),
    /// There may be news anywhere.
    Anywhere,
}

/// Carries word of what was committed to the other servers, so that nobody there has to wait for their next look.
///
/// It is only a hint. Word may be lost, come late or twice; whoever must know looks at the store
/// ([`crate::locks::LockRepository::lock_tables_look`], [`crate::events::FactLog::facts_newest`]).
#[async_trait]
pub trait Bell: Send + Sync {
    /// Tells all other servers that listen. It MUST NOT slow down what is being committed, and it is up to the caller to
    /// gather what comes in quick succession. An error means that nobody may have heard it.
    async fn tell(&self, word: &Word) -> Result<(), StoreError>;
    /// Waits for word from others; one's own is not heard. The first thing heard, also after the line was lost, is
    /// [`Word::Anywhere`]. An error means that nothing can be heard now, and calling again tries again. To be called by
    /// one task, which may stop waiting at any time.
    async fn hear(&self) -> Result<Word, StoreError>;
}

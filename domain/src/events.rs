//! Facts: what happened, for everyone who follows. Appended in the commit of the change itself.

mod filter;
mod position;

pub use filter::{FactFilter, InvalidFactFilter};
pub use position::{InvalidPosition, Position};

use crate::ids::{AgentId, FactId, ProjectId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The fact's own id.
    pub id: FactId,
    /// The project it happened in.
    pub project: ProjectId,
    /// The store's time of the commit it belongs to.
    pub at: DateTime<Utc>,
    /// Who did it; the server itself for what happened by itself.
    pub agent: AgentId,
    /// What kind of thing, such as `lock.acquired`.
    pub kind: String,
    /// The thing it happened to, such as a lock key.
    pub subject: String,
    /// Everything a follower needs to know.
    pub body: Value,
}

impl Fact {
    /// What it is about: the part of its kind before the first dot, such as `lock`.
    pub fn context(&self) -> &str {
        self.kind.split_once('.').map_or(self.kind.as_str(), |(context, _)| context)
    }
}

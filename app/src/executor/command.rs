//! What a use case that changes something now and then looks like: it has a unit of work of its own.

use crate::call::Call;
use crate::refusal::Refusal;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::audit::Change;
use domain::identity::principal::{Action, Denial, Principal, authorize};
use ports::store::{StoreError, UnitOfWork};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A change somebody wants.
#[async_trait]
pub trait Command: Send + Sync {
    /// The operation in the audit log, such as `lock.acquire`.
    const OPERATION: &'static str;
    /// What the caller's role must allow.
    const ACTION: Action;
    /// Whether the project must exist and not be archived.
    const IN_PROJECT: bool = true;
    /// What the caller gets.
    type Answer: Serialize + DeserializeOwned + Send;

    /// Whether the caller may do it at all.
    fn authorize(&self, principal: &Principal) -> Result<(), Denial> {
        authorize(principal, Self::ACTION)
    }

    /// The content of the request: the same content under the same idempotency key is the same request.
    fn content(&self) -> Value;

    /// What the audit line of a refusal tells of the request: its content, unless that is not to be kept.
    fn asked(&self) -> Value {
        self.content()
    }

    /// The thing it is about, for the audit line of a refusal.
    fn target(&self) -> String;

    /// Loads, decides in the domain, saves. Must do the same again if called again.
    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError>;
}

/// What a command may know.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The call.
    pub call: &'a Call,
    /// The store's clock at the start of the unit of work.
    pub now: DateTime<Utc>,
}

/// One thing that happened, for the audit log and for followers.
#[derive(Debug, Clone)]
pub struct Happening {
    /// The line for the audit log.
    pub change: Change,
    /// The kind of the fact.
    pub kind: &'static str,
    /// The body of the fact.
    pub body: Value,
    /// Whether it happened by itself and not because of the caller.
    pub by_itself: bool,
}

/// How a command came out.
#[derive(Debug)]
pub struct Decision<T> {
    /// The answer or the refusal.
    pub result: Result<T, Refusal>,
    /// What happened, in order.
    pub happenings: Vec<Happening>,
    /// Whether this is the caller's final answer, to be replayed.
    pub is_final: bool,
}

impl<T> Decision<T> {
    /// A refusal that changed nothing.
    pub fn refused(refusal: impl Into<Refusal>) -> Self {
        Self { result: Err(refusal.into()), happenings: Vec::new(), is_final: true }
    }

    /// An answer with what happened.
    pub fn answered(answer: T, happenings: Vec<Happening>) -> Self {
        Self { result: Ok(answer), happenings, is_final: true }
    }
}

/// An answer, and whether it is the replay of an earlier one.
#[derive(Debug)]
pub struct Answered<T> {
    /// The answer.
    pub answer: T,
    /// Whether the request had been answered before.
    pub is_replay: bool,
}

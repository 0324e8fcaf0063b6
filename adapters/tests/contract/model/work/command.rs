//! The commands of a sequence, what they touch, and what they answer.

use crate::driver::Voice;
use crate::driver::work::{Call, Outcome, Tables, Touches, run};
use crate::harness::TestStore;
use crate::samples::*;
use chrono::{DateTime, TimeDelta, Utc};
use domain::agents::{Registration, SessionRequest, SessionTtl};
use domain::handoffs::{MovedTask, Passage, Stays};
use domain::idempotency::RequestName;
use domain::ids::{AgentId, HandoffId, ProjectId, TaskId};
use domain::locks::lease::{Holder, Lease, Mode, Ttl};
use domain::locks::refusal::LockRefusal;
use domain::locks::table::{Acquire, Acquired, OnConflict};
use domain::locks::wants::{Want, Wants};
use domain::work::claim::{Claim, Claimed};
use domain::work::content::{Fault, Note, Payload, Progress};
use domain::work::rank::Priority;
use domain::work::refusal::{SubmissionFault, WorkRefusal};
use domain::work::requires::Claimant;
use domain::work::retry::Chance;
use domain::work::submission::Submit;
use domain::work::table::{Beat, Cancel, CancelOutcome, ClaimRef, Finished};
use domain::work::task::Task;
use ports::store::StoreError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The handoff that tasks go over with.
pub(crate) const HANDOFF: HandoffId = HandoffId::new(Uuid::from_u128(7));
/// The most rows of a tidying up.
pub(crate) const ROWS_MAX: u32 = 500;
/// How long a session lives that is not heard from: no longer than many a lease.
const SESSION_SECONDS: u32 = 30;
/// The agent whose sessions live as long as those of most agents do.
const LONG_LIVED: &str = "cat";

/// What a command answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Answer {
    Submitted(Result<Vec<Result<Task, SubmissionFault>>, WorkRefusal>),
    Claimed(Result<Claimed, WorkRefusal>),
    Heard(Result<Beat, WorkRefusal>),
    Finished(Result<Finished, WorkRefusal>),
    HandedOver(Result<MovedTask, Stays>),
    Cancelled(Result<CancelOutcome, WorkRefusal>),
    Changed(Result<Task, WorkRefusal>),
    Locked(Result<Vec<Lease>, LockRefusal>),
    /// Nothing was asked of the tables.
    Nothing,
}

/// What an agent says about a claim.
#[derive(Debug, Clone)]
pub(crate) enum Word {
    Beat(Option<Progress>, Option<Note>),
    Complete(Option<Payload>),
    Fail(Fault, bool, Chance),
    Release,
    Snooze(DateTime<Utc>),
}

/// A command, with everything that was picked for it.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    Submit(Submit),
    Claim(Claim),
    Say(ClaimRef, Word),
    /// From the holder of a claim.
    HandOver(ClaimRef, Claimant),
    Cancel(TaskId, Cancel),
    Reschedule(TaskId, Option<DateTime<Utc>>),
    Reprioritize(TaskId, Priority),
    Retry(TaskId),
    Discard(TaskId, AgentId),
    Lock(Holder, Wants),
    /// Says that the session lives, and nothing else.
    Register(Holder),
    EndSession(Holder),
    Tidy,
}

/// How a command is sent.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    pub(crate) request: RequestName,
    pub(crate) is_short_sighted: bool,
    pub(crate) is_cut_off: bool,
}

impl Command {
    /// In whose session it runs.
    pub(crate) fn holder(&self) -> Option<&Holder> {
        match self {
            Self::Claim(claim) => Some(&claim.claimant.holder),
            Self::HandOver(_, to) => Some(&to.holder),
            Self::Say(ClaimRef { holder, .. }, _)
            | Self::Lock(holder, _)
            | Self::Register(holder)
            | Self::EndSession(holder) => Some(holder),
            Self::Submit(_)
            | Self::Cancel(..)
            | Self::Reschedule(..)
            | Self::Reprioritize(..)
            | Self::Retry(_)
            | Self::Discard(..)
            | Self::Tidy => None,
        }
    }

    fn voice(&self, project: &ProjectId) -> Option<Voice> {
        let Holder { agent, session } = self.holder()?.clone();
        let (project, offers) = (project.clone(), offers(&[]));
        if agent.as_str() == LONG_LIVED {
            let agent_type = offers.agent_type;
            let request = SessionRequest { project, agent, agent_type, named: Some(session.clone()) };
            return Some(Voice::Call(request, session));
        }
        let ttl = SessionTtl::try_new(SESSION_SECONDS).unwrap();
        Some(Voice::Registration(Registration { project, agent, id: session, ttl, offers }))
    }

    fn touches(&self, is_short_sighted: bool) -> Touches {
        let mut touches = Touches { is_short_sighted, ..Touches::default() };
        match self {
            Self::Submit(submit) => touches.tasks = submit.known(),
            Self::Claim(claim) => {
                touches.claim = Some(claim.filter.clone());
                touches.due_rows_max = ROWS_MAX;
            }
            Self::Say(claim, _) | Self::HandOver(claim, _) => {
                touches.tasks = [claim.task].into();
                touches.tokens = [claim.token].into();
            }
            Self::Cancel(id, _)
            | Self::Reschedule(id, _)
            | Self::Reprioritize(id, _)
            | Self::Retry(id)
            | Self::Discard(id, _) => touches.tasks = [*id].into(),
            Self::Lock(_, wants) => touches.keys = wants.keys().cloned().collect(),
            Self::Register(_) | Self::EndSession(_) => {}
            Self::Tidy => touches.due_rows_max = ROWS_MAX,
        }
        touches
    }

    fn decide(&self, Tables { locks, work }: &mut Tables) -> Answer {
        match self {
            Self::Submit(submit) => Answer::Submitted(work.submit(submit)),
            Self::Claim(claim) => Answer::Claimed(work.claim(locks, claim)),
            Self::Say(claim, Word::Beat(progress, note)) => {
                Answer::Heard(work.heartbeat(locks, claim, *progress, note.clone()))
            }
            Self::Say(claim, Word::Complete(result)) => Answer::Finished(work.complete(locks, claim, result.clone())),
            Self::Say(claim, Word::Fail(error, retryable, chance)) => {
                Answer::Finished(work.fail(locks, claim, error.clone(), *retryable, *chance))
            }
            Self::Say(claim, Word::Release) => Answer::Finished(work.release(locks, claim, None)),
            Self::Say(claim, Word::Snooze(until)) => Answer::Finished(work.snooze(locks, claim, *until)),
            Self::HandOver(ClaimRef { task, token, holder }, to) => {
                let (from, leaving) = (holder.session.clone(), work.locks_of(*task).collect());
                let passage = Passage { handoff: HANDOFF, from, to: to.clone(), leaving };
                let stays = work.handable(locks, *task, *token, &passage).err();
                let moved = work.hand_over(locks, *task, *token, &passage).unwrap();
                Answer::HandedOver(moved.ok_or_else(|| stays.unwrap()))
            }
            Self::Cancel(id, cancel) => Answer::Cancelled(work.cancel(*id, cancel.clone())),
            Self::Reschedule(id, at) => Answer::Changed(work.reschedule(*id, *at)),
            Self::Reprioritize(id, priority) => Answer::Changed(work.reprioritize(*id, *priority)),
            Self::Retry(id) => Answer::Changed(work.retry(*id)),
            Self::Discard(id, by) => Answer::Changed(work.discard(*id, by.clone())),
            Self::Lock(holder, wants) => Answer::Locked(granted(locks.acquire(&Acquire {
                holder: holder.clone(),
                wants: wants.clone(),
                ttl: Ttl::try_new(15).unwrap(),
                reason: None,
                ticket: None,
                on_conflict: OnConflict::Refuse,
            }))),
            Self::Register(_) | Self::EndSession(_) | Self::Tidy => Answer::Nothing,
        }
    }
}

fn granted(answer: Result<Acquired, LockRefusal>) -> Result<Vec<Lease>, LockRefusal> {
    answer.map(|acquired| match acquired {
        Acquired::Granted(leases) => leases,
        Acquired::InLine { place, .. } => panic!("nobody wanted to wait: {place:?}"),
    })
}

/// Sends a command.
pub(crate) async fn send(
    store: &TestStore,
    project: &ProjectId,
    command: &Command,
    sending: &Sending,
) -> Result<Outcome<Answer>, StoreError> {
    let call = Call {
        touches: command.touches(sending.is_short_sighted),
        voice: command.voice(project),
        ends: matches!(command, Command::EndSession(_)),
        request: sending.request.clone(),
        is_cut_off: sending.is_cut_off,
    };
    run(store, store.store(), project, &call, |tables| command.decide(tables)).await
}

/// Deletes what ended before an instant, in all projects; answers how many.
pub(crate) async fn prune(store: &TestStore, age: TimeDelta) -> Result<u64, StoreError> {
    let mut uow = store.begin().await;
    let pruned = uow.tasks_prune(store.now() - age, 100_000).await?;
    uow.commit().await?;
    Ok(pruned)
}

/// Deletes the records of all requests, so that sequences do not pile up; answers how many.
pub(crate) async fn forget_requests(store: &TestStore) -> Result<u64, StoreError> {
    let mut uow = store.begin().await;
    let forgotten = uow.idempotency_prune(store.now() + TimeDelta::seconds(1), 100_000).await?;
    uow.commit().await?;
    Ok(forgotten)
}

pub(crate) fn wants(keys: &[(&str, Mode)]) -> Wants {
    Wants::try_new(keys.iter().map(|(text, mode)| Want { key: key(text), mode: *mode }).collect()).unwrap()
}

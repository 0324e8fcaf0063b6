//! What agents say about their claims.

use super::{Grant, Ledger};
use crate::model::work::command::Word;
use crate::model::work::stored::Stored;
use chrono::TimeDelta;
use domain::ids::TaskId;
use domain::work::attempt::{Attempt, AttemptEnd};
use domain::work::refusal::WorkRefusal;
use domain::work::table::{Beat, ClaimRef, Finished};
use domain::work::task::{CancelCause, DeathCause, Status, Task, TaskState};

/// What is known of a claim at the moment somebody speaks of it.
enum Known {
    Unknown,
    Live(Box<Grant>),
    Over,
}

impl Ledger {
    fn known(&self, claim: &ClaimRef) -> Known {
        match self.grants.get(&claim.token).filter(|grant| grant.task == claim.task) {
            None => Known::Unknown,
            Some(grant) if self.live_grants(&self.seen).any(|(token, _)| token == claim.token) => {
                Known::Live(Box::new(grant.clone()))
            }
            Some(_) => Known::Over,
        }
    }

    pub(super) fn judge_heard(
        &mut self,
        claim: &ClaimRef,
        word: &Word,
        answer: &Result<Beat, WorkRefusal>,
        after: &Stored,
    ) {
        let beat = match (self.known(claim), answer) {
            (Known::Live(grant), Ok(beat)) if grant.holder.session == claim.holder.session => beat,
            (known, Err(refusal)) => return self.fence(claim, &known, refusal, after),
            (_, Ok(beat)) => panic!("{claim:?} was heard: {beat:?}"),
        };
        let task = &after.tasks[&claim.task];
        let lease = task.lease().unwrap();
        let Word::Beat(progress, note) = word else { panic!("{word:?} is no heartbeat") };
        assert!(progress.is_none_or(|progress| lease.progress == Some(progress)));
        assert!(note.as_ref().is_none_or(|note| lease.note.as_ref() == Some(note)));
        assert_eq!((&beat.task, beat.until, &beat.cancel), (task, lease.until, &lease.cancel));
        assert!(beat.locks_lost.is_empty(), "nobody took its locks: {beat:?}");
        let now = self.now;
        let grant = self.grants.get_mut(&claim.token).unwrap();
        let longer = now + TimeDelta::seconds(i64::from(lease.length.seconds()));
        let longer = task.deadline.map_or(longer, |deadline| deadline.min(longer));
        let expected = if grant.asked_at.is_some() { grant.until } else { grant.until.max(longer) };
        assert_eq!(beat.until, expected, "a heartbeat lets it last as long again");
        assert_eq!(beat.cancel.as_ref().map(|asked| asked.at).is_some(), grant.asked_at.is_some());
        grant.until = beat.until;
    }

    pub(super) fn judge_finished(
        &mut self,
        claim: &ClaimRef,
        word: &Word,
        answer: &Result<Finished, WorkRefusal>,
        after: &Stored,
    ) {
        let known = self.known(claim);
        match (known, answer) {
            (known, Err(refusal)) => self.fence(claim, &known, refusal, after),
            (Known::Live(grant), Ok(finished)) => {
                assert!(!finished.already, "{claim:?} ends for the first time");
                assert_eq!(grant.holder.session, claim.holder.session, "nobody ends what is another's");
                self.judge_end(claim, word, &finished.attempt, &grant, after);
                let grant = self.grants.get_mut(&claim.token).unwrap();
                grant.is_over = true;
                grant.told = Some(finished.attempt.clone());
            }
            (_, Ok(finished)) => {
                assert!(finished.already, "a late word was heard: {claim:?}");
                let first = self.grants[&claim.token].told.as_ref();
                assert_eq!(Some(&finished.attempt), first, "said once more, it gets the first answer");
                self.assert_unchanged(after);
            }
        }
    }

    fn judge_end(&mut self, claim: &ClaimRef, word: &Word, attempt: &Attempt, grant: &Grant, after: &Stored) {
        assert_eq!(after.attempts.get(&claim.token), Some(attempt), "the attempt is kept as it was told");
        assert_eq!((attempt.task, &attempt.holder, attempt.ended_at), (claim.task, &grant.holder, self.now));
        assert_eq!(attempt.end, end_of(word));
        let task = &after.tasks[&claim.task];
        assert_eq!(attempt.left, task.status());
        let before = &self.seen.tasks[&claim.task];
        let harmful = self.harmful(&self.seen, claim.task) + 1;
        let is_used_up = harmful >= task.terms.retry.attempts_max();
        match (word, &task.state) {
            (Word::Complete(_), TaskState::Succeeded { at }) => assert_eq!(*at, self.now),
            (Word::Complete(_), state) => panic!("it was done, and is {state:?}"),
            (_, TaskState::Cancelled { cause, .. }) => {
                assert!(grant.asked_at.is_some(), "nobody asked to cancel {task:?}");
                assert!(matches!(cause, CancelCause::Asked(_)));
            }
            (_, state) if grant.asked_at.is_some() => panic!("somebody asked to cancel, but it is {state:?}"),
            (Word::Fail(_, false, _), TaskState::Dead { cause: DeathCause::NotRetryable, at }) => {
                assert_eq!(*at, self.now);
            }
            (Word::Fail(_, true, _), TaskState::Dead { cause: DeathCause::AttemptsUsedUp, .. }) => assert!(is_used_up),
            (Word::Fail(_, true, _), TaskState::Ready { .. }) => assert!(!is_used_up, "{task:?}"),
            (Word::Fail(_, true, _), TaskState::Scheduled { until, .. }) => {
                assert!(!is_used_up && task.status() == Status::Failed, "{task:?}");
                let longest = task.terms.retry.backoff_first_seconds() << (harmful - 1);
                let longest = i64::from(longest.min(task.terms.retry.backoff_cap_seconds()));
                assert!(*until > self.now && *until <= self.now + TimeDelta::seconds(longest), "{task:?}");
            }
            (Word::Release, TaskState::Ready { since }) => assert_eq!(*since, self.now),
            (Word::Snooze(at), TaskState::Scheduled { until, .. }) => {
                assert_eq!((until, task.status()), (at, Status::Scheduled));
                self.tasks.get_mut(&claim.task).unwrap().waits_from = *at;
            }
            (word, state) => panic!("after {word:?} it is {state:?}, and before {before:?}"),
        }
        // Handing it back does no harm: as many attempts are left as before.
        if matches!(word, Word::Release | Word::Snooze(_)) {
            assert_eq!(left(task), left(before) + 1, "{task:?}");
        }
    }

    /// A word under a token that is over, or another's, or nobody's, is refused for that reason and changes nothing.
    fn fence(&self, claim: &ClaimRef, known: &Known, refusal: &WorkRefusal, after: &Stored) {
        match (known, refusal) {
            (_, WorkRefusal::UnknownTask { .. }) => assert!(self.is_gone(claim.task)),
            (Known::Unknown, WorkRefusal::UnknownToken { .. }) => {}
            (Known::Live(grant), WorkRefusal::NotHolder { session, .. }) => {
                assert_eq!(grant.holder.session, *session);
                assert_ne!(claim.holder.session, *session, "the holder was refused");
            }
            (Known::Over, WorkRefusal::Stale { claim: stale }) => {
                assert_eq!(Some(&stale.attempt), after.attempts.get(&claim.token));
                assert_eq!(stale.status, after.tasks[&claim.task].status());
                let now_with = stale.now_with.as_ref().map(|has| (has.token, has.until));
                let live = self.live_grant_of(&self.seen, claim.task);
                assert_eq!(now_with, live.map(|(token, grant)| (token, grant.until)), "who has it now is told");
            }
            _ => panic!("{claim:?} was refused: {refusal:?}"),
        }
        let waits = |id: &TaskId| self.tasks[id].depends_on.contains(&claim.task);
        if !self.seen.due.iter().any(|id| *id == claim.task || waits(id)) {
            self.assert_nothing_moved(after);
        }
    }

    /// How many attempts did harm since somebody last tried the task again by hand.
    pub(super) fn harmful(&self, stored: &Stored, id: TaskId) -> u32 {
        let forgotten = self.tasks[&id].forgotten;
        let past = stored.attempts.values().filter(|past| past.task == id && past.number > forgotten);
        let harmful = past.filter(|past| {
            matches!(past.end, AttemptEnd::Failed { .. } | AttemptEnd::Lapsed | AttemptEnd::SessionDied)
        });
        u32::try_from(harmful.count()).unwrap()
    }
}

fn left(task: &Task) -> u32 {
    task.attempts_allowed - task.attempts_made
}

fn end_of(word: &Word) -> AttemptEnd {
    match word {
        Word::Beat(..) => panic!("a heartbeat ends nothing"),
        Word::Complete(result) => AttemptEnd::Succeeded { result: result.clone() },
        Word::Fail(error, retryable, _) => AttemptEnd::Failed { error: error.clone(), retryable: *retryable },
        Word::Release => AttemptEnd::Released { reason: None },
        Word::Snooze(until) => AttemptEnd::Snoozed { until: *until },
    }
}

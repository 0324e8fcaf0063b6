//! What others do to tasks, and what may become of a task at all.

use super::Ledger;
use crate::model::work::command::Command;
use crate::model::work::stored::Stored;
use chrono::TimeDelta;
use domain::ids::TaskId;
use domain::work::refusal::WorkRefusal;
use domain::work::table::{Cancel, CancelOutcome};
use domain::work::task::{CANCEL_GRACE_SECONDS, CancelCause, Status, Task, TaskState};
use std::collections::BTreeSet;

impl Ledger {
    pub(super) fn judge_cancelled(
        &mut self,
        id: TaskId,
        cancel: &Cancel,
        answer: &Result<CancelOutcome, WorkRefusal>,
        after: &Stored,
    ) {
        let outcome = match answer {
            Ok(outcome) => outcome,
            Err(refusal) => return self.judge_steering_refused(id, refusal, after),
        };
        let task = &after.tasks[&id];
        assert_eq!(outcome.task, *task);
        let live = self.live_grant_of(&self.seen, id).map(|(token, _)| token);
        match (live, &task.state) {
            (Some(token), TaskState::Leased(lease)) => {
                assert!(lease.cancel.is_some() && !outcome.cancelled.contains(&id));
                let now = self.now;
                let grant = self.grants.get_mut(&token).unwrap();
                assert_eq!(outcome.already, grant.asked_at.is_some());
                let asked_at = *grant.asked_at.get_or_insert(now);
                grant.until = grant.until.min(asked_at + TimeDelta::seconds(CANCEL_GRACE_SECONDS));
                assert_eq!(lease.until, grant.until, "it is taken after a grace");
            }
            (None, TaskState::Cancelled { .. }) => assert_eq!(outcome.cancelled.contains(&id), !outcome.already),
            (live, state) => panic!("a cancel left {state:?}, and {live:?} has it"),
        }
        for id in &outcome.cancelled {
            assert_eq!(after.tasks[id].status(), Status::Cancelled);
        }
        if cancel.with_dependents {
            for dependent in after.tasks.values().filter(|other| self.tasks[&other.id].depends_on.contains(&id)) {
                let is_left_alone = dependent.lease().is_some() || dependent.status().is_ended();
                assert!(is_left_alone, "{dependent:?} was to be cancelled too");
            }
        }
    }

    pub(super) fn judge_changed(&mut self, command: &Command, answer: &Result<Task, WorkRefusal>, after: &Stored) {
        let now = self.now;
        let (Command::Reschedule(id, _) | Command::Reprioritize(id, _) | Command::Retry(id) | Command::Discard(id, _)) =
            command
        else {
            panic!("{command:?} was answered with {answer:?}");
        };
        let task = match answer {
            Ok(task) => task,
            Err(refusal) => return self.judge_steering_refused(*id, refusal, after),
        };
        assert_eq!(Some(task), after.tasks.get(id));
        let was_dead = self.seen.tasks[id].status() == Status::Dead || self.seen.due.contains(id);
        let sent = self.tasks.get_mut(id).unwrap();
        match command {
            Command::Reschedule(_, at) => {
                assert_eq!(task.not_before, *at);
                sent.waits_from = at.unwrap_or_else(|| sent.waits_from.min(now));
                match (&task.state, at) {
                    (TaskState::Scheduled { until, .. }, Some(at)) => assert_eq!(until, at),
                    (TaskState::Ready { .. }, None) | (TaskState::Blocked { .. }, _) => {}
                    (state, at) => panic!("put off until {at:?}, it is {state:?}"),
                }
            }
            Command::Reprioritize(_, priority) => {
                assert_eq!(task.priority, *priority);
                sent.priority = *priority;
            }
            Command::Retry(_) => {
                assert!(was_dead && task.state == TaskState::Ready { since: now });
                assert_eq!(task.attempts_allowed - task.attempts_made, task.terms.retry.attempts_max());
                sent.forgotten = task.attempts_made;
                sent.waits_from = now;
            }
            _ => {
                let is_discarded =
                    matches!(&task.state, TaskState::Cancelled { cause: CancelCause::Discarded { .. }, .. });
                assert!(was_dead && is_discarded, "{task:?}");
            }
        }
    }

    fn judge_steering_refused(&self, id: TaskId, refusal: &WorkRefusal, after: &Stored) {
        let status = after.tasks.get(&id).map(Task::status);
        match refusal {
            WorkRefusal::UnknownTask { .. } => assert!(self.is_gone(id)),
            WorkRefusal::Ended { status: told, .. } => assert!(status == Some(*told) && told.is_ended()),
            WorkRefusal::NotDead { status: told, .. } => assert!(status == Some(*told) && *told != Status::Dead),
            WorkRefusal::Running { with, .. } => {
                let live = self.live_grant_of(&self.seen, id).map(|(token, _)| token);
                assert_eq!(live, Some(with.token));
            }
            WorkRefusal::PastDeadline { deadline, .. } => {
                assert_eq!(after.tasks[&id].deadline, Some(*deadline));
            }
            refusal => panic!("{refusal:?}"),
        }
        self.assert_unchanged(after);
    }

    /// What may become of a task in one step, whatever the step was for; and that it was told.
    pub(super) fn judge_moves(&self, command: &Command, lines: &[(String, String)], after: &Stored) {
        let told: BTreeSet<&str> = lines.iter().map(|(_, target)| target.as_str()).collect();
        for (id, now) in &after.tasks {
            let has_moved = self.seen.tasks.get(id).is_none_or(|before| before.state != now.state);
            let is_still_blocked = now.status() == Status::Blocked;
            assert!(
                !has_moved || is_still_blocked || told.contains(id.to_string().as_str()),
                "nobody was told: {now:?}"
            );
        }
        for (id, before) in &self.seen.tasks {
            let now = after.tasks.get(id).unwrap_or_else(|| panic!("{before:?} was lost"));
            assert_eq!((&now.terms, now.deadline), (&before.terms, before.deadline), "the terms never change");
            assert!(now.attempts_made >= before.attempts_made && now.attempts_allowed >= before.attempts_allowed);
            match (before.status(), now.status()) {
                (Status::Dead, Status::Ready) => assert!(matches!(command, Command::Retry(retried) if retried == id)),
                (Status::Dead, Status::Cancelled) => {
                    assert!(matches!(command, Command::Discard(gone, _) if gone == id));
                }
                (Status::Succeeded | Status::Cancelled | Status::Expired | Status::Dead, _) => {
                    assert_eq!(Task { untold: now.untold, ..before.clone() }, *now, "what has ended stays as it is");
                    assert!(before.untold || !now.untold, "it is told once");
                }
                (Status::Leased, Status::Leased)
                    if token(now) != token(before) && now.attempts_made == before.attempts_made =>
                {
                    assert!(matches!(command, Command::HandOver(claim, _) if claim.task == *id));
                }
                (_, Status::Leased) if token(now) != token(before) => assert!(matches!(command, Command::Claim(_))),
                _ => {}
            }
            if let Some(lost) = token(before).filter(|lost| Some(*lost) != token(now)) {
                assert!(after.attempts.contains_key(&lost), "an attempt was forgotten: {before:?}");
            }
        }
    }
}

fn token(task: &Task) -> Option<domain::locks::lease::Token> {
    task.lease().map(|lease| lease.token)
}

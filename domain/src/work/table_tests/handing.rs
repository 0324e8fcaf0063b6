//! Handing claimed tasks over.

use super::yard::{Yard, claim, claimant, holder, item, yard};
use crate::handoffs::{MovedTask, Passage, Stays};
use crate::ids::HandoffId;
use crate::locks::lease::Reason;
use crate::work::attempt::AttemptEnd;
use crate::work::event::What;
use crate::work::refusal::WorkRefusal;
use crate::work::requires::{Asked, Lack, Requires};
use crate::work::table::ClaimRef;
use crate::work::task::Status;
use chrono::TimeDelta;
use std::collections::BTreeSet;
use uuid::Uuid;

const HANDOFF: HandoffId = HandoffId::new(Uuid::from_u128(7));

impl Yard {
    /// Hands over what can go, else tells why it stays.
    fn hand(&mut self, given: &ClaimRef, to: &str) -> Result<MovedTask, Stays> {
        let (task, token) = (given.task, given.token);
        let mut passage = Passage {
            handoff: HANDOFF,
            from: given.holder.session.clone(),
            to: claimant(to),
            leaving: BTreeSet::default(),
        };
        self.run(|table, locks| {
            passage.leaving = table.locks_of(task).collect();
            match table.handable(locks, task, token, &passage).map(drop) {
                Ok(()) => Ok(table.hand_over(locks, task, token, &passage).unwrap().unwrap()),
                Err(stays) => {
                    assert_eq!(table.hand_over(locks, task, token, &passage), Ok(None));
                    Err(stays)
                }
            }
        })
    }
}

#[test]
fn the_taker_goes_on_with_the_same_attempt_under_greater_tokens() {
    let mut yard = yard();
    yard.submit(&[item("a").needs("src/a.rs ~docs/**")]);
    yard.claim("ann/1", 1);
    let (given, before) = (yard.held("a"), yard.task("a").clone());
    yard.pass(40);
    let moved = yard.hand(&given, "bob/1").unwrap();
    let after = yard.task("a").clone();
    let lease = after.lease().unwrap();
    assert_eq!((after.attempts_made, after.attempts_allowed), (before.attempts_made, before.attempts_allowed));
    assert_eq!((lease.attempt, &lease.holder, lease.since), (1, &holder("bob/1"), yard.now));
    assert_eq!(lease.until, yard.now + TimeDelta::seconds(60), "it lasts for its whole length from now");
    assert_eq!((moved.from, moved.token, moved.until), (given.token, lease.token, lease.until));
    assert!(lease.token > given.token);
    assert_eq!(moved.locks.len(), 2);
    assert_eq!(lease.locks, moved.locks.iter().map(|lock| lock.token).collect::<Vec<_>>());
    assert!(moved.locks.iter().all(|lock| lock.token > lock.from));
    assert!(yard.leases.values().all(|lock| lock.holder == holder("bob/1") && lock.expires_at == lease.until));
    assert_eq!(yard.leases.len(), 2);
}

#[test]
fn the_giver_is_told_who_has_it_and_changes_nothing_and_the_taker_finishes_it() {
    let mut yard = yard();
    yard.submit(&[item("a").needs("src/a.rs")]);
    yard.claim("ann/1", 1);
    let given = yard.held("a");
    yard.hand(&given, "bob/1").unwrap();
    let taken = yard.held("a");
    let Err(WorkRefusal::Stale { claim }) = yard.complete(&given) else { panic!("the old token is good") };
    assert_eq!(claim.attempt.end, AttemptEnd::HandedOver { to: holder("bob/1"), handoff: HANDOFF });
    assert_eq!((claim.attempt.number, claim.status), (1, Status::Leased));
    assert_eq!(claim.now_with.unwrap().token, taken.token);
    let late = yard.run(|table, locks| table.heartbeat(locks, &given, None, None));
    assert!(matches!(late, Err(WorkRefusal::Stale { .. })));
    let finished = yard.complete(&taken).unwrap();
    assert_eq!((finished.attempt.number, yard.status("a")), (1, Status::Succeeded));
    assert!(yard.leases.is_empty(), "its locks are free");
}

#[test]
fn it_is_told_once_with_the_part_that_the_giver_made() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim("ann/1", 1);
    let given = yard.held("a");
    yard.hand(&given, "bob/1").unwrap();
    let [event] = &yard.changes.events[..] else { panic!("{:?}", yard.changes.events) };
    assert_eq!((event.what, event.attempt.as_ref().unwrap().token), (What::HandedOver, given.token));
    assert_eq!((event.what.kind(), event.what.operation()), ("task.handed_over", "task.hand_over"));
}

#[test]
fn handing_it_round_costs_no_attempt() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim("ann/1", 1);
    for to in ["bob/1", "cat/1", "ann/2", "ann/1", "bob/1"] {
        let given = yard.held("a");
        yard.hand(&given, to).unwrap();
    }
    assert_eq!(yard.task("a").attempts_made, 1);
    let held = yard.held("a");
    yard.fail(&held, true, 0).unwrap();
    assert_eq!(yard.claim("ann/1", 1), ["a"]);
    assert_eq!(yard.task("a").attempts_made, 2);
}

#[test]
fn what_the_giver_has_not_got_stays_where_it_is() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b")]);
    yard.claim("ann/1", 1);
    yard.claim("bob/1", 1);
    let (anns, bobs) = (yard.held("a"), yard.held("b"));
    let as_ann = ClaimRef { holder: anns.holder.clone(), ..bobs.clone() };
    assert_eq!(yard.hand(&as_ann, "cat/1"), Err(Stays::WithOther { holder: holder("bob/1") }));
    let wrong_token = ClaimRef { token: bobs.token, ..anns.clone() };
    assert_eq!(yard.hand(&wrong_token, "cat/1"), Err(Stays::Ended));
    yard.complete(&anns).unwrap();
    assert_eq!(yard.hand(&anns, "cat/1"), Err(Stays::Ended));
    yard.pass(60);
    assert_eq!(yard.hand(&bobs, "cat/1"), Err(Stays::Ended), "its time was over");
    assert_eq!(yard.status("b"), Status::Ready);
}

#[test]
fn nobody_gets_by_handing_over_what_he_could_not_claim() {
    let mut yard = yard();
    let asked = Asked { not_submitter: true, ..Asked::default() };
    yard.submit(&[item("a").with(|draft| draft.requires = Requires::try_new(asked).unwrap())]);
    yard.claim("ann/1", 1);
    let given = yard.held("a");
    let lacks = vec![Lack::SubmittedIt];
    assert_eq!(yard.hand(&given, "boss/1"), Err(Stays::TakerLacks { lacks }));
    assert_eq!(yard.held("a"), given);
    yard.hand(&given, "bob/1").unwrap();
}

#[test]
fn a_task_stays_whole_where_the_taker_has_one_of_its_keys() {
    let mut yard = yard();
    yard.submit(&[item("a").needs("src/a.rs ~x"), item("b").needs("~x")]);
    yard.claim("ann/1", 1);
    yard.claim("bob/1", 1);
    let (given, leases) = (yard.held("a"), yard.leases.clone());
    let stays = yard.hand(&given, "bob/1");
    assert!(matches!(&stays, Err(Stays::TakerHolds { key, .. }) if key.as_str() == "x"), "{stays:?}");
    assert_eq!(yard.leases, leases, "not half of it");
}

#[test]
fn locks_that_were_lost_are_told_to_the_taker_too() {
    let mut yard = yard();
    yard.submit(&[item("a").needs("src/a.rs src/b.rs")]);
    yard.claim("ann/1", 1);
    let given = yard.held("a");
    let lost = yard.task("a").lease().unwrap().locks[0];
    yard.run(|_, locks| locks.force_release(lost, holder("boss/1").agent, Reason::parse("mine").unwrap())).unwrap();
    assert_eq!(yard.hand(&given, "bob/1").unwrap().locks.len(), 1);
    let taken = yard.held("a");
    let beat = yard.run(|table, locks| table.heartbeat(locks, &taken, None, None)).unwrap();
    assert_eq!(beat.locks_lost, [lost]);
}

#[test]
fn a_wish_to_cancel_goes_over_with_its_grace() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim_as(&claim("ann/1", 1));
    yard.cancel("a", false).unwrap();
    let (given, until) = (yard.held("a"), yard.task("a").lease().unwrap().until);
    yard.pass(30);
    assert_eq!(yard.hand(&given, "bob/1").unwrap().until, until);
    let taken = yard.held("a");
    assert!(yard.run(|table, locks| table.heartbeat(locks, &taken, None, None)).unwrap().cancel.is_some());
}

#[test]
fn a_deadline_is_not_passed_by_handing_over() {
    let mut yard = yard();
    let deadline = yard.now + TimeDelta::seconds(70);
    yard.submit(&[item("a").with(|draft| draft.deadline = Some(deadline))]);
    yard.claim("ann/1", 1);
    let given = yard.held("a");
    yard.pass(30);
    assert_eq!(yard.hand(&given, "bob/1").unwrap().until, deadline);
}

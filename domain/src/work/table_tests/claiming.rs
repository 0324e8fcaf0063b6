use super::yard::{claim, claimant, item, yard};
use crate::ids::AgentType;
use crate::locks::lease::Token;
use crate::work::claim::{Claim, ClaimFilter, PassedOver};
use crate::work::name::{Capability, Environment, Label, TaskType};
use crate::work::requires::{Asked, Claimant, Requires, Trust};
use crate::work::table::ClaimRef;
use crate::work::task::Status;
use crate::work::terms::{Labels, LeaseLength};
use chrono::TimeDelta;
use std::collections::BTreeSet;

#[test]
fn work_is_handed_out_once() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b"), item("c")]);
    assert_eq!(yard.claim("ann/1", 2), ["a", "b"]);
    assert_eq!(yard.claim("bob/1", 2), ["c"]);
    assert!(yard.claim("cyd/1", 2).is_empty());
}

#[test]
fn the_answer_has_attempt_token_and_end_of_the_lease() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    let claimed = yard.claim_as(&claim("ann/1", 1));
    let lease = claimed.tasks[0].task.lease().unwrap();
    assert_eq!(lease.attempt, 1);
    assert_eq!(lease.since, yard.now);
    assert_eq!(lease.until, yard.now + TimeDelta::seconds(60));
    assert_eq!(yard.task("a").lease(), Some(lease), "and so it was saved");
}

#[test]
fn a_claim_may_ask_for_another_length_of_lease() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    let lease = Some(LeaseLength::try_new(300).unwrap());
    yard.claim_as(&Claim { lease, ..claim("ann/1", 1) });
    assert_eq!(yard.task("a").lease().unwrap().until, yard.now + TimeDelta::seconds(300));
}

#[test]
fn a_lease_never_reaches_past_the_deadline() {
    let mut yard = yard();
    let deadline = yard.now + TimeDelta::seconds(20);
    yard.submit(&[item("a").with(|draft| draft.deadline = Some(deadline))]);
    yard.claim("ann/1", 1);
    assert_eq!(yard.task("a").lease().unwrap().until, deadline);
}

#[test]
fn the_urgent_goes_first_then_who_came_first() {
    let mut yard = yard();
    yard.submit(&[item("low").priority(9), item("mid"), item("urgent").priority(1), item("mid2")]);
    assert_eq!(yard.claim("ann/1", 4), ["urgent", "mid", "mid2", "low"]);
}

#[test]
fn ten_minutes_of_waiting_are_worth_one_step_of_priority() {
    let mut yard = yard();
    yard.submit(&[item("old").priority(6)]);
    yard.pass(600);
    yard.submit(&[item("young").priority(5)]);
    assert_eq!(yard.claim("ann/1", 1), ["old"], "they are level, and it came first");
    let held = yard.held("old");
    yard.complete(&held).unwrap();
    yard.submit(&[item("older").priority(6)]);
    yard.pass(599);
    yard.submit(&[item("younger").priority(5)]);
    assert_eq!(yard.claim("ann/1", 2), ["young", "younger"]);
}

#[test]
fn nothing_starves_however_much_urgent_work_comes() {
    let mut yard = yard();
    yard.submit(&[item("patient").priority(10)]);
    for round in 0..200 {
        yard.submit(&[item(&format!("urgent{round}")).priority(1)]);
        let got = yard.claim("ann/1", 1).remove(0);
        if got == "patient" {
            assert_eq!(round, 90, "after 90 minutes at most");
            return;
        }
        let held = yard.held(&got);
        yard.complete(&held).unwrap();
        yard.pass(60);
    }
    panic!("it starved");
}

#[test]
fn a_scheduled_task_has_waited_since_it_was_due() {
    let mut yard = yard();
    let start = yard.now + TimeDelta::seconds(100);
    yard.submit(&[item("later").with(|draft| draft.not_before = Some(start))]);
    yard.pass(50);
    yard.submit(&[item("now")]);
    yard.pass(60);
    assert_eq!(yard.claim("ann/1", 2), ["now", "later"]);
}

#[test]
fn a_claim_names_kinds_and_labels() {
    let mut yard = yard();
    let label = |name: &str| BTreeSet::from([Label::parse(name).unwrap()]);
    let review = TaskType::parse("review").unwrap();
    yard.submit(&[
        item("build"),
        item("review").with(|draft| draft.task_type = review.clone()),
        item("rusty").with(|draft| {
            draft.task_type = review.clone();
            draft.labels = Labels::try_new(label("rust")).unwrap();
        }),
    ]);
    let filter = ClaimFilter::try_new(BTreeSet::from([review]), label("rust")).unwrap();
    let got = yard.claim_as(&Claim { filter, ..claim("ann/1", 5) });
    assert_eq!(got.tasks.len(), 1);
    assert_eq!(yard.status("rusty"), Status::Leased);
    assert_eq!(got.passed_over, PassedOver::default(), "what is not wanted is not passed over");
}

#[test]
fn an_agent_gets_only_what_it_can_do_and_others_get_the_rest() {
    let mut yard = yard();
    let asked = Asked {
        capabilities: BTreeSet::from([Capability::parse("gpu").unwrap()]),
        environment: Some(Environment::parse("ci").unwrap()),
        trust_min: Some(Trust::try_new(3).unwrap()),
        agent_types: BTreeSet::from([AgentType::parse("trainer").unwrap()]),
        not_submitter: true,
    };
    yard.submit(&[item("hard").with(|draft| draft.requires = Requires::try_new(asked.clone()).unwrap())]);
    let fit = Claimant {
        agent_type: AgentType::parse("trainer").unwrap(),
        capabilities: asked.capabilities.clone(),
        environment: asked.environment.clone(),
        trust: Trust::try_new(3).unwrap(),
        ..claimant("ann/1")
    };
    let unfit = [
        Claimant { agent_type: AgentType::parse("ci").unwrap(), ..fit.clone() },
        Claimant { capabilities: BTreeSet::new(), ..fit.clone() },
        Claimant { environment: None, ..fit.clone() },
        Claimant { trust: Trust::STANDARD, ..fit.clone() },
        Claimant { holder: super::yard::holder("boss/1"), ..fit.clone() },
    ];
    for claimant in unfit {
        let got = yard.claim_as(&Claim { claimant, ..claim("x/1", 1) });
        assert_eq!((got.tasks.len(), got.passed_over.lacking), (0, 1));
    }
    assert_eq!(yard.claim_as(&Claim { claimant: fit, ..claim("x/1", 1) }).tasks.len(), 1);
}

#[test]
fn what_is_withheld_from_one_agent_is_there_for_the_next() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b")]);
    let withheld = BTreeSet::from([yard.id("a")]);
    let got = yard.claim_as(&Claim { withheld, ..claim("ann/1", 2) });
    assert_eq!((got.tasks.len(), got.passed_over.withheld), (1, 1));
    assert_eq!(yard.task("a").attempts_made, 0, "nothing happened to it");
    assert_eq!(yard.claim("bob/1", 2), ["a"]);
}

#[test]
fn of_one_key_no_more_run_than_may() {
    let mut yard = yard();
    yard.submit(&[item("a").key("deploy", 2), item("b").key("deploy", 2), item("c").key("deploy", 2), item("d")]);
    assert_eq!(yard.claim("ann/1", 4), ["a", "b", "d"]);
    let got = yard.claim_as(&claim("bob/1", 1));
    assert_eq!((got.tasks.len(), got.passed_over.concurrency), (0, 1));
    let held = yard.held("a");
    yard.complete(&held).unwrap();
    assert_eq!(yard.changes.freed_keys().len(), 1, "whoever waits is woken");
    assert_eq!(yard.claim("bob/1", 1), ["c"]);
}

#[test]
fn tasks_of_one_key_may_differ_in_how_many_they_bear() {
    let mut yard = yard();
    yard.submit(&[item("a").key("k", 1), item("shy").key("k", 1), item("bold").key("k", 2)]);
    assert_eq!(yard.claim("ann/1", 3), ["a", "bold"]);
}

#[test]
fn a_lapsed_task_no_longer_counts_against_its_key() {
    let mut yard = yard();
    yard.submit(&[item("a").key("k", 1), item("b").key("k", 1)]);
    yard.claim("ann/1", 1);
    yard.pass(60);
    assert_eq!(yard.claim("bob/1", 2), ["a"]);
}

#[test]
fn nothing_behind_the_horizon_is_considered() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b"), item("c")]);
    let horizon = Some(yard.task("b").place());
    let got = yard.claim_as(&Claim { horizon, ..claim("ann/1", 3) });
    assert_eq!(got.tasks.len(), 2);
    assert!(got.is_cut, "a longer list might give more");
    let got = yard.claim_as(&claim("ann/1", 3));
    assert_eq!((got.tasks.len(), got.is_cut), (1, false));
}

#[test]
fn commands_of_a_batch_see_what_those_before_them_left() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b").after("a")]);
    yard.claim("ann/1", 1);
    let held = yard.held("a");
    let stranger = ClaimRef { token: Token::try_new(999_999).unwrap(), ..held.clone() };
    let got = yard.run(|table, locks| {
        table.complete(locks, &held, None).unwrap();
        table.complete(locks, &stranger, None).unwrap_err();
        table.claim(locks, &claim("bob/1", 1)).unwrap()
    });
    assert_eq!(got.tasks[0].task.id, yard.id("b"), "it became ready in the same commit");
    assert_eq!(yard.status("a"), Status::Succeeded, "a refusal in between touches nobody");
}

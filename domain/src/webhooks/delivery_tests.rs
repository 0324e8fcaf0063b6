use super::*;
use crate::webhooks::fan_out::FanOut;
use crate::webhooks::samples::{fact, second, webhook};
use std::collections::BTreeSet;

const CHANCE: Chance = Chance(1 << 63);

fn fresh() -> Delivery {
    let FanOut { mut deliveries, .. } = webhook(&["*"]).fan_out(&[fact(1, "a.b", "x")], 9, &BTreeSet::new(), second(0));
    deliveries.remove(0).delivery
}

fn policy() -> DeliveryPolicy {
    DeliveryPolicy::default()
}

fn take(delivery: &Delivery, at: i64) -> Delivery {
    match delivery.claim(second(at), &policy()) {
        Claim::Taken(taken) => taken,
        other => panic!("{other:?}"),
    }
}

fn answered(status: u16) -> Attempt {
    Attempt { at: second(1), duration_ms: 5, outcome: Outcome::Answered { status } }
}

#[test]
fn one_server_at_a_time_tells_a_delivery() {
    let taken = take(&fresh(), 1);
    assert_eq!(taken.claim(second(1), &policy()), Claim::NotDue);
    assert_eq!(taken.claim(second(30), &policy()), Claim::NotDue, "its lease is 30 s");
    let taken_over = take(&taken, 31);
    assert_eq!((taken_over.attempts, taken_over.claims), (2, 2));
    assert_eq!(taken_over.log[0].outcome, Outcome::Lost);
    let late = taken_over.settle(taken.claims, answered(200), second(32), &policy(), CHANCE);
    assert_eq!(late, None, "the first one has lost it");
    let settled = taken_over.settle(2, answered(204), second(32), &policy(), CHANCE).unwrap();
    assert_eq!(settled.stage, Stage::Delivered { at: second(32) });
    assert_eq!(settled.settle(2, answered(500), second(33), &policy(), CHANCE), None, "settled is settled");
}

#[test]
fn what_fails_rests_and_is_tried_again_until_it_is_a_dead_letter() {
    let mut delivery = fresh();
    let mut now = second(0);
    for attempt in 1..=12_u32 {
        let Claim::Taken(taken) = delivery.claim(now, &policy()) else { panic!("attempt {attempt}") };
        delivery = taken.settle(attempt, answered(500), now, &policy(), CHANCE).unwrap();
        if attempt < 12 {
            let rest = policy().ceiling(attempt) / 2;
            assert_eq!(delivery.stage, Stage::Due { at: now + rest }, "attempt {attempt}");
            assert_eq!(delivery.claim(now + rest - TimeDelta::microseconds(1), &policy()), Claim::NotDue);
            now += rest;
        }
    }
    assert_eq!(delivery.stage, Stage::Dead { at: now });
    assert_eq!(delivery.log.len(), 12);
    assert_eq!(delivery.claim(second(1_000_000), &policy()), Claim::NotDue);
}

#[test]
fn what_is_lost_each_time_is_given_up_too() {
    let mut delivery = Delivery { attempts: 11, ..fresh() };
    delivery = take(&delivery, 1);
    let Claim::GivenUp(dead) = delivery.claim(second(100), &policy()) else { panic!("taken once more") };
    assert_eq!(dead.stage, Stage::Dead { at: second(100) });
    assert_eq!(dead.log.last().unwrap().outcome, Outcome::Lost);
}

#[test]
fn only_success_is_success() {
    let verdict = |status| Outcome::Answered { status }.verdict();
    assert!([200, 201, 204, 299].into_iter().all(|status| verdict(status) == Verdict::Delivered));
    for status in [100, 199, 300, 301, 302, 307, 308, 400, 404, 409, 411, 429, 500, 503] {
        assert_eq!(verdict(status), Verdict::Failed, "{status}");
    }
    assert_eq!(verdict(410), Verdict::Gone);
    assert_eq!(Outcome::TimedOut.verdict(), Verdict::Failed);
}

#[test]
fn what_is_over_can_be_asked_for_again() {
    let taken = take(&fresh(), 1);
    assert!(matches!(fresh().redeliver(second(2)), Err(WebhookRefusal::Pending { .. })));
    assert!(taken.redeliver(second(2)).is_err());
    let done = taken.settle(1, answered(200), second(2), &policy(), CHANCE).unwrap();
    let again = done.redeliver(second(9)).unwrap();
    assert_eq!((again.stage, again.attempts, again.fact), (Stage::Due { at: second(9) }, 0, done.fact));
    assert_eq!(take(&again, 9).claims, 2, "nobody can mistake it for the first time");
}

#[test]
fn the_next_of_a_subject_waits_for_its_turn_and_a_rest_can_be_ended() {
    let behind = Delivery { stage: Stage::Behind, ..fresh() };
    assert_eq!(behind.claim(second(1_000), &policy()), Claim::NotDue);
    assert_eq!(behind.advance(second(3)).stage, Stage::Due { at: second(3) });
    assert_eq!(behind.hurry(second(3)), behind, "only its turn helps it");
    let resting = Delivery { stage: Stage::Due { at: second(500) }, ..fresh() };
    assert_eq!(resting.hurry(second(3)).stage, Stage::Due { at: second(3) });
    assert_eq!(resting.advance(second(3)), resting);
    let claimed = take(&fresh(), 1);
    assert_eq!((claimed.hurry(second(2)), claimed.advance(second(2))), (claimed.clone(), claimed.clone()));
}

#[test]
fn the_log_keeps_the_latest_attempts_and_no_control_characters() {
    let mut delivery = fresh();
    for _ in 0..40 {
        let taken = Delivery { attempts: 0, ..take(&Delivery { stage: Stage::Due { at: second(0) }, ..delivery }, 1) };
        delivery = taken.settle(taken.claims, answered(500), second(1), &policy(), CHANCE).unwrap();
    }
    assert_eq!((delivery.log.len(), delivery.claims), (ATTEMPTS_KEPT_MAX, 40));
    assert_eq!(Outcome::detail(&format!("a\nb{}", "x".repeat(500))).chars().count(), DETAIL_CHARS_MAX);
    assert!(Outcome::detail("a\nb").starts_with("a b"));
}

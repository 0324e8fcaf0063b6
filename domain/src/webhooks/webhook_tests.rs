use super::*;
use crate::webhooks::delivery::{BODY_BYTES_MAX, Stage};
use crate::webhooks::fan_out::Told;
use crate::webhooks::samples::{fact, second, webhook};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn none() -> BTreeSet<String> {
    BTreeSet::new()
}

#[test]
fn facts_become_deliveries_in_order_and_the_first_of_each_subject_is_due() {
    let facts =
        [fact(1, "t.a", "x"), fact(2, "l.b", "y"), fact(3, "t.c", "x"), fact(4, "t.d", "z"), fact(5, "l.e", "x")];
    let made = webhook(&["t.*"]).fan_out(&facts, 10, &none(), second(1));
    let told: Vec<(u64, &str, bool)> = made
        .deliveries
        .iter()
        .map(|new| (new.delivery.number, new.delivery.kind.as_str(), new.delivery.stage == Stage::Behind))
        .collect();
    assert_eq!(told, [(1, "t.a", false), (2, "t.c", true), (3, "t.d", false)]);
    assert_eq!(
        (made.webhook.cursor, made.webhook.next_number),
        (Position::new(1, 5), 4),
        "what it does not tell is read too"
    );
    let waiting = BTreeSet::from(["z".to_owned()]);
    let made = webhook(&["t.*"]).fan_out(&facts, 10, &waiting, second(1));
    assert_eq!(made.deliveries[2].delivery.stage, Stage::Behind);
}

#[test]
fn what_finds_no_room_is_left_in_the_log_of_facts() {
    let facts: Vec<_> = (1..=6).map(|number| fact(number, if number == 4 { "l.x" } else { "t.x" }, "x")).collect();
    let made = webhook(&["t.*"]).fan_out(&facts, 3, &none(), second(1));
    assert_eq!((made.deliveries.len(), made.webhook.cursor), (3, Position::new(1, 4)));
    let rest = made.webhook.fan_out(&facts, 3, &none(), second(2));
    assert_eq!((rest.deliveries.len(), rest.webhook.cursor), (2, Position::new(1, 6)), "and nothing comes twice");
    let full = webhook(&["t.*"]).fan_out(&facts, 0, &none(), second(1));
    assert_eq!((full.deliveries.len(), full.webhook.cursor), (0, Position::START));
}

#[test]
fn what_is_sent_names_the_fact_and_has_a_limit() {
    let made = webhook(&["*"]).fan_out(&[fact(1, "t.a", "x")], 1, &none(), second(1));
    let sent: Value = serde_json::from_str(&made.deliveries[0].body).unwrap();
    let expected = json!({
        "id": "fct_00000000000000000000000000000001", "type": "t.a", "timestamp": "1970-01-01T00:00:00Z", "project": "p",
        "subject": "x", "data": { "number": 1 },
    });
    assert_eq!(sent, expected);
    let (_, fact) = fact(1, "t.a", "x");
    let long = |bytes: usize| {
        let body = json!("x".repeat(bytes));
        Told { id: fact.id, kind: "t.a", subject: "x", at: fact.at, project: "p", body: &body }.envelope()
    };
    let overhead = long(0).len();
    let most = long(BODY_BYTES_MAX - overhead);
    assert!(most.len() == BODY_BYTES_MAX && !most.contains("data_omitted"));
    let sent: Value = serde_json::from_str(&long(BODY_BYTES_MAX - overhead + 1)).unwrap();
    assert_eq!((&sent["data"], &sent["data_omitted"], &sent["id"]), (&Value::Null, &json!(true), &json!(fact.id)));
}

#[test]
fn a_webhook_is_given_up_after_many_failures_over_a_long_time_and_not_before() {
    let policy = DeliveryPolicy::default();
    let mut failing = webhook(&["*"]);
    for attempt in 1..=19 {
        failing = failing.note(Verdict::Failed, second(attempt), &policy);
    }
    assert!(failing.is_active());
    let soon = failing.note(Verdict::Failed, second(3_600), &policy);
    assert!(soon.is_active(), "twenty failures within less than an hour");
    let late = failing.note(Verdict::Failed, second(3_601), &policy);
    let disabled = Standing::Disabled { since: second(3_601), because: DisabledBecause::Failing };
    assert_eq!(late.standing, disabled);
    let well = failing.note(Verdict::Delivered, second(20), &policy);
    assert_eq!((well.failures, well.failing_since), (0, None));
    let few = well.note(Verdict::Failed, second(21), &policy).note(Verdict::Failed, second(9_999), &policy);
    assert!(few.is_active(), "a long time, but only two failures");
    let resumed = late.resume(second(4_000));
    assert_eq!((resumed.standing, resumed.failures, resumed.failing_since), (Standing::Active, 0, None));
}

#[test]
fn a_target_that_is_gone_is_believed_at_once() {
    let policy = DeliveryPolicy::default();
    let gone = webhook(&["*"]).note(Verdict::Gone, second(1), &policy);
    assert_eq!(gone.standing, Standing::Disabled { since: second(1), because: DisabledBecause::Gone });
    let paused = webhook(&["*"]).pause(second(1)).note(Verdict::Gone, second(2), &policy);
    assert_eq!(paused.standing, Standing::Paused { since: second(1) }, "what somebody decided stays");
}

#[test]
fn to_want_what_is_so_changes_nothing() {
    let one = webhook(&["*"]);
    assert_eq!(one.resume(second(5)), one);
    assert_eq!(one.patch(&WebhookPatch::default(), second(5)), one);
    let same = WebhookPatch { target: Some(one.target.clone()), follows: Some(one.follows.clone()) };
    assert_eq!(one.patch(&same, second(5)), one);
    let paused = one.pause(second(5));
    assert_eq!(paused.pause(second(6)), paused);
    assert!(Webhook::create(one.clone(), WEBHOOKS_MAX - 1).is_ok());
    assert_eq!(Webhook::create(one, WEBHOOKS_MAX), Err(WebhookRefusal::TooMany));
}

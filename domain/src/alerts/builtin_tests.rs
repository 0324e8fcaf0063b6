use super::*;
use crate::ids::{FactId, ProjectId};
use serde_json::json;
use uuid::Uuid;

const TASK: &str = "tsk_00000000000000000000000000000001";

fn system() -> AgentId {
    AgentId::parse("pointsman").unwrap()
}

fn fact(kind: &str, subject: &str, agent: &str, body: Value) -> Fact {
    Fact {
        id: FactId::new(Uuid::from_u128(1)),
        project: ProjectId::parse("p").unwrap(),
        at: DateTime::UNIX_EPOCH,
        agent: AgentId::parse(agent).unwrap(),
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        body,
    }
}

fn attempt(end: &Value) -> Value {
    json!({ "number": 3, "holder": { "agent": "ada", "session": "ses_1" }, "end": end })
}

fn died(status: &str) -> Fact {
    let attempt = attempt(&json!({ "how": "session_died" }));
    fact("task.session_died", TASK, "pointsman", json!({ "status": status, "type": "build", "attempt": attempt }))
}

fn keys(facts: &[Fact]) -> Vec<(String, u32)> {
    find(facts, &system()).raised.into_iter().map(|raise| (raise.dedup_key.to_string(), raise.times)).collect()
}

#[test]
fn a_dead_letter_is_an_alert_once_and_until_it_is_none() {
    let failed = |status: &str| {
        let attempt = attempt(&json!({ "how": "failed", "error": "no compiler\nfound", "retryable": true }));
        fact("task.failed", TASK, "ada", json!({ "status": status, "type": "build", "attempt": attempt }))
    };
    assert_eq!(keys(&[failed("scheduled")]), []);
    let found = find(&[failed("dead")], &system());
    let [raise] = found.raised.as_slice() else { panic!("{found:?}") };
    assert_eq!(raise.title.as_str(), "A task of type build is a dead letter");
    assert!(raise.detail.as_ref().unwrap().as_str().ends_with("attempt 3: no compiler found"), "{raise:?}");
    let moved = fact("task.reprioritized", TASK, "olga", json!({ "status": "dead" }));
    assert_eq!(keys(&[moved]), []);
    for kind in ["task.retried", "task.discarded"] {
        let over = find(&[failed("dead"), fact(kind, TASK, "olga", json!({}))], &system());
        assert_eq!((over.raised.len(), over.over.len()), (0, 1), "{kind}");
    }
    let again = find(&[fact("task.retried", TASK, "olga", json!({})), failed("dead")], &system());
    assert_eq!((again.raised.len(), again.over.len()), (1, 0), "the last word counts");
}

#[test]
fn an_agent_that_died_with_work_is_one_alert_however_much_it_held() {
    let lease = json!({ "lease": { "holder": { "agent": "ada", "session": "ses_1" } }, "end": {} });
    let lock = |agent| fact("lock.session_ended", "src/main.rs", agent, lease.clone());
    assert_eq!(keys(&[died("ready"), lock("pointsman")]), [("agent-dead:ses_1".to_owned(), 2)]);
    assert_eq!(keys(&[lock("ada")]), [], "it ended its session itself");
    assert_eq!(keys(&[fact("session.died", "ses_1", "pointsman", json!({}))]), [], "it held nothing");
    let both = keys(&[died("dead")]);
    assert_eq!(both, [("agent-dead:ses_1".to_owned(), 1), (format!("dead-letter:{TASK}"), 1)]);
}

#[test]
fn a_full_inbox_is_an_alert() {
    assert_eq!(keys(&[fact(INBOX_FULL_KIND, "ada", "bob", json!({}))]), [("inbox-full:ada".to_owned(), 1)]);
}

#[test]
fn a_webhook_that_was_given_up_is_an_alert_until_it_goes_on() {
    let webhook = |kind| {
        let standing = json!({ "state": "disabled", "because": "gone" });
        let body = json!({ "webhook": { "origin": "https://a.example", "standing": standing } });
        fact(kind, "whk_1", "pointsman", body)
    };
    let found = find(&[webhook("webhook.disabled")], &system());
    assert!(found.raised[0].detail.as_ref().unwrap().as_str().contains("https://a.example"), "{found:?}");
    let over = find(&[webhook("webhook.disabled"), webhook("webhook.resumed")], &system());
    assert_eq!((over.raised.len(), over.over.len()), (0, 1));
}

#[test]
fn facts_with_something_missing_or_too_long_are_no_trouble() {
    assert_eq!(
        keys(&[fact("task.failed", TASK, "ada", json!(null)), fact("task.session_died", TASK, "ada", json!(7))]).len(),
        1
    );
    let long = attempt(&json!({ "how": "failed", "error": "é".repeat(10_000) }));
    let body = json!({ "status": "dead", "type": "x".repeat(500), "attempt": long });
    assert_eq!(keys(&[fact("task.failed", TASK, "ada", body)]).len(), 1);
    assert_eq!(keys(&[fact(INBOX_FULL_KIND, "a b", "ada", json!({}))]), [], "no agent is called so");
}

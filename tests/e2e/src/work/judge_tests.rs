use super::{Lives, Told, judge};
use chrono::DateTime;
use serde_json::{Value, json};

fn at(second: i64) -> Value {
    json!(DateTime::from_timestamp(1_000 + second, 0).map(|at| at.to_rfc3339()))
}

fn state(status: &str, made: u64, more: &Value) -> Value {
    let mut state = json!({ "status": status, "attempts_made": made, "attempts_allowed": 2 });
    state.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    state
}

fn leased(made: u64, token: i64, since: i64, until: i64) -> Value {
    state(
        "leased",
        made,
        &json!({ "token": token, "since": at(since), "until": at(until), "cancel": null,
                 "holder": { "agent": "a", "session": "s" }, "attempt": made }),
    )
}

fn ended(status: &str, made: u64, token: i64, second: i64) -> Value {
    state(status, made, &json!({ "attempt": { "token": token, "ended_at": at(second) } }))
}

fn line(second: i64, what: &str, before: &Value, after: &Value) -> Value {
    let session = if ["lapse", "ready"].contains(&what) { Value::Null } else { json!("s") };
    json!({ "at": at(second), "operation": format!("task.{what}"), "outcome": "ok", "target": "tsk_1",
            "session": session, "before": before, "after": after })
}

fn ready(made: u64) -> Value {
    state("ready", made, &json!({}))
}

/// Submitted, claimed, lapsed, claimed again, done.
fn life() -> Vec<Value> {
    vec![
        line(0, "submit", &Value::Null, &ready(0)),
        line(1, "claim", &ready(0), &leased(1, 5, 1, 6)),
        line(6, "lapse", &leased(1, 5, 1, 6), &ended("ready", 1, 5, 6)),
        line(6, "claim", &ready(1), &leased(2, 7, 6, 11)),
        line(8, "complete", &leased(2, 7, 6, 11), &ended("succeeded", 2, 7, 8)),
    ]
}

fn told() -> Vec<Told> {
    let id = "tsk_1".to_owned();
    vec![
        Told::Submitted { id: id.clone(), after: Vec::new(), runs_anyway: false, narrow: None },
        Told::Claimed { id: id.clone(), token: 5, attempt: 1, session: "s".to_owned() },
        Told::Stale { id: id.clone(), token: 5 },
        Told::Ended { id, token: 7, word: "complete".to_owned(), result: None },
    ]
}

fn wrong(lines: &[Value], told: &[Told]) -> String {
    judge(&Lives::read(lines), told).join("\n")
}

#[test]
fn a_good_life_is_found_good_in_whatever_order_its_lines_come() {
    let mut lines = life();
    assert_eq!(wrong(&lines, &told()), "");
    lines.reverse();
    assert_eq!(wrong(&lines, &told()), "");
    assert_eq!(Lives::read(&lines).statuses().get("succeeded"), Some(&1));
}

#[test]
fn a_missing_line_shows() {
    for missing in 0..4 {
        let mut lines = life();
        lines.remove(missing);
        assert!(wrong(&lines, &told()).contains("does not follow"), "line {missing} is not missed");
    }
    let mut lines = life();
    lines.pop();
    assert!(wrong(&lines, &told()).contains("told what is not in the log"));
}

#[test]
fn each_kind_of_lie_is_found() {
    let spoil = |index: usize, line: Value| {
        let mut lines = life();
        lines[index] = line;
        wrong(&lines, &[])
    };
    let early = line(5, "lapse", &leased(1, 5, 1, 6), &ended("ready", 1, 5, 6));
    assert!(spoil(2, early).contains("lapsed before its time"));
    let late = line(12, "complete", &leased(2, 7, 6, 11), &ended("succeeded", 2, 7, 12));
    assert!(spoil(4, late).contains("or late"));
    let mut other = line(8, "complete", &leased(2, 7, 6, 11), &ended("succeeded", 2, 7, 8));
    other["session"] = json!("another");
    assert!(spoil(4, other).contains("the word of somebody else"));
    let stale = line(8, "complete", &leased(2, 7, 6, 11), &ended("succeeded", 2, 5, 8));
    assert!(spoil(4, stale).contains("the attempt of another claim"));
    let same = line(6, "claim", &ready(1), &leased(2, 5, 6, 11));
    assert!(spoil(3, same).contains("tokens do not rise"));
    let jump = line(6, "claim", &ready(1), &leased(3, 7, 6, 11));
    assert!(spoil(3, jump).contains("attempts do not rise by one"));
    let undead = line(8, "fail", &leased(2, 7, 6, 11), &ended("ready", 2, 7, 8));
    assert!(spoil(4, undead).contains("used up"));
    let mut twice = life();
    twice.push(line(9, "claim", &ended("succeeded", 2, 7, 8), &leased(2, 9, 9, 12)));
    assert!(wrong(&twice, &[]).contains("after the end"));
}

#[test]
fn a_child_before_its_parent_is_found() {
    let mut lines = life();
    let child = |second: i64, what: &str, before: &Value, after: &Value| {
        let mut line = line(second, what, before, after);
        line["target"] = json!("tsk_2");
        line
    };
    let told =
        [Told::Submitted { id: "tsk_2".to_owned(), after: vec!["tsk_1".to_owned()], runs_anyway: false, narrow: None }];
    let blocked = state("blocked", 0, &json!({ "pending": 1 }));
    lines.push(child(0, "submit", &Value::Null, &blocked));
    assert!(wrong(&lines, &told).contains("waits for ever"));
    lines.push(child(8, "ready", &blocked, &ready(0)));
    let mut good = lines.clone();
    good.push(child(8, "claim", &ready(0), &leased(1, 8, 8, 13)));
    assert_eq!(wrong(&good, &told), "");
    lines.pop();
    lines.push(child(7, "ready", &blocked, &ready(0)));
    lines.push(child(7, "claim", &ready(0), &leased(1, 8, 7, 13)));
    assert!(wrong(&lines, &told).contains("was claimed before"));
}

#[test]
fn more_of_a_key_than_may_run_is_found() {
    let run = |name: &str, from: i64, until: i64, token: i64| {
        let id = format!("tsk_{name}");
        let lines = [
            line(0, "submit", &Value::Null, &ready(0)),
            line(from, "claim", &ready(0), &leased(1, token, from, from + 50)),
            line(until, "complete", &leased(1, token, from, from + 50), &ended("succeeded", 1, token, until)),
        ];
        lines.map(|mut line| {
            line["target"] = json!(id);
            line
        })
    };
    let judged = |limit: usize, runs: &[[Value; 3]]| {
        let told = runs.iter().map(|run| Told::Submitted {
            id: run[0]["target"].as_str().unwrap().to_owned(),
            after: Vec::new(),
            runs_anyway: false,
            narrow: Some(("key".to_owned(), limit)),
        });
        wrong(&runs.concat(), &told.collect::<Vec<_>>())
    };
    let (a, b, c) = (run("a", 1, 4, 5), run("b", 2, 6, 6), run("c", 4, 5, 7));
    assert_eq!(judged(2, &[a.clone(), b.clone(), c.clone()]), "");
    assert!(judged(1, &[a.clone(), b.clone()]).contains("2 of key run"));
    assert_eq!(judged(1, &[a.clone(), c.clone()]), "", "one begins when the other ends");
    let early = run("c", 3, 5, 7);
    assert!(judged(2, &[a.clone(), b, early]).contains("3 of key run"));
}

#[test]
fn what_was_told_and_never_happened_is_found() {
    let told = |one: Told| wrong(&life(), &[one]);
    let id = || "tsk_1".to_owned();
    let lies = [
        Told::Submitted { id: "tsk_9".to_owned(), after: Vec::new(), runs_anyway: false, narrow: None },
        Told::Claimed { id: id(), token: 6, attempt: 1, session: "s".to_owned() },
        Told::Claimed { id: id(), token: 5, attempt: 2, session: "s".to_owned() },
        Told::Claimed { id: id(), token: 5, attempt: 1, session: "another".to_owned() },
        Told::Ended { id: id(), token: 5, word: "complete".to_owned(), result: None },
        Told::Ended { id: id(), token: 9, word: "complete".to_owned(), result: None },
        Told::Stale { id: id(), token: 9 },
    ];
    for lie in lies {
        assert!(told(lie.clone()).contains("not in the log"), "{lie:?}");
    }
    let claimed = Told::Claimed { id: id(), token: 5, attempt: 1, session: "s".to_owned() };
    assert!(wrong(&life(), &[claimed.clone(), claimed]).contains("or twice"));
}

#[test]
fn a_word_under_a_claim_that_is_over_is_found() {
    let mut lines = life();
    // The first claim lapsed at 6, and its agent is heard all the same.
    lines.truncate(3);
    lines.push(line(7, "complete", &leased(1, 5, 1, 6), &ended("succeeded", 1, 5, 7)));
    assert!(wrong(&lines, &[]).contains("does not follow"));
    let two = line(3, "claim", &leased(1, 5, 1, 6), &leased(2, 7, 3, 9));
    let mut lines = life();
    lines[2] = two;
    assert!(wrong(&lines, &[]).contains("what was not ready was claimed"));
}

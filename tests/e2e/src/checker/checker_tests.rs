//! A checker that cannot fail proves nothing: each rule is broken here once, and must be seen.

use super::*;
use serde_json::{Value, json};

fn at(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap().to_rfc3339()
}

fn lease(key: &str, mode: &str, session: &str, token: i64, from: i64, expires: i64) -> Value {
    json!({
        "key": key, "mode": mode, "token": token, "holder": { "agent": "agent", "session": session },
        "granted_at": at(from), "expires_at": at(expires),
    })
}

fn grant(lease: &Value) -> Value {
    json!({
        "operation": "lock.acquire", "outcome": "ok", "target": lease["key"], "at": lease["granted_at"],
        "session": lease["holder"]["session"], "after": lease,
    })
}

fn exclusive(key: &str, session: &str, token: i64, from: i64) -> Value {
    lease(key, "exclusive", session, token, from, from + 100)
}

fn end(operation: &str, lease: &Value, ended: i64) -> Value {
    json!({
        "operation": operation, "outcome": "ok", "target": lease["key"], "at": at(ended),
        "session": lease["holder"]["session"], "before": lease, "after": { "how": "any", "ended_at": at(ended) },
    })
}

fn renewal(before: &Value, when: i64, expires: i64) -> Value {
    let mut after = before.clone();
    after["expires_at"] = json!(at(expires));
    json!({
        "operation": "lock.renew", "outcome": "ok", "target": before["key"], "at": at(when),
        "session": before["holder"]["session"], "before": before, "after": after,
    })
}

fn wrong_with(lines: &[Value]) -> Vec<String> {
    judge(&History::read(lines), &[])
}

#[track_caller]
fn refused(lines: &[Value], because: &str) {
    let wrong = wrong_with(lines);
    assert!(wrong.iter().any(|word| word.contains(because)), "expected `{because}`, got {wrong:?}");
}

#[track_caller]
fn accepted(lines: &[Value]) {
    assert_eq!(wrong_with(lines), Vec::<String>::new());
}

#[test]
fn one_after_the_other_is_well() {
    let (first, second) = (exclusive("a", "s1", 1, 0), exclusive("a", "s2", 2, 10));
    accepted(&[grant(&first), end("lock.release", &first, 10), grant(&second)]);
}

#[test]
fn two_exclusive_holders_are_seen() {
    let (first, second) = (exclusive("a", "s1", 1, 0), exclusive("a", "s2", 2, 9));
    refused(&[grant(&first), end("lock.release", &first, 10), grant(&second)], "held at once");
}

#[test]
fn a_tree_and_a_file_in_it_are_seen_both_ways_round() {
    let (tree, file) = (exclusive("src/**", "s1", 1, 0), exclusive("src/a/b.rs", "s2", 2, 9));
    refused(&[grant(&tree), grant(&file)], "held at once");
    let (file, tree) = (exclusive("src/a/b.rs", "s2", 1, 0), exclusive("src/**", "s1", 2, 9));
    refused(&[grant(&file), grant(&tree)], "held at once");
}

#[test]
fn a_shared_and_an_exclusive_holder_are_seen_but_two_shared_are_well() {
    let shared = lease("a", "shared", "s1", 1, 0, 100);
    refused(&[grant(&shared), grant(&exclusive("a", "s2", 2, 9))], "held at once");
    accepted(&[grant(&shared), grant(&lease("a", "shared", "s2", 2, 9, 100))]);
}

#[test]
fn a_session_does_not_stand_in_its_own_way() {
    accepted(&[grant(&exclusive("src/**", "s1", 1, 0)), grant(&exclusive("src/a", "s1", 2, 9))]);
}

#[test]
fn a_lock_that_was_not_ended_lasts_until_its_time_is_over() {
    let first = exclusive("a", "s1", 1, 0);
    refused(&[grant(&first), grant(&exclusive("a", "s2", 2, 99))], "held at once");
    accepted(&[grant(&first), grant(&exclusive("a", "s2", 2, 100))]);
}

#[test]
fn a_renewed_lock_lasts_longer() {
    let first = exclusive("a", "s1", 1, 0);
    let renewed = renewal(&first, 50, 200);
    refused(&[grant(&first), renewed.clone(), grant(&exclusive("a", "s2", 2, 150))], "held at once");
    accepted(&[grant(&first), renewed, grant(&exclusive("a", "s2", 2, 200))]);
}

#[test]
fn an_early_or_wrong_expiry_is_seen() {
    let first = exclusive("a", "s1", 1, 0);
    refused(&[grant(&first), end("lock.expire", &first, 50)], "ran out at another time");
    let mut early = end("lock.expire", &first, 100);
    early["at"] = json!(at(99));
    refused(&[grant(&first), early], "ran out at another time");
    accepted(&[grant(&first), end("lock.expire", &first, 100)]);
}

#[test]
fn impossible_ends_are_seen() {
    let first = exclusive("a", "s1", 1, 10);
    let released = end("lock.release", &first, 20);
    refused(&[grant(&first), released.clone(), end("lock.release", &first, 21)], "a second end");
    refused(&[released], "never granted");
    refused(&[grant(&first), end("lock.release", &first, 9)], "before the beginning");
    refused(&[grant(&first), end("lock.release", &first, 110)], "had run out before");
    let mut foreign = end("lock.release", &first, 20);
    foreign["session"] = json!("s2");
    refused(&[grant(&first), foreign], "another session");
}

#[test]
fn impossible_renewals_are_seen() {
    let first = exclusive("a", "s1", 1, 0);
    refused(&[renewal(&first, 50, 200)], "never granted");
    refused(&[grant(&first), renewal(&first, 50, 60)], "shortens");
    refused(&[grant(&first), renewal(&first, 100, 200)], "after the time was over");
    refused(&[grant(&first), renewal(&first, 50, 200), end("lock.release", &first, 40)], "before a renewal");
    refused(&[grant(&first), renewal(&first, 50, 200), renewal(&first, 60, 300)], "a line is missing");
}

#[test]
fn a_token_that_falls_or_repeats_is_seen() {
    let (first, second) = (exclusive("a", "s1", 2, 0), exclusive("a", "s2", 1, 10));
    refused(&[grant(&first), end("lock.release", &first, 10), grant(&second)], "the smaller token");
    let (first, second) = (exclusive("src/**", "s1", 2, 0), exclusive("src/a", "s2", 1, 10));
    refused(&[grant(&first), end("lock.release", &first, 10), grant(&second)], "the smaller token");
    let (first, second) = (exclusive("a", "s1", 7, 0), exclusive("b", "s2", 7, 10));
    refused(&[grant(&first), grant(&second)], "a second grant under the token");
}

#[test]
fn lines_that_cannot_be_read_are_not_passed_over() {
    let mut unreadable = grant(&exclusive("a", "s1", 1, 0));
    unreadable["after"]["expires_at"] = json!("soon");
    refused(&[unreadable], "cannot be read");
    let mut misnamed = grant(&exclusive("a", "s1", 1, 0));
    misnamed["target"] = json!("b");
    refused(&[misnamed], "another key or session");
}

#[test]
fn lines_that_bear_another_time_are_seen() {
    let first = exclusive("a", "s1", 1, 0);
    let mut early = grant(&first);
    early["at"] = json!(at(-1));
    refused(&[early], "a grant written down for another time");
    let mut early = end("lock.release", &first, 20);
    early["at"] = json!(at(19));
    refused(&[grant(&first), early], "an end written down for another time");
}

fn told(key: &str, session: &str, token: i64, from: i64, expires: i64) -> Acknowledged {
    let lease = lease(key, "exclusive", session, token, from, expires);
    let body = json!({
        "key": key, "mode": "exclusive", "token": token, "agent": "agent", "session": session,
        "granted_at": lease["granted_at"], "expires_at": lease["expires_at"],
    });
    Acknowledged::Granted(serde_json::from_value(body).unwrap())
}

#[test]
fn a_forgotten_grant_is_seen() {
    let history = History::read(&[grant(&exclusive("a", "s1", 1, 0))]);
    assert_eq!(judge(&history, &[told("a", "s1", 1, 0, 100)]), Vec::<String>::new());
    for (claim, because) in [
        (told("a", "s1", 2, 0, 100), "not in the log"),
        (told("b", "s1", 1, 0, 100), "another one in the log"),
        (told("a", "s2", 1, 0, 100), "another one in the log"),
        (told("a", "s1", 1, 0, 101), "ran out before the time"),
    ] {
        let wrong = judge(&history, &[claim]);
        assert!(wrong.iter().any(|word| word.contains(because)), "expected `{because}`, got {wrong:?}");
    }
}

#[test]
fn a_forgotten_release_is_seen() {
    let lease = exclusive("a", "s1", 1, 0);
    let released = Acknowledged::Released { token: 1, session: "s1".to_owned() };
    let history = History::read(&[grant(&lease)]);
    assert_eq!(judge(&history, std::slice::from_ref(&released)).len(), 1);
    let history = History::read(&[grant(&lease), end("lock.release", &lease, 10)]);
    assert_eq!(judge(&history, &[released]), Vec::<String>::new());
    assert_eq!(judge(&history, &[Acknowledged::Released { token: 9, session: "s1".to_owned() }]).len(), 1);
}

#[test]
fn overlap_is_judged_on_whole_steps_and_both_ways_round() {
    let cases = [
        ("a", "a", true),
        ("a", "b", false),
        ("a/**", "a", true),
        ("a/**", "a/b", true),
        ("a/**", "a/b/c/**", true),
        ("a/**", "ab", false),
        ("a/**", "ab/**", false),
        ("a/b/**", "a", false),
        ("**", "a/b", true),
        ("**", "api:GET /a", false),
        ("flag:a/**", "flag:a/b", true),
        ("flag:a/**", "a/b", false),
        ("api:GET /a/**", "api:GET /a/b", true),
        ("api:GET /a/**", "api:POST /a/b", false),
        ("a/x:y", "a/**", true),
    ];
    for (one, two, expected) in cases {
        let (first, second) = (Place::of(one), Place::of(two));
        assert_eq!(first.overlaps(&second), expected, "{one} and {two}");
        assert_eq!(second.overlaps(&first), expected, "{two} and {one}");
    }
}

use super::content::{EntryKey, EntryTtl, EntryValue, TokenBudget};
use super::summary::Gist;
use super::*;
use serde_json::{Value, json};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn key(text: &str) -> EntryKey {
    EntryKey::parse(text).unwrap()
}

fn note(name: &str, value: Value) -> Note {
    Note { key: key(name), value: EntryValue::try_new(value).unwrap(), ttl: None, pinned: false, if_version: None }
}

fn pad(budget: u32) -> Scratchpad {
    let (session, agent) = (SessionId::parse("ann-1").unwrap(), AgentId::parse("ann").unwrap());
    Scratchpad::new(session, agent, TokenBudget::try_new(budget).unwrap(), at(0))
}

/// Sentences about one thing, about so many tokens.
fn story(about: &str, tokens: usize) -> Value {
    let sentence = format!("The {about} was looked at again. ");
    json!(sentence.repeat(tokens * 4 / sentence.len()))
}

fn keys(pad: &Scratchpad) -> Vec<&str> {
    pad.in_order().into_iter().map(|entry| entry.key.as_str()).collect()
}

#[test]
fn what_is_written_is_there_under_a_new_version_each_time() {
    let first = pad(8_000).write(note("plan", json!({ "steps": [1, 2] })), at(1)).unwrap();
    let second = first.pad.write(note("hypothesis", json!("the lock is stale")), at(2)).unwrap();
    let third = second.pad.write(note("plan", json!(null)), at(3)).unwrap();
    let versions: Vec<u64> = third.pad.in_order().iter().map(|entry| entry.version).collect();
    assert_eq!((keys(&third.pad), versions), (vec!["hypothesis", "plan"], vec![2, 3]));
    assert_eq!(
        third.written.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(),
        ["plan"],
        "the other one stays"
    );
    let gone = third.pad.remove(&key("plan"), None, at(4)).unwrap();
    assert_eq!((gone.removed.clone(), gone.written.len()), (vec![key("plan")], 0));
    let again = gone.pad.write(note("plan", json!(1)), at(5)).unwrap();
    assert_eq!(again.pad.entries[&key("plan")].version, 5, "none ever comes twice");
}

#[test]
fn a_version_that_was_overtaken_changes_nothing() {
    let first = pad(8_000).write(note("plan", json!(1)), at(1)).unwrap().pad;
    let over = |if_version| Note { if_version: Some(if_version), ..note("plan", json!(2)) };
    assert_eq!(
        first.write(over(7), at(2)),
        Err(WorkingRefusal::Changed { key: key("plan"), given: 7, current: Some(1) })
    );
    assert_eq!(
        first.write(over(0), at(2)),
        Err(WorkingRefusal::Changed { key: key("plan"), given: 0, current: Some(1) })
    );
    assert!(first.write(over(1), at(2)).is_ok());
    assert!(pad(8_000).write(over(0), at(2)).is_ok(), "0 is for none");
    let gone = WorkingRefusal::Changed { key: key("plan"), given: 1, current: None };
    assert_eq!(pad(8_000).write(over(1), at(2)), Err(gone), "what is not there has no version");
    assert_eq!(
        first.remove(&key("plan"), Some(3), at(2)).map(|_| ()),
        Err(WorkingRefusal::Changed { key: key("plan"), given: 3, current: Some(1) })
    );
    assert_eq!(
        first.remove(&key("other"), None, at(2)).map(|_| ()),
        Err(WorkingRefusal::Unknown { key: key("other") })
    );
}

#[test]
fn an_entry_is_gone_at_its_end_and_can_be_written_as_if_it_had_never_been() {
    let brief = Note { ttl: Some(EntryTtl::try_new(10).unwrap()), ..note("plan", json!(1)) };
    let first = pad(8_000).write(brief, at(0)).unwrap().pad;
    assert_eq!(keys(&first.as_of(at(9))), ["plan"]);
    assert_eq!(keys(&first.as_of(at(10))), Vec::<&str>::new());
    assert!(first.remove(&key("plan"), None, at(10)).is_err());
    let fresh = Note { if_version: Some(0), ..note("plan", json!(2)) };
    let second = first.write(fresh, at(10)).unwrap();
    assert_eq!(second.pad.entries[&key("plan")].expires_at, None);
    let other = first.write(note("other", json!(2)), at(10)).unwrap();
    assert_eq!(other.removed, [key("plan")], "what has expired is cleared away with the next change");
}

#[test]
fn over_the_budget_the_oldest_entries_give_way_and_pinned_ones_stay() {
    let mut pad = pad(1_000);
    let pinned = Note { pinned: true, ..note("pinned", story("goal", 100)) };
    pad = pad.write(pinned, at(0)).unwrap().pad;
    for (name, seconds) in [("a", 1), ("b", 2), ("c", 3)] {
        let changed = pad.write(note(name, story(name, 290)), at(seconds)).unwrap();
        assert_eq!(changed.compacted, []);
        pad = changed.pad;
    }
    let changed = pad.write(note("d", story("d", 290)), at(4)).unwrap();
    let gone: Vec<&str> = changed.compacted.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(gone, ["a", "b"], "as few as leave room for the summary");
    assert_eq!(keys(&changed.pad), ["~summary", "pinned", "c", "d"]);
    assert_eq!(changed.removed, [key("a"), key("b")]);
    assert!(changed.pad.tokens() <= 1_000);
    let gist = Gist::read(changed.pad.entries[&EntryKey::summary()].value.value()).unwrap();
    assert_eq!(gist.compacted, 2);
    assert!(gist.lines.iter().any(|line| line.key == key("a")) && gist.lines.iter().any(|line| line.key == key("b")));
    let next = changed.pad.write(note("e", story("e", 400)), at(5)).unwrap();
    assert_eq!(keys(&next.pad), ["~summary", "pinned", "d", "e"]);
    let gist = Gist::read(next.pad.entries[&EntryKey::summary()].value.value()).unwrap();
    assert_eq!(gist.compacted, 3, "what was said before goes on being counted");
    assert!(gist.lines.iter().any(|line| line.key == key("a")), "and to be said: {gist:?}");
    assert_eq!(changed, pad.write(note("d", story("d", 290)), at(4)).unwrap(), "the same again");
}

#[test]
fn what_was_written_anew_is_not_old() {
    let mut pad = pad(1_000);
    for (name, seconds) in [("a", 1), ("b", 2), ("c", 3), ("a", 4)] {
        pad = pad.write(note(name, story(name, 290)), at(seconds)).unwrap().pad;
    }
    let changed = pad.write(note("d", story("d", 290)), at(5)).unwrap();
    assert_eq!(changed.compacted.first().map(|entry| entry.key.as_str()), Some("b"));
}

#[test]
fn what_cannot_fit_even_alone_with_the_pinned_is_refused() {
    let mut pad = pad(1_000);
    for (name, tokens) in [("a", 400), ("b", 300)] {
        pad = pad.write(Note { pinned: true, ..note(name, story(name, tokens)) }, at(1)).unwrap().pad;
    }
    let refused = pad.write(Note { pinned: true, ..note("c", story("c", 310)) }, at(2)).unwrap_err();
    let WorkingRefusal::Full { budget: 1_000, pinned, needed, entries: 3 } = refused else { panic!("{refused}") };
    assert_eq!(pinned, needed);
    assert!(needed > 1_000 - TokenBudget::SUMMARY_MIN);
    let refused = pad.write(note("c", story("c", 900)), at(2)).unwrap_err();
    assert!(matches!(refused, WorkingRefusal::Full { pinned, needed, .. } if pinned < needed), "{refused}");
    assert!(pad.write(note("c", story("c", 100)), at(2)).is_ok());
    assert!(
        pad.limit(TokenBudget::try_new(600).unwrap(), at(3)).is_err(),
        "nor can the budget fall below what is pinned"
    );
}

#[test]
fn a_smaller_budget_makes_entries_give_way_too() {
    let mut pad = pad(8_000);
    for (name, seconds) in [("a", 1), ("b", 2), ("c", 3)] {
        pad = pad.write(note(name, story(name, 500)), at(seconds)).unwrap().pad;
    }
    let changed = pad.limit(TokenBudget::try_new(1_000).unwrap(), at(4)).unwrap();
    assert_eq!(keys(&changed.pad), ["~summary", "c"]);
    assert!(changed.pad.tokens() <= 1_000);
}

#[test]
fn there_are_only_so_many_entries() {
    let mut pad = pad(TokenBudget::MAX);
    for number in 0..ENTRIES_MAX + 5 {
        pad = pad.write(note(&format!("k{number}"), json!(number)), at(1)).unwrap().pad;
        assert!(pad.entries.len() <= ENTRIES_MAX);
    }
    assert_eq!(keys(&pad).first(), Some(&EntryKey::SUMMARY));
    assert_eq!(keys(&pad).last(), Some(&"k260"));
}

#[test]
fn what_had_an_end_has_it_in_the_summary_too() {
    let brief = |name: &str| Note { ttl: EntryTtl::try_new(100).ok(), ..note(name, story(name, 600)) };
    let pad = pad(1_000).write(brief("secret"), at(0)).unwrap().pad;
    let pad = pad.write(note("b", story("b", 600)), at(1)).unwrap().pad;
    let summary = &pad.entries[&EntryKey::summary()];
    assert_eq!(summary.expires_at, Some(at(100)));
    assert_eq!(keys(&pad.as_of(at(100))), ["b"]);
    let pad = pad.write(note("c", story("c", 600)), at(2)).unwrap().pad;
    let both = Gist::read(pad.entries[&EntryKey::summary()].value.value()).unwrap();
    assert_eq!(both.lines.iter().map(|line| line.key.as_str()).collect::<Vec<_>>(), ["secret", "b"]);
    let later = pad.as_of(at(100));
    assert!(!json!(later.entries[&EntryKey::summary()].value).to_string().contains("secret"));
    assert_eq!(later.entries[&EntryKey::summary()].expires_at, None);
    let cleared = pad.remove(&key("c"), None, at(100)).unwrap();
    assert_eq!(cleared.written.len(), 1, "and the next change clears it away");
}

#[test]
fn nobody_writes_under_the_key_of_the_summary() {
    let summary = note(EntryKey::SUMMARY, json!("mine"));
    assert!(matches!(pad(8_000).write(summary, at(1)), Err(WorkingRefusal::Reserved { .. })));
    for bad in ["", "~", "~other", "a b", "a/b", "..", ".", "ключ", "a\0"] {
        assert!(EntryKey::parse(bad).is_err(), "{bad:?}");
    }
    assert!(EntryKey::parse(&"k".repeat(128)).is_ok() && EntryKey::parse(&"k".repeat(129)).is_err());
}

use super::*;
use serde_json::json;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn entry(name: &str, value: Value) -> Entry {
    let (key, value) = (EntryKey::parse(name).unwrap(), EntryValue::try_new(value).unwrap());
    Entry {
        tokens: value.tokens_under(&key),
        key,
        value,
        version: 1,
        pinned: false,
        written_at: at(0),
        expires_at: None,
    }
}

fn texts(gist: &Gist) -> Vec<&str> {
    gist.lines.iter().map(|line| line.text.as_str()).collect()
}

#[test]
fn json_falls_into_sentences_led_by_their_names() {
    let value = json!({
        "plan": ["First the lexer. Then v1.2 of the parser!", "done"], "n": 3, "ok": true, "no": null,
        "deep": { "er": "eins。zwei\nthree" }, "dots": "... --"
    });
    assert_eq!(
        sentences(&value),
        [
            "deep.er: eins。",
            "deep.er: zwei",
            "deep.er: three",
            "n: 3",
            "ok: true",
            "plan: First the lexer.",
            "plan: Then v1.2 of the parser!",
            "plan: done",
        ]
    );
}

#[test]
fn what_is_spoken_of_most_is_kept_and_said_once() {
    let text = "Lunch was late. The deadlock is in the pool. A bird sang outside. The deadlock of the pool comes back. \
                Four connections are open.";
    let said = |room| Gist::of(None, &[entry("notes", json!(text))], room);
    assert_eq!(texts(&said(36)), ["The deadlock is in the pool."]);
    assert_eq!(texts(&said(64)).len(), 3);
    assert!(!texts(&said(64)).contains(&"The deadlock of the pool comes back."), "that is no news");
}

#[test]
fn a_gist_keeps_its_bounds_whatever_it_is_made_of() {
    let long = json!("слово ".repeat(5_000));
    let many = json!((0..3_000).map(|number| format!("line {number}")).collect::<Vec<_>>());
    for value in [long, many, json!("\"\\\u{1}".repeat(3_000)), json!({}), json!("x".repeat(60_000))] {
        for room in [64, 100, 1_000] {
            let gist = Gist::of(None, &[entry("k", value.clone())], room);
            assert!(gist.cost() <= room, "{} of {room}", gist.cost());
            assert_eq!(gist.compacted, 1);
            assert_eq!(Gist::read(gist.entry(1, at(0)).value.value()).as_ref(), Some(&gist), "and can be read");
        }
    }
}

#[test]
fn an_earlier_gist_is_part_of_the_next() {
    let first = Gist::of(None, &[entry("a", json!("The parser is slow."))], 100);
    let second = Gist::of(Some(first), &[entry("b", json!("The lexer is fast."))], 100);
    assert_eq!((second.compacted, texts(&second)), (2, vec!["The parser is slow.", "The lexer is fast."]));
}

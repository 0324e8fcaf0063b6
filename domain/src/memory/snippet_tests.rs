use super::*;
use crate::memory::words::analyse_query;
use proptest::prelude::*;

fn of(text: &str, question: &str, chars_max: usize) -> Snippet {
    snippet(text, &analyse_query(question), chars_max)
}

fn marked(snippet: &Snippet) -> Vec<&str> {
    snippet.matches.iter().map(|place| &snippet.text[place.clone()]).collect()
}

#[test]
fn a_short_text_is_its_own_passage() {
    let found = of("The lease of the lock expired.", "expired leases", 200);
    assert_eq!(found.text, "The lease of the lock expired.");
    assert_eq!(
        (marked(&found), found.words, found.is_cut_before, found.is_cut_after),
        (vec!["lease", "expired"], 2, false, false)
    );
}

#[test]
fn the_passage_with_the_most_words_is_taken_and_cut_between_words() {
    let noise = "nothing of interest stands in this sentence ".repeat(20);
    let text = format!("lock {noise} the lease of the lock expired at noon {noise} lease");
    let found = of(&text, "lock lease expired", 60);
    assert_eq!(marked(&found), ["lease", "lock", "expired"]);
    assert!(found.text.chars().count() <= 60 && found.is_cut_before && found.is_cut_after);
    assert!(text.contains(&format!(" {} ", found.text)), "{:?}", found.text);
}

#[test]
fn without_a_hit_it_is_the_beginning() {
    let found = of("alpha beta gamma delta", "lock", 11);
    assert_eq!((found.text.as_str(), found.matches.len(), found.is_cut_after), ("alpha beta", 0, true));
    assert_eq!(of("", "lock", 10), Snippet::default());
    assert_eq!(of("alpha", "alpha", 0).text, "");
}

#[test]
fn what_is_written_together_is_marked_once() {
    let found = of("see src/locks/manager.rs for it", "src/locks/manager.rs lock", 100);
    assert_eq!(marked(&found), ["src/locks/manager.rs"]);
    assert_eq!(marked(&of("数据库连接失败", "数据库", 100)), ["数据库"]);
}

#[test]
fn characters_stay_whole_in_every_script() {
    let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
    let text = family.repeat(40);
    for chars_max in 0..20 {
        let found = of(&text, "x", chars_max);
        assert_eq!(found.text, family.repeat(chars_max / 7), "{chars_max}");
    }
    let accents = "e\u{301}".repeat(50);
    assert_eq!(of(&accents, "x", 5).text, "e\u{301}".repeat(2));
    let hebrew = "שלום עולם ".repeat(30);
    let found = of(&format!("{hebrew} מנעול {hebrew}"), "מנעול", 40);
    assert_eq!(marked(&found), ["מנעול"]);
    assert!(found.text.chars().count() <= 40);
}

#[test]
fn a_word_longer_than_the_passage_does_not_break_it() {
    let text = format!("a {} lock b", "x".repeat(1_000));
    assert!(of(&text, &"x".repeat(1_000), 20).text.chars().count() <= 20);
    assert_eq!(marked(&of(&text, "lock", 20)), ["lock"]);
}

proptest! {
    #[test]
    fn passages_are_bounded_parts_of_the_text(
        text in "(lock|lease|[a-z]{1,9}|\\PC|\n|漢字|🚀| ){0,60}", question in "(lock|lease|漢|🚀| ){0,4}", chars_max in 0..80_usize,
    ) {
        let found = of(&text, &question, chars_max);
        prop_assert!(text.contains(&found.text));
        prop_assert!(found.text.chars().count() <= chars_max);
        prop_assert!(found.matches.is_sorted_by(|one, next| one.end <= next.start));
        prop_assert!(found.matches.iter().all(|place| found.text.get(place.clone()).is_some_and(|it| !it.is_empty())));
    }

    #[test]
    fn a_word_that_is_there_is_shown(before in "[a-k ]{0,200}", after in "[a-k ]{0,200}", chars_max in 4..60_usize) {
        let found = of(&format!("{before} zulu {after}"), "zulu", chars_max);
        prop_assert_eq!(found.words, 1);
    }
}

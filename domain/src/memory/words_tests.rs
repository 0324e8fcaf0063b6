use super::*;
use proptest::prelude::*;

fn words(text: &str) -> Vec<String> {
    analyse(text)
}

fn query(text: &str) -> Vec<String> {
    analyse_query(text)
}

fn numbered(count: usize) -> String {
    (0..count).flat_map(|number| ["q".to_owned(), number.to_string(), " ".to_owned()]).collect()
}

#[test]
fn words_are_folded_and_stemmed_and_stop_words_left_out() {
    assert_eq!(words("The leases were EXPIRING, again!"), ["leas", "expir"]);
    assert_eq!(words("Café naïve ﬁle ＡＢＣ Straße Ёлка"), ["cafe", "naiv", "file", "abc", "straße", "елка"]);
    assert_eq!(words("so\u{ad}ft zero\u{200b}width"), ["soft", "zerowidth"], "what is not seen is not there");
}

#[test]
fn endings_after_an_apostrophe_are_left_out() {
    assert_eq!(
        words("Caroline's dog doesn't bark; it\u{2019}s quiet, they'll say"),
        ["carolin", "dog", "bark", "quiet", "say"]
    );
    assert_eq!(words("l'avion rock'n'roll"), ["l", "avion", "rock", "n", "roll"]);
}

#[test]
fn only_stop_words_are_better_than_nothing() {
    assert_eq!(words("to be or not to be"), ["to", "be", "or", "not", "to", "be"]);
    assert_eq!(query("To be, or not to be?"), ["to", "be", "or", "not"]);
    assert_eq!(query("not the lock"), ["lock"]);
}

#[test]
fn identifiers_are_found_whole_and_by_their_parts() {
    assert_eq!(words("claim_task"), ["claim_task", "claim", "task"]);
    assert_eq!(words("claimTask HTTPServer"), ["claimtask", "claim", "task", "httpserver", "http", "server"]);
    assert_eq!(
        words("src/locks/LockManager.rs"),
        ["src/locks/lockmanager.rs", "src", "lock", "lockmanager.rs", "lockmanag", "lock", "manag", "rs"]
    );
    assert_eq!(words("lock::table"), ["lock::table", "lock", "tabl"]);
    assert_eq!(words("m20260301_000007"), ["m20260301_000007", "m20260301", "000007"]);
    assert_eq!(words("__init__ a:::b ::x:: -5 --flag x--y"), ["init", "b", "x", "5", "flag", "x", "y"]);
}

#[test]
fn codes_stay_whole() {
    assert_eq!(words("E0597 SQLSTATE 40001"), ["e0597", "sqlstate", "40001"]);
    assert_eq!(words("sha256 utf8 3d 40k"), ["sha256", "sha", "256", "utf8", "utf", "8", "3d", "40k"]);
    assert_eq!(words("v1.2.3 2026-11-21"), ["v1.2.3", "v1", "2", "3", "2026-11-21", "2026", "11", "21"]);
}

#[test]
fn scripts_without_spaces_become_characters_and_pairs() {
    assert_eq!(words("数据库lock"), ["数", "据", "数据", "库", "据库", "lock"]);
    assert_eq!(words("ロック"), ["ロ", "ッ", "ロッ", "ク", "ック"]);
    assert_eq!(query("猫"), ["猫"]);
}

#[test]
fn other_scripts_and_pictures_are_words() {
    assert_eq!(words("שָׁלוֹם עולם"), ["שלום", "עולם"]);
    assert_eq!(words("مُحَمَّد"), ["محمد"]);
    assert_eq!(words("हिन्दी"), ["हिन्दी"], "vowel signs are letters");
    assert_eq!(words("ship it 🚀👍🏽 🇩🇪🇫🇷"), ["ship", "🚀", "👍", "🇩🇪", "🇫🇷"]);
}

#[test]
fn an_upper_and_a_lower_case_question_find_the_same() {
    for (one, other) in [("GitHub", "github"), ("LOCKS", "locks"), ("Src/Main.rs", "src/main.rs")] {
        let (one, other) = (query(one), query(other));
        assert!(one.iter().any(|term| other.contains(term)), "{one:?} {other:?}");
    }
}

#[test]
fn long_words_and_texts_are_bounded() {
    assert_eq!(words(&"x".repeat(1_000_000)), ["x".repeat(WORD_CHARS_MAX)]);
    let path = "ab/".repeat(50_000);
    assert_eq!(analyse(&path).len(), 50_000, "too long to be found whole");
    assert_eq!(analyse(&"word ".repeat(TERMS_MAX + 5)).len(), TERMS_MAX);
    let many = numbered(20_000);
    assert_eq!(analyse_query(&many).len(), QUERY_TERMS_MAX);
}

#[test]
fn a_query_of_a_hundred_kilobytes_is_cut_to_its_end() {
    for pattern in
        ["a.", "a::", "a'", "\u{301}", "e\u{301}\u{327}", "漢", "'\"*()", "\0", "aB", "🇩", "\u{200d}", "1a", "the "]
    {
        let text = pattern.repeat(100_000 / pattern.len());
        assert!(analyse_query(&text).len() <= analyse(&text).len(), "{pattern:?}");
    }
}

proptest! {
    #[test]
    fn any_text_has_terms_of_bounded_length_that_stand_where_they_say(text in "\\PC{0,80}|[a-zA-Z0-9_:./'\\- \u{301}\u{200d}漢字🚀]{0,80}") {
        let mut last = 0;
        visit(&text, |place, term| {
            assert!(text.get(place.clone()).is_some_and(|found| !found.is_empty()), "{place:?} of {text:?}");
            assert!(!term.is_empty() && term.chars().count() <= WHOLE_CHARS_MAX);
            last = last.max(place.end);
            ControlFlow::Continue(())
        });
        prop_assert!(last <= text.len());
        prop_assert!(analyse_query(&text).len() <= analyse(&text).len());
    }

    #[test]
    fn asking_with_the_words_of_a_text_finds_it(text in "[a-zA-Z0-9_:./' 漢字é]{1,60}") {
        let terms = analyse(&text);
        prop_assert!(analyse_query(&text).iter().all(|term| terms.contains(term)));
    }
}

use super::*;
use crate::ids::ProjectId;
use crate::memory::candidate::{Statistics, Totals};
use crate::memory::content::{EventType, Stream};
use crate::memory::realm::Realm;
use crate::memory::record::{Feedback, Place};
use crate::memory::terms::{PackedTerms, TermHash};
use crate::memory::words::analyse;
use chrono::TimeDelta;
use proptest::prelude::*;
use uuid::Uuid;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn project() -> Realm {
    Realm::Project(ProjectId::parse("default").unwrap())
}

fn id(number: u128) -> MemoryId {
    MemoryId::new(Uuid::from_u128(number))
}

/// A memory by itself, as old as they come.
fn memory(number: u128, text: &str) -> Candidate {
    let words: Vec<TermHash> = analyse(text).iter().map(|word| TermHash::of_word(&project(), word)).collect();
    Candidate {
        id: id(number),
        realm: project(),
        place: Place { stream: Stream::parse(&format!("alone-{number}")).unwrap(), position: 1 },
        length: u32::try_from(words.len()).unwrap(),
        terms: PackedTerms::pack(words),
        event_type: EventType::parse("note").unwrap(),
        happened_at: now() - TimeDelta::days(20_000),
        importance: Importance::DEFAULT,
        pinned: false,
        feedback: Feedback::default(),
    }
}

fn in_row(number: u128, text: &str) -> Candidate {
    let place = Place { stream: Stream::parse("row").unwrap(), position: u64::try_from(number).unwrap() };
    Candidate { place, ..memory(number, text) }
}

/// What is counted of these memories.
fn counted(memories: &[Candidate]) -> StatisticsByRealm {
    let mut by_realm = StatisticsByRealm::new();
    for memory in memories {
        let Statistics { totals: Totals { memories, length }, frequencies } =
            by_realm.entry(memory.realm.clone()).or_default();
        *memories += 1;
        *length += u64::from(memory.length);
        for word in ["lock", "leas", "queue", "build", "test"] {
            let term = TermHash::of_word(&memory.realm, word);
            if memory.terms.frequencies(&[term]) != [0] {
                *frequencies.entry(term).or_default() += 1;
            }
        }
    }
    by_realm
}

fn ranked(question: &str, found: &[Candidate], cosines: &[(u128, f64)]) -> Vec<Ranked> {
    let statistics = counted(found);
    let question = Question::new(question, statistics.keys());
    let cosines = cosines.iter().map(|(number, cosine)| (id(*number), *cosine)).collect();
    let weights = Weights::default();
    let asked =
        Asked { question: &question, statistics: &statistics, cosines: &cosines, weights: &weights, now: now() };
    rank(&asked, found, &[])
}

fn order(ranked: &[Ranked]) -> Vec<MemoryId> {
    ranked.iter().map(|it| it.id).collect()
}

#[test]
fn who_has_the_rare_word_comes_first_and_who_has_none_is_no_answer() {
    let memories = [
        memory(1, "lock one"),
        memory(2, "lease two"),
        memory(3, "lock three"),
        memory(4, "lock four"),
        memory(5, "queue"),
    ];
    let ranked = ranked("lock lease", &memories, &[]);
    assert_eq!(order(&ranked), [id(2), id(1), id(3), id(4)]);
    assert!((ranked[0].parts.lexical - 1.0).abs() < 1e-9 && ranked[0].parts.semantic.is_none());
    assert!(ranked[0].parts.coverage > 0.5 && ranked[1].parts.coverage < 0.5);
}

#[test]
fn bm25_is_what_the_paper_says() {
    let memories = [memory(1, "lock lock thing"), memory(2, "queue"), memory(3, "lock")];
    let statistics = counted(&memories);
    let question = Question::new("lock queue", statistics.keys());
    let found: Vec<&Candidate> = memories.iter().collect();
    let own = Lexical::new(&question, &statistics, &found).own();
    // N = 3, lengths 3, 1, 1, so 5/3 on average; `lock` stands in 2, `queue` in 1.
    let (lock, queue) = ((1.0_f64 + 1.5 / 2.5).ln(), (1.0_f64 + 2.5 / 1.5).ln());
    let slowness = |length: f64| 1.2 * (0.25 + 0.75 * length / (5.0 / 3.0));
    let expected =
        [lock * 4.4 / (2.0 + slowness(3.0)), queue * 2.2 / (1.0 + slowness(1.0)), lock * 2.2 / (1.0 + slowness(1.0))];
    for (own, expected) in own.iter().zip(expected) {
        assert!((own - expected).abs() < 1e-12, "{own} {expected}");
    }
    let around = Lexical::new(&question, &statistics, &found).around(&Windows::new(&found));
    for (around, own) in around.iter().zip(own) {
        assert!((around - own).abs() < 1e-12, "who stands alone is its own window");
    }
}

#[test]
fn what_stands_around_counts_within_two_places() {
    let memories = [in_row(1, "lock"), in_row(2, "alpha"), in_row(3, "beta"), in_row(4, "gamma"), memory(9, "delta")];
    let ranked = ranked("lock", &memories, &[]);
    assert_eq!(order(&ranked), [id(1), id(2), id(3)]);
    assert!(ranked[1].parts.coverage.abs() < 1e-9, "it does not have the word itself");
    let other_row =
        Candidate { place: Place { stream: Stream::parse("other").unwrap(), position: 2 }, ..memory(5, "alpha") };
    assert_eq!(order(&super::tests::ranked("lock", &[in_row(1, "lock"), other_row], &[])), [id(1)]);
}

#[test]
fn a_row_of_another_realm_is_another_row() {
    let realm = Realm::Shared;
    let words = [TermHash::of_word(&realm, "alpha")];
    let shared = Candidate { realm, terms: PackedTerms::pack(words), ..in_row(2, "alpha") };
    assert_eq!(order(&ranked("lock", &[in_row(1, "lock"), shared], &[])), [id(1)]);
}

#[test]
fn meaning_finds_what_words_do_not() {
    let memories = [memory(1, "lock"), memory(2, "mutual exclusion"), memory(3, "cake")];
    let ranked = ranked("lock", &memories, &[(1, 0.6), (2, 0.5), (3, 0.1)]);
    assert_eq!(order(&ranked), [id(1), id(2)]);
    assert!((ranked[1].parts.semantic.unwrap() - 0.8).abs() < 1e-9);
    assert!(ranked[1].parts.lexical.abs() < 1e-9);
}

#[test]
fn without_a_vector_one_is_neither_raised_nor_held_back() {
    let memories = [memory(1, "lock"), memory(2, "lock"), memory(3, "lock")];
    let ranked = ranked("lock", &memories, &[(1, 0.9), (3, 0.1)]);
    assert_eq!(order(&ranked), [id(1), id(2), id(3)]);
}

#[test]
fn equals_are_told_apart_by_their_worth() {
    let plain = || memory(1, "lock");
    let better = [
        Candidate { happened_at: now(), ..memory(2, "lock") },
        Candidate { importance: Importance::try_new(10).unwrap(), ..memory(2, "lock") },
        Candidate { pinned: true, ..memory(2, "lock") },
        Candidate { feedback: Feedback { helpful: 2, wrong: 0, stale: 0 }, ..memory(2, "lock") },
        Candidate { event_type: EventType::parse("decision").unwrap(), ..memory(2, "lock") },
    ];
    for better in better {
        assert_eq!(order(&ranked("lock", &[plain(), better.clone()], &[])), [id(2), id(1)], "{better:?}");
    }
    for feedback in [Feedback { wrong: 1, ..Feedback::default() }, Feedback { stale: 1, ..Feedback::default() }] {
        let worse = Candidate { feedback, ..memory(0, "lock") };
        assert_eq!(order(&ranked("lock", &[worse, plain()], &[])), [id(1), id(0)]);
    }
}

#[test]
fn age_moves_a_score_by_a_tenth_at_most() {
    let old_answer = memory(1, "lock lease");
    let new_neighbour = Candidate { happened_at: now(), ..memory(2, "lock with many other words beside it") };
    assert_eq!(order(&ranked("lock lease", &[old_answer.clone(), new_neighbour], &[])), [id(1), id(2)]);
    let young = Candidate { happened_at: now(), ..memory(3, "lock lease") };
    let ranked = ranked("lock lease", &[old_answer, young], &[]);
    assert!((ranked[1].score / ranked[0].score - 0.9 / 1.1).abs() < 1e-9);
    assert!((ranked[0].parts.recency - 1.0).abs() < 1e-9 && ranked[1].parts.recency < 1e-9);
}

#[test]
fn who_asks_nothing_gets_the_newest_first() {
    let young = Candidate { happened_at: now(), ..memory(1, "alpha") };
    let ranked = ranked("", &[memory(2, "beta"), young], &[]);
    assert_eq!(order(&ranked), [id(1), id(2)]);
}

#[test]
fn it_is_looked_around_the_best_by_words_and_by_meaning() {
    let memories: Vec<Candidate> =
        (0..300).map(|number| memory(number, if number < 150 { "lock" } else { "cake" })).collect();
    let statistics = counted(&memories);
    let question = Question::new("lock", statistics.keys());
    let cosines = BTreeMap::from([(id(299), 0.9), (id(1), 0.5)]);
    let weights = Weights::default();
    let asked =
        Asked { question: &question, statistics: &statistics, cosines: &cosines, weights: &weights, now: now() };
    let chosen: Vec<MemoryId> = look_around(&asked, &memories).iter().map(|it| it.id).collect();
    let expected: Vec<MemoryId> = (0..LOOK_AROUND_MAX as u128).chain([299]).map(id).collect();
    assert_eq!(chosen, expected);
}

#[test]
fn weights_have_bounds() {
    assert_eq!(Weights::default().checked(), Ok(Weights::default()));
    for (weights, name) in [
        (Weights { window: -0.1, ..Weights::default() }, "window"),
        (Weights { semantic: f64::NAN, ..Weights::default() }, "semantic"),
        (Weights { recency: 0.51, ..Weights::default() }, "recency"),
        (Weights { half_life_days: 0.0, ..Weights::default() }, "half_life_days"),
    ] {
        assert_eq!(weights.checked().unwrap_err().name, name);
    }
}

prop_compose! {
    fn any_memory()(
        number in 0..40_u128, text in "((lock|lease|queue|build|test|cake) ){0,6}", row in any::<bool>(),
        age_days in -1..4_000_i64, importance in 1..=10_u8, pinned in any::<bool>(), helpful in 0..9_u32, wrong in 0..9_u32,
    ) -> Candidate {
        let base = if row { in_row(number, &text) } else { memory(number, &text) };
        Candidate {
            happened_at: now() - TimeDelta::days(age_days),
            importance: Importance::try_new(importance).unwrap(),
            feedback: Feedback { helpful, wrong, stale: 0 },
            pinned,
            ..base
        }
    }
}

proptest! {
    #[test]
    fn scores_are_bounded_and_the_order_is_of_the_found_alone(
        found in proptest::collection::vec(any_memory(), 0..30),
        cosines in proptest::collection::vec((0..40_u128, -1.0..1.0_f64), 0..30), turn in 0..30_usize,
        question in "((lock|lease|queue|cake) ){0,4}",
    ) {
        // One of each id, as a store answers.
        let found: Vec<Candidate> =
            found.into_iter().map(|it| (it.id, it)).collect::<BTreeMap<_, _>>().into_values().collect();
        let answers = ranked(&question, &found, &cosines);
        prop_assert!(answers.is_sorted_by(|one, next| one.score >= next.score));
        for Ranked { score, parts, .. } in &answers {
            let all = [*score, parts.lexical, parts.semantic.unwrap_or(0.0), parts.coverage, parts.recency, parts.importance, parts.feedback];
            prop_assert!(all.iter().all(|part| (0.0..=1.0 + 1e-9).contains(part)), "{:?}", all);
        }
        let mut turned = found.clone();
        turned.rotate_left(turn.min(found.len()));
        prop_assert_eq!(ranked(&question, &turned, &cosines), answers);
    }
}

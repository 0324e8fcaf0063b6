use super::*;
use crate::ids::ProjectId;
use crate::memory::candidate::Totals;
use proptest::prelude::*;

fn project() -> Realm {
    Realm::Project(ProjectId::parse("default").unwrap())
}

/// What is counted in a project where these words stand in so many memories.
fn counted(memories: u64, words: &[(&str, u64)]) -> StatisticsByRealm {
    let frequencies = words.iter().map(|(word, count)| (TermHash::of_word(&project(), word), *count)).collect();
    let totals = Totals { memories, length: memories * 10 };
    BTreeMap::from([(project(), Statistics { totals, frequencies })])
}

/// The sets of words that are asked for.
fn asked_for(question: &str, statistics: &StatisticsByRealm, rows_max: u32) -> Vec<Vec<String>> {
    let question = Question::new(question, statistics.keys());
    let word = |term: &TermHash| {
        let at = question.terms(&project()).iter().position(|other| other == term).unwrap();
        question.words()[at].clone()
    };
    let plan = question.plan(statistics, rows_max);
    assert!(plan.iter().all(|wanted| wanted.rows_max == rows_max && wanted.realm == project()));
    plan.iter().flat_map(|wanted| &wanted.any_of).map(|set| set.iter().map(word).collect()).collect()
}

#[test]
fn where_everything_fits_any_of_the_words_will_do() {
    let statistics = counted(900, &[("lock", 900), ("leas", 20)]);
    assert_eq!(asked_for("locks and leases", &statistics, 1_000), [["leas"], ["lock"]]);
}

#[test]
fn frequent_words_count_together_only() {
    let statistics = counted(1_000_000, &[("lock", 50_000), ("leas", 300), ("build", 10_000)]);
    assert_eq!(asked_for("lock lease build", &statistics, 1_000), [vec!["leas"], vec!["build", "lock"]]);
}

#[test]
fn more_of_them_together_where_two_are_too_many() {
    let statistics = counted(1_000_000, &[("lock", 50_000), ("test", 60_000), ("build", 70_000)]);
    assert_eq!(asked_for("lock test build", &statistics, 1_000), [["lock", "test", "build"]]);
}

#[test]
fn of_a_word_that_is_everywhere_some_will_do() {
    let statistics = counted(1_000_000, &[("lock", 900_000)]);
    assert_eq!(asked_for("lock", &statistics, 1_000), [["lock"]]);
    let statistics = counted(1_000_000, &[("lock", 900_000), ("test", 990_000)]);
    assert_eq!(asked_for("lock test", &statistics, 1_000), [["lock", "test"]], "the fewest that there are");
}

#[test]
fn words_that_nobody_wrote_are_not_looked_for() {
    assert!(asked_for("lock", &counted(10, &[]), 1_000).is_empty());
    assert!(asked_for("?!", &counted(10, &[("lock", 1)]), 1_000).is_empty());
    assert!(Question::new("lock", []).plan(&counted(10, &[("lock", 1)]), 5).is_empty(), "in no realm");
}

#[test]
fn each_realm_is_asked_in_its_own_terms() {
    let realms = [project(), Realm::Shared];
    let question = Question::new("lock", &realms);
    let of = |realm: &Realm, memories, count| {
        let frequencies = BTreeMap::from([(TermHash::of_word(realm, "lock"), count)]);
        (realm.clone(), Statistics { totals: Totals { memories, length: 50 }, frequencies })
    };
    let statistics = BTreeMap::from([of(&realms[0], 10, 4), of(&realms[1], 20, 5)]);
    let plan = question.plan(&statistics, 100);
    let sets: Vec<_> = plan.iter().map(|wanted| (&wanted.realm, wanted.any_of.clone())).collect();
    let set = |realm: &Realm| vec![vec![TermHash::of_word(realm, "lock")]];
    assert_eq!(sets, [(&realms[0], set(&realms[0])), (&realms[1], set(&realms[1]))]);
    assert_eq!(question.frequencies(&statistics), [9]);
}

proptest! {
    #[test]
    fn plans_are_small_and_have_no_empty_set(
        counts in proptest::collection::vec(0..2_000_000_u64, 0..64), memories in 0..1_000_000_u64, rows_max in 0..5_000_u32,
    ) {
        let terms: Vec<_> = counts.iter().enumerate().map(|(at, count)| (TermHash(at as u64), *count)).collect();
        let sets = sets(terms.clone(), memories, rows_max);
        prop_assert_eq!(sets.is_empty(), terms.is_empty());
        prop_assert!(sets.iter().all(|set| !set.is_empty() && set.len() <= TOGETHER_MAX as usize));
        prop_assert!(sets.len() <= 64 + (1 << TOGETHER_OF));
    }

    #[test]
    fn what_any_of_the_sets_has_is_within_the_limit(
        counts in proptest::collection::vec(1..1_000_000_u64, 1..10), rows_max in 100..5_000_u32,
    ) {
        let terms: Vec<_> = counts.iter().enumerate().map(|(at, count)| (TermHash(at as u64), *count)).collect();
        let share = |set: &Vec<TermHash>| set.iter().map(|term| as_number(counts[usize::try_from(term.0).unwrap()]) / 1e6).product::<f64>();
        let sets = sets(terms, 1_000_000, rows_max);
        let found = 1.0 - sets.iter().map(|set| 1.0 - share(set)).product::<f64>();
        prop_assert!(sets.len() == 1 || found * 1e6 <= f64::from(rows_max) + 1.0);
    }
}

use super::*;
use crate::memory::realm::Realm;
use crate::memory::terms::TermHash;
use crate::memory::words::analyse;
use proptest::prelude::*;

fn packed(text: &str) -> PackedTerms {
    PackedTerms::pack(analyse(text).iter().map(|word| TermHash::of_word(&Realm::Shared, word)))
}

#[test]
fn tokens_are_estimated_by_the_script() {
    assert_eq!(estimated_tokens(""), 0);
    assert_eq!(estimated_tokens("lock"), 1);
    assert_eq!(estimated_tokens("locks"), 2);
    assert_eq!(estimated_tokens("数据库 ok"), 4);
}

#[test]
fn the_best_go_out_first_and_what_does_not_fit_is_passed_over() {
    let packed = pack([60, 50, 30, 20, 1], Some(100), 10);
    assert_eq!((packed.kept, packed.tokens, packed.left_out), (vec![0, 2, 4], 91, 2));
    let packed = pack([60, 50, 30], None, 2);
    assert_eq!((packed.kept, packed.tokens, packed.left_out), (vec![0, 1], 110, 1));
    assert_eq!(pack([10], Some(9), 10), Packed { kept: vec![], tokens: 0, left_out: 1 });
}

#[test]
fn after_enough_misfits_it_is_over() {
    let answers = std::iter::repeat_n(100, MISFITS_MAX).chain([1]);
    assert_eq!(pack(answers, Some(50), 10).kept, [0_usize; 0]);
    let answers = std::iter::repeat_n(100, MISFITS_MAX - 1).chain([1]);
    assert_eq!(pack(answers, Some(50), 10).kept, [MISFITS_MAX - 1]);
}

#[test]
fn likeness_is_what_is_shared_of_all() {
    for (one, other, expected) in [
        ("alpha beta", "beta alpha alpha", 1.0),
        ("alpha beta gamma", "beta gamma delta", 0.5),
        ("alpha", "beta", 0.0),
        ("", "", 0.0),
    ] {
        assert!((likeness(&packed(one), &packed(other)) - expected).abs() < 1e-9, "{one} / {other}");
        assert!((likeness(&packed(other), &packed(one)) - expected).abs() < 1e-9, "{other} / {one}");
    }
}

#[test]
fn what_says_the_same_is_left_out() {
    let ten = "one two three four five six seven eight nine ten eleven twelve";
    let texts =
        [ten, "other words", &format!("{ten} thirteen"), &format!("{ten} thirteen fourteen fifteen"), "other word"];
    let terms: Vec<PackedTerms> = texts.iter().map(|text| packed(text)).collect();
    assert_eq!(repeated(&terms.iter().collect::<Vec<_>>()), [2, 4]);
    assert!(repeated(&[&packed(""), &packed("")]).is_empty());
}

proptest! {
    #[test]
    fn a_budget_is_never_exceeded_and_nothing_is_lost(
        tokens in proptest::collection::vec(0..200_u64, 0..60), budget in 0..1_000_u64, count_max in 0..20_usize,
    ) {
        let packed = pack(tokens.iter().copied(), Some(budget), count_max);
        prop_assert!(packed.tokens <= budget && packed.kept.len() <= count_max);
        prop_assert_eq!(packed.kept.iter().map(|at| tokens[*at]).sum::<u64>(), packed.tokens);
        prop_assert_eq!(packed.kept.len() + packed.left_out, tokens.len());
    }

    #[test]
    fn what_cannot_be_alike_is_not(one in "[a-f ]{0,40}", other in "[a-f ]{0,40}") {
        let (one, other) = (packed(&one), packed(&other));
        prop_assert!(may_be_alike(&one, &other) || likeness(&one, &other) < SAME_FROM);
    }
}

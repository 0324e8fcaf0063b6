use super::*;
use proptest::prelude::*;

#[test]
fn a_circle_is_told_as_each_needs_the_next() {
    assert_eq!(in_order(&[vec![1], vec![2], vec![0], vec![0]]), Err(vec![0, 1, 2]));
    assert_eq!(in_order(&[vec![], vec![1]]), Err(vec![1]));
    assert_eq!(in_order(&[vec![1], vec![2], vec![1]]), Err(vec![1, 2]), "what leads to a circle is no part of it");
}

#[test]
fn a_thousand_in_a_row_are_no_trouble() {
    let chain: Vec<Vec<usize>> = (0..1_000).map(|n| if n < 999 { vec![n + 1] } else { Vec::new() }).collect();
    assert_eq!(in_order(&chain).unwrap()[0], 999);
}

proptest! {
    #[test]
    fn each_comes_after_all_it_needs_or_there_is_a_true_circle(
        edges in prop::collection::vec(prop::collection::vec(0..12_usize, 0..3), 1..12),
    ) {
        match in_order(&edges) {
            Ok(order) => {
                let at = |thing: usize| order.iter().position(|other| *other == thing);
                prop_assert_eq!(order.len(), edges.len());
                for (thing, needs) in edges.iter().enumerate() {
                    for need in needs.iter().filter(|need| **need < edges.len()) {
                        prop_assert!(at(*need) < at(thing));
                    }
                }
            }
            Err(circle) => {
                prop_assert!(!circle.is_empty());
                for (turn, thing) in circle.iter().enumerate() {
                    let next = circle[(turn + 1) % circle.len()];
                    prop_assert!(edges[*thing].contains(&next));
                }
            }
        }
    }
}

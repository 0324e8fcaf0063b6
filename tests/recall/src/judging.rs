//! How good answers are, by what is right.

use crate::data::Query;

/// The kind of questions that are reported apart: they ask for what was never said.
const ADVERSARIAL: &str = "adversarial";

/// How good the answers to one question are.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Scores {
    /// The share of what is right among the first five and ten answers.
    pub(crate) recall_at_5: f64,
    pub(crate) recall_at_10: f64,
    /// Discounted gain of the first ten beside the best possible; an answer is right or not.
    pub(crate) ndcg_at_10: f64,
    /// One over the place of the first right answer.
    pub(crate) mrr: f64,
}

/// How good the answers to many questions are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Judged {
    pub(crate) headline: Vec<Scores>,
    pub(crate) adversarial: Vec<Scores>,
    /// Of each question that has wrong answers: whether one of them stands above the first right one.
    pub(crate) wrong_above_right: Vec<bool>,
}

impl Judged {
    /// Adds the answers to a question, the best first. A question that nothing answers is not judged.
    pub(crate) fn add(&mut self, query: &Query, answers: &[String]) {
        if query.relevant.is_empty() {
            return;
        }
        let scores = scores(query, answers);
        if query.kind == ADVERSARIAL { &mut self.adversarial } else { &mut self.headline }.push(scores);
        if !query.must_not.is_empty() {
            let first = |of: &dyn Fn(&String) -> bool| answers.iter().position(of).unwrap_or(usize::MAX);
            let (wrong, right) = (first(&|id| query.must_not.contains(id)), first(&|id| query.relevant.contains(id)));
            self.wrong_above_right.push(wrong < right);
        }
    }
}

fn scores(query: &Query, answers: &[String]) -> Scores {
    let is_right = |id: &&String| query.relevant.contains(*id);
    let all = number(query.relevant.len());
    let recall = |depth: usize| number(answers.iter().take(depth).filter(is_right).count()) / all;
    let gain = |place: usize| 1.0 / number(place + 2).log2();
    let places = answers.iter().take(10).enumerate().filter(|(_, id)| is_right(id));
    let best: f64 = (0..query.relevant.len().min(10)).map(gain).sum();
    Scores {
        recall_at_5: recall(5),
        recall_at_10: recall(10),
        ndcg_at_10: places.map(|(place, _)| gain(place)).sum::<f64>() / best,
        mrr: answers.iter().position(|id| is_right(&id)).map_or(0.0, |place| 1.0 / number(place + 1)),
    }
}

/// The mean of one of the scores; `None` of no questions.
pub(crate) fn mean(scores: &[Scores], of: impl Fn(&Scores) -> f64) -> Option<f64> {
    (!scores.is_empty()).then(|| scores.iter().map(of).sum::<f64>() / number(scores.len()))
}

/// A small count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "counts of questions and answers")]
pub(crate) const fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(relevant: &[&str], must_not: &[&str], kind: &str) -> Query {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let (relevant, must_not) = (ids(relevant), ids(must_not));
        Query { scope: "s".into(), text: "q".into(), relevant, must_not, kind: kind.into() }
    }

    fn answers(ids: &str) -> Vec<String> {
        ids.split_whitespace().map(Into::into).collect()
    }

    #[test]
    fn scores_are_what_the_books_say() {
        let scores = scores(&query(&["a", "b"], &[], ""), &answers("x a y z v w b"));
        assert_eq!((scores.recall_at_5, scores.recall_at_10, scores.mrr), (0.5, 1.0, 0.5));
        let expected = (1.0 / 3_f64.log2() + 1.0 / 8_f64.log2()) / (1.0 + 1.0 / 3_f64.log2());
        assert!((scores.ndcg_at_10 - expected).abs() < 1e-12);
    }

    #[test]
    fn the_first_right_answer_counts_however_deep() {
        let many = "x ".repeat(99) + "a";
        let scores = scores(&query(&["a"], &[], ""), &answers(&many));
        assert_eq!(scores, Scores { mrr: 0.01, ..Scores::default() });
    }

    #[test]
    fn what_asks_for_the_never_said_is_kept_apart_and_what_has_no_answer_is_left_out() {
        let mut judged = Judged::default();
        judged.add(&query(&["a"], &[], "adversarial"), &answers("a"));
        judged.add(&query(&["a"], &[], "temporal"), &answers("b"));
        judged.add(&query(&[], &["a"], "abstain"), &answers("a"));
        assert_eq!(
            (mean(&judged.headline, |it| it.mrr), mean(&judged.adversarial, |it| it.mrr)),
            (Some(0.0), Some(1.0))
        );
        assert!(judged.wrong_above_right.is_empty());
        assert_eq!(mean(&[], |it| it.mrr), None);
    }

    #[test]
    fn wrong_above_right_also_if_the_right_one_is_missing() {
        let mut judged = Judged::default();
        for found in ["w a", "a w", "w", "x", "a"] {
            judged.add(&query(&["a"], &["w"], "superseded"), &answers(found));
        }
        assert_eq!(judged.wrong_above_right, [true, false, true, false, false]);
    }
}

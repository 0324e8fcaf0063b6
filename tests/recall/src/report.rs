//! What was measured, as a table and as JSON.

use crate::judging::{Judged, Scores, mean, number};
use e2e::Outcome;
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// The names of this file's fields are read by others.
#[derive(Debug, Serialize)]
struct Row {
    data: String,
    store: &'static str,
    mode: &'static str,
    queries: usize,
    recall_at_5: Option<f64>,
    recall_at_10: Option<f64>,
    ndcg_at_10: Option<f64>,
    mrr: Option<f64>,
    /// In how many of the questions that have wrong answers one of them stands above the right one, as a share.
    #[serde(skip_serializing_if = "Option::is_none")]
    wrong_above_right: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wrong_queries: Option<usize>,
    #[serde(flatten)]
    adversarial: Option<Adversarial>,
}

#[derive(Debug, Serialize)]
struct Adversarial {
    #[serde(rename = "adversarial_queries")]
    queries: usize,
    #[serde(rename = "adversarial_recall_at_5")]
    recall_at_5: Option<f64>,
    #[serde(rename = "adversarial_recall_at_10")]
    recall_at_10: Option<f64>,
    #[serde(rename = "adversarial_ndcg_at_10")]
    ndcg_at_10: Option<f64>,
    #[serde(rename = "adversarial_mrr")]
    mrr: Option<f64>,
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Row>);

impl Report {
    pub(crate) fn add(&mut self, data: &str, store: &'static str, mode: &'static str, judged: &Judged) {
        let [recall_at_5, recall_at_10, ndcg_at_10, mrr] = means(&judged.headline);
        let wrong = judged.wrong_above_right.iter().filter(|wrong| **wrong).count();
        let traps = judged.wrong_above_right.len();
        let adversarial = (!judged.adversarial.is_empty()).then(|| {
            let [recall_at_5, recall_at_10, ndcg_at_10, mrr] = means(&judged.adversarial);
            Adversarial { queries: judged.adversarial.len(), recall_at_5, recall_at_10, ndcg_at_10, mrr }
        });
        self.0.push(Row {
            data: data.to_owned(),
            store,
            mode,
            queries: judged.headline.len(),
            recall_at_5,
            recall_at_10,
            ndcg_at_10,
            mrr,
            wrong_above_right: (traps > 0).then(|| number(wrong) / number(traps)),
            wrong_queries: (traps > 0).then_some(traps),
            adversarial,
        });
    }

    /// A table for people.
    pub(crate) fn print(&self, out: &mut impl Write) -> Outcome {
        writeln!(
            out,
            "| data | store | mode | questions | R@5 | R@10 | nDCG@10 | MRR | wrong above right | adversarial R@10 |"
        )?;
        writeln!(out, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")?;
        let told = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
        for row in &self.0 {
            let Row { data, store, mode, queries, recall_at_5, recall_at_10, ndcg_at_10, mrr, .. } = row;
            let scores = [*recall_at_5, *recall_at_10, *ndcg_at_10, *mrr].map(told).join(" | ");
            let adversarial = told(row.adversarial.as_ref().and_then(|it| it.recall_at_10));
            let wrong = told(row.wrong_above_right);
            writeln!(out, "| {data} | {store} | {mode} | {queries} | {scores} | {wrong} | {adversarial} |")?;
        }
        Ok(())
    }

    /// An array of rows.
    pub(crate) fn write_json(&self, path: &Path) -> Outcome {
        Ok(std::fs::write(path, serde_json::to_string_pretty(&self.0)? + "\n")?)
    }
}

fn means(scores: &[Scores]) -> [Option<f64>; 4] {
    let of: [fn(&Scores) -> f64; 4] = [|it| it.recall_at_5, |it| it.recall_at_10, |it| it.ndcg_at_10, |it| it.mrr];
    of.map(|of| mean(scores, of))
}

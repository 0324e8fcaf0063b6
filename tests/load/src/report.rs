//! What the numbers are told as: a table for people, JSON for what comes after.

use crate::drive::Measure;
use crate::statistics::{median, rounded};
use anyhow::{Context, Result};
use serde::Serialize;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A measure beside its floor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) store: &'static str,
    pub(crate) clients: u32,
    pub(crate) ops_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) floor_ops_per_s: f64,
    pub(crate) ratio: f64,
    /// Server and database together.
    pub(crate) cpu_us_per_op: f64,
    /// One client's median latency over that of the floor with one connection.
    #[serde(skip)]
    pub(crate) latency_ratio: Option<f64>,
}

/// A measure that has no floor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ExtraRow {
    pub(crate) name: &'static str,
    pub(crate) store: &'static str,
    pub(crate) clients: u32,
    pub(crate) ops_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) p99_ms: f64,
    /// Server and database together.
    pub(crate) cpu_us_per_op: f64,
}

/// The middle run in every respect by itself: the median rate need not be of the run with the median latency.
pub(crate) fn middle(runs: &[Measure]) -> Option<Measure> {
    let of = |value: fn(&Measure) -> f64| median(runs.iter().map(value));
    Some(Measure {
        ops_per_s: of(|run| run.ops_per_s)?,
        p50_ms: of(|run| run.p50_ms)?,
        p95_ms: of(|run| run.p95_ms)?,
        p99_ms: of(|run| run.p99_ms)?,
        server_us: of(|run| run.server_us)?,
        database_us: of(|run| run.database_us)?,
        generator_us: of(|run| run.generator_us)?,
        window_share: of(|run| run.window_share)?,
        acknowledged: runs.iter().map(|run| run.acknowledged).sum(),
    })
}

/// Where there is no number.
const NONE: &str = "–";

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) extra: Vec<ExtraRow>,
    lines: Vec<String>,
}

impl Report {
    /// A measure over HTTP beside the floor at its best and, for one client, with one connection.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        store: &'static str,
        clients: u32,
        http: Measure,
        floor: Measure,
        alone: Option<Measure>,
    ) {
        let (ops_per_s, floor_ops_per_s) = (rounded(http.ops_per_s, 1), rounded(floor.ops_per_s, 1));
        let ratio = rounded(http.ops_per_s / floor.ops_per_s, 3);
        let latency_ratio = alone.map(|alone| rounded(http.p50_ms / alone.p50_ms, 2));
        let times = latency_ratio.map_or(NONE.to_owned(), |ratio| format!("{ratio:.1}"));
        self.lines.push(line(
            name,
            store,
            clients,
            &http,
            &[rounded(floor.ops_per_s, 0).to_string(), format!("{ratio:.2}"), times],
        ));
        self.rows.push(Row {
            name,
            store,
            clients,
            ops_per_s,
            p50_ms: rounded(http.p50_ms, 3),
            p99_ms: rounded(http.p99_ms, 3),
            floor_ops_per_s,
            ratio,
            cpu_us_per_op: rounded(http.server_us + http.database_us, 1),
            latency_ratio,
        });
    }

    pub(crate) fn add_extra(&mut self, name: &'static str, store: &'static str, clients: u32, measure: Measure) {
        self.lines.push(line(name, store, clients, &measure, &[NONE, NONE, NONE].map(str::to_owned)));
        self.extra.push(ExtraRow {
            name,
            store,
            clients,
            ops_per_s: rounded(measure.ops_per_s, 1),
            p50_ms: rounded(measure.p50_ms, 3),
            p95_ms: rounded(measure.p95_ms, 3),
            p99_ms: rounded(measure.p99_ms, 3),
            cpu_us_per_op: rounded(measure.server_us + measure.database_us, 1),
        });
    }

    /// A table in Markdown, all latencies in milliseconds and processor times in microseconds for each operation.
    pub(crate) fn print(&self, to: &mut impl Write) -> Result<()> {
        writeln!(
            to,
            "| measure | store | clients | ops/s | p50 ms | p95 ms | p99 ms | floor ops/s | ratio | p50 ratio | server µs | database µs | generator µs |"
        )?;
        writeln!(to, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for line in &self.lines {
            writeln!(to, "{line}")?;
        }
        Ok(())
    }

    /// Writes the measures with a floor to this file, and the others to one beside it.
    pub(crate) fn write_json(&self, path: &Path) -> Result<()> {
        let write = |path: &Path, text: String| {
            fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))
        };
        write(path, serde_json::to_string_pretty(&self.rows)?)?;
        write(&extra_path(path), serde_json::to_string_pretty(&self.extra)?)
    }
}

fn extra_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".extra.json");
    name.into()
}

fn line(name: &str, store: &str, clients: u32, measure: &Measure, floor: &[String; 3]) -> String {
    let Measure { ops_per_s, p50_ms, p95_ms, p99_ms, server_us, database_us, generator_us, .. } = measure;
    let [floor, ratio, times] = floor;
    format!(
        "| {name} | {store} | {clients} | {ops_per_s:.0} | {p50_ms:.2} | {p95_ms:.2} | {p99_ms:.2} | {floor} | {ratio} | {times} | {server_us:.0} | {database_us:.0} | {generator_us:.0} |"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(ops_per_s: f64, p50_ms: f64) -> Measure {
        Measure {
            ops_per_s,
            p50_ms,
            p95_ms: 2.0 * p50_ms,
            p99_ms: 3.0 * p50_ms,
            server_us: 60.0,
            database_us: 120.04,
            generator_us: 40.0,
            acknowledged: 10,
            window_share: 1.0,
        }
    }

    #[test]
    fn the_json_has_the_agreed_fields_and_the_extra_file_stands_beside_it() -> Result<()> {
        let mut report = Report::default();
        report.add("lock acquire+release", "postgres", 64, run(1_500.04, 4.0), run(3_000.0, 5.0), None);
        report.add_extra("lock status", "sqlite", 16, run(9_000.0, 1.5));
        let folder = std::env::temp_dir().join(format!("load-report-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let path = folder.join("load.json");
        let written = report
            .write_json(&path)
            .and_then(|()| Ok((fs::read_to_string(&path)?, fs::read_to_string(folder.join("load.json.extra.json"))?)));
        fs::remove_dir_all(&folder)?;
        let (rows, extra) = written?;
        let rows: serde_json::Value = serde_json::from_str(&rows)?;
        assert_eq!(
            rows,
            serde_json::json!([{
                "name": "lock acquire+release", "store": "postgres", "clients": 64, "ops_per_s": 1500.0, "p50_ms": 4.0,
                "p99_ms": 12.0, "floor_ops_per_s": 3000.0, "ratio": 0.5, "cpu_us_per_op": 180.0,
            }])
        );
        let extra: serde_json::Value = serde_json::from_str(&extra)?;
        assert_eq!(extra[0]["p95_ms"], 3.0);
        assert_eq!(extra.as_array().map(Vec::len), Some(1));
        Ok(())
    }

    #[test]
    fn each_number_is_the_middle_one_by_itself() {
        let runs = [run(1.0, 30.0), run(3.0, 10.0), run(2.0, 20.0)];
        let middle = middle(&runs);
        assert_eq!(middle.map(|run| (run.ops_per_s, run.p50_ms, run.acknowledged)), Some((2.0, 20.0, 30)));
        assert_eq!(super::middle(&[]), None);
    }

    #[test]
    fn the_table_has_as_many_columns_in_each_line() -> Result<()> {
        let mut report = Report::default();
        report.add("a", "sqlite", 1, run(1.0, 1.0), run(2.0, 1.0), Some(run(2.0, 0.4)));
        assert_eq!(report.rows[0].latency_ratio, Some(2.5));
        report.add_extra("b", "sqlite", 1, run(1.0, 1.0));
        let mut text = Vec::new();
        report.print(&mut text)?;
        let columns: Vec<usize> = String::from_utf8(text)?.lines().map(|line| line.matches('|').count()).collect();
        assert_eq!(columns, [14, 14, 14, 14]);
        Ok(())
    }
}

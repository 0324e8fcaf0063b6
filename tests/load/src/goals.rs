//! What was aimed at, and whether it was reached.

use crate::drive::Measure;
use crate::history::Change;
use crate::idle::Idle;
use crate::memories::{IndexCost, Recalled};
use crate::mesh::followers::Crowd;
use crate::report::Row;
use crate::statistics::Latencies;
use anyhow::Result;
use std::io::Write;

/// Of the rate of the floor on `PostgreSQL`.
const RATIO_LEAST: f64 = 1.0;
/// Of the floor's median latency.
const LATENCY_RATIO_MOST: f64 = 3.0;
const CPU_US_MOST: f64 = 200.0;
/// Of a core.
const IDLE_PERCENT_MOST: f64 = 2.0;
const CHANGE_PERCENT_MOST: f64 = 20.0;
const MEMORY_MIB_MOST: u64 = 150;
const MAIL_MS_MOST: f64 = 250.0;
/// Without a doorbell.
const MAIL_UNTOLD_MS_MOST: f64 = 1_500.0;
const CROWD_MIB_MOST: u64 = 300;
/// The rates over HTTP are aimed at with so many clients.
const CLIENTS: u32 = 64;

/// One aim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Goal {
    what: String,
    wanted: String,
    measured: String,
    is_met: bool,
}

impl Goal {
    fn new(what: String, wanted: String, measured: String, is_met: bool) -> Self {
        Self { what, wanted, measured, is_met }
    }
}

/// The goals for the measures that have a floor. The disk's rate says what can be expected of the embedded store.
pub(crate) fn beside_floors(rows: &[Row], syncs_per_second: Option<f64>) -> Vec<Goal> {
    let mut goals = Vec::new();
    for row in rows {
        let Row { name, store, clients, ratio, cpu_us_per_op, latency_ratio, .. } = row;
        let least = match *store {
            "postgres" => Some(RATIO_LEAST),
            _ => syncs_per_second.map(embedded_ratio_least),
        };
        if let (CLIENTS, Some(least)) = (*clients, least) {
            let (wanted, measured) = (format!("≥ {least:.1}× the floor"), format!("{ratio:.2}×"));
            goals.push(Goal::new(format!("{name}, {store}, {CLIENTS} clients"), wanted, measured, *ratio >= least));
        }
        if (*clients, *store) == (CLIENTS, "postgres") {
            let what = format!("{name}, {store}, {CLIENTS} clients, processor time of server and database");
            let (wanted, measured) = (format!("≤ {CPU_US_MOST:.0} µs"), format!("{cpu_us_per_op:.0} µs"));
            goals.push(Goal::new(what, wanted, measured, *cpu_us_per_op <= CPU_US_MOST));
        }
        if let Some(times) = latency_ratio {
            let what = format!("{name}, {store}, 1 client, median latency");
            let (wanted, measured) = (format!("≤ {LATENCY_RATIO_MOST:.0}× the floor's"), format!("{times:.1}×"));
            goals.push(Goal::new(what, wanted, measured, *times <= LATENCY_RATIO_MOST));
        }
    }
    goals
}

/// 5 where the disk syncs more than 1,000 times a second, 20 where fewer than 200, and in proportion between.
fn embedded_ratio_least(syncs_per_second: f64) -> f64 {
    20.0 - 15.0 * (syncs_per_second.clamp(200.0, 1_000.0) - 200.0) / 800.0
}

pub(crate) fn idle(store: &str, claimers: u32, idle: Idle) -> Goal {
    let Idle { server, database } = idle;
    let measured = format!("{:.2} % of a core: server {server:.2} %, database {database:.2} %", server + database);
    let what = format!("{claimers} claimers waiting at an empty queue, {store}");
    Goal::new(what, format!("< {IDLE_PERCENT_MOST:.0} %"), measured, server + database < IDLE_PERCENT_MOST)
}

/// `finished` is the number of tasks in the history.
pub(crate) fn history(finished: i64, change: Change) -> Goal {
    let Change { store, clients, percent } = change;
    let what = format!("claim latency by {finished} finished tasks, {store}, {clients} clients");
    Goal::new(
        what,
        format!("< {CHANGE_PERCENT_MOST:.0} % more"),
        format!("{percent:+.1} %"),
        percent < CHANGE_PERCENT_MOST,
    )
}

pub(crate) fn memory(store: &str, mib: u64) -> Goal {
    let (wanted, measured) = (format!("< {MEMORY_MIB_MOST} MiB"), format!("{mib} MiB"));
    Goal::new(format!("memory of the server at the end, {store}"), wanted, measured, mib < MEMORY_MIB_MOST)
}

/// How long messages took from one server to whoever waits at another.
pub(crate) fn mail(name: &str, rate: u32, has_doorbell: bool, latencies: &Latencies) -> Goal {
    let most = if has_doorbell { MAIL_MS_MOST } else { MAIL_UNTOLD_MS_MOST };
    let (median, p99) = (latencies.quantile_ms(0.5), latencies.quantile_ms(0.99));
    let measured = format!("{p99:.0} ms, median {median:.0} ms");
    Goal::new(format!("{name}, {rate} a second, p99"), format!("< {most:.0} ms"), measured, p99 < most)
}

/// What a crowd cost that follows at one server.
pub(crate) fn followers(name: &str, rate: u32, crowd: Crowd) -> [Goal; 2] {
    let Crowd { server_percent, memory_mib, behind_ms } = crowd;
    let told = format!("{server_percent:.1} % of a core; all had everything {behind_ms:.0} ms after the last answer");
    let name = format!("{name} of {rate} facts a second");
    let time = (format!("{name}, server"), "< 100 % of a core".to_owned());
    let memory = (format!("{name}, memory"), format!("< {CROWD_MIB_MOST} MiB"));
    [
        Goal::new(time.0, time.1, told, server_percent < 100.0),
        Goal::new(memory.0, memory.1, format!("{memory_mib} MiB"), memory_mib < CROWD_MIB_MOST),
    ]
}

/// How long questions took of so many clients while memories were written; `p99_ms_most` where something was aimed at.
pub(crate) fn recall(recalled: &Recalled, written_per_second: u32, p99_ms_most: Option<f64>) -> Goal {
    let Recalled { store, memories, clients, measure, index_mib, all_mib } = recalled;
    let Measure { ops_per_s, p50_ms, p99_ms, server_us, database_us, .. } = measure;
    let measured = format!(
        "{p99_ms:.1} ms, median {p50_ms:.1} ms; {ops_per_s:.0}/s, {server_us:.0} µs of the server and {database_us:.0} µs of \
         the database each; index {index_mib} MiB of {all_mib} MiB"
    );
    let what =
        format!("recall out of {memories}, {store}, {clients} clients, {written_per_second} written a second, p99");
    let wanted = p99_ms_most.map_or("–".to_owned(), |most| format!("< {most:.0} ms"));
    Goal::new(what, wanted, measured, p99_ms_most.is_none_or(|most| *p99_ms < most))
}

/// What a memory costs to be written with the full-text index and without it.
pub(crate) fn index_cost(store: &str, cost: IndexCost) -> Goal {
    let IndexCost { indexed_us, bare_us } = cost;
    let measured = format!("{indexed_us:.0} µs of server and database, {bare_us:.0} µs without");
    Goal::new(format!("a memory written, {store}, 500 in a request"), "–".to_owned(), measured, true)
}

/// A table in Markdown.
pub(crate) fn print(goals: &[Goal], to: &mut impl Write) -> Result<()> {
    writeln!(to, "| target | wanted | measured | met |\n|---|---|---|---|")?;
    for Goal { what, wanted, measured, is_met } in goals {
        let met = if *is_met { "yes" } else { "**no**" };
        writeln!(to, "| {what} | {wanted} | {measured} | {met} |")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Operation;

    fn row(store: &'static str, clients: u32, ratio: f64, latency_ratio: Option<f64>) -> Row {
        let name = Operation::Claim.name();
        let (ops_per_s, p50_ms, p99_ms, floor_ops_per_s, cpu_us_per_op) = (1.0, 1.0, 1.0, 1.0, 200.0);
        Row { name, store, clients, ops_per_s, p50_ms, p99_ms, floor_ops_per_s, ratio, cpu_us_per_op, latency_ratio }
    }

    fn met(goals: &[Goal]) -> Vec<bool> {
        goals.iter().map(|goal| goal.is_met).collect()
    }

    #[test]
    fn the_rate_and_the_cost_count_with_many_clients_and_the_latency_with_one() {
        let goals = beside_floors(&[row("postgres", 64, 0.99, None), row("postgres", 64, 1.0, None)], None);
        assert_eq!(met(&goals), [false, true, true, true]);
        assert_eq!(beside_floors(&[row("postgres", 16, 0.1, None), row("sqlite", 16, 0.1, None)], Some(1.0)), []);
        let goals = beside_floors(&[row("sqlite", 1, 0.1, Some(3.01)), row("postgres", 1, 0.1, Some(3.0))], None);
        assert_eq!(met(&goals), [false, true]);
    }

    #[test]
    fn the_slower_the_disk_the_more_a_common_commit_has_to_bring() {
        let met_at = |ratio, syncs| met(&beside_floors(&[row("sqlite", 64, ratio, None)], Some(syncs)));
        assert_eq!([met_at(5.0, 1_001.0), met_at(4.9, 9_000.0)], [[true], [false]]);
        assert_eq!([met_at(19.9, 150.0), met_at(20.0, 10.0), met_at(12.5, 600.0)], [[false], [true], [true]]);
    }

    #[test]
    fn limits_of_the_other_goals_are_not_met_by_reaching_them() -> Result<()> {
        let change = |percent| history(9, Change { store: "sqlite", clients: 1, percent });
        let goals = [
            idle("sqlite", 64, Idle { server: 1.5, database: 0.5 }),
            idle("sqlite", 64, Idle { server: 1.5, database: 0.4 }),
            change(20.0),
            change(-3.0),
            memory("sqlite", 150),
            memory("sqlite", 149),
        ];
        assert_eq!(met(&goals), [false, true, false, true, false, true]);
        let mut text = Vec::new();
        print(&goals, &mut text)?;
        assert!(String::from_utf8(text)?.lines().all(|line| line.matches('|').count() == 5));
        Ok(())
    }
}

//! Sixteen clients hand in, claim, do, drop and cancel work at random. Afterwards the audit log alone must prove that
//! each task was in one place at each instant and with one session at a time, that tokens and attempts rose, that nobody
//! spoke under a token that was over, that none started before what it depends on or beside more of its kind than may
//! run, and that nothing that a client was told has been forgotten.

use e2e::audit::entries;
use e2e::checker::{History, judge as judge_locks};
use e2e::contention::Faults;
use e2e::database::Cluster;
use e2e::logs::note;
use e2e::random::seed;
use e2e::server::Server;
use e2e::store::Store;
use e2e::work::crew::{self, Report, keyring};
use e2e::work::history::Lives;
use e2e::work::judge::{Told, judge};
use e2e::{Fault, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

async fn prove(auditor: &Server, report: &Report) -> Outcome<Lives> {
    let log = entries(&auditor.agent("auditor")?, &[]).await?;
    let lives = Lives::read(&log);
    note(format_args!(
        "{} lines, {} tasks, {:?}, answers: {:#?}",
        log.len(),
        lives.of.len(),
        lives.statuses(),
        report.answers
    ));
    let mut wrong = judge(&lives, &report.told);
    wrong.extend(judge_locks(&History::read(&log), &[]));
    assert!(wrong.is_empty(), "{} faults, the first ones:\n{}", wrong.len(), wrong[..wrong.len().min(10)].join("\n"));
    Ok(lives)
}

/// The tables hold what the log tells, each task once, and everything that could be finished is.
async fn tables_agree(store: &Store, lives: &Lives) -> Outcome {
    let rows = store.texts("SELECT status || ' ' || count(*) FROM task_states GROUP BY status").await?;
    let counts = rows.iter().map(|row| {
        let (status, tasks) = row.split_once(' ').unwrap_or_default();
        Ok((status.to_owned(), tasks.parse()?))
    });
    let counts: BTreeMap<String, usize> = counts.collect::<Outcome<_>>()?;
    assert_eq!(counts, lives.statuses());
    for status in ["ready", "scheduled", "failed", "leased", "blocked"] {
        assert_eq!(counts.get(status), None, "everything could be finished");
    }
    let alone = "SELECT 'x' FROM tasks t WHERE NOT EXISTS (SELECT 1 FROM task_states s WHERE s.id = t.id)";
    assert_eq!(store.texts(alone).await?, [""; 0]);
    let sums = "SELECT (SELECT count(*) FROM tasks) || ' ' || (SELECT count(*) FROM task_attempts) || ' ' || \
        (SELECT count(*) FROM leases) || ' ' || ((SELECT count(*) FROM facts) - \
        (SELECT count(*) FROM audit_entries WHERE outcome = 'ok'))";
    let expected = format!("{} {} 0 0", lives.of.len(), lives.count("claim"));
    assert_eq!(store.texts(sums).await?, [expected], "tasks, attempts, locks, and one fact for each line");
    Ok(())
}

/// Each result that was accepted is kept with its attempt, and no other.
async fn results_are_kept(store: &Store, report: &Report) -> Outcome {
    let rows = store.texts("SELECT token || ' ' || result FROM task_attempts WHERE result IS NOT NULL").await?;
    let kept: BTreeSet<String> = rows.into_iter().collect();
    let told = report.told.iter().filter_map(|one| match one {
        Told::Ended { token, result: Some(result), .. } => Some(format!("{token} {result}")),
        _ => None,
    });
    assert_eq!(kept, told.collect());
    assert!(kept.len() > 20, "only {} results", kept.len());
    Ok(())
}

/// Enough of everything happened for the proof to mean something.
fn was_lively(lives: &Lives, report: &Report) {
    for (what, least) in [("claim", 100), ("complete", 50), ("fail", 10), ("release", 3), ("ready", 20), ("lapse", 1)] {
        assert!(lives.count(what) >= least, "{what} happened only {} times", lives.count(what));
    }
    for answer in ["complete 410 claim-stale", "cancel 200", "end 200"] {
        assert!(report.answered(answer) > 0, "nobody was ever answered {answer}: {:?}", report.answers);
    }
}

async fn crew_on(store: &Store, servers: &[&Server], lasts: Duration) -> Outcome {
    let seed = seed();
    note(format_args!("seed {seed}"));
    let urls = servers.iter().map(|server| server.url()).collect();
    let report = crew::work(urls, lasts, Faults::None, seed).await?;
    let lives = prove(servers[0], &report).await?;
    was_lively(&lives, &report);
    assert!(report.answered("the same again") > 20, "hardly anything was asked twice: {:?}", report.answers);
    results_are_kept(store, &report).await?;
    tables_agree(store, &lives).await
}

#[tokio::test]
async fn every_task_has_one_life_on_sqlite() -> Outcome {
    let store = Store::sqlite()?;
    let server = store.launch()?.keys(&keyring()).start().await?;
    crew_on(&store, &[&server], Duration::from_secs(7)).await
}

#[tokio::test]
async fn every_task_has_one_life_on_two_servers_over_postgres() -> Outcome {
    let store = Store::postgres()?;
    let one = store.launch()?.keys(&keyring()).start().await?;
    let other = store.launch()?.keys(&keyring()).start().await?;
    crew_on(&store, &[&one, &other], Duration::from_secs(7)).await
}

#[tokio::test]
#[ignore = "a soak of minutes, run by tests/nightly"]
async fn every_task_has_one_life_for_minutes() -> Outcome {
    let store = Store::postgres()?;
    let one = store.launch()?.keys(&keyring()).start().await?;
    let other = store.launch()?.keys(&keyring()).start().await?;
    crew_on(&store, &[&one, &other], Duration::from_mins(5)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_task_is_lost_when_a_server_is_killed_and_the_database_crashes() -> Outcome {
    let cluster = Cluster::start()?;
    let store = Store::in_cluster(&cluster)?;
    let mut survivor = store.launch()?.keys(&keyring()).start().await?;
    let mut victim = store.launch()?.keys(&keyring()).start().await?;
    let seed = seed();
    note(format_args!("seed {seed}"));
    let working = crew::work(vec![survivor.url(), victim.url()], Duration::from_secs(9), Faults::Outages, seed);
    let breaking = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        victim.kill().await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        tokio::task::block_in_place(|| cluster.crash_and_restart())?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        victim = victim.launch().start().await?;
        Ok::<_, Fault>(())
    };
    let (report, broken) = tokio::join!(working, breaking);
    broken?;
    let report = report?;
    assert!(survivor.still_runs()?, "the other server must live through the crash of its database");
    assert!(report.answered("no answer") > 0, "nobody noticed that a server was killed");
    let lives = prove(&survivor, &report).await?;
    was_lively(&lives, &report);
    results_are_kept(&store, &report).await?;
    tables_agree(&store, &lives).await
}

#[tokio::test]
async fn no_task_is_lost_when_the_only_server_is_killed_again_and_again_on_sqlite() -> Outcome {
    let store = Store::sqlite()?;
    let mut server = store.launch()?.keys(&keyring()).start().await?;
    let seed = seed();
    note(format_args!("seed {seed}"));
    let working = crew::work(vec![server.url()], Duration::from_secs(7), Faults::Outages, seed);
    let breaking = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(1_700)).await;
            server.kill().await?;
            server = server.launch().start().await?;
        }
        Ok::<_, Fault>(())
    };
    let (report, broken) = tokio::join!(working, breaking);
    broken?;
    let report = report?;
    let lives = prove(&server, &report).await?;
    was_lively(&lives, &report);
    results_are_kept(&store, &report).await?;
    tables_agree(&store, &lives).await
}
